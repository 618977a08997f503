package admin

import (
	"errors"
	"slices"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

// approval is one of zeroizing unit 2 as it is, changed as asked.
func (w *world) approval(change func(*order.Approval), by ...order.KeySigner) []byte {
	w.t.Helper()
	a := order.Approval{Step: order.StepZeroize, Unit: order.Identity(w.view.units[1].Identity), Generation: 5}
	if change != nil {
		change(&a)
	}
	signed := &order.SignedApproval{Approval: w.encode(&a)}
	for _, s := range by {
		if err := signed.Sign(s); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.encode(signed)
}

func TestZeroizeAsksForTheUnitsOwnQuorumAndGoesStraightToIt(t *testing.T) {
	w := newWorld(t)
	both := w.admins[:2]
	for name, c := range map[string]struct {
		unit     uint32
		approval []byte
		code     client.Code
		ret      int
	}{
		"nobody signed":            {2, nil, client.CodeTooFewSignatures, returnTooFew},
		"one signed":               {2, w.approval(nil, both[0]), client.CodeTooFewSignatures, returnTooFew},
		"a stranger signed":        {2, w.approval(nil, both[0], newSigner(t)), client.CodeUnauthorisedSigner, returnUnauthorised},
		"for another unit":         {3, w.approval(nil, both...), client.CodeInvalidRequest, 0},
		"for the unit as it was":   {2, w.approval(func(a *order.Approval) { a.Generation = 4 }, both...), codeGeneration, returnCounter},
		"to clear a register":      {2, w.approval(func(a *order.Approval) { a.Step = order.StepClearCurrent }, both...), client.CodeInvalidRequest, 0},
		"no approval":              {2, []byte{1}, client.CodeInvalidOrder, 0},
		"a unit that nobody knows": {9, nil, client.CodeNotFound, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.client.Zeroize(t.Context(), c.unit, client.ZeroizeRequest{Approval: c.approval})
			var got *client.Error
			if !errors.As(err, &got) || got.Code != c.code || got.ReturnCode != c.ret || len(w.zeroized) != 0 {
				t.Errorf("got %+v", err)
			}
		})
	}
	got, err := w.client.Zeroize(t.Context(), 2, client.ZeroizeRequest{Approval: w.approval(nil, both...)})
	if err != nil || !slices.Equal(w.zeroized, []uint32{2}) || got.Number != 2 || got.Former != hexText(w.view.units[1].Identity) || len(got.Report) == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	// What is in imprint mode now asks for nothing; and none of it went through the state.
	if _, err := w.client.Zeroize(t.Context(), 2, client.ZeroizeRequest{}); err != nil || len(w.proposed) != 0 {
		t.Errorf("again: %v, %v", err, w.proposed)
	}
}

func TestTheLastHolderOfTheMasterKeyIsZeroizedByNameOnly(t *testing.T) {
	w := newWorld(t)
	w.last = true
	ask := func(name string) error {
		_, err := w.client.Zeroize(t.Context(), 2, client.ZeroizeRequest{Approval: w.approval(nil, w.admins[:2]...), MasterKey: name})
		return err
	}
	for _, name := range []string{"", patternOf(2).String()} {
		if err := ask(name); !client.HasCode(err, codeLastHolder) || len(w.zeroized) != 0 {
			t.Errorf("named %q: %v, %v", name, err, w.zeroized)
		}
	}
	if err := ask(patternOf(1).String()); err != nil || len(w.zeroized) != 1 {
		t.Errorf("by name: %v", err)
	}
}
