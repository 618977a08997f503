package rewrap

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

const lease = time.Minute

func fixed() time.Time { return time.Unix(1_000_000, 0) }

func TestEveryKeyIsWrittenAndVerified(t *testing.T) {
	w := newWorld(t, 2, 2)
	w.create(1, 1100, 32)
	w.purge(100, 130)
	w.purge(1095, 1100)
	w.rotate()
	for _, n := range w.nodes {
		n.start(150)
	}
	r := w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if p := r.Rewrap.Partitions; len(p) != 2 || !slices.Equal(p[0].Writers, []uint32{1}) || !slices.Equal(p[1].Writers, []uint32{2}) {
		t.Errorf("the two operational units were to write a partition each: %+v", p)
	}
	w.checkWhole(1, 1100, func(i int) bool { return i >= 100 && i <= 130 || i >= 1095 })
	for _, n := range w.nodes {
		if f := n.findings(); len(f) > 0 || len(n.bad) > 0 {
			t.Errorf("node %d reported %v, %v", n.number, f, n.bad)
		}
	}
}

func TestNothingToRewrap(t *testing.T) {
	t.Run("no key at all", func(t *testing.T) {
		w := newWorld(t, 1, 1)
		for _, n := range w.nodes {
			n.start(100)
		}
		w.rotate()
		w.checkWhole(1, 0, nil)
	})
	t.Run("holes alone", func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.create(1, 20, 32)
		w.purge(1, 20)
		w.rotate()
		for _, n := range w.nodes {
			n.start(100)
		}
		w.lead(NewPlanner(lease), fixed, w.all(), flipped)
		w.checkWhole(1, 0, nil)
	})
}

// Large blobs fill a table before there are many of them.
func TestTablesStayBelowTheirLimit(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 300, cryptounit.MaxMaterial)
	w.create(301, 320, 32)
	w.rotate()
	var batches, largest atomic.Int64
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if b, ok := c.(*fsm.PutBatch); ok {
			batches.Add(1)
			largest.Store(max(largest.Load(), int64(b.Size)))
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.start(fsm.MaxTableCount)
	}
	w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if batches.Load() != 3 || largest.Load() < fsm.MaxTableSize*9/10 {
		t.Errorf("%d batches, the largest of %d bytes", batches.Load(), largest.Load())
	}
	w.checkWhole(1, 320, nil)
}

func TestDeadOwnerIsTakenOver(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 1000, 32)
	w.rotate()
	died := make(chan struct{})
	accepted := 0
	w.before = func(from uint32, c fsm.Command) (bool, fsm.Result, error) {
		if _, batch := c.(*fsm.PutBatch); batch && from == 1 {
			if accepted++; accepted > 3 {
				if accepted == 4 {
					close(died)
				}
				return true, fsm.Result{}, errors.New("the node has died")
			}
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.start(100)
	}
	planner := NewPlanner(lease)
	dead := func(fsm.Rotation) bool {
		select {
		case <-died:
			return true
		default:
			return w.rotation().Done.KMS == 300
		}
	}
	w.lead(planner, fixed, w.all(), dead)
	<-died
	w.nodes[0].stop()
	r := w.lead(planner, fixed, []uint32{2, 3}, flipped)
	p := r.Rewrap.Partitions[0]
	if !slices.Equal(p.Writers, []uint32{1, 2}) || p.Verified != 3 || p.Pass != 1 {
		t.Errorf("%+v", p)
	}
	w.checkWhole(1, 1000, nil)
}

