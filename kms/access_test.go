package kms_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
)

func TestRoles(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	wrapped := c.mustWrap(key.ID, nil)
	calls := map[kms.Action]func(kms.Caller) error{
		kms.ActionList: func(w kms.Caller) error { _, err := c.service.List(t.Context(), w, kms.ListOptions{}); return err },
		kms.ActionCreate: func(w kms.Caller) error {
			_, err := c.service.Create(t.Context(), w, kms.NewKey{Name: "key"})
			return err
		},
		kms.ActionGet:      func(w kms.Caller) error { _, err := c.service.Get(t.Context(), w, key.ID); return err },
		kms.ActionMetadata: func(w kms.Caller) error { _, err := c.service.Metadata(t.Context(), w, key.ID); return err },
		kms.ActionVersions: func(w kms.Caller) error {
			_, _, err := c.service.Versions(t.Context(), w, key.ID, 0, 0)
			return err
		},
		kms.ActionWrap: func(w kms.Caller) error { _, err := c.service.Wrap(t.Context(), w, key.ID, nil, nil); return err },
		kms.ActionUnwrap: func(w kms.Caller) error {
			_, err := c.service.Unwrap(t.Context(), w, key.ID, wrapped.Ciphertext, nil)
			return err
		},
		kms.ActionRewrap: func(w kms.Caller) error {
			_, err := c.service.Rewrap(t.Context(), w, key.ID, wrapped.Ciphertext, nil)
			return err
		},
		kms.ActionRotate:  func(w kms.Caller) error { return c.service.Rotate(t.Context(), w, key.ID, nil) },
		kms.ActionDelete:  func(w kms.Caller) error { _, err := c.service.Delete(t.Context(), w, key.ID); return err },
		kms.ActionRestore: func(w kms.Caller) error { _, err := c.service.Restore(t.Context(), w, key.ID); return err },
		kms.ActionMaterial: func(w kms.Caller) error {
			_, err := c.service.RestoreMaterial(t.Context(), w, key.ID, kms.Material{Ciphertext: wrapped.Ciphertext})
			return err
		},
		kms.ActionUnprovenMaterial: func(w kms.Caller) error {
			_, err := c.service.RestoreMaterial(t.Context(), w, key.ID, kms.Material{})
			return err
		},
		kms.ActionPurge: func(w kms.Caller) error { _, err := c.service.Purge(t.Context(), w, key.ID); return err },
	}
	writers := []kms.Action{kms.ActionCreate, kms.ActionGet, kms.ActionRotate}
	managers := []kms.Action{kms.ActionDelete, kms.ActionRestore, kms.ActionMaterial, kms.ActionUnprovenMaterial, kms.ActionPurge}
	for action, call := range calls {
		for _, who := range []struct {
			name   string
			caller kms.Caller
			may    bool
		}{
			{"Reader", c.reader, !contains(writers, action) && !contains(managers, action)},
			{"Writer", c.writer, !contains(managers, action)},
			{"Manager", c.manager, true},
		} {
			if who.name == "Manager" && contains(managers, action) {
				continue // done in TestDeleteKeepsUntilPurged
			}
			before := c.trail.Len()
			err := call(who.caller)
			if forbidden := errors.Is(err, kms.ErrForbidden); forbidden == who.may {
				t.Errorf("%s %s: %v", who.name, action, err)
			}
			if event := c.trail.Last(); c.trail.Len() != before+1 || event.Action != action || event.Allowed != who.may || string(event.Role) != who.name {
				t.Errorf("%s %s: the trail has %+v", who.name, action, event)
			}
		}
	}
}

func contains(list []kms.Action, a kms.Action) bool {
	for _, other := range list {
		if other == a {
			return true
		}
	}
	return false
}

