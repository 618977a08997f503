package admin

import (
	"context"
	"fmt"

	"tumbler/api/client"
	"tumbler/fsm"
)

// status asks no other node: it must answer when there is no quorum.
func (s *Server) status(context.Context, request) (client.Status, error) {
	out := client.Status{Node: s.b.Node.Status(), Service: client.ServiceStatus{Refused: []string{}}}
	for _, m := range s.b.Cluster.Members() {
		out.Cluster.Members++
		if m.Alive {
			out.Cluster.Alive++
		}
		if m.Leader {
			out.Cluster.Leader = m.Number
		}
	}
	err := s.peek(func(v View) error {
		service := v.ServiceState()
		if !service.Bootstrapped {
			out.Service.Refused, out.Service.Reason = everything(), "this node belongs to no cluster yet"
			return nil
		}
		clusterStatus(&out.Cluster, v.Cluster())
		out.Service = serviceStatus(service)
		if rotation, ok := v.Rotation(); ok && rotation.State.Open() {
			full, err := s.rotationStatus(v, rotation)
			if err != nil {
				return err
			}
			out.Rotation = &client.RotationSummary{Digest: hexText(rotation.Order), Number: rotation.Number, Kind: rotation.Plan.Kind,
				State: full.State, Percent: full.Keys.Percent, Waiting: full.Waiting}
		}
		out.Retired = retiredKeys(v.Cluster())
		out.Warnings = append(append(warnings(out, v), s.diskWarnings()...), s.retiredTooLong(out.Retired)...)
		return nil
	})
	return out, err
}

func clusterStatus(out *client.ClusterStatus, c fsm.Cluster) {
	out.Bootstrapped = true
	out.ID, out.Incarnation, out.Instance = uuidText(c.ID), c.Incarnation, uuidText(c.Instance)
	out.FeatureLevel, out.Epoch, out.Blobs = c.FeatureLevel, c.Epochs.Current, counts(c.Census)
	out.CurrentPattern, out.Initialised = hexText(c.Pattern), c.Pattern != fsm.Pattern{}
}

func everything() []string {
	return []string{"create", "import", "rotate", "delete", "wrap", "unwrap", "list", "metadata"}
}

// serviceStatus says in words what the state refuses now.
func serviceStatus(s fsm.ServiceState) client.ServiceStatus {
	switch {
	case len(s.Patterns) == 0:
		return client.ServiceStatus{Refused: []string{"create", "import", "rotate", "wrap", "unwrap"}, Reason: "there is no master key yet: initialise the units with `tumbler tke auto-init`"}
	case s.MasterKeyRotationInProgress:
		return client.ServiceStatus{Refused: []string{"create", "import", "rotate"}, Reason: "a master key rotation of policy documented is in progress"}
	}
	return client.ServiceStatus{Refused: []string{}}
}

func warnings(out client.Status, v View) []string {
	var list []string
	if out.Cluster.Leader == 0 {
		list = append(list, "the cluster has no leader now: changes wait until more than half of the members run")
	}
	if out.Cluster.Alive < out.Cluster.Members {
		list = append(list, fmt.Sprintf("%d of %d members do not answer", out.Cluster.Members-out.Cluster.Alive, out.Cluster.Members))
	}
	for _, u := range v.Units() {
		if u.IsFenced() {
			list = append(list, fmt.Sprintf("unit %d is fenced: it was left behind by a rotation and converges before it serves", u.Number))
		}
	}
	return list
}

func (s *Server) diskWarnings() (list []string) {
	for _, number := range s.nearlyFull() {
		list = append(list, fmt.Sprintf("the disk of node %d is nearly full: no node rewraps, and new keys may be refused, until there is room", number))
	}
	return list
}
