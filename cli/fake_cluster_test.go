package cli

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// fakeCluster is a fake node with the units of a whole instance behind it. It checks every signature that a workstation
// makes as units do, and plays the rotation that a test gives it.
type fakeCluster struct {
	*fakeNode
	mu       sync.Mutex
	units    []*fakeUnit
	pattern  masterkey.Pattern // of the current master key
	open     *client.OpenOrder
	orders   []*order.Order // accepted, in their order
	approved []*order.Approval
	rotation client.RotationStatus
	retired  []client.RetiredKey
	parts    *fakeParts                          // plays orders whose key comes in parts
	late     time.Duration                       // the node's clock
	asked    func(times int)                     // called with how often the context was asked for
	unknown  func(number uint32, times int) bool // units that have not registered by then
	times    int
}

type fakeUnit struct {
	number         uint32
	role           order.Role
	key            ed25519.PrivateKey
	alive          bool
	joined         bool // and not enrolled
	instance       order.ID
	administrators []byte
	registers      masterkey.Registers
	retired        uint32
}

// newFakeCluster makes operational and recovery units, in imprint mode.
func newFakeCluster(t *testing.T, operational, recovery int) *fakeCluster {
	t.Helper()
	f := &fakeCluster{fakeNode: newFakeNode(t)}
	for n := range operational + recovery {
		role := order.Operational
		if n >= operational {
			role = order.Recovery
		}
		f.units = append(f.units, newFakeUnit(uint32(n+1), role, "unit"))
	}
	f.answer("GET /orders/context", f.context)
	f.answer("GET /members", f.members)
	f.answer("GET /units", f.listUnits)
	f.answer("POST /units/{number}/administrators", f.setAdministrators)
	f.answer("POST /orders", f.submit)
	f.answer("POST /orders/{digest}/approvals", f.approve)
	f.answer("GET /rotation", func(*http.Request) any { f.mu.Lock(); defer f.mu.Unlock(); return f.rotation })
	f.answer("GET /status", func(*http.Request) any {
		f.mu.Lock()
		defer f.mu.Unlock()
		return client.Status{Retired: f.retired}
	})
	f.answer("GET /rotations", func(*http.Request) any { return client.Rotations{} })
	return f
}

func newFakeUnit(number uint32, role order.Role, seed string) *fakeUnit {
	s := sha256.Sum256([]byte{byte(number), seed[0]})
	return &fakeUnit{number: number, role: role, key: ed25519.NewKeyFromSeed(s[:]), alive: true, registers: masterkey.Empty()}
}

func (u *fakeUnit) identity() order.Identity {
	return order.Identity(u.key.Public().(ed25519.PublicKey))
}

func (u *fakeUnit) shown(t *testing.T) client.Unit {
	statement := order.Statement{Kind: order.ReportOnly, Unit: u.number, Generation: 3,
		Report: &order.Report{Role: u.role, Instance: u.instance, Registers: u.registers, Administrators: u.administrators, Retired: u.retired}}
	signed, err := order.SignStatement(&statement, u.identity(), func(b []byte) []byte { return ed25519.Sign(u.key, b) })
	if err != nil {
		t.Error(err)
	}
	der, err := signed.Encode()
	if err != nil {
		t.Error(err)
	}
	return client.Unit{Number: u.number, Role: u.role.String(), Identity: u.identity().String(), Alive: u.alive, Report: der}
}

func (f *fakeCluster) context(*http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times++
	if f.asked != nil {
		f.asked(f.times)
	}
	c := client.OrderContext{Cluster: "11111111-1111-4111-8111-111111111111", Incarnation: 1, Instance: instance, NextNumber: uint64(len(f.orders)) + 1,
		CurrentPattern: ceremony.PatternText(f.pattern), Administrators: f.units[0].administrators, Open: f.open, Now: time.Now().Add(f.late)}
	for _, u := range f.units {
		if f.unknown != nil && f.unknown(u.number, f.times) {
			continue
		}
		identity := u.identity()
		c.Units = append(c.Units, client.OrderUnit{Number: u.number, Role: u.role.String(), Identity: identity[:], Alive: u.alive, Enrolled: !f.pattern.IsZero() && !u.joined})
	}
	return c
}

