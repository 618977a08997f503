//go:build cgo

package card

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/asn1"
	"math/big"

	"github.com/miekg/pkcs11"

	"tumbler/cryptounit/order"
)

// p521 is CKA_EC_PARAMS: the object identifier of secp521r1.
var p521 = []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}

const signatureKey = "signature key"

func (c *token) NewKey(label string) (*ecdsa.PublicKey, error) {
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
		if err := c.vacant(class, signatureKey, label); err != nil {
			return nil, err
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	public, _, err := c.ctx.GenerateKeyPair(c.session, mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil),
		template(uint(pkcs11.CKA_TOKEN), true, uint(pkcs11.CKA_VERIFY), true, uint(pkcs11.CKA_EC_PARAMS), p521, uint(pkcs11.CKA_LABEL), label, uint(pkcs11.CKA_ID), id),
		template(uint(pkcs11.CKA_TOKEN), true, uint(pkcs11.CKA_PRIVATE), true, uint(pkcs11.CKA_SENSITIVE), true, uint(pkcs11.CKA_EXTRACTABLE), false,
			uint(pkcs11.CKA_SIGN), true, uint(pkcs11.CKA_LABEL), label, uint(pkcs11.CKA_ID), id))
	if err != nil {
		return nil, c.failed("making a P-521 key", err)
	}
	return c.publicKey(public, label)
}

func (c *token) publicKey(object pkcs11.ObjectHandle, label string) (*ecdsa.PublicKey, error) {
	values, err := c.attributes(object, pkcs11.CKA_EC_POINT)
	if err != nil {
		return nil, c.failed("reading the public key of "+label, err)
	}
	point, err := pointOf(values[0])
	if err != nil {
		return nil, refuse(ErrNoObject, "%v: %q is no P-521 key", c.name, label)
	}
	return point, nil
}

// pointOf reads CKA_EC_POINT: an octet string in DER, or on some cards the point itself.
func pointOf(value []byte) (*ecdsa.PublicKey, error) {
	var point []byte
	if rest, err := asn1.Unmarshal(value, &point); err != nil || len(rest) > 0 {
		point = value
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P521(), point)
}

func (c *token) Key(label string) (order.Signer, error) {
	private, err := c.object(pkcs11.CKO_PRIVATE_KEY, signatureKey, label)
	if err != nil {
		return nil, err
	}
	object, err := c.object(pkcs11.CKO_PUBLIC_KEY, "public key of a signature key", label)
	if err != nil {
		return nil, err
	}
	public, err := c.publicKey(object, label)
	if err != nil {
		return nil, err
	}
	kept, err := c.flags(private, pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE)
	if err != nil {
		return nil, c.failed("looking at "+label, err)
	}
	if !kept[0] || kept[1] {
		return nil, refuse(ErrNotKept, "%v: signature key %q can be taken from it: make another one", c.name, label)
	}
	return &key{c, private, public}, nil
}

// key signs on its card.
type key struct {
	card    *token
	private pkcs11.ObjectHandle
	public  *ecdsa.PublicKey
}

func (k *key) Public() *ecdsa.PublicKey { return k.public }

// SignMessage signs the SHA-512 of a message (CKM_ECDSA).
func (k *key) SignMessage(message []byte) ([]byte, error) {
	digest := sha512.Sum512(message)
	c := k.card
	if err := c.ctx.SignInit(c.session, mechanism(pkcs11.CKM_ECDSA, nil), k.private); err != nil {
		return nil, c.failed("signing", err)
	}
	raw, err := c.ctx.Sign(c.session, digest[:])
	if err != nil {
		return nil, c.failed("signing", err)
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}
