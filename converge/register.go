package converge

import (
	"context"
	"errors"
	"fmt"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// Register proposes the unit's signed report.
func (s *Speaker) Register(ctx context.Context) error {
	return s.Alone(func() error { return s.propose(ctx) })
}

// propose does it once more if what the state held against the report was not of the unit.
func (s *Speaker) propose(ctx context.Context) error {
	report, err := s.config.Unit.Report()
	if err != nil {
		return err
	}
	if err = s.proposeReport(ctx, report); !errors.Is(err, fsm.ErrRolledBack) {
		return err
	}
	if judged := s.judge(ctx, report); judged != nil {
		return fmt.Errorf("%w: %w", judged, err)
	}
	return s.proposeReport(ctx, report)
}

func (s *Speaker) proposeReport(ctx context.Context, report order.SignedStatement) error {
	der, err := report.Encode()
	if err != nil {
		return err
	}
	command := &fsm.RegisterUnit{
		Number:   s.config.Number,
		Identity: fsm.Identity(report.Identity),
		Role:     fsm.Role(s.config.Role),
		Report:   der,
		At:       s.now(),
	}
	s.config.Describe(command)
	_, err = s.config.Log.Propose(ctx, command)
	return err
}
