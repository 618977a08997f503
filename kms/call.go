package kms

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"tumbler/fsm"
)

// readTimeout is how long a linearizable read waits for the cluster.
const readTimeout = 10 * time.Second

// Caller is who asks, as the adapter read it from the request.
type Caller struct {
	Token       string // bearer token
	Instance    string // instance id that the caller means
	KeyRing     string // "": any
	Correlation string
	Remote      string // address
}

// call is one authorised call: the state that it was judged by and who asks.
type call struct {
	s       *Service
	ctx     context.Context
	caller  Caller
	who     fsm.APIKeyRecord
	cluster fsm.Cluster
	view    View
}

// begin is the choke point: it reads the state, authenticates, authorises and audits, in that order, before anything
// is done. The call must be ended.
func (s *Service) begin(ctx context.Context, caller Caller, action Action, target string) (*call, error) {
	c := &call{s: s, ctx: ctx, caller: caller}
	err := c.authorise(action)
	err = c.audit(action, target, err)
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// beginOn is begin with the key that the call is about.
func (s *Service) beginOn(ctx context.Context, caller Caller, action Action, idOrAlias string) (*call, fsm.Key, error) {
	c, err := s.begin(ctx, caller, action, idOrAlias)
	if err != nil {
		return nil, fsm.Key{}, err
	}
	key, err := c.key(idOrAlias)
	if err != nil {
		c.end()
		return nil, fsm.Key{}, err
	}
	return c, key, nil
}

// audit records what was decided. It gives the refusal, or that the trail cannot be written.
func (c *call) audit(action Action, target string, err error) error {
	event := Event{
		At: c.now(), Action: action, Target: printable(target), Allowed: err == nil,
		Correlation: c.caller.Correlation, Remote: c.caller.Remote,
	}
	if c.who.ID != (fsm.ID{}) {
		event.Principal, event.Name, event.Role = FormatID(c.who.ID), c.who.Name, Role(c.who.Role)
	}
	var refused *Error
	if errors.As(err, &refused) {
		event.Refusal = refused.Code
	}
	if failed := c.s.cfg.Auditor.Record(c.ctx, event); failed != nil && err == nil {
		return ErrUnavailable.because(failed, "the audit trail cannot be written, so nothing was done; try again or ask another node")
	}
	return err
}

func (c *call) authorise(action Action) error {
	view, err := c.s.read(c.ctx)
	if err != nil {
		return explain(err)
	}
	c.view = view
	if !view.ServiceState().Bootstrapped {
		return explain(fsm.ErrNotBootstrapped)
	}
	c.cluster = view.Cluster()
	if err := c.authenticate(); err != nil {
		return explain(err)
	}
	if c.caller.Instance == "" {
		return ErrHeader.with("the instance is not named: give its id in the bluemix-instance header")
	}
	if c.caller.Instance != FormatID(c.cluster.Instance) {
		return ErrInstance.with("this cluster does not serve instance %q", printable(c.caller.Instance))
	}
	if c.caller.KeyRing != "" && c.caller.KeyRing != defaultKeyRing {
		return ErrKeyRing.with("there is no key ring %q: use %q", printable(c.caller.KeyRing), defaultKeyRing)
	}
	if !Role(c.who.Role).May(action) {
		return ErrForbidden.with("role %s does not allow %s", c.who.Role, action)
	}
	return nil
}

// refresh reads the state again.
func (c *call) refresh() error {
	view, err := c.s.read(c.ctx)
	if err != nil {
		return err
	}
	c.end()
	c.view = view
	return nil
}

func (c *call) end() {
	if c.view != nil {
		c.view.Close()
		c.view = nil
	}
}

func (c *call) now() time.Time { return c.s.cfg.Now().UTC() }

// by is how the state remembers the caller.
func (c *call) by() string { return FormatID(c.who.ID) }

// key finds a key by id or alias.
func (c *call) key(idOrAlias string) (fsm.Key, error) {
	id, isID := ParseID(idOrAlias)
	var key fsm.Key
	var err error
	if isID {
		key, err = c.view.Key(id)
	} else if err = checkAlias(idOrAlias); err == nil {
		key, err = c.view.KeyByAlias(idOrAlias)
	}
	var bad *Error
	switch {
	case errors.As(err, &bad), errors.Is(err, fsm.ErrNotFound), errors.Is(err, fsm.ErrKeyNotFound),
		err == nil && (key.Purged || key.Class != fsm.ClassKMS):
		return fsm.Key{}, ErrKeyNotFound.with("there is no key %q in this instance", printable(idOrAlias))
	case err != nil:
		return fsm.Key{}, explain(err)
	}
	return key, nil
}

// open has use work on the blob of the current epoch, and on what it has become if the unit no longer holds its
// master key.
func (c *call) open(number uint64, use func(blob []byte) error) error {
	return c.reread(func() error {
		record, err := c.view.Blob(c.view.Cluster().Epochs.Current, number)
		if err != nil {
			return err
		}
		return use(record.Blob)
	})
}

func (c *call) reread(try func() error) error {
	since := time.Now()
	for attempt := 0; ; attempt++ {
		err := try()
		if !errors.Is(err, ErrPatternUnknown) {
			return err
		}
		if c.s.pause(c.ctx, attempt, since) != nil {
			return explain(err)
		}
		if err := c.refresh(); err != nil {
			return err
		}
	}
}

// seal makes material under the master key, or the two, that the state asks for and puts it into a command. If the
// state has moved on meanwhile it seals again.
func (c *call) seal(material func(under []fsm.Pattern) ([][]byte, error), command func(fsm.Material) fsm.Command) error {
	since := time.Now()
	for attempt := 0; ; attempt++ {
		err := c.sealOnce(material, command)
		if !errors.Is(err, ErrPatternUnknown) && !errors.Is(err, fsm.ErrSealAgain) {
			return explain(err)
		}
		if c.s.pause(c.ctx, attempt, since) != nil {
			return ErrUnavailable.because(err, "the master key kept changing; try again")
		}
		if err := c.refresh(); err != nil {
			return explain(err)
		}
	}
}

func (c *call) sealOnce(material func([]fsm.Pattern) ([][]byte, error), command func(fsm.Material) fsm.Command) error {
	asked := c.view.ServiceState()
	if len(asked.Patterns) == 0 {
		return fsm.ErrNoMasterKey
	}
	blobs, err := material(asked.Patterns)
	if errors.Is(err, ErrPatternUnknown) && asked.MasterKeyRotationInProgress {
		return fsm.ErrMasterKeyRotationInProgress // the state would have said so, had there been anything to propose
	}
	if err != nil {
		return err
	}
	m := fsm.Material{Order: asked.Order}
	for i, blob := range blobs {
		m.Blobs = append(m.Blobs, fsm.PatternBlob{Pattern: asked.Patterns[i], Blob: blob})
	}
	return c.s.propose(c.ctx, command(m))
}

// FormatID writes an id as a UUID.
func FormatID(id fsm.ID) string {
	var out [36]byte
	hex.Encode(out[:8], id[:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:], id[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// ParseID reads a UUID as FormatID writes it, and nothing else.
func ParseID(s string) (fsm.ID, bool) {
	var id fsm.ID
	if len(s) != 36 {
		return id, false
	}
	raw, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	copy(id[:], raw)
	return id, FormatID(id) == s
}
