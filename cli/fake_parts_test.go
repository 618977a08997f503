package cli

import (
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// fakeParts plays an order whose key comes in parts, with the units of a fake cluster: what each step waits for is order.Needs,
// as it is in the state.
type fakeParts struct {
	*fakeCluster
	signed   *order.SignedOrder
	o        *order.Order
	evidence order.Evidence
	importer map[uint32]fakeImporter
	waiting  map[uint32]map[uint32][]byte // of each unit, by number
	signers  map[uint32]order.SKI         // of each part
	state    string
	to       masterkey.Pattern // of the first that loaded
	hold     string            // a state that it does not leave

	forged map[uint32]ed25519.PrivateKey                // signs replies in the place of units
	silent map[uint32]bool                              // units whose nodes do not answer
	lie    func(unit uint32, reply *order.PartReply)    // what a node makes of a reply
	taking func(unit, part uint32, value []byte) []byte // what a unit takes instead of a part
	took   func()                                       // called at every later question for the evidence
}

// rsaImporter is made once: it takes its time.
var rsaImporter = sync.OnceValues(func() (fakeImporter, error) {
	private, public, err := importer.NewRSA()
	return fakeImporter{public, func(_, sealed []byte) ([]byte, error) { return importer.OpenRSA(private, sealed) }}, err
})

func playParts(f *fakeCluster) *fakeParts {
	p := &fakeParts{fakeCluster: f, importer: map[uint32]fakeImporter{}, waiting: map[uint32]map[uint32][]byte{}, signers: map[uint32]order.SKI{}, silent: map[uint32]bool{}}
	f.parts = p
	f.answer("GET /rotations/{digest}/receipt", p.receipt)
	f.answer("POST /units/{number}/parts", p.load)
	f.answer("POST /units/{number}/clear-current", p.clearCurrent)
	return p
}

// mustInstall gives every unit the administrators Alice and Bob (and more), of whom as many must sign.
func (f *fakeCluster) mustInstall(threshold uint32, names ...string) {
	f.t.Helper()
	f.env[signing.EnvSigKeyPassword] = "harbour-violet-7"
	list := &order.Administrators{Signature: threshold, Revocation: 1}
	var keyNums []int
	for _, name := range names {
		info, err := f.folder().AddSigKey(name, "harbour-violet-7")
		if err != nil {
			f.t.Fatal(err)
		}
		list.List = append(list.List, info.Administrator())
		keyNums = append(keyNums, info.KeyNum)
	}
	if err := f.folder().SelectSigKeys(keyNums); err != nil {
		f.t.Fatal(err)
	}
	der, err := list.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, u := range f.units {
		u.administrators = der
	}
}

// mustHold gives every unit a master key.
func (f *fakeCluster) mustHold() {
	f.pattern = masterkey.PatternOf(make([]byte, masterkey.Size))
	for _, u := range f.units {
		u.registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: f.pattern, New: masterkey.NewEmpty}
	}
}

// mustAddParts makes key parts of known values in the folder, one a description.
func (f *fakeCluster) mustAddParts(firsts ...byte) {
	f.t.Helper()
	f.env["TUMBLER_KEYPART_PASSWORD"] = "meadow-copper-9"
	for _, first := range firsts {
		if _, err := f.folder().AddKeyPart(fmt.Sprintf("part of %d", first), partValue(first), "meadow-copper-9"); err != nil {
			f.t.Fatal(err)
		}
	}
}

func partValue(first byte) []byte {
	value := make([]byte, masterkey.Size)
	for i := range value {
		value[i] = first + byte(i*i)
	}
	return value
}

// patternOf is that of the key that parts come to.
func patternOf(firsts ...byte) masterkey.Pattern {
	value := make([]byte, masterkey.Size)
	for _, first := range firsts {
		subtle.XORBytes(value, value, partValue(first))
	}
	return masterkey.PatternOf(value)
}

// begin opens an order; the cluster is locked.
func (p *fakeParts) begin(signed *order.SignedOrder, o *order.Order) {
	p.signed, p.o, p.state, p.to = signed, o, client.StatePreparing, masterkey.Pattern{}
	p.evidence = order.Evidence{Order: *signed, Administrators: p.units[0].administrators}
	for _, u := range p.units {
		key, err := newFakeImporter(o.Suite)
		if err != nil {
			p.t.Error(err)
			return
		}
		p.importer[u.number], p.waiting[u.number] = key, map[uint32][]byte{}
		p.say(u, order.Statement{Kind: order.Ready, Importer: key.public,
			Report: &order.Report{Role: u.role, Instance: o.Instance, Registers: u.registers, Administrators: u.administrators}})
	}
	p.advance()
}

func (p *fakeParts) say(u *fakeUnit, s order.Statement) {
	s.Cluster, s.Incarnation, s.Order, s.Unit, s.Generation = p.o.Cluster, p.o.Incarnation, p.signed.Digest(), u.number, uint64(10+len(p.evidence.Statements))
	signed, err := order.SignStatement(&s, u.identity(), func(b []byte) []byte { return ed25519.Sign(u.key, b) })
	if err != nil {
		p.t.Error(err)
		return
	}
	p.evidence.Statements = append(p.evidence.Statements, *signed)
}

// advance goes on as far as it can, and lets the units follow.
func (p *fakeParts) advance() {
	for p.state != p.hold && p.step() {
	}
	p.show()
}

