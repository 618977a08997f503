package converge

import (
	"context"
	"errors"
	"testing"

	"tumbler/fsm"
)

// TestANodeArrivesAtAnIndexThatAQuorumConfirmed: before that it says nothing, and by what its store held at the start it judges
// nothing. What comes to light then counts.
func TestANodeArrivesAtAnIndexThatAQuorumConfirmed(t *testing.T) {
	r := initialised(t)
	n := r.nodes[0]
	arrive := func(confirm func() error) error {
		config := n.speaker.config
		config.Log = confirming{n, confirm}
		a := Arrival{Speaker: NewSpeaker(config), Bootstrapped: func() bool { return true }}
		return a.Wait(t.Context())
	}

	n.proposed = nil
	asked := 0
	err := arrive(func() error {
		if len(n.proposed) > 0 {
			t.Error("something was proposed before a quorum confirmed an index")
		}
		if asked++; asked < 3 {
			return errors.New("no quorum answers")
		}
		return nil
	})
	if err != nil || asked != 3 || len(n.proposed) != 1 {
		t.Errorf("asked %d times, proposed %d: %v", asked, len(n.proposed), err)
	}

	// The store at the start is of before what the unit last said, which the quorum knows of.
	older := mustRead(t, n.file())
	if err := n.unit.Reseal(); err != nil {
		t.Fatal(err)
	}
	newest, err := n.unit.Report()
	if err != nil {
		t.Fatal(err)
	}
	der, err := newest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	n.putBack(older)
	err = arrive(func() error {
		known := r.known(1)
		r.must(&fsm.RegisterUnit{Number: 1, Identity: known.Identity, Role: known.Role, Report: der})
		return nil
	})
	if !errors.Is(err, ErrRolledBack) {
		t.Errorf("a unit that was rolled back arrives: %v", err)
	}
}

// confirming is a node's log whose quorum does as a test tells it.
type confirming struct {
	Log
	confirm func() error
}

func (c confirming) ReadIndex(context.Context) error { return c.confirm() }
