package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"tumbler/api/client"
	"tumbler/fsm"
)

// fake stands where node stands. Every field is an answer; calls are noted.
type fake struct {
	mu    sync.Mutex
	calls []string
	err   error // what every call answers

	members []client.Member
	status  client.NodeStatus
	archive string // what is written of it
	log     syncBuffer
}

func (f *fake) note(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	return f.err
}

func (f *fake) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, " ")
}

func (f *fake) Status() client.NodeStatus { return f.status }
func (f *fake) Bootstrap(_ context.Context, by string) (client.Bootstrapped, error) {
	return client.Bootstrapped{Cluster: "c", Instance: "i"}, f.note("bootstrap:" + by)
}
func (f *fake) Log(_ context.Context, from uint64, limit int) (client.Log, error) {
	return client.Log{First: from, Last: uint64(limit), Entries: []client.LogEntry{}}, f.note("log")
}
func (f *fake) NewAPIKey(name, role, by string) (fsm.APIKeyRecord, string, error) {
	return fsm.APIKeyRecord{ID: fsm.ID{1}, Name: name, Role: role, Hash: [32]byte{3}, Created: fsm.Stamp{At: 1e9, By: by}}, "secret", f.note("new")
}
func (f *fake) Members() []client.Member { return f.members }
func (f *fake) Join(_ context.Context, address, token string) error {
	return f.note("join:" + address + ":" + token)
}
func (f *fake) Leave(context.Context) error                  { return f.note("leave") }
func (f *fake) Remove(context.Context, uint32) error         { return f.note("remove") }
func (f *fake) TransferLeader(context.Context, uint32) error { return f.note("transfer") }
func (f *fake) Digest(context.Context) (client.DigestReport, error) {
	return client.DigestReport{Index: 9, Agreed: true}, f.note("digest")
}
func (f *fake) DryRun(context.Context) (client.DryRun, error) { return client.DryRun{}, f.note("dry") }

func (f *fake) Archive(_ context.Context, unit uint32) (*Archive, error) {
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, f.archive)
		return err
	}
	return &Archive{Size: 7, Write: write, Close: func() error { return f.note("closed") }}, f.note(fmt.Sprintf("archive:%d", unit))
}

// backend is the fake as a Backend without a state.
func (f *fake) backend() Backend {
	return Backend{Node: f, Cluster: f, Checks: f, State: noState{}, Proposer: noState{}, Units: noState{},
		Logger: hclog.New(&hclog.LoggerOptions{Output: &f.log, JSONFormat: true})}
}

// noState is a node whose state and units cannot be had.
type noState struct{}

var errNoState = errors.New("no state in this test")

func (noState) View() (View, error)              { return nil, errNoState }
func (noState) Watch() (uint64, <-chan struct{}) { return 0, nil }
func (noState) ReadIndex(context.Context) error  { return ErrNoLeader }
func (noState) Propose(context.Context, fsm.Command) (fsm.Result, error) {
	return fsm.Result{}, ErrNoLeader
}
func (noState) Report(context.Context, uint32) ([]byte, error) { return nil, ErrUnitUnreachable }
func (noState) SetAdministrators(context.Context, uint32, []byte, [][]byte) error {
	return ErrUnitUnreachable
}
func (noState) Zeroize(context.Context, uint32, []byte, string) ([]byte, error) {
	return nil, ErrUnitUnreachable
}
func (noState) LoadPart(context.Context, uint32, []byte) ([]byte, bool, error) {
	return nil, false, ErrUnitUnreachable
}
func (noState) Refresh(context.Context, []uint32) ([]uint32, error) { return nil, ErrUnitUnreachable }

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSpace(s.b.String()), "\n")
}

// served is a fake behind TLS.
func served(t *testing.T, f *fake) (testCA, string) {
	t.Helper()
	ca := newCA(t)
	return ca, ca.serve(New(f.backend()))
}
