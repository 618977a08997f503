package admin

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

var update = flag.Bool("update", false, "write the golden files anew: a change in them is a change of what people see")

// rotating puts a rotation of this world's keys into its state and returns its digest.
func (w *world) rotating(change func(r *fsm.Rotation, receipt *fsm.Receipt)) order.Digest {
	w.t.Helper()
	o := w.rotate()
	o.Activate = order.Signed
	signed := w.sign(o, w.admins[0], w.admins[1])
	digest := signed.Digest()
	at := func(seconds int) fsm.Time { return fsm.TimeOf(worldTime.Add(time.Duration(seconds-20) * time.Second)) }
	r := fsm.Rotation{Order: fsm.Digest(digest), Number: 7, State: fsm.StateRewrapping, From: patternOf(1), To: patternOf(2), Opened: at(0),
		Plan: fsm.Plan{Kind: "rotate", Policy: "documented", Generator: 4, Units: []uint32{1, 2, 3, 4, 5}, Loads: []uint32{1, 2, 3, 4, 5}, Hold: true},
		Done: fsm.Counts{System: 1, KMS: 5}, Verified: fsm.Counts{System: 1, KMS: 3},
		Rewrap: fsm.Rewrap{N: 10, Epoch: 2, Census: fsm.Counts{System: 1, KMS: 9}, Started: at(10), Partitions: []fsm.Partition{
			{Index: 0, From: 1, End: 6, Cursor: 6, Pass: 1, Lease: 1, Owner: 1, Verifier: 5, Verified: 5, Done: fsm.Counts{System: 1, KMS: 4}},
			{Index: 1, From: 6, End: 11, Cursor: 7, Pass: 2, Lease: 3, Owner: 2, Verifier: 4, Done: fsm.Counts{KMS: 1}},
		}}}
	receipt := fsm.Receipt{Order: w.encode(signed), Administrators: w.encode(w.list)}
	for n := uint32(1); n <= 5; n++ {
		for i, kind := range []order.StatementKind{order.Loaded, order.Committed} {
			receipt.Statements = append(receipt.Statements, w.state(&order.Statement{Kind: kind, Unit: n, Generation: uint64(6 + i), Order: digest, Pattern: patternOf(2)}))
		}
	}
	if change != nil {
		change(&r, &receipt)
	}
	w.change(func(v *view) {
		v.service = fsm.ServiceState{MasterKeyRotationInProgress: r.State >= fsm.StateRewrapping && r.State.Open()}
		v.rotations = []fsm.Rotation{{Order: fsm.Digest{1}, State: fsm.StateCancelled, Cancel: fsm.Digest{2}}, r}
		v.orders = map[fsm.Digest]fsm.OrderRecord{fsm.Digest(digest): {Order: receipt.Order}, {1}: {Order: receipt.Order}}
		v.receipts = map[fsm.Digest]fsm.Receipt{fsm.Digest(digest): receipt, {1}: {}}
		v.blobs = map[uint64]fsm.BlobRecord{8: {Number: 8, Blob: []byte("blob 8, as this replica has it")}} // the state fills no class in
	})
	return digest
}

