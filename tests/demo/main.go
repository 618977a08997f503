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

	"tumbler/tests/devcluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// outcome is the last line, one JSON object.
type outcome struct {
	Keys          int     `json:"keys"`
	Rotated       uint64  `json:"rotated"`
	Verified      uint64  `json:"verified"`
	Lost          int     `json:"lost"`
	Seconds       float64 `json:"seconds"` // of the rotation
	KeysPerSecond float64 `json:"keys_per_second"`
	PatternBefore string  `json:"vp_before"`
	PatternAfter  string  `json:"vp_after"`
}

var errLost = errors.New("keys were lost")

func run() error {
	keys := flag.Int("keys", 10_000, "root keys to create, each with one data key wrapped under it")
	callers := flag.Int("callers", 32, "calls under way at once")
	binary := flag.String("binary", "bin/tumbler", "the program")
	port := flag.Int("base-port", 8433, "unit N has its API at this port + 10 N")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	title("Three operational and two recovery crypto units, each a process of its own")
	c, err := devcluster.Up(ctx, *binary, *port)
	if err != nil {
		return errors.Join(err, stop(c))
	}
	out, err := demonstrate(ctx, c, *keys, *callers)
	if err := errors.Join(err, stop(c)); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return err
	}
	if out.Lost > 0 || out.Rotated != uint64(*keys) || out.Verified != uint64(*keys) {
		return errLost
	}
	return nil
}

// demonstrate loads a cluster that runs, rotates its master key, and opens everything again.
func demonstrate(ctx context.Context, c *devcluster.Cluster, keys, callers int) (outcome, error) {
	none := outcome{}
	title("Two administrators, and a first master key")
	if err := c.Init(ctx); err != nil {
		return none, err
	}
	title(fmt.Sprintf("%d root keys, and a data key wrapped under each, through the published client", keys))
	load, err := newLoad(c, keys, callers)
	if err != nil {
		return none, err
	}
	if err := load.create(ctx); err != nil {
		return none, err
	}
	out, err := rotate(ctx, c, keys)
	if err != nil {
		return none, err
	}
	title("Every data key is unwrapped and compared with what went in")
	out.Lost, err = load.check(ctx)
	return out, err
}

// rotate replaces the master key, with the registers shown before and after, and checks the receipt.
func rotate(ctx context.Context, c *devcluster.Cluster, keys int) (outcome, error) {
	none := outcome{}
	title("The registers before")
	if err := c.Show(ctx, "tke", "cryptounit-compare"); err != nil {
		return none, err
	}
	title("The master key is rotated")
	if err := c.Show(ctx, "tke", "auto-mk-rotate"); err != nil {
		return none, err
	}
	title("The registers after")
	if err := c.Show(ctx, "tke", "cryptounit-compare"); err != nil {
		return none, err
	}
	title("The receipt, checked offline")
	receipt := c.Dir + "/rotation.receipt"
	if err := c.Show(ctx, "tke", "rotation", "receipt", "--out", receipt); err != nil {
		return none, err
	}
	if err := c.Show(ctx, "tke", "rotation", "receipt", "--verify", receipt); err != nil {
		return none, err
	}
	var status struct {
		PatternBefore string  `json:"pattern_before"`
		PatternAfter  string  `json:"pattern_after"`
		Seconds       float64 `json:"seconds"`
		Keys          struct {
			Classes struct {
				KMS struct {
					Done     uint64 `json:"done"`
					Verified uint64 `json:"verified"`
				} `json:"kms"`
			} `json:"classes"`
		} `json:"keys"`
	}
	if err := c.Ask(ctx, &status, "tke", "rotation", "status"); err != nil {
		return none, err
	}
	kms := status.Keys.Classes.KMS
	out := outcome{
		Keys: keys, Rotated: kms.Done, Verified: kms.Verified, Seconds: status.Seconds,
		PatternBefore: status.PatternBefore, PatternAfter: status.PatternAfter,
	}
	if out.Seconds > 0 {
		out.KeysPerSecond = float64(out.Rotated) / out.Seconds
	}
	return out, nil
}

var began = time.Now()

func title(text string) { fmt.Printf("\n== %s (%.1f s)\n", text, time.Since(began).Seconds()) }

// stop ends the cluster, with what it left behind.
func stop(c *devcluster.Cluster) error {
	title("The cluster is stopped")
	return c.Down()
}