func (p *fakeParts) step() bool {
	list, err := order.DecodeAdministrators(p.evidence.Administrators)
	if err != nil {
		p.t.Error(err)
		return false
	}
	record, err := p.evidence.Verify(list)
	if err != nil {
		p.t.Error(err)
		return false
	}
	met := func(step order.Step) bool { return order.Needs(step, 0, record) == nil }
	was := p.state
	switch p.state {
	case client.StatePreparing:
		if met(order.StepLoad) {
			p.state = client.StateLoading
		}
	case client.StateLoading:
		if (&ceremony.OrderAtHand{Record: record}).WaitsOnlyForSignatures(order.StepCommit) {
			p.state = client.StateCommitting
		}
	case client.StateCommitting:
		for _, u := range p.units {
			if met(order.StepCommit) && !p.silent[u.number] && u.registers.New == masterkey.NewFullUncommitted {
				u.registers.New = masterkey.NewFullCommitted
				p.say(u, order.Statement{Kind: order.Committed, Pattern: u.registers.NewPattern})
				return true
			}
		}
		if p.o.Kind == order.Rotate && met(order.StepRewrap) {
			p.state = client.StateRewrapping
		} else if p.o.Kind == order.Init && met(order.StepSetImmediate) {
			p.flip()
		}
	case client.StateRewrapping:
		p.state = client.StateRewrapped
	case client.StateRewrapped:
		if record.Approved(order.StepActivate) != nil {
			p.flip()
		}
	}
	return p.state != was
}

func (p *fakeParts) flip() {
	for _, u := range p.units {
		u.registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: u.registers.NewPattern, New: masterkey.NewEmpty}
		p.say(u, order.Statement{Kind: order.Activated, Pattern: u.registers.CurrentPattern})
	}
	p.pattern, p.state = p.units[0].registers.CurrentPattern, client.StateComplete
}

func (p *fakeParts) cancel(signed *order.SignedOrder) {
	p.evidence.Cancel, p.state = signed, client.StateCancelled
	for _, u := range p.units {
		u.registers.New, u.registers.NewPattern = masterkey.NewEmpty, masterkey.Pattern{}
	}
	p.show()
}

// show makes the node tell what there is.
func (p *fakeParts) show() {
	der, err := p.signed.Encode()
	if err != nil {
		p.t.Error(err)
	}
	digest := p.signed.Digest().String()
	to := ceremony.PatternText(p.to)
	p.open = &client.OpenOrder{Digest: digest, Number: p.o.Number, Kind: p.o.Kind.String(), State: p.state, Pattern: to, Order: der}
	if client.Finished(p.state) {
		p.open = nil
	}
	version := p.rotation.Version + 1
	p.rotation = rotating(version, p.state, 0, 0)
	if p.o.Kind == order.Rotate && p.state == client.StateComplete {
		p.rotation = rotating(version, p.state, 1000, 1000)
	}
	p.rotation.Order = &client.RotationOrder{Digest: digest, Number: p.o.Number, Kind: p.o.Kind.String(), Commit: "signed", Activate: "signed", KeyParts: int(p.o.Parts)}
	p.rotation.Hold, p.rotation.PatternAfter = p.o.Kind == order.Rotate, to
	if p.state == client.StateComplete {
		p.rotation.PatternAfter = p.pattern.String()
	}
}

func (p *fakeParts) receipt(*http.Request) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took != nil {
		p.took()
	}
	der, err := p.evidence.Encode()
	if err != nil {
		p.t.Error(err)
	}
	return client.Receipt{Digest: p.signed.Digest().String(), State: p.state, Receipt: der}
}

func (p *fakeParts) unitOf(r *http.Request) *fakeUnit {
	return p.units[r.PathValue("number")[0]-'1']
}

// approved takes what administrators signed for a step.
func (p *fakeParts) approvedStep(step order.Step, signed *order.SignedApproval) {
	if step == order.StepActivate && p.state != client.StateRewrapping && p.state != client.StateRewrapped {
		p.t.Errorf("activation is approved while it is %s, and no state takes it then", p.state)
	}
	p.evidence.Approvals = append(p.evidence.Approvals, *signed)
	p.advance()
}

func (p *fakeParts) clearCurrent(r *http.Request) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.unitOf(r)
	signed, err := order.DecodeSignedApproval(decodeBody[client.ClearCurrentRequest](p.t, r).Approval)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	list, err := order.DecodeAdministrators(u.administrators)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	a, err := signed.Verify(list)
	if err != nil || a.Step != order.StepClearCurrent || a.Unit != u.identity() || a.Generation != 3 || a.Cluster.IsZero() || a.Incarnation != 1 {
		return &client.Error{Code: client.CodeTooFewSignatures, Message: fmt.Sprint(err), ReturnCode: 208, Status: http.StatusForbidden}
	}
	u.registers.Current, u.registers.CurrentPattern = masterkey.CurrentEmpty, masterkey.Pattern{}
	return client.UnitAnswer{Unit: u.shown(p.t)}
}

// onWorkstation does something on another workstation.
func (f *fakeCluster) onWorkstation(t *testing.T, dir string, do func()) {
	t.Helper()
	was := f.env[workstation.Env]
	f.env[workstation.Env] = dir
	defer func() { f.env[workstation.Env] = was }()
	do()
}

// signersOf names the administrators who signed parts 1, 2, 3.
func (p *fakeParts) signersOf() (names []string) {
	list, err := order.DecodeAdministrators(p.units[0].administrators)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, k := range slices.Sorted(maps.Keys(p.signers)) {
		admin, _ := list.Find(p.signers[k])
		names = append(names, admin.Name)
	}
	return names
}
