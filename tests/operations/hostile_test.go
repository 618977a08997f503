package operations_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/tests/harness"
)

// A member whose host lies forwards what neither the unit of another nor an administrator signed: it is refused, wherever it
// would have moved a rotation, and the rotation goes on with the truth.
func TestAHostThatLiesMovesNoRotation(t *testing.T) {
	const liar, victim = 1, 2
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(20)
	c.Lead(3)
	lies := func(t *testing.T, state string, command fsm.Command) {
		t.Helper()
		data, err := fsm.Encode(command, fsm.NewRequestID(0))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Forward(liar, data); !errors.Is(err, fsm.ErrSignature) {
			t.Errorf("while it is %s, %T: %v", state, command, err)
		}
		if now := c.Rotation().State; now != state {
			t.Errorf("while it is %s, %T: now it is %s", state, command, now)
		}
	}
	c.Sub("BeforeTheFlip", func(t *testing.T) {
		release := c.Hold("committing", victim)
		c.StartRotation("--hold")
		c.WaitState(client.StateCommitting)
		lies(t, client.StateCommitting, forged(t, c, victim, order.Committed))
		lies(t, client.StateCommitting, falseCancel(t, c))
		lies(t, client.StateCommitting, falseApproval(t, c))
		release()
		c.WaitState(client.StateRewrapped)
	})
	c.Sub("AfterIt", func(t *testing.T) {
		release := c.Hold("activating", victim)
		ended := make(chan error, 1)
		go func() {
			out, err := c.Run("tke", "rotation", "activate", "--keynum", "1")
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			ended <- err
		}()
		c.WaitState(client.StateActivating)
		lies(t, client.StateActivating, forged(t, c, victim, order.Activated))
		release()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		c.WaitState(client.StateComplete)
		c.MustHold(c.Rotation().PatternAfter)
		keys.MustOpenAll()
		c.MustAgree()
	})
}

// forged is a statement of the open rotation that its unit did not sign.
func forged(t *testing.T, c *harness.Cluster, unit uint32, kind order.StatementKind) *fsm.SubmitStatement {
	t.Helper()
	o, digest, now := openOrder(t, c)
	named, _ := o.Unit(unit)
	signed, err := order.SignStatement(&order.Statement{
		Kind: kind, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: digest, Unit: unit, Generation: 1 << 40, Pattern: patternOf(t, now.Pattern),
	}, named.Identity, func([]byte) []byte { return make([]byte, ed25519.SignatureSize) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &fsm.SubmitStatement{Statement: der, At: fsm.TimeOf(time.Now())}
}

// falseCancel is a cancel of the open rotation under the signature of another order.
func falseCancel(t *testing.T, c *harness.Cluster) *fsm.SubmitOrder {
	t.Helper()
	o, digest, now := openOrder(t, c)
	accepted, err := order.DecodeSignedOrder(now.Order)
	if err != nil {
		t.Fatal(err)
	}
	o.Kind, o.Generator, o.Subject, o.Number = order.Cancel, 0, order.Subject{Order: digest, OrderNumber: o.Number}, o.Number+1
	der, err := o.Encode()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := (&order.SignedOrder{Order: der, Signatures: accepted.Signatures}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &fsm.SubmitOrder{Order: encoded, At: fsm.TimeOf(time.Now())}
}

// falseApproval is of the activation, under the signature of the order.
func falseApproval(t *testing.T, c *harness.Cluster) *fsm.SubmitApproval {
	t.Helper()
	o, digest, now := openOrder(t, c)
	accepted, err := order.DecodeSignedOrder(now.Order)
	if err != nil {
		t.Fatal(err)
	}
	der, err := (&order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: digest, Pattern: patternOf(t, now.Pattern)}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := (&order.SignedApproval{Approval: der, Signatures: accepted.Signatures}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &fsm.SubmitApproval{Order: fsm.Digest(digest), Approval: encoded, At: fsm.TimeOf(time.Now())}
}

func openOrder(t *testing.T, c *harness.Cluster) (*order.Order, order.Digest, *client.OpenOrder) {
	t.Helper()
	known, err := c.Admin().OrderContext(t.Context())
	if err != nil || known.Open == nil {
		t.Fatalf("no order is open: %v", err)
	}
	signed, err := order.DecodeSignedOrder(known.Open.Order)
	if err != nil {
		t.Fatal(err)
	}
	o, err := signed.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return o, signed.Digest(), known.Open
}

func patternOf(t *testing.T, text string) (p masterkey.Pattern) {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(p) {
		t.Fatalf("no pattern: %q, %v", text, err)
	}
	copy(p[:], b)
	return p
}
