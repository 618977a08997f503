package admin

import (
	"errors"
	"slices"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// TestClearCurrentAsksForTheUnitsOwnQuorumAndGoesThroughTheLog: what its administrators did not sign is not proposed, nor what would
// leave no unit that answers with the key; and the answer is the unit's own, once it has done it.
func TestClearCurrentAsksForTheUnitsOwnQuorumAndGoesThroughTheLog(t *testing.T) {
	w := newWorld(t)
	both := w.admins[:2]
	clears := func(change func(*order.Approval)) func(*order.Approval) {
		return func(a *order.Approval) {
			a.Step = order.StepClearCurrent
			if change != nil {
				change(a)
			}
		}
	}
	for name, c := range map[string]struct {
		unit     uint32
		approval []byte
		code     client.Code
		ret      int
	}{
		"nobody signed":            {2, nil, client.CodeTooFewSignatures, returnTooFew},
		"one signed":               {2, w.approval(clears(nil), both[0]), client.CodeTooFewSignatures, returnTooFew},
		"one signed twice":         {2, w.approval(clears(nil), both[0], both[0]), client.CodeTooFewSignatures, returnTooFew},
		"a stranger signed":        {2, w.approval(clears(nil), both[0], newSigner(t)), client.CodeUnauthorisedSigner, returnUnauthorised},
		"for another unit":         {3, w.approval(clears(nil), both...), client.CodeInvalidRequest, 0},
		"for the unit as it was":   {2, w.approval(clears(func(a *order.Approval) { a.Generation = 4 }), both...), codeGeneration, returnCounter},
		"to zeroize it":            {2, w.approval(nil, both...), client.CodeInvalidRequest, 0},
		"no approval":              {2, []byte{1}, client.CodeInvalidOrder, 0},
		"a unit that nobody knows": {9, nil, client.CodeNotFound, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.client.ClearCurrent(t.Context(), c.unit, c.approval)
			var got *client.Error
			if !errors.As(err, &got) || got.Code != c.code || got.ReturnCode != c.ret || len(w.proposed) != 0 {
				t.Errorf("got %+v", err)
			}
		})
	}
	approval := w.approval(clears(nil), both...)
	for _, n := range []uint32{1, 3, 4, 5} {
		w.silent[n] = true
	}
	if _, err := w.client.ClearCurrent(t.Context(), 2, approval); !client.HasCode(err, codeLastHolder) || len(w.proposed) != 0 {
		t.Errorf("the last that answers: %v", err)
	}
	w.silent = map[uint32]bool{4: true}
	w.refuse = fsm.ErrLastHolder
	if _, err := w.client.ClearCurrent(t.Context(), 2, approval); !client.HasCode(err, codeLastHolder) || !slices.Equal(w.refreshed, []uint32{1, 2, 3, 4, 5}) {
		t.Errorf("the state refuses: %v, refreshed %v", err, w.refreshed)
	}
	w.refuse, w.keeps = nil, true
	if _, err := w.client.ClearCurrent(t.Context(), 2, approval); !client.HasCode(err, codeLastHolder) {
		t.Errorf("its node refuses: %v", err)
	}
	w.keeps = false
	got, err := w.client.ClearCurrent(t.Context(), 2, approval)
	if err != nil || got.Unit.Registers.Current.State != client.RegisterEmpty || len(w.proposed) != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	w.registers[2] = masterkey.Empty() // the answer was lost, and the unit has written its file
	again := w.approval(clears(func(a *order.Approval) { a.Generation = 4 }), both...)
	if got, err := w.client.ClearCurrent(t.Context(), 2, again); err != nil || got.Unit.Registers.Current.State != client.RegisterEmpty || len(w.proposed) != 3 {
		t.Errorf("again: %+v, %v", got, err)
	}
}
