package fsm

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// state is a store without units, driven entry by entry.
type state struct {
	t     *testing.T
	store *Store
	index uint64
}

func newState(t *testing.T) *state {
	t.Helper()
	s := &state{t: t, store: openStore(t, t.TempDir())}
	s.want(nil, &Bootstrap{Cluster: ID{1}, Instance: ID{2}, Incarnation: 1, FeatureLevel: 1})
	return s
}

func (s *state) as(request RequestID, c Command) (Result, error) {
	s.t.Helper()
	data, err := Encode(c, request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.index++
	answer, ok := s.store.Apply(&raft.Log{Index: s.index, Type: raft.LogCommand, Data: data}).([]byte)
	if !ok {
		s.t.Fatal(answer)
	}
	return DecodeResult(answer)
}

func (s *state) want(want error, c Command) {
	s.t.Helper()
	if _, err := s.as(NewRequestID(s.index), c); !errors.Is(err, want) {
		s.t.Errorf("%T: %v, not %v", c, err, want)
	}
}

func TestJoinTokens(t *testing.T) {
	s := newState(t)
	token := TokenRecord{ID: ID{1}, Hash: [32]byte{2}, Expires: 100}
	s.want(nil, &CreateToken{Token: token})
	s.want(ErrTokenExists, &CreateToken{Token: token})
	s.want(ErrTokenUnknown, &UseToken{ID: ID{9}, Hash: [32]byte{2}, Unit: 4, At: 50})
	s.want(ErrTokenUnknown, &UseToken{ID: ID{1}, Hash: [32]byte{3}, Unit: 4, At: 50})
	s.want(ErrTokenExpired, &UseToken{ID: ID{1}, Hash: [32]byte{2}, Unit: 4, At: 101})
	s.want(nil, &UseToken{ID: ID{1}, Hash: [32]byte{2}, Unit: 4, At: 100})
	s.want(nil, &UseToken{ID: ID{1}, Hash: [32]byte{2}, Unit: 4, At: 100}) // its join was cut off
	s.want(ErrTokenUsed, &UseToken{ID: ID{1}, Hash: [32]byte{2}, Unit: 5, At: 100})
	s.want(nil, &CreateToken{Token: TokenRecord{ID: ID{7}, Hash: [32]byte{7}, Unit: 6, Expires: 100}})
	s.want(ErrTokenUnknown, &UseToken{ID: ID{7}, Hash: [32]byte{7}, Unit: 5, At: 1})
	s.want(nil, &RevokeToken{ID: ID{7}})
	s.want(ErrTokenUnknown, &UseToken{ID: ID{7}, Hash: [32]byte{7}, Unit: 6, At: 1})
}

func TestAPIKeys(t *testing.T) {
	s := newState(t)
	key := APIKeyRecord{ID: ID{1}, Role: "Manager", Hash: [32]byte{2}}
	s.want(nil, &CreateAPIKey{APIKey: key})
	s.want(ErrAPIKeyExists, &CreateAPIKey{APIKey: key})
	s.want(ErrInvalid, &CreateAPIKey{APIKey: APIKeyRecord{ID: ID{3}, Role: "Reader"}})
	s.want(nil, &DeleteAPIKey{ID: ID{1}})
	s.want(ErrAPIKeyNotFound, &DeleteAPIKey{ID: ID{1}})
	s.want(ErrAlreadyBootstrapped, &Bootstrap{Cluster: ID{1}, Instance: ID{2}, Incarnation: 1, FeatureLevel: 1})
	s.want(ErrNoMasterKey, &CreateKey{Key: ID{1}, Class: ClassKMS, State: KeyActive})
	s.want(ErrUnitUnknown, &RemoveUnit{Number: 1})
}

// TestNothingBeforeBootstrap: an empty cluster refuses, and remembers nothing.
func TestNothingBeforeBootstrap(t *testing.T) {
	s := &state{t: t, store: openStore(t, t.TempDir())}
	s.want(ErrNotBootstrapped, &CreateAPIKey{APIKey: APIKeyRecord{ID: ID{1}, Role: "Manager", Hash: [32]byte{2}}})
	s.want(ErrInvalid, &Bootstrap{Cluster: ID{1}})
	s.want(nil, &Bootstrap{Cluster: ID{1}, Instance: ID{2}, Incarnation: 1, FeatureLevel: 1})
}

// TestRepeatedProposal: a proposal that comes twice is answered as at first, also after a restart; one that is so old that its
// answer may be forgotten is not carried out.
func TestRepeatedProposal(t *testing.T) {
	s := newState(t)
	made, refused := NewRequestID(s.index), NewRequestID(s.index)
	token := func(id byte) *CreateToken {
		return &CreateToken{Token: TokenRecord{ID: ID{id}, Hash: [32]byte{1}, Expires: 1}}
	}
	first, err := s.as(made, token(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.as(refused, token(1)); !errors.Is(err, ErrTokenExists) {
		t.Fatal(err)
	}
	s.want(nil, &RevokeToken{ID: ID{1}})
	for range 2 {
		if again, err := s.as(made, token(1)); err != nil || !reflect.DeepEqual(again, first) {
			t.Fatalf("%+v and %+v, %v", first, again, err)
		}
		if _, err := s.as(refused, token(1)); !errors.Is(err, ErrTokenExists) {
			t.Fatal("it was refused at first", err)
		}
		if _, err := s.store.Snapshot(); err != nil { // which flushes
			t.Fatal(err)
		}
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		s.store = openStore(t, s.store.config.Dir)
	}
	old := NewRequestID(1)
	batch := make([]*raft.Log, 0, maxResults)
	for range maxResults {
		data, err := Encode(&RevokeToken{ID: ID{99}}, NewRequestID(s.index))
		if err != nil {
			t.Fatal(err)
		}
		s.index++
		batch = append(batch, &raft.Log{Index: s.index, Type: raft.LogCommand, Data: data})
	}
	apply(t, s.store, batch)
	if _, err := s.as(old, token(2)); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	if _, err := s.as(made, token(1)); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
}

func TestWaitAndWatch(t *testing.T) {
	s := newState(t)
	version, changed := s.store.Watch()
	done := make(chan error, 1)
	wait := func(index uint64) { done <- s.store.WaitApplied(context.Background(), index) }
	go wait(s.index + 2)
	s.want(nil, &CreateToken{Token: TokenRecord{ID: ID{1}, Hash: [32]byte{1}, Expires: 1}})
	select {
	case <-changed:
		t.Fatal("a token is no control record")
	default:
	}
	s.want(nil, &RaiseFeatureLevel{Level: FeatureLevel})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	<-changed
	if now, _ := s.store.Watch(); now <= version {
		t.Fatalf("version %d after %d", now, version)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := s.store.WaitApplied(ctx, s.index+100); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	go wait(s.index + 100)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
}
