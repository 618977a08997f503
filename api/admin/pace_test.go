package admin

import (
	"testing"

	"tumbler/api/client"
	"tumbler/fsm"
)

func TestAPaceIsAskedOfTheOpenRotation(t *testing.T) {
	w := newWorld(t)
	yes, rate, most := true, uint64(250), uint64(fsm.MaxRate+1)
	if _, err := w.client.Pace(t.Context(), client.PaceRequest{Paused: &yes}); !client.HasCode(err, client.CodeConflict) {
		t.Errorf("without a rotation: %v", err)
	}
	digest := w.rotating(nil)
	for _, ask := range []client.PaceRequest{{}, {KeysPerSecond: &most}} {
		if _, err := w.client.Pace(t.Context(), ask); !client.HasCode(err, client.CodeInvalidRequest) {
			t.Errorf("%+v: %v", ask, err)
		}
	}
	if len(w.proposed) != 0 {
		t.Fatalf("proposed for bad requests: %+v", w.proposed)
	}
	status, err := w.client.Pace(t.Context(), client.PaceRequest{Paused: &yes, KeysPerSecond: &rate})
	if err != nil || status.Order == nil {
		t.Fatalf("%+v, %v", status, err)
	}
	c, ok := w.proposed[0].(*fsm.PaceRewrap)
	if !ok || c.Order != fsm.Digest(digest) || !*c.Paused || *c.Rate != rate || c.By != "alice" || c.At != fsm.TimeOf(worldTime) {
		t.Errorf("proposed %+v", w.proposed[0])
	}
	w.refuse = fsm.ErrNotRewrapping
	if _, err := w.client.Pace(t.Context(), client.PaceRequest{Paused: &yes}); !client.HasCode(err, "not_rewrapping") {
		t.Errorf("refused by the state: %v", err)
	}
}
