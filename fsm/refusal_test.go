package fsm

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// refusal is one command that the state must refuse, for one reason.
type refusal struct {
	name    string
	command Command
	want    error
}

// refuses proposes each, and sees that nothing changed but the memory of the answer.
func (w *world) refuses(t *testing.T, all ...refusal) {
	t.Helper()
	w.t = t
	for _, r := range all {
		before := w.meaning()
		_, err := w.propose(r.command, nil)
		if !errors.Is(err, r.want) {
			t.Errorf("%s: %v, not %v", r.name, err, r.want)
		}
		if w.meaning() != before {
			t.Errorf("%s: it was refused, and yet the state changed", r.name)
		}
	}
}

// meaning is a digest of the state without its memory of answers and the applied index.
func (w *world) meaning() (sum [32]byte) {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	h := sha256.New()
	if err := scanRange(v.snap, nil, nil, func(key, value []byte) (bool, error) {
		if s := key[0]; s != spaceResult && s != spaceMeta {
			h.Write(u32(uint32(len(key))))
			h.Write(key)
			h.Write(u32(uint32(len(value))))
			h.Write(value)
		}
		return true, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	// What the store keeps in memory beside it must be the same too.
	control, err := encoding.Marshal([]any{v.control.cluster, v.control.units, v.control.rotation})
	if err != nil {
		w.t.Fatal(err)
	}
	h.Write(control)
	h.Sum(sum[:0])
	return sum
}

// unsaid is an order that nobody accepted yet: it uses no number.
func (w *world) unsaid(kind order.Kind, change func(*order.Order)) *SubmitOrder {
	w.t.Helper()
	c := w.order(kind, change)
	w.number--
	return c
}

// forged is a statement as a lying node might make it. The state checks no signatures: the nodes that propose do.
func (w *world) forged(kind order.StatementKind, unit uint32, change func(*order.Statement)) *SubmitStatement {
	w.t.Helper()
	r, _, _ := w.evidence()
	v := w.view()
	known, _ := v.Unit(unit)
	v.Close()
	s := &order.Statement{Kind: kind, Cluster: w.cluster, Incarnation: 1, Order: order.Digest(r.Order), Unit: unit, Generation: known.Generation + 1}
	if kind == order.Loaded || kind == order.Committed || kind == order.Activated || kind == order.Generated {
		s.Pattern = masterkey.Pattern{77}
	}
	if change != nil {
		change(s)
	}
	signed, err := order.SignStatement(s, order.Identity(known.Identity), func([]byte) []byte { return make([]byte, ed25519.SignatureSize) })
	if err != nil {
		w.t.Fatal(err)
	}
	return w.statement(*signed, nil)
}

func (w *world) approval(step order.Step, pattern Pattern, of Digest) *SubmitApproval {
	w.t.Helper()
	a := &order.Approval{Step: step, Cluster: w.cluster, Incarnation: 1, Order: order.Digest(of), Pattern: masterkey.Pattern(pattern)}
	der, err := a.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	signed := &order.SignedApproval{Approval: der}
	if err := signed.Sign(w.admin); err != nil {
		w.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return &SubmitApproval{Order: of, Approval: encoded, At: w.clock}
}

func (w *world) registration(unit uint32) *RegisterUnit {
	w.t.Helper()
	u := w.units[unit-1]
	report, err := u.Report()
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := report.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return &RegisterUnit{Number: unit, Identity: Identity(u.Status().Identity), Role: Role(u.Status().Role), Report: der, At: w.clock}
}
