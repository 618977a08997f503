package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// atBobs gives a second workstation, which has Bob's key and knows no crypto unit, for as long as do runs.
func (f *fakeCluster) atBobs(do func()) {
	f.t.Helper()
	home := f.env[workstation.Env]
	away := filepath.Join(f.t.TempDir(), "bob")
	if err := os.CopyFS(away, os.DirFS(home)); err != nil {
		f.t.Fatal(err)
	}
	for _, name := range []string{"1.sigkey", "identities.json", "selection.json"} {
		if err := os.Remove(filepath.Join(away, name)); err != nil {
			f.t.Fatal(err)
		}
	}
	f.env[workstation.Env] = away
	defer func() { f.env[workstation.Env] = home }()
	do()
}

// fails runs a command that must fail, and say so.
func (f *fakeCluster) fails(says string, args ...string) {
	f.t.Helper()
	if code, _, errs := f.run(f.t.Context(), "", args...); code != exitFailed || !strings.Contains(errs, says) {
		f.t.Errorf("%v: want %q: %d, %s", args, says, code, errs)
	}
}

// TestAnOrderIsSignedOnOneWorkstationAfterTheOther: every command that makes an order writes it to a file, which is signed here
// and there, and handed in.
func TestAnOrderIsSignedOnOneWorkstationAfterTheOther(t *testing.T) {
	old := masterkey.PatternOf([]byte("old"))
	for name, tc := range map[string]struct {
		prepare func(*fakeCluster)
		args    []string
		kind    order.Kind
		after   string
	}{
		"auto-mk-rotate":  {nil, []string{"auto-mk-rotate", "--policy", "online", "--hold"}, order.Rotate, "tumbler tke rotation activate"},
		"auto-recover":    {func(f *fakeCluster) { f.units[0].registers = masterkey.Empty() }, []string{"auto-recover"}, order.Recover, "rotation watch"},
		"unenrol":         {nil, []string{"unenrol", "--units", "2", "--yes"}, order.Remove, "was removed from the instance"},
		"thrhld-set":      {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "2"}, order.Administration, "have been set"},
		"retired destroy": {func(f *fakeCluster) { f.retired = []client.RetiredKey{{Pattern: old.String(), Units: []uint32{3}}} }, []string{"retired", "destroy", old.String(), "--yes"}, order.DestroyRetired, "was destroyed"},
		"enrol": {func(f *fakeCluster) {
			f.units = append(f.units, newFakeUnit(4, order.Operational, "fresh"))
			f.units[3].joined = true
		}, []string{"enrol", "--yes"}, order.Enrol, "was enrolled"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 2, 1)
			f.mustInit()
			if tc.prepare != nil {
				tc.prepare(f)
			}
			before := len(f.orders)
			path := filepath.Join(t.TempDir(), "order")
			out := f.must("", append(append([]string{"tke"}, tc.args...), "--order", path)...)
			if !strings.Contains(out, "Nothing was handed in") || !strings.Contains(out, "waits for 2 signatures") || len(f.orders) != before {
				t.Error(out)
			}
			f.fails("Return code: 208", "tke", "order", "submit", path)
			f.fails("exists already", append(append([]string{"tke"}, tc.args...), "--order", path)...)
			if out := f.must("y\n", "tke", "order", "sign", path, "--keynum", "1"); !strings.Contains(out, "ORDER "+plain(before+1)+": "+kindWords(tc.kind)) ||
				!strings.Contains(out, "SIGNED BY nobody; 0 of 2 signatures") || !strings.Contains(out, "1 more to come") {
				t.Error(out)
			}
			f.fails("none of the chosen signature keys", "tke", "order", "sign", path, "--keynum", "1", "--yes")
			f.fails("Return code: 208", "tke", "order", "submit", path)
			f.atBobs(func() {
				if out := f.must("y\ny\n", "tke", "order", "sign", path, "--keynum", "2"); !strings.Contains(out, "SIGNED BY Alice; 1 of 2 signatures") ||
					!strings.Contains(out, "meets for the first time") || !strings.Contains(out, "has all signatures") {
					t.Error(out)
				}
			})
			f.fails("all its signatures already", "tke", "order", "sign", path, "--yes")
			if out := f.must("", "tke", "order", "submit", path); !strings.Contains(out, tc.after) {
				t.Error(out)
			}
			if len(f.orders) != before+1 || f.orders[before].Kind != tc.kind {
				t.Errorf("%+v", f.orders[before:])
			}
		})
	}
}

func plain(n int) string { return string(rune('0' + n)) }

