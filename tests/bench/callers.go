package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tumbler/api/client"
	"tumbler/tests/devcluster"
)

const (
	callers = 16
	pace    = 40 * time.Millisecond // of one caller's calls: 400 a second in all leave the machine to the rotation
)

// call is one wrap: when it began, and how long it took.
type call struct {
	at   time.Time
	took time.Duration
}

// load is callers that wrap, each at a steady pace, until it is stopped.
type load struct {
	stop  context.CancelFunc
	group sync.WaitGroup

	mu     sync.Mutex
	calls  []call
	failed error
}

func startCallers(ctx context.Context, clients []*client.KMS, keys []string) *load {
	ctx, stop := context.WithCancel(ctx)
	l := &load{stop: stop}
	for i := range callers {
		first := time.Duration(i) * pace / callers // they do not know of each other, and do not call all at once
		l.group.Go(func() { l.run(ctx, first, clients[i%len(clients)], keys[i%len(keys)]) })
	}
	return l
}

func (l *load) run(ctx context.Context, first time.Duration, kms *client.KMS, key string) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(first):
	}
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	data := make([]byte, 32)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		start := time.Now()
		_, err := kms.Wrap(ctx, key, data)
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		l.calls = append(l.calls, call{start, time.Since(start)})
		if err != nil && l.failed == nil {
			l.failed = fmt.Errorf("a wrap during the rotation: %w", err)
		}
		l.mu.Unlock()
	}
}

// end gives all calls; the error is the first that a caller saw.
func (l *load) end() ([]call, error) {
	l.stop()
	l.group.Wait()
	return l.calls, l.failed
}

// between gives how long the calls took that were under way at some time from one moment to another.
func between(calls []call, from, to time.Time) (took []time.Duration) {
	for _, c := range calls {
		if c.at.Before(to) && c.at.Add(c.took).After(from) {
			took = append(took, c.took)
		}
	}
	slices.Sort(took)
	return took
}

// p99 of sorted durations; 0 without any.
func p99(sorted []time.Duration) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)*99/100]
}

// clientsOf gives a client of each operational node alone.
func clientsOf(c *devcluster.Cluster) ([]*client.KMS, error) {
	var clients []*client.KMS
	for n := 1; n <= devcluster.Operational; n++ {
		kms, err := client.NewKMS(client.KMSConfig{
			Config: client.Config{Addresses: []string{fmt.Sprintf("localhost:%d", c.Port+10*n)}, CAFile: c.Get("TUMBLER_CA"), Timeout: time.Minute},
			APIKey: c.Get("TUMBLER_API_KEY"), Instance: c.Get("TUMBLER_INSTANCE"),
		})
		if err != nil {
			return nil, err
		}
		clients = append(clients, kms)
	}
	return clients, nil
}
