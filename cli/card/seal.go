//go:build cgo

package card

import (
	"crypto/ecdh"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"

	"github.com/miekg/pkcs11"

	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// keyWraps are the mechanisms that wrap 32 bytes as RFC 3394 or RFC 5649 has it. The last one is RFC 5649 on some cards and
// something else on others: the size of what comes out tells.
func keyWraps() []uint {
	const keyWrapKWP = 0x210b // PKCS #11 3.0
	return []uint{pkcs11.CKM_AES_KEY_WRAP, keyWrapKWP, pkcs11.CKM_AES_KEY_WRAP_PAD}
}

func (c *token) Suites() (suites []order.Suite) {
	wraps := slices.ContainsFunc(keyWraps(), func(m uint) bool { return c.can(m, pkcs11.CKF_WRAP, 0) })
	if wraps && c.can(pkcs11.CKM_ECDH1_DERIVE, pkcs11.CKF_DERIVE, 521) && c.can(pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKF_GENERATE_KEY_PAIR, 521) {
		suites = append(suites, order.SuiteECDH)
	}
	if c.can(pkcs11.CKM_RSA_PKCS_OAEP, pkcs11.CKF_WRAP, 4096) {
		suites = append(suites, order.SuiteRSA)
	}
	return suites
}

func (c *token) SealPart(label string, suite order.Suite, public []byte) ([]byte, error) {
	if !slices.Contains(c.Suites(), suite) {
		return nil, refuse(ErrCannotSeal, "%v does not do %v", c.name, suite)
	}
	part, err := c.part(label)
	if err != nil {
		return nil, err
	}
	return c.seal(part, suite, public)
}

// wrap has the card wrap a part to an importer key.
func (c *token) wrap(part pkcs11.ObjectHandle, suite order.Suite, public []byte) ([]byte, error) {
	if suite == order.SuiteRSA {
		return c.sealRSA(part, public)
	}
	return c.sealECDH(part, public)
}

// sealRSA wraps with RSAES-OAEP, SHA-1, MGF1 with SHA-1 and no label.
func (c *token) sealRSA(part pkcs11.ObjectHandle, public []byte) (sealed []byte, err error) {
	key, err := importer.RSAPublicKey(public)
	if err != nil {
		return nil, err
	}
	object, err := c.ctx.CreateObject(c.session, template(uint(pkcs11.CKA_CLASS), uint(pkcs11.CKO_PUBLIC_KEY), uint(pkcs11.CKA_KEY_TYPE), uint(pkcs11.CKK_RSA),
		uint(pkcs11.CKA_TOKEN), false, uint(pkcs11.CKA_WRAP), true,
		uint(pkcs11.CKA_MODULUS), key.N.Bytes(), uint(pkcs11.CKA_PUBLIC_EXPONENT), big.NewInt(int64(key.E)).Bytes()))
	if err != nil {
		return nil, c.failed("taking the importer key of a crypto unit", err)
	}
	defer func() { err = errors.Join(err, c.ctx.DestroyObject(c.session, object)) }()
	oaep := pkcs11.NewOAEPParams(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1, pkcs11.CKZ_DATA_SPECIFIED, nil)
	sealed, err = c.ctx.WrapKey(c.session, mechanism(pkcs11.CKM_RSA_PKCS_OAEP, oaep), object, part)
	if err != nil {
		return nil, c.failed("wrapping a key part", err)
	}
	return sealed, nil
}

// sealECDH makes a key pair for this one part, which the card forgets, agrees with it on an AES key, and wraps under that.
func (c *token) sealECDH(part pkcs11.ObjectHandle, public []byte) (sealed []byte, err error) {
	if _, err := ecdh.P521().NewPublicKey(public); err != nil {
		return nil, refuse(importer.ErrPublicKey, "%v", err)
	}
	var made []pkcs11.ObjectHandle
	defer func() {
		for _, object := range made {
			err = errors.Join(err, c.ctx.DestroyObject(c.session, object))
		}
	}()
	own, private, err := c.ctx.GenerateKeyPair(c.session, mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil),
		template(uint(pkcs11.CKA_TOKEN), false, uint(pkcs11.CKA_EC_PARAMS), p521),
		template(uint(pkcs11.CKA_TOKEN), false, uint(pkcs11.CKA_PRIVATE), true, uint(pkcs11.CKA_SENSITIVE), true, uint(pkcs11.CKA_EXTRACTABLE), false,
			uint(pkcs11.CKA_DERIVE), true))
	if err != nil {
		return nil, c.failed("making a P-521 key for this part", err)
	}
	made = append(made, own, private)
	ownKey, err := c.publicKey(own, "the key for this part")
	if err != nil {
		return nil, err
	}
	point, err := ownKey.Bytes()
	if err != nil {
		return nil, err
	}
	wrapping, err := c.derive(private, public)
	if err != nil {
		return nil, c.failed("agreeing with a crypto unit on a key", err)
	}
	made = append(made, wrapping)
	wrapped, err := c.keyWrap(wrapping, part)
	if err != nil {
		return nil, err
	}
	return append(point, wrapped...), nil
}

// derive agrees on an AES-256 key (CKM_ECDH1_DERIVE with CKD_NULL). A card takes the other point as it is, or in DER.
func (c *token) derive(private pkcs11.ObjectHandle, point []byte) (pkcs11.ObjectHandle, error) {
	attributes := template(uint(pkcs11.CKA_CLASS), uint(pkcs11.CKO_SECRET_KEY), uint(pkcs11.CKA_KEY_TYPE), uint(pkcs11.CKK_AES), uint(pkcs11.CKA_VALUE_LEN), 32,
		uint(pkcs11.CKA_TOKEN), false, uint(pkcs11.CKA_SENSITIVE), true, uint(pkcs11.CKA_EXTRACTABLE), false, uint(pkcs11.CKA_WRAP), true)
	derive := func(point []byte) (pkcs11.ObjectHandle, error) {
		return c.ctx.DeriveKey(c.session, mechanism(pkcs11.CKM_ECDH1_DERIVE, pkcs11.NewECDH1DeriveParams(pkcs11.CKD_NULL, nil, point)), private, attributes)
	}
	key, err := derive(point)
	if !is(err, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_ARGUMENTS_BAD) {
		return key, err
	}
	der, failed := asn1.Marshal(point)
	if failed != nil {
		return 0, failed
	}
	return derive(der)
}

func (c *token) keyWrap(key, part pkcs11.ObjectHandle) ([]byte, error) {
	for _, m := range keyWraps() {
		if !c.can(m, pkcs11.CKF_WRAP, 0) {
			continue
		}
		wrapped, err := c.ctx.WrapKey(c.session, mechanism(m, nil), key, part)
		if err != nil {
			return nil, c.failed("wrapping a key part", err)
		}
		if len(wrapped) == masterkey.Size+8 {
			return wrapped, nil
		}
	}
	return nil, refuse(ErrCannotSeal, "%v wraps keys neither by RFC 3394 nor by RFC 5649", c.name)
}
