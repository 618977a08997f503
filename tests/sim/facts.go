package main

import (
	"bytes"
	"maps"
	"slices"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// facts are what really happened, noted where it happened: what the invariants are judged by. Nothing of the product reads them.
type facts struct {
	views   map[uint64]*fsm.View // of the replica that nothing befalls, by index, as long as some node may come to it
	digests map[uint64][32]byte
	// blobs are the bytes of each number in each epoch that was the current one.
	blobs map[uint64]map[uint64][]byte
	// unopened are blobs of which no unit that was up held the master key.
	unopened []func() error
	spokenAt map[order.Identity]uint64
	heardAt  map[order.Identity]uint64
	// patterns are those that units held in their new register, by the order.
	patterns  map[order.Digest]map[masterkey.Pattern]bool
	orders    map[order.Digest]*order.Order // that administrators signed for this cluster
	did       map[deed]map[uint32]bool
	cancelled map[order.Digest]bool
	writers   map[pass]map[uint32]bool
	verifiers map[pass]map[uint32]bool
	covers    map[fsm.Digest]uint64 // 1..N of an order, as it was verified
	said      map[saying]map[uint32]bool
	aside     map[uint64]bool // blobs that a quorum set aside
	garbage   map[uint64]bool // blobs that no unit opens, by their number
	completed fsm.Digest
	custody   map[order.Digest]*custody
	parted    error // what a custodian heard was wrong
}

// pass is one pass of a partition under an order.
type pass struct {
	order     fsm.Digest
	partition uint32
	pass      uint32
}

// saying is a kind of statement under an order.
type saying struct {
	order fsm.Digest
	kind  order.StatementKind
}

// deed is what units stated about a key under an order.
type deed struct {
	order   order.Digest
	kind    order.StatementKind
	pattern masterkey.Pattern
}

func newFacts() *facts {
	return &facts{
		views: map[uint64]*fsm.View{}, digests: map[uint64][32]byte{}, blobs: map[uint64]map[uint64][]byte{},
		spokenAt: map[order.Identity]uint64{}, heardAt: map[order.Identity]uint64{}, patterns: map[order.Digest]map[masterkey.Pattern]bool{}, orders: map[order.Digest]*order.Order{}, did: map[deed]map[uint32]bool{},
		cancelled: map[order.Digest]bool{}, writers: map[pass]map[uint32]bool{}, verifiers: map[pass]map[uint32]bool{}, covers: map[fsm.Digest]uint64{},
		said: map[saying]map[uint32]bool{}, aside: map[uint64]bool{}, garbage: map[uint64]bool{}, custody: map[order.Digest]*custody{},
	}
}

// clone is the same facts, for another world that goes on from here.
func (f *facts) clone() *facts {
	c := newFacts()
	for epoch, blobs := range f.blobs {
		c.blobs[epoch] = maps.Clone(blobs)
	}
	c.spokenAt, c.heardAt = maps.Clone(f.spokenAt), maps.Clone(f.heardAt)
	return c
}

// maxViews is how far a replica may be behind and still be compared.
const maxViews = 48

func (f *facts) keepView(index uint64, view *fsm.View) {
	f.views[index] = view
	if old := f.views[index-maxViews]; old != nil {
		old.Close()
		delete(f.views, index-maxViews)
	}
}

// digest is that of the state at an index, if it is still known.
func (f *facts) digest(index uint64) (sum [32]byte, known bool, err error) {
	if sum, known = f.digests[index]; known {
		return sum, true, nil
	}
	view := f.views[index]
	if view == nil {
		return sum, false, nil
	}
	sum, err = view.Digest()
	f.digests[index] = sum
	return sum, err == nil, err
}

func (f *facts) close() {
	for _, v := range f.views {
		v.Close()
	}
	f.views = nil
}

// blobsOf are those of an epoch that was the current one, to be noted.
func (f *facts) blobsOf(epoch uint64) map[uint64][]byte {
	if f.blobs[epoch] == nil {
		f.blobs[epoch] = map[uint64][]byte{}
	}
	return f.blobs[epoch]
}

// held notes a pattern that a unit has in its new register, and gives how many there were under the order.
func (f *facts) held(digest order.Digest, pattern masterkey.Pattern) int {
	if f.patterns[digest] == nil {
		f.patterns[digest] = map[masterkey.Pattern]bool{}
	}
	f.patterns[digest][pattern] = true
	return len(f.patterns[digest])
}

func note[K comparable](of map[K]map[uint32]bool, k K, unit uint32) {
	if of[k] == nil {
		of[k] = map[uint32]bool{}
	}
	of[k][unit] = true
}

// spoke notes what leaves a node of its unit's statements.
func (f *facts) spoke(n *node, data []byte) {
	kind := fsm.KindOf(data)
	if kind != fsm.KindSubmitStatement && kind != fsm.KindRegisterUnit {
		return
	}
	command, _, err := fsm.Decode(data)
	if err != nil {
		return
	}
	if s, identity, signed := statementOf(command); s != nil {
		f.really(*signed)
		f.spokenAt[identity] = max(f.spokenAt[identity], s.Generation)
	}
}

// really notes what a unit signed.
func (f *facts) really(signed order.SignedStatement) {
	if s, err := signed.Decode(); err == nil {
		note(f.did, deed{s.Order, s.Kind, s.Pattern}, s.Unit)
	}
}

// statementOf is what a command says that a unit signed.
func statementOf(command fsm.Command) (*order.Statement, order.Identity, *order.SignedStatement) {
	var der []byte
	switch c := command.(type) {
	case *fsm.SubmitStatement:
		der = c.Statement
	case *fsm.RegisterUnit:
		der = c.Report
	case *fsm.DisownStatement:
		der = c.Report
	}
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		return nil, order.Identity{}, nil
	}
	s, err := signed.Decode()
	if err != nil {
		return nil, order.Identity{}, nil
	}
	return s, signed.Identity, signed
}

