package order_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// The cast of every test: three operational units, two recovery units, four
// administrators, all from fixed keys.
var (
	cluster  = order.ID{0xc1, 15: 0x01}
	instance = order.ID{0x1a, 15: 0x02}
	keyA     = patternOf('A')
	keyB     = patternOf('B')
	keyC     = patternOf('C')
)

func patternOf(letter byte) masterkey.Pattern {
	key := make([]byte, masterkey.Size)
	for i := range key {
		key[i] = letter
	}
	return masterkey.PatternOf(key)
}

func unitKey(number uint32) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "unit %d", number))
	return ed25519.NewKeyFromSeed(seed[:])
}

func identity(number uint32) order.Identity {
	return order.Identity(unitKey(number).Public().(ed25519.PublicKey))
}

func signAs(number uint32) func([]byte) []byte {
	return func(message []byte) []byte { return ed25519.Sign(unitKey(number), message) }
}

func units(numbers ...uint32) []order.UnitRef {
	refs := make([]order.UnitRef, len(numbers))
	for i, n := range numbers {
		role := order.Operational
		if n > 3 {
			role = order.Recovery
		}
		refs[i] = order.UnitRef{Number: n, Role: role, Identity: identity(n)}
	}
	return refs
}

// keys are the people's, made once: P-521 is slow under the race detector.
var keys sync.Map

// person is an administrator with a key made of a name; it signs as RFC 6979
// has it, so that one document has one signature.
type person struct {
	name string
	key  *ecdsa.PrivateKey
}

func newPerson(t testing.TB, name string) person {
	t.Helper()
	if known, ok := keys.Load(name); ok {
		return person{name, known.(*ecdsa.PrivateKey)}
	}
	d := sha512.Sum512([]byte(name))
	scalar := append([]byte{0, 0}, d[:]...)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), scalar)
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(name, key)
	return person{name, key}
}

func (p person) Public() *ecdsa.PublicKey { return &p.key.PublicKey }

func (p person) SignMessage(message []byte) ([]byte, error) {
	digest := sha512.Sum512(message)
	return p.key.Sign(nil, digest[:], crypto.SHA512)
}

func (p person) administrator(t testing.TB) order.Administrator {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(p.Public())
	if err != nil {
		t.Fatal(err)
	}
	return order.Administrator{Name: p.name, Key: der}
}

func (p person) ski(t testing.TB) order.SKI {
	t.Helper()
	return must(order.SKIOf(p.Public()))(t)
}

func people(t testing.TB) []person {
	t.Helper()
	return []person{newPerson(t, "Ada"), newPerson(t, "Blaise"), newPerson(t, "Charles"), newPerson(t, "Dénes")}
}

// board is a list of the first n people with the given thresholds.
func board(t testing.TB, n int, signature, revocation uint32) *order.Administrators {
	t.Helper()
	list := &order.Administrators{Signature: signature, Revocation: revocation}
	for _, p := range people(t)[:n] {
		list.List = append(list.List, p.administrator(t))
	}
	return list
}

// must hands back a value, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func boardDigest(t testing.TB) order.Digest { return must(board(t, 3, 2, 2).Digest())(t) }

// newOrder is a valid order of each kind, number 7 of its instance.
func newOrder(t testing.TB, kind order.Kind) *order.Order {
	t.Helper()
	o := &order.Order{
		Kind: kind, Cluster: cluster, Incarnation: 1, Instance: instance, Number: 7, Current: keyA,
		Units: units(1, 2, 3, 4, 5), Suite: order.SuiteHPKE, Administrators: boardDigest(t),
		Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
	}
	s := &o.Subject
	switch kind {
	case order.Init:
		o.Generator, o.Current = 4, masterkey.Pattern{}
	case order.Rotate:
		o.Generator = 4
	case order.Recover:
		o.Generator, s.Pattern, s.Units = 4, keyA, units(2, 5)
	case order.Enrol:
		o.Units, s.Units = units(1, 2, 4, 5), units(3)
	case order.Remove:
		s.Units = units(3)
	case order.Administration:
		s.Administrators = must(board(t, 4, 3, 2).Encode())(t)
	case order.Settle:
		s.Order, s.OrderNumber = rotateDigest(t), 7
		s.Blobs = []order.BlobName{
			{Number: 17, Class: order.KMS, Digest: sha256.Sum256([]byte("blob 17"))},
			{Number: 1_000_000, Class: order.SystemInternal, Digest: sha256.Sum256([]byte("blob 1000000"))},
		}
	case order.Restore:
		s.Archive, s.Incarnation, s.Units = sha256.Sum256([]byte("archive")), 2, units(6)
	case order.DestroyRetired:
		s.Pattern = keyC
	case order.Cancel:
		s.Order, s.OrderNumber = rotateDigest(t), 7
	}
	if kind == order.Cancel || kind == order.Settle {
		o.Number = 8
	}
	return o
}

func kinds() []order.Kind {
	return []order.Kind{
		order.Init, order.Rotate, order.Recover, order.Enrol, order.Remove, order.Administration, order.Settle,
		order.Restore, order.DestroyRetired, order.Cancel,
	}
}

