//go:build cgo

package card

import (
	"slices"

	"github.com/miekg/pkcs11"

	"tumbler/cryptounit/masterkey"
)

const keyPart = "key part"

func (c *token) NewPart(label string) error {
	if err := c.vacant(pkcs11.CKO_SECRET_KEY, keyPart, label); err != nil {
		return err
	}
	how, kind := uint(pkcs11.CKM_GENERIC_SECRET_KEY_GEN), uint(pkcs11.CKK_GENERIC_SECRET)
	if !c.can(how, pkcs11.CKF_GENERATE, 0) {
		how, kind = pkcs11.CKM_AES_KEY_GEN, pkcs11.CKK_AES
	}
	attributes := template(uint(pkcs11.CKA_CLASS), uint(pkcs11.CKO_SECRET_KEY), uint(pkcs11.CKA_KEY_TYPE), kind, uint(pkcs11.CKA_VALUE_LEN), masterkey.Size,
		uint(pkcs11.CKA_LABEL), label, uint(pkcs11.CKA_TOKEN), true, uint(pkcs11.CKA_PRIVATE), true,
		uint(pkcs11.CKA_SENSITIVE), true, uint(pkcs11.CKA_EXTRACTABLE), true) // out of the card wrapped alone
	for _, use := range []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP, pkcs11.CKA_DERIVE} {
		attributes = append(attributes, pkcs11.NewAttribute(use, false))
	}
	object, err := c.ctx.GenerateKey(c.session, mechanism(how, nil), attributes)
	if err != nil {
		return c.failed("drawing a key part", err)
	}
	return c.keeps(object, label)
}

// part finds a key part that leaves the card wrapped alone.
func (c *token) part(label string) (pkcs11.ObjectHandle, error) {
	object, err := c.object(pkcs11.CKO_SECRET_KEY, keyPart, label)
	if err != nil {
		return 0, err
	}
	return object, c.keeps(object, label)
}

func (c *token) keeps(object pkcs11.ObjectHandle, label string) error {
	kept, err := c.flags(object, pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE)
	if err != nil {
		return c.failed("looking at "+label, err)
	}
	if !kept[0] {
		return refuse(ErrNotKept, "%v: the value of %q can be read: make another key part", c.name, label)
	}
	if !kept[1] {
		return refuse(ErrCannotSeal, "%v: %q was made not to leave it, wrapped either: make another key part", c.name, label)
	}
	return nil
}

func (c *token) Pattern(label string) (masterkey.Pattern, error) {
	object, err := c.part(label)
	if err != nil {
		return masterkey.Pattern{}, err
	}
	if !slices.Contains(c.mechanisms, pkcs11.CKM_SHA256) {
		return masterkey.Pattern{}, refuse(ErrNoPattern, "%v does not digest", c.name)
	}
	digest, err := c.digest(object)
	switch {
	case is(err, pkcs11.CKR_KEY_INDIGESTIBLE, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_MECHANISM_INVALID,
		pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_KEY_HANDLE_INVALID):
		return masterkey.Pattern{}, refuse(ErrNoPattern, "%v: %v", c.name, err)
	case err != nil:
		return masterkey.Pattern{}, c.failed("digesting a key part", err)
	}
	var pattern masterkey.Pattern
	copy(pattern[:masterkey.PatternSize-4], digest) // the last 4 bytes are zero
	return pattern, nil
}

// digest has the card compute SHA-256(0x01 ‖ key).
func (c *token) digest(object pkcs11.ObjectHandle) ([]byte, error) {
	if err := c.ctx.DigestInit(c.session, mechanism(pkcs11.CKM_SHA256, nil)); err != nil {
		return nil, err
	}
	if err := c.ctx.DigestUpdate(c.session, []byte{1}); err != nil {
		return nil, err
	}
	if err := c.ctx.DigestKey(c.session, object); err != nil {
		return nil, err
	}
	return c.ctx.DigestFinal(c.session)
}
