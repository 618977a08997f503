package cluster

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// odd is a state machine that answers and restores as the test says.
type odd struct {
	*tally
	answer  any
	restore error
}

func (o odd) ApplyBatch(entries []*raft.Log) []any {
	out := make([]any, len(entries))
	for i := range out {
		out[i] = o.answer
	}
	return out
}

func (o odd) Restore(io.ReadCloser) error { return o.restore }

func TestAFailedStateMachineIsLeftAlone(t *testing.T) {
	command := []*raft.Log{{Index: 5, Type: raft.LogCommand}}
	for name, c := range map[string]struct {
		fsm  odd
		do   func(a *applier)
		want string
	}{
		"an error":        {odd{answer: errors.New("broken")}, func(a *applier) { a.ApplyBatch(command) }, "apply entry 5: broken"},
		"an odd answer":   {odd{answer: 7}, func(a *applier) { a.Apply(command[0]) }, "apply entry 5: the state machine answers with a int"},
		"no answer":       {odd{}, func(a *applier) { a.ApplyBatch(command) }, "<nil>"},
		"a bad snapshot":  {odd{restore: errors.New("bad")}, func(a *applier) { check(nonNil(a.Restore(nil))) }, "restore a snapshot: bad"},
		"a configuration": {odd{answer: 7}, func(a *applier) { a.ApplyBatch([]*raft.Log{{Index: 5, Type: raft.LogConfiguration}}) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.fsm.tally = newTally(t.TempDir())
			var failure error
			a := &applier{fsm: c.fsm, last: newLastApplied(), fail: func(err error) { failure = err }}
			c.do(a)
			if c.want == "" {
				if failure != nil {
					t.Errorf("failed: %v", failure)
				}
				return
			}
			if failure == nil || !strings.Contains(failure.Error(), c.want) {
				t.Errorf("failed: %v", failure)
			}
			failure = nil
			if got := a.Apply(command[0]); got != ErrShutdown || failure != nil {
				t.Errorf("after the failure: %v, %v", got, failure)
			}
			if _, err := a.Snapshot(); !errors.Is(err, ErrShutdown) {
				t.Errorf("a snapshot after the failure: %v", err)
			}
			if err := a.Restore(nil); !errors.Is(err, ErrShutdown) {
				t.Errorf("a restore after the failure: %v", err)
			}
		})
	}
}

func nonNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}
