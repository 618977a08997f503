package kms

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"tumbler/fsm"
)

// Config is what a Service is made of. Proposer, Reader, Unit and Auditor are required.
type Config struct {
	Proposer Proposer
	Reader   Reader
	Unit     Unit
	Auditor  Auditor

	TokenLife    time.Duration // of a bearer token; 0: one hour
	RestoreAfter time.Duration // from deletion; 0: 30 s
	RestoreUntil time.Duration // from deletion; 0: 30 days
	PurgeAfter   time.Duration // from deletion; 0: 4 hours
	// Patience bounds how often a call reads or seals again while this node's unit does not hold the master key that
	// the state names; then it is ErrUnavailable. 0: 5 s.
	Patience time.Duration

	Now func() time.Time // nil: time.Now
}

// Service answers callers. It is safe for concurrent use.
type Service struct {
	cfg    Config
	tokens *tokens
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Proposer == nil || c.Reader == nil || c.Unit == nil || c.Auditor == nil {
		return nil, errors.New("kms: Proposer, Reader, Unit and Auditor are all required")
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.TokenLife, time.Hour},
		{&c.RestoreAfter, 30 * time.Second},
		{&c.RestoreUntil, 30 * 24 * time.Hour},
		{&c.PurgeAfter, 4 * time.Hour},
		{&c.Patience, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			return nil, errors.New("kms: no duration may be negative")
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	seen, err := lru.New[seenToken, claims](seenTokens)
	return &Service{cfg: c, tokens: seen}, err
}

// read gives the state, linearizably.
func (s *Service) read(ctx context.Context) (View, error) {
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := s.cfg.Reader.ReadIndex(bounded); err != nil {
		return nil, unavailable(err, "the cluster does not confirm that this node is up to date")
	}
	view, err := s.cfg.Reader.View()
	if err != nil {
		return nil, unavailable(err, "this node's state cannot be read")
	}
	return view, nil
}

func (s *Service) propose(ctx context.Context, command fsm.Command) error {
	_, err := s.cfg.Proposer.Propose(ctx, command)
	return err
}

// pause waits before a call reads again: not at all the first time, and with growing patience then.
func (s *Service) pause(ctx context.Context, attempt int, since time.Time) error {
	if attempt == 0 {
		return ctx.Err()
	}
	if time.Since(since) > s.cfg.Patience {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(min(time.Millisecond<<min(attempt, 8), 100*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func unavailable(err error, what string) error {
	if told(err) {
		return err
	}
	return ErrUnavailable.because(err, "%s; try again or ask another node", what)
}

// told is true for a refusal that says what happened: not for a bare sentinel that a node has wrapped.
func told(err error) bool {
	var known *Error
	return errors.As(err, &known) && known.Detail != ""
}

// explain turns what the state or the node answered into an Error.
func explain(err error) error {
	if err == nil || told(err) {
		return err
	}
	for _, e := range []struct {
		when error
		is   *Error
		what string
	}{
		{fsm.ErrMasterKeyRotationInProgress, ErrRotationInProgress, "the master key is being rotated: keys are created, imported and rotated again when it is done"},
		{fsm.ErrNotBootstrapped, ErrNotInitialised, "the cluster is not founded yet: run `tumbler cluster bootstrap`"},
		{fsm.ErrNoMasterKey, ErrNotInitialised, "there is no master key yet: run `tumbler tke auto-init`"},
		{fsm.ErrKeyNotFound, ErrKeyNotFound, "there is no such key"},
		{fsm.ErrNotFound, ErrKeyNotFound, "there is no such key"},
		{fsm.ErrKeyState, ErrKeyState, "the key's state does not allow it"},
		{fsm.ErrKeyExists, ErrKeyExists, "a key with that id is there already, and no key of the call was made"},
		{fsm.ErrAliasTaken, ErrAliasTaken, "another key has that alias"},
		{fsm.ErrRecordChanged, ErrConflict, "somebody else changed the key meanwhile: look at it and try again"},
		{fsm.ErrSetAside, ErrSetAside, "no unit could open the key's material and a quorum set it aside: give the same material again (restore with a payload), or purge the key"},
		{fsm.ErrOutcomeUnknown, ErrOutcomeUnknown, "the call may have been done: look before trying again"},
		{fsm.ErrInvalid, ErrField, "the state refuses a field's value"},
		{fsm.ErrStopped, ErrUnavailable, "this node is stopping; ask another"},
		{ErrOutcomeUnknown, ErrOutcomeUnknown, "the call may have been done: look before trying again"},
		{ErrUnavailable, ErrUnavailable, "the cluster cannot do it now, and nothing was done; try again or ask another node"},
		{ErrPatternUnknown, ErrUnavailable, "this node's crypto unit does not hold the master key yet; ask another node"},
		{context.DeadlineExceeded, ErrUnavailable, "it took too long; try again or ask another node"},
		{context.Canceled, ErrUnavailable, "the call was given up"},
	} {
		if errors.Is(err, e.when) {
			return e.is.because(err, "%s", e.what)
		}
	}
	return ErrInternal.because(err, "an unexpected fault; the node's log has the details under this correlation id")
}
