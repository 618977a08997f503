package fsm

import "tumbler/cryptounit/order"

// Pace is how fast the units of a rotation may rewrap, as operators last asked. A pace that was changed is another Pace:
// control records share it.
type Pace struct {
	Paused bool   `cbor:"1,keyasint"`
	Rate   uint64 `cbor:"2,keyasint"` // keys a second of all units together; 0: no limit
	Asked  Stamp  `cbor:"3,keyasint"`
}

// MaxRate is the highest rate that can be asked for, in keys a second.
const MaxRate = 1_000_000_000

// maxBy bounds the name of who asks, in bytes.
const maxBy = 256

// Paced is the pace that is in force; the zero Pace is none.
func (r *Rotation) Paced() Pace {
	if r.Pace == nil {
		return Pace{}
	}
	return *r.Pace
}

// paceRewrap notes what operators ask of the open rotation. It is judged by nothing else: to ask for the same again, before
// the rewrap began, or while the rotation is blocked, is success.
func (t *tx) paceRewrap(c *PaceRewrap) (Result, error) {
	r := t.control.rotation
	switch {
	case r == nil || r.Order != c.Order:
		return Result{}, ErrOrderUnknown.with("%x is not the open order", c.Order[:8])
	case r.State == StateCancelling || r.State == StateCancelled:
		return Result{}, ErrRotationCancelled
	case r.Plan.Kind != order.Rotate.String():
		return Result{}, ErrNotRewrapping.with("order %d is of kind %s", r.Number, r.Plan.Kind)
	case r.State == StateRewrapped || r.State == StateActivating || r.State == StateComplete:
		return Result{}, ErrNotRewrapping.with("it is %v", r.State)
	case len(c.By) > maxBy:
		return Result{}, ErrInvalid.with("a name of %d bytes", len(c.By))
	case c.Rate != nil && *c.Rate > MaxRate:
		return Result{}, ErrInvalid.with("%d keys a second, the most is %d", *c.Rate, MaxRate)
	}
	pace := r.Paced()
	if c.Paused != nil {
		pace.Paused = *c.Paused
	}
	if c.Rate != nil {
		pace.Rate = *c.Rate
	}
	pace.Asked = Stamp{At: c.At, By: c.By}
	t.rotation().Pace = &pace
	t.notable()
	return Result{}, nil
}
