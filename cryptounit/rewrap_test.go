package cryptounit

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// rewrapping is a cast with blobs of unit 1 and a committed new key.
func rewrapping(t testing.TB, keys int) (*story, [][]byte) {
	t.Helper()
	c := initialised(t, 3, 1)
	blobs := make([][]byte, keys)
	for i := range blobs {
		blobs[i] = c.mustBlob(1, c.header(i, UseRoot, order.KMS))
	}
	return c.committed(), blobs
}

func TestRewrapChangesThePatternAndNothingElse(t *testing.T) {
	s, blobs := rewrapping(t, 20)
	next := s.rewrapPartition(1, 0, 1, blobs)
	for i := range next {
		was, err := ParseHeader(blobs[i])
		if err != nil {
			t.Fatal(err)
		}
		is, err := ParseHeader(next[i])
		if err != nil {
			t.Fatal(err)
		}
		if is.Pattern != s.unit(1).Status().Registers.NewPattern.Short() {
			t.Errorf("blob %d names %x", i, is.Pattern)
		}
		is.Pattern = was.Pattern
		if fmt.Sprint(is) != fmt.Sprint(was) || len(next[i]) != len(blobs[i]) {
			t.Errorf("blob %d: %+v became %+v", i, was, is)
		}
		n, _ := headerLength(next[i])
		first, _ := headerLength(next[0])
		if !bytes.Equal(next[i][n:n+xaesHalf], next[0][first:first+xaesHalf]) {
			t.Errorf("blob %d has a derived key of its own", i)
		}
	}
}

