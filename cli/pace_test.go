package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func TestAskingForAPace(t *testing.T) {
	f := newFakeNode(t)
	var asked []client.PaceRequest
	pace := client.Pace{By: "alice"}
	f.answer("POST /rotation/pace", func(r *http.Request) any {
		var ask client.PaceRequest
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Error(err)
		}
		asked = append(asked, ask)
		if ask.Paused != nil {
			pace.Paused = *ask.Paused
		}
		if ask.KeysPerSecond != nil {
			pace.KeysPerSecond = *ask.KeysPerSecond
		}
		return client.RotationStatus{State: client.StateRewrapping, Open: true, Pace: &pace}
	})
	var out strings.Builder
	for _, args := range [][]string{{"throttle", "5000"}, {"pause"}, {"resume"}, {"throttle", "off"}, {"throttle", "0"}} {
		out.WriteString(f.must("", append([]string{"tke", "rotation"}, args...)...))
	}
	golden(t, "rotation-pace.txt", out.String())
	if len(asked) != 5 || asked[0].Paused != nil || *asked[0].KeysPerSecond != 5000 || !*asked[1].Paused || asked[1].KeysPerSecond != nil ||
		*asked[2].Paused || *asked[3].KeysPerSecond != 0 {
		t.Errorf("asked for %+v", asked)
	}
	for _, args := range [][]string{{"throttle"}, {"throttle", "fast"}, {"throttle", "-1"}, {"throttle", "1", "2"}, {"pause", "now"}} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"tke", "rotation"}, args...)...); code != command.ExitUsage || errs == "" {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
	if len(asked) != 5 {
		t.Error("asked a node although the command was wrong")
	}
}
