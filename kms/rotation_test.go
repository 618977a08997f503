package kms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/kms/kmstest"
)

var order = fsm.Digest{0x0d}

func (c *cluster) flip() {
	c.state.Flip(func(blob []byte) []byte { return kmstest.Rewrap(blob, patternB) })
}

func TestOnlineRotationServesCreatesAsPairs(t *testing.T) {
	c := newCluster(t)
	before := c.mustCreate(kms.NewKey{})
	wrapped := c.mustWrap(before.ID, nil)
	c.state.BeginRewrap(order, patternB, "online")
	during := c.mustCreate(kms.NewKey{})
	other := c.mustWrap(during.ID, nil)
	c.flip()
	c.unit.Hold(patternB)
	if got := c.mustUnwrap(before.ID, wrapped.Ciphertext); !bytes.Equal(got.Plaintext, wrapped.Plaintext) {
		t.Error("a key of before opens something else")
	}
	if got := c.mustUnwrap(during.ID, other.Ciphertext); !bytes.Equal(got.Plaintext, other.Plaintext) {
		t.Error("a key created meanwhile opens something else")
	}
}

func TestDocumentedRotationRefusesNewMaterialOnly(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	c.state.BeginRewrap(order, patternB, "documented")
	_, err := c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key"})
	refused(t, err, kms.ErrRotationInProgress)
	_, err = c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key", Payload: bytes.Repeat([]byte("k"), 32)})
	refused(t, err, kms.ErrRotationInProgress)
	refused(t, c.service.Rotate(t.Context(), c.writer, key.ID, nil), kms.ErrRotationInProgress)
	c.mustUnwrap(key.ID, c.mustWrap(key.ID, nil).Ciphertext)
	if _, err := c.service.List(t.Context(), c.reader, kms.ListOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := c.service.Delete(t.Context(), c.manager, key.ID); err != nil {
		t.Error(err)
	}
}

// The rewrap begins after a create has read what to seal under and before it proposes.
func TestCreateThatMeetsTheBeginningSealsAgain(t *testing.T) {
	c := newCluster(t)
	var once sync.Once
	c.state.BeforePropose(func(fsm.Command) error {
		once.Do(func() { c.state.BeginRewrap(order, patternB, "online") })
		return nil
	})
	key := c.mustCreate(kms.NewKey{})
	wrapped := c.mustWrap(key.ID, nil)
	c.flip()
	c.unit.Hold(patternB)
	c.mustUnwrap(key.ID, wrapped.Ciphertext)
}

// The flip comes after a pair was sealed and before it is proposed.
func TestCreateThatMeetsTheFlipSealsAgain(t *testing.T) {
	c := newCluster(t)
	c.state.BeginRewrap(order, patternB, "online")
	var once sync.Once
	c.state.BeforePropose(func(fsm.Command) error {
		once.Do(func() {
			c.flip()
			c.unit.Hold(patternB)
		})
		return nil
	})
	key := c.mustCreate(kms.NewKey{})
	c.mustUnwrap(key.ID, c.mustWrap(key.ID, nil).Ciphertext)
}

// The unit drops the old master key after each kind of call has read a blob of the old epoch.
func TestCallsThatMeetTheFlipReadAgain(t *testing.T) {
	for _, name := range []string{"wrap", "unwrap", "get", "create"} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			root, standard := c.mustCreate(kms.NewKey{}), c.mustCreate(kms.NewKey{Extractable: true})
			wrapped := c.mustWrap(root.ID, nil)
			c.state.BeginRewrap(order, patternB, "online")
			var once sync.Once
			c.state.AfterView(func() {
				once.Do(func() {
					c.flip()
					c.unit.Hold(patternB)
				})
			})
			var err error
			switch name {
			case "wrap":
				_, err = c.service.Wrap(t.Context(), c.reader, root.ID, nil, nil)
			case "unwrap":
				var got kms.Wrapped
				got, err = c.service.Unwrap(t.Context(), c.reader, root.ID, wrapped.Ciphertext, nil)
				if !bytes.Equal(got.Plaintext, wrapped.Plaintext) {
					t.Error("it opens something else")
				}
			case "get":
				var got kms.Key
				got, err = c.service.Get(t.Context(), c.writer, standard.ID)
				if !bytes.Equal(got.Payload, standard.Payload) {
					t.Error("it gives something else")
				}
			case "create":
				_, err = c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key"})
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestStaleUnitIsUnavailableAndNotAnError(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	c.unit.Hold()
	_, err := c.service.Wrap(t.Context(), c.reader, key.ID, nil, nil)
	refused(t, err, kms.ErrUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.service.Wrap(ctx, c.reader, key.ID, nil, nil)
	refused(t, err, kms.ErrUnavailable)
}

func TestUnknownOutcomeIsNotTriedAgain(t *testing.T) {
	c := newCluster(t)
	tries := 0
	c.state.BeforePropose(func(fsm.Command) error {
		tries++
		return fmt.Errorf("%w: %w", kms.ErrOutcomeUnknown, errors.New("connection lost"))
	})
	_, err := c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key"})
	refused(t, err, kms.ErrOutcomeUnknown)
	if strings.Contains(err.Error(), "connection lost") || !strings.Contains(err.Error(), "look before trying again") {
		t.Errorf("it tells too much or too little: %v", err)
	}
	if tries != 1 {
		t.Fatalf("%d tries", tries)
	}
}

// Clients create, wrap and unwrap while the master key is turned.
func TestRotationUnderLoad(t *testing.T) {
	c := newClusterOf(t, time.Minute) // a busy machine is no fault
	key := c.mustCreate(kms.NewKey{})
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				wrapped, err := c.service.Wrap(t.Context(), c.reader, key.ID, nil, nil)
				if err != nil {
					t.Error("wrap:", err)
					return
				}
				got, err := c.service.Unwrap(t.Context(), c.reader, key.ID, wrapped.Ciphertext, nil)
				if err != nil || !bytes.Equal(got.Plaintext, wrapped.Plaintext) {
					t.Error("unwrap:", err)
					return
				}
				if _, err := c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key"}); err != nil {
					t.Error("create:", err)
					return
				}
			}
		})
	}
	from, to := patternA, patternB
	for range 6 {
		c.unit.Hold(from, to)
		c.state.BeginRewrap(order, to, "online")
		for n := c.trail.Len() + 40; c.trail.Len() < n && !t.Failed(); {
			if _, err := c.service.List(t.Context(), c.reader, kms.ListOptions{Limit: 1}); err != nil {
				t.Fatal(err)
			}
		}
		c.state.Flip(func(blob []byte) []byte { return kmstest.Rewrap(blob, to) })
		c.unit.Hold(to)
		from, to = to, from
	}
	close(stop)
	clients.Wait()
}

// The key that signs tokens is a system internal key like any other: it is rotated with them, and its tokens stay good.
func TestTheTokenSigningKeyIsASystemInternalKey(t *testing.T) {
	c := newCluster(t)
	c.signingKey()
	c.state.BeginRewrap(order, patternB, "online")
	c.flip()
	c.unit.Hold(patternB)
	if _, err := c.service.List(t.Context(), c.reader, kms.ListOptions{}); err != nil {
		t.Errorf("a token of before the rotation: %v", err)
	}
	c.signIn(kms.RoleReader)
}