// An owner that is heard of and gets on with nothing loses its partitions
// after a lease, and not before.
func TestStuckOwnerIsReplacedAfterALease(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 50, 32)
	w.rotate()
	var tried atomic.Int64
	var clock atomic.Int64
	w.before = func(from uint32, c fsm.Command) (bool, fsm.Result, error) {
		if _, batch := c.(*fsm.PutBatch); batch && from == 1 {
			if tried.Add(1) == 3 {
				clock.Store(int64(lease))
			}
			select {
			case w.moved <- struct{}{}:
			default:
			}
			return true, fsm.Result{}, errors.New("no way to the leader")
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.start(100)
	}
	r := w.lead(NewPlanner(lease), func() time.Time { return fixed().Add(time.Duration(clock.Load())) }, w.all(), flipped)
	if p := r.Rewrap.Partitions[0]; tried.Load() < 3 || !slices.Equal(p.Writers, []uint32{2}) || p.Lease != 2 {
		t.Errorf("after %d tries: %+v", tried.Load(), p)
	}
	w.checkWhole(1, 50, nil)
}

func TestStaleBatchEndsTheWorkSilently(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 400, 32)
	w.rotate()
	batches := map[uint32]int{}
	w.before = func(from uint32, c fsm.Command) (bool, fsm.Result, error) {
		b, batch := c.(*fsm.PutBatch)
		if !batch {
			return false, fsm.Result{}, nil
		}
		if batches[from]++; from == 1 && batches[1] == 2 {
			// The lease moves while the owner's second batch is under way.
			if _, err := w.append(&fsm.AssignPartitions{Order: b.Order, Assignments: []fsm.Assignment{{Lease: b.Lease, Owner: 2, Verifier: 3}}, At: 1}, nil); err != nil {
				t.Error(err)
			}
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.start(100)
	}
	r := w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if batches[1] != 2 || batches[2] != 3 || !slices.Equal(r.Rewrap.Partitions[0].Writers, []uint32{1, 2}) {
		t.Errorf("batches %v, %+v", batches, r.Rewrap.Partitions[0])
	}
	if f := w.nodes[0].findings(); len(f) > 0 {
		t.Errorf("reported %v", f)
	}
	w.checkWhole(1, 400, nil)
}

// A proposal whose answer was lost may be in the log or not: both ways the
// partition goes on from the cursor, each key once.
func TestLostAnswer(t *testing.T) {
	lost := errors.New("the answer was lost")
	for name, accepted := range map[string]bool{"ButAccepted": true, "AndNotAccepted": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			w.create(1, 500, 32)
			w.rotate()
			left := 2
			lose := func(_ uint32, c fsm.Command) error {
				if _, batch := c.(*fsm.PutBatch); batch && left > 0 {
					left--
					return lost
				}
				return nil
			}
			if accepted {
				w.after = lose
			} else {
				w.before = func(from uint32, c fsm.Command) (bool, fsm.Result, error) {
					err := lose(from, c)
					return err != nil, fsm.Result{}, err
				}
			}
			for _, n := range w.nodes {
				n.start(100)
			}
			r := w.lead(NewPlanner(lease), fixed, w.all(), flipped)
			if left != 0 || r.Rewrap.Partitions[0].Lease != 1 {
				t.Errorf("%d answers not lost, %+v", left, r.Rewrap.Partitions[0])
			}
			w.checkWhole(1, 500, nil)
		})
	}
}

func TestRestartGoesOnFromTheState(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 900, 32)
	w.rotate()
	for _, n := range w.nodes {
		n.start(100)
	}
	planner := NewPlanner(lease)
	w.lead(planner, fixed, w.all(), func(r fsm.Rotation) bool { return r.Done.KMS >= 300 })
	for _, n := range w.nodes {
		n.stop()
		role := n.unit.Status().Role
		must(t, n.unit.Close())
		n.open(role)
	}
	for _, n := range w.nodes {
		n.start(100)
	}
	w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	w.checkWhole(1, 900, nil)
}

