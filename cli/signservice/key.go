package signservice

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
)

// Key is a P-521 key that the service holds: an order.Signer. It prints as its name.
type Key struct {
	// ctx ends what the service is asked; a Signer has no place for one of its own.
	ctx     context.Context //nolint:containedctx // see there
	service *Service
	name    string
	token   string
	public  *ecdsa.PublicKey
}

// Format prints the name and nothing else, in every format.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.name) }

// point is a public key as the service gives it.
type point struct{ X, Y *big.Int }

// Key asks the service for a key's public part. The context bounds all that the key signs, too.
func (s *Service) Key(ctx context.Context, name, token string) (*Key, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var answer struct {
		PublicKey string `json:"publickey"`
	}
	if err := s.call(ctx, http.MethodGet, "keys", name, token, nil, &answer); err != nil {
		return nil, err
	}
	public, err := parsePublic(answer.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key of %s: %w", ErrAnswer, name, err)
	}
	return &Key{ctx, s, name, token, public}, nil
}

// parsePublic reads a point of P-521.
func parsePublic(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("it is not base64")
	}
	var p point
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("it is not a DER sequence of two integers")
	}
	const size = 66 // bytes of a coordinate of P-521
	if p.X.Sign() < 0 || p.Y.Sign() < 0 || p.X.BitLen() > 8*size || p.Y.BitLen() > 8*size {
		return nil, fmt.Errorf("it is no point of P-521")
	}
	uncompressed := make([]byte, 1+2*size)
	uncompressed[0] = 4
	p.X.FillBytes(uncompressed[1 : 1+size])
	p.Y.FillBytes(uncompressed[1+size:])
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P521(), uncompressed)
	if err != nil {
		return nil, fmt.Errorf("it is no point of P-521")
	}
	return public, nil
}

// Public returns the key that the service showed.
func (k *Key) Public() *ecdsa.PublicKey { return k.public }

// SignMessage has the service sign the SHA-512 of a message, and verifies what it gives.
func (k *Key) SignMessage(message []byte) ([]byte, error) {
	request := struct {
		Hash  string `json:"hash_algorithm"`
		Input []byte `json:"input"`
	}{"sha2-512", message}
	var answer struct {
		Signature string `json:"signature"`
	}
	if err := k.service.call(k.ctx, http.MethodPost, "sign", k.name, k.token, request, &answer); err != nil {
		return nil, err
	}
	signature, err := base64.StdEncoding.DecodeString(answer.Signature)
	if err != nil {
		return nil, fmt.Errorf("%w: the signature of %s is not base64", ErrAnswer, k.name)
	}
	digest := sha512.Sum512(message)
	if !ecdsa.VerifyASN1(k.public, digest[:], signature) {
		return nil, fmt.Errorf("%w: the signature of %s is not one of the key that it showed, over the SHA-512 of what it was given", ErrAnswer, k.name)
	}
	return signature, nil
}