func TestARotationAsItIsWatched(t *testing.T) {
	said := func(w *world, receipt *fsm.Receipt, kind order.StatementKind, unit uint32) {
		s := &order.Statement{Kind: kind, Unit: unit, Generation: 20, Order: digestOfReceipt(t, receipt)}
		if kind == order.Activated {
			s.Pattern = patternOf(2)
		}
		if kind == order.CannotOpen {
			s.Blob = &order.BlobName{Number: 8, Class: order.KMS, Digest: sha256.Sum256([]byte("blob 8"))}
		}
		receipt.Statements = append(receipt.Statements, w.state(s))
	}
	for name, c := range map[string]struct {
		change  func(w *world, r *fsm.Rotation, receipt *fsm.Receipt)
		waiting string
		percent float64
	}{
		"preparing": {func(_ *world, r *fsm.Rotation, receipt *fsm.Receipt) {
			r.State, r.To, r.Rewrap, r.Done, r.Verified, receipt.Statements = fsm.StatePreparing, fsm.Pattern{}, fsm.Rewrap{}, fsm.Counts{}, fsm.Counts{}, nil
		}, `"ready" of unit 1, 2, 3, 4, 5`, 0},
		"committing": {func(_ *world, r *fsm.Rotation, receipt *fsm.Receipt) {
			r.State, r.Rewrap, r.Done, r.Verified, receipt.Statements = fsm.StateCommitting, fsm.Rewrap{}, fsm.Counts{}, fsm.Counts{}, receipt.Statements[:5]
		}, `"committed" of unit 3, 4, 5`, 0},
		"rewrapping": {func(*world, *fsm.Rotation, *fsm.Receipt) {}, "1 of 2 partitions to be written", 50},
		"paused": {func(_ *world, r *fsm.Rotation, _ *fsm.Receipt) {
			r.Pace = &fsm.Pace{Paused: true, Rate: 500, Asked: fsm.Stamp{At: fsm.TimeOf(worldTime), By: "alice"}}
		}, "alice, who paused it", 50},
		"rewrapped": {func(_ *world, r *fsm.Rotation, _ *fsm.Receipt) { r.State = fsm.StateRewrapped },
			"an administrator's signature: `tumbler tke rotation activate`", 100},
		"activating": {func(w *world, r *fsm.Rotation, receipt *fsm.Receipt) {
			r.State, r.Flipped = fsm.StateActivating, fsm.TimeOf(worldTime.Add(-2*time.Second))
			said(w, receipt, order.Activated, 1)
			w.view.units[1].Fenced = r.Order
		}, `"activated" of unit 3, 4, 5`, 100},
		"blocked": {func(w *world, r *fsm.Rotation, receipt *fsm.Receipt) {
			said(w, receipt, order.CannotOpen, 1)
			r.State, r.Resume = fsm.StateBlocked, fsm.StateRewrapping
			r.Bad = []fsm.BadBlob{{Number: 8, Units: []uint32{1, 2, 3}}, {Number: 9, Units: []uint32{1}}}
		}, "a settle order for blobs that no unit opens (8, 9)", 50},
		"complete": {func(w *world, r *fsm.Rotation, receipt *fsm.Receipt) {
			r.State, r.Flipped, r.Closed = fsm.StateComplete, fsm.TimeOf(worldTime.Add(-5*time.Second)), fsm.TimeOf(worldTime.Add(-4*time.Second))
			r.Done = r.Rewrap.Census
			for n := uint32(1); n <= 5; n++ {
				said(w, receipt, order.Activated, n)
			}
		}, "", 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.rotating(func(r *fsm.Rotation, receipt *fsm.Receipt) { c.change(w, r, receipt) })
			got, err := w.client.Rotation(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Order == nil || got.Order.Digest != digest.String() || got.Version != 2 || !strings.HasPrefix(got.Waiting, c.waiting) || got.Keys.Percent != c.percent {
				t.Errorf("waits for %q at %v %%: %+v", got.Waiting, got.Keys.Percent, got)
			}
			// Identities and signatures differ on every run, and with them the digest.
			got.Order.Digest = "digest"
			text, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, append(text, '\n'))
		})
	}
}

func digestOfReceipt(t *testing.T, r *fsm.Receipt) order.Digest {
	t.Helper()
	signed, err := order.DecodeSignedOrder(r.Order)
	if err != nil {
		t.Fatal(err)
	}
	return signed.Digest()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "rotation", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("shows\n%s\nwant\n%s", got, want)
	}
}

