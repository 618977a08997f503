package document

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tumbler/cli/command"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestEveryFieldOfAnOrderIsShown: whatever changes in an order changes its words.
func TestEveryFieldOfAnOrderIsShown(t *testing.T) {
	list := order.Administrators{List: []order.Administrator{{Name: "Alice", Key: publicKey(t)}}, Signature: 1, Revocation: 1}
	former, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	whole := order.Order{
		Kind: order.Rotate, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 9, Current: masterkey.PatternOf([]byte("key")),
		Units: []order.UnitRef{{Number: 1, Role: order.Recovery, Identity: order.Identity{1}}}, Generator: 1, Parts: 2, Suite: order.SuiteHPKE,
		Subject: order.Subject{
			Order: order.Digest{3}, OrderNumber: 8, Units: []order.UnitRef{{Number: 2, Role: order.Operational, Identity: order.Identity{2}}},
			Pattern: masterkey.PatternOf([]byte("other")), Administrators: former,
			Blobs: []order.BlobName{{Number: 3, Class: order.KMS, Digest: order.Digest{4}}}, Archive: order.Digest{5}, Incarnation: 2,
		},
		Administrators: order.Digest{6}, Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: time.Unix(1_900_000_000, 0).UTC(),
	}
	words := func(o order.Order) string {
		var b strings.Builder
		command.Line(&b, "%s", KindWords(o.Kind))
		showOrder(&b, &o)
		return b.String()
	}
	same := words(whole)
	changeEach(t, reflect.ValueOf(&whole).Elem(), "Order", func(field string) {
		if words(whole) == same {
			t.Errorf("%s is not in the words of an order", field)
		}
	})
	list.List = append(list.List, order.Administrator{Name: "Bob", Key: publicKey(t)})
	list.Signature = 2
	der, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if whole.Subject.Administrators = der; words(whole) == same {
		t.Error("the new administrators are not in the words of an order")
	}
	a := order.Approval{Step: order.StepZeroize, Cluster: order.ID{1}, Incarnation: 1, Pattern: whole.Current, Unit: order.Identity{1}, Generation: 3}
	d := Document{List: &list, Approvals: []UnitApproval{{Unit: 1, Approval: &a}}}
	said := func() string { var b strings.Builder; d.Show(&b); return b.String() }
	same = said()
	changeEach(t, reflect.ValueOf(&a).Elem(), "Approval", func(field string) {
		if said() == same && field != "Approval.Order" { // which names no unit
			t.Errorf("%s is not in the words of an approval", field)
		}
	})
	d.Approvals[0].Unit = 0
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
