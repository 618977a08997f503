package main

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"slices"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// liars are hosts of which all may be in other hands: they put into the log what they like, and show their units what they like
// of all that was ever signed, and of what was not.
type liars struct {
	key        ed25519.PrivateKey // of nobody whom an order names
	importer   []byte
	admin      *administrators  // of nobody
	stranger   *cryptounit.Unit // a unit that no order names
	orders     []order.SignedOrder
	statements []order.SignedStatement
	approvals  []order.SignedApproval
	envelopes  []order.Envelope
}

func newLiars(w *world) (*liars, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	l := &liars{key: key, importer: secret.PublicKey().Bytes()}
	if l.admin, err = newAdministrators(); err != nil {
		return nil, err
	}
	l.stranger, err = cryptounit.Open(cryptounit.Config{Folder: newFolder(), Number: 1, Role: order.Operational, Sealer: plainSealer{}, Now: w.clock})
	if err != nil {
		return nil, err
	}
	signed := order.SignedAdministrators{Administrators: w.admins.der} // by the very administrators
	err = errors.Join(signed.SignFor(l.stranger.Status().Identity, w.admins.key), l.stranger.SetAdministrators(w.admins.list, signed.Signatures))
	return l, err
}

// heard keeps what goes through the log.
func (l *liars) heard(command fsm.Command) {
	switch c := command.(type) {
	case *fsm.SubmitOrder:
		if signed, err := order.DecodeSignedOrder(c.Order); err == nil {
			l.orders = append(l.orders, *signed)
		}
	case *fsm.SubmitApproval:
		if signed, err := order.DecodeSignedApproval(c.Approval); err == nil {
			l.approvals = append(l.approvals, *signed)
		}
	case *fsm.SubmitStatement:
		if signed, err := order.DecodeSignedStatement(c.Statement); err == nil {
			l.statements = append(l.statements, *signed)
		}
		for _, der := range c.Envelopes {
			if e, err := order.DecodeEnvelope(der); err == nil {
				l.envelopes = append(l.envelopes, *e)
			}
		}
	}
}

// hostileKinds are what liars do, beside what goes wrong.
var hostileKinds = []string{"forge", "forge", "forge", "host", "host", "host", "host", "host", "host", "swap", "clone", "stranger"}

func (w *world) lie(n *node, e Event) (bool, error) {
	switch e.Do {
	case "forge":
		if w.seed/hostileSeeds%2 == 0 { // else no order gets far, and what units refuse late is never asked
			return false, nil
		}
		return w.forge(e.Arg)
	case "host":
		return n.host(e.Arg)
	case "clone":
		return true, w.cloneOrder(e.Arg)
	case "swap": // the host puts an older file back, and starts as if nothing was
		if !n.serves() || len(n.disk.former) == 0 {
			return false, nil
		}
		if err := n.end(1); err != nil {
			return true, err
		}
		n.newest = n.disk.rollBack(e.Arg)
		if err := n.start(); err != nil {
			return true, err
		}
		n.arrived = true
		return true, nil
	case "stranger":
		return w.strange(e.Arg)
	}
	return false, nil
}

// forged is a statement that no unit made: signed by nobody, or by a key that no order names.
func (l *liars) forged(w *world, r fsm.Rotation, kind order.StatementKind, u fsm.Unit, own bool) (order.SignedStatement, error) {
	s := &order.Statement{Kind: kind, Cluster: clusterID, Incarnation: 1, Order: order.Digest(r.Order), Unit: u.Number, Generation: u.Generation + 1}
	report := &order.Report{Role: order.Role(u.Role), Instance: instanceID, Registers: registersOf(u), Administrators: w.admins.der}
	switch kind {
	case order.ReportOnly:
		s.Order, s.Report, s.Generation = order.Digest{}, report, u.Generation+1000
	case order.Ready:
		s.Report, s.Importer = report, l.importer
	case order.Generated, order.Loaded, order.Committed, order.Activated:
		if s.Pattern = masterkey.Pattern(r.To); s.Pattern.IsZero() || kind == order.Generated {
			s.Pattern = masterkey.Pattern{7}
		}
	case order.Verified:
		s.Verification = &order.Verification{Partition: uint32(u.Generation % uint64(max(len(r.Rewrap.Partitions), 1))), Pass: 1, Last: r.Rewrap.N}
		if p := s.Verification.Partition; int(p) < len(r.Rewrap.Partitions) {
			done := r.Rewrap.Partitions[p].Done
			s.Verification.Pass, s.Verification.Counts = r.Rewrap.Partitions[p].Pass, order.Counts{done.System, done.KMS, done.EP11}
		}
	case order.CannotOpen:
		s.Blob = &order.BlobName{Number: 1, Class: order.KMS, Digest: order.Digest{1}}
	case order.Cleared:
	}
	identity, sign := order.Identity(u.Identity), func([]byte) []byte { return make([]byte, ed25519.SignatureSize) }
	if own {
		identity = order.Identity(l.key.Public().(ed25519.PublicKey))
		sign = func(b []byte) []byte { return ed25519.Sign(l.key, b) }
	}
	signed, err := order.SignStatement(s, identity, sign)
	if err != nil {
		return order.SignedStatement{}, err
	}
	return *signed, nil
}

