package kms

import (
	"context"
	"crypto/rand"
	"errors"

	"tumbler/fsm"
)

// generatedPlaintext is the size in bytes of what a wrap without plaintext makes.
const generatedPlaintext = 32

// Wrapped is the answer to a wrap, unwrap or rewrap.
type Wrapped struct {
	Plaintext  []byte   // unwrapped, or made by a wrap without one
	Ciphertext string   // under the current version; "" if an unwrap had nothing to rewrap
	Version    Version  // that the given ciphertext is under; of a wrap, that the new one is
	Rewrapped  *Version // that Ciphertext is under, when that differs
}

// Wrap encrypts plaintext under a root key's current version; without plaintext (nil) it makes 32 random bytes.
func (s *Service) Wrap(ctx context.Context, caller Caller, idOrAlias string, plaintext []byte, aad []string) (Wrapped, error) {
	c, err := s.begin(ctx, caller, ActionWrap, idOrAlias)
	if err != nil {
		return Wrapped{}, err
	}
	defer c.end()
	if err := checkAAD(aad); err != nil {
		return Wrapped{}, err
	}
	var out Wrapped
	if plaintext == nil {
		plaintext = make([]byte, generatedPlaintext)
		rand.Read(plaintext)
		out.Plaintext = plaintext
	} else if err := checkStandardPayload("plaintext", len(plaintext)); err != nil {
		return Wrapped{}, err
	}
	key, err := c.root(idOrAlias, fsm.KeyActive)
	if err != nil {
		return Wrapped{}, err
	}
	out.Version = versionOf(key.Current())
	out.Ciphertext, err = c.wrapUnder(key.Current(), plaintext, aad)
	if err != nil {
		return Wrapped{}, err
	}
	return out, nil
}

// Unwrap decrypts what a wrap gave. If the key has a newer version, the answer carries a ciphertext under that.
func (s *Service) Unwrap(ctx context.Context, caller Caller, idOrAlias, ciphertext string, aad []string) (Wrapped, error) {
	c, err := s.begin(ctx, caller, ActionUnwrap, idOrAlias)
	if err != nil {
		return Wrapped{}, err
	}
	defer c.end()
	return c.unwrap(idOrAlias, ciphertext, aad, false)
}

// Rewrap gives a ciphertext under the key's current version; the plaintext stays here.
func (s *Service) Rewrap(ctx context.Context, caller Caller, idOrAlias, ciphertext string, aad []string) (Wrapped, error) {
	c, err := s.begin(ctx, caller, ActionRewrap, idOrAlias)
	if err != nil {
		return Wrapped{}, err
	}
	defer c.end()
	out, err := c.unwrap(idOrAlias, ciphertext, aad, true)
	clear(out.Plaintext)
	out.Plaintext = nil
	return out, err
}

func (c *call) unwrap(idOrAlias, ciphertext string, aad []string, always bool) (Wrapped, error) {
	if err := checkAAD(aad); err != nil {
		return Wrapped{}, err
	}
	id, iv, sealed, err := decodeCiphertext(ciphertext)
	if err != nil {
		return Wrapped{}, err
	}
	key, err := c.root(idOrAlias, fsm.KeyActive, fsm.KeyDeactivated)
	if err != nil {
		return Wrapped{}, err
	}
	version, ok := versionByID(key, id)
	if !ok {
		return Wrapped{}, ErrCiphertext.with("key %s did not make this ciphertext", FormatID(key.ID))
	}
	out := Wrapped{Version: versionOf(version)}
	err = c.open(version.Blob, func(blob []byte) (err error) {
		out.Plaintext, err = c.s.cfg.Unit.Unwrap(blob, iv, sealed, additionalData(version.ID, aad))
		return err
	})
	if errors.Is(err, ErrNotAuthentic) {
		return Wrapped{}, ErrCiphertext.because(err, "the ciphertext does not open: it was changed, or the aad is not that of the wrap")
	}
	if err != nil {
		return Wrapped{}, explain(err)
	}
	current := key.Current()
	if current.ID == version.ID && !always {
		return out, nil
	}
	if out.Ciphertext, err = c.wrapUnder(current, out.Plaintext, aad); err != nil {
		return Wrapped{}, err
	}
	newer := versionOf(current)
	out.Rewrapped = &newer
	return out, nil
}

// wrapUnder encrypts under one version of a key.
func (c *call) wrapUnder(version fsm.KeyVersion, plaintext []byte, aad []string) (string, error) {
	var out string
	err := c.open(version.Blob, func(blob []byte) error {
		iv, sealed, err := c.s.cfg.Unit.Wrap(blob, plaintext, additionalData(version.ID, aad))
		if err == nil {
			out = encodeCiphertext(version.ID, iv, sealed)
		}
		return err
	})
	if err != nil {
		return "", explain(err)
	}
	return out, nil
}

// root finds a root key in one of the states.
func (c *call) root(idOrAlias string, states ...fsm.KeyState) (fsm.Key, error) {
	key, err := c.key(idOrAlias)
	if err != nil {
		return fsm.Key{}, err
	}
	if key.Metadata.Extractable {
		return fsm.Key{}, ErrNotRoot.with("key %s is a standard key: only a root key wraps", FormatID(key.ID))
	}
	now := stateOf(key, c.now())
	for _, state := range states {
		if now == state {
			return key, nil
		}
	}
	return fsm.Key{}, ErrKeyState.with("key %s is in state %d, which does not allow it", FormatID(key.ID), now)
}

func versionByID(key fsm.Key, id fsm.ID) (fsm.KeyVersion, bool) {
	for i := len(key.Versions) - 1; i >= 0; i-- {
		if key.Versions[i].ID == id {
			return key.Versions[i], true
		}
	}
	return fsm.KeyVersion{}, false
}
