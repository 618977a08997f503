package kms_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/kms/kmstest"
)

var (
	instance = fsm.ID{0x11, 0x22}
	patternA = fsm.Pattern{0xa}
	patternB = fsm.Pattern{0xb}
)

// cluster is a service over a state and a unit in memory, and a caller of each role.
type cluster struct {
	t                       *testing.T
	state                   *kmstest.State
	unit                    *kmstest.Unit
	trail                   *kmstest.Trail
	service                 *kms.Service
	clock                   *atomic.Int64 // nanoseconds
	manager, writer, reader kms.Caller
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return newClusterOf(t, 50*time.Millisecond)
}

// newClusterOf has a service of that patience.
func newClusterOf(t *testing.T, patience time.Duration) *cluster {
	t.Helper()
	c := &cluster{
		t: t, state: kmstest.NewState(instance, patternA), unit: kmstest.NewUnit(patternA, patternB),
		trail: &kmstest.Trail{}, clock: &atomic.Int64{},
	}
	c.clock.Store(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).UnixNano())
	service, err := kms.New(kms.Config{
		Proposer: c.state, Reader: c.state, Unit: c.unit, Auditor: c.trail, Patience: patience,
		Now: func() time.Time { return time.Unix(0, c.clock.Load()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.service = service
	c.manager, c.writer, c.reader = c.signIn(kms.RoleManager), c.signIn(kms.RoleWriter), c.signIn(kms.RoleReader)
	return c
}

func (c *cluster) advance(d time.Duration) { c.clock.Add(int64(d)) }

func (c *cluster) apiKey(role kms.Role) (fsm.APIKeyRecord, string) {
	c.t.Helper()
	record, secret, err := kms.NewAPIKey("a "+string(role), role, "test", time.Unix(0, c.clock.Load()))
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.state.Propose(c.t.Context(), &fsm.CreateAPIKey{APIKey: record}); err != nil {
		c.t.Fatal(err)
	}
	return record, secret
}

func (c *cluster) signIn(role kms.Role) kms.Caller {
	c.t.Helper()
	_, secret := c.apiKey(role)
	token, err := c.service.IssueToken(c.t.Context(), secret, kms.Caller{})
	if err != nil {
		c.t.Fatal(err)
	}
	return kms.Caller{Token: token.AccessToken, Instance: kms.FormatID(instance), Correlation: "cid"}
}

func (c *cluster) mustCreate(want kms.NewKey) kms.Key {
	c.t.Helper()
	if want.Name == "" {
		want.Name = "key"
	}
	key, err := c.service.Create(c.t.Context(), c.writer, want)
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

func (c *cluster) mustWrap(key string, plaintext []byte, aad ...string) kms.Wrapped {
	c.t.Helper()
	wrapped, err := c.service.Wrap(c.t.Context(), c.reader, key, plaintext, aad)
	if err != nil {
		c.t.Fatal(err)
	}
	return wrapped
}

func (c *cluster) mustUnwrap(key, ciphertext string, aad ...string) kms.Wrapped {
	c.t.Helper()
	out, err := c.service.Unwrap(c.t.Context(), c.reader, key, ciphertext, aad)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// signingKey is the one that signs tokens: the only system internal key that there is.
func (c *cluster) signingKey() fsm.Key {
	c.t.Helper()
	view, err := c.state.View()
	if err != nil {
		c.t.Fatal(err)
	}
	keys, err := view.Keys(fsm.KeyFilter{Class: fsm.ClassSystem}, 0, 10)
	if err != nil || len(keys) != 1 {
		c.t.Fatalf("%d system internal keys, %v", len(keys), err)
	}
	return keys[0]
}

func refused(t *testing.T, err error, want *kms.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want the refusal %s", err, want.Code)
	}
}
