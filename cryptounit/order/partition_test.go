package order_test

import (
	"testing"

	"pgregory.net/rapid"

	"tumbler/cryptounit/order"
)

// TestPartitionsJoin: the ranges of all partitions join from 1 to the last
// number and differ in length by at most one, whatever that number is.
func TestPartitionsJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.OneOf(rapid.Uint64Range(0, 5000), rapid.Uint64Range(60_000, 70_000), rapid.Uint64()).Draw(t, "last")
		n := order.Partitions(last)
		if n > order.MaxPartitions || (n == 0) != (last == 0) {
			t.Fatalf("%d partitions of %d numbers", n, last)
		}
		if n < order.MaxPartitions && (last+order.PartitionKeys-1)/order.PartitionKeys != uint64(n) {
			t.Fatalf("%d partitions of %d numbers", n, last)
		}
		next, shortest, longest := uint64(1), last, uint64(0)
		for p := range n {
			from, to, ok := order.PartitionRange(last, p)
			if !ok || from != next || to < from {
				t.Fatalf("partition %d of %d is %d..%d, the one before ended at %d", p, n, from, to, next-1)
			}
			next, shortest, longest = to+1, min(shortest, to-from+1), max(longest, to-from+1)
		}
		if next != last+1 || n > 0 && longest-shortest > 1 {
			t.Fatalf("they end at %d of %d and have %d to %d numbers", next-1, last, shortest, longest)
		}
		if _, _, ok := order.PartitionRange(last, n); ok {
			t.Fatalf("there is a partition %d of %d", n, n)
		}
	})
}

// TestPartitionsAreForever pins some: `verified` statements name them.
func TestPartitionsAreForever(t *testing.T) {
	for _, c := range []struct {
		last      uint64
		partition uint32
		from, to  uint64
	}{
		{1, 0, 1, 1},
		{1024, 0, 1, 1024},
		{1025, 0, 1, 513},
		{1025, 1, 514, 1025},
		{10_000, 9, 9001, 10_000},
		{1_000_000, 0, 1, 15_625},
		{1_000_000, 63, 984_376, 1_000_000},
		{1_000_001, 0, 1, 15_626},
		{1_000_001, 1, 15_627, 31_251},
	} {
		from, to, ok := order.PartitionRange(c.last, c.partition)
		if !ok || from != c.from || to != c.to {
			t.Errorf("partition %d of 1..%d is %d..%d, not %d..%d", c.partition, c.last, from, to, c.from, c.to)
		}
	}
}
