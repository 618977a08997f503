package kms

import (
	"context"
	"errors"

	"tumbler/fsm"
)

// Material is what a key had before a quorum set it aside, given again by its owner.
type Material struct {
	Payload    []byte   // it is erased before RestoreMaterial returns
	Ciphertext string   // that a root key wrapped: it names the version, and must open; "" for a standard key
	AAD        []string // of that wrap
}

// RestoreMaterial gives a key whose material was set aside its material again: what was wrapped before unwraps, and the version
// stays what it was. Of a root key the crypto unit opens a ciphertext with the material before anything is proposed, which finds
// a mistake; who lies can make such a ciphertext, so it takes who may restore keys, and is in the audit trail. A standard key
// has wrapped nothing that could be tried: its caller's word is taken, and the trail says so.
func (s *Service) RestoreMaterial(ctx context.Context, caller Caller, idOrAlias string, given Material) (Key, error) {
	defer clear(given.Payload)
	action := ActionMaterial
	if given.Ciphertext == "" {
		action = ActionUnprovenMaterial
	}
	c, key, err := s.beginOn(ctx, caller, action, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	header := Header{Use: UseRoot, Class: fsm.ClassKMS, Instance: c.cluster.Instance, Key: key.ID, Owner: ownerKMS}
	version, prove := key.Current(), func([]byte) error { return nil }
	if key.Metadata.Extractable {
		header.Use, err = UseStandard, given.ofStandard(key)
	} else {
		version, prove, err = c.ofRoot(key, given)
	}
	if err == nil {
		err = c.mayReturn(key, version)
	}
	if err != nil {
		return Key{}, err
	}
	header.Version = version.Number
	err = c.seal(func(under []fsm.Pattern) ([][]byte, error) {
		blobs, err := c.material(header, given.Payload, under)
		if err != nil {
			return nil, err
		}
		return blobs, prove(blobs[0])
	}, func(m fsm.Material) fsm.Command {
		return &fsm.AddKeyVersion{Key: key.ID, Record: key.Record, Replaces: version.Number, Material: m, By: c.by(), At: fsm.TimeOf(c.now())}
	})
	return c.after(key.ID, err)
}

func (m Material) ofStandard(key fsm.Key) error {
	if m.Ciphertext != "" || len(m.AAD) > 0 {
		return ErrField.with("ciphertext: key %s is a standard key, which has wrapped nothing: give the payload alone", FormatID(key.ID))
	}
	return checkStandardPayload("payload", len(m.Payload))
}

// ofRoot finds the version that made the ciphertext, and what tells whether a blob has its material.
func (c *call) ofRoot(key fsm.Key, m Material) (version fsm.KeyVersion, prove func(blob []byte) error, err error) {
	if m.Ciphertext == "" {
		return version, nil, ErrField.with("ciphertext: give one that key %s wrapped, so that the payload can be tried on it", FormatID(key.ID))
	}
	if err := checkRootPayload(len(m.Payload)); err != nil {
		return version, nil, err
	}
	if err := checkAAD(m.AAD); err != nil {
		return version, nil, err
	}
	id, iv, sealed, err := decodeCiphertext(m.Ciphertext)
	if err != nil {
		return version, nil, err
	}
	version, ok := versionByID(key, id)
	if !ok {
		return version, nil, ErrCiphertext.with("key %s did not make this ciphertext", FormatID(key.ID))
	}
	return version, func(blob []byte) error {
		plaintext, err := c.s.cfg.Unit.Unwrap(blob, iv, sealed, additionalData(version.ID, m.AAD))
		clear(plaintext)
		if errors.Is(err, ErrNotAuthentic) {
			return ErrDiffers.because(err, "the ciphertext does not open with this payload: it is not the key's, or the ciphertext or its aad are others; nothing was changed")
		}
		return err
	}, nil
}

// mayReturn: the version's material was set aside, and the key was not deleted.
func (c *call) mayReturn(key fsm.Key, version fsm.KeyVersion) error {
	if key.State == fsm.KeyDestroyed {
		return ErrKeyState.with("key %s was deleted: restore it first, without a payload", FormatID(key.ID))
	}
	_, err := c.view.Blob(c.view.Cluster().Epochs.Current, version.Blob)
	switch {
	case errors.Is(err, fsm.ErrSetAside):
		return nil
	case err != nil:
		return explain(err)
	}
	return ErrKeyState.with("version %s of key %s is there: its material was not set aside", FormatID(version.ID), FormatID(key.ID))
}
