package admin

import (
	"time"

	"tumbler/api/client"
	"tumbler/fsm"
)

// keyProgress counts what is done of a rewrap. Before it starts the total is the census as it is.
func keyProgress(r fsm.Rotation, census fsm.Counts, now time.Time) client.KeyProgress {
	total := r.Rewrap.Census
	if r.Rewrap.Started == 0 {
		total = census
	}
	out := client.KeyProgress{Highest: r.Rewrap.N, Total: total.Sum(), Rewrapped: r.Done.Sum(), Verified: r.Verified.Sum()}
	out.Classes = client.ClassProgress{
		SystemInternal: client.Progress{Done: r.Done.System, Verified: r.Verified.System, Total: total.System},
		KMS:            client.Progress{Done: r.Done.KMS, Verified: r.Verified.KMS, Total: total.KMS},
		EP11:           client.Progress{Done: r.Done.EP11, Verified: r.Verified.EP11, Total: total.EP11},
	}
	out.Percent = percent(r, out)
	// With a hold the time goes on after the last key, and the record does not say when that was: no rate then.
	held := r.Plan.Hold && out.Percent == 100
	if seconds := rewrapSeconds(r, now); seconds > 0 && !held {
		out.KeysPerSecond = float64(out.Rewrapped) / seconds
	}
	return out
}

// percent counts rewrapping and verifying as half each. States before the rewrap are 0; after it, 100.
func percent(r fsm.Rotation, k client.KeyProgress) float64 {
	state := r.State
	if state == fsm.StateBlocked {
		state = r.Resume
	}
	switch state {
	case fsm.StateRewrapped, fsm.StateActivating, fsm.StateComplete:
		return 100
	case fsm.StateRewrapping, fsm.StateVerifying, fsm.StateCancelling, fsm.StateCancelled:
		if k.Total == 0 || r.Rewrap.Started == 0 {
			return 0
		}
		return min(100, 100*float64(k.Rewrapped+k.Verified)/float64(2*k.Total))
	case fsm.StateNone, fsm.StatePreparing, fsm.StateGenerating, fsm.StateLoading, fsm.StateCommitting, fsm.StateBlocked:
		return 0
	}
	return 0
}

// rewrapSeconds is how long keys have been rewrapped: until the flip, the end, or now.
func rewrapSeconds(r fsm.Rotation, now time.Time) float64 {
	if r.Rewrap.Started == 0 {
		return 0
	}
	return between(r.Rewrap.Started, r.Flipped, r.Closed, now)
}

// between is the seconds from a time to the first of two that is set, else to now. Clocks of several nodes are compared:
// it is never below 0.
func between(from, a, b fsm.Time, now time.Time) float64 {
	end := now
	switch {
	case a != 0:
		end = a.Time()
	case b != 0:
		end = b.Time()
	}
	return max(0, end.Sub(from.Time()).Seconds())
}

func partitionProgress(r fsm.Rotation) client.PartitionProgress {
	out := client.PartitionProgress{Total: len(r.Rewrap.Partitions), List: make([]client.Partition, 0, len(r.Rewrap.Partitions))}
	for _, p := range r.Rewrap.Partitions {
		one := client.Partition{Number: p.Index, From: p.From, To: p.End - 1, Cursor: p.Cursor, Owner: p.Owner, Verifier: p.Verifier,
			Lease: p.Lease, Pass: p.Pass, Written: p.Written(), Verified: p.Verified != 0}
		if one.Written {
			out.Written++
		}
		if one.Verified {
			out.Verified++
			done := counts(p.Done)
			one.Verifier, one.Counts = p.Verified, &done
		}
		out.List = append(out.List, one)
	}
	return out
}

// times are the entries into states that the record keeps.
func times(r fsm.Rotation) []client.StateTime {
	out := []client.StateTime{}
	end := client.StateComplete
	if r.Cancel != (fsm.Digest{}) {
		end = client.StateCancelled
	}
	for _, t := range []struct {
		state string
		at    fsm.Time
	}{{client.StatePreparing, r.Opened}, {client.StateRewrapping, r.Rewrap.Started}, {client.StateActivating, r.Flipped}, {end, r.Closed}} {
		if t.at != 0 {
			out = append(out, client.StateTime{State: t.state, At: t.at.Time()})
		}
	}
	return out
}
