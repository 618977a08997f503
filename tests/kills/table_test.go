package kills_test

import "tumbler/api/client"

// role is who is killed.
type role int

const (
	nobody role = iota
	leader
	recoveryLeader
	owner
	verifier
	all
	node // any but the leader, where nobody has a role of their own
)

var roles = []role{leader, recoveryLeader, owner, verifier, all}

func (r role) String() string {
	return [...]string{"nobody", "raft leader", "recovery leader", "partition owner", "verifier", "all nodes", "another node"}[r]
}

// outcome is what the rotation comes to after the kill.
type outcome int

const (
	completes outcome = iota
	cancelled
)

func (o outcome) String() string { return [...]string{"complete", "cancelled"}[o] }

// state is one in which a rotation is held while the kill lands: units wait at the hold point, or, without one, the rotation
// waits for a signature.
type state struct {
	name  string
	point string
	units holders
	some  map[outcome]role // what `make test` has time for
}

// holders says which units are held.
type holders int

const (
	generator holders = iota
	operational
	everyone
)

var states = []state{
	{client.StatePreparing, client.StatePreparing, operational, nil},
	{client.StateGenerating, client.StateGenerating, generator, map[outcome]role{completes: recoveryLeader}},
	{client.StateLoading, client.StateLoading, operational, map[outcome]role{cancelled: all}},
	{client.StateCommitting, client.StateCommitting, operational, nil},
	{client.StateRewrapping, "rewrap", everyone, nil},
	{client.StateVerifying, "verify", everyone, map[outcome]role{completes: verifier}},
	{client.StateRewrapped, "", operational, map[outcome]role{cancelled: owner}},
	{client.StateActivating, client.StateActivating, operational, map[outcome]role{completes: leader}},
	{client.StateCancelling, client.StateCancelling, operational, nil},
}

// missing says why there is no such cell; "": there is.
func (s state) missing(r role, o outcome) string {
	switch {
	case s.name == client.StateActivating && o == cancelled:
		return "after the flip nothing is cancelled"
	case s.name == client.StateCancelling && o == completes:
		return "a rotation that is being cancelled does not complete"
	}
	switch s.name {
	case client.StatePreparing, client.StateGenerating, client.StateLoading, client.StateCommitting:
		if r == owner || r == verifier {
			return "partitions are given out when the rewrap starts"
		}
	}
	return ""
}
