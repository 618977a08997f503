package cli

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// rotating gives the status of a rotation of 1,000 keys.
func rotating(version uint64, state string, rewrapped, verified uint64) client.RotationStatus {
	s := client.RotationStatus{Version: version, State: state, Open: !client.Finished(state),
		Order:         &client.RotationOrder{Digest: strings.Repeat("ab", 32), Number: 2, Kind: "rotate", Policy: "documented", Commit: "automatic", Activate: "automatic", Generator: 4},
		PatternBefore: strings.Repeat("1", 64), PatternAfter: strings.Repeat("2", 64), Seconds: 2.5}
	if rewrapped > 0 {
		s.Keys = client.KeyProgress{Highest: 1000, Total: 1000, Rewrapped: rewrapped, Verified: verified, Percent: float64(rewrapped+verified) / 20, KeysPerSecond: 4321,
			Classes: client.ClassProgress{KMS: client.Progress{Done: verified, Total: 990}, SystemInternal: client.Progress{Done: 10, Total: 10}}}
	}
	for n := uint32(1); n <= 3; n++ {
		role := "operational"
		if n == 3 {
			role = "recovery"
		}
		s.Units = append(s.Units, client.RotationUnit{Number: n, Role: role, Alive: n != 2, Registers: client.Registers{
			Current: client.Register{State: client.RegisterValid}, New: client.Register{State: client.RegisterFullCommitted}},
			Statement: &client.StatementSeen{Kind: "committed", Generation: 7}})
	}
	return s
}

// play has the node give one status after the other: the next whenever the test lets it.
func (f *fakeNode) play(next <-chan client.RotationStatus, first client.RotationStatus) {
	var mu sync.Mutex
	now := first
	f.answer("GET /rotation", func(r *http.Request) any {
		if r.URL.Query().Get("version") != "" {
			select {
			case s, ok := <-next:
				if ok {
					mu.Lock()
					now = s
					mu.Unlock()
				}
			case <-r.Context().Done():
			}
		}
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	f.answer("GET /rotations", func(*http.Request) any { return client.Rotations{} })
}

func queue(all ...client.RotationStatus) <-chan client.RotationStatus {
	c := make(chan client.RotationStatus, len(all))
	for _, s := range all {
		c <- s
	}
	return c
}

func TestWatchPrintsPlainLinesWhereThereIsNoTerminal(t *testing.T) {
	f := newFakeNode(t)
	f.play(queue(
		rotating(2, client.StateGenerating, 0, 0), rotating(3, client.StateLoading, 0, 0), rotating(4, client.StateCommitting, 0, 0),
		rotating(5, client.StateRewrapping, 310, 20), rotating(6, client.StateRewrapping, 320, 30), rotating(7, client.StateVerifying, 1000, 700),
		rotating(8, client.StateActivating, 1000, 1000), rotating(9, client.StateComplete, 1000, 1000)), rotating(1, client.StatePreparing, 0, 0))
	code, out, errs := f.run(t.Context(), "", "tke", "rotation", "watch")
	if code != command.ExitDone || errs != "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	golden(t, "watch.txt", out)
}

func TestABarMovesOnATerminal(t *testing.T) {
	f := newFakeNode(t)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	screen := newScreen(master)
	next := make(chan client.RotationStatus, 1)
	f.play(next, rotating(1, client.StateRewrapping, 100, 0))
	f.env["TERM"] = "xterm"
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), []string{"tumbler", "tke", "rotation", "watch"}, command.Streams{In: strings.NewReader(""), Out: tty, Err: tty, Env: f.getenv})
	}()
	// Each status comes only after the one before it was seen: so the bar is seen to move.
	screen.wait(t, `Rewrapped +10 % .* 100 of 1,000 keys`)
	next <- rotating(2, client.StateRewrapping, 470, 250)
	screen.wait(t, `Rewrapped +47 % .* 470 of 1,000 keys`)
	screen.wait(t, `Verified +25 % .* 250 of 1,000 keys`)
	next <- rotating(3, client.StateRewrapping, 300, 250) // a partition was reset
	screen.wait(t, `Rewrapped +30 % .* 300 of 1,000 keys`)
	next <- rotating(4, client.StateVerifying, 1000, 600)
	screen.wait(t, `Verified +60 % `)
	next <- rotating(5, client.StateComplete, 1000, 1000)
	screen.wait(t, "Master key rotation successful.")
	if code := <-ended; code != command.ExitDone {
		t.Errorf("exit code %d", code)
	}
	_ = tty.Close()
}

