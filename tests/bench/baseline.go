package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tumbler/tests/devcluster"
)

// warmUp is how many records go through the pipeline before it is timed.
const warmUp = 100_000

// baseline is the bare pipeline as processes of this very program.
type baseline struct{ nodes []*pipelineProcess }

// pipelineProcess is one of them, which is told what to do line by line.
type pipelineProcess struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// measurePipeline gives the records a second that five processes agree on and store, three of them proposing.
func measurePipeline(ctx context.Context, c *devcluster.Cluster, port, records int) (perSecond float64, err error) {
	p := &baseline{}
	defer func() { err = errors.Join(err, p.stop()) }()
	for n := 1; n <= devcluster.Operational+devcluster.Recovery; n++ {
		node, err := startPipeline(ctx, c.Dir, n, port)
		if err != nil {
			return 0, err
		}
		p.nodes = append(p.nodes, node)
	}
	if _, err := p.nodes[0].tell("bootstrap"); err != nil {
		return 0, err
	}
	for _, node := range p.nodes[1:] {
		if _, err := node.tell(fmt.Sprintf("join localhost:%d", port+11)); err != nil {
			return 0, err
		}
	}
	if err := p.put(1, warmUp); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := p.put(1+warmUp, records); err != nil {
		return 0, err
	}
	return float64(records) / time.Since(start).Seconds(), nil
}

func startPipeline(ctx context.Context, dir string, number, port int) (*pipelineProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	run := exec.CommandContext(ctx, self, "-pipeline-node", strconv.Itoa(number), "-pipeline-dir", dir, "-base-port", strconv.Itoa(port))
	run.Stderr = os.Stderr
	in, err := run.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := run.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := run.Start(); err != nil {
		return nil, err
	}
	node := &pipelineProcess{run, in, bufio.NewScanner(out)}
	if !node.out.Scan() || node.out.Text() != "ready" {
		return node, fmt.Errorf("node %d of the pipeline does not start", number)
	}
	return node, nil
}

// tell has a process do something, and gives the index that it has then applied.
func (p *pipelineProcess) tell(line string) (uint64, error) {
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return 0, err
	}
	if !p.out.Scan() {
		return 0, fmt.Errorf("a node of the pipeline ended at %q", line)
	}
	return strconv.ParseUint(strings.TrimPrefix(p.out.Text(), "done "), 10, 64)
}

// put has the operational nodes propose records, each its share, and every node apply them.
func (p *baseline) put(first, count int) error {
	var group errgroup.Group
	share := (count + devcluster.Operational - 1) / devcluster.Operational
	indexes := make([]uint64, devcluster.Operational)
	for i := range devcluster.Operational {
		from := first + i*share
		group.Go(func() (err error) {
			indexes[i], err = p.nodes[i].tell(fmt.Sprintf("propose %d %d", from, min(share, first+count-from)))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	// A node may answer before it has applied its own last entry: the leader has, by then.
	last := max(indexes[0], indexes[1], indexes[2])
	for _, node := range p.nodes {
		group.Go(func() error {
			_, err := node.tell(fmt.Sprintf("wait %d", last))
			return err
		})
	}
	return group.Wait()
}

func (p *baseline) stop() error {
	var failed error
	for _, node := range p.nodes {
		_ = node.in.Close() // which ends it
	}
	for _, node := range p.nodes {
		failed = errors.Join(failed, node.command.Wait())
	}
	return failed
}
