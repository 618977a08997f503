package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tumbler/api/client"
	"tumbler/tests/devcluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// outcome is the last line, one JSON object.
type outcome struct {
	Keys            int     `json:"keys"`
	Nodes           int     `json:"nodes"`
	RotationRate    float64 `json:"rotation_keys_per_second"` // from the order's acceptance to the end, everything included
	PipelineRate    float64 `json:"pipeline_keys_per_second"`
	Ratio           float64 `json:"ratio"`
	RewrapRate      float64 `json:"rewrap_keys_per_second"` // from the first batch to the flip
	PeakMiB         []int   `json:"peak_rss_mib"`           // a node
	ActivationStall float64 `json:"activation_stall_ms"`
	P99Ratio        float64 `json:"p99_ratio"`
	QuietP99        float64 `json:"quiet_p99_ms"`
	Restart         float64 `json:"restart_seconds"`
}

// quiet is how long callers are measured on a quiet cluster, and near how far around the flip.
const (
	quiet = 10 * time.Second
	near  = time.Second
)

func run() error {
	keys := flag.Int("keys", 1_000_000, "root keys to rotate")
	binary := flag.String("binary", "bin/tumbler", "the program")
	port := flag.Int("base-port", 8433, "unit N has its API at this port + 10 N")
	node := flag.Uint("pipeline-node", 0, "be this node of the bare pipeline (used by the bench itself)")
	dir := flag.String("pipeline-dir", "", "its folder")
	flag.Parse()
	if *node != 0 {
		return runPipelineNode(*node, *dir, *port)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := devcluster.Up(ctx, *binary, *port)
	if err != nil {
		return errors.Join(err, c.Down())
	}
	out, err := measure(ctx, c, *keys)
	if err := errors.Join(err, c.Down()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func measure(ctx context.Context, c *devcluster.Cluster, keys int) (*outcome, error) {
	out := &outcome{Keys: keys, Nodes: devcluster.Operational + devcluster.Recovery}
	if err := c.Init(ctx); err != nil {
		return out, err
	}
	clients, err := clientsOf(c)
	if err != nil {
		return out, err
	}
	some, err := importKeys(ctx, clients, keys)
	if err != nil {
		return out, err
	}
	for _, step := range []func() error{
		func() error { return out.rotation(ctx, c) },
		func() error { return out.service(ctx, c, clients, some) },
		func() (err error) { out.PeakMiB, err = peaks(c); return err },
		func() error {
			took, err := restart(ctx, c, 1)
			out.Restart = took.Seconds()
			return err
		},
		func() error { return c.Script(ctx, "down") }, // the pipeline has the machine for itself, as the rotation had
		func() (err error) { out.PipelineRate, err = measurePipeline(ctx, c, c.Port, keys); return err },
	} {
		if err := step(); err != nil {
			return out, err
		}
	}
	out.Ratio = out.RotationRate / out.PipelineRate
	return out, nil
}

// rotation measures a rotation that has the machine for itself. The one before it warms up.
func (o *outcome) rotation(ctx context.Context, c *devcluster.Cluster) error {
	if _, err := rotate(ctx, c); err != nil {
		return err
	}
	r, err := rotate(ctx, c)
	if err != nil {
		return err
	}
	started, err := when(r, client.StateRewrapping)
	if err != nil {
		return err
	}
	flipped, err := when(r, client.StateActivating)
	if err != nil {
		return err
	}
	o.RotationRate = float64(o.Keys) / r.Seconds
	o.RewrapRate = float64(o.Keys) / flipped.Sub(started).Seconds()
	return nil
}

// service measures callers on a quiet cluster, and in a rotation.
func (o *outcome) service(ctx context.Context, c *devcluster.Cluster, clients []*client.KMS, keys []string) error {
	l := startCallers(ctx, clients, keys)
	select {
	case <-ctx.Done():
	case <-time.After(quiet):
	}
	began := time.Now()
	r, failed := rotate(ctx, c)
	calls, err := l.end()
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	started, err := when(r, client.StateRewrapping)
	if err != nil {
		return err
	}
	flipped, err := when(r, client.StateActivating)
	if err != nil {
		return err
	}
	calm := p99(between(calls, began.Add(-quiet), began))
	o.QuietP99 = float64(calm.Microseconds()) / 1000
	o.P99Ratio = float64(p99(between(calls, started, flipped))) / float64(calm)
	around := between(calls, flipped.Add(-near), flipped.Add(near))
	if len(around) == 0 {
		return errors.New("no call was under way around the flip")
	}
	before := p99(between(calls, flipped.Add(-near-quiet), flipped.Add(-near)))
	o.ActivationStall = float64(max(around[len(around)-1]-before, 0).Microseconds()) / 1000
	return nil
}
