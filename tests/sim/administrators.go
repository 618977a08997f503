package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// administrators sign orders: one key with the threshold of 1, since its signatures are most of what a world costs.
type administrators struct {
	key  order.KeySigner
	list order.Administrators
	der  []byte
}

func newAdministrators() (*administrators, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	a := &administrators{key: order.KeySigner{Key: key}, list: order.Administrators{
		List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1,
	}}
	a.der, err = a.list.Encode()
	return a, err
}

// install gives a unit in imprint mode its administrators.
func (a *administrators) install(n *node) error {
	signed := order.SignedAdministrators{Administrators: a.der}
	return errors.Join(signed.SignFor(n.unit.Status().Identity, a.key), n.unit.SetAdministrators(a.list, signed.Signatures))
}

// draft is an order about the instance as a view has it.
func (a *administrators) draft(w *world, view *fsm.View, kind order.Kind) (*order.Order, error) {
	digest, err := a.list.Digest()
	cluster := view.Cluster()
	o := &order.Order{
		Kind: kind, Cluster: clusterID, Incarnation: uint64(cluster.Incarnation), Instance: instanceID, Number: cluster.LastOrder + 1,
		Current: masterkey.Pattern(cluster.Pattern), Suite: order.SuiteHPKE, Administrators: digest, Policy: order.Online,
		Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep, NotAfter: w.now.Add(time.Hour).Truncate(time.Second),
	}
	for _, u := range view.Units() {
		if u.IsEnrolled() || kind == order.Init {
			o.Units = append(o.Units, reference(u))
		}
	}
	return o, err
}

func reference(u fsm.Unit) order.UnitRef {
	return order.UnitRef{Number: u.Number, Role: order.Role(u.Role), Identity: order.Identity(u.Identity)}
}

// sign gives an order as it is submitted.
func (a *administrators) sign(o *order.Order) ([]byte, error) {
	der, err := o.Encode()
	if err != nil {
		return nil, err
	}
	signed := &order.SignedOrder{Order: der}
	if err := signed.Sign(a.key); err != nil {
		return nil, err
	}
	return signed.Encode()
}

// order is what administrators do at a node, by the state that it shows them. arg is their mood.
func (n *node) order(arg uint64) error {
	view, err := n.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	rotation, some := view.Rotation()
	var o *order.Order
	if some && rotation.State.Open() {
		o, err = n.steer(view, rotation, arg)
	} else {
		o, err = n.begin(view, arg)
	}
	if err != nil || o == nil {
		return err
	}
	der, err := n.world.admins.sign(o)
	if err != nil {
		return err
	}
	n.world.facts.signed(o)
	err = n.insist(&fsm.SubmitOrder{Order: der, At: n.world.at64()})
	n.world.ordered = fmt.Sprint(o.Kind, err)
	return nil
}

// steer is what they do while an order is open: settle what blocks it, approve it, cancel it.
func (n *node) steer(view *fsm.View, r fsm.Rotation, arg uint64) (*order.Order, error) {
	a, w := n.world.admins, n.world
	about := func(kind order.Kind) (*order.Order, error) {
		o, err := a.draft(w, view, kind)
		o.Subject.Order, o.Subject.OrderNumber = order.Digest(r.Order), r.Number
		return o, err
	}
	switch {
	case r.State == fsm.StateBlocked:
		o, err := about(order.Settle)
		for _, bad := range r.Bad {
			if name := badName(view, bad.Number); name != nil {
				o.Subject.Blobs = append(o.Subject.Blobs, *name)
			}
		}
		if len(o.Subject.Blobs) == 0 {
			return nil, err
		}
		return o, err
	case w.spoiltParts(view, r):
		return about(order.Cancel)
	case r.Plan.Hold && r.State == fsm.StateRewrapped && view.Record().Approved(order.StepActivate) == nil:
		return nil, n.approve(r, order.StepActivate)
	case r.Plan.SignedCommit && r.State == fsm.StateCommitting && view.Record().Approved(order.StepCommit) == nil:
		return nil, n.approve(r, order.StepCommit)
	case arg%8 != 0 && w.awaitsParts(view, r) && !w.stuck(view, r):
		return nil, n.deliver(view, arg)
	case arg%8 == 0 || r.State < fsm.StateRewrapping && w.stuck(view, r):
		return about(order.Cancel)
	}
	return nil, nil
}

// badName names a blob as a unit stated that it does not open.
func badName(view *fsm.View, number uint64) (name *order.BlobName) {
	for _, s := range view.Record().Statements {
		if s.Kind == order.CannotOpen && s.Blob.Number == number {
			name = s.Blob
		}
	}
	return name
}

// approve signs a step of a rotation.
func (n *node) approve(r fsm.Rotation, step order.Step) error {
	approval := &order.Approval{Step: step, Cluster: clusterID, Incarnation: 1, Order: order.Digest(r.Order), Pattern: masterkey.Pattern(r.To)}
	der, err := approval.Encode()
	if err != nil {
		return err
	}
	signed := &order.SignedApproval{Approval: der}
	if err := signed.Sign(n.world.admins.key); err != nil {
		return err
	}
	if der, err = signed.Encode(); err == nil {
		_ = n.insist(&fsm.SubmitApproval{Order: r.Order, Approval: der, At: n.world.at64()})
	}
	return err
}

