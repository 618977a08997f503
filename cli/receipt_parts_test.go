package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// evidenceByParts makes the receipt of an order whose key came in parts, as the cluster's units would have stated it: a rotation of
// 2,000 keys, or a first master key.
func (f *fakeCluster) evidenceByParts(kind order.Kind, suite order.Suite, parts uint32) *order.Evidence {
	f.t.Helper()
	c, ok := f.context(nil).(client.OrderContext)
	if !ok {
		f.t.Fatal("no context")
	}
	if kind == order.Init {
		c.CurrentPattern = ""
	}
	o, err := ceremony.Draft(kind, c, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	list, err := ceremony.Administrators(c)
	if err != nil {
		f.t.Fatal(err)
	}
	o.Parts, o.Suite, o.Commit, o.Activate = parts, suite, order.Signed, order.Signed
	if o.Administrators, err = list.Digest(); err != nil {
		f.t.Fatal(err)
	}
	der, err := o.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	signed := order.SignedOrder{Order: der}
	f.sign(&signed, 1, 2)
	e := &order.Evidence{Order: signed, Administrators: f.units[0].administrators}
	next := masterkey.PatternOf(bytes.Repeat([]byte{7}, masterkey.Size))
	for _, u := range f.units {
		f.state(e, order.Statement{Kind: order.Ready, Unit: u.number, Importer: make([]byte, suite.ImporterKeySize()), Report: &order.Report{Role: u.role, Registers: u.registers, Administrators: u.administrators}})
	}
	for _, kind := range []order.StatementKind{order.Loaded, order.Committed} {
		for _, u := range f.units {
			f.state(e, order.Statement{Kind: kind, Unit: u.number, Pattern: next})
		}
	}
	f.approveIn(e, order.StepCommit, next, 1, 2)
	if kind == order.Init {
		f.approveIn(e, order.StepSetImmediate, next, 2)
	} else {
		e.Last, e.Census = 2000, order.Counts{1, 1999, 0}
		for p := range order.Partitions(e.Last) {
			from, to, _ := order.PartitionRange(e.Last, p)
			counts := order.Counts{0, to - from + 1, 0}
			if p == 0 {
				counts[0], counts[1] = 1, counts[1]-1
			}
			f.state(e, order.Statement{Kind: order.Verified, Unit: 3, Verification: &order.Verification{Partition: p, Pass: 1, Last: e.Last, Counts: counts}})
		}
		f.approveIn(e, order.StepActivate, next, 2)
	}
	for _, u := range f.units {
		f.state(e, order.Statement{Kind: order.Activated, Unit: u.number, Pattern: next})
	}
	return e
}

// approveIn adds an approval by signature keys of these KEYNUMs.
func (f *fakeCluster) approveIn(e *order.Evidence, step order.Step, pattern masterkey.Pattern, keyNums ...int) {
	f.t.Helper()
	o, err := e.Order.Decode()
	if err != nil {
		f.t.Fatal(err)
	}
	var keys []signing.SignatureKey
	for _, n := range keyNums {
		keys = append(keys, f.key(n))
	}
	der, err := ceremony.SignedApproval(order.Approval{Step: step, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: e.Order.Digest(), Pattern: pattern}, keys)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := order.DecodeSignedApproval(der)
	if err != nil {
		f.t.Fatal(err)
	}
	e.Approvals = append(e.Approvals, *signed)
}

// TestReceiptsOfKeyPartsAreCheckedOffline: from workstation files and from cards, of a rotation and of a first master key, by
// whoever has the file and the list of administrators alone.
func TestReceiptsOfKeyPartsAreCheckedOffline(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	id, err := order.ParseID(instance)
	if err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(t.TempDir(), "administrators")
	der, err := os.ReadFile(f.folder().AdministratorsFile(id))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trusted, der, 0o600); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, suite := range []order.Suite{order.SuiteHPKE, order.SuiteRSA, order.SuiteECDH} {
		for _, kind := range []order.Kind{order.Rotate, order.Init} {
			paths = append(paths, f.write(f.evidenceByParts(kind, suite, 3)))
		}
	}
	f.server.Close() // offline, with nothing else
	f.env = map[string]string{workstation.Env: ""}
	for n, path := range paths {
		out := f.must("", "tke", "rotation", "receipt", "--verify", path, "--administrators", trusted)
		last := map[bool]string{true: "activate, by Bob", false: "set-immediate, by Bob"}[n%2 == 0]
		for _, want := range []string{"Key parts:        3", "Signed:           order, by Alice, Bob\n", "Signed:           commit, by Alice, Bob\n", last} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		if strings.Contains(out, "post-quantum") != (n >= 2) {
			t.Error(out)
		}
	}
}

