package admin

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// raftLog applies what is proposed to a real store at once, as a cluster of one would.
type raftLog struct {
	mu    sync.Mutex
	store *fsm.Store
	index uint64
}

func (l *raftLog) ReadIndex(context.Context) error { return nil }

func (l *raftLog) Propose(_ context.Context, c fsm.Command) (fsm.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := fsm.Encode(c, fsm.NewRequestID(l.index))
	if err != nil {
		return fsm.Result{}, err
	}
	l.index++
	switch answer := l.store.Apply(&raft.Log{Index: l.index, Term: 1, Type: raft.LogCommand, Data: data}).(type) {
	case []byte:
		return fsm.DecodeResult(answer)
	case error:
		return fsm.Result{}, answer
	default:
		return fsm.Result{}, fmt.Errorf("the store answered %T", answer)
	}
}

// registering has the units of a world register with the store before an order, as node does.
type registering struct {
	*world
	log *raftLog
}

func (r registering) Refresh(ctx context.Context, units []uint32) ([]uint32, error) {
	for _, u := range r.view.units {
		if !contains(units, u.Number) {
			continue
		}
		report, err := r.Report(ctx, u.Number)
		if err != nil {
			continue
		}
		_, err = r.log.Propose(ctx, &fsm.RegisterUnit{Number: u.Number, Identity: u.Identity, Role: u.Role, Location: u.Location, API: u.API, Report: report,
			At: fsm.TimeOf(worldTime)})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// founded is a world on a real store: bootstrapped, with all units known and none initialised.
func founded(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	store, err := fsm.Open(fsm.Config{Dir: t.TempDir(), Fatal: func(err error) { t.Errorf("the store stopped: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &raftLog{store: store}
	if _, err := l.Propose(t.Context(), &fsm.Bootstrap{Cluster: fsm.ID{1}, Incarnation: 1, Instance: fsm.ID{2}, FeatureLevel: 1, At: fsm.TimeOf(worldTime)}); err != nil {
		t.Fatal(err)
	}
	for n := range w.registers {
		w.registers[n] = masterkey.Registers{Current: masterkey.CurrentEmpty, New: masterkey.NewEmpty}
	}
	units := registering{w, l}
	if _, err := units.Refresh(t.Context(), []uint32{1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	b := w.backend()
	b.State, b.Proposer, b.Units = StateOf(store), l, units
	b.Now = func() time.Time { return worldTime }
	ca := newCA(t)
	w.client = ca.mustClient("alice", ca.serve(New(b)))
	return w
}

func TestOnARealStoreAnInitIsOpenedWatchedAndCancelled(t *testing.T) {
	w := founded(t)
	ctx := t.Context()
	context, err := w.client.OrderContext(ctx)
	if err != nil || len(context.Units) != 5 || context.NextNumber != 1 || context.CurrentPattern != "" || len(context.Administrators) != 0 || context.Open != nil {
		t.Fatalf("got %+v, %v", context, err)
	}
	none, err := w.client.Rotation(ctx)
	if err != nil || none.State != client.StateNone {
		t.Fatalf("got %+v, %v", none, err)
	}

	o := w.rotate()
	o.Kind, o.Current, o.Number = order.Init, masterkey.Pattern{}, context.NextNumber
	signed := w.sign(o, w.admins[0], w.admins[1])
	for range 2 { // handing it in again is the same
		got, err := w.client.SubmitOrder(ctx, w.encode(signed))
		if err != nil || got.Digest != signed.Digest().String() || got.Kind != "init" || got.State != client.StatePreparing {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	status, err := w.client.WaitRotation(ctx, none.Version, time.Minute)
	if err != nil || status.Version <= none.Version || status.State != client.StatePreparing || !status.Open || len(status.Units) != 5 || status.Units[4].Awaited != "ready" ||
		status.Order.Generator != 4 || len(status.Times) != 1 {
		t.Errorf("got %+v, %v", status, err)
	}
	overview, err := w.client.Status(ctx)
	if err != nil || overview.Rotation == nil || overview.Rotation.State != client.StatePreparing || overview.Cluster.Initialised || overview.Service.Reason == "" {
		t.Errorf("got %+v, %v", overview, err)
	}
	other := *o
	other.Number++
	if _, err := w.client.SubmitOrder(ctx, w.encode(w.sign(&other, w.admins[0], w.admins[1]))); !client.HasCode(err, client.CodeRotationOpen) {
		t.Errorf("a second order: got %v", err)
	}

	cancel := other
	cancel.Kind, cancel.Generator = order.Cancel, 0
	cancel.Subject.Order, cancel.Subject.OrderNumber = signed.Digest(), o.Number
	got, err := w.client.SubmitOrder(ctx, w.encode(w.sign(&cancel, w.admins[2])))
	if err != nil || got.State != client.StateCancelling && got.State != client.StateCancelled {
		t.Fatalf("got %+v, %v", got, err)
	}
	history, err := w.client.Rotations(ctx)
	if err != nil || len(history.Rotations) != 1 || history.Rotations[0].Order.Digest != signed.Digest().String() {
		t.Errorf("got %+v, %v", history, err)
	}
	receipt, err := w.client.Receipt(ctx, signed.Digest().String())
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := order.DecodeEvidence(receipt.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	record, err := evidence.Verify(w.list)
	if err != nil || record.Digest != signed.Digest() || record.Cancel == nil {
		t.Errorf("got %+v, %v", record, err)
	}
	if _, err := w.client.Receipt(ctx, order.Digest{9}.String()); !client.HasCode(err, client.CodeNotFound) {
		t.Errorf("no such receipt: got %v", err)
	}
}

func TestOnARealStoreTokensAndAPIKeysComeAndGo(t *testing.T) {
	w := founded(t)
	ctx := t.Context()
	token, err := w.client.CreateToken(ctx, client.CreateTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := w.client.Tokens(ctx)
	if err != nil || len(tokens.Tokens) != 1 || tokens.Tokens[0] != token.Token {
		t.Errorf("got %+v, %v", tokens, err)
	}
	if _, err := w.client.RevokeToken(ctx, token.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.client.RevokeToken(ctx, token.ID); !client.HasCode(err, client.CodeNotFound) {
		t.Errorf("revoked twice: got %v", err)
	}
	key, err := w.client.CreateAPIKey(ctx, client.CreateAPIKeyRequest{Name: "orders", Role: client.RoleReader})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := w.client.APIKeys(ctx)
	if err != nil || len(keys.APIKeys) != 1 || keys.APIKeys[0] != key.APIKey {
		t.Errorf("got %+v, %v", keys, err)
	}
	if _, err := w.client.DeleteAPIKey(ctx, key.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.client.DeleteAPIKey(ctx, key.ID); !client.HasCode(err, client.CodeNotFound) {
		t.Errorf("deleted twice: got %v", err)
	}
}

func TestOnARealStoreNothingIsThereBeforeBootstrap(t *testing.T) {
	store, err := fsm.Open(fsm.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f := &fake{}
	b := f.backend()
	b.State, b.Proposer = StateOf(store), &raftLog{store: store}
	ca := newCA(t)
	c := ca.mustClient("alice", ca.serve(New(b)))
	status, err := c.Status(t.Context())
	if err != nil || status.Cluster.Bootstrapped || status.Service.Reason == "" {
		t.Errorf("got %+v, %v", status, err)
	}
	if _, err := c.OrderContext(t.Context()); !client.HasCode(err, client.CodeNotReady) {
		t.Errorf("got %v", err)
	}
	if _, err := c.CreateToken(t.Context(), client.CreateTokenRequest{}); !client.HasCode(err, client.CodeNotReady) {
		t.Errorf("got %v", err)
	}
	if units, err := c.Units(t.Context()); err != nil || len(units.Units) != 0 {
		t.Errorf("got %+v, %v", units, err)
	}
	if rotation, err := c.Rotation(t.Context()); err != nil || rotation.State != client.StateNone {
		t.Errorf("got %+v, %v", rotation, err)
	}
}