// forge has the leader's host put a lie into the log. The state believes it, or refuses it.
func (w *world) forge(arg uint64) (bool, error) {
	leader := w.leads()
	if leader == nil {
		return false, nil
	}
	view, err := w.truth.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	r, _ := view.Rotation()
	u, known := view.Unit(uint32(arg/8%uint64(len(w.nodes))) + 1)
	if !known {
		return false, nil
	}
	command, err := w.forgery(view, r, u, arg)
	if err != nil || command == nil {
		return false, err
	}
	data, err := fsm.Encode(command, w.request(view.Index()))
	if err != nil {
		return false, err
	}
	_, err = w.agree(data, nil, leader)
	return true, err
}

func (w *world) forgery(view *fsm.View, r fsm.Rotation, u fsm.Unit, arg uint64) (fsm.Command, error) {
	which := arg / 64
	switch arg % 8 {
	case 0:
		s, err := w.liars.forged(w, r, order.ReportOnly, u, false)
		der, _ := s.Encode()
		return &fsm.RegisterUnit{Number: u.Number, Identity: u.Identity, Role: u.Role, Report: der, At: w.at64()}, err
	case 1, 2, 3:
		kinds := []order.StatementKind{order.Ready, order.Loaded, order.Committed, order.Verified, order.Activated, order.Cleared, order.CannotOpen}
		s, err := w.liars.forged(w, r, kinds[which%uint64(len(kinds))], u, false)
		der, _ := s.Encode()
		return &fsm.SubmitStatement{Statement: der, At: w.at64()}, err
	case 4: // an order that nobody of the administrators signed
		o, err := w.admins.draft(w, view, []order.Kind{order.Cancel, order.Rotate, order.Remove}[which%3])
		if err != nil {
			return nil, err
		}
		switch o.Kind { //nolint:exhaustive // of those above
		case order.Cancel:
			o.Subject.Order, o.Subject.OrderNumber = order.Digest(r.Order), r.Number
		case order.Remove:
			o.Subject.Units = []order.UnitRef{reference(u)}
		default:
			if o.Generator = w.recovery(o); o.Generator == 0 {
				return nil, nil
			}
		}
		der, err := w.liars.admin.sign(o)
		return &fsm.SubmitOrder{Order: der, At: w.at64()}, err
	case 5:
		return &fsm.FenceUnit{Order: r.Order, Unit: u.Number, At: w.at64()}, nil
	case 6:
		c := &fsm.AssignPartitions{Order: r.Order, At: w.at64()}
		for _, p := range r.Rewrap.Partitions {
			c.Assignments = append(c.Assignments, fsm.Assignment{Partition: p.Index, Lease: p.Lease, Owner: u.Number, Verifier: u.Number, Reset: which%2 == 0})
		}
		return c, nil
	}
	for _, p := range r.Rewrap.Partitions { // nothing is in it, they say
		if !p.Written() {
			return &fsm.PutBatch{Order: r.Order, Partition: p.Index, Pass: p.Pass, Lease: p.Lease, From: p.Cursor, To: p.End}, nil
		}
	}
	return nil, nil
}

// cloneOrder has the administrators sign for a cluster that was made of a copy of this one: what they sign there is not for here.
func (w *world) cloneOrder(arg uint64) error {
	view, err := w.truth.View()
	if err != nil {
		return err
	}
	defer view.Close()
	o, err := w.admins.draft(w, view, order.Rotate)
	if err != nil {
		return err
	}
	o.Generator = w.recovery(o)
	if o.Number += arg % 3; arg%2 == 0 {
		o.Incarnation++
	} else {
		o.Cluster = order.ID{9}
	}
	if o.Generator == 0 {
		return nil
	}
	der, err := w.admins.sign(o)
	if err != nil {
		return err
	}
	signed, err := order.DecodeSignedOrder(der)
	if err == nil {
		w.liars.orders = append(w.liars.orders, *signed)
	}
	return err
}

