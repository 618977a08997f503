package admin

import (
	"context"
	"encoding/hex"
	"sync"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// reportTime bounds how long one unit is waited for: the others are shown without it.
const reportTime = 3 * time.Second

// units lists every unit that the state knows, with a fresh report of each that answers.
func (s *Server) units(ctx context.Context, _ request) (client.Units, error) {
	s.refresh(ctx)
	known, err := s.knownUnits()
	if err != nil {
		return client.Units{}, err
	}
	return client.Units{Units: s.readings(ctx, known)}, nil
}

func (s *Server) knownUnits() (known []fsm.Unit, err error) {
	err = s.peek(func(v View) error {
		for _, u := range v.Units() {
			if u.Removed == (fsm.Digest{}) {
				known = append(known, u)
			}
		}
		return nil
	})
	return known, err
}

// readings asks all units at once.
func (s *Server) readings(ctx context.Context, known []fsm.Unit) []client.Unit {
	alive := s.aliveNodes()
	var pattern fsm.Pattern
	_ = s.peek(func(v View) error { pattern = v.Cluster().Pattern; return nil })
	out := make([]client.Unit, len(known))
	var all sync.WaitGroup
	for i, u := range known {
		all.Go(func() { out[i] = s.reading(ctx, u, alive[u.Number], pattern) })
	}
	all.Wait()
	return out
}

// reading is one unit: its live report, or what the state has if it does not answer.
func (s *Server) reading(ctx context.Context, u fsm.Unit, alive bool, pattern fsm.Pattern) client.Unit {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	out := client.Unit{Number: u.Number, Role: roleName(u.Role), Location: u.Location, Address: u.API,
		Identity: hex.EncodeToString(u.Identity[:]), Enrolled: u.IsEnrolled(), Alive: alive, Fenced: u.IsFenced(), Generation: u.Generation}
	out.Administrators.List = []client.Administrator{}
	live, err := s.b.Units.Report(ctx, u.Number)
	if err != nil {
		out.Error = s.refusal(err).Message
		if seen, err := readReport(u.Report, u); err == nil {
			_ = reported(&out, seen, pattern) // the last one; why there is no newer stands above
		}
		return out
	}
	out.Alive = true
	seen, err := readReport(live, u)
	if err == nil {
		err = reported(&out, seen, pattern)
	}
	if err != nil {
		out.Error = "its report cannot be trusted: " + err.Error()
		return out
	}
	out.Report = live
	return out
}

func (s *Server) aliveNodes() map[uint32]bool {
	alive := map[uint32]bool{}
	for _, m := range s.b.Cluster.Members() {
		alive[m.Number] = m.Alive
	}
	return alive
}

// nearlyFull are the members whose disk is below its low mark, as far as this node has heard.
func (s *Server) nearlyFull() (numbers []uint32) {
	for _, m := range s.b.Cluster.Members() {
		if m.DiskLow {
			numbers = append(numbers, m.Number)
		}
	}
	return numbers
}

// setAdministrators hands the first administrators to a unit in imprint mode. Afterwards only an order changes them.
func (s *Server) setAdministrators(ctx context.Context, r request, in client.SetAdministratorsRequest) (client.UnitAnswer, error) {
	number, err := pathNumber(r)
	if err != nil {
		return client.UnitAnswer{}, err
	}
	signed, err := parseAdministrators(in.Administrators, in.Signatures)
	if err != nil {
		return client.UnitAnswer{}, err
	}
	known, err := s.unit(ctx, number)
	if err != nil {
		return client.UnitAnswer{}, err
	}
	if _, err := signed.VerifyFor(order.Identity(known.Identity)); err != nil {
		return client.UnitAnswer{}, err
	}
	if err := s.b.Units.SetAdministrators(ctx, number, in.Administrators, in.Signatures); err != nil {
		return client.UnitAnswer{}, err
	}
	return client.UnitAnswer{Unit: s.readings(ctx, []fsm.Unit{known})[0]}, nil
}

func (s *Server) unit(ctx context.Context, number uint32) (found fsm.Unit, err error) {
	err = s.read(ctx, func(v View) error {
		u, ok := v.Unit(number)
		if !ok || u.Removed != (fsm.Digest{}) {
			return fsm.ErrUnitUnknown
		}
		found = u
		return nil
	})
	return found, err
}
