// Package cryptounit is the HSM boundary: the only code that sees a key in
// the clear. It imports the standard library and its two leaves alone, so that
// it can be audited in an hour and moved to another process or to a real HSM
// by changing one constructor.
//
// It promises: a master key moves only under an order that a quorum of the
// unit's own administrators signed, and only as far as the evidence that the
// unit verifies itself allows; a statement is signed only about what the
// sealed file already holds; no key leaves in the clear but the payload of an
// extractable one and what a caller unwraps; a step that was taken is taken
// again without harm; a refusal changes nothing.
package cryptounit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Config is what a unit is opened with.
type Config struct {
	// Dir holds the sealed file; it is made if it does not exist. One unit a folder.
	Dir string
	// Folder is Dir on another disk than this machine's; nil: on this machine's.
	Folder Folder
	// Number counts from 1, and Role is fixed when the unit is first opened.
	Number uint32
	Role   order.Role
	Sealer Sealer
	// OneCustodian lets one administrator give several key parts although two or more must sign.
	OneCustodian bool
	// Now is the clock that not-after is judged by; nil: time.Now.
	Now func() time.Time
}

// Unit is one crypto unit. Its methods are safe for concurrent use.
type Unit struct {
	now          func() time.Time
	oneCustodian bool // see Config

	// control is held over a whole change, its write included, so that changes come one after the other. It guards file.
	control sync.Mutex
	file    stateFile

	// mu guards the two below; whoever sets them holds control too. Keys are used under its read lock, so a change stalls
	// them only while it is taken up, never while it is written.
	mu      sync.RWMutex
	content *content // replaced as a whole, never changed in place
	stopped error    // why nothing more is done: closed, or a write failed half-way
}

// Open opens the unit of a folder, or makes one with a fresh identity. A
// sealed file that is damaged, foreign or of another format is ErrStateFile.
func Open(config Config) (*Unit, error) {
	u, err := newUnit(config)
	if err != nil {
		return nil, err
	}
	if err := u.file.makeDir(); err != nil {
		return nil, err
	}
	c, err := u.file.read()
	if err != nil {
		return nil, err
	}
	if c == nil {
		if c, err = blank(config.Number, config.Role, 1); err != nil {
			return nil, err
		}
		if err := u.file.write(c); err != nil {
			return nil, err
		}
	}
	if c.Number != config.Number || c.Role != config.Role {
		freeAll(c.secrets())
		return nil, refuse(ErrStateFile, "%s is of crypto unit %d (%v), not of %d (%v): give each unit its own folder",
			u.file.path(), c.Number, c.Role, config.Number, config.Role)
	}
	u.content = c
	return u, nil
}

// newUnit is a unit without a content.
func newUnit(config Config) (*Unit, error) {
	if config.Number == 0 || config.Role != order.Operational && config.Role != order.Recovery || config.Sealer == nil {
		return nil, errors.New("a crypto unit needs a number from 1, a role and a sealer")
	}
	if err := protectProcess(); err != nil {
		return nil, err
	}
	u := &Unit{file: stateFile{dir: config.Dir, folder: config.Folder, sealer: config.Sealer}, now: config.Now, oneCustodian: config.OneCustodian}
	if u.now == nil {
		u.now = time.Now
	}
	return u, nil
}

// blank is a unit in imprint mode with a fresh identity.
func blank(number uint32, role order.Role, generation uint64) (*content, error) {
	var identity *secret
	var err error
	inSecret(func() {
		seed := make([]byte, ed25519.SeedSize)
		random(madeIdentity, seed)
		identity, err = secretOf(seed)
	})
	if err != nil {
		return nil, err
	}
	list, err := (&order.Administrators{}).Encode()
	if err != nil {
		return nil, err
	}
	return &content{identity: identity, self: identityOf(identity), public: public{
		Number: number, Role: role, Generation: generation, Registers: masterkey.Empty(), Administrators: list,
	}}, nil
}

// Close erases the keys from memory. The file stays.
func (u *Unit) Close() error {
	u.control.Lock()
	defer u.control.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.content != nil {
		freeAll(u.content.secrets())
	}
	u.content, u.stopped = nil, ErrClosed
	return nil
}

// Status is what a unit shows of itself.
type Status struct {
	Number         uint32
	Role           order.Role
	Identity       order.Identity
	Cluster        order.ID
	Instance       order.ID
	Incarnation    uint64
	Generation     uint64
	Registers      masterkey.Registers
	Administrators order.Administrators
	LastOrder      uint64
	OpenOrder      order.Digest // zero: none
	Retired        []masterkey.Pattern
}

