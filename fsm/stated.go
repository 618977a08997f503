package fsm

import (
	"crypto/sha256"

	"tumbler/cryptounit/order"
)

// reportOf reads a unit's report. Nobody has checked its signature.
func reportOf(number uint32, identity Identity, der []byte) (*order.Statement, error) {
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		return nil, ErrStatementMalformed.with("%v", err)
	}
	s, err := signed.Decode()
	if err != nil || s.Kind != order.ReportOnly || s.Unit != number || Identity(signed.Identity) != identity {
		return nil, ErrStatementMalformed.with("the report is not of crypto unit %d", number)
	}
	return s, nil
}

// states notes the generation that a unit has come to, and by what.
func (t *tx) states(number uint32, generation uint64, der []byte) {
	u := t.unit(number)
	if t.control.cluster.FeatureLevel >= levelStated && (u.Generation != generation || len(u.Stated) == 0) {
		u.Stated = der
	}
	if generation > u.Generation {
		u.Clear = nil // an approval is good for one generation: the unit has done it, or cannot any more
	}
	u.Generation = generation
}

// disownStatement: whoever lies about a unit costs it this entry. Nothing that was done on the lie is undone by it: the
// evidence still holds the forged statement, on which no unit acts.
func (t *tx) disownStatement(c *DisownStatement) (Result, error) {
	s, err := reportOf(c.Number, c.Identity, c.Report)
	if err != nil {
		return Result{}, err
	}
	known := t.control.unit(c.Number)
	switch {
	case known == nil:
		return Result{}, ErrUnitUnknown.with("%d", c.Number)
	case known.Identity != c.Identity:
		return Result{}, ErrIdentityChanged.with("crypto unit %d", c.Number)
	case sha256.Sum256(known.Stated) != c.Stated:
		return Result{}, ErrStatementConflict.with("the last statement of crypto unit %d is another than is disowned", c.Number)
	}
	u := t.unit(c.Number)
	u.Report, u.Seen, u.Stated = c.Report, c.At, nil
	t.states(c.Number, s.Generation, c.Report)
	t.notable()
	return Result{}, nil
}
