package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"tumbler/api/admin"
	"tumbler/api/client"
	"tumbler/cluster"
	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/kms"
)

// adminBackend gives the administration interface its hands.
func (n *Node) adminBackend() admin.Backend {
	return admin.Backend{
		Now:      wallClock,
		State:    admin.StateOf(n.store),
		Proposer: n.replica,
		Node:     adminNode{n},
		Cluster:  adminCluster{n},
		Units:    n.calls,
		Checks:   adminChecks{n},
		Errors: []admin.ErrorCode{
			{Err: cluster.ErrAlreadyBootstrapped, Code: client.CodeConflict},
			{Err: cluster.ErrNotBootstrapped, Code: client.CodeNotReady},
			{Err: cluster.ErrLastVoter, Code: client.CodeConflict},
			{Err: cluster.ErrNotAdmitted, Code: client.CodeForbidden},
			{Err: cluster.ErrNotMember, Code: client.CodeNotFound},
			{Err: cluster.ErrNoLeader, Code: client.CodeNoLeader},
			{Err: kms.ErrNoRoom, Code: client.CodeNotReady},
			{Err: cluster.ErrUnreachable, Code: client.CodeUnitUnreachable},
			{Err: cryptounit.ErrImprint, Code: client.CodeImprintMode},
			{Err: cryptounit.ErrNotImprint, Code: client.CodeConflict},
			{Err: cryptounit.ErrPartSource, Code: "key_part_source", Hint: "let another administrator load it; where one is meant to have several, set key_parts_by_one_administrator in the node's configuration"},
			{Err: cryptounit.ErrPartWaits, Code: "key_part_waits", Hint: "whoever loaded it has its verification pattern; if it must go, cancel the order: `tumbler tke rotation cancel`"},
			{Err: cryptounit.ErrPartsDiffer, Code: "key_parts_differ", Hint: "load the right part into this unit, or cancel the order and load every unit anew: `tumbler tke cryptounit-mk` shows the patterns"},
			{Err: cryptounit.ErrPart, Code: "key_part", Hint: "load another key part: such a master key would be known to everyone, or to one custodian"},
			{Err: cryptounit.ErrEnvelope, Code: "key_part_envelope", Hint: "seal the key part again, to the importer key of that unit and order: run the same command again"},
			{Err: cryptounit.ErrImporterKey, Code: "key_part_envelope", Hint: "seal the key part again, to the importer key of that unit and order: run the same command again"},
			{Err: cryptounit.ErrNoOrder, Code: "order_not_open", Hint: "run `tumbler tke rotation status`"},
			{Err: converge.ErrNoPartsNow, Code: "not_loading", Hint: "run `tumbler tke rotation status`"},
		},
		KeyOf: func(blob []byte) string {
			h, err := cryptounit.ParseHeader(blob)
			if err != nil {
				return ""
			}
			return h.Key.String()
		},
		Logger: n.log.Named("admin"),
	}
}

type adminNode struct{ *Node }

func (n adminNode) Status() client.NodeStatus {
	why := n.notReady()
	return client.NodeStatus{
		Number: n.config.Number, Role: n.config.Role, Location: n.config.Location, Version: version, StartedAt: n.started.UTC(),
		Ready: why == "", NotReady: why, AppliedIndex: n.store.AppliedIndex(), Converged: n.converged.Load(),
		Disk: n.disk.status(),
	}
}

// Bootstrap founds the cluster: a log of this node alone, and its first command. What a crash left half done is done by the
// next call.
func (n adminNode) Bootstrap(ctx context.Context, by string) (client.Bootstrapped, error) {
	none := client.Bootstrapped{}
	view, err := n.store.View()
	if err != nil {
		return none, err
	}
	founded := view.ServiceState().Bootstrapped
	view.Close()
	if founded {
		return none, fsm.ErrAlreadyBootstrapped
	}
	instance, err := order.ParseID(n.config.Instance)
	if err != nil {
		return none, fmt.Errorf("instance: %w", err)
	}
	if !n.cluster.Bootstrapped() {
		if err := n.cluster.Bootstrap(ctx); err != nil {
			return none, err
		}
	}
	record, secret, err := n.NewAPIKey("bootstrap", string(kms.RoleManager), by)
	if err != nil {
		return none, err
	}
	founding := &fsm.Bootstrap{
		Instance: fsm.ID(instance), Incarnation: 1, FeatureLevel: understood(), At: fsm.TimeOf(wallClock()), APIKey: &record,
	}
	rand.Read(founding.Cluster[:])
	if _, err := n.replica.Propose(ctx, founding); err != nil {
		return none, err
	}
	return client.Bootstrapped{
		Cluster: order.ID(founding.Cluster).String(), Instance: n.config.Instance,
		APIKey: client.CreatedAPIKey{APIKey: admin.APIKey(record), Secret: secret},
	}, nil
}

func (n adminNode) NewAPIKey(name, role, by string) (fsm.APIKeyRecord, string, error) {
	return kms.NewAPIKey(name, kms.Role(role), by, wallClock())
}

