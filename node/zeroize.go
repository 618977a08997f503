package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tumbler/api/admin"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// zeroizeCall is the body of callZeroize.
type zeroizeCall struct {
	Approval  []byte `json:"approval"`   // empty for a unit in imprint mode
	MasterKey string `json:"master_key"` // that may be lost, by its pattern
}

// leaving has this node's unit zeroized, or its current register emptied, only if the master key stays in another. Before it asks the others it lets nobody count
// on its own unit any more: of two units that are zeroized at once, at least one finds the other leaving. It waits for nobody
// who does not answer.
type leaving struct {
	number    uint32
	now       atomic.Bool                                                 // the unit is about to lose its keys
	report    func() ([]byte, error)                                      // of this node's unit
	registers func() masterkey.Registers                                  // of this node's unit
	instance  func() (key masterkey.Pattern, units []fsm.Unit, err error) // as this node's state has it
	ask       func(ctx context.Context, number uint32) ([]byte, error)    // another's stays
}

// errLeaving answers those who ask whether the unit stays.
var errLeaving = errors.New("this crypto unit is being zeroized or cleared at this moment")

// stayTime bounds how long one unit is waited for.
const stayTime = 3 * time.Second

// stays is the unit's report, unless it is about to be zeroized.
func (l *leaving) stays() ([]byte, error) {
	if l.now.Load() {
		return nil, errLeaving
	}
	return l.report()
}

// do zeroizes the unit, or empties its current register. named is the pattern of the master key that may be lost.
func (l *leaving) do(ctx context.Context, named string, zeroize func() error) error {
	if !l.now.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: %w", admin.ErrNotAccepted, errLeaving)
	}
	defer l.now.Store(false)
	key, units, err := l.instance()
	if err != nil {
		return err
	}
	if mine := l.registers(); key != (masterkey.Pattern{}) && (mine.CurrentPattern == key || mine.NewPattern == key) && named != key.String() &&
		!l.stayInAnother(ctx, key, units) {
		return fmt.Errorf("%w %v, of those that are not being zeroized too: without it every key of the instance is lost. "+
			"To destroy the key all the same, name it: --destroy-master-key %v", admin.ErrLastHolder, key, key)
	}
	return zeroize()
}

// stayInAnother: some enrolled unit signs that its current register holds the key. One whose new register holds it may still be
// told to clear that, by a single administrator's cancel.
func (l *leaving) stayInAnother(ctx context.Context, key masterkey.Pattern, units []fsm.Unit) bool {
	ctx, cancel := context.WithTimeout(ctx, stayTime)
	defer cancel()
	var holds atomic.Bool
	var all sync.WaitGroup
	for _, u := range units {
		if u.Number == l.number || !u.IsEnrolled() {
			continue
		}
		all.Go(func() {
			report, err := l.ask(ctx, u.Number)
			if err == nil && holdsAsCurrent(report, u, key) {
				holds.Store(true)
			}
		})
	}
	all.Wait()
	return holds.Load()
}

func holdsAsCurrent(report []byte, u fsm.Unit, key masterkey.Pattern) bool {
	signed, err := order.DecodeSignedStatement(report)
	if err != nil {
		return false
	}
	said, err := signed.Verify(order.Identity(u.Identity))
	return err == nil && said.Unit == u.Number && said.Report != nil && said.Report.Registers.CurrentPattern == key
}

// newLeaving is that of this node's unit.
func (c *calls) newLeaving() *leaving {
	return &leaving{
		number: c.config.Number, report: c.report, registers: func() masterkey.Registers { return c.unit.Status().Registers },
		instance: func() (masterkey.Pattern, []fsm.Unit, error) {
			view, err := c.store.View()
			if err != nil {
				return masterkey.Pattern{}, nil, err
			}
			defer view.Close()
			return masterkey.Pattern(view.Cluster().Pattern), view.Units(), nil
		},
		ask: func(ctx context.Context, number uint32) ([]byte, error) {
			return c.cluster.Call(ctx, number, callStays, nil)
		},
	}
}

// report is a fresh one of this node's unit.
func (c *calls) report() ([]byte, error) {
	report, err := c.unit.Report()
	if err != nil {
		return nil, err
	}
	return report.Encode()
}

// zeroize clears this node's unit, by the approval of its administrators or, in imprint mode, without one, and answers with
// the report of what it is then: a new unit. The state keeps the former one until an order removes that.
func (c *calls) zeroize(ctx context.Context, from uint32, body []byte) ([]byte, error) {
	var in zeroizeCall
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	var approval *order.SignedApproval
	if len(in.Approval) > 0 {
		var err error
		if approval, err = order.DecodeSignedApproval(in.Approval); err != nil {
			return nil, err
		}
	}
	former := c.unit.Status().Identity
	if err := c.leaving.do(ctx, in.MasterKey, func() error { return c.unit.Zeroize(approval) }); err != nil {
		return nil, err
	}
	c.log.Warn("the crypto unit was zeroized: it is a new one", "former", former.String(), "identity", c.unit.Status().Identity.String(), "asked_by_node", from)
	if enrolled, err := c.enrolled(); err != nil || !enrolled {
		if err := c.speaker.Register(ctx); err != nil {
			c.log.Warn("the new crypto unit could not register yet", "error", err)
		}
	}
	return c.report()
}

// enrolled: the state has this node's number as a unit of the instance.
func (c *calls) enrolled() (bool, error) {
	view, err := c.store.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	u, known := view.Unit(c.config.Number)
	return known && u.IsEnrolled(), nil
}

// Zeroize hands an approval to a unit, and gives its report afterwards.
func (c *calls) Zeroize(ctx context.Context, number uint32, approval []byte, masterKey string) ([]byte, error) {
	body, err := json.Marshal(zeroizeCall{approval, masterKey})
	if err != nil {
		return nil, err
	}
	report, err := c.cluster.Call(ctx, number, callZeroize, body)
	return report, across(err)
}
