package converge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// ErrRolledBack: an older sealed file was put back. The node stops.
var ErrRolledBack = errors.New("the crypto unit's sealed file is older than what the unit has stated before: it was rolled back. " +
	"Put the newest copy of the file back; if there is none, this unit must never serve again: have it zeroized (`tumbler node run --stand-by`, `tumbler tke cryptounit-zeroize`), remove it (`tumbler tke unenrol`), and start a new one on an empty data_dir")

// CheckGeneration refuses to go on with a sealed file older than what its unit has signed. The replica must be up to date.
func (s *Speaker) CheckGeneration(ctx context.Context) error {
	report, err := s.config.Unit.Report()
	if err != nil {
		return err
	}
	return s.judge(ctx, report)
}

// refused is told of what the unit said and the state refused. If that was for its generation, the unit was rolled back, or
// somebody lied about it; then the unit is to say it anew.
func (s *Speaker) refused(ctx context.Context, said order.SignedStatement, refusal error) error {
	if !errors.Is(refusal, fsm.ErrGeneration) {
		return refusal
	}
	if err := s.config.Log.ReadIndex(ctx); err != nil {
		return refusal
	}
	if judged := s.judge(ctx, said); judged != nil {
		return fmt.Errorf("%w: %w", judged, refusal)
	}
	return refusal
}

// judge ends the node if the state holds something that the unit has signed after what it says now. The state takes what it
// is told of units without looking at signatures, so their generations prove nothing: a higher one by somebody else is
// disowned.
func (s *Speaker) judge(ctx context.Context, now order.SignedStatement) error {
	said, err := now.Decode()
	if err != nil {
		return err
	}
	view, err := s.config.Store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	known, ok := view.Unit(s.config.Number)
	if !ok || known.Identity != fsm.Identity(now.Identity) {
		return nil
	}
	claims, err := claimsOf(view, known)
	if err != nil {
		return err
	}
	for _, der := range claims {
		signed, err := order.DecodeSignedStatement(der)
		if err != nil {
			continue
		}
		claim, err := signed.Verify(now.Identity)
		if err == nil && claim.Unit == s.config.Number && later(claim, said) && !bytes.Equal(signed.Statement, now.Statement) {
			return s.end(said.Generation, claim.Generation)
		}
	}
	switch {
	case known.Generation < said.Generation, known.Generation == said.Generation && said.Kind == order.ReportOnly:
		return nil
	case len(known.Stated) == 0: // of a time when the state did not keep it
		return s.end(said.Generation, known.Generation)
	}
	return s.disown(ctx, known)
}

// later: a unit that signed the claim does not come to say this. Each statement is a write of its own; a report is none.
func later(claim, said *order.Statement) bool {
	if claim.Generation == said.Generation {
		return claim.Kind != order.ReportOnly && said.Kind != order.ReportOnly
	}
	return claim.Generation > said.Generation
}

// claimsOf is what the state holds as signed by a unit: what brought it to its generation, its last report, and its
// statements in the last rotation, which no later lie removes.
func claimsOf(view *fsm.View, known fsm.Unit) ([][]byte, error) {
	claims := [][]byte{known.Stated, known.Report}
	rotation, some := view.Rotation()
	if !some {
		return claims, nil
	}
	receipt, err := view.Receipt(rotation.Order)
	if err != nil {
		return nil, err
	}
	return append(claims, receipt.Statements...), nil
}

func (s *Speaker) end(generation, stated uint64) error {
	err := fmt.Errorf("%w (generation %d, stated %d)", ErrRolledBack, generation, stated)
	s.config.Fail(err)
	return err
}

// disown has the state forget what somebody else told it of the unit.
func (s *Speaker) disown(ctx context.Context, known fsm.Unit) error {
	s.config.Logger.Error("the state holds a statement of this crypto unit that the unit did not sign: it is disowned. A node of the cluster proposes lies, `tumbler cluster log dump` shows them",
		"generation", known.Generation)
	report, err := s.config.Unit.Report()
	if err != nil {
		return err
	}
	der, err := report.Encode()
	if err != nil {
		return err
	}
	_, err = s.config.Log.Propose(ctx, &fsm.DisownStatement{
		Number: known.Number, Identity: known.Identity, Stated: sha256.Sum256(known.Stated), Report: der, At: s.now(),
	})
	if errors.Is(err, fsm.ErrStatementConflict) {
		return nil // it is disowned already; what the state holds now is judged when it refuses something
	}
	return err
}
