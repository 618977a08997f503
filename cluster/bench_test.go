package cluster

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkTables: tables of 4096 blobs of 150 bytes from three members at once, three in flight each.
func BenchmarkTables(b *testing.B) {
	for _, size := range []uint32{3, 5} {
		b.Run(fmt.Sprintf("nodes=%d", size), func(b *testing.B) {
			f := newFarm(b)
			nodes := f.cluster(size)
			table := bytes.Repeat(make([]byte, 150), 4096)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			start := time.Now()
			for w := range 9 {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						if _, err := nodes[w%3].Propose(context.Background(), fmt.Appendf(nil, "t%d", i), table); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)*4096/time.Since(start).Seconds(), "keys/s")
		})
	}
}

// BenchmarkSmall: small commands from many callers at all members.
func BenchmarkSmall(b *testing.B) {
	f := newFarm(b)
	nodes := f.cluster(3)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range 48 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if _, err := nodes[w%3].Propose(context.Background(), fmt.Appendf(nil, "t%d", i), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkReadIndex: linearizable reads from many callers at all members.
func BenchmarkReadIndex(b *testing.B) {
	f := newFarm(b)
	nodes := f.cluster(3)
	f.propose(nodes[0], "x")
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range 48 {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := nodes[w%3].ReadIndex(context.Background()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
