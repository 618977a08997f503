package fsm

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestGuardsOfKeys: each guard of a command about keys.
func TestGuardsOfKeys(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	one, two, gone := w.createKey(1), w.createKey(2), w.createKey(3)
	w.must(&UpdateKey{Key: one, Metadata: KeyMetadata{Aliases: []string{"mine"}}, State: KeyActive})
	w.must(&DeleteKey{Key: two})
	w.must(&DeleteKey{Key: gone})
	w.must(&PurgeKey{Key: gone})
	create := func(change func(*CreateKey)) *CreateKey {
		c := &CreateKey{Key: ID{9}, Class: ClassKMS, State: KeyActive, Material: w.material(ID{9})}
		change(c)
		return c
	}
	seal := func(change func(*Material)) *AddKeyVersion {
		c := &AddKeyVersion{Key: one, Material: w.material(one)}
		change(&c.Material)
		return c
	}
	w.refuses(t,
		refusal{"create: it exists", create(func(c *CreateKey) { c.Key = one }), ErrKeyExists},
		refusal{"create: it was purged, and its blobs are still there", create(func(c *CreateKey) { c.Key = gone }), ErrKeyExists},
		refusal{"create: no such class", create(func(c *CreateKey) { c.Class = 4 }), ErrInvalid},
		refusal{"create: destroyed", create(func(c *CreateKey) { c.State = KeyDestroyed }), ErrKeyState},
		refusal{"create: no such state", create(func(c *CreateKey) { c.State = 4 }), ErrKeyState},
		refusal{"create: alias", create(func(c *CreateKey) { c.Metadata.Aliases = []string{"free", "mine"} }), ErrAliasTaken},
		refusal{"version: no such key", &AddKeyVersion{Key: ID{99}, Material: w.material(ID{99})}, ErrKeyNotFound},
		refusal{"version: purged", &AddKeyVersion{Key: gone, Material: w.material(gone)}, ErrKeyNotFound},
		refusal{"version: record", &AddKeyVersion{Key: one, Record: 7, Material: w.material(one)}, ErrRecordChanged},
		refusal{"version: destroyed", &AddKeyVersion{Key: two, Material: w.material(two)}, ErrKeyState},
		refusal{"version: replaces none", &AddKeyVersion{Key: one, Replaces: 9, Material: w.material(one)}, ErrBlobUnknown},
		refusal{"version: replaces a good one", &AddKeyVersion{Key: one, Replaces: 1, Material: w.material(one)}, ErrBlobUnknown},
		refusal{"seal: no blob", seal(func(m *Material) { m.Blobs = nil }), ErrSealAgain},
		refusal{"seal: a pair", seal(func(m *Material) { m.Blobs = append(m.Blobs, m.Blobs[0]) }), ErrSealAgain},
		refusal{"seal: another pattern", seal(func(m *Material) { m.Blobs[0].Pattern[0] ^= 1 }), ErrSealAgain},
		refusal{"seal: an order", seal(func(m *Material) { m.Order = Digest{1} }), ErrSealAgain},
		refusal{"seal: empty", seal(func(m *Material) { m.Blobs[0].Blob = nil }), ErrInvalid},
		refusal{"seal: too large", seal(func(m *Material) { m.Blobs[0].Blob = make([]byte, MaxBlob+1) }), ErrInvalid},
		refusal{"update: no such key", &UpdateKey{Key: ID{99}}, ErrKeyNotFound},
		refusal{"update: record", &UpdateKey{Key: one, Record: 7}, ErrRecordChanged},
		refusal{"update: destroyed", &UpdateKey{Key: two}, ErrKeyState},
		refusal{"update: would destroy", &UpdateKey{Key: one, State: KeyDestroyed}, ErrKeyState},
		refusal{"update: no such state", &UpdateKey{Key: one, State: 77}, ErrKeyState},
		refusal{"delete: no such key", &DeleteKey{Key: ID{99}}, ErrKeyNotFound},
		refusal{"delete: twice", &DeleteKey{Key: two}, ErrKeyState},
		refusal{"delete: record", &DeleteKey{Key: one, Record: 7}, ErrRecordChanged},
		refusal{"restore: not deleted", &RestoreKey{Key: one}, ErrKeyState},
		refusal{"restore: purged", &RestoreKey{Key: gone}, ErrKeyNotFound},
		refusal{"restore: record", &RestoreKey{Key: two, Record: 7}, ErrRecordChanged},
		refusal{"purge: not deleted", &PurgeKey{Key: one}, ErrKeyState},
		refusal{"purge: twice", &PurgeKey{Key: gone}, ErrKeyNotFound},
		refusal{"purge: record", &PurgeKey{Key: two, Record: 7}, ErrRecordChanged},
		refusal{"sweep: none", &SweepPurged{}, ErrInvalid},
		refusal{"sweep: too many", &SweepPurged{Limit: MaxSweep + 1}, ErrInvalid},
		refusal{"repair: no epoch", &RepairBlob{Key: one, Version: 1, Number: 1, Blob: []byte{1}}, ErrBlobUnknown},
		refusal{"repair: another epoch", &RepairBlob{Key: one, Version: 1, Epoch: 2, Number: 1, Blob: []byte{1}}, ErrBlobUnknown},
		refusal{"repair: no such key", &RepairBlob{Key: ID{99}, Version: 1, Epoch: 1, Number: 1, Blob: []byte{1}}, ErrKeyNotFound},
		refusal{"repair: another's blob", &RepairBlob{Key: one, Version: 1, Epoch: 1, Number: 2, Blob: []byte{1}}, ErrBlobUnknown},
		refusal{"repair: another version", &RepairBlob{Key: one, Version: 2, Epoch: 1, Number: 1, Blob: []byte{1}}, ErrBlobUnknown},
		refusal{"repair: empty", &RepairBlob{Key: one, Version: 1, Epoch: 1, Number: 1}, ErrInvalid},
		refusal{"repair: too large", &RepairBlob{Key: one, Version: 1, Epoch: 1, Number: 1, Blob: make([]byte, MaxBlob+1)}, ErrInvalid},
	)
}

