package importer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // OAEP asks of its hash no resistance to collisions, and cards have this one
	"crypto/x509"
	"math/big"
)

const (
	rsaBits     = 4096
	rsaExponent = 65537
)

// NewRSA makes a key of order.SuiteRSA: the private key in PKCS #1, and the modulus. It takes a second or two.
func NewRSA() (private, public []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, nil, err
	}
	return x509.MarshalPKCS1PrivateKey(key), key.N.FillBytes(make([]byte, rsaBits/8)), nil
}

// RSAPublicKey reads the importer key of order.SuiteRSA.
func RSAPublicKey(public []byte) (*rsa.PublicKey, error) {
	if len(public) != rsaBits/8 || public[0]&0x80 == 0 || public[len(public)-1]&1 == 0 {
		return nil, refuse(ErrPublicKey, "no modulus of %d bits", rsaBits)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(public), E: rsaExponent}, nil
}

// sealRSA: RSAES-OAEP (RFC 8017, section 7.1), SHA-1, MGF1 with SHA-1, no label.
func sealRSA(public, value []byte) ([]byte, error) {
	key, err := RSAPublicKey(public)
	if err != nil {
		return nil, err
	}
	return rsa.EncryptOAEP(sha1.New(), rand.Reader, key, value, nil)
}

// OpenRSA opens what was sealed to a key of NewRSA.
func OpenRSA(private, sealed []byte) ([]byte, error) {
	key, err := x509.ParsePKCS1PrivateKey(private)
	if err != nil {
		return nil, err
	}
	value, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed, nil)
	if err != nil {
		return nil, refuse(ErrSealed, "%v", err)
	}
	return value, nil
}
