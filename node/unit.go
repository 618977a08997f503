package node

import (
	"errors"
	"fmt"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/holdpoint"
	"tumbler/kms"
	"tumbler/rewrap"
)

// keyUnit is the unit as callers' keys need it.
type keyUnit struct{ unit *cryptounit.Unit }

// asKMS gives the unit's refusals the names that kms acts on.
func asKMS(err error) error {
	for _, pair := range [][2]error{
		{cryptounit.ErrPatternUnknown, kms.ErrPatternUnknown},
		{cryptounit.ErrNotAuthentic, kms.ErrNotAuthentic},
		{cryptounit.ErrClosed, kms.ErrUnavailable},
	} {
		if errors.Is(err, pair[0]) {
			return fmt.Errorf("%w: %w", pair[1], err)
		}
	}
	return err
}

func header(h kms.Header) cryptounit.Header {
	return cryptounit.Header{
		Use: cryptounit.Use(h.Use), Class: order.Class(h.Class), Instance: order.ID(h.Instance), Key: order.ID(h.Key),
		Version: h.Version, Owner: h.Owner,
	}
}

func patterns(under []fsm.Pattern) []masterkey.Pattern {
	out := make([]masterkey.Pattern, len(under))
	for i, p := range under {
		out[i] = masterkey.Pattern(p)
	}
	return out
}

func (k keyUnit) Make(keys []kms.KeyToMake, under []fsm.Pattern) ([][][]byte, error) {
	made := make([]cryptounit.NewKey, len(keys))
	for i, n := range keys {
		made[i] = cryptounit.NewKey{Header: header(n.Header), Material: n.Material, Size: n.Size}
	}
	blobs, err := k.unit.MakeKeys(made, patterns(under)...)
	return blobs, asKMS(err)
}

func (k keyUnit) Export(blob []byte) ([]byte, error) {
	payload, err := k.unit.Export(blob)
	return payload, asKMS(err)
}

func (k keyUnit) Wrap(blob, plaintext, aad []byte) (iv, ciphertext []byte, err error) {
	iv, ciphertext, err = k.unit.Wrap(blob, plaintext, aad)
	return iv, ciphertext, asKMS(err)
}

func (k keyUnit) Unwrap(blob, iv, ciphertext, aad []byte) ([]byte, error) {
	plaintext, err := k.unit.Unwrap(blob, iv, ciphertext, aad)
	return plaintext, asKMS(err)
}

func (k keyUnit) MAC(blob, message []byte) ([]byte, error) {
	mac, err := k.unit.MAC(blob, message)
	return mac, asKMS(err)
}

// rewrapUnit is the unit as a rewrap needs it.
type rewrapUnit struct {
	unit     *cryptounit.Unit
	troubled func(error) // told why the unit could not write its file
}

func (r rewrapUnit) BeginPartition(digest order.Digest, partition, pass uint32) error {
	holdpoint.At("begin")
	err := r.unit.BeginPartition(digest, partition, pass)
	r.troubled(err)
	return err
}

func (r rewrapUnit) Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (rewrap.Rewrapped, error) {
	holdpoint.At("rewrap")
	out, err := r.unit.Rewrap(digest, partition, pass, blobs)
	return rewrap.Rewrapped(out), err
}

func (r rewrapUnit) NewVerifier(digest order.Digest, last uint64, partition, pass uint32) (rewrap.Verifier, error) {
	holdpoint.At("verify")
	v, err := r.unit.NewVerifier(digest, last, partition, pass)
	if errors.Is(err, cryptounit.ErrPartition) {
		return nil, fmt.Errorf("%w: %w", rewrap.ErrWrote, err)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (r rewrapUnit) Check(blob []byte) error { return r.unit.Check(blob) }