// TestGuardsOfOrders: what an order is refused for while none is open.
func TestGuardsOfOrders(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.refuses(t, refusal{"reports of before the init", w.unsaid(order.Rotate, nil), ErrCurrentRegister})
	w.register()
	w.restartUnit(1)
	early := w.registration(1)
	r, _, _ := w.evidence()
	rotate := func(change func(*order.Order)) *SubmitOrder { return w.unsaid(order.Rotate, change) }
	short := rotate(nil)
	short.Short = []uint32{2}
	late := rotate(func(o *order.Order) { o.NotAfter = o.NotAfter.Add(-3 * time.Hour) })
	stranger := openUnit(t, t.TempDir(), 1, order.Operational)
	report, err := stranger.Report()
	if err != nil {
		t.Fatal(err)
	}
	der, err := report.Encode()
	if err != nil {
		t.Fatal(err)
	}
	changed := *early
	changed.Identity, changed.Report = Identity(stranger.Status().Identity), der
	other := *early
	other.Number = 2
	garbled := *early
	garbled.Report = garbled.Report[:len(garbled.Report)-1]
	subject := func(units ...order.UnitRef) func(*order.Order) {
		return func(o *order.Order) { o.Subject.Units = units }
	}
	ref := func(n uint32) order.UnitRef {
		s := w.units[n-1].Status()
		return order.UnitRef{Number: n, Role: s.Role, Identity: s.Identity}
	}
	unknown := order.UnitRef{Number: 9, Role: order.Operational, Identity: order.Identity{9}}
	wrong := ref(1)
	wrong.Identity[0] ^= 1
	imprint, err := (&order.Administrators{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.refuses(t,
		refusal{"no order", &SubmitOrder{Order: []byte("no order")}, ErrOrderMalformed},
		refusal{"cut off", &SubmitOrder{Order: short.Order[:len(short.Order)/2]}, ErrOrderMalformed},
		refusal{"another cluster", rotate(func(o *order.Order) { o.Cluster[0] ^= 2 }), ErrOrderCluster},
		refusal{"another instance", rotate(func(o *order.Order) { o.Instance[0] ^= 1 }), ErrOrderCluster},
		refusal{"another incarnation", rotate(func(o *order.Order) { o.Incarnation++ }), ErrOrderCluster},
		refusal{"its number was used", rotate(func(o *order.Order) { o.Number-- }), ErrOrderNumber},
		refusal{"expired", late, ErrOrderExpired},
		refusal{"another master key", rotate(func(o *order.Order) { o.Current[0] ^= 1 }), ErrOrderPattern},
		refusal{"a second init", w.unsaid(order.Init, func(o *order.Order) { o.Current = masterkey.Pattern{} }), ErrOrderPattern},
		refusal{"a unit is missing", rotate(func(o *order.Order) { o.Units = o.Units[1:] }), ErrOrderUnits},
		refusal{"one unit", rotate(func(o *order.Order) { o.Units = o.Units[2:] }), ErrOrderTooFewUnits},
		refusal{"a unit too many", rotate(func(o *order.Order) { o.Units = append(o.Units, unknown) }), ErrOrderUnits},
		refusal{"another identity", rotate(func(o *order.Order) { o.Units[0].Identity[0] ^= 1 }), ErrOrderUnits},
		refusal{"no room", short, ErrNoRoom},
		refusal{"other administrators", rotate(func(o *order.Order) { o.Administrators[0] ^= 1 }), ErrAdministratorsDiffer},
		refusal{"recover: it has a key", w.unsaid(order.Recover, func(o *order.Order) {
			o.Subject.Units, o.Subject.Pattern = []order.UnitRef{ref(1)}, o.Current
		}), ErrCurrentRegister},
		refusal{"recover: another key than the cluster's", w.unsaid(order.Recover, func(o *order.Order) {
			o.Subject.Units, o.Subject.Pattern = []order.UnitRef{ref(1)}, masterkey.Pattern{9}
		}), ErrOrderPattern},
		refusal{"administrators: nobody signs any more", w.unsaid(order.Administration, func(o *order.Order) { o.Subject.Administrators = imprint }), ErrOrderMalformed},
		refusal{"restore", w.unsaid(order.Restore, func(o *order.Order) {
			o.Subject = order.Subject{Archive: order.Digest{1}, Incarnation: 2, Units: []order.UnitRef{ref(1)}}
		}), ErrOrderKind},
		refusal{"destroy-retired: nobody keeps it", w.unsaid(order.DestroyRetired, func(o *order.Order) { o.Subject.Pattern = masterkey.Pattern{9} }), ErrRetiredUnknown},
		refusal{"cancel: of no order", w.unsaid(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest{9}, OrderNumber: 1} }), ErrOrderUnknown},
		refusal{"cancel: it is complete", w.unsaid(order.Cancel, func(o *order.Order) {
			o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number}
		}), ErrTooLateToCancel},
		refusal{"enrol: it is", w.unsaid(order.Enrol, subject(ref(1))), ErrUnitEnrolled},
		refusal{"enrol: unknown", w.unsaid(order.Enrol, subject(unknown)), ErrUnitUnknown},
		refusal{"remove: unknown", w.unsaid(order.Remove, subject(unknown)), ErrUnitUnknown},
		refusal{"remove: one of two is unknown", w.unsaid(order.Remove, subject(ref(1), unknown)), ErrUnitUnknown},
		refusal{"remove: another identity", w.unsaid(order.Remove, subject(wrong)), ErrOrderUnits},
		refusal{"forget: it is enrolled", &RemoveUnit{Number: 1}, ErrUnitEnrolled},
		refusal{"forget: unknown", &RemoveUnit{Number: 9}, ErrUnitUnknown},
		refusal{"register: no report", &garbled, ErrStatementMalformed},
		refusal{"register: another unit's report", &other, ErrStatementMalformed},
		refusal{"register: another identity", &changed, ErrIdentityChanged},
		refusal{"statement: none", &SubmitStatement{Statement: []byte{1}}, ErrStatementMalformed},
		refusal{"statement: a report", &SubmitStatement{Statement: early.Report}, ErrStatementMalformed},
		refusal{"approval: none", &SubmitApproval{Order: r.Order, Approval: []byte{1}}, ErrApprovalMalformed},
		refusal{"assign: no order", &AssignPartitions{Order: Digest{9}}, ErrOrderUnknown},
		refusal{"assign: an init", &AssignPartitions{Order: r.Order}, ErrNotRewrapping},
		refusal{"batch: no order", &PutBatch{Order: Digest{9}}, ErrOrderUnknown},
		refusal{"fence: no order", &FenceUnit{Order: Digest{9}, Unit: 1}, ErrOrderUnknown},
		refusal{"fence: no unit", &FenceUnit{Order: r.Order, Unit: 9}, ErrUnitUnknown},
		refusal{"fence: it has said all", &FenceUnit{Order: r.Order, Unit: 1}, ErrFenceNotAwaited},
	)
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	w.refuses(t, refusal{"register: an older file was put back", early, ErrRolledBack})
}