func TestTokens(t *testing.T) {
	c := newCluster(t)
	list := func(caller kms.Caller) error {
		_, err := c.service.List(t.Context(), caller, kms.ListOptions{})
		return err
	}
	with := func(token string) kms.Caller { return kms.Caller{Token: token, Instance: kms.FormatID(instance)} }
	refused(t, list(with("")), kms.ErrUnauthorized)
	refused(t, list(with("junk")), kms.ErrUnauthorized)
	parts := strings.Split(c.reader.Token, ".")
	others := strings.Split(c.manager.Token, ".")
	refused(t, list(with(parts[0]+"."+others[1]+"."+parts[2])), kms.ErrUnauthorized)
	refused(t, list(with(c.reader.Token+"A")), kms.ErrUnauthorized)
	if event := c.trail.Last(); event.Principal != "" || event.Allowed || event.Refusal != kms.ErrUnauthorized.Code {
		t.Errorf("the trail has %+v", event)
	}
	refused(t, list(kms.Caller{Token: c.reader.Token}), kms.ErrHeader)
	refused(t, list(kms.Caller{Token: c.reader.Token, Instance: "another"}), kms.ErrInstance)
	refused(t, list(kms.Caller{Token: c.reader.Token, Instance: kms.FormatID(instance), KeyRing: "mine"}), kms.ErrKeyRing)
	c.advance(time.Hour - time.Second)
	if err := list(c.reader); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Second)
	refused(t, list(c.reader), kms.ErrTokenExpired)
}

// The unit checks a token that comes again once an epoch.
func TestTokensAreRememberedUntilTheFlip(t *testing.T) {
	c := newCluster(t)
	list := func() error {
		_, err := c.service.List(t.Context(), c.reader, kms.ListOptions{})
		return err
	}
	for _, hold := range []fsm.Pattern{patternA, {}} {
		c.unit.Hold(hold)
		if err := list(); err != nil {
			t.Fatalf("the unit holds %x: %v", hold[:1], err)
		}
	}
	c.state.BeginRewrap(order, patternB, "online")
	c.flip()
	refused(t, list(), kms.ErrUnavailable)
	c.unit.Hold(patternB)
	if err := list(); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedAPIKeyEndsItsTokens(t *testing.T) {
	c := newCluster(t)
	record, secret := c.apiKey(kms.RoleReader)
	token, err := c.service.IssueToken(t.Context(), secret, kms.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	caller := kms.Caller{Token: token.AccessToken, Instance: kms.FormatID(instance)}
	if _, err := c.service.List(t.Context(), caller, kms.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.state.Propose(t.Context(), &fsm.DeleteAPIKey{ID: record.ID}); err != nil {
		t.Fatal(err)
	}
	_, err = c.service.List(t.Context(), caller, kms.ListOptions{})
	refused(t, err, kms.ErrUnauthorized)
	_, err = c.service.IssueToken(t.Context(), secret, kms.Caller{})
	refused(t, err, kms.ErrAPIKey)
}

func TestWrongSecretGetsNoToken(t *testing.T) {
	c := newCluster(t)
	_, secret := c.apiKey(kms.RoleManager)
	_, other := c.apiKey(kms.RoleManager)
	for _, wrong := range []string{"", "tumbler_", secret[1:], secret + "A", secret[:40] + other[40:], secret[:len(secret)-4] + "AAAA"} {
		_, err := c.service.IssueToken(t.Context(), wrong, kms.Caller{})
		refused(t, err, kms.ErrAPIKey)
	}
}

func TestNothingIsDoneThatCannotBeAudited(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	c.trail.Fail(errors.New("disk full"))
	_, err := c.service.Delete(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrUnavailable)
	_, secret := c.apiKey(kms.RoleReader)
	_, err = c.service.IssueToken(t.Context(), secret, kms.Caller{})
	refused(t, err, kms.ErrUnavailable)
	c.trail.Fail(nil)
	if got, err := c.service.Metadata(t.Context(), c.reader, key.ID); err != nil || got.State != kms.Active {
		t.Fatalf("%v, state %d", err, got.State)
	}
}

func TestUninitialisedInstanceSaysSo(t *testing.T) {
	c := newCluster(t)
	_, secret := c.apiKey(kms.RoleManager)
	for name, service := range map[string]fsm.ServiceState{"founded": {Bootstrapped: true}, "not founded": {}} {
		c.state.SetService(service)
		_, err := c.service.IssueToken(t.Context(), secret, kms.Caller{})
		refused(t, err, kms.ErrNotInitialised)
		_, err = c.service.List(t.Context(), c.manager, kms.ListOptions{})
		refused(t, err, kms.ErrNotInitialised)
		t.Log(name, err)
	}
}

func TestMessagesHoldNoControlCharacters(t *testing.T) {
	c := newCluster(t)
	_, err := c.service.Metadata(t.Context(), c.reader, "evil\r\nkey\x1b[31m")
	refused(t, err, kms.ErrKeyNotFound)
	if strings.ContainsAny(err.Error()+c.trail.Last().Target, "\r\n\x1b") {
		t.Fatalf("%q, %q", err, c.trail.Last().Target)
	}
}