func signedOrder(t testing.TB, o *order.Order, by ...person) *order.SignedOrder {
	t.Helper()
	s := &order.SignedOrder{Order: must(o.Encode())(t)}
	for _, p := range by {
		if err := s.Sign(p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func rotateDigest(t testing.TB) order.Digest {
	t.Helper()
	return signedOrder(t, newOrder(t, order.Rotate)).Digest()
}

func importerKey(unit uint32) []byte {
	key := make([]byte, order.SuiteHPKE.ImporterKeySize())
	for i := range key {
		key[i] = byte(i) ^ byte(unit)
	}
	return key
}

func envelopeNames(numbers ...uint32) []order.EnvelopeName {
	var names []order.EnvelopeName
	for _, n := range numbers {
		names = append(names, order.EnvelopeName{Unit: n, Digest: sha256.Sum256(fmt.Appendf(nil, "envelope for %d", n))})
	}
	return names
}

func statementKinds() []order.StatementKind {
	return []order.StatementKind{
		order.ReportOnly, order.Ready, order.Generated, order.Loaded, order.Committed, order.Verified, order.Activated,
		order.Cleared, order.CannotOpen,
	}
}

// newStatement is what a unit says of each kind, under the rotate order of
// newOrder.
func newStatement(t testing.TB, kind order.StatementKind, unit uint32) *order.Statement {
	t.Helper()
	s := &order.Statement{Kind: kind, Cluster: cluster, Incarnation: 1, Order: rotateDigest(t), Unit: unit, Generation: 40 + uint64(kind)}
	report := &order.Report{
		Role: units(unit)[0].Role, Instance: instance, Administrators: must(board(t, 3, 2, 2).Encode())(t), LastOrder: 7,
		OpenOrder: s.Order, Retired: 1,
		Registers: masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: keyA, New: masterkey.NewEmpty},
	}
	switch kind {
	case order.ReportOnly:
		s.Order, s.Report = order.Digest{}, report
	case order.Ready:
		s.Report, s.Importer = report, importerKey(unit)
	case order.Generated:
		s.Pattern, s.Envelopes = keyB, envelopeNames(1, 2, 3, 5)
	case order.Loaded, order.Committed, order.Activated:
		s.Pattern = keyB
	case order.Verified:
		s.Verification = &order.Verification{Partition: 2, Pass: 1, Last: 3000, Counts: order.Counts{0, 1000, 0}}
	case order.Cleared:
	case order.CannotOpen:
		s.Blob = &order.BlobName{Number: 17, Class: order.KMS, Digest: sha256.Sum256([]byte("blob 17"))}
	}
	return s
}

func signedStatement(t testing.TB, s *order.Statement) *order.SignedStatement {
	t.Helper()
	return must(order.SignStatement(s, identity(s.Unit), signAs(s.Unit)))(t)
}

func newApproval(t testing.TB, step order.Step) *order.Approval {
	t.Helper()
	a := &order.Approval{Step: step, Cluster: cluster, Incarnation: 1}
	if step == order.StepClearCurrent || step == order.StepZeroize {
		a.Unit, a.Generation = identity(3), 52
	} else {
		a.Order, a.Pattern = rotateDigest(t), keyB
	}
	return a
}

func signedApproval(t testing.TB, a *order.Approval, by ...person) *order.SignedApproval {
	t.Helper()
	s := &order.SignedApproval{Approval: must(a.Encode())(t)}
	for _, p := range by {
		if err := s.Sign(p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func envelopeContext(t testing.TB) *order.EnvelopeContext {
	t.Helper()
	return &order.EnvelopeContext{
		Cluster: cluster, Order: rotateDigest(t), Source: identity(4), Target: identity(2), Importer: importerKey(2), Pattern: keyB,
	}
}

// newEnvelope is unit 4's for unit 2; newPart is Ada's part 1 for unit 2.
func newEnvelope(t testing.TB) *order.Envelope {
	t.Helper()
	e := &order.Envelope{Suite: order.SuiteHPKE, Order: rotateDigest(t), Unit: 2, Source: identity(4), Sealed: importerKey(9)[:1168]}
	if err := e.SignAsUnit(must(envelopeContext(t).Info())(t), signAs(4)); err != nil {
		t.Fatal(err)
	}
	return e
}

func partContext(t testing.TB) *order.EnvelopeContext {
	t.Helper()
	c := envelopeContext(t)
	c.Source, c.Pattern, c.Part = people(t)[0].ski(t), masterkey.Pattern{}, 1
	return c
}

func newPart(t testing.TB) *order.Envelope {
	t.Helper()
	e := newEnvelope(t)
	e.Part, e.Source = 1, people(t)[0].ski(t)
	if err := e.SignAsAdministrator(must(partContext(t).Info())(t), people(t)[0]); err != nil {
		t.Fatal(err)
	}
	return e
}

// newPartReply is unit 3's to the custodian of part 1, while part 3 waits too.
func newPartReply(t testing.TB) *order.PartReply {
	t.Helper()
	return &order.PartReply{Cluster: cluster, Incarnation: 1, Order: rotateDigest(t), Unit: 3, Part: 1, Pattern: keyB, Waiting: []uint32{1, 3}}
}

func signedPartReply(t testing.TB, p *order.PartReply) *order.SignedPartReply {
	t.Helper()
	return must(order.SignPartReply(p, identity(p.Unit), signAs(p.Unit)))(t)
}

// newCardPart is Ada's part 1 for unit 2, from a smart card.
func newCardPart(t testing.TB, suite order.Suite) *order.Envelope {
	t.Helper()
	e := newPart(t)
	size := map[order.Suite]int{order.SuiteRSA: 512, order.SuiteECDH: 173}
	e.Suite, e.Sealed = suite, e.Sealed[:size[suite]]
	if err := e.SignAsAdministrator(must(partContext(t).Info())(t), people(t)[0]); err != nil {
		t.Fatal(err)
	}
	return e
}
