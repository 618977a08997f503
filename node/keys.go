package node

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster"
	"tumbler/fsm"
	"tumbler/kms"
)

// keyReader is this node's replica as kms reads it.
type keyReader struct {
	replica *replica
	waits   *waits
}

func (k keyReader) ReadIndex(ctx context.Context) error {
	defer k.waits.begin()()
	return k.replica.ReadIndex(ctx)
}

func (k keyReader) View() (kms.View, error) {
	view, err := k.replica.store.View()
	if err != nil {
		return nil, err
	}
	return view, nil
}

// keyProposer puts what kms changes into the log. It refuses new keys while this node's disk, or its leader's, is below the low
// mark, has changes share entries, and notes how long they wait.
type keyProposer struct {
	sharing *sharing
	cluster *cluster.Cluster
	disk    *disk
	waits   *waits
}

func newKeyProposer(r *replica, d *disk, w *waits) keyProposer {
	shares := func(kind fsm.Kind) bool {
		return fsm.Shares(kind) && r.store.FeatureLevel() >= fsm.LevelOf(fsm.KindGroup)
	}
	return keyProposer{&sharing{propose: r.Propose, shares: shares}, r.cluster, d, w}
}

func (p keyProposer) Propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	switch command.(type) {
	case *fsm.CreateKey, *fsm.CreateKeys, *fsm.AddKeyVersion:
		leader, _ := p.cluster.Leader()
		for _, number := range []uint32{p.disk.config.Number, leader} {
			if r, known := p.disk.of(number); known && r.Low {
				return fsm.Result{}, &kms.Error{Code: kms.ErrNoRoom.Code,
					Detail: fmt.Sprintf("the disk of node %d is nearly full, and nothing was done: make room there, then try again", number)}
			}
		}
	}
	if _, bulk := command.(*fsm.CreateKeys); !bulk { // which takes long however idle the cluster is
		defer p.waits.begin()()
	}
	return p.sharing.Propose(ctx, command)
}

// auditLog is the audit trail: a structured line an event, before the call acts.
type auditLog struct{ log hclog.Logger }

func (a auditLog) Record(_ context.Context, e kms.Event) error {
	level := hclog.Info
	if e.Allowed && (e.Action == kms.ActionWrap || e.Action == kms.ActionUnwrap || e.Action == kms.ActionMetadata || e.Action == kms.ActionGet || e.Action == kms.ActionList) {
		level = hclog.Debug // as many as there are calls; configure log.level to keep them
	}
	a.log.Log(level, "kms call", "action", string(e.Action), "target", e.Target, "principal", e.Principal, "name", e.Name,
		"role", string(e.Role), "allowed", e.Allowed, "refusal", string(e.Refusal), "correlation", e.Correlation, "remote", e.Remote)
	return nil
}