// signed notes an order that administrators signed.
func (f *facts) signed(o *order.Order) {
	f.orders[digestOf(o)] = o
	if o.Kind == order.Cancel {
		f.cancelled[o.Subject.Order] = true
	}
}

// took notes what an accepted entry means, as far as it is signed by those whom it names.
func (f *facts) took(e *entry, from *node) {
	switch c := e.command.(type) {
	case *fsm.SubmitStatement, *fsm.RegisterUnit, *fsm.DisownStatement:
		s, identity, signed := statementOf(c)
		if s == nil {
			return
		}
		if _, err := signed.Verify(identity); err != nil {
			return
		}
		f.heardAt[identity] = max(f.heardAt[identity], s.Generation)
		note(f.said, saying{fsm.Digest(s.Order), s.Kind}, s.Unit)
		if v := s.Verification; v != nil {
			note(f.verifiers, pass{fsm.Digest(s.Order), v.Partition, v.Pass}, s.Unit)
			f.covers[fsm.Digest(s.Order)] = v.Last
		}
	case *fsm.PutBatch:
		if from != nil {
			note(f.writers, pass{c.Order, c.Partition, c.Pass}, from.number)
		}
	case *fsm.AssignPartitions:
		for _, a := range c.Assignments {
			if a.Reset {
				f.void(c.Order, a.Partition)
			}
		}
	case *fsm.SubmitOrder:
		f.ordered(c)
	case *fsm.CreateKey:
		f.brought(e, c.Material)
	case *fsm.AddKeyVersion:
		f.brought(e, c.Material)
	}
}

// ordered notes what a quorum set aside.
func (f *facts) ordered(c *fsm.SubmitOrder) {
	signed, err := order.DecodeSignedOrder(c.Order)
	if err != nil {
		return
	}
	if o, err := signed.Decode(); err == nil && o.Kind == order.Settle {
		for _, b := range o.Subject.Blobs {
			f.aside[b.Number] = true
			last := f.covers[fsm.Digest(o.Subject.Order)]
			for p := range order.Partitions(last) {
				if from, to, _ := order.PartitionRange(last, p); b.Number >= from && b.Number <= to {
					f.void(fsm.Digest(o.Subject.Order), p)
				}
			}
		}
	}
}

// void: what was verified of a partition so far is to be verified again.
func (f *facts) void(digest fsm.Digest, partition uint32) {
	maps.DeleteFunc(f.verifiers, func(p pass, _ map[uint32]bool) bool { return p.order == digest && p.partition == partition })
}

// brought notes a blob that no unit will open: who made it says so by its last byte.
func (f *facts) brought(e *entry, m fsm.Material) {
	if bytes.HasSuffix(m.Blobs[0].Blob, spoiltTail) {
		f.garbage[e.result.Blob] = true
	}
}

// spoiltTail ends blobs that a client's node spoilt before it proposed them.
var spoiltTail = []byte("spoilt")

// holder is a unit that holds a master key, and is up.
func (w *world) holder(pattern masterkey.Pattern) *cryptounit.Unit {
	for _, n := range w.nodes {
		if n.process == nil {
			continue
		}
		r := n.status.Registers
		if r.CurrentPattern == pattern || r.New == masterkey.NewFullCommitted && r.NewPattern == pattern {
			return n.unit
		}
	}
	return nil
}

// takesPart: its unit is up as the order names it, not fenced, and has the newest of its files.
func (n *node) takesPart(view *fsm.View, r fsm.Rotation) bool {
	u, known := view.Unit(n.number)
	named, is := view.Record().Order.Unit(n.number)
	return n.process != nil && n.newest == nil && known && !u.IsFenced() && slices.Contains(r.Plan.Loads, n.number) && is && named.Identity == n.status.Identity
}

// differs: its replica is not what was agreed on, since its disk has another blob, or had one that was set aside.
func (n *node) differs(view *fsm.View) bool {
	for number, epoch := range n.damaged {
		blob, err := view.Blob(epoch, number)
		if n.world.facts.aside[number] || err == nil && !bytes.Equal(blob.Blob, n.world.facts.blobs[epoch][number]) {
			return true
		}
	}
	return false
}

// numbersOf are the blobs of an epoch.
func numbersOf(view *fsm.View, epoch uint64) (numbers []uint64, err error) {
	return numbers, view.Blobs(epoch, 0, 1<<40, func(n uint64, _ []byte) (bool, error) {
		numbers = append(numbers, n)
		return true, nil
	})
}

// sameButSwept: of the blobs that an epoch ever had, the swept ones are gone.
func (w *world) sameButSwept(want, have []uint64, index uint64) bool {
	live := w.keys.expected(index)
	want = slices.DeleteFunc(slices.Clone(want), func(n uint64) bool { _, is := live[n]; return !is })
	return slices.Equal(want, slices.DeleteFunc(slices.Clone(have), func(n uint64) bool { _, is := live[n]; return !is }))
}

// passOf is the last pass of the partition that a number of the rewrap is in; of none, where nobody verified.
func passOf(r fsm.Rotation, n uint64) pass {
	for p := range order.Partitions(r.Rewrap.N) {
		if from, to, _ := order.PartitionRange(r.Rewrap.N, p); from <= n && n <= to {
			return pass{r.Order, p, r.Rewrap.Partitions[p].Pass}
		}
	}
	return pass{}
}

// another: some unit verified that did not write.
func another(verified, wrote map[uint32]bool) bool {
	for n := range verified {
		if !wrote[n] {
			return true
		}
	}
	return false
}