func TestRewrapBeforeCommitIsRefused(t *testing.T) {
	c := initialised(t, 2, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	s := c.begin(order.Rotate, nil).accept().generate().load()
	c.refused(1, masterkey.ErrUncommitted, func(u *Unit) error { return u.BeginPartition(s.digest(), 0, 1) })
	c.refused(1, masterkey.ErrUncommitted, func(u *Unit) error { _, err := u.Rewrap(s.digest(), 0, 1, [][]byte{blob}); return err })
	c.refused(1, masterkey.ErrUncommitted, func(u *Unit) error { _, err := u.NewVerifier(s.digest(), 1, 0, 1); return err })
}

func TestRewrapAsksForTheNoteOfThatPartitionAndPass(t *testing.T) {
	s, blobs := rewrapping(t, 1)
	s.rewrapPartition(1, 0, 1, blobs)
	for _, other := range [][2]uint32{{1, 1}, {0, 2}} {
		s.refused(1, ErrPartition, func(u *Unit) error { _, err := u.Rewrap(s.digest(), other[0], other[1], blobs); return err })
	}
	s.refused(1, ErrNoOrder, func(u *Unit) error { _, err := u.Rewrap(order.Digest{1}, 0, 1, blobs); return err })
	s.refused(1, ErrNoOrder, func(u *Unit) error { return u.BeginPartition(order.Digest{1}, 0, 1) })
}

func TestRewrapNamesWhatItCannotOpen(t *testing.T) {
	s, blobs := rewrapping(t, 5)
	next := s.rewrapPartition(1, 0, 1, blobs[:1])
	bad := [][]byte{blobs[0], flip(blobs[1]), blobs[2], nil, next[0]}
	damaged := bytes.Clone(blobs[3])
	damaged[len(damaged)-1] ^= 1
	bad = append(bad, damaged)
	result, err := s.unit(1).Rewrap(s.digest(), 0, 1, bad)
	if err != nil || fmt.Sprint(result.Failed) != "[1 3 4 5]" || result.Blobs[0] == nil || result.Blobs[2] == nil || result.Blobs[5] != nil {
		t.Errorf("failed %v, %v", result.Failed, err)
	}
	if want := (order.Counts{}).Count(order.KMS, 2); result.Counts != want {
		t.Errorf("counts %v", result.Counts)
	}
}

func TestTheUnitThatWroteAPartitionDoesNotVerifyIt(t *testing.T) {
	s, blobs := rewrapping(t, 3)
	next := s.rewrapPartition(1, 0, 1, blobs)
	for range 2 {
		s.refused(1, ErrPartition, func(u *Unit) error { _, err := s.verify(u, 3, 0, 1, blobs, next); return err })
		s.crash(1)
	}
	// Another pass is another writer's.
	if _, err := s.verify(s.unit(1), 3, 0, 2, blobs, next); err != nil {
		t.Error(err)
	}
	// Nor does one that begins to write it while it verifies.
	v, err := s.unit(2).NewVerifier(s.digest(), 3, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.unit(2).BeginPartition(s.digest(), 0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Finish(); !errors.Is(err, ErrPartition) {
		t.Errorf("finish: %v", err)
	}
	s.refused(3, ErrPartition, func(u *Unit) error { _, err := u.NewVerifier(s.digest(), 3, 1, 1); return err })
}

func TestAVerifierStatesNothingAboutABlobThatDiffers(t *testing.T) {
	s, blobs := rewrapping(t, 2)
	next := s.rewrapPartition(1, 0, 1, blobs)
	a, b := s.pattern(1), s.unit(1).Status().Registers.NewPattern
	other, err := s.unit(1).GenerateKey(s.header(0, UseRoot, order.KMS), 32, a, b)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(next[0])
	damaged[len(damaged)-1] ^= 1
	renamed, err := s.unit(1).Rewrap(s.digest(), 0, 1, [][]byte{s.mustBlob(1, s.header(0, UseStandard, order.KMS))})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		current, next []byte
		want          error
	}{
		"other material":       {blobs[0], other[1], ErrNotEqual},
		"other key's":          {blobs[0], next[1], ErrNotEqual},
		"other header":         {blobs[0], renamed.Blobs[0], ErrNotEqual},
		"damaged":              {blobs[0], damaged, ErrBlob},
		"missing":              {blobs[0], nil, ErrBlob},
		"of the current epoch": {blobs[0], blobs[0], ErrBlob},
		"of the next epoch":    {next[0], next[0], ErrBlob},
	} {
		v, err := s.unit(2).NewVerifier(s.digest(), 2, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Add(c.current, c.next); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err := v.Add(blobs[1], next[1]); !errors.Is(err, c.want) {
			t.Errorf("%s, then a good one: %v", name, err)
		}
		if _, err := v.Finish(); !errors.Is(err, c.want) {
			t.Errorf("%s: finish: %v", name, err)
		}
	}
}

func TestCannotOpenIsNotStatedOfABlobThatOpens(t *testing.T) {
	s, blobs := rewrapping(t, 1)
	s.refused(2, ErrOpens, func(u *Unit) error { _, err := u.CannotOpen(s.digest(), 1, blobs[0]); return err })
	for _, bad := range [][]byte{flip(blobs[0]), nil, blobs[0][:90]} {
		said := s.take(2, func(u *Unit) (order.SignedStatement, error) { return u.CannotOpen(s.digest(), 1, bad) })
		if said.Kind != order.CannotOpen || said.Blob.Number != 1 {
			t.Errorf("%+v", said)
		}
	}
}

// TestKeysAreServedWhileOthersRewrapAndTheFlipComes is for the race detector.
func TestKeysAreServedWhileOthersRewrapAndTheFlipComes(t *testing.T) {
	s, blobs := rewrapping(t, 64)
	u := s.unit(1)
	next := s.rewrapPartition(1, 0, 1, blobs)
	s.evidence.Last, s.evidence.Census = 64, order.Counts{}.Count(order.KMS, 64)
	s.take(2, func(u *Unit) (order.SignedStatement, error) { return s.verify(u, 64, 0, 1, blobs, next) })
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				if _, err := u.Rewrap(s.digest(), 0, 1, blobs); err != nil && !errors.Is(err, ErrNoOrder) {
					t.Errorf("rewrap: %v", err)
				}
				current := blobs[0]
				if _, _, err := u.Wrap(current, []byte("x"), nil); errors.Is(err, ErrPatternUnknown) {
					current = next[0] // read again
					_, _, err = u.Wrap(current, []byte("x"), nil)
					if err != nil {
						t.Errorf("wrap: %v", err)
					}
				}
			}
		})
	}
	s.activate()
	close(stop)
	running.Wait()
}

// BenchmarkRewrap: blobs as callers make them have a derived key each; those that a rotation rewrapped share one a batch.
func BenchmarkRewrap(b *testing.B) {
	s, blobs := rewrapping(b, 4096)
	next := s.rewrap(blobs, order.Counts{}.Count(order.KMS, 4096))
	run := func(b *testing.B, s *story, blobs [][]byte) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if _, err := s.unit(1).Rewrap(s.digest(), 0, 1, blobs); err != nil {
				b.Fatal(err)
			}
			n += len(blobs)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/key")
	}
	b.Run("created", func(b *testing.B) { run(b, s, blobs) })
	s.activate()
	again := s.committed()
	again.rewrapPartition(1, 0, 1, next)
	b.Run("rewrapped", func(b *testing.B) { run(b, again, next) })
}

func BenchmarkVerify(b *testing.B) {
	s, blobs := rewrapping(b, 4096)
	next := s.rewrapPartition(1, 0, 1, blobs)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		v, err := s.unit(2).NewVerifier(s.digest(), 4096, 0, 1)
		if err != nil {
			b.Fatal(err)
		}
		for i := range blobs {
			if err := v.Add(blobs[i], next[i]); err != nil {
				b.Fatal(err)
			}
		}
		n += len(blobs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/key")
}

func BenchmarkWrap(b *testing.B) {
	c := initialised(b, 1, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.unit(1).Wrap(blob, make([]byte, 32), nil); err != nil {
			b.Fatal(err)
		}
	}
}
