//go:build cgo

package card

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
)

// readers are the libraries that were loaded, by path, and the cards that were opened, by slot.
type readers struct {
	ask     Asker
	modules map[string]*pkcs11.Ctx
	cards   map[slot]*token
}

type slot struct {
	module string
	id     uint
}

// New gives readers without a card.
func New(ask Asker) (Readers, error) {
	return &readers{ask, map[string]*pkcs11.Ctx{}, map[slot]*token{}}, nil
}

func (r *readers) Close() error {
	var errs []error
	for _, c := range r.cards {
		errs = append(errs, c.ctx.CloseSession(c.session))
	}
	for _, path := range slices.Sorted(maps.Keys(r.modules)) {
		errs = append(errs, r.modules[path].Finalize())
		r.modules[path].Destroy()
	}
	clear(r.cards)
	clear(r.modules)
	return errors.Join(errs...)
}

// module loads a library once.
func (r *readers) module(path string) (*pkcs11.Ctx, error) {
	if ctx := r.modules[path]; ctx != nil {
		return ctx, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, refuse(ErrNoModule, "%v: install the library of the card, or name it with module-path", err)
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, refuse(ErrNoModule, "%s is no PKCS #11 library for this machine", path)
	}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		return nil, refuse(ErrNoModule, "%s does not start: %v", path, err)
	}
	r.modules[path] = ctx
	return ctx, nil
}

func (r *readers) Open(uri URI) (Card, error) {
	ctx, err := r.module(uri.Module)
	if err != nil {
		return nil, err
	}
	id, info, err := find(ctx, uri)
	if err != nil {
		return nil, err
	}
	if c := r.cards[slot{uri.Module, id}]; c != nil {
		return c, nil
	}
	session, err := ctx.OpenSession(id, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return nil, fmt.Errorf("%v: opening a session: %w", info.token(), err)
	}
	c := &token{ctx: ctx, slot: id, session: session, name: info.token()}
	list, err := ctx.GetMechanismList(id)
	if err != nil {
		return nil, errors.Join(c.failed("what it can do", err), ctx.CloseSession(session))
	}
	for _, m := range list {
		c.mechanisms = append(c.mechanisms, m.Mechanism)
	}
	if err := r.login(c, info, uri.PINSource); err != nil {
		return nil, errors.Join(err, ctx.CloseSession(session))
	}
	r.cards[slot{uri.Module, id}] = c
	return c, nil
}

type tokenInfo pkcs11.TokenInfo

func (i tokenInfo) token() Token {
	clean := func(s string) string { return strings.TrimRight(s, " \x00") }
	return Token{clean(i.Label), clean(i.SerialNumber), clean(i.ManufacturerID), clean(i.Model)}
}

// find gives the slot of the one card that a URI names.
func find(ctx *pkcs11.Ctx, uri URI) (uint, tokenInfo, error) {
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return 0, tokenInfo{}, refuse(ErrNoCard, "its readers do not answer: %v", err)
	}
	var there, found []string
	var id uint
	var info tokenInfo
	for _, s := range slots {
		raw, err := ctx.GetTokenInfo(s)
		if err != nil || raw.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		name := tokenInfo(raw).token()
		there = append(there, name.String())
		if uri.matches(name) {
			found, id, info = append(found, name.String()), s, tokenInfo(raw)
		}
	}
	slices.Sort(there)
	switch {
	case len(found) == 1:
		return id, info, nil
	case len(found) > 1:
		return 0, info, refuse(ErrNoCard, "%s are all as the URI says: add serial=NUMBER", strings.Join(found, ", "))
	case len(there) > 0:
		return 0, info, refuse(ErrNoCard, "it is none of %s: insert the card that %v names", strings.Join(there, ", "), uri)
	}
	return 0, info, refuse(ErrNoCard, "there is no card in any reader: insert the card that %v names", uri)
}

// login asks for the PIN, once.
func (r *readers) login(c *token, info tokenInfo, source string) error {
	if info.Flags&pkcs11.CKF_LOGIN_REQUIRED == 0 {
		return nil
	}
	if info.Flags&pkcs11.CKF_USER_PIN_INITIALIZED == 0 {
		return refuse(ErrNoCard, "%v has no PIN yet: set one with the card's own tools", c.name)
	}
	if err := r.ask.permit(c.name, stateOf(info.Flags)); err != nil {
		return err
	}
	pin, err := r.ask.PIN(c.name, source)
	if err != nil {
		return err
	}
	if n := uint(len(pin)); n < info.MinPinLen || n > info.MaxPinLen && info.MaxPinLen > 0 {
		return refuse(ErrWrongPIN, "%v: a PIN has %d to %d characters, and this one was not tried", c.name, info.MinPinLen, info.MaxPinLen)
	}
	err = c.ctx.Login(c.session, pkcs11.CKU_USER, pin)
	switch {
	case is(err, pkcs11.CKR_PIN_INCORRECT):
		after, failed := c.ctx.GetTokenInfo(c.slot)
		if failed != nil {
			after.Flags = 0
		}
		return wrong(c.name, stateOf(after.Flags))
	case is(err, pkcs11.CKR_PIN_LOCKED):
		return wrong(c.name, pinLocked)
	case err != nil && !is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN):
		return fmt.Errorf("%v: logging in: %w", c.name, err)
	}
	return nil
}

// is tells whether a library answered with one of the codes.
func is(err error, codes ...uint) bool {
	var code pkcs11.Error
	return errors.As(err, &code) && slices.Contains(codes, uint(code))
}

// matches tells whether a card is the one that the URI names.
func (u URI) matches(t Token) bool {
	is := func(asked, has string) bool { return asked == "" || asked == has }
	return is(u.Token, t.Label) && is(u.Serial, t.Serial) && is(u.Manufacturer, t.Manufacturer) && is(u.Model, t.Model)
}
