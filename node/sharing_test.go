package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
)

// slowLog decides every entry after a second.
type slowLog struct {
	mu      sync.Mutex
	entries [][]fsm.Command
	fails   error // every entry from the second second on
	began   time.Time
}

func (l *slowLog) propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	commands := []fsm.Command{command}
	group, ok := command.(*fsm.Group)
	if ok {
		commands = commands[:0]
		for _, c := range group.Commands {
			commands = append(commands, c.Command)
		}
	}
	l.mu.Lock()
	l.entries = append(l.entries, commands)
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return fsm.Result{}, context.Cause(ctx)
	case <-time.After(time.Second):
	}
	if l.fails != nil && time.Since(l.began) > time.Second {
		return fsm.Result{}, l.fails
	}
	var result fsm.Result
	var answers []fsm.Result
	for _, c := range commands {
		r := fsm.Result{Version: c.(*fsm.DeleteKey).Record}
		if r.Version%2 == 1 {
			r = fsm.Result{Code: fsm.ErrKeyState.Code, Detail: fmt.Sprint(r.Version)}
		}
		answers = append(answers, r)
	}
	if !ok {
		return answers[0], answers[0].Refused()
	}
	result.Grouped = answers
	return result, nil
}

func newSlowLog() (*slowLog, *sharing) {
	l := &slowLog{began: time.Now()}
	return l, &sharing{propose: l.propose, shares: fsm.Shares}
}

// TestChangesShareEntries: the first do not wait, the others share, and each caller has its own answer.
func TestChangesShareEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newSlowLog()
		const callers = sharedEntries + 1 + fsm.MaxGroup
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				want := uint64(i)
				r, err := s.Propose(t.Context(), &fsm.DeleteKey{Record: want})
				switch refused := errors.Is(err, fsm.ErrKeyState); {
				case refused != (i%2 == 1):
					t.Errorf("caller %d: %v", i, err)
				case refused && err.Error() != fsm.ErrKeyState.Error()+": "+fmt.Sprint(i), !refused && r.Version != want:
					t.Errorf("caller %d has the answer %+v, %v", i, r, err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if took := time.Since(log.began); took != 2*time.Second {
			t.Errorf("all took %v", took)
		}
		largest, single := 0, 0
		for _, e := range log.entries {
			largest = max(largest, len(e))
			if len(e) == 1 {
				single++
			}
		}
		if len(log.entries) != sharedEntries+2 || largest != fsm.MaxGroup || single != sharedEntries+1 {
			t.Errorf("%d entries, the largest of %d, %d of one", len(log.entries), largest, single)
		}
		if s.flying != 0 || len(s.waiting) != 0 {
			t.Errorf("%d under way and %d waiting at the end", s.flying, len(s.waiting))
		}
	})
}

// TestWhatSharesNothingGoesAtOnce, however many are under way.
func TestWhatSharesNothingGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newSlowLog()
		s.shares = func(fsm.Kind) bool { return false } // as at a lower level
		var all sync.WaitGroup
		for range 3 * sharedEntries {
			all.Go(func() {
				if _, err := s.Propose(t.Context(), &fsm.DeleteKey{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(log.began); took != time.Second || len(log.entries) != 3*sharedEntries {
			t.Errorf("%d entries in %v", len(log.entries), took)
		}
	})
}

// TestACallerLeavesASharedEntry: before it is proposed nothing was done; afterwards nobody can say, and the others go on.
func TestACallerLeavesASharedEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newSlowLog()
		var all sync.WaitGroup
		call := func(wait time.Duration, want error) {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			all.Go(func() {
				defer cancel()
				if _, err := s.Propose(ctx, &fsm.DeleteKey{}); !errors.Is(err, want) {
					t.Errorf("who waits %v: %v, not %v", wait, err, want)
				}
			})
		}
		for range sharedEntries {
			call(time.Hour, nil)
		}
		synctest.Wait()
		call(time.Second/2, kms.ErrUnavailable)
		call(3*time.Second/2, kms.ErrOutcomeUnknown)
		call(time.Hour, nil)
		all.Wait()
		synctest.Wait()
		if n := len(log.entries); n != sharedEntries+1 || len(log.entries[n-1]) != 2 {
			t.Errorf("entries %v", log.entries)
		}
	})
}

// TestASharedEntryFailsForAll who share it; with its last caller it is given up.
func TestASharedEntryFailsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newSlowLog()
		log.fails = kms.ErrOutcomeUnknown
		var all sync.WaitGroup
		for i := range sharedEntries + 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if _, err := s.Propose(ctx, &fsm.DeleteKey{}); errors.Is(err, kms.ErrOutcomeUnknown) != (i >= sharedEntries) {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		own := &share{ctx: ctx, command: &fsm.DeleteKey{}, done: make(chan struct{})}
		s.fly([]*share{own, {ctx: ctx, command: &fsm.DeleteKey{}, done: make(chan struct{})}})
		if !errors.Is(own.err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("without callers: %v after %v", own.err, time.Since(began))
		}
	})
}

// TestEntriesAreSharedFromTheirLevelOn: below it a member may not know them.
func TestEntriesAreSharedFromTheirLevelOn(t *testing.T) {
	n := alone(t)
	if err := n.cluster.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	shares := newKeyProposer(n.replica, n.disk, n.waits).sharing.shares
	level := fsm.LevelOf(fsm.KindGroup)
	for _, step := range []struct {
		command fsm.Command
		shares  bool
	}{
		{&fsm.Bootstrap{Cluster: fsm.ID{1}, Instance: fsm.ID{2}, Incarnation: 1, FeatureLevel: level - 1}, false},
		{&fsm.RaiseFeatureLevel{Level: level}, true},
	} {
		if _, err := n.replica.Propose(t.Context(), step.command); err != nil {
			t.Fatal(err)
		}
		if shares(fsm.KindDeleteKey) != step.shares || shares(fsm.KindCreateKeys) {
			t.Errorf("after %T a delete shares entries: %t, many new keys: %t", step.command, shares(fsm.KindDeleteKey), shares(fsm.KindCreateKeys))
		}
	}
}
