package node

import (
	"bytes"
	"testing"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// TestADryRunFindsTheBlobThatDoesNotOpen: before anything is generated, and it changes nothing.
func TestADryRunFindsTheBlobThatDoesNotOpen(t *testing.T) {
	r := initialised(t)
	n := r.nodes[0]
	for i := range byte(3) {
		r.createKey(fsm.ID{i + 1})
	}
	checks := adminChecks{&Node{store: r.store, unit: n.unit}}
	whole, err := checks.DryRun(t.Context())
	if err != nil || whole.Opened != 3 || len(whole.Unopenable) != 0 || whole.Keys.KMS != 3 {
		t.Errorf("all open: %+v, %v", whole, err)
	}
	view := r.view()
	blob, err := view.Blob(view.CurrentEpoch(), 2)
	view.Close()
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(blob.Blob)
	bad[len(bad)-1] ^= 1
	r.must(&fsm.RepairBlob{Key: fsm.ID{2}, Version: 1, Epoch: 1, Number: 2, Blob: bad})
	before := mustRead(t, n.file())
	got, err := checks.DryRun(t.Context())
	if err != nil || got.Opened != 2 || len(got.Unopenable) != 1 || got.Unopenable[0].Number != 2 || got.Unopenable[0].Key != (order.ID{2}).String() {
		t.Errorf("one does not open: %+v, %v", got, err)
	}
	if !bytes.Equal(before, mustRead(t, n.file())) {
		t.Error("the unit wrote its file")
	}
}

// createKey makes a key of the current master key.
func (r *rig) createKey(id fsm.ID) {
	r.t.Helper()
	view := r.view()
	pattern := view.Cluster().Pattern
	view.Close()
	h := cryptounit.Header{Use: cryptounit.UseRoot, Class: order.KMS, Instance: order.ID{2}, Key: order.ID(id), Version: 1}
	blobs, err := r.nodes[0].unit.GenerateKey(h, 32, masterkey.Pattern(pattern))
	if err != nil {
		r.t.Fatal(err)
	}
	r.must(&fsm.CreateKey{Key: id, Class: fsm.ClassKMS, State: fsm.KeyActive, Material: fsm.Material{Blobs: []fsm.PatternBlob{{Pattern: pattern, Blob: blobs[0]}}}})
}
