package cli

import (
	"context"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func TestASignalEndsAQuestion(t *testing.T) {
	f := newFakeNode(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	output, outputWriter, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	screen := newScreen(output)
	ctx, interrupt := context.WithCancel(t.Context())
	var errs strings.Builder
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"tumbler", "tke", "sigkey-add", "--name", "Alice"}, command.Streams{In: r, Out: outputWriter, Err: &errs, Env: f.getenv})
	}()
	screen.wait(t, "Enter a password")
	interrupt()
	if code := <-ended; code != command.ExitFailed || !strings.Contains(errs.String(), "interrupted at a question") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestAPasswordIsNotShownAndTheEchoComesBack(t *testing.T) {
	f := newFakeNode(t)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	screen := newScreen(master)
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), []string{"tumbler", "tke", "sigkey-add"}, command.Streams{In: tty, Out: tty, Err: tty, Env: f.getenv})
	}()
	screen.wait(t, "Enter an administrator name")
	typed := func(text string) {
		if _, err := master.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	typed("Alice\n")
	screen.wait(t, "Enter a password .*\r\n> ")
	typed("alice-secret\n")
	screen.wait(t, "Re-enter .*\r\n> ")
	typed("alice-secret\n")
	screen.wait(t, "A signature key was created")
	if code := <-ended; code != command.ExitDone {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(screen.shown(), "alice-secret") {
		t.Errorf("the password is on the screen: %q", screen.shown())
	}
	// Interrupted at the password, the terminal echoes again.
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		ended <- run(ctx, []string{"tumbler", "tke", "sigkey-add", "--name", "Bob"}, command.Streams{In: tty, Out: tty, Err: tty, Env: f.getenv})
	}()
	screen.wait(t, "(?s)created.*Enter a password .*\r\n> ")
	interrupt()
	if code := <-ended; code != command.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	after, err := term.GetState(int(tty.Fd()))
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal's state changed: %v", err)
	}
}

func TestALineMovesWhileTheEndIsNotKnown(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	screen := newScreen(master)
	answer := make(chan struct{})
	f.answer("POST /dry-run", func(r *http.Request) any {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return client.DryRun{Ready: true}
	})
	f.env["TERM"] = "xterm"
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop) // before the server closes, which waits for its calls
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"tumbler", "tke", "auto-mk-rotate", "--dry-run"}, command.Streams{In: strings.NewReader(""), Out: tty, Err: tty, Env: f.getenv})
	}()
	screen.wait(t, `(?s)Opening every key.*1s.*2s`)
	close(answer)
	if code := <-ended; code != command.ExitDone {
		t.Errorf("exit code %d", code)
	}
}