// shown is evidence as a liar's host shows it; forged: with something in it that no unit signed.
func (n *node) showing(arg uint64) (e *order.Evidence, forged bool, err error) {
	w, l := n.world, n.world.liars
	view, err := n.store.View()
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	r, some := view.Rotation()
	if !some || len(l.orders) == 0 {
		return nil, false, nil
	}
	receipt, err := view.Receipt(r.Order)
	if err != nil {
		return nil, false, err
	}
	if e, err = receipt.Evidence(r); err != nil {
		return nil, false, err
	}
	which := int(arg / 8 % 1024)
	switch arg % 8 {
	case 0: // as it is
	case 1: // one statement is withheld
		if len(e.Statements) > 0 {
			at := which % len(e.Statements)
			e.Statements = slices.Delete(e.Statements, at, at+1)
		}
	case 2: // there is nothing to verify
		e.Last, e.Census = 0, order.Counts{}
		e.Statements = slices.DeleteFunc(e.Statements, func(s order.SignedStatement) bool {
			said, err := s.Decode()
			return err == nil && said.Kind == order.Verified
		})
	case 3: // one more statement, of a false importer key or of nobody
		u, _ := view.Unit(uint32(which%len(w.nodes)) + 1)
		kinds := []order.StatementKind{order.Ready, order.Loaded, order.Committed, order.Verified, order.Generated}
		kind := kinds[which/8%4]
		s, err := l.forged(w, r, kind, u, which%2 == 0)
		if err != nil {
			return nil, false, err
		}
		e.Statements, forged = append(e.Statements, s), true
	default: // another order, of before or of a clone, with all that was said under it, and under the open one
		e = &order.Evidence{Order: l.orders[which%len(l.orders)], Administrators: w.admins.der, Last: e.Last, Census: e.Census, Cancel: e.Cancel}
		for _, s := range l.statements {
			if said, err := s.Decode(); err == nil && (said.Order == e.Order.Digest() || arg%8 == 7) {
				e.Statements = append(e.Statements, s)
			}
		}
		if cancel := l.orders[which/3%len(l.orders)]; arg%8 == 6 {
			e.Cancel = &cancel
		}
	}
	return e, forged, nil
}

// host has a liar's host ask something of its unit.
func (n *node) host(arg uint64) (bool, error) {
	if !n.serves() || n.turn.held {
		return false, nil
	}
	e, forged, err := n.showing(arg / 8)
	if err != nil || e == nil {
		return false, err
	}
	l, u, wrote := n.world.liars, n.unit, n.disk.writes
	var said order.SignedStatement
	switch arg % 8 {
	case 0:
		said, err = u.Accept(e.Order)
		forged = false // it is shown the order alone
	case 1:
		var envelopes []order.Envelope
		said, envelopes, err = u.Generate(e)
		l.envelopes = append(l.envelopes, envelopes...)
	case 2:
		if len(l.envelopes) == 0 {
			return false, nil
		}
		said, err = u.Load(e, l.envelopes[arg/1024%uint64(len(l.envelopes))])
	case 3:
		said, err = u.Commit(e)
	case 4:
		said, err = u.Activate(e)
	case 5:
		said, err = u.ClearNew(e)
		forged = false // it looks at the order and at what ends it alone
	case 6:
		err = u.ClearCurrent(order.SignedApproval{Approval: []byte{1}})
	case 7:
		if n.status.Administrators.Imprint() { // whoever holds a new unit may begin with it anew
			return false, nil
		}
		err = u.Zeroize(nil)
		if len(l.approvals) > 0 {
			err = errors.Join(err, u.Zeroize(&l.approvals[arg/1024%uint64(len(l.approvals))]))
		}
	}
	switch {
	case err == nil && (forged || arg%8 > 5):
		return true, violated("a unit obeys evidence alone that every signature in it bears out", "unit %d, call %d", n.number, arg%8)
	case err != nil && n.disk.writes != wrote:
		return true, violated("a refusal changes nothing", "unit %d, call %d: %v", n.number, arg%8, err)
	case err == nil:
		n.world.faults["host-obeyed"]++
		l.statements = append(l.statements, said)
		n.world.facts.really(said)
	}
	return true, nil
}

// strange has a unit that no order names asked to take part.
func (w *world) strange(arg uint64) (bool, error) {
	l := w.liars
	if len(l.orders) == 0 {
		return false, nil
	}
	signed := l.orders[arg%uint64(len(l.orders))]
	_, err := l.stranger.Accept(signed)
	if len(l.envelopes) > 0 {
		_, failed := l.stranger.Load(&order.Evidence{Order: signed, Statements: l.statements}, l.envelopes[arg%uint64(len(l.envelopes))])
		err = errors.Join(err, failed)
	}
	if r := l.stranger.Status().Registers; err == nil || r != masterkey.Empty() {
		return true, violated("no stranger is given a master key", "it holds %v", r)
	}
	return true, nil
}