// Status returns the unit's status; after Close the zero Status.
func (u *Unit) Status() Status {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.content == nil {
		return Status{}
	}
	return u.content.status()
}

func (c *content) status() Status {
	s := Status{
		Number: c.Number, Role: c.Role, Identity: c.identityKey(), Cluster: c.Cluster, Instance: c.Instance,
		Incarnation: c.Incarnation, Generation: c.Generation, Registers: c.Registers, LastOrder: c.LastOrder,
		OpenOrder: c.openDigest(),
	}
	if list, err := order.DecodeAdministrators(c.Administrators); err == nil {
		s.Administrators = *list
	}
	for _, r := range c.Retired {
		s.Retired = append(s.Retired, r.Pattern)
	}
	return s
}

// Report returns a signed report at the unit's present generation.
func (u *Unit) Report() (order.SignedStatement, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped != nil {
		return order.SignedStatement{}, u.stopped
	}
	return u.content.sign(&order.Statement{Kind: order.ReportOnly, Report: u.content.report()})
}

// Reseal writes the unit's file anew, so that its sealer seals it as it does
// now: after a sealing key was replaced. A file that the sealer does not open
// any more is ErrStateFile and stays as it is, for it must open at the next
// start whatever happens meanwhile.
func (u *Unit) Reseal() error {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	if err := u.file.opens(); err != nil {
		return err
	}
	return u.update(func(*content) error { return nil })
}

func (c *content) openDigest() order.Digest {
	if c.Open == nil || c.Open.Activated || c.Open.Cleared || c.Open.Sealed {
		return order.Digest{}
	}
	return c.Open.Digest
}

func (c *content) report() *order.Report {
	return &order.Report{
		Role: c.Role, Instance: c.Instance, Registers: c.Registers, Administrators: c.Administrators,
		LastOrder: c.LastOrder, OpenOrder: c.openDigest(), Retired: uint32(len(c.Retired)),
	}
}

func (c *content) identityKey() order.Identity { return c.self }

// identityOf gives the public key of an identity.
func identityOf(seed *secret) (identity order.Identity) {
	inSecret(func() { identity = order.Identity(ed25519.NewKeyFromSeed(seed.bytes).Public().(ed25519.PublicKey)) })
	return identity
}

func (c *content) signature(message []byte) (sig []byte) {
	inSecret(func() { sig = ed25519.Sign(ed25519.NewKeyFromSeed(c.identity.bytes), message) })
	return sig
}

// sign fills in who and when, and signs. The content must be durable.
func (c *content) sign(s *order.Statement) (order.SignedStatement, error) {
	s.Cluster, s.Incarnation, s.Unit, s.Generation = c.Cluster, c.Incarnation, c.Number, c.Generation
	signed, err := order.SignStatement(s, c.identityKey(), c.signature)
	if err != nil {
		return order.SignedStatement{}, err
	}
	return *signed, nil
}

// update makes a change durable and then takes it up; the caller holds
// control. A refusal of change changes nothing, nor does a write that fails
// before it touches the file. After one that fails later the unit does nothing
// more: what the file holds is only known when it is read again.
func (u *Unit) update(change func(*content) error) error {
	if u.stopped != nil {
		return u.stopped
	}
	next := u.content.clone()
	if err := change(next); err != nil {
		dropUnused(next, u.content)
		return err
	}
	next.Generation++
	if err := u.file.write(next); err != nil {
		if errors.Is(err, errHalfWritten) {
			u.mu.Lock()
			u.stopped = fmt.Errorf("%w after a write that failed: restart the node: %w", ErrClosed, err)
			u.mu.Unlock()
			return err
		}
		dropUnused(next, u.content)
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	dropUnused(u.content, next)
	u.content = next
	return nil
}

// dropUnused erases the secrets that the next content no longer has.
func dropUnused(was, is *content) {
	kept := map[*secret]bool{}
	for _, s := range is.secrets() {
		kept[s] = true
	}
	for _, s := range was.secrets() {
		if s != nil && !kept[s] {
			s.free()
		}
	}
}

// stated is update with a statement about the change, signed once the change
// is durable.
func (u *Unit) stated(statement *order.Statement, change func(*content) error) (order.SignedStatement, error) {
	if err := u.update(change); err != nil {
		return order.SignedStatement{}, err
	}
	return u.content.sign(statement)
}
