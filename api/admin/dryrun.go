package admin

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"tumbler/api/client"
	"tumbler/fsm"
)

// dryRun opens every blob, and looks at the preconditions of a rotation.
func (s *Server) dryRun(ctx context.Context, _ request, _ client.DryRunRequest) (client.DryRun, error) {
	out, err := s.b.Checks.DryRun(ctx)
	if err != nil {
		return client.DryRun{}, err
	}
	preconditions, err := s.preconditions(ctx)
	if err != nil {
		return client.DryRun{}, err
	}
	out.Refusals = append(out.Refusals, preconditions...)
	if out.Unopenable == nil {
		out.Unopenable = []client.BlockedBlob{}
	}
	if out.Refusals == nil {
		out.Refusals = []client.Error{}
	}
	out.Ready = len(out.Unopenable) == 0 && len(out.Refusals) == 0
	out.Estimate, err = s.estimate(ctx, out)
	return out, err
}

const (
	// leastMeasured is how many keys a rotation must have had for its rate to tell something: fewer take as long as its steps do.
	leastMeasured = 1000
	// touches is how often a rotation opens or seals a key: a rewrap does both, and a verification opens both blobs.
	touches = 4
)

// estimate says how long a rotation would take: at the rate of the last that had enough keys, or else by the time that opening
// every key took here, shared among all units.
func (s *Server) estimate(ctx context.Context, run client.DryRun) (*client.Estimate, error) {
	out := &client.Estimate{}
	err := s.read(ctx, func(v View) error {
		history, err := v.Rotations()
		if err != nil {
			return err
		}
		for i := len(history) - 1; i >= 0 && out.Basis == ""; i-- {
			r := history[i]
			if k := keyProgress(r, fsm.Counts{}, s.now()); r.State == fsm.StateComplete && !r.Plan.Hold && k.Rewrapped >= leastMeasured && k.KeysPerSecond > 0 {
				*out = client.Estimate{KeysPerSecond: k.KeysPerSecond, Basis: client.EstimateRotation, Order: r.Number}
			}
		}
		enrolled := 0
		for _, u := range v.Units() {
			if u.IsEnrolled() && u.Removed == (fsm.Digest{}) {
				enrolled++
			}
		}
		if out.Basis == "" && run.Opened > 0 && run.Seconds > 0 && enrolled > 0 {
			*out = client.Estimate{KeysPerSecond: float64(run.Opened) / run.Seconds * float64(enrolled) / touches, Basis: client.EstimateOpening}
		}
		return nil
	})
	if err != nil || out.Basis == "" {
		return nil, err
	}
	out.Seconds = float64(run.Keys.Total()) / out.KeysPerSecond
	return out, nil
}

// preconditions says what the state would refuse a rotation for now, each by its own refusal. The state judges it again
// when the order comes.
func (s *Server) preconditions(ctx context.Context) ([]client.Error, error) {
	known, err := s.knownUnits()
	if err != nil {
		return nil, err
	}
	var found []error
	err = s.read(ctx, func(v View) error {
		if v.Cluster().Pattern == (fsm.Pattern{}) {
			found = append(found, fsm.ErrNoMasterKey)
		}
		if r, ok := v.Rotation(); ok && r.State.Open() {
			found = append(found, fsm.ErrOrderOpen)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found = append(found, against(s.readings(ctx, known))...)
	out := make([]client.Error, len(found))
	for i, refusal := range found {
		out[i] = *s.refusal(refusal)
	}
	return out, nil
}

// against is what the units themselves say against a rotation; each kind once, with the units it is about.
func against(units []client.Unit) []error {
	var found []*fsm.Refusal
	var silent []uint32
	about := map[fsm.Code][]uint32{}
	note := func(r *fsm.Refusal, unit uint32) {
		if about[r.Code] == nil {
			found = append(found, &fsm.Refusal{Code: r.Code})
		}
		about[r.Code] = append(about[r.Code], unit)
	}
	if len(units) < 2 {
		found = append(found, fsm.ErrOrderTooFewUnits)
	}
	var first *client.Unit
	for i := range units {
		u := &units[i]
		switch {
		case u.Report == nil:
			silent = append(silent, u.Number)
			continue
		case u.Fenced:
			note(fsm.ErrUnitFenced, u.Number)
		}
		if u.Administrators.ImprintMode() {
			note(fsm.ErrUnitImprint, u.Number)
		}
		if u.Registers.Current.State != client.RegisterValid || u.Stale {
			note(fsm.ErrCurrentRegister, u.Number)
		}
		if u.Registers.New.State != client.RegisterEmpty {
			note(fsm.ErrNewRegister, u.Number)
		}
		if first == nil {
			first = u
		} else if !sameAdministrators(first.Administrators, u.Administrators) {
			note(fsm.ErrAdministratorsDiffer, u.Number)
		}
	}
	out := make([]error, 0, len(found)+1)
	for _, r := range found {
		if units := about[r.Code]; units != nil {
			r.Detail = "units " + list(units)
		}
		out = append(out, r)
	}
	if silent != nil {
		out = append(out, fmt.Errorf("%w: units %s", ErrUnitUnreachable, list(silent)))
	}
	return out
}

func sameAdministrators(a, b client.Administrators) bool {
	if a.SignatureThreshold != b.SignatureThreshold || a.RevocationThreshold != b.RevocationThreshold || len(a.List) != len(b.List) {
		return false
	}
	for i := range a.List {
		if !bytes.Equal(a.List[i].PublicKey, b.List[i].PublicKey) {
			return false
		}
	}
	return true
}

func list(units []uint32) string {
	var b bytes.Buffer
	for i, u := range units {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(uint64(u), 10))
	}
	return b.String()
}