func (f *fakeCluster) members(*http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var m client.Members
	for _, u := range f.units {
		m.Members = append(m.Members, client.Member{Number: u.number, Alive: u.alive, Voter: true})
	}
	return m
}

func (f *fakeCluster) listUnits(*http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all client.Units
	for _, u := range f.units {
		shown := u.shown(f.t)
		if !u.alive {
			shown.Report, shown.Error = nil, "its node does not answer"
		}
		all.Units = append(all.Units, shown)
	}
	return all
}

func (f *fakeCluster) setAdministrators(r *http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	body := decodeBody[client.SetAdministratorsRequest](f.t, r)
	u := f.units[r.PathValue("number")[0]-'1']
	signed := order.SignedAdministrators{Administrators: body.Administrators}
	for _, s := range body.Signatures {
		signature, err := order.DecodeSignature(s)
		if err != nil {
			f.t.Error(err)
			continue
		}
		signed.Signatures = append(signed.Signatures, *signature)
	}
	if _, err := signed.VerifyFor(u.identity()); err != nil {
		return &client.Error{Code: client.CodeInvalidSignature, Message: err.Error(), ReturnCode: 192, Status: http.StatusForbidden}
	}
	if present, err := order.DecodeAdministrators(u.administrators); err == nil && !present.Imprint() && string(body.Administrators) != string(u.administrators) {
		return &client.Error{Code: client.CodeConflict, Message: "the unit is not in imprint mode", Status: http.StatusConflict}
	}
	u.administrators = body.Administrators
	return client.UnitAnswer{Unit: u.shown(f.t)}
}

func (f *fakeCluster) submit(r *http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	signed, err := order.DecodeSignedOrder(decodeBody[client.SubmitOrderRequest](f.t, r).Order)
	if err != nil {
		return &client.Error{Code: client.CodeInvalidOrder, Message: err.Error(), Status: http.StatusBadRequest}
	}
	list, err := order.DecodeAdministrators(f.units[0].administrators)
	if err != nil {
		f.t.Error(err)
		return nil
	}
	o, err := signed.Verify(list)
	if err != nil {
		return &client.Error{Code: client.CodeTooFewSignatures, Message: err.Error(), ReturnCode: 208, Status: http.StatusForbidden}
	}
	var named []*fakeUnit
	for _, u := range f.units {
		if !u.joined || slices.ContainsFunc(o.Subject.Units, func(s order.UnitRef) bool { return s.Number == u.number }) {
			named = append(named, u)
		}
	}
	for n, u := range named {
		if len(o.Units) != len(named) || o.Units[n].Identity != u.identity() || o.Units[n].Role != u.role {
			f.t.Errorf("the order names %+v, and not unit %d as it is", o.Units, u.number)
			return nil
		}
	}
	f.orders = append(f.orders, o)
	f.done(o)
	if f.rotation.Order == nil || o.Kind.StaysOpen() {
		f.rotation.Order = &client.RotationOrder{Digest: signed.Digest().String(), Number: o.Number, Kind: o.Kind.String(), Generator: o.Generator, Activate: o.Activate.String()}
	}
	switch {
	case f.parts != nil && o.Kind.StaysOpen():
		f.parts.begin(signed, o)
	case f.parts != nil && f.parts.o != nil && o.Kind == order.Cancel:
		f.parts.cancel(signed)
	case o.Kind == order.Cancel:
		f.rotation.State = client.StateCancelled
	}
	return client.SubmittedOrder{Digest: signed.Digest().String(), Number: o.Number, Kind: o.Kind.String(), State: client.StatePreparing}
}

