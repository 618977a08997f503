package admin

import (
	"context"
	"time"

	"tumbler/api/client"
	"tumbler/fsm"
)

const (
	longestWait = time.Minute
	freshFor    = 2 * time.Second // how long a status waits for the leader before it shows what this node knows
)

// rotation gives the open rotation or the last one. With a version it waits for a higher one.
func (s *Server) rotation(ctx context.Context, r request) (client.RotationStatus, error) {
	version, err := number(r, "version", 0)
	if err != nil {
		return client.RotationStatus{}, err
	}
	wait, err := waitOf(r)
	if err != nil {
		return client.RotationStatus{}, err
	}
	if wait > 0 {
		s.await(ctx, version, wait)
	} else {
		s.refresh(ctx)
	}
	// The version is read before the view: a change between them makes the next call return at once, never late.
	now, _ := s.b.State.Watch()
	var out client.RotationStatus
	err = s.peek(func(v View) error {
		rotation, ok := v.Rotation()
		if !ok {
			out = noRotation()
			return nil
		}
		out, err = s.rotationStatus(v, rotation)
		return err
	})
	out.Version = now
	return out, err
}

func waitOf(r request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > longestWait {
		return 0, invalid("wait=%q is not a span: want at most %s, such as 10s", text, longestWait)
	}
	return wait, nil
}

// await returns when the version is above the one given, when the wait is over, or when the caller is gone.
func (s *Server) await(ctx context.Context, version uint64, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		now, changed := s.b.State.Watch()
		if now > version {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// refresh brings this node's replica up to date if that is soon done; a status is shown all the same when it is not.
func (s *Server) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshFor)
	defer cancel()
	_ = s.b.Proposer.ReadIndex(ctx)
}

func (s *Server) rotations(ctx context.Context, _ request) (client.Rotations, error) {
	out := client.Rotations{Rotations: []client.RotationStatus{}}
	err := s.read(ctx, func(v View) error {
		history, err := v.Rotations()
		if err != nil {
			return err
		}
		for i := len(history) - 1; i >= 0; i-- {
			status, err := s.rotationStatus(v, history[i])
			if err != nil {
				return err
			}
			out.Rotations = append(out.Rotations, status)
		}
		return nil
	})
	return out, err
}

// noRotation is the status where there was never one.
func noRotation() client.RotationStatus {
	return client.RotationStatus{State: client.StateNone, Units: []client.RotationUnit{}, Fenced: []uint32{},
		Blocked: []client.BlockedBlob{}, Times: []client.StateTime{}, Partitions: client.PartitionProgress{List: []client.Partition{}}}
}

// pace has every unit pause, go on, or keep to a rate. One administrator's certificate is enough: it can only stall.
func (s *Server) pace(ctx context.Context, r request, in client.PaceRequest) (client.RotationStatus, error) {
	none := client.RotationStatus{}
	if in.Paused == nil && in.KeysPerSecond == nil {
		return none, invalid("nothing is asked for: give paused, keys_per_second, or both")
	}
	if in.KeysPerSecond != nil && *in.KeysPerSecond > fsm.MaxRate {
		return none, invalid("keys_per_second is %d: want 0 (no limit) to %d", *in.KeysPerSecond, uint64(fsm.MaxRate))
	}
	command := &fsm.PaceRewrap{Paused: in.Paused, Rate: in.KeysPerSecond, By: r.Client, At: fsm.TimeOf(s.now())}
	err := s.read(ctx, func(v View) error {
		rotation, ok := v.Rotation()
		if !ok || !rotation.State.Open() {
			return &client.Error{Code: client.CodeConflict, Message: "no rotation is under way", Hint: "`tumbler tke auto-mk-rotate` starts one"}
		}
		command.Order = rotation.Order
		return nil
	})
	if err != nil {
		return none, err
	}
	if _, err := s.b.Proposer.Propose(ctx, command); err != nil {
		return none, err
	}
	return s.rotation(ctx, r)
}
