package order

import "fmt"

// Encode returns the DER of one signature, for where it travels alone.
func (s *Signature) Encode() ([]byte, error) {
	return encode(toWireSignatures([]Signature{*s})[0])
}

// DecodeSignature reads the DER of one signature, unverified.
func DecodeSignature(der []byte) (*Signature, error) {
	var w wireSignature
	if err := decode(der, &w, "signature"); err != nil {
		return nil, err
	}
	var r reader
	sigs := r.signatures([]wireSignature{w})
	if r.err != nil {
		return nil, fmt.Errorf("signature: %w", r.err)
	}
	if err := canonical(der, "signature", sigs[0].Encode); err != nil {
		return nil, err
	}
	return &sigs[0], nil
}
