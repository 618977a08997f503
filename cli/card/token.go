//go:build cgo

package card

import (
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"
)

// token is a card with a session that is logged in.
type token struct {
	ctx     *pkcs11.Ctx
	slot    uint
	session pkcs11.SessionHandle
	name    Token
	// mechanisms are those of the card's list: what it says of others counts for nothing.
	mechanisms []uint
}

func (c *token) Token() Token { return c.name }

// failed says at which step the card did not do what it was asked for.
func (c *token) failed(step string, err error) error {
	return fmt.Errorf("%v: %s: %w", c.name, step, err)
}

// template is a list of attributes of an object.
func template(pairs ...any) (list []*pkcs11.Attribute) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pkcs11.NewAttribute(pairs[i].(uint), pairs[i+1]))
	}
	return list
}

func mechanism(number uint, parameter any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(number, parameter)}
}

// objects gives the objects of a class with a label: at most three.
func (c *token) objects(class uint, label string) ([]pkcs11.ObjectHandle, error) {
	if err := c.ctx.FindObjectsInit(c.session, template(uint(pkcs11.CKA_CLASS), class, uint(pkcs11.CKA_LABEL), label)); err != nil {
		return nil, c.failed("looking for "+label, err)
	}
	found, _, err := c.ctx.FindObjects(c.session, 3)
	if end := c.ctx.FindObjectsFinal(c.session); err == nil {
		err = end
	}
	if err != nil {
		return nil, c.failed("looking for "+label, err)
	}
	return found, nil
}

// object gives the one object of a class with a label.
func (c *token) object(class uint, noun, label string) (pkcs11.ObjectHandle, error) {
	found, err := c.objects(class, label)
	if err != nil {
		return 0, err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, refuse(ErrNoObject, "%v has no %s %q", c.name, noun, label)
	}
	return 0, refuse(ErrNoObject, "%v has more than one %s %q: rename or delete all but one with the card's own tools", c.name, noun, label)
}

// vacant refuses a label that an object of a class has.
func (c *token) vacant(class uint, noun, label string) error {
	found, err := c.objects(class, label)
	if err == nil && len(found) > 0 {
		err = refuse(ErrExists, "%v has a %s %q: choose another name", c.name, noun, label)
	}
	return err
}

// attributes reads attributes of an object, in their order.
func (c *token) attributes(object pkcs11.ObjectHandle, numbers ...uint) ([][]byte, error) {
	var asked []*pkcs11.Attribute
	for _, n := range numbers {
		asked = append(asked, pkcs11.NewAttribute(n, nil))
	}
	got, err := c.ctx.GetAttributeValue(c.session, object, asked)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(got))
	for i, a := range got {
		values[i] = a.Value
	}
	return values, nil
}

// flags reads attributes that are true or false.
func (c *token) flags(object pkcs11.ObjectHandle, numbers ...uint) ([]bool, error) {
	values, err := c.attributes(object, numbers...)
	if err != nil {
		return nil, err
	}
	flags := make([]bool, len(values))
	for i, v := range values {
		flags[i] = len(v) == 1 && v[0] != 0
	}
	return flags, nil
}

// can tells whether the card has a mechanism for a use, and for keys of so many bits (0: of any size).
func (c *token) can(number, use, bits uint) bool {
	if !slices.Contains(c.mechanisms, number) {
		return false
	}
	info, err := c.ctx.GetMechanismInfo(c.slot, mechanism(number, nil))
	return err == nil && info.Flags&use != 0 && (bits == 0 || info.MaxKeySize == 0 || bits >= info.MinKeySize && bits <= info.MaxKeySize)
}
