//go:build cgo

package ways_test

import (
	"fmt"
	"testing"

	"tumbler/cryptounit/order"
	"tumbler/tests/softhsm"
)

// byCards has each custodian draw a part on a smart card of their own, which seals it to every unit by the suite. The first of
// them becomes an administrator, whose signature key is on that card too.
func (i *instance) byCards(suite order.Suite, owners ...string) {
	cards := softhsm.New(i.t, owners...)
	i.t.Setenv("TUMBLER_CARD_PIN", softhsm.PIN)
	i.c.MustRun("tke", "sigkey-add", "--name", owners[0], "--card", cards.URI(owners[0]))
	i.c.MustRun("tke", "cryptounit-admin-add", "--administrator", "4", "--keynum", "1,2")
	i.rotate(fmt.Sprintf("%d smart cards, %v", len(owners), suite), func(t *testing.T) {
		var p parts
		for _, owner := range owners {
			p.keyNums = append(p.keyNums, i.c.MustAddCardPart(cards.URI(owner), "of "+owner))
		}
		i.c.MustLoad(p.keyNums, "--keynum", []string{"2,4", "2,3,4"}[len(owners)-2], "--suite", suite.String())
		p.pattern = i.c.Rotation().PatternAfter
		i.finish(t, p)
	})
}