func TestInterruptedWatchLeavesTheRotationGoing(t *testing.T) {
	f := newFakeNode(t)
	f.play(make(chan client.RotationStatus), rotating(1, client.StateRewrapping, 100, 0))
	ctx, interrupt := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	screen := newScreen(r)
	var errs strings.Builder
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"tumbler", "tke", "rotation", "watch"}, command.Streams{In: strings.NewReader(""), Out: w, Err: &errs, Env: f.getenv})
	}()
	screen.wait(t, "Rewrapping key storage")
	interrupt()
	if code := <-ended; code != command.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	_ = w.Close()
	if !strings.Contains(errs.String(), "the rotation goes on without this command") {
		t.Errorf("does not say so: %s", errs.String())
	}
}

func TestWatchWaitsWhileNoNodeCanAnswer(t *testing.T) {
	f := newFakeNode(t)
	var mu sync.Mutex
	calls := 0
	f.answer("GET /rotation", func(*http.Request) any {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if calls == 2 || calls == 3 {
			return &client.Error{Code: client.CodeNoLeader, Message: "there is no leader at the moment", Status: http.StatusServiceUnavailable}
		}
		if calls == 1 {
			return rotating(1, client.StateCommitting, 0, 0)
		}
		return rotating(2, client.StateComplete, 1000, 1000)
	})
	code, out, errs := f.run(t.Context(), "", "tke", "rotation", "watch")
	if code != command.ExitDone || errs != "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, says := range []string{"The cluster does not answer at the moment (", "The cluster answers again.", "Master key rotation successful."} {
		if strings.Count(out, says) != 1 {
			t.Errorf("%q is not said once in:\n%s", says, out)
		}
	}
}

func TestWhatARotationCameTo(t *testing.T) {
	blocked := rotating(1, client.StateBlocked, 700, 600)
	blocked.Blocked = []client.BlockedBlob{{Number: 17, Key: "5d4c2a1e", Units: []uint32{1, 2, 3}}}
	held := rotating(1, client.StateRewrapped, 1000, 1000)
	held.Hold = true
	fenced := rotating(1, client.StateComplete, 1000, 1000)
	fenced.Fenced = []uint32{2}
	for name, tc := range map[string]struct {
		status client.RotationStatus
		code   int
	}{
		"blocked":   {blocked, command.ExitFailed},
		"held":      {held, command.ExitDone},
		"fenced":    {fenced, command.ExitDone},
		"cancelled": {rotating(1, client.StateCancelled, 100, 0), command.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeNode(t)
			f.play(nil, tc.status)
			code, out, errs := f.run(t.Context(), "", "tke", "rotation", "watch")
			if code != tc.code {
				t.Errorf("exit code %d", code)
			}
			golden(t, "ended-"+name+".txt", out+"--- standard error\n"+errs)
		})
	}
}

func TestRotationStatusForPeople(t *testing.T) {
	f := newFakeNode(t)
	status := rotating(1, client.StateRewrapping, 310, 20)
	status.Waiting, status.Refused, status.Units[1].Awaited = "partitions to be written", []string{"create", "import"}, "verified"
	status.Partitions = client.PartitionProgress{Total: 4, Written: 1}
	f.play(nil, status)
	code, out, errs := f.run(t.Context(), "", "tke", "rotation", "status")
	if code != command.ExitDone || errs != "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	golden(t, "rotation-status.txt", out)
	if code, out, _ := f.run(t.Context(), "", "--output=json", "tke", "rotation", "status"); code != command.ExitDone || !strings.Contains(out, `"state": "rewrapping"`) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// screen collects what is written to a terminal or a pipe.
type screen struct {
	mu    sync.Mutex
	text  string
	wrote chan struct{} // closed and replaced at every write
}

func newScreen(r *os.File) *screen {
	s := &screen{wrote: make(chan struct{})}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := r.Read(buffer)
			s.mu.Lock()
			s.text += string(buffer[:n])
			close(s.wrote)
			s.wrote = make(chan struct{})
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// wait waits until the screen has shown something that matches.
func (s *screen) wait(t *testing.T, pattern string) {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		text, wrote := s.text, s.wrote
		s.mu.Unlock()
		if expression.MatchString(text) {
			return
		}
		select {
		case <-wrote:
		case <-deadline.C:
			t.Fatalf("%s was not shown in 30 s:\n%q", pattern, text)
		}
	}
}

// shown gives everything that was shown so far.
func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}
