package cryptounit

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"tumbler/cryptounit/order"
)

// initialised is a cast whose units all hold one master key. The first of each size walks through an init; those after it
// start from copies of its files, since P-521 is slow under the race detector.
func initialised(t testing.TB, operational, recovery int) *cast {
	t.Helper()
	files, ok := initialisedFiles.Load([2]int{operational, recovery})
	if !ok {
		c := newCast(t, operational, recovery)
		c.begin(order.Init, nil).accept().generate().load().commit().activate()
		var made [][]byte
		for n := range c.units {
			made = append(made, mustRead(t, c.file(uint32(n+1))))
		}
		initialisedFiles.Store([2]int{operational, recovery}, made)
		return c
	}
	c := unopened(t, operational, recovery)
	c.number = 1 // that of the init
	for n, file := range files.([][]byte) {
		if err := os.WriteFile(filepath.Join(c.configs[n].Dir, stateName), file, 0o600); err != nil {
			t.Fatal(err)
		}
		c.open(uint32(n + 1))
	}
	return c
}

var initialisedFiles sync.Map
