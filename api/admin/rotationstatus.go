package admin

import (
	"fmt"
	"strconv"
	"strings"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// rotationStatus is a rotation's record as people watch it.
func (s *Server) rotationStatus(v View, r fsm.Rotation) (client.RotationStatus, error) {
	now, cluster := s.now(), v.Cluster()
	out := client.RotationStatus{State: r.State.String(), Open: r.State.Open(), Hold: r.Plan.Hold,
		PatternBefore: hexText(r.From), PatternAfter: hexText(r.To),
		Keys: keyProgress(r, cluster.Census, now), Partitions: partitionProgress(r), Times: times(r),
		Seconds: between(r.Opened, r.Closed, 0, now), Fenced: []uint32{}}
	if p := r.Pace; p != nil {
		out.Pace = &client.Pace{Paused: p.Paused, KeysPerSecond: p.Rate, By: p.Asked.By, At: p.Asked.At.Time()}
	}
	record, err := v.Order(r.Order)
	if err != nil {
		return out, fmt.Errorf("reading the rotation's order: %w", err)
	}
	parsed, err := parseOrder(record.Order)
	if err != nil {
		return out, err
	}
	out.Order = orderOf(r, parsed.order)
	statements, err := statementsOf(v, r)
	if err != nil {
		return out, fmt.Errorf("reading the rotation's statements: %w", err)
	}
	seen := lastStatements(statements)
	alive := s.aliveNodes()
	out.Units = make([]client.RotationUnit, 0, len(r.Plan.Units))
	for _, number := range r.Plan.Units {
		u, _ := v.Unit(number)                // it may be removed by now
		named, _ := parsed.order.Unit(number) // whose role it keeps
		one := client.RotationUnit{Number: number, Role: named.Role.String(), Alive: alive[number], Fenced: u.IsFenced(), Statement: seen[number]}
		one.Registers, one.Awaited = desired(r, number, one.Statement), awaited(r, number, one.Statement)
		if one.Fenced {
			out.Fenced = append(out.Fenced, number)
			one.Awaited = ""
		}
		out.Units = append(out.Units, one)
	}
	out.Blocked = s.blockedBlobs(v, r, statements)
	out.Waiting = waiting(r, out)
	if short := s.nearlyFull(); r.State == fsm.StateRewrapping && short != nil && !r.Paced().Paused {
		out.Waiting = "room on the disk of node " + list(short)
	}
	out.Refused = serviceStatus(v.ServiceState()).Refused
	if !out.Open {
		out.Refused = nil
	}
	return out, nil
}

// awaited is the statement that a rotation waits for from a unit that has last made the one given.
func awaited(r fsm.Rotation, unit uint32, last *client.StatementSeen) string {
	var kind string
	switch r.State {
	case fsm.StatePreparing:
		if r.Plan.Generator != unit && !contains(r.Plan.Loads, unit) {
			return ""
		}
		kind = "ready"
	case fsm.StateGenerating:
		if r.Plan.Generator != unit {
			return ""
		}
		kind = "generated"
	case fsm.StateLoading:
		if r.Plan.Generator == unit || !contains(r.Plan.Loads, unit) {
			return ""
		}
		kind = "loaded"
	case fsm.StateCommitting:
		if !contains(r.Plan.Loads, unit) {
			return ""
		}
		kind = "committed"
	case fsm.StateActivating:
		if !contains(r.Plan.Loads, unit) {
			return ""
		}
		kind = "activated"
	case fsm.StateCancelling:
		kind = "cleared"
	case fsm.StateNone, fsm.StateRewrapping, fsm.StateVerifying, fsm.StateRewrapped, fsm.StateComplete, fsm.StateCancelled, fsm.StateBlocked:
		return ""
	}
	if last != nil && last.Kind == kind {
		return ""
	}
	return kind
}

// waiting says in words what the rotation waits for.
func waiting(r fsm.Rotation, status client.RotationStatus) string {
	switch r.State {
	case fsm.StatePreparing, fsm.StateGenerating, fsm.StateLoading, fsm.StateCommitting, fsm.StateActivating, fsm.StateCancelling:
		var kind string
		var units []uint32
		for _, u := range status.Units {
			if u.Awaited != "" {
				kind, units = u.Awaited, append(units, u.Number)
			}
		}
		switch {
		case units != nil:
			return fmt.Sprintf("%q of unit %s", kind, list(units))
		case r.State == fsm.StateCommitting && r.Plan.SignedCommit:
			return "the administrators' signatures over the new pattern"
		case r.State == fsm.StateLoading && r.Plan.Generator == 0:
			return "key parts"
		}
		return ""
	case fsm.StateRewrapping:
		if p := r.Paced(); p.Paused {
			return fmt.Sprintf("%s, who paused it: `tumbler tke rotation resume`", p.Asked.By)
		}
		return fmt.Sprintf("%d of %d partitions to be written", status.Partitions.Total-status.Partitions.Written, status.Partitions.Total)
	case fsm.StateVerifying:
		return fmt.Sprintf("%d of %d partitions to be verified", status.Partitions.Total-status.Partitions.Verified, status.Partitions.Total)
	case fsm.StateRewrapped:
		if r.Plan.Hold {
			return "an administrator's signature: `tumbler tke rotation activate`"
		}
		return ""
	case fsm.StateBlocked:
		numbers := make([]string, len(status.Blocked))
		for i, b := range status.Blocked {
			numbers[i] = strconv.FormatUint(b.Number, 10)
		}
		return "a settle order for blobs that no unit opens (" + strings.Join(numbers, ", ") + "): `tumbler tke rotation settle`, or cancel"
	case fsm.StateNone, fsm.StateComplete, fsm.StateCancelled:
		return ""
	}
	return ""
}

// desired is a unit's registers as its last statement left them, as far as this rotation goes.
func desired(r fsm.Rotation, unit uint32, last *client.StatementSeen) client.Registers {
	before, after := hexText(r.From), hexText(r.To)
	recovered := r.Plan.Kind == order.Recover.String()
	if recovered && contains(r.Plan.Loads, unit) {
		before = "" // that is why
	}
	out := client.Registers{Current: register(client.RegisterValid, before), New: client.Register{State: client.RegisterEmpty}}
	if last == nil || recovered && unit == r.Plan.Generator { // a source's registers stay as they are
		return out
	}
	switch last.Kind {
	case "generated", "loaded":
		out.New = register(client.RegisterFullUncommitted, after)
	case "committed", "verified", "cannot-open":
		out.New = register(client.RegisterFullCommitted, after)
	case "activated":
		out.Current = register(client.RegisterValid, after)
	}
	return out
}

// register is empty if it has no pattern.
func register(state, pattern string) client.Register {
	if pattern == "" {
		return client.Register{State: client.RegisterEmpty}
	}
	return client.Register{State: state, Pattern: pattern}
}

func contains(list []uint32, number uint32) bool {
	for _, n := range list {
		if n == number {
			return true
		}
	}
	return false
}
