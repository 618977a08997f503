package rewrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tumbler/fsm"
)

// Runner does this node's share of a rewrap: it writes the partitions that its
// unit owns and verifies those that it is asked to. Its fields belong to the
// goroutine of Run.
type Runner struct {
	config   Config
	running  map[Job]context.CancelFunc
	held     map[Job]*hold
	done     chan ended
	group    sync.WaitGroup
	throttle throttle // as operators ask
	courtesy courtesy // as clients need
}

// Job is one partition's work: at most one goroutine has it. Another pass or
// lease is another job.
type Job struct {
	task      task
	order     fsm.Digest
	partition uint32
	pass      uint32
	lease     uint64 // 0 for verify
}

// Verifies: the partition is to be verified, and else to be written.
func (j Job) Verifies() bool { return j.task == taskVerify }

type task uint8

const (
	taskWrite task = iota
	taskVerify
)

func (t task) String() string {
	if t == taskVerify {
		return "verify"
	}
	return "write"
}

// ended is how a job came out; nil: it is done.
type ended struct {
	job Job
	err error
}

// errStale ends a job for good: the state has moved on.
var errStale = errors.New("the partition's lease or pass, or the rotation, has moved on")

// badError is blobs of the current epoch that do not open on this replica.
type badError struct{ blobs []fsm.BlobRecord }

func (e *badError) Error() string {
	return fmt.Sprintf("%d blobs do not open on this replica, the first is number %d", len(e.blobs), e.blobs[0].Number)
}

// NewRunner makes a runner; Run starts it.
func NewRunner(config Config) (*Runner, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return &Runner{
		config:  config,
		running: map[Job]context.CancelFunc{}, held: map[Job]*hold{}, done: make(chan ended),
	}, nil
}

// Run works until ctx ends, which is no error, or the replica has stopped. It
// returns when all its work has ended, and runs once.
func (r *Runner) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer r.group.Wait()
	defer cancel()
	for {
		_, changed := r.config.Source.Watch()
		wake, err := r.look(ctx)
		if err != nil {
			return fmt.Errorf("rewrap: reading the replica: %w", err)
		}
		var timer <-chan time.Time
		if wake > 0 {
			timer = time.After(wake)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer:
		case e := <-r.done:
			r.ended(e)
		}
	}
}

// look compares what runs with what is due, ends and starts jobs, and tells
// when to look again if nothing happens before; 0: no need.
func (r *Runner) look(ctx context.Context) (time.Duration, error) {
	view, err := r.config.Source.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	rotation, _ := view.Rotation()
	due := Jobs(rotation, r.config.Number)
	for j, stop := range r.running {
		if !slices.Contains(due, j) {
			stop()
		}
	}
	for j := range r.held {
		if !slices.Contains(due, j) {
			delete(r.held, j)
		}
	}
	now := time.Now()
	var wake time.Duration
	var busy [2]int
	for j := range r.running {
		busy[j.task]++
	}
	for _, j := range due {
		if r.running[j] != nil {
			continue
		}
		if h := r.held[j]; h != nil {
			wait, err := h.wait(view, rotation, r.config.Number, now)
			if err != nil {
				return 0, err
			}
			if wait > 0 && (wake == 0 || wait < wake) {
				wake = wait
			}
			if wait != 0 {
				continue
			}
		}
		if busy[j.task] < InFlight {
			busy[j.task]++
			r.start(ctx, j)
		}
	}
	return wake, nil
}

// Jobs is what a unit has to do, by partition. In a rotation that operators
// paused nothing is written; what is written is verified.
func Jobs(r fsm.Rotation, unit uint32) []Job {
	if !working(r.State) {
		return nil
	}
	var due []Job
	for _, p := range r.Rewrap.Partitions {
		switch {
		case !p.Written() && p.Owner == unit && !r.Paced().Paused:
			due = append(due, Job{task: taskWrite, order: r.Order, partition: p.Index, pass: p.Pass, lease: p.Lease})
		case p.Written() && p.Verified == 0 && p.Verifier == unit && !slices.Contains(p.Writers, unit):
			due = append(due, Job{task: taskVerify, order: r.Order, partition: p.Index, pass: p.Pass})
		}
	}
	return due
}

// working is true in the states in which batches and `verified` are accepted.
func working(s fsm.RotationState) bool {
	return s == fsm.StateRewrapping || s == fsm.StateVerifying || s == fsm.StateBlocked
}

func (r *Runner) start(run context.Context, j Job) {
	ctx, stop := context.WithCancel(run)
	r.running[j] = stop
	r.group.Go(func() {
		defer stop()
		var err error
		if j.task == taskVerify {
			err = r.Verify(ctx, j)
		} else {
			err = r.write(ctx, j)
		}
		if ctx.Err() == nil {
			err = r.Report(ctx, j, err)
		}
		if ctx.Err() != nil {
			err = nil // told to stop: the state says whether it is still due
		}
		select {
		case r.done <- ended{j, err}:
		case <-run.Done():
		}
	})
}

// Report tells the node what it has to know of how a job came out.
func (r *Runner) Report(ctx context.Context, j Job, err error) error {
	var bad *badError
	if errors.As(err, &bad) {
		if failed := r.config.Reporter.CannotOpen(ctx, j.order, bad.blobs); failed != nil {
			r.config.Logger.Warn("blobs that do not open could not be reported yet", "partition", j.partition, "error", failed)
		}
	}
	var found *findingError
	if errors.As(err, &found) {
		if failed := r.config.Reporter.Found(ctx, found.finding); failed != nil {
			r.config.Logger.Warn("a finding could not be reported yet", "partition", j.partition, "error", failed)
		}
	}
	return err
}

// ended takes note of how a job came out.
func (r *Runner) ended(e ended) {
	r.running[e.job]()
	delete(r.running, e.job)
	log := r.config.Logger.With("task", e.job.task.String(), "partition", e.job.partition, "pass", e.job.pass)
	switch {
	case e.err == nil:
		delete(r.held, e.job)
		log.Debug("partition done or no longer this unit's")
	case errors.Is(e.err, errStale):
		r.held[e.job] = &hold{forever: true}
		log.Debug("partition has moved on", "reason", e.err)
	default:
		h := r.held[e.job]
		if h == nil {
			h = &hold{}
			r.held[e.job] = h
		}
		h.lengthen(e.err, time.Now(), r.config.Retry)
		log.Warn("partition held back", "error", e.err, "times", h.times)
	}
}
