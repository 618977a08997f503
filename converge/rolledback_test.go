package converge

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"testing"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// TestANodeFindsThatItsUnitWasRolledBack: at its start, and when the state refuses what the unit says.
func TestANodeFindsThatItsUnitWasRolledBack(t *testing.T) {
	r := initialised(t)
	n := r.nodes[0]
	if err := n.speaker.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	older := mustRead(t, n.file())
	r.rotate(nil)
	r.until(fsm.StateCommitting)
	newer := mustRead(t, n.file())
	ends := func(when string, do func() error) {
		t.Helper()
		n.putBack(older)
		if err := do(); !errors.Is(err, ErrRolledBack) || !errors.Is(n.failed, ErrRolledBack) {
			t.Errorf("%s: %v, and its node was to end: %v", when, err, n.failed)
		}
	}
	atStart := func() error { return n.speaker.CheckGeneration(t.Context()) }
	registers := func() error { return n.speaker.Register(t.Context()) }
	states := func() error {
		return n.speaker.State(t.Context(), func() (order.SignedStatement, error) { // what an older file would let it say
			return n.unit.Accept(r.signedOrder())
		})
	}
	if err := atStart(); err != nil || n.failed != nil {
		t.Errorf("the newest file: %v", err)
	}
	ends("at its start", atStart)
	ends("registering", registers)
	ends("stating", states)

	// A lie makes the state forget what the unit was at. Its statements remain.
	known := r.known(1)
	forged := forge(t, known.Identity, 1, &order.Statement{Kind: order.ReportOnly, Generation: 1, Report: report(t, known.Report)})
	r.believe(&fsm.DisownStatement{Number: 1, Identity: known.Identity, Stated: sha256.Sum256(known.Stated), Report: forged})
	ends("at its start, after a lie", atStart)

	n.putBack(newer)
	if err := atStart(); err != nil || n.failed != nil {
		t.Errorf("the newest file again: %v", err)
	}
	r.until(fsm.StateComplete)
}

// TestNobodyElseMakesAUnitLookRolledBack: whatever a node has the state believe of another's unit, that goes on.
func TestNobodyElseMakesAUnitLookRolledBack(t *testing.T) {
	const high = 1 << 40
	r := initialised(t)
	n := r.nodes[0]
	lie := func() {
		t.Helper()
		known := r.known(1)
		forged := forge(t, known.Identity, 1, &order.Statement{Kind: order.ReportOnly, Generation: high, Report: report(t, known.Report)})
		r.believe(&fsm.RegisterUnit{Number: 1, Identity: known.Identity, Role: known.Role, Report: forged})
		if now := r.known(1).Generation; now != high {
			t.Fatalf("the lie is not believed: %d", now)
		}
	}
	goesOn := func(when string, do func() error) {
		t.Helper()
		lie()
		if err := do(); err != nil || n.failed != nil {
			t.Errorf("%s: %v, its node ends: %v", when, err, n.failed)
		}
		if now, is := r.known(1).Generation, n.unit.Status().Generation; now != is {
			t.Errorf("%s: the state has generation %d, the unit %d", when, now, is)
		}
	}
	goesOn("at its start", func() error { return n.speaker.CheckGeneration(t.Context()) })
	goesOn("registering", func() error { return n.speaker.Register(t.Context()) })

	// In the middle of a rotation what the unit says is refused once, and said anew.
	r.rotate(nil)
	r.until(fsm.StateLoading)
	goesOn("stating", func() error {
		if _, err := n.converger.Step(t.Context()); !errors.Is(err, fsm.ErrGeneration) {
			t.Errorf("the statement below the lie: %v", err)
		}
		_, err := n.converger.Step(t.Context())
		return err
	})
	// A statement that is forged is no better than a report.
	rotation := r.rotation()
	pattern := n.unit.Status().Registers.NewPattern
	forged := forge(t, r.known(2).Identity, 2, &order.Statement{Kind: order.Committed, Generation: high, Order: order.Digest(rotation.Order), Pattern: pattern})
	r.believe(&fsm.SubmitStatement{Statement: forged})
	other := r.nodes[1]
	if err := other.speaker.CheckGeneration(t.Context()); err != nil || other.failed != nil || r.known(2).Generation == high {
		t.Errorf("a forged statement: %v, its node ends: %v", err, other.failed)
	}
	// It went into the evidence, which no unit obeys: one administrator cancels, and a new rotation goes through.
	r.must(r.cancel())
	r.until(fsm.StateCancelled)
	r.rotate(nil)
	r.until(fsm.StateComplete)
}

// forge makes a statement that a unit did not sign.
func forge(t *testing.T, identity fsm.Identity, unit uint32, s *order.Statement) []byte {
	t.Helper()
	s.Cluster, s.Incarnation, s.Unit = order.ID{1}, 1, unit
	signed, err := order.SignStatement(s, order.Identity(identity), func([]byte) []byte { return make([]byte, ed25519.SignatureSize) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func report(t *testing.T, der []byte) *order.Report {
	t.Helper()
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signed.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return s.Report
}

// signedOrder is the rotation's.
func (r *rig) signedOrder() order.SignedOrder {
	r.t.Helper()
	view := r.view()
	defer view.Close()
	evidence, err := evidenceOf(view, r.rotation())
	if err != nil {
		r.t.Fatal(err)
	}
	return evidence.Order
}
