package kms_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"tumbler/fsm"
	"tumbler/kms"
)

// setAside takes the material of a key's version, counted from 1, as a quorum's order does.
func (c *cluster) setAside(key string, version int) {
	c.t.Helper()
	view, err := c.state.View()
	if err != nil {
		c.t.Fatal(err)
	}
	id, _ := kms.ParseID(key)
	record, err := view.Key(id)
	if err != nil {
		c.t.Fatal(err)
	}
	c.state.SetAside(record.Versions[version-1].Blob)
}

func bytesOf(letter string) []byte { return bytes.Repeat([]byte(letter), 32) }

func (c *cluster) bringBack(key string, payload []byte, ciphertext string, aad ...string) error {
	_, err := c.service.RestoreMaterial(c.t.Context(), c.manager, key, kms.Material{Payload: payload, Ciphertext: ciphertext, AAD: aad})
	return err
}

// A key whose material was set aside says so, until it is purged; every other key is as before.
func TestAKeyThatWasSetAsideSaysSo(t *testing.T) {
	c := newCluster(t)
	lost, sound := c.mustCreate(kms.NewKey{}), c.mustCreate(kms.NewKey{})
	wrapped, other := c.mustWrap(lost.ID, nil), c.mustWrap(sound.ID, nil)
	c.setAside(lost.ID, 1)
	_, err := c.service.Unwrap(t.Context(), c.reader, lost.ID, wrapped.Ciphertext, nil)
	refused(t, err, kms.ErrSetAside)
	_, err = c.service.Wrap(t.Context(), c.reader, lost.ID, nil, nil)
	refused(t, err, kms.ErrSetAside)
	c.mustUnwrap(sound.ID, other.Ciphertext)
}

// A blob opened nowhere and a quorum set it aside. Its owner gives the material again: what was wrapped unwraps, the version is
// what it was, and the next rotation takes the key along.
func TestAKeyThatWasSetAsideComesBackWithItsMaterial(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{Payload: bytesOf("k")})
	old := c.mustWrap(key.ID, []byte("of before"), "tenant")
	if err := c.service.Rotate(t.Context(), c.writer, key.ID, bytesOf("l")); err != nil {
		t.Fatal(err)
	}
	recent := c.mustWrap(key.ID, nil)
	c.setAside(key.ID, 1)
	_, err := c.service.Unwrap(t.Context(), c.reader, key.ID, old.Ciphertext, []string{"tenant"})
	refused(t, err, kms.ErrSetAside)

	given := bytesOf("k")
	if err := c.bringBack(key.ID, given, old.Ciphertext, "tenant"); err != nil {
		t.Fatal(err)
	}
	if event := c.trail.Last(); event.Action != kms.ActionMaterial || !event.Allowed || event.Target != key.ID {
		t.Errorf("the trail has %+v", event)
	}
	if !bytes.Equal(given, make([]byte, 32)) {
		t.Error("the payload is still there")
	}
	opens := func() {
		t.Helper()
		if got := c.mustUnwrap(key.ID, old.Ciphertext, "tenant"); string(got.Plaintext) != "of before" || got.Version != old.Version {
			t.Errorf("it opens as %+v, was wrapped under %+v", got, old.Version)
		}
		if got := c.mustUnwrap(key.ID, recent.Ciphertext); !bytes.Equal(got.Plaintext, recent.Plaintext) {
			t.Error("the other version opens something else")
		}
	}
	opens()
	c.state.BeginRewrap(order, patternB, "online")
	c.flip()
	c.unit.Hold(patternB)
	opens()
	refused(t, c.bringBack(key.ID, bytesOf("k"), old.Ciphertext, "tenant"), kms.ErrKeyState)
}

