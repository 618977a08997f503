package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"testing"

	"tumbler/api/admin"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// instance is units that are about to be zeroized or not, each with its node, in one process.
type instance struct {
	t     *testing.T
	key   masterkey.Pattern
	keys  []ed25519.PrivateKey
	units []fsm.Unit
	nodes []*leaving

	mu     sync.Mutex
	holds  []masterkey.Registers
	silent map[uint32]bool
	asked  func() // before each question
}

func newInstance(t *testing.T, units int) *instance {
	t.Helper()
	i := &instance{t: t, key: masterkey.Pattern{7}, silent: map[uint32]bool{}, asked: func() {}}
	for n := range units {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		number := uint32(n + 1)
		i.keys = append(i.keys, private)
		i.units = append(i.units, fsm.Unit{Number: number, Identity: fsm.Identity(public), Enrolled: fsm.Digest{1}})
		i.holds = append(i.holds, masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: i.key, New: masterkey.NewEmpty})
		i.nodes = append(i.nodes, &leaving{
			number: number, report: func() ([]byte, error) { return i.report(number) },
			registers: func() masterkey.Registers { return i.registers(number) },
			instance:  func() (masterkey.Pattern, []fsm.Unit, error) { return i.key, i.units, nil },
			ask: func(_ context.Context, other uint32) ([]byte, error) {
				i.asked()
				if i.silent[other] {
					return nil, errors.New("no answer")
				}
				return i.nodes[other-1].stays()
			},
		})
	}
	return i
}

func (i *instance) registers(number uint32) masterkey.Registers {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.holds[number-1]
}

func (i *instance) report(number uint32) ([]byte, error) {
	signed, err := order.SignStatement(&order.Statement{
		Kind: order.ReportOnly, Unit: number, Generation: 1, Report: &order.Report{Role: order.Operational, Registers: i.registers(number)},
	}, order.Identity(i.units[number-1].Identity), func(m []byte) []byte { return ed25519.Sign(i.keys[number-1], m) })
	if err != nil {
		i.t.Error(err)
		return nil, err
	}
	return signed.Encode()
}

func (i *instance) zeroize(number uint32, named string) error {
	return i.nodes[number-1].do(i.t.Context(), named, func() error {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.holds[number-1] = masterkey.Empty()
		return nil
	})
}

// Who would be the last to hold the master key is zeroized only if that key is named. Nobody counts who does not answer, does not
// sign, or could be told by one administrator to drop it.
func TestTheLastThatHoldsTheMasterKeyIsZeroizedByNameOnly(t *testing.T) {
	for name, without := range map[string]func(*instance){
		"the other does not answer": func(i *instance) { i.silent[2] = true },
		"the other is zeroized":     func(i *instance) { i.holds[1] = masterkey.Empty() },
		"the other has yet to activate it": func(i *instance) {
			i.holds[1] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: masterkey.Pattern{9}, New: masterkey.NewFullCommitted, NewPattern: i.key}
		},
		"the other is not enrolled":         func(i *instance) { i.units[1].Enrolled = fsm.Digest{} },
		"the other was removed":             func(i *instance) { i.units[1].Removed = fsm.Digest{2} },
		"the other signs as somebody else":  func(i *instance) { i.keys[1] = i.keys[0] },
		"the other is about to be zeroized": func(i *instance) { i.nodes[1].now.Store(true) },
		"there is nobody else":              func(i *instance) { i.units = i.units[:1] },
		"and itself has it yet to activate": func(i *instance) {
			i.holds[0] = masterkey.Registers{Current: masterkey.CurrentEmpty, New: masterkey.NewFullCommitted, NewPattern: i.key}
			i.silent[2] = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t, 2)
			without(i)
			for _, named := range []string{"", masterkey.Pattern{9}.String()} {
				if err := i.zeroize(1, named); !errors.Is(err, admin.ErrLastHolder) || !strings.Contains(err.Error(), "--destroy-master-key "+i.key.String()) {
					t.Errorf("named %q: %v", named, err)
				}
			}
			if i.registers(1) == masterkey.Empty() {
				t.Error("it was refused, and the registers are empty")
			}
			if err := i.zeroize(1, i.key.String()); err != nil || i.registers(1) != masterkey.Empty() {
				t.Errorf("by name: %v", err)
			}
		})
	}
	i := newInstance(t, 3)
	i.silent[2] = true
	for _, number := range []uint32{1, 1} { // one holds it; and who has nothing needs nobody
		if err := i.zeroize(number, ""); err != nil {
			t.Error(err)
		}
		i.silent[3] = true
	}
}

// Two administrators zeroize two units at once, and each would find that the other still holds the master key. However they meet,
// one unit keeps it.
func TestTwoUnitsZeroizedAtOnceKeepTheMasterKeyInOne(t *testing.T) {
	for range 200 {
		i := newInstance(t, 2)
		var both, ended sync.WaitGroup
		both.Add(2)
		i.asked = func() { both.Done(); both.Wait() } // each asks when the other is about to
		for number := range uint32(2) {
			ended.Go(func() { _ = i.zeroize(number+1, "") })
		}
		ended.Wait()
		if i.registers(1) == masterkey.Empty() && i.registers(2) == masterkey.Empty() {
			t.Fatal("nobody holds the master key any more")
		}
	}
}

func TestAUnitIsZeroizedOnceATime(t *testing.T) {
	i := newInstance(t, 2)
	var again error
	err := i.nodes[0].do(t.Context(), "", func() error {
		again = i.zeroize(1, "")
		return nil
	})
	if err != nil || !errors.Is(again, admin.ErrNotAccepted) {
		t.Errorf("%v, and meanwhile %v", err, again)
	}
}
