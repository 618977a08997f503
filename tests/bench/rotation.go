package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tumbler/api/client"
	"tumbler/tests/devcluster"
)

// importKeys makes that many root keys, a thousand a call, and gives the ids of some.
func importKeys(ctx context.Context, clients []*client.KMS, count int) ([]string, error) {
	const perCall = 1000
	some := make([]string, callers)
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * len(clients))
	for from := 0; from < count; from += perCall {
		group.Go(func() error {
			keys := make([]client.BulkKey, min(perCall, count-from))
			for i := range keys {
				keys[i].Name, keys[i].Payload = fmt.Sprintf("bench-%d", from+i), make([]byte, 32)
				rand.Read(keys[i].Payload)
			}
			ids, err := clients[from/perCall%len(clients)].CreateMany(ctx, keys)
			if err == nil && from == 0 {
				copy(some, ids)
			}
			return err
		})
	}
	err := group.Wait()
	fmt.Printf("%d keys imported, %.0f a second\n", count, float64(count)/time.Since(start).Seconds())
	return slices.DeleteFunc(some, func(id string) bool { return id == "" }), err
}

// rotate replaces the master key; every key is to be verified.
func rotate(ctx context.Context, c *devcluster.Cluster) (client.RotationStatus, error) {
	var r client.RotationStatus
	if err := c.Show(ctx, "tke", "auto-mk-rotate", "--policy", "online"); err != nil {
		return r, err
	}
	if err := c.Ask(ctx, &r, "tke", "rotation", "status"); err != nil {
		return r, err
	}
	if r.State != client.StateComplete || r.Keys.Verified != r.Keys.Total {
		return r, fmt.Errorf("the rotation is %s, %d of %d keys verified", r.State, r.Keys.Verified, r.Keys.Total)
	}
	return r, nil
}

// when gives when a rotation entered a state.
func when(r client.RotationStatus, state string) (time.Time, error) {
	for _, t := range r.Times {
		if t.State == state {
			return t.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("the rotation does not tell when it was %s", state)
}

// processes gives the ids of the nodes' processes.
func processes(c *devcluster.Cluster) (ids []int, err error) {
	for n := 1; n <= devcluster.Operational+devcluster.Recovery; n++ {
		text, err := os.ReadFile(filepath.Join(c.Dir, fmt.Sprintf("node-%d", n), "pid"))
		if err != nil {
			return nil, err
		}
		id, err := strconv.Atoi(strings.Fields(string(text))[0])
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// peaks gives the most memory that each node had resident, in MiB (VmHWM, proc(5)).
func peaks(c *devcluster.Cluster) ([]int, error) {
	ids, err := processes(c)
	if err != nil {
		return nil, err
	}
	var mib []int
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
		if err != nil {
			return nil, err
		}
		_, after, found := strings.Cut(string(text), "VmHWM:")
		if !found {
			return nil, errors.New("this machine does not tell a process's peak memory")
		}
		kib, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			return nil, err
		}
		mib = append(mib, kib>>10)
	}
	return mib, nil
}

// restart stops a node and gives the time from its start until it is ready.
func restart(ctx context.Context, c *devcluster.Cluster, number int) (time.Duration, error) {
	if err := c.Script(ctx, "stop", strconv.Itoa(number)); err != nil {
		return 0, err
	}
	start := time.Now()
	started := make(chan error, 1)
	go func() { started <- c.Script(ctx, "start", strconv.Itoa(number)) }()
	err := untilReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", c.Port+10*number+3))
	took := time.Since(start)
	return took, errors.Join(err, <-started)
}

// untilReady asks until the answer is OK.
func untilReady(ctx context.Context, url string) error {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		answer, err := http.Get(url)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
	}
}
