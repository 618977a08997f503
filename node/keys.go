package node

import (
	"context"

	"github.com/hashicorp/go-hclog"

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
