package converge

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// refuses has a member propose what nobody signed.
func (r *rig) refuses(what string, c fsm.Command, want error) {
	r.t.Helper()
	before := r.index
	if _, err := r.propose(c); !errors.Is(err, want) {
		r.t.Errorf("%s: %v, not %v", what, err, want)
	}
	if r.index != before {
		r.t.Errorf("%s: it is in the log", what)
	}
}

// TestForgedStatementsAreNotProposed: in each step of a rotation that goes through, and of one that is cancelled, what a unit is
// about to state is first proposed by somebody else, without the unit's signature.
func TestForgedStatementsAreNotProposed(t *testing.T) {
	r := newRig(t)
	met := map[order.StatementKind]bool{}
	r.meet = func(c fsm.Command) {
		meet := r.meet
		defer func() { r.meet = meet }()
		r.meet = nil
		switch c := c.(type) {
		case *fsm.SubmitStatement:
			kind, forged := unsigned(t, c.Statement)
			r.refuses(kind.String(), &fsm.SubmitStatement{Statement: forged, Envelopes: c.Envelopes, At: c.At}, fsm.ErrSignature)
			met[kind] = true
		case *fsm.RegisterUnit:
			kind, forged := unsigned(t, c.Report)
			lie := *c
			lie.Report = forged
			r.refuses("a report", &lie, fsm.ErrSignature)
			met[kind] = true
		}
	}
	r.must(r.submit(order.Init, nil))
	r.until(fsm.StateComplete)
	r.rotate(nil)
	r.until(fsm.StateComplete)
	r.rotate(nil)
	r.until(fsm.StateCommitting)
	r.must(r.cancel())
	r.until(fsm.StateCancelled)
	for _, kind := range []order.StatementKind{
		order.ReportOnly, order.Ready, order.Generated, order.Loaded, order.Committed, order.Activated, order.Cleared,
	} {
		if !met[kind] {
			t.Errorf("no %v was met", kind)
		}
	}
}

// unsigned is a statement as its unit makes it, but for the signature.
func unsigned(t *testing.T, der []byte) (order.StatementKind, []byte) {
	t.Helper()
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		t.Fatal(err)
	}
	said, err := signed.Decode()
	if err != nil {
		t.Fatal(err)
	}
	signed.Signature[0] ^= 1
	forged, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return said.Kind, forged
}

