package administrators

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// imprinted is a selected unit that has no thresholds yet, as it signed that it is: its administrators are named by hand.
type imprinted struct {
	number   uint32
	identity order.Identity
	list     *order.Administrators
}

// unitsInImprintMode are the selected units, if it is by hand that their administrators change: before there is a master key, or
// while none of the selected is enrolled. Otherwise there are none, and an order changes the administrators of the instance.
func (i *invocation) unitsInImprintMode(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, change listChange) (units []imprinted, byHand bool, err error) {
	var selected []client.OrderUnit
	for _, u := range c.Units {
		in, err := folder.Selected(c.Instance, u.Number)
		if err != nil {
			return nil, false, err
		}
		if in {
			selected = append(selected, u)
		}
	}
	if len(selected) == 0 {
		return nil, false, fmt.Errorf("no crypto unit is selected: `tumbler tke cryptounit-add` selects some")
	}
	if c.CurrentPattern != "" && slices.ContainsFunc(selected, func(u client.OrderUnit) bool { return u.Enrolled }) {
		return nil, false, nil
	}
	if c.Open != nil {
		return nil, true, ceremony.Initialised(c)
	}
	if _, err := folder.CheckIdentities(c.Instance, ceremony.Identities(selected)); err != nil {
		return nil, true, err
	}
	refs, err := ceremony.UnitRefs(selected)
	if err != nil {
		return nil, true, err
	}
	all, err := admin.Units(ctx)
	if err != nil {
		return nil, true, err
	}
	for _, ref := range refs {
		u, set, err := readImprinted(all, ref, change)
		if err != nil {
			return nil, true, err
		}
		if !set {
			units = append(units, u)
		}
	}
	return units, true, nil
}

// readImprinted reads one unit. One that has left imprint mode by an earlier run of the same command is set already.
func readImprinted(all client.Units, ref order.UnitRef, change listChange) (u imprinted, set bool, err error) {
	r, err := ceremony.VerifiedReport(ceremony.UnitOf(all, ref.Number), ref.Identity)
	if err != nil {
		return u, false, fmt.Errorf("crypto unit %d: %w: start its node, or take it out of the selection (`tumbler tke cryptounit-rm --units %d`)", ref.Number, err, ref.Number)
	}
	u = imprinted{ref.Number, ref.Identity, &order.Administrators{}}
	if len(r.Administrators) > 0 {
		if u.list, err = order.DecodeAdministrators(r.Administrators); err != nil {
			return u, false, fmt.Errorf("the administrators of crypto unit %d: %w", ref.Number, err)
		}
	}
	if u.list.Imprint() {
		return u, false, nil
	}
	if change.thresholds && change.made(u.list) {
		return u, true, nil
	}
	return u, false, fmt.Errorf("crypto unit %d has left imprint mode, and its administrators change by an order when the instance has a master key (`tumbler tke auto-init`, "+
		"`tumbler tke cryptounit-mk-load`): take it out of the selection (`tumbler tke cryptounit-rm --units %d`), or zeroize it to begin anew", ref.Number, ref.Number)
}

// changeByHand changes the list of one unit after the other. Nothing is signed but thresholds, by those who then are to sign.
// A unit that has the change already, by an earlier run, is left as it is, unless all have.
func (i *invocation) changeByHand(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, units []imprinted, said string, change listChange) error {
	if i.Text(ceremony.FlagOrder, "") != "" {
		return i.Usage("--%s is for orders, and administrators of crypto units in imprint mode are set without one", ceremony.FlagOrder)
	}
	left := slices.DeleteFunc(slices.Clone(units), func(u imprinted) bool { return !change.thresholds && change.made(u.list) })
	if len(left) == 0 && len(units) > 0 {
		left = units
	}
	for _, u := range left {
		if err := change.check(u.list); err != nil {
			return inUnit(u.number, err)
		}
	}
	if err := change.ask(); err != nil {
		return err
	}
	keys := map[string][]signing.SignatureKey{}
	var done []uint32
	for _, u := range left {
		change.apply(u.list)
		if err := i.setByHand(ctx, admin, folder, u, keys); err != nil {
			if len(done) > 0 {
				return fmt.Errorf("after crypto unit %s was changed; run the command again: %w", command.Numbers(done), err)
			}
			return err
		}
		done = append(done, u.number)
	}
	if change.thresholds && len(left) > 0 {
		instance, err := order.ParseID(c.Instance)
		if err != nil {
			return err
		}
		if err := folder.KeepAdministrators(instance, left[0].list); err != nil {
			return err
		}
	}
	return i.Result(map[string]any{"units": done}, func(w io.Writer) { command.Line(w, "OK\n%s", said) })
}

// inUnit says which unit a refusal is about, and keeps its return codes.
func inUnit(number uint32, err error) error {
	if refusal, ok := err.(*client.Error); ok { //nolint:errorlint // made here, and never wrapped
		whole := *refusal
		whole.Message = fmt.Sprintf("crypto unit %d: %s", number, whole.Message)
		return &whole
	}
	return err
}

// setByHand hands a unit its list, and looks at what it then has. Keys are opened once for each list.
func (i *invocation) setByHand(ctx context.Context, admin *client.Client, folder *workstation.Folder, u imprinted, keys map[string][]signing.SignatureKey) error {
	der, err := u.list.Encode()
	if err != nil {
		return err
	}
	var signers []signing.SignatureKey
	if need := int(u.list.Signature); need > 0 {
		if keys[string(der)] == nil {
			if keys[string(der)], err = i.Quorum(folder, ceremony.PublicKeys(u.list), need); err != nil {
				return err
			}
		}
		signers = keys[string(der)]
	}
	request, err := ceremony.SignedList(u.identity, der, signers)
	if err != nil {
		return err
	}
	answer, err := admin.SetAdministrators(ctx, u.number, request)
	if err != nil {
		return err
	}
	now, err := ceremony.VerifiedReport(answer.Unit, u.identity)
	if err != nil {
		return fmt.Errorf("crypto unit %d: %w", u.number, err)
	}
	if !bytes.Equal(now.Administrators, der) {
		return fmt.Errorf("crypto unit %d does not show the administrators that were set: ask another node, and look at its log", u.number)
	}
	return nil
}