func TestWorkersPauseWhileAVoterIsBehind(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 200, 32)
	w.rotate()
	var lag, asked, early atomic.Int64
	lag.Store(MaxLag)
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if _, batch := c.(*fsm.PutBatch); batch && lag.Load() >= MaxLag {
			early.Add(1)
		}
		return false, fsm.Result{}, nil
	}
	w.nodes[0].load = func() Load {
		if asked.Add(1) == 4 {
			lag.Store(MaxLag - 1)
		}
		return Load{Lag: uint64(lag.Load())}
	}
	for _, n := range w.nodes {
		n.start(100)
	}
	w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if asked.Load() < 5 || early.Load() != 0 {
		t.Errorf("asked %d times, %d batches proposed while a voter was behind", asked.Load(), early.Load())
	}
	w.checkWhole(1, 200, nil)
}

// A unit that noted a partition and wrote nothing before it lost it is no
// writer in the state, and yet refuses to verify.
func TestUnitThatNotedAPartitionDoesNotVerifyIt(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.create(1, 100, 32)
	w.rotate()
	r := w.rotation()
	for _, n := range w.nodes[1:] {
		must(t, n.unit.BeginPartition(order.Digest(r.Order), 0, 1))
	}
	planner := NewPlanner(lease)
	for _, n := range w.nodes {
		n.start(100)
	}
	r = w.lead(planner, fixed, w.all(), flipped)
	if p := r.Rewrap.Partitions[0]; p.Pass != 2 {
		t.Errorf("everybody wrote or noted the first pass, and the partition did not begin again: %+v", p)
	}
	w.checkWhole(1, 100, nil)
}

// spoiler is a crypto unit that spoils one blob of every batch.
type spoiler struct{ realUnit }

func (s spoiler) Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (Rewrapped, error) {
	out, err := s.realUnit.Rewrap(digest, partition, pass, blobs)
	if err == nil {
		out.Blobs[len(blobs)/2][len(blobs[0])-1] ^= 1
	}
	return out, err
}

func TestSpoiledPartitionBeginsAgain(t *testing.T) {
	for _, how := range []string{"a blob is bad", "blobs are missing"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t, 2, 1)
			w.create(1, 300, 32)
			w.rotate()
			if how == "a blob is bad" {
				w.nodes[0].faulty = spoiler{realUnit{w.nodes[0].unit}}
			} else {
				w.before = func(from uint32, c fsm.Command) (bool, fsm.Result, error) {
					b, batch := c.(*fsm.PutBatch)
					if !batch || from != 1 || b.From != 101 {
						return false, fsm.Result{}, nil
					}
					result, err := w.append(&fsm.PutBatch{Order: b.Order, Partition: b.Partition, Pass: b.Pass, Lease: b.Lease, From: b.From, To: b.To}, nil)
					return true, result, err
				}
			}
			for _, n := range w.nodes {
				n.start(100)
			}
			r := w.lead(NewPlanner(lease), fixed, w.all(), flipped)
			if p := r.Rewrap.Partitions[0]; p.Pass != 2 || !slices.Equal(p.Writers, []uint32{2}) {
				t.Errorf("%+v", p)
			}
			if f := w.nodes[2].findings(); len(f) == 0 || f[0].Kind != FoundSpoiled || f[0].Pass != 1 {
				t.Errorf("found %+v", f)
			}
			w.checkWhole(1, 300, nil)
		})
	}
}

func TestCancelledRotationIsLeftAlone(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 300, 32)
	w.rotate()
	stopped := make(chan struct{})
	batches := 0
	var cancel func()
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if _, batch := c.(*fsm.PutBatch); batch {
			if batches++; batches == 2 {
				cancel()
				close(stopped)
			}
		}
		return false, fsm.Result{}, nil
	}
	cancel = w.cancelLocked()
	for _, n := range w.nodes {
		n.start(100)
	}
	w.lead(NewPlanner(lease), fixed, w.all(), func(r fsm.Rotation) bool { return r.State == fsm.StateCancelling })
	<-stopped
	w.converge(fsm.StateCancelled)
	w.nodes[0].stop()
	if batches != 2 {
		t.Errorf("%d batches were proposed, the second after the cancel", batches)
	}
}