// Log reads this node's log; a command that cannot be read is shown with the reason.
func (n adminNode) Log(_ context.Context, from uint64, limit int) (client.Log, error) {
	entries, err := n.cluster.LogEntries(from, limit+1)
	if err != nil {
		return client.Log{}, err
	}
	out := client.Log{Entries: []client.LogEntry{}, Last: n.store.AppliedIndex()}
	for i, e := range entries {
		if i == 0 {
			out.First = e.Index
		}
		if i == limit {
			out.Next = e.Index
			break
		}
		out.Entries = append(out.Entries, logEntry(e))
		out.Last = max(out.Last, e.Index)
	}
	return out, nil
}

func logEntry(e cluster.LogEntry) client.LogEntry {
	out := client.LogEntry{Index: e.Index, Term: e.Term, Type: e.Type}
	if !e.AppendedAt.IsZero() {
		at := e.AppendedAt.UTC()
		out.Time = &at
	}
	if e.ExtensionSize > 0 {
		out.Table = &client.LogTable{Size: e.ExtensionSize, SHA256: hex.EncodeToString(e.ExtensionDigest[:])}
	}
	if e.Type != "command" {
		return out
	}
	command, request, err := fsm.Decode(e.Data)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Kind, out.Number, out.RequestID = fmt.Sprintf("%T", command)[len("*fsm."):], uint32(command.Kind()), request.String()
	if out.Command, err = json.Marshal(command); err != nil {
		out.Error = err.Error()
	}
	return out
}

// admit spends a join token, on the leader. A number whose unit is being removed is not free yet: the leader would take the
// new node for the old one.
func (n *Node) admit(ctx context.Context, number uint32, token string) error {
	view, err := n.store.View()
	if err != nil {
		return err
	}
	u, known := view.Unit(number)
	view.Close()
	if known && u.Removed != (fsm.Digest{}) {
		return fmt.Errorf("%w: try again when `tumbler cluster members` no longer lists node %d, and no order is open", fsm.ErrUnitRemoved, number)
	}
	id, hash, err := admin.ParseToken(token)
	if err != nil {
		return err
	}
	_, err = n.replica.Propose(ctx, &fsm.UseToken{ID: id, Hash: hash, Unit: number, At: fsm.TimeOf(wallClock())})
	return err
}

type adminCluster struct{ *Node }

func (c adminCluster) Members() []client.Member {
	members := []client.Member{}
	for _, m := range c.cluster.Members() {
		room, _ := c.disk.of(m.Number)
		members = append(members, client.Member{
			Number: m.Number, Address: m.Address, Voter: m.Voter, Leader: m.Leader, Alive: m.Alive, AppliedIndex: m.AppliedIndex,
			DiskFree: room.Free, DiskLow: room.Low,
		})
	}
	return members
}

func (c adminCluster) Join(ctx context.Context, address, token string) error {
	return c.cluster.Join(ctx, address, token)
}

func (c adminCluster) Leave(ctx context.Context) error {
	if err := c.mayLeave(ctx); err != nil {
		return err
	}
	return c.cluster.Leave(ctx)
}

func (c adminCluster) Remove(ctx context.Context, number uint32) error {
	return c.cluster.Remove(ctx, number)
}

// mayLeave refuses to part a sound node from its cluster while orders name its unit: no rotation could begin or end without
// it. (A node whose log is lost is removed by another, and joins again with its unit.)
func (c adminCluster) mayLeave(ctx context.Context) error {
	if err := c.replica.ReadIndex(ctx); err != nil {
		return err
	}
	view, err := c.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	if u, known := view.Unit(c.config.Number); known && u.IsEnrolled() {
		return fmt.Errorf("%w: crypto unit %d is enrolled, and every rotation needs all units of the instance: `tumbler tke unenrol --units %d` removes unit and node",
			admin.ErrNotAccepted, u.Number, u.Number)
	}
	if rotation, ok := view.Rotation(); ok && rotation.State.Open() {
		return fmt.Errorf("%w: order %d is open: wait for it, or cancel it first", admin.ErrNotAccepted, rotation.Number)
	}
	return nil
}

func (c adminCluster) TransferLeader(ctx context.Context, number uint32) error {
	return c.cluster.TransferLeadership(ctx, number)
}

type adminChecks struct{ *Node }

// DryRun opens every blob of the current epoch in this node's unit.
func (c adminChecks) DryRun(ctx context.Context) (client.DryRun, error) {
	view, err := c.store.View()
	if err != nil {
		return client.DryRun{}, err
	}
	defer view.Close()
	census := view.Census()
	out := client.DryRun{Keys: client.ClassCounts{SystemInternal: census.System, KMS: census.KMS, EP11: census.EP11}, Unopenable: []client.BlockedBlob{}, Refusals: []client.Error{}}
	began := time.Now()
	err = view.Blobs(view.CurrentEpoch(), 1, view.Cluster().NextBlob, func(number uint64, blob []byte) (bool, error) {
		if err := c.unit.Check(blob); err != nil {
			one := client.BlockedBlob{Number: number}
			if h, err := cryptounit.ParseHeader(blob); err == nil {
				one.Key = h.Key.String()
			}
			out.Unopenable = append(out.Unopenable, one)
			return true, ctx.Err()
		}
		out.Opened++
		return true, ctx.Err()
	})
	out.Seconds = time.Since(began).Seconds()
	return out, err
}
