package fsm

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/raft"

	"tumbler/cryptounit/order"
)

// A cluster founded by an older release takes newer commands once it was raised, and is never lowered.
func TestCommandsWaitForTheirFeatureLevel(t *testing.T) {
	s := newState(t)
	pause := true
	pace := &PaceRewrap{Paused: &pause}
	s.want(ErrFeatureLevel, pace)
	s.want(nil, &RaiseFeatureLevel{Level: 1})
	s.want(ErrFeatureLevel, pace)
	s.want(nil, &RaiseFeatureLevel{Level: 2})
	s.want(ErrOrderUnknown, pace)
	s.want(ErrFeatureLevel, &RaiseFeatureLevel{Level: 1})
	if level := s.store.FeatureLevel(); level != 2 {
		t.Errorf("the level is %d", level)
	}
}

func TestEveryCommandHasAFeatureLevelOfThisRelease(t *testing.T) {
	last := uint32(1)
	for _, c := range samples() {
		if level := LevelOf(c.Kind()); level < last || level > FeatureLevel {
			t.Errorf("%T needs level %d, after %d; this release understands %d", c, level, last, FeatureLevel)
		} else {
			last = level
		}
	}
	if last > FeatureLevel || FeatureLevel > max(last, levelCards) {
		t.Errorf("nothing needs level %d", FeatureLevel)
	}
}

// A newer member's level is no refusal: the newer one accepts the entry. The older node stops, at once and at every start.
func TestANodeBelowTheFeatureLevelStops(t *testing.T) {
	s := newState(t)
	data, err := Encode(&RaiseFeatureLevel{Level: FeatureLevel + 1}, RequestID{})
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := s.store.Apply(&raft.Log{Index: s.index + 1, Type: raft.LogCommand, Data: data}).(error)
	if !errors.Is(answer, ErrUndecodable) || !errors.Is(answer, ErrStopped) || !strings.Contains(answer.Error(), "run a newer release") {
		t.Errorf("answered %v", answer)
	}

	dir := t.TempDir()
	store := openStore(t, dir)
	newer := Cluster{ID: ID{1}, FeatureLevel: FeatureLevel + 1}
	record, err := encoding.Marshal(&newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.db.Set(keyCluster, record, pebble.NoSync), store.db.Flush(), store.Close()); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(Config{Dir: dir}); !errors.Is(err, ErrUndecodable) {
		t.Errorf("opened %v, %v", again, err)
	}
}

// TestOrdersWaitForTheirFeatureLevel: a node that does not know a kind would refuse what others accept.
func TestOrdersWaitForTheirFeatureLevel(t *testing.T) {
	w := newWorldAt(t, 1, 1, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.register()
	list, err := w.list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	same := func(o *order.Order) { o.Subject.Administrators = list }
	w.refuses(t,
		refusal{"administrators", w.unsaid(order.Administration, same), ErrFeatureLevel},
		refusal{"destroy-retired", w.unsaid(order.DestroyRetired, func(o *order.Order) { o.Subject.Pattern[0] = 9 }), ErrFeatureLevel},
	)
	w.must(&RaiseFeatureLevel{Level: levelRetired})
	w.must(w.order(order.Administration, same))
}

// TestSuitesOfCardsWaitForTheirFeatureLevel: an order of a suite that older members do not know is none to them.
func TestSuitesOfCardsWaitForTheirFeatureLevel(t *testing.T) {
	for _, suite := range []order.Suite{order.SuiteRSA, order.SuiteECDH} {
		w := newWorldAt(t, levelCards-1, 1, 1)
		cards := func(o *order.Order) {
			o.Generator, o.Parts, o.Commit, o.Activate, o.Suite = 0, 2, order.Signed, order.Signed, suite
		}
		w.refuses(t, refusal{suite.String(), w.order(order.Init, cards), ErrFeatureLevel})
		w.must(&RaiseFeatureLevel{Level: levelCards})
		w.must(w.order(order.Init, cards))
		w.until(StateLoading)
		for _, n := range []uint32{1, 2} {
			_, _, record := w.evidence()
			if s := record.Said(order.Ready, n); s == nil || len(s.Importer) != suite.ImporterKeySize() {
				t.Errorf("unit %d said %+v", n, s)
			}
		}
	}
}
