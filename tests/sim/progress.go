package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress says how far a run is: on a terminal in one line that is written over, elsewhere in a line now and then. It is for
// standard error.
type progress struct {
	told  io.Writer
	began time.Time
	every time.Duration
	clear string // what was written there before
	end   string
}

func newProgress(told *os.File) *progress {
	if term.IsTerminal(int(told.Fd())) {
		return &progress{told, time.Now(), 3 * time.Second, "\r\x1b[K", ""}
	}
	return &progress{told, time.Now(), 30 * time.Second, "", "\n"}
}

// tell writes a line now and then, until it is stopped.
func (p *progress) tell(line func() string) (stop func()) {
	var teller sync.WaitGroup
	ended := make(chan struct{})
	teller.Go(func() {
		again := time.NewTicker(p.every)
		defer again.Stop()
		for {
			select {
			case <-ended:
				fmt.Fprint(p.told, p.clear)
				return
			case <-again.C:
				fmt.Fprint(p.told, p.clear, line(), p.end)
			}
		}
	})
	return func() { close(ended); teller.Wait() }
}

// say writes a line that stays.
func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.told, p.clear+format+"\n", args...)
}

// line is how far a run of seeds is, after that long.
func (o *outcome) line(took time.Duration) string {
	rate, left := float64(o.done)/took.Seconds(), "?"
	if o.done > 0 {
		left = time.Duration(float64(o.Seeds-o.done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%d of %d seeds, %.1f a second, %s left, %d faults, %d violations", o.done, o.Seeds, rate, left, o.Faults, o.Violations)
}