// TestWhatIsSaidOfBlobsIsExaminedToo: verified and cannot-open, and a signature that is right, but not of the unit.
func TestWhatIsSaidOfBlobsIsExaminedToo(t *testing.T) {
	r := initialised(t)
	r.rotate(func(o *order.Order) { o.Activate = order.Signed })
	r.until(fsm.StateRewrapped)
	known, digest := r.known(2), order.Digest(r.rotation().Order)
	for _, s := range []*order.Statement{
		{Kind: order.Verified, Order: digest, Generation: known.Generation + 1, Verification: &order.Verification{Pass: 1, Last: 1}},
		{Kind: order.CannotOpen, Order: digest, Generation: known.Generation + 1, Blob: &order.BlobName{Number: 1, Class: 2, Digest: order.Digest{1}}},
	} {
		r.refuses(s.Kind.String(), &fsm.SubmitStatement{Statement: forge(t, known.Identity, 2, s)}, fsm.ErrSignature)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	committed := &order.Statement{Kind: order.Committed, Cluster: order.ID{1}, Incarnation: 1, Order: digest, Unit: 2, Generation: 99, Pattern: masterkey.Pattern{1}}
	signed, err := order.SignStatement(committed, order.Identity(public), func(b []byte) []byte { return ed25519.Sign(private, b) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.propose(&fsm.SubmitStatement{Statement: der}); !errors.Is(err, fsm.ErrStatementUnit) {
		t.Errorf("signed by another identity than the unit's: %v", err)
	}
}

// TestForgedOrdersAreNotProposed: nor approvals, whoever they say that they are of.
func TestForgedOrdersAreNotProposed(t *testing.T) {
	r := initialised(t)
	right := r.admin
	for _, n := range r.nodes {
		if err := n.speaker.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hold := func(o *order.Order) { o.Activate = order.Signed }
	r.admin = order.KeySigner{Key: stranger}
	r.refuses("a rotation that a stranger signed", r.submit(order.Rotate, hold), fsm.ErrSignature)
	own := func(o *order.Order) { o.Administrators = order.Digest{1} }
	r.refuses("a rotation for another list", r.submit(order.Rotate, own), fsm.ErrAdministratorsDiffer)
	r.admin = right
	good := r.submit(order.Rotate, hold)
	r.refuses("a rotation that nobody signed", bare(t, good), fsm.ErrSignature)
	r.must(good)

	r.admin = order.KeySigner{Key: stranger}
	r.refuses("a cancel that a stranger signed", r.cancel(), fsm.ErrSignature)
	r.refuses("a cancel of another order", r.submit(order.Cancel, func(o *order.Order) {
		o.Generator, o.Subject = 0, order.Subject{Order: order.Digest{1}, OrderNumber: 1}
	}), fsm.ErrOrderUnknown)
	r.admin = right
	r.refuses("a cancel that nobody signed", bare(t, r.cancel()), fsm.ErrSignature)

	r.until(fsm.StateRewrapped)
	r.admin = order.KeySigner{Key: stranger}
	r.refuses("an approval that a stranger signed", r.approval(), fsm.ErrSignature)
	other := r.approval()
	other.Order = fsm.Digest{1}
	r.refuses("an approval of another order", other, fsm.ErrOrderUnknown)
	r.admin = right
	r.must(r.approval())
	r.until(fsm.StateComplete)
}

// TestAStatementOfTheUnitIsNotDisowned: an old report of a unit, which anybody can repeat, does not take back what the unit said
// after it.
func TestAStatementOfTheUnitIsNotDisowned(t *testing.T) {
	r := initialised(t)
	old := r.known(2)
	r.rotate(nil)
	r.until(fsm.StateLoading)
	known := r.known(2)
	if known.Generation <= old.Generation {
		t.Fatal("unit 2 has said nothing since")
	}
	disown := &fsm.DisownStatement{Number: 2, Identity: known.Identity, Stated: sha256.Sum256(known.Stated), Report: old.Report}
	r.refuses("a genuine statement", disown, fsm.ErrStatementConflict)
	disown.Stated = fsm.Digest{1}
	r.refuses("a statement that the state does not hold", disown, fsm.ErrStatementConflict)
	r.until(fsm.StateComplete)
}

// TestWhatWasAcceptedIsAcceptedAgain: an order and an approval whose answer was lost, and a statement, whoever the administrators
// are by now.
func TestWhatWasAcceptedIsAcceptedAgain(t *testing.T) {
	r := initialised(t)
	var said []fsm.Command
	r.meet = func(c fsm.Command) { said = append(said, c) }
	r.rotate(func(o *order.Order) { o.Activate = order.Signed })
	r.until(fsm.StateRewrapped)
	r.must(r.approval())
	r.until(fsm.StateComplete)
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r.must(r.submit(order.Administration, func(o *order.Order) { o.Generator, o.Subject.Administrators = 0, listOf(t, "bob", key) }))
	for acted := true; acted; {
		acted = false
		for _, n := range r.nodes {
			did, err := n.converger.Step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			acted = acted || did
		}
	}
	r.meet = nil
	for _, c := range said {
		if _, err := r.propose(c); errors.Is(err, fsm.ErrSignature) || errors.Is(err, fsm.ErrAdministratorsDiffer) {
			t.Errorf("%T again: %v", c, err)
		}
	}
}

// TestALeaderThatIsBehindRefusesNothing: one that has just begun to lead has yet to apply what the proposer knows.
func TestALeaderThatIsBehindRefusesNothing(t *testing.T) {
	r := initialised(t)
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bob := listOf(t, "bob", key)
	change := r.encode(r.submit(order.Administration, func(o *order.Order) { o.Generator, o.Subject.Administrators = 0, bob }))
	list, err := order.DecodeAdministrators(bob)
	if err != nil {
		t.Fatal(err)
	}
	r.list, r.admin = *list, order.KeySigner{Key: key}
	rotate, err := fsm.Encode(r.submit(order.Rotate, nil), fsm.NewRequestID(r.index+1))
	if err != nil {
		t.Fatal(err)
	}
	waits := noticed{t.Context(), make(chan struct{}, 1)}
	answers := make(chan []byte, 1)
	go func() {
		answer, err := r.examiner().Examine(waits, 1, rotate)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	select {
	case <-waits.asked:
	case answer := <-answers:
		_, err := fsm.DecodeResult(answer)
		t.Fatalf("the leader does not wait: %v", err)
	}
	if _, err := r.apply(change); err != nil {
		t.Fatal(err)
	}
	if answer := <-answers; answer != nil {
		_, err := fsm.DecodeResult(answer)
		t.Errorf("an order of the new administrators: %v", err)
	}
}

// noticed is a context that tells when somebody begins to wait.
type noticed struct {
	context.Context
	asked chan struct{}
}

func (n noticed) Done() <-chan struct{} {
	select {
	case n.asked <- struct{}{}:
	default:
	}
	return n.Context.Done()
}

func listOf(t *testing.T, name string, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	list := order.Administrators{List: []order.Administrator{{Name: name, Key: spki}}, Signature: 1, Revocation: 1}
	der, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// bare takes an order's signatures away.
func bare(t *testing.T, c *fsm.SubmitOrder) *fsm.SubmitOrder {
	t.Helper()
	signed, err := order.DecodeSignedOrder(c.Order)
	if err != nil {
		t.Fatal(err)
	}
	signed.Signatures = nil
	der, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &fsm.SubmitOrder{Order: der, At: c.At}
}

// approval is of the activation of the rotation's key.
func (r *rig) approval() *fsm.SubmitApproval {
	r.t.Helper()
	rotation := r.rotation()
	a := &order.Approval{Step: order.StepActivate, Cluster: order.ID{1}, Incarnation: 1, Order: order.Digest(rotation.Order), Pattern: masterkey.Pattern(rotation.To)}
	der, err := a.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	signed := &order.SignedApproval{Approval: der}
	if err := signed.Sign(r.admin); err != nil {
		r.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	return &fsm.SubmitApproval{Order: rotation.Order, Approval: encoded}
}
