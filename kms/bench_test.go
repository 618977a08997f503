package kms_test

import (
	"context"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/kms/kmstest"
)

// What a wrap costs above the state and the unit.
func BenchmarkWrap(b *testing.B) {
	state := kmstest.NewState(instance, patternA)
	service, err := kms.New(kms.Config{Proposer: state, Reader: state, Unit: kmstest.NewUnit(patternA), Auditor: discard{}})
	if err != nil {
		b.Fatal(err)
	}
	caller, key := benchCaller(b, state, service)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := service.Wrap(b.Context(), caller, key, []byte("a data key of 32 bytes, or so .."), nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

type discard struct{}

func (discard) Record(context.Context, kms.Event) error { return nil }

func benchCaller(b *testing.B, state *kmstest.State, service *kms.Service) (kms.Caller, string) {
	b.Helper()
	record, secret, err := kms.NewAPIKey("bench", kms.RoleWriter, "bench", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := state.Propose(b.Context(), &fsm.CreateAPIKey{APIKey: record}); err != nil {
		b.Fatal(err)
	}
	token, err := service.IssueToken(b.Context(), secret, kms.Caller{})
	if err != nil {
		b.Fatal(err)
	}
	caller := kms.Caller{Token: token.AccessToken, Instance: kms.FormatID(instance)}
	key, err := service.Create(b.Context(), caller, kms.NewKey{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return caller, key.ID
}