// done does what units do by themselves under an order that does not stay open.
func (f *fakeCluster) done(o *order.Order) {
	about := func(u *fakeUnit) bool {
		return slices.ContainsFunc(o.Subject.Units, func(s order.UnitRef) bool { return s.Number == u.number })
	}
	switch o.Kind { //nolint:exhaustive // the others change nothing at once
	case order.Enrol:
		for _, u := range f.units {
			if about(u) {
				u.joined, u.instance, u.administrators = false, o.Instance, f.units[0].administrators
			}
		}
	case order.Remove:
		f.units = slices.DeleteFunc(f.units, about)
	case order.Administration:
		for _, u := range f.units {
			if u.alive {
				u.administrators = o.Subject.Administrators
			}
		}
	case order.DestroyRetired:
		f.retired = slices.DeleteFunc(f.retired, func(k client.RetiredKey) bool { return k.Pattern == o.Subject.Pattern.String() })
	}
}

func (f *fakeCluster) approve(r *http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	signed, err := order.DecodeSignedApproval(decodeBody[client.ApprovalRequest](f.t, r).Approval)
	if err != nil {
		f.t.Error(err)
		return nil
	}
	list, err := order.DecodeAdministrators(f.units[0].administrators)
	if err != nil {
		f.t.Error(err)
		return nil
	}
	approval, err := signed.Verify(list)
	if err != nil || approval.Order.String() != r.PathValue("digest") {
		f.t.Errorf("%v, %v", err, approval)
		return nil
	}
	f.approved = append(f.approved, approval)
	if f.parts != nil {
		f.parts.approvedStep(approval.Step, signed)
		return client.Done{}
	}
	f.rotation.State = client.StateComplete
	return client.Done{}
}

// testPassword protects what tests make.
const testPassword = "correct horse"

// mustInit makes the instance have a key and administrators Alice and Bob, of whom the folder knows the keys and two must
// sign; and the folder know the units.
func (f *fakeCluster) mustInit() {
	f.t.Helper()
	f.env[signing.EnvSigKeyPassword] = testPassword
	f.rotation = client.RotationStatus{State: client.StateComplete}
	f.must("", "tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2", "--administrators", "2", "--name", "Alice", "--name", "Bob", "--yes")
	f.pattern = masterkey.PatternOf(make([]byte, masterkey.Size))
	for _, u := range f.units {
		u.registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: f.pattern, New: masterkey.NewEmpty}
	}
	f.rotation = client.RotationStatus{}
}

// hold puts an order under way, as an administrator would have signed it.
func (f *fakeCluster) hold(kind, state string) {
	f.t.Helper()
	c, ok := f.context(nil).(client.OrderContext)
	if !ok {
		f.t.Fatal("no context")
	}
	o, err := ceremony.Draft(order.Rotate, c, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	list, err := ceremony.Administrators(c)
	if err != nil {
		f.t.Fatal(err)
	}
	o.Generator, o.Activate = uint32(len(f.units)), order.Signed
	if o.Administrators, err = list.Digest(); err != nil {
		f.t.Fatal(err)
	}
	der, err := o.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	signed := order.SignedOrder{Order: der}
	encoded, err := signed.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	digest := signed.Digest().String()
	f.open = &client.OpenOrder{Digest: digest, Number: o.Number, Kind: kind, State: state, Pattern: strings.Repeat("2", 56) + "00000000", Order: encoded}
	f.rotation = rotating(1, state, 1000, 1000)
	f.rotation.Order.Digest, f.rotation.Order.Number, f.rotation.Hold = digest, o.Number, true
}

// fingerprints writes a file with the fingerprint of every unit.
func (f *fakeCluster) fingerprints() string {
	f.t.Helper()
	var b strings.Builder
	b.WriteString("# read from each unit by its operator\n")
	for _, u := range f.units {
		identity := u.identity()
		b.WriteString(string(rune('0'+u.number)) + " " + hex.EncodeToString(identity[:]) + "\n")
	}
	path := filepath.Join(f.t.TempDir(), "fingerprints.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func (f *fakeCluster) folder() *workstation.Folder {
	f.t.Helper()
	folder, err := workstation.Open(f.env[workstation.Env], workstation.LeastWorkFactor)
	if err != nil {
		f.t.Fatal(err)
	}
	return folder
}
