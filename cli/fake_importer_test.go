package cli

// How units of a fake cluster take key parts.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/subtle"
	"fmt"
	"net/http"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// fakeImporter is a unit's importer key.
type fakeImporter struct {
	public []byte
	open   func(info, sealed []byte) ([]byte, error)
}

func newFakeImporter(suite order.Suite) (fakeImporter, error) {
	switch suite {
	case order.SuiteRSA:
		return rsaImporter()
	case order.SuiteECDH:
		private, public, err := importer.ECDHFromSeed(workstation.RandomKeyPart())
		return fakeImporter{public, func(_, sealed []byte) ([]byte, error) { return importer.OpenECDH(private, sealed) }}, err
	case order.SuiteHPKE:
	}
	key, err := importer.KEM().GenerateKey()
	if err != nil {
		return fakeImporter{}, err
	}
	return fakeImporter{key.PublicKey().Bytes(), func(info, sealed []byte) ([]byte, error) {
		return hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	}}, nil
}

// load is what a node and its unit make of a key part.
func (p *fakeParts) load(r *http.Request) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, body := p.unitOf(r), decodeBody[client.LoadPartRequest](p.t, r)
	if p.silent[u.number] {
		return &client.Error{Code: client.CodeUnitUnreachable, Message: fmt.Sprintf("node %d does not answer", u.number), Status: http.StatusServiceUnavailable}
	}
	if body.Order != p.signed.Digest().String() {
		return &client.Error{Code: client.CodeNotFound, Message: "another order", Status: http.StatusNotFound}
	}
	e, value := p.opened(u, body.Envelope)
	if e == nil {
		return &client.Error{Code: "key_part_envelope", Message: "the envelope does not open", Status: http.StatusForbidden}
	}
	if u.registers.New != masterkey.NewEmpty {
		return client.LoadedPart{Loaded: true}
	}
	if p.taking != nil {
		value = p.taking(u.number, e.Part, value)
	}
	if other, waits := p.waiting[u.number][e.Part]; waits && !bytes.Equal(other, value) {
		return &client.Error{Code: "key_part_waits", Message: fmt.Sprintf("another key part waits in the crypto unit under that number: part %d", e.Part), Hint: "cancel the order", Status: http.StatusConflict}
	}
	p.waiting[u.number][e.Part], p.signers[e.Part] = value, order.SKI(e.Source)
	answer := client.LoadedPart{Loaded: p.combine(u)}
	reply := &order.PartReply{Cluster: p.o.Cluster, Incarnation: p.o.Incarnation, Order: p.signed.Digest(), Unit: u.number, Part: e.Part, Pattern: masterkey.PatternOf(value)}
	for k := range uint32(4) {
		if _, waits := p.waiting[u.number][k]; waits {
			reply.Waiting = append(reply.Waiting, k)
		}
	}
	if p.lie != nil {
		p.lie(u.number, reply)
	}
	key := u.key
	if forged := p.forged[u.number]; forged != nil {
		key = forged
	}
	signed, err := order.SignPartReply(reply, order.Identity(key.Public().(ed25519.PublicKey)), func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		p.t.Error(err)
		return nil
	}
	if answer.Reply, err = signed.Encode(); err != nil {
		p.t.Error(err)
	}
	p.advance()
	return answer
}

// opened gives what an envelope holds if it is one for this unit.
func (p *fakeParts) opened(u *fakeUnit, der []byte) (*order.Envelope, []byte) {
	e, err := order.DecodeEnvelope(der)
	if err != nil {
		p.t.Error(err)
		return nil, nil
	}
	key := p.importer[u.number]
	bound := order.EnvelopeContext{Cluster: p.o.Cluster, Order: p.signed.Digest(), Source: e.Source, Target: u.identity(), Importer: key.public, Part: e.Part}
	info, err := bound.Info()
	if err != nil {
		p.t.Error(err)
		return nil, nil
	}
	list, err := order.DecodeAdministrators(u.administrators)
	if err == nil {
		err = e.VerifyAdministrator(info, list)
	}
	var value []byte
	if err == nil {
		value, err = key.open(info, e.Sealed)
	}
	if err != nil || e.Unit != u.number || e.Suite != p.o.Suite {
		p.t.Errorf("an envelope for unit %d: %v", e.Unit, err)
		return nil, nil
	}
	return e, value
}

// combine loads the new register when every part is there.
func (p *fakeParts) combine(u *fakeUnit) bool {
	parts := p.waiting[u.number]
	if len(parts) < int(p.o.Parts) {
		return false
	}
	value := make([]byte, masterkey.Size)
	for _, part := range parts {
		subtle.XORBytes(value, value, part)
	}
	u.registers.New, u.registers.NewPattern = masterkey.NewFullUncommitted, masterkey.PatternOf(value)
	clear(parts)
	if p.to.IsZero() {
		p.to = u.registers.NewPattern
	}
	if p.to != u.registers.NewPattern { // the state takes one pattern only
		return true
	}
	p.say(u, order.Statement{Kind: order.Loaded, Pattern: u.registers.NewPattern})
	return true
}