func TestAnApprovalIsSignedElsewhere(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapped)
	f.signOpen()
	path := filepath.Join(t.TempDir(), "approval")
	f.must("", "tke", "rotation", "activate", "--order", path)
	f.atBobs(func() {
		out := f.must("y\n", "tke", "order", "sign", path, "--keynum", "2", "--yes")
		for _, want := range []string{"APPROVAL: make the new master key the current one", "IT IS A STEP OF ORDER 2, WHICH A QUORUM SIGNED", f.open.Pattern, "0 of 1 signature"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	f.must("", "tke", "order", "submit", path)
	if len(f.approved) != 1 || f.approved[0].Step != order.StepActivate {
		t.Errorf("%+v", f.approved)
	}
	f.open = nil
	f.fails("is not under way any more", "tke", "order", "submit", path)
}

// signOpen has Alice and Bob sign the order under way.
func (f *fakeCluster) signOpen() {
	f.t.Helper()
	signed, err := order.DecodeSignedOrder(f.open.Order)
	if err != nil {
		f.t.Fatal(err)
	}
	for n := range 2 {
		if err := signed.Sign(f.key(n + 1)); err != nil {
			f.t.Fatal(err)
		}
	}
	if f.open.Order, err = signed.Encode(); err != nil {
		f.t.Fatal(err)
	}
}

func TestZeroizeIsSignedElsewhere(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	f.answer("POST /units/{number}/zeroize", f.zeroize)
	former := []order.Identity{f.units[0].identity(), f.units[1].identity()}
	path := filepath.Join(t.TempDir(), "approvals")
	f.must("", "tke", "cryptounit-zeroize", "--units", "1,2", "--yes", "--order", path, "--keynum", "1")
	f.atBobs(func() {
		f.fails("1 of 2 signatures", "tke", "order", "submit", path)
		out := f.must("y\ny\n", "tke", "order", "sign", path, "--keynum", "2")
		for n, identity := range former {
			if want := "Crypto unit " + plain(n+1) + ":    fingerprint " + identity.String() + ", as it is at generation 3"; !strings.Contains(out, want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	out := f.must("", "tke", "order", "submit", path)
	if f.units[0].identity() == former[0] || f.units[1].identity() == former[1] || !strings.Contains(out, "unenrol --units 1,2") {
		t.Error(out)
	}
	f.fails("its approval was made for fingerprint", "tke", "order", "submit", path)
}

func TestDocumentsThatAreRefused(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	rotate := func(o *order.Order) { o.Kind, o.Subject, o.Generator = order.Rotate, order.Subject{}, 2 }
	file := func(change func(*order.Order), spoil func(*document)) string {
		path, _ := f.orderFile(func(o *order.Order) {
			rotate(o)
			if change != nil {
				change(o)
			}
		})
		if spoil != nil {
			d, err := readDocument(path)
			if err != nil {
				t.Fatal(err)
			}
			spoil(d)
			der, err := d.encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, der, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	f.fails("make it again (`tumbler tke auto-mk-rotate`)", "tke", "order", "sign", "--yes", file(func(o *order.Order) { o.NotAfter = time.Now().Add(-time.Hour).UTC().Truncate(time.Second) }, nil))
	f.fails("shows identity", "tke", "order", "sign", "--yes", file(func(o *order.Order) { o.Units[1].Identity[0] ^= 1 }, nil))
	forged := file(nil, func(d *document) {
		if err := d.sign(f.key(1)); err != nil {
			t.Fatal(err)
		}
		d.signed.Signatures[0].Bytes[20] ^= 1
	})
	f.fails("invalid signature", "tke", "order", "sign", "--yes", forged)
	f.fails("invalid signature", "tke", "order", "submit", forged)
	whole := func(d *document) {
		for n := range 2 {
			if err := d.sign(f.key(n + 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.fails("give the --address of a node of its own cluster", "tke", "order", "submit", file(func(o *order.Order) { o.Instance = order.ID{5} }, whole))
	restore, _ := f.orderFile(nil)
	f.must("", "tke", "order", "sign", restore, "--yes")
	f.fails("put the signed file beside", "tke", "order", "submit", restore+signedEnding)
}

// TestOvertakenOrdersSayWhatToDo: the cluster refuses them, and the command names the one that makes them again.
func TestOvertakenOrdersSayWhatToDo(t *testing.T) {
	for _, code := range []client.Code{"order_number", "order_expired", "order_units", "order_cluster", client.CodePatternMismatch} {
		err := overtaken(&client.Error{Code: code, Message: "no", ReturnCode: 163}, &order.Order{Kind: order.Enrol})
		if f, _ := describe(err); !strings.Contains(f.Hint, "make it again (`tumbler tke enrol`)") || f.ReturnCode != 163 {
			t.Errorf("%s: %+v", code, f)
		}
	}
	open := &client.Error{Code: client.CodeRotationOpen, Message: "no"}
	if err := overtaken(open, &order.Order{Kind: order.Enrol}); err != error(open) {
		t.Error(err)
	}
}

// TestEveryFieldOfAnOrderIsShown: whatever changes in an order changes its words.
func TestEveryFieldOfAnOrderIsShown(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	whole := order.Order{
		Kind: order.Rotate, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 9, Current: masterkey.PatternOf([]byte("key")),
		Units: []order.UnitRef{{Number: 1, Role: order.Recovery, Identity: order.Identity{1}}}, Generator: 1, Parts: 2, Suite: order.SuiteHPKE,
		Subject: order.Subject{
			Order: order.Digest{3}, OrderNumber: 8, Units: []order.UnitRef{{Number: 2, Role: order.Operational, Identity: order.Identity{2}}},
			Pattern: masterkey.PatternOf([]byte("other")), Administrators: f.units[0].administrators,
			Blobs: []order.BlobName{{Number: 3, Class: order.KMS, Digest: order.Digest{4}}}, Archive: order.Digest{5}, Incarnation: 2,
		},
		Administrators: order.Digest{6}, Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: time.Unix(1_900_000_000, 0).UTC(),
	}
	words := func(o order.Order) string {
		var b strings.Builder
		line(&b, "%s", kindWords(o.Kind))
		showOrder(&b, &o)
		return b.String()
	}
	same := words(whole)
	changeEach(t, reflect.ValueOf(&whole).Elem(), "Order", func(field string) {
		if words(whole) == same {
			t.Errorf("%s is not in the words of an order", field)
		}
	})
	var list order.Administrators
	list.List, list.Signature, list.Revocation = f.present().List, 2, 1
	der, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if whole.Subject.Administrators = der; words(whole) == same {
		t.Error("the new administrators are not in the words of an order")
	}
	a := order.Approval{Step: order.StepZeroize, Cluster: order.ID{1}, Incarnation: 1, Pattern: whole.Current, Unit: order.Identity{1}, Generation: 3}
	d := document{list: &list, approvals: []unitApproval{{unit: 1, approval: &a}}}
	said := func() string { var b strings.Builder; d.show(&b); return b.String() }
	same = said()
	changeEach(t, reflect.ValueOf(&a).Elem(), "Approval", func(field string) {
		if said() == same && field != "Approval.Order" { // which names no unit
			t.Errorf("%s is not in the words of an approval", field)
		}
	})
	d.approvals[0].unit = 0
	same = said()
	a.Order[0] ^= 1
	if said() == same {
		t.Error("the order is not in the words of an approval")
	}
}

// changeEach changes one field after the other, has it looked at, and changes it back.
func changeEach(t *testing.T, v reflect.Value, name string, look func(field string)) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		was := v.Interface()
		v.Set(reflect.ValueOf(time.Unix(1_900_000_001, 0).UTC()))
		look(name)
		v.Set(reflect.ValueOf(was))
	case v.Kind() == reflect.Struct:
		for n := range v.NumField() {
			changeEach(t, v.Field(n), name+"."+v.Type().Field(n).Name, look)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		changeEach(t, v.Index(0), name, look)
	case v.Kind() == reflect.Array:
		v.Index(0).SetUint(v.Index(0).Uint() ^ 1)
		look(name)
		v.Index(0).SetUint(v.Index(0).Uint() ^ 1)
	case v.CanUint():
		v.SetUint(v.Uint() ^ 3)
		look(name)
		v.SetUint(v.Uint() ^ 3)
	case v.Kind() != reflect.Slice: // bytes: the caller
		t.Fatalf("%s is a %v, which this test does not change", name, v.Kind())
	}
}

// FuzzDocument: whatever is read as an order or as approvals is written to the same bytes, and can be shown.
func FuzzDocument(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	list := &order.Administrators{List: []order.Administrator{{Name: "Alice", Key: public}}, Signature: 1, Revocation: 1}
	digest, err := list.Digest()
	if err != nil {
		f.Fatal(err)
	}
	o := order.Order{
		Kind: order.Rotate, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 9, Current: masterkey.PatternOf([]byte("key")),
		Units: []order.UnitRef{{Number: 1, Role: order.Recovery, Identity: order.Identity{1}}}, Generator: 1, Suite: order.SuiteHPKE,
		Administrators: digest, Policy: order.Documented, Commit: order.Automatic, Activate: order.Signed, Retire: order.Keep,
		NotAfter: time.Unix(1_900_000_000, 0).UTC(),
	}
	plain, err := newOrderDocument(o, list)
	if err == nil {
		err = plain.sign(order.KeySigner{Key: key})
	}
	if err != nil {
		f.Fatal(err)
	}
	step, err := newApprovalDocument(order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: 1, Order: plain.digest(), Pattern: masterkey.PatternOf([]byte("new"))}, plain.signed, &o, list)
	if err != nil {
		f.Fatal(err)
	}
	units := &document{list: list, instance: o.Instance}
	for n := range uint32(2) {
		if err := units.add(n+1, order.Approval{Step: order.StepZeroize, Unit: order.Identity{byte(n + 1)}, Generation: 3}); err != nil {
			f.Fatal(err)
		}
	}
	for _, d := range []*document{plain, step, units} {
		der, err := d.encode()
		if err != nil {
			f.Fatal(err)
		}
		if _, err := decodeDocument(der); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
		f.Add(der[:len(der)-1])
		f.Add(append(der, 0))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		d, err := decodeDocument(der)
		if err != nil {
			return
		}
		d.show(io.Discard)
		if again, err := d.encode(); err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x is written as %x, %v", der, again, err)
		}
	})
}
