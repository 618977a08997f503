package admin

import (
	"bytes"
	"errors"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

func TestAWellSignedOrderIsProposedWithWhatUnitsSayNow(t *testing.T) {
	w := newWorld(t)
	signed := w.sign(w.rotate(), w.admins[0], w.admins[2])
	got, err := w.client.SubmitOrder(t.Context(), w.encode(signed))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != signed.Digest().String() || got.Number != 7 || got.Kind != "rotate" || got.State != client.StateNone {
		t.Errorf("got %+v", got)
	}
	submit, ok := w.proposed[0].(*fsm.SubmitOrder)
	if !ok || !bytes.Equal(submit.Order, w.encode(signed)) || submit.At != fsm.TimeOf(worldTime) || len(submit.Short) != 1 || len(w.refreshed) != 5 {
		t.Errorf("proposed %+v after %d refreshes", w.proposed[0], len(w.refreshed))
	}
}

func TestTheSameOrderAgainIsTheSameAnswerAndNoProposal(t *testing.T) {
	w := newWorld(t)
	signed := w.sign(w.rotate(), w.admins[0], w.admins[1])
	w.change(func(v *view) {
		v.orders = map[fsm.Digest]fsm.OrderRecord{fsm.Digest(signed.Digest()): {Order: w.encode(signed)}}
		v.rotations = []fsm.Rotation{{Order: fsm.Digest(signed.Digest()), State: fsm.StateLoading}}
	})
	got, err := w.client.SubmitOrder(t.Context(), w.encode(signed))
	if err != nil || got.Digest != signed.Digest().String() || got.State != client.StateLoading {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(w.proposed) != 0 || len(w.refreshed) != 0 {
		t.Error("it was proposed again")
	}
}

func TestACancelDoesNotWaitForUnits(t *testing.T) {
	w := newWorld(t)
	o := w.rotate()
	o.Kind, o.Generator, o.Subject.Order, o.Subject.OrderNumber = order.Cancel, 0, order.Digest{7}, 6
	if _, err := w.client.SubmitOrder(t.Context(), w.encode(w.sign(o, w.admins[1]))); err != nil {
		t.Fatal(err)
	}
	if len(w.proposed) != 1 || len(w.refreshed) != 0 {
		t.Errorf("%d proposals, %d refreshes", len(w.proposed), len(w.refreshed))
	}
}

func TestOrdersThatAreNotRightlySignedAreNotProposed(t *testing.T) {
	for name, c := range map[string]struct {
		make   func(w *world) *order.SignedOrder
		status int
		code   client.Code
		ret    int
	}{
		"no signature": {func(w *world) *order.SignedOrder { return w.sign(w.rotate()) }, 403, client.CodeTooFewSignatures, 208},
		"one of two":   {func(w *world) *order.SignedOrder { return w.sign(w.rotate(), w.admins[0]) }, 403, client.CodeTooFewSignatures, 208},
		"one administrator twice": {func(w *world) *order.SignedOrder {
			s := w.sign(w.rotate(), w.admins[0])
			s.Signatures = append(s.Signatures, s.Signatures[0])
			return s
		}, 403, client.CodeTooFewSignatures, 208},
		"a stranger": {func(w *world) *order.SignedOrder { return w.sign(w.rotate(), w.admins[0], newSigner(w.t)) }, 403, client.CodeUnauthorisedSigner, 257},
		"a signature over another order": {func(w *world) *order.SignedOrder {
			other := w.rotate()
			other.Number = 8
			s := w.sign(w.rotate(), w.admins[0])
			s.Signatures = append(s.Signatures, w.sign(other, w.admins[1]).Signatures...)
			return s
		}, 403, client.CodeInvalidSignature, 192},
		"another list of administrators": {func(w *world) *order.SignedOrder {
			o := w.rotate()
			o.Administrators = order.Digest{1}
			return w.sign(o, w.admins[0], w.admins[1])
		}, 409, "administrators_differ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.client.SubmitOrder(t.Context(), w.encode(c.make(w)))
			var got *client.Error
			if !errors.As(err, &got) || got.Status != c.status || got.Code != c.code || got.ReturnCode != c.ret {
				t.Errorf("got %+v", err)
			}
			if len(w.proposed) != 0 || len(w.refreshed) != 0 {
				t.Error("something was done")
			}
		})
	}
}

func TestOrdersThatAreCutOrLengthenedAreMalformed(t *testing.T) {
	w := newWorld(t)
	whole := w.encode(w.sign(w.rotate(), w.admins[0], w.admins[1]))
	for name, der := range map[string][]byte{"cut": whole[:len(whole)-1], "longer": append(bytes.Clone(whole), 0), "empty": {}, "noise": bytes.Repeat([]byte{0x30}, 300)} {
		if _, err := w.client.SubmitOrder(t.Context(), der); !client.HasCode(err, client.CodeInvalidOrder) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(w.proposed) != 0 {
		t.Error("something was proposed")
	}
}

func TestTheFirstOrderIsCheckedAgainstTheUnitsOwnAdministrators(t *testing.T) {
	initial := func(w *world) *order.Order {
		w.change(func(v *view) { v.cluster.Administrators, v.cluster.Pattern = nil, fsm.Pattern{} })
		o := w.rotate()
		o.Kind, o.Current = order.Init, masterkey.Pattern{}
		return o
	}
	for name, c := range map[string]struct {
		change func(w *world)
		code   client.Code
		ret    int
	}{
		"all the same":             {func(*world) {}, "", 0},
		"one in imprint mode":      {func(w *world) { w.unitList[2] = &order.Administrators{} }, client.CodeImprintMode, 179},
		"one that has others":      {func(w *world) { w.unitList[2] = &order.Administrators{List: w.list.List, Signature: 1, Revocation: 1} }, "administrators_differ", 0},
		"one that is silent":       {func(w *world) { w.silent[2] = true }, client.CodeUnitUnreachable, 0},
		"no unit at all":           {func(w *world) { w.view.units = nil }, client.CodeImprintMode, 179},
		"an identity that changed": {func(w *world) { w.keys[2] = w.keys[3] }, client.CodeUnitUnreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			signed := w.encode(w.sign(initial(w), w.admins[0], w.admins[1]))
			w.mu.Lock()
			c.change(w)
			w.mu.Unlock()
			_, err := w.client.SubmitOrder(t.Context(), signed)
			if c.code == "" {
				if err != nil || len(w.proposed) != 1 {
					t.Errorf("got %v, %d proposals", err, len(w.proposed))
				}
				return
			}
			var got *client.Error
			if !errors.As(err, &got) || got.Code != c.code || got.ReturnCode != c.ret || len(w.proposed) != 0 {
				t.Errorf("got %+v, %d proposals", err, len(w.proposed))
			}
		})
	}
}

func TestWhatTheStateRefusesComesBackWithItsReturnCode(t *testing.T) {
	w := newWorld(t)
	w.refuse = fsm.ErrOrderNumber
	_, err := w.client.SubmitOrder(t.Context(), w.encode(w.sign(w.rotate(), w.admins[0], w.admins[1])))
	var got *client.Error
	if !errors.As(err, &got) || got.Code != "order_number" || got.ReturnCode != 163 || got.Hint == "" {
		t.Errorf("got %+v", err)
	}
}

func TestNoOrderBeforeThereIsACluster(t *testing.T) {
	w := newWorld(t)
	signed := w.encode(w.sign(w.rotate(), w.admins[0], w.admins[1]))
	w.change(func(v *view) { *v = view{} })
	if _, err := w.client.SubmitOrder(t.Context(), signed); !client.HasCode(err, client.CodeNotReady) {
		t.Errorf("got %v", err)
	}
	if _, err := w.client.OrderContext(t.Context()); !client.HasCode(err, client.CodeNotReady) {
		t.Errorf("got %v", err)
	}
}

func TestApprovalsAreCheckedBeforeTheyAreProposed(t *testing.T) {
	w := newWorld(t)
	held := w.sign(w.rotate(), w.admins[0], w.admins[1])
	digest := held.Digest()
	w.change(func(v *view) { v.orders = map[fsm.Digest]fsm.OrderRecord{fsm.Digest(digest): {}} })
	approve := func(step order.Step, of order.Digest, by ...order.KeySigner) []byte {
		signed := &order.SignedApproval{Approval: w.encode(&order.Approval{Step: step, Cluster: order.ID{1}, Incarnation: 1, Order: of, Pattern: patternOf(2)})}
		for _, s := range by {
			if err := signed.Sign(s); err != nil {
				t.Fatal(err)
			}
		}
		return w.encode(signed)
	}
	for name, c := range map[string]struct {
		path     order.Digest
		approval []byte
		code     client.Code
	}{
		"one for activation":       {digest, approve(order.StepActivate, digest, w.admins[2]), ""},
		"two for commit":           {digest, approve(order.StepCommit, digest, w.admins[0], w.admins[2]), ""},
		"one for commit":           {digest, approve(order.StepCommit, digest, w.admins[0]), client.CodeTooFewSignatures},
		"a stranger":               {digest, approve(order.StepActivate, digest, newSigner(t)), client.CodeUnauthorisedSigner},
		"for another order":        {digest, approve(order.StepActivate, order.Digest{5}, w.admins[0]), client.CodeInvalidRequest},
		"for an order that is not": {order.Digest{5}, approve(order.StepActivate, order.Digest{5}, w.admins[0]), client.CodeNotFound},
		"something else than one":  {digest, w.encode(held), client.CodeInvalidOrder},
	} {
		t.Run(name, func(t *testing.T) {
			w.proposed = nil
			_, err := w.client.Approve(t.Context(), c.path.String(), c.approval)
			if c.code == "" {
				if err != nil || len(w.proposed) != 1 {
					t.Errorf("got %v, %d proposals", err, len(w.proposed))
				}
				return
			}
			if !client.HasCode(err, c.code) || len(w.proposed) != 0 {
				t.Errorf("got %v, %d proposals", err, len(w.proposed))
			}
		})
	}
}

func TestTheContextOfAnOrderIsWhatAWorkstationNeeds(t *testing.T) {
	w := newWorld(t)
	open := w.sign(w.rotate(), w.admins[0], w.admins[1])
	w.change(func(v *view) {
		v.units[1].Fenced = fsm.Digest{1}
		v.orders = map[fsm.Digest]fsm.OrderRecord{fsm.Digest(open.Digest()): {Order: w.encode(open)}}
		v.rotations = []fsm.Rotation{{Order: fsm.Digest(open.Digest()), Number: 7, State: fsm.StateRewrapped, To: patternOf(2), Plan: fsm.Plan{Kind: "rotate"}}}
	})
	got, err := w.client.OrderContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Cluster != (order.ID{1}).String() || got.Instance != (order.ID{2}).String() || got.NextNumber != 7 || got.CurrentPattern != patternOf(1).String() ||
		!bytes.Equal(got.Administrators, w.encode(w.list)) || !got.Now.Equal(worldTime) {
		t.Errorf("got %+v", got)
	}
	if len(got.Units) != 5 || !bytes.Equal(got.Units[4].Identity, w.view.units[4].Identity[:]) || got.Units[4].Role != "recovery" || !got.Units[1].Fenced {
		t.Errorf("units %+v", got.Units)
	}
	if got.Open == nil || got.Open.Digest != open.Digest().String() || got.Open.State != client.StateRewrapped || got.Open.Pattern != patternOf(2).String() ||
		!bytes.Equal(got.Open.Order, w.encode(open)) {
		t.Errorf("open %+v", got.Open)
	}
}
