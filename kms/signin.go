package kms

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"tumbler/fsm"
)

// signingKeyID is the id of the token-signing key, a system internal key: the same in every cluster.
func signingKeyID() fsm.ID {
	sum := sha256.Sum256([]byte("tumbler/v1/token-signing-key"))
	return fsm.ID(sum[:16])
}

// Token is a bearer token.
type Token struct {
	AccessToken string
	Expires     time.Time
	Life        time.Duration
}

// IssueToken gives a bearer token for an API key's secret.
func (s *Service) IssueToken(ctx context.Context, secret string, caller Caller) (Token, error) {
	c := &call{s: s, ctx: ctx, caller: caller}
	defer c.end()
	err := c.audit(ActionToken, "", c.identify(secret))
	if err != nil {
		return Token{}, err
	}
	now := c.now()
	expires := now.Add(s.cfg.TokenLife)
	cl := claims{
		Issuer: tokenIssuer, Subject: FormatID(c.who.ID), Audience: FormatID(c.cluster.Instance), ID: FormatID(newID()),
		Issued: now.Unix(), Expires: expires.Unix(),
	}
	mac, err := c.mac(cl.signingInput())
	if errors.Is(err, errNoSigningKey) {
		if err = c.makeSigningKey(); err == nil {
			if err = c.refresh(); err == nil {
				mac, err = c.mac(cl.signingInput())
			}
		}
	}
	if err != nil {
		return Token{}, explain(err)
	}
	return Token{AccessToken: encodeToken(cl, mac), Expires: expires, Life: s.cfg.TokenLife}, nil
}

// Prepare makes the token-signing key if there is none, so that the first caller need not wait for it, nor meet a
// rotation. A node may call it once there is a master key.
func (s *Service) Prepare(ctx context.Context) error {
	view, err := s.read(ctx)
	if err != nil {
		return err
	}
	c := &call{s: s, ctx: ctx, view: view, cluster: view.Cluster()}
	defer c.end()
	if _, _, err := c.signingKey(); !errors.Is(err, errNoSigningKey) {
		return explain(err)
	}
	return c.makeSigningKey()
}

// identify finds the API key that the secret belongs to.
func (c *call) identify(secret string) error {
	view, err := c.s.read(c.ctx)
	if err != nil {
		return explain(err)
	}
	c.view = view
	state := view.ServiceState()
	if !state.Bootstrapped {
		return explain(fsm.ErrNotBootstrapped)
	}
	c.cluster = view.Cluster()
	id, hash, ok := parseAPIKey(secret)
	if !ok {
		return ErrAPIKey.with("this is not an API key: `tumbler kms apikey create` makes one")
	}
	record, err := view.APIKey(id)
	if missing(err) || err == nil && !sameHash(record.Hash, hash) {
		return ErrAPIKey.with("there is no such API key: `tumbler kms apikey create` makes one")
	}
	if err != nil {
		return explain(err)
	}
	c.who = record
	if len(state.Patterns) == 0 {
		return explain(fsm.ErrNoMasterKey)
	}
	return nil
}

// authenticate finds the API key that the caller's token was issued to.
func (c *call) authenticate() error {
	if c.caller.Token == "" {
		return ErrUnauthorized.with("no bearer token: get one from /identity/token with an API key")
	}
	if len(c.view.ServiceState().Patterns) == 0 {
		return fsm.ErrNoMasterKey
	}
	bad := ErrUnauthorized.with("the token is not valid: get a new one from /identity/token with an API key")
	cl, ok, err := c.claims()
	if err != nil {
		return err
	}
	if !ok || cl.Audience != FormatID(c.cluster.Instance) {
		return bad
	}
	if cl.expired(c.now()) {
		return ErrTokenExpired.with("the token has expired: get a new one from /identity/token with an API key")
	}
	id, ok := ParseID(cl.Subject)
	if !ok {
		return bad
	}
	record, err := c.view.APIKey(id)
	if missing(err) {
		return ErrUnauthorized.with("the API key of this token was deleted")
	}
	if err == nil {
		c.who = record
	}
	return err
}

// claims reads the caller's token, and has the unit check its MAC unless that was done before.
func (c *call) claims() (cl claims, ok bool, err error) {
	seen := seenToken{sha256.Sum256([]byte(c.caller.Token)), c.cluster.Epochs.Current}
	if cl, ok = c.s.tokens.Get(seen); ok {
		return cl, true, nil
	}
	cl, input, mac, ok := decodeToken(c.caller.Token)
	if !ok {
		return cl, false, nil
	}
	want, err := c.mac(input)
	if errors.Is(err, errNoSigningKey) {
		return cl, false, nil
	}
	if err != nil || subtle.ConstantTimeCompare(want, mac) != 1 {
		return cl, false, err
	}
	c.s.tokens.Add(seen, cl)
	return cl, true, nil
}

// errNoSigningKey: no token was ever issued, or the key that signed them was set aside.
var errNoSigningKey = errors.New("there is no token-signing key")

// signingKey gives the token-signing key, sealed.
func (c *call) signingKey() (key fsm.Key, blob []byte, err error) {
	key, err = c.view.Key(signingKeyID())
	if missing(err) {
		return key, nil, errNoSigningKey
	}
	if err != nil {
		return key, nil, err
	}
	record, err := c.view.Blob(c.view.Cluster().Epochs.Current, key.Current().Blob)
	if errors.Is(err, fsm.ErrSetAside) {
		err = errNoSigningKey
	}
	return key, record.Blob, err
}

// mac signs with the token-signing key; errNoSigningKey if there is none.
func (c *call) mac(input string) (mac []byte, err error) {
	err = c.reread(func() error {
		_, blob, err := c.signingKey()
		if err == nil {
			mac, err = c.s.cfg.Unit.MAC(blob, []byte(input))
		}
		return err
	})
	return mac, err
}

// makeSigningKey is done by whichever node is first; the others find its key. In the place of one that was set aside it makes
// new material: callers get new tokens.
func (c *call) makeSigningKey() error {
	id := signingKeyID()
	lost, _, err := c.signingKey()
	if !errors.Is(err, errNoSigningKey) {
		return err
	}
	header := Header{Use: UseMAC, Class: fsm.ClassSystem, Instance: c.cluster.Instance, Key: id, Version: 1, Owner: ownerSystem}
	err = c.seal(func(under []fsm.Pattern) ([][]byte, error) {
		return c.material(header, nil, under)
	}, func(m fsm.Material) fsm.Command {
		if lost.Record != 0 {
			return &fsm.AddKeyVersion{
				Key: id, Record: lost.Record, Replaces: lost.Current().Number, Material: m, By: ownerSystem, At: fsm.TimeOf(c.now()),
			}
		}
		return &fsm.CreateKey{
			Key: id, Class: fsm.ClassSystem, Metadata: fsm.KeyMetadata{Name: "token-signing-key"}, State: fsm.KeyActive,
			Material: m, By: ownerSystem, At: fsm.TimeOf(c.now()),
		}
	})
	if errors.Is(err, fsm.ErrKeyExists) || errors.Is(err, fsm.ErrRecordChanged) {
		return nil
	}
	return err
}

func missing(err error) bool {
	return errors.Is(err, fsm.ErrNotFound) || errors.Is(err, fsm.ErrKeyNotFound)
}
