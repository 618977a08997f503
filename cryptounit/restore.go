package cryptounit

import (
	"errors"
	"fmt"
	"io/fs"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Restore makes the only unit of a restored instance from the sealed file of a
// unit that was (Sealed), in a folder that holds none. It has a fresh identity.
// What the file holds is shown to sign with that identity, and sign gives the
// order of kind restore: signed by the file's own administrators, it names the
// identity, an incarnation above the file's, and as its current pattern the
// master key that the state needs, which is the file's current key or a retired
// one. The order stands as the cancel of whatever the file has open: the new
// register, importer key and waiting parts are erased. No key is loaded: for a
// retired one that takes an order of kind recover. A refusal makes nothing.
func Restore(config Config, archived []byte, sign func(Status) (order.SignedOrder, error)) (*Unit, error) {
	u, err := newUnit(config)
	if err != nil {
		return nil, err
	}
	if _, err := u.file.in().Read(stateName, 1); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, refuse(ErrStateFile, "%s is there already: restore to an empty folder", u.file.path()))
	}
	source := u.file
	source.name = "the archived file"
	c, err := source.decode(archived)
	if err != nil {
		return nil, err
	}
	if c.Number != config.Number || c.Role != config.Role {
		freeAll(c.secrets())
		return nil, refuse(ErrStateFile, "%s is of crypto unit %d (%v), not of %d (%v): the one that goes on has its number and role",
			source.shown(), c.Number, c.Role, config.Number, config.Role)
	}
	if err := u.restore(c, sign); err != nil {
		freeAll(c.secrets())
		return nil, err
	}
	return u, nil
}

// restore makes the archived content the unit's.
func (u *Unit) restore(c *content, sign func(Status) (order.SignedOrder, error)) error {
	list, err := c.administrators()
	if err != nil {
		return err
	}
	fresh, err := blank(c.Number, c.Role, 1)
	if err != nil {
		return err
	}
	shown := c.status()
	shown.Identity = fresh.self
	signed, err := sign(shown)
	if err != nil {
		fresh.identity.free()
		return err
	}
	o, err := signed.Verify(list)
	if err == nil {
		err = u.restorable(c, o, fresh.self)
	}
	if err != nil {
		fresh.identity.free()
		return err
	}
	next := c.clone()
	next.identity, next.self = fresh.identity, fresh.self
	next.Incarnation, next.LastOrder, next.Open = o.Subject.Incarnation, o.Number, nil
	next.next, next.importer, next.parts = nil, nil, nil
	next.Generation++
	if next.Registers, err = c.Registers.Apply(masterkey.ClearNew, masterkey.Pattern{}); err == nil {
		if err = u.file.makeDir(); err == nil {
			err = u.file.write(next)
		}
	}
	if err != nil {
		fresh.identity.free()
		return err
	}
	dropUnused(c, next)
	u.content = next
	return nil
}

// restorable holds the guards of a restore, together.
func (u *Unit) restorable(c *content, o *order.Order, identity order.Identity) error {
	self := order.UnitRef{Number: c.Number, Role: c.Role, Identity: identity}
	switch {
	case o.Kind != order.Restore:
		return refuse(ErrOrderForeign, "it is of kind %v, not %v", o.Kind, order.Restore)
	case c.Cluster.IsZero() || o.Cluster != c.Cluster || o.Instance != c.Instance:
		return refuse(ErrOrderForeign, "it is of cluster %v, instance %v; the file is of cluster %v, instance %v", o.Cluster, o.Instance, c.Cluster, c.Instance)
	case o.Incarnation > c.Incarnation || o.Subject.Incarnation <= c.Incarnation:
		return refuse(ErrOrderForeign, "it leads from incarnation %d to %d; the file is of %d", o.Incarnation, o.Subject.Incarnation, c.Incarnation)
	case len(o.Subject.Units) != 1 || o.Subject.Units[0] != self:
		return refuse(order.ErrNotNamed, "crypto unit %d (%v) with identity %v is to go on, alone", c.Number, c.Role, identity)
	case o.Number <= c.LastOrder:
		return refuse(ErrOrderNumber, "%d, the last is %d", o.Number, c.LastOrder)
	case u.now().After(o.NotAfter):
		return refuse(ErrOrderExpired, "not after %v", o.NotAfter)
	case o.Current.IsZero() || !c.holds(o.Current):
		return refuse(ErrRetired, "%v, and it is not its current key either", o.Current)
	}
	return nil
}

// turnTo makes a retired key the current one again, after the former current
// key has gone on the list: what a source does that recovers the instance's
// master key from its list, after a restore.
func (c *content) turnTo(p masterkey.Pattern, now int64) error {
	registers := c.Registers
	for _, command := range []masterkey.Command{masterkey.Load, masterkey.Commit, masterkey.Activate} {
		var err error
		if registers, err = registers.Apply(command, p); err != nil {
			return err
		}
	}
	for i, r := range c.Retired {
		if r.Pattern != p {
			continue
		}
		key := c.retired[i]
		c.Retired, c.retired = append(c.Retired[:i:i], c.Retired[i+1:]...), append(c.retired[:i:i], c.retired[i+1:]...)
		if c.current != nil && !c.retains(c.Registers.CurrentPattern) {
			c.Retired, c.retired = append(c.Retired, retiredKey{c.Registers.CurrentPattern, now}), append(c.retired, c.current)
		}
		c.Registers, c.current = registers, key
		return nil
	}
	return fmt.Errorf("%w: %v", ErrRetired, p)
}