func TestThereWasNeverARotation(t *testing.T) {
	w := newWorld(t)
	got, err := w.client.Rotation(t.Context())
	if err != nil || got.State != client.StateNone || got.Open || got.Order != nil || got.Units == nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWaitingForTheRotationEndsWithTheNextChange(t *testing.T) {
	w := newWorld(t)
	w.rotating(nil)
	first, err := w.client.Rotation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		status client.RotationStatus
		err    error
	}
	answers := make(chan answer)
	waiting := watched{w, make(chan struct{}, 8)}
	b := w.backend()
	b.State, b.Proposer, b.Units = waiting, w, w
	ca := newCA(t)
	c := ca.mustClient("alice", ca.serve(New(b)))
	go func() {
		status, err := c.WaitRotation(t.Context(), first.Version, time.Minute)
		answers <- answer{status, err}
	}()
	<-waiting.asked
	select {
	case a := <-answers:
		t.Fatalf("answered before anything changed: %+v", a)
	default:
	}
	w.rotating(func(r *fsm.Rotation, _ *fsm.Receipt) { r.State = fsm.StateVerifying })
	got := <-answers
	if got.err != nil || got.status.State != client.StateVerifying || got.status.Version <= first.Version {
		t.Errorf("got %+v", got)
	}
	again, err := c.WaitRotation(t.Context(), first.Version, time.Minute)
	if err != nil || again.Version != got.status.Version {
		t.Errorf("a version that is past does not answer at once: %+v, %v", again, err)
	}
	over, err := c.WaitRotation(t.Context(), again.Version, time.Millisecond)
	if err != nil || over.Version != again.Version {
		t.Errorf("the wait is over, and there is no answer: %+v, %v", over, err)
	}
}

// watched tells when somebody has begun to wait.
type watched struct {
	*world
	asked chan struct{}
}

func (w watched) Watch() (uint64, <-chan struct{}) {
	version, changed := w.world.Watch()
	select {
	case w.asked <- struct{}{}:
	default:
	}
	return version, changed
}

func TestTheHistoryIsNewestFirst(t *testing.T) {
	w := newWorld(t)
	w.rotating(nil)
	got, err := w.client.Rotations(t.Context())
	if err != nil || len(got.Rotations) != 2 || got.Rotations[0].State != client.StateRewrapping || got.Rotations[1].State != client.StateCancelled {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAReceiptIsEvidenceThatItsReaderVerifies(t *testing.T) {
	w := newWorld(t)
	digest := w.rotating(func(r *fsm.Rotation, receipt *fsm.Receipt) { r.State = fsm.StateComplete })
	got, err := w.client.Receipt(t.Context(), digest.String())
	if err != nil || got.State != client.StateComplete || got.Digest != digest.String() {
		t.Fatalf("got %+v, %v", got, err)
	}
	evidence, err := order.DecodeEvidence(got.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	record, err := evidence.Verify(w.list)
	if err != nil || record.Digest != digest || len(record.Statements) != 10 || record.Last != 10 || record.Census.Total() != 10 {
		t.Errorf("got %+v, %v", record, err)
	}
	if _, err := w.client.Receipt(t.Context(), order.Digest{7}.String()); !client.HasCode(err, client.CodeNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAReceiptsCensusIsThatOfTheStart(t *testing.T) {
	w := newWorld(t)
	digest := w.rotating(func(r *fsm.Rotation, receipt *fsm.Receipt) {
		settle := w.rotate()
		settle.Kind, settle.Generator, settle.Number = order.Settle, 0, 8
		settle.Subject = order.Subject{Order: digestOfReceipt(t, receipt), OrderNumber: 7, Blobs: []order.BlobName{{Number: 8, Class: order.KMS, Digest: order.Digest{1}}}}
		receipt.Settles = [][]byte{w.encode(w.sign(settle, w.admins[0], w.admins[1]))}
		r.Rewrap.Census.KMS-- // as the state counts once the blob is set aside
	})
	got, err := w.client.Receipt(t.Context(), digest.String())
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := order.DecodeEvidence(got.Receipt)
	if err != nil || evidence.Census.Total() != 10 || len(evidence.Settles) != 1 {
		t.Errorf("got %+v, %v", evidence, err)
	}
}