// TestAReceiptOfKeyPartsThatLiesIsRefused: without the quorum's signature over the pattern, and without any word of a unit, it is
// none.
func TestAReceiptOfKeyPartsThatLiesIsRefused(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	next, other := masterkey.PatternOf(bytes.Repeat([]byte{7}, masterkey.Size)), masterkey.PatternOf(bytes.Repeat([]byte{9}, masterkey.Size))
	for name, tc := range map[string]struct {
		kind order.Kind
		lie  func(*order.Evidence)
		says string
	}{
		"nobody signed the commit":          {order.Rotate, func(e *order.Evidence) { e.Approvals = e.Approvals[1:] }, "commit waits for the administrators' signature"},
		"one signed the commit":             {order.Rotate, func(e *order.Evidence) { e.Approvals[0].Signatures = e.Approvals[0].Signatures[:1] }, "too few signatures"},
		"one signed the commit twice":       {order.Rotate, func(e *order.Evidence) { s := e.Approvals[0].Signatures; s[1] = s[0] }, "too few signatures"},
		"the commit was of another pattern": {order.Rotate, func(e *order.Evidence) { e.Approvals = e.Approvals[1:]; f.approveIn(e, order.StepCommit, other, 1, 2) }, "two verification patterns"},
		"nobody signed the activation":      {order.Rotate, func(e *order.Evidence) { e.Approvals = e.Approvals[:1] }, "activate waits for the administrators' signature"},
		"the activation was of another":     {order.Rotate, func(e *order.Evidence) { e.Approvals = e.Approvals[:1]; f.approveIn(e, order.StepActivate, other, 1) }, "two verification patterns"},
		"nobody signed set immediate":       {order.Init, func(e *order.Evidence) { e.Approvals = e.Approvals[:1] }, "waits for the administrators' signature"},
		"an approval of another order": {order.Rotate, func(e *order.Evidence) {
			e.Approvals[0] = f.evidenceByParts(order.Rotate, order.SuiteHPKE, 2).Approvals[0]
		}, "not valid"},
		"a unit was never ready": {order.Rotate, func(e *order.Evidence) { e.Statements = e.Statements[1:] }, "waits for `ready` of crypto unit 1"},
		"a unit never loaded":    {order.Rotate, func(e *order.Evidence) { e.Statements = append(e.Statements[:4:4], e.Statements[5:]...) }, "waits for `loaded` of crypto unit 2"},
		"a unit never committed": {order.Init, func(e *order.Evidence) { e.Statements = append(e.Statements[:6:6], e.Statements[7:]...) }, "waits for `committed` of crypto unit 1"},
		"an approval that was edited": {order.Rotate, func(e *order.Evidence) {
			a := bytes.Clone(e.Approvals[0].Approval)
			a[len(a)-30] ^= 1
			e.Approvals[0].Approval = a
		}, "not"},
		"an approval by the same key's twin": {order.Rotate, func(e *order.Evidence) { f.approveIn(e, order.StepCommit, next, 1) }, "too few signatures"},
	} {
		t.Run(name, func(t *testing.T) {
			e := f.evidenceByParts(tc.kind, order.SuiteHPKE, 3)
			tc.lie(e)
			der, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "receipt")
			if err := os.WriteFile(path, der, 0o600); err != nil {
				t.Fatal(err)
			}
			f.fails(tc.says, "tke", "rotation", "receipt", "--verify", path)
		})
	}
}