// TestGuardsOfARotation: what is refused at its states.
func TestGuardsOfARotation(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.createKey(2)
	w.register()
	single := &CreateKey{Key: ID{9}, Class: ClassKMS, State: KeyActive, Material: w.material(ID{9})}
	w.must(w.order(order.Rotate, nil))
	w.until(StateGenerating)
	r, _, rec := w.evidence()
	digest := r.Order
	w.refuses(t,
		refusal{"generated: another unit", w.forged(order.Generated, 1, nil), ErrNotAwaited},
		refusal{"generated: no envelopes", w.forged(order.Generated, 3, nil), ErrEnvelopes},
		refusal{"generated: the current key", w.forged(order.Generated, 3, func(s *order.Statement) { s.Pattern = rec.Order.Current }), ErrNewKeyIsCurrent},
		refusal{"ready: said late, with another importer", w.forged(order.Ready, 1, func(s *order.Statement) {
			s.Importer, s.Report = make([]byte, order.SuiteHPKE.ImporterKeySize()), &order.Report{Role: order.Operational, Registers: w.units[0].Status().Registers}
		}), ErrNotAwaited},
		refusal{"approval: before there is a key", w.approval(order.StepActivate, Pattern{1}, digest), ErrApprovalNotAsked},
		refusal{"fence: too early", &FenceUnit{Order: digest, Unit: 1}, ErrFenceNotAwaited},
	)
	w.until(StateLoading)
	w.refuses(t,
		refusal{"loaded: another key", w.forged(order.Loaded, 1, nil), ErrStatementConflict},
		refusal{"committed: too early", w.forged(order.Committed, 1, nil), ErrNotAwaited},
	)
	w.until(StateRewrapping)
	r, _, _ = w.evidence()
	v := w.view()
	generation := func(n uint32) uint64 { u, _ := v.Unit(n); return u.Generation }
	verification := func(change func(*order.Verification)) *SubmitStatement {
		return w.forged(order.Verified, 2, func(s *order.Statement) {
			s.Verification = &order.Verification{Pass: 1, Last: 2, Counts: order.Counts{0, 2, 0}}
			change(s.Verification)
		})
	}
	bad := func(n uint64) *SubmitStatement {
		return w.forged(order.CannotOpen, 2, func(s *order.Statement) {
			s.Blob = &order.BlobName{Number: n, Class: order.KMS, Digest: order.Digest{1}}
		})
	}
	assign := func(a Assignment) *AssignPartitions {
		return &AssignPartitions{Order: digest, Assignments: []Assignment{{Owner: 1}, a}}
	}
	settle := w.unsaid(order.Settle, func(o *order.Order) {
		o.Subject = order.Subject{Order: order.Digest(digest), OrderNumber: r.Number, Blobs: []order.BlobName{{Number: 1, Class: order.KMS, Digest: order.Digest{1}}}}
	})
	cancel := func(change func(*order.Order)) *SubmitOrder {
		return w.unsaid(order.Cancel, func(o *order.Order) {
			o.Subject = order.Subject{Order: order.Digest(digest), OrderNumber: r.Number}
			if change != nil {
				change(o)
			}
		})
	}
	w.refuses(t,
		refusal{"another order", w.unsaid(order.Rotate, nil), ErrOrderOpen},
		refusal{"enrol", w.unsaid(order.Enrol, func(o *order.Order) { o.Subject.Units = o.Units[:1] }), ErrOrderOpen},
		refusal{"remove", w.unsaid(order.Remove, func(o *order.Order) { o.Subject.Units = o.Units[:1] }), ErrOrderOpen},
		refusal{"forget", &RemoveUnit{Number: 1}, ErrOrderOpen},
		refusal{"settle: nothing is blocked", settle, ErrSettle},
		refusal{"cancel: another number", cancel(func(o *order.Order) { o.Subject.OrderNumber++ }), ErrOrderUnknown},
		refusal{"sweep", &SweepPurged{Limit: 1}, ErrSweepLater},
		refusal{"sealed before", single, ErrSealAgain},
		refusal{"statement: of another order", w.forged(order.Committed, 1, func(s *order.Statement) { s.Order[0] ^= 1 }), ErrStatementOrder},
		refusal{"statement: of another unit's identity", w.forged(order.Cleared, 1, func(s *order.Statement) { s.Unit = 2 }), ErrStatementUnit},
		refusal{"statement: of no unit", w.forged(order.Cleared, 9, nil), ErrStatementUnit},
		refusal{"statement: an old generation", w.forged(order.Cleared, 1, func(s *order.Statement) { s.Generation = generation(1) }), ErrGeneration},
		refusal{"cleared: nothing is cancelled", w.forged(order.Cleared, 1, nil), ErrNotAwaited},
		refusal{"activated: too early", w.forged(order.Activated, 1, func(s *order.Statement) { s.Pattern = masterkey.Pattern(r.To) }), ErrNotAwaited},
		refusal{"verified: another range", verification(func(v *order.Verification) { v.Last = 3 }), ErrPartitionUnknown},
		refusal{"verified: no such partition", verification(func(v *order.Verification) { v.Partition = 1 }), ErrPartitionUnknown},
		refusal{"verified: another pass", verification(func(v *order.Verification) { v.Pass = 2 }), ErrStalePass},
		refusal{"verified: not written", verification(func(*order.Verification) {}), ErrNotAwaited},
		refusal{"cannot open: no such blob", bad(3), ErrBlobUnknown},
		refusal{"envelopes with another statement", func() Command { c := bad(1); c.Envelopes = [][]byte{{1}}; return c }(), ErrEnvelopes},
		refusal{"approval: not asked for", w.approval(order.StepActivate, r.To, digest), ErrApprovalNotAsked},
		refusal{"approval: of another order", w.approval(order.StepActivate, r.To, Digest{9}), ErrOrderUnknown},
		refusal{"assign: no such partition", assign(Assignment{Partition: 1}), ErrPartitionUnknown},
		refusal{"assign: another lease", assign(Assignment{Lease: 1}), ErrStaleLease},
		refusal{"assign: no such owner", assign(Assignment{Owner: 9}), ErrUnitUnknown},
		refusal{"assign: no such verifier", assign(Assignment{Verifier: 9}), ErrUnitUnknown},
		refusal{"assign: no such silent unit", &AssignPartitions{Order: digest, Silent: []uint32{9}}, ErrUnitUnknown},
		refusal{"repair: the rewrap's", &RepairBlob{Key: ID{1}, Version: 1, Epoch: 2, Number: 1, Blob: []byte{1}}, ErrBlobUnknown},
		refusal{"batch: no such partition", &PutBatch{Order: digest, Partition: 1, Pass: 1, From: 1, To: 3}, ErrPartitionUnknown},
		refusal{"batch: another pass", &PutBatch{Order: digest, Pass: 2, From: 1, To: 3}, ErrStalePass},
		refusal{"batch: another lease", &PutBatch{Order: digest, Pass: 1, Lease: 1, From: 1, To: 3}, ErrStaleLease},
		refusal{"batch: behind the cursor", &PutBatch{Order: digest, Pass: 1, From: 2, To: 3}, ErrCursor},
		refusal{"batch: empty", &PutBatch{Order: digest, Pass: 1, From: 1, To: 1}, ErrCursor},
		refusal{"batch: back to front", &PutBatch{Order: digest, Pass: 1, From: 1, To: 0}, ErrCursor},
		refusal{"batch: past the end", &PutBatch{Order: digest, Pass: 1, From: 1, To: 4}, ErrCursor},
	)
	v.Close()
	w.must(&AssignPartitions{Order: digest, Assignments: []Assignment{{Owner: 1}}})
	batch, table, _ := w.batch(w.store, 1, 0, 0, 0)
	if _, err := w.propose(batch, table); err != nil {
		t.Fatal(err)
	}
	w.refuses(t,
		refusal{"verified: by its writer", w.forged(order.Verified, 1, func(s *order.Statement) {
			s.Verification = &order.Verification{Pass: 1, Last: 2, Counts: order.Counts{0, 2, 0}}
		}), ErrStatementConflict},
		refusal{"verified: other counts", verification(func(v *order.Verification) { v.Counts[1] = 1 }), ErrStatementConflict},
	)
	w.must(w.verified(w.store, 2, 0))
	w.refuses(t,
		refusal{"cancel: too late", cancel(nil), ErrTooLateToCancel},
		refusal{"batch: too late", &PutBatch{Order: digest, Pass: 1, Lease: 1, From: 1, To: 3}, ErrNotRewrapping},
		refusal{"activated: another key", w.forged(order.Activated, 1, nil), ErrStatementConflict},
	)
	w.until(StateComplete)
	w.register()
	submit := w.order(order.Rotate, nil)
	w.must(submit)
	w.until(StateRewrapping)
	r, _, _ = w.evidence()
	digest = r.Order
	w.must(w.order(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest(digest), OrderNumber: r.Number} }))
	w.refuses(t,
		refusal{"cancel: it is being cancelled", cancel(nil), ErrOrderNotOpen},
		refusal{"assign: cancelled", &AssignPartitions{Order: digest}, ErrRotationCancelled},
		refusal{"batch: cancelled", &PutBatch{Order: digest, Pass: 1, From: 1, To: 3}, ErrRotationCancelled},
		refusal{"committed: cancelled", w.forged(order.Committed, 1, func(s *order.Statement) { s.Pattern = masterkey.Pattern{9} }), ErrRotationCancelled},
		refusal{"approval: cancelled", w.approval(order.StepActivate, r.To, digest), ErrOrderNotOpen},
	)
	before := w.meaning()
	w.must(submit) // the same order again is success, and changes nothing
	if w.meaning() != before {
		t.Error("an order that is submitted again changed the state")
	}
	if !slices.Equal(r.Plan.Units, []uint32{1, 2, 3}) || bytes.Equal(r.To[:], r.From[:]) {
		t.Errorf("%+v", r)
	}
}
