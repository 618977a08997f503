package main

import (
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A run tells how far it is every half minute where no terminal is, and nothing after its end.
func TestARunSaysHowFarItIs(t *testing.T) {
	out := &outcome{Seeds: 100, ByKind: map[string]int{}}
	synctest.Test(t, func(t *testing.T) {
		told := new(strings.Builder)
		p := newProgress(os.NewFile(^uintptr(0), "nothing"))
		p.told = told
		var mu sync.Mutex
		stop := p.tell(func() string {
			mu.Lock()
			defer mu.Unlock()
			return out.line(time.Since(p.began))
		})
		time.Sleep(31 * time.Second)
		synctest.Wait()
		mu.Lock()
		for range 25 {
			out.add(ran{faults: map[string]int{"crash": 2}})
		}
		mu.Unlock()
		time.Sleep(20 * time.Second)
		p.say("seed %d fails", 7)
		time.Sleep(10 * time.Second)
		stop()
		time.Sleep(time.Hour)
		const want = "0 of 100 seeds, 0.0 a second, ? left, 0 faults, 0 violations\nseed 7 fails\n" +
			"25 of 100 seeds, 0.4 a second, 3m0s left, 50 faults, 0 violations\n"
		if told.String() != want {
			t.Errorf("it says\n%s, and was to say\n%s", told, want)
		}
	})
}
