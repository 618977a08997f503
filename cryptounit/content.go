package cryptounit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// content is what the sealed file holds: everything that the unit is. Every change is made on a copy, written, and only
// then taken up.
type content struct {
	public
	identity *secret        // Ed25519 seed
	self     order.Identity // its public key, so that the seed is used to sign alone
	current  *secret        // nil when the register is Empty
	next     *secret        // of the new register
	importer *secret        // what the importer key is made of (importer.go); nil when no order waits for a key
	parts    []*secret
	retired  []*secret // in the order of Retired
}

// public is the part of the content that is no secret.
type public struct {
	Number         uint32
	Role           order.Role
	Cluster        order.ID
	Instance       order.ID
	Incarnation    uint64
	Generation     uint64
	Registers      masterkey.Registers
	Administrators []byte // order.Administrators, DER
	LastOrder      uint64
	Open           *openOrder
	Retired        []retiredKey
}

// openOrder is the order that the unit has accepted and not finished.
type openOrder struct {
	Digest    order.Digest
	Order     []byte // order.SignedOrder, DER
	Importer  []byte // public importer key; empty once it is erased
	Private   []byte `json:",omitempty"` // of order.SuiteRSA: the private key, sealed under content.importer
	Pattern   masterkey.Pattern
	Envelopes [][]byte    // of the generator, until it has loaded others: to publish the same again
	Parts     []uint32    // numbers of the parts that wait
	Sources   []order.SKI `json:",omitempty"` // who gave each of them; none where an older release took them
	Notes     []note      // partitions that this unit rewrapped
	Activated bool
	Cleared   bool
	Sealed    bool // this unit is the source of a recover and has sealed the key for its targets: nothing more awaits it
}

// note says that the unit writes, or wrote, a partition in a pass.
type note struct{ Partition, Pass uint32 }

// retiredKey names a former master key that a recovery unit keeps.
type retiredKey struct {
	Pattern masterkey.Pattern
	Since   int64 // seconds since 1970
}

func (o *openOrder) noted(n note) bool {
	for _, known := range o.Notes {
		if known == n {
			return true
		}
	}
	return false
}

// clone copies all but the secrets, which are shared: they never change.
func (c *content) clone() *content {
	d := *c
	if c.Open != nil {
		open := *c.Open
		open.Notes = append([]note(nil), c.Open.Notes...)
		open.Parts = append([]uint32(nil), c.Open.Parts...)
		open.Sources = append([]order.SKI(nil), c.Open.Sources...)
		d.Open = &open
	}
	d.Retired = append([]retiredKey(nil), c.Retired...)
	d.retired = append([]*secret(nil), c.retired...)
	d.parts = append([]*secret(nil), c.parts...)
	return &d
}

// secrets lists the secrets in the order of the file; absent ones are nil.
func (c *content) secrets() []*secret {
	return append(append([]*secret{c.identity, c.current, c.next, c.importer}, c.parts...), c.retired...)
}

// check reports whether secrets and words agree.
func (c *content) check() error {
	if err := c.Registers.Check(); err != nil {
		return err
	}
	if c.identity == nil || (c.current != nil) != (c.Registers.Current == masterkey.CurrentValid) ||
		(c.next != nil) != (c.Registers.New != masterkey.NewEmpty) || len(c.retired) != len(c.Retired) {
		return fmt.Errorf("its registers and its words disagree")
	}
	if c.Generation == 0 || c.Generation > math.MaxInt64 || c.Number == 0 || c.Role != order.Operational && c.Role != order.Recovery {
		return fmt.Errorf("it has no generation, number or role")
	}
	if !c.current.of(c.Registers.CurrentPattern) || !c.next.of(c.Registers.NewPattern) {
		return fmt.Errorf("a register holds another key than its pattern says")
	}
	for i, r := range c.Retired {
		if c.Role != order.Recovery || c.retired[i] == nil || !c.retired[i].of(r.Pattern) {
			return fmt.Errorf("it has a retired key that is not what it says")
		}
	}
	if _, err := order.DecodeAdministrators(c.Administrators); err != nil {
		return err
	}
	return c.checkOpen()
}