func TestOtherMaterialIsNotTakenForWhatWasSetAside(t *testing.T) {
	c := newCluster(t)
	key, other := c.mustCreate(kms.NewKey{Payload: bytesOf("k")}), c.mustCreate(kms.NewKey{Payload: bytesOf("k")})
	standard := c.mustCreate(kms.NewKey{Extractable: true, Payload: []byte("s")})
	deleted := c.mustCreate(kms.NewKey{Payload: bytesOf("k")})
	wrapped, foreign, gone := c.mustWrap(key.ID, nil, "tenant"), c.mustWrap(other.ID, nil), c.mustWrap(deleted.ID, nil)
	for _, id := range []string{key.ID, standard.ID, deleted.ID} {
		c.setAside(id, 1)
	}
	if _, err := c.service.Delete(t.Context(), c.manager, deleted.ID); err != nil {
		t.Fatal(err)
	}
	c.state.BeforePropose(func(command fsm.Command) error {
		t.Errorf("%T was proposed", command)
		return nil
	})
	for name, test := range map[string]struct {
		key, ciphertext string
		payload         []byte
		aad             []string
		want            *kms.Error
	}{
		"another material":               {key.ID, wrapped.Ciphertext, bytesOf("x"), []string{"tenant"}, kms.ErrDiffers},
		"the same, shorter":              {key.ID, wrapped.Ciphertext, bytesOf("k")[:16], []string{"tenant"}, kms.ErrDiffers},
		"another aad":                    {key.ID, wrapped.Ciphertext, bytesOf("k"), nil, kms.ErrDiffers},
		"no ciphertext":                  {key.ID, "", bytesOf("k"), nil, kms.ErrField},
		"a ciphertext that is none":      {key.ID, "e30=", bytesOf("k"), nil, kms.ErrCiphertext},
		"a ciphertext of another key":    {key.ID, foreign.Ciphertext, bytesOf("k"), nil, kms.ErrCiphertext},
		"a key that was not set aside":   {other.ID, foreign.Ciphertext, bytesOf("k"), nil, kms.ErrKeyState},
		"no payload":                     {key.ID, wrapped.Ciphertext, nil, []string{"tenant"}, kms.ErrField},
		"17 bytes":                       {key.ID, wrapped.Ciphertext, make([]byte, 17), []string{"tenant"}, kms.ErrField},
		"a ciphertext of a standard key": {standard.ID, wrapped.Ciphertext, []byte("s"), nil, kms.ErrField},
		"no payload of a standard key":   {standard.ID, "", nil, nil, kms.ErrField},
		"a deleted key":                  {deleted.ID, gone.Ciphertext, bytesOf("k"), nil, kms.ErrKeyState},
		"no such key":                    {"none", "", []byte("s"), nil, kms.ErrKeyNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, c.bringBack(test.key, slices.Clone(test.payload), test.ciphertext, test.aad...), test.want)
		})
	}
	_, err := c.service.Unwrap(t.Context(), c.reader, key.ID, wrapped.Ciphertext, []string{"tenant"})
	refused(t, err, kms.ErrSetAside)
}

// Nothing was wrapped with a standard key that its material could be tried on.
func TestOfAStandardKeyTheCallersWordIsTakenAndTheTrailSaysSo(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{Extractable: true, Payload: []byte("a password")})
	c.setAside(key.ID, 1)
	_, err := c.service.Get(t.Context(), c.writer, key.ID)
	refused(t, err, kms.ErrSetAside)
	if err := c.bringBack(key.ID, []byte("a password"), ""); err != nil {
		t.Fatal(err)
	}
	if event := c.trail.Last(); event.Action != kms.ActionUnprovenMaterial || !event.Allowed {
		t.Errorf("the trail has %+v", event)
	}
	if got, err := c.service.Get(t.Context(), c.writer, key.ID); err != nil || string(got.Payload) != "a password" {
		t.Errorf("it gives %q, %v", got.Payload, err)
	}
}

// In a rotation it is a pair, as a new key is, or refused as one.
func TestMaterialThatComesBackDuringARotation(t *testing.T) {
	for _, policy := range []string{"online", "documented"} {
		t.Run(policy, func(t *testing.T) {
			c := newCluster(t)
			key := c.mustCreate(kms.NewKey{Payload: bytesOf("k")})
			wrapped := c.mustWrap(key.ID, nil)
			c.setAside(key.ID, 1)
			var once sync.Once
			c.state.BeforePropose(func(fsm.Command) error { // the rewrap begins after the call has read what to seal under
				once.Do(func() { c.state.BeginRewrap(order, patternB, policy) })
				return nil
			})
			err := c.bringBack(key.ID, bytesOf("k"), wrapped.Ciphertext)
			if policy == "documented" {
				refused(t, err, kms.ErrRotationInProgress)
			} else if err != nil {
				t.Fatal(err)
			}
			c.flip()
			c.unit.Hold(patternB)
			if policy == "documented" {
				if err := c.bringBack(key.ID, bytesOf("k"), wrapped.Ciphertext); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.mustUnwrap(key.ID, wrapped.Ciphertext); !bytes.Equal(got.Plaintext, wrapped.Plaintext) {
				t.Error("it opens something else")
			}
		})
	}
}

// The key that signs tokens has no owner to give it again: another takes its place, and callers sign in anew.
func TestATokenSigningKeyThatWasSetAsideIsMadeAnew(t *testing.T) {
	c := newCluster(t)
	signing := c.signingKey()
	c.state.BeginRewrap(order, patternB, "online")
	c.state.SetAside(signing.Current().Blob)
	c.flip()
	c.unit.Hold(patternB)
	_, err := c.service.List(t.Context(), c.reader, kms.ListOptions{})
	refused(t, err, kms.ErrUnauthorized)
	if err := c.service.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.service.List(t.Context(), c.signIn(kms.RoleReader), kms.ListOptions{}); err != nil {
		t.Error(err)
	}
}
