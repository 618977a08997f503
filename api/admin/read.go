package admin

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"tumbler/api/client"
	"tumbler/fsm"
)

// read runs f on a view that holds everything committed before the call.
func (s *Server) read(ctx context.Context, f func(View) error) error {
	if err := s.b.Proposer.ReadIndex(ctx); err != nil {
		return err
	}
	return s.peek(f)
}

// peek runs f on a view of what this node has applied: for status, which must answer without a quorum.
func (s *Server) peek(f func(View) error) error {
	v, err := s.b.State.View()
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	return f(v)
}

func uuidText(id fsm.ID) string {
	if id == (fsm.ID{}) {
		return ""
	}
	return uuid.UUID(id).String()
}

// hexText is a pattern, a digest or an identity; empty for zeros.
func hexText(b [32]byte) string {
	if b == ([32]byte{}) {
		return ""
	}
	return hex.EncodeToString(b[:])
}

func optional(t fsm.Time) *time.Time {
	if t == 0 {
		return nil
	}
	at := t.Time()
	return &at
}

func counts(c fsm.Counts) client.ClassCounts {
	return client.ClassCounts{SystemInternal: c.System, KMS: c.KMS, EP11: c.EP11}
}

func roleName(r fsm.Role) string {
	switch r {
	case fsm.RoleOperational:
		return "operational"
	case fsm.RoleRecovery:
		return "recovery"
	}
	return "unknown"
}

// digestOf reads an order's digest from the path.
func digestOf(r request) (fsm.Digest, error) {
	b, err := hex.DecodeString(r.PathValue("digest"))
	if err != nil || len(b) != len(fsm.Digest{}) {
		return fsm.Digest{}, invalid("%q is not an order's digest: want 64 hex digits", r.PathValue("digest"))
	}
	return fsm.Digest(b), nil
}
