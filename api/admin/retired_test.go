package admin

import (
	"strings"
	"testing"
	"time"

	"tumbler/fsm"
)

func TestStatusWarnsOfMasterKeysThatAreKeptForLong(t *testing.T) {
	w := newWorld(t)
	days := func(n int) fsm.Time { return fsm.TimeOf(worldTime.Add(-time.Duration(n) * 24 * time.Hour)) }
	w.change(func(v *view) {
		v.cluster.Retired = []fsm.RetiredKey{
			{Pattern: fsm.Pattern{1}, Since: days(200), Units: []uint32{4, 5}, Destroyed: 6}, // its end is ordered
			{Pattern: fsm.Pattern{2}, Since: days(91), Units: []uint32{4, 5}},
			{Pattern: fsm.Pattern{3}, Since: days(89), Units: []uint32{5}},
		}
	})
	status, err := w.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Retired) != 3 || status.Retired[0].DestroyedBy != 6 || !status.Retired[1].Since.Equal(days(91).Time()) || len(status.Retired[1].Units) != 2 {
		t.Errorf("%+v", status.Retired)
	}
	var about []string
	for _, warning := range status.Warnings {
		if strings.Contains(warning, "retired") {
			about = append(about, warning)
		}
	}
	if len(about) != 1 || !strings.Contains(about[0], "crypto unit 4, 5 keeps a master key that was retired 91 days ago") || !strings.Contains(about[0], "tumbler tke retired destroy 02") {
		t.Errorf("%q", about)
	}
}

func TestTheSameOrderAgainIsCheckedByTheListThatSignedIt(t *testing.T) {
	w := newWorld(t)
	signed := w.sign(w.rotate(), w.admins[0], w.admins[1])
	former := w.encode(w.list)
	w.change(func(v *view) {
		v.orders = map[fsm.Digest]fsm.OrderRecord{fsm.Digest(signed.Digest()): {Order: w.encode(signed), Administrators: former}}
		others := *w.list
		others.List = others.List[1:] // the first is gone by now
		v.cluster.Administrators = w.encode(&others)
	})
	if _, err := w.client.SubmitOrder(t.Context(), w.encode(signed)); err != nil || len(w.proposed) != 0 {
		t.Errorf("%v, %d proposals", err, len(w.proposed))
	}
}
