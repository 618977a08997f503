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
	began time.Time
	every time.Duration
	clear string // what was written there before
	end   string

	mu   sync.Mutex
	told io.Writer
}

func newProgress(told *os.File) *progress {
	if term.IsTerminal(int(told.Fd())) {
		return &progress{began: time.Now(), every: 3 * time.Second, clear: "\r\x1b[K", told: told}
	}
	return &progress{began: time.Now(), every: 30 * time.Second, end: "\n", told: told}
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
				p.write("")
				return
			case <-again.C:
				p.write(line() + p.end)
			}
		}
	})
	return func() { close(ended); teller.Wait() }
}

// say writes a line that stays.
func (p *progress) say(format string, args ...any) {
	p.write(fmt.Sprintf(format+"\n", args...))
}

func (p *progress) write(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.told, p.clear+text)
}

// line is how far a run of seeds is, after that long.
func (o *outcome) line(took time.Duration) string {
	rate, left := float64(o.done)/took.Seconds(), "?"
	if o.done > 0 {
		left = time.Duration(float64(o.Seeds-o.done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%d of %d seeds, %.1f a second, %s left, %d faults, %d violations", o.done, o.Seeds, rate, left, o.Faults, o.Violations)
}
