package ways_test

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/tests/harness"
)

// parts are key parts in files, with values that the test knows.
type parts struct {
	keyNums []string
	values  [][]byte
	pattern string // of the master key that they are
}

func drawParts(t *testing.T, c *harness.Cluster, count int) parts {
	t.Helper()
	var p parts
	whole := make([]byte, masterkey.Size)
	for range count {
		value := make([]byte, masterkey.Size)
		rand.Read(value)
		subtle.XORBytes(whole, whole, value)
		p.values, p.keyNums = append(p.values, value), append(p.keyNums, c.MustAddPart(hex.EncodeToString(value)))
	}
	p.pattern = masterkey.PatternOf(whole).String()
	return p
}

// partsTogether is a ceremony in one room: all parts are loaded at once.
func (i *instance) partsTogether(count int) func(*testing.T) {
	return func(t *testing.T) {
		p := drawParts(t, i.c, count)
		i.c.MustLoad(p.keyNums, "--keynum", "1,2,3")
		i.finish(t, p)
	}
}

// partsOneByOne has each custodian bring their own part, the last one first. New registers stay Empty until all are there.
func (i *instance) partsOneByOne(t *testing.T) {
	p := drawParts(t, i.c, 3)
	i.c.MustLoad(p.keyNums[2:], "--parts", "3", "--part", "3", "--keynum", "1,3") // both sign the order, the first the part
	i.c.MustHold(i.pattern(t))
	i.c.MustLoad(p.keyNums[:1], "--part", "1", "--keynum", "3")
	i.c.MustHold(i.pattern(t))
	i.c.MustLoad(p.keyNums[1:2], "--part", "2", "--keynum", "2")
	i.finish(t, p)
}

// finish commits what every unit loaded, and has the master key replaced.
func (i *instance) finish(t *testing.T, p parts) {
	t.Helper()
	current := i.pattern(t)
	mustShow(t, i.c, current, masterkey.NewFullUncommitted, p.pattern)
	mustRefuse(t, i.c, "is not committed", "tke", "cryptounit-mk-rotate", "--keynum", "1", "--yes")
	i.c.MustCommit()
	i.c.MustRun("tke", "cryptounit-mk-rotate", "--keynum", "3", "--yes")
	if now := i.pattern(t); now != p.pattern {
		t.Errorf("the master key is %s; the parts are %s", now, p.pattern)
	}
}

// mustShow: every unit shows these registers.
func mustShow(t *testing.T, c *harness.Cluster, current string, state masterkey.NewState, pattern string) {
	t.Helper()
	units, err := c.Admin().Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Registers.Current.Pattern != current || u.Registers.New.State != state.String() || u.Registers.New.Pattern != pattern {
			t.Errorf("crypto unit %d shows %+v; it is to hold %s, and %s %s in its new register", u.Number, u.Registers, current, fmt.Sprint(state), pattern)
		}
	}
}