// stuck: a unit that the order waits for is lost, or is to be given what it has.
func (w *world) stuck(view *fsm.View, r fsm.Rotation) bool {
	for _, number := range r.Plan.Units {
		if u, known := view.Unit(number); known && w.lost(u) {
			return true
		}
		given := r.Plan.Kind == order.Recover.String() && r.State == fsm.StatePreparing && slices.Contains(r.Plan.Loads, number)
		if n := w.nodes[number-1]; given && n.process != nil && n.status.Registers.Current != masterkey.CurrentEmpty {
			return true
		}
	}
	return false
}

// lost: the unit that the state knows by that number is no more, or must never serve again.
func (w *world) lost(u fsm.Unit) bool {
	n := w.nodes[u.Number-1]
	return n.process != nil && n.identity != u.Identity
}

// begin is what they do while no order is open: remove what is lost, enrol what is new, give it the master key, rotate.
func (n *node) begin(view *fsm.View, arg uint64) (*order.Order, error) {
	a, w := n.world.admins, n.world
	if view.Cluster().Pattern == (fsm.Pattern{}) {
		n.refresh(view)
		o, err := n.redraft(order.Init)
		if o != nil {
			o.Generator = w.recovery(o)
		}
		return o, err
	}
	var empty []order.UnitRef
	for _, u := range view.Units() {
		switch {
		case u.IsEnrolled() && (w.lost(u) || arg%16 == 5 && u.Number == uint32(arg/16%uint64(len(w.nodes)))+1 && w.spare(view)):
			n.refresh(view) // who remains is judged by what it last said
			o, err := n.redraft(order.Remove)
			if o == nil {
				return nil, err
			}
			o.Subject.Units = []order.UnitRef{reference(u)}
			return o, err
		case !u.IsEnrolled() && u.Removed == (fsm.Digest{}):
			o, err := a.draft(w, view, order.Enrol)
			o.Subject.Units = []order.UnitRef{reference(u)}
			o.Units = append(o.Units, reference(u))
			slices.SortFunc(o.Units, func(a, b order.UnitRef) int { return int(a.Number) - int(b.Number) })
			return o, err
		case u.IsEnrolled() && registersOf(u).Current == masterkey.CurrentEmpty:
			empty = append(empty, reference(u))
		}
	}
	n.refresh(view)
	if len(empty) > 0 {
		return n.give(empty)
	}
	o, err := n.redraft(order.Rotate)
	if o == nil {
		return nil, err
	}
	o.Generator = w.recovery(o)
	if arg%4 == 1 {
		o.Policy = order.Documented
	}
	if arg%8 == 2 {
		o.Activate = order.Signed
	}
	if arg%8 == 3 {
		o.Retire = order.Destroy
	}
	if o.Generator == 0 {
		return nil, err
	}
	if w.byParts(arg) {
		inParts(o, arg)
	}
	return o, err
}

// spare: one unit fewer can still rotate.
func (w *world) spare(view *fsm.View) bool {
	enrolled, recovery := 0, 0
	for _, u := range view.Units() {
		if u.IsEnrolled() && !u.IsFenced() {
			enrolled++
			if u.Role == fsm.RoleRecovery {
				recovery++
			}
		}
	}
	return enrolled > 3 && recovery > 1
}

func registersOf(u fsm.Unit) masterkey.Registers {
	signed, err := order.DecodeSignedStatement(u.Report)
	if err != nil {
		return masterkey.Registers{}
	}
	if s, err := signed.Decode(); err == nil && s.Report != nil {
		return s.Report.Registers
	}
	return masterkey.Registers{}
}

// refresh has every unit report once more, as an order is judged by what they last said of themselves.
func (n *node) refresh(view *fsm.View) {
	w := n.world
	for _, u := range view.Units() {
		m := w.nodes[u.Number-1]
		if m.hears() && m.serves() && m.workers[reporting] == nil {
			m.work(reporting, func() { _ = m.speaker.Register(nil) }) //nolint:staticcheck // no context is looked at
		}
	}
	w.await(func() bool {
		for _, m := range w.nodes {
			if m.process != nil && m.workers[reporting] != nil {
				return false
			}
		}
		return true
	}, nil)
}

// redraft is a draft by the state as it is by now.
func (n *node) redraft(kind order.Kind) (*order.Order, error) {
	view, err := n.store.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return n.world.admins.draft(n.world, view, kind)
}

// give has units given the master key from one that has it.
func (n *node) give(empty []order.UnitRef) (*order.Order, error) {
	o, err := n.redraft(order.Recover)
	if o == nil {
		return nil, err
	}
	o.Subject.Pattern, o.Subject.Units = o.Current, empty
	view, failed := n.store.View()
	if failed != nil {
		return nil, failed
	}
	defer view.Close()
	for _, u := range view.Units() {
		if registersOf(u).CurrentPattern == o.Current && u.IsEnrolled() && (o.Generator == 0 || u.Role == fsm.RoleRecovery) {
			o.Generator = u.Number
		}
	}
	if o.Generator == 0 {
		return nil, err
	}
	return o, err
}

// recovery is the first recovery unit of an order, 0: it names none.
func (w *world) recovery(o *order.Order) uint32 {
	for _, u := range o.Units {
		if u.Role == order.Recovery {
			return u.Number
		}
	}
	return 0
}

// digestOf names an order.
func digestOf(o *order.Order) order.Digest {
	der, err := o.Encode()
	if err != nil {
		return order.Digest(sha256.Sum256(nil))
	}
	signed := order.SignedOrder{Order: der}
	return signed.Digest()
}