// checkOpen: what belongs to an open order is there with it, and with it alone.
func (c *content) checkOpen() error {
	open := c.Open
	if open == nil {
		open = new(openOrder)
	}
	active := c.openDigest() != (order.Digest{})
	if (c.importer != nil) != (len(open.Importer) > 0) || c.importer == nil && len(open.Private) > 0 || len(c.parts) != len(open.Parts) || len(open.Sources) > 0 && len(open.Sources) != len(open.Parts) {
		return fmt.Errorf("its importer key or its parts and its words disagree")
	}
	for _, part := range c.parts {
		if part == nil {
			return fmt.Errorf("a part is missing")
		}
	}
	if !active && (c.importer != nil || c.next != nil || len(c.parts) > 0) {
		return fmt.Errorf("it holds secrets of an order that is not open")
	}
	if c.next != nil && open.Pattern != c.Registers.NewPattern {
		return fmt.Errorf("its new register holds another key than its order brought")
	}
	if c.Open == nil || open.Cleared {
		return nil
	}
	signed, err := order.DecodeSignedOrder(open.Order)
	if err != nil {
		return err
	}
	if signed.Digest() != open.Digest {
		return fmt.Errorf("its open order has another digest")
	}
	return nil
}

// marshal returns length ‖ words ‖ a presence byte and 32 bytes a secret. The caller erases it.
func (c *content) marshal() ([]byte, error) {
	words, err := json.Marshal(c.public)
	if err != nil {
		return nil, err
	}
	secrets := c.secrets()
	b := make([]byte, 0, 4+len(words)+(1+secretSize)*len(secrets))
	b = binary.BigEndian.AppendUint32(b, uint32(len(words)))
	b = append(b, words...)
	for _, s := range secrets {
		if s == nil {
			b = append(b, make([]byte, 1+secretSize)...)
			continue
		}
		b = append(b, 1)
		b = append(b, s.bytes...)
	}
	return b, nil
}

// unmarshalContent reads what marshal wrote, and nothing else.
func unmarshalContent(b []byte) (*content, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("it is too short")
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, fmt.Errorf("it is cut off")
	}
	c := new(content)
	words := json.NewDecoder(bytes.NewReader(b[:n]))
	words.DisallowUnknownFields()
	if err := words.Decode(&c.public); err != nil {
		return nil, err
	}
	if again, err := json.Marshal(c.public); err != nil || !bytes.Equal(again, b[:n]) {
		return nil, fmt.Errorf("its words are not in the form that this release writes")
	}
	b = b[n:]
	if len(b)%(1+secretSize) != 0 || len(b) < 4*(1+secretSize) {
		return nil, fmt.Errorf("it is cut off")
	}
	waiting := 0
	if c.Open != nil {
		waiting = len(c.Open.Parts)
	}
	if n := len(b) / (1 + secretSize); n != 4+waiting+len(c.Retired) {
		return nil, fmt.Errorf("it has %d secrets", n)
	}
	all, err := unmarshalSecrets(b)
	if err != nil {
		return nil, err
	}
	c.identity, c.current, c.next, c.importer = all[0], all[1], all[2], all[3]
	c.parts, c.retired = all[4:4+waiting:4+waiting], all[4+waiting:]
	if err := c.check(); err != nil {
		freeAll(all)
		return nil, err
	}
	c.self = identityOf(c.identity)
	return c, nil
}

// unmarshalSecrets moves the secrets out of b, which it erases.
func unmarshalSecrets(b []byte) (all []*secret, err error) {
	for ; len(b) > 0; b = b[1+secretSize:] {
		if absent := make([]byte, 1+secretSize); bytes.Equal(b[:1+secretSize], absent) {
			all = append(all, nil)
			continue
		}
		if b[0] != 1 {
			freeAll(all)
			return nil, fmt.Errorf("it has a secret that is neither there nor absent")
		}
		s, err := secretOf(b[1 : 1+secretSize])
		if err != nil {
			freeAll(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func freeAll(secrets []*secret) {
	for _, s := range secrets {
		s.free()
	}
}
