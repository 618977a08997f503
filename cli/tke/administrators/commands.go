package administrators

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// Commands are those that change administrators and thresholds.
func Commands(s command.Streams) []*urfave.Command {
	return []*urfave.Command{
		{
			Name:  "cryptounit-admin-add",
			Usage: "add an administrator to every crypto unit of the instance",
			Description: "The signature threshold of the present administrators sign. A unit that is down takes the list up when it is back.\n\n" +
				"Example:\n   tumbler tke cryptounit-admin-add --administrator 4 --keynum 1,2",
			Flags:  ceremony.OrderFlags(command.TextFlag("administrator", "`KEYNUM` of the signature key of the administrator to add")),
			Action: action(s, administratorAdd),
		},
		{
			Name:  "cryptounit-admin-rm",
			Usage: "take an administrator, whose key is lost or who has left, away from every crypto unit of the instance",
			Description: "The revocation threshold of the present administrators sign; the one that goes need not.\n\n" +
				"Example:\n   tumbler tke cryptounit-admin-rm --administrator Bob --keynum 1,3 --yes",
			Flags: ceremony.OrderFlags(command.TextFlag("administrator", "`NAME` of the administrator to take away, or the first 8 digits or more of the SUBJECT KEY IDENTIFIER"),
				command.YesFlag("the administrator is taken away")),
			Action: action(s, administratorRemove),
		},
		{
			Name:  "cryptounit-thrhld-set",
			Usage: "set the signature thresholds of every crypto unit of the instance",
			Description: "The present signature threshold of administrators sign.\n\n" +
				"Example:\n   tumbler tke cryptounit-thrhld-set --signature-threshold 2 --revocation-threshold 2 --keynum 1,2",
			Flags: ceremony.OrderFlags(command.TextFlag("signature-threshold", "how many administrators sign an order: `NUMBER` from 1 to 8, at least 2 for dual control"),
				command.TextFlag("revocation-threshold", "how many sign to take an administrator away: `NUMBER` from 1 to 8, at least 2 for dual control")),
			Action: action(s, thresholdSet),
		},
	}
}

// listChange is a change of a list of administrators: of the instance's by an order, or of one unit's after the other by hand.
type listChange struct {
	// check refuses a list that cannot be changed so.
	check func(list *order.Administrators) error
	// made tells whether a list is as it is to be already.
	made func(list *order.Administrators) bool
	// ask asks for what the change needs, once.
	ask func() error
	// apply makes the change, after ask.
	apply func(list *order.Administrators)
	// thresholds tells that thresholds are set, with which a unit leaves imprint mode.
	thresholds bool
}

func administratorAdd(ctx context.Context, i *invocation) error {
	answer, err := i.Ask("administrator", "", "Enter the KEYNUM of the administrator signature key you wish to load:")
	if err != nil {
		return err
	}
	folder, err := i.Folder()
	if err != nil {
		return err
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return err
	}
	keyNums, err := i.ParseKeyNums(answer)
	if err != nil || len(keyNums) != 1 {
		return i.Usage("--administrator %s is not one KEYNUM", answer)
	}
	info, err := ring.Look(keyNums[0], 0)
	if err != nil {
		return err
	}
	listed := func(list *order.Administrators) bool {
		return slices.ContainsFunc(list.List, func(a order.Administrator) bool { return bytes.Equal(a.Key, info.PublicKey) })
	}
	var added order.Administrator
	return i.changeAdministrators(ctx, "The crypto unit administrator was added to the selected crypto units.", listChange{
		made: listed,
		check: func(list *order.Administrators) error {
			if listed(list) {
				return command.Refused(command.ReturnExists, 0, "administrator %s is on the list already", info)
			}
			if len(list.List) >= order.MaxAdministrators {
				return command.Refused(command.ReturnTooMany, 0, "a crypto unit takes %d administrators, and it has as many", order.MaxAdministrators)
			}
			return nil
		},
		ask: func() error { // what the file shows in the clear is checked against its secret
			key, err := ring.Open(info.KeyNum, 0, "Enter the password for the administrator signature key file:")
			if err == nil {
				added = key.Info().Administrator()
			}
			return err
		},
		apply: func(list *order.Administrators) { list.List = append(list.List, added) },
	})
}

func administratorRemove(ctx context.Context, i *invocation) error {
	who, err := i.Ask("administrator", "", "Enter the name or the SUBJECT KEY IDENTIFIER of the administrator to remove:")
	if err != nil {
		return err
	}
	return i.changeAdministrators(ctx, "The crypto unit administrator was removed from the selected crypto units.", listChange{
		made: func(list *order.Administrators) bool {
			found, err := called(list, who)
			return err == nil && len(found) == 0
		},
		check: func(list *order.Administrators) error {
			found, err := called(list, who)
			switch {
			case err != nil:
				return err
			case len(found) == 0:
				return command.Refused(command.ReturnNoAdministrator, 32, "administrator %s is not on the list: `tumbler tke cryptounit-admins` shows it", strconv.Quote(who))
			case len(found) > 1:
				return i.Usage("%d administrators are called %s: give the SUBJECT KEY IDENTIFIER", len(found), strconv.Quote(who))
			case len(list.List)-1 < int(max(list.Signature, list.Revocation)):
				return command.Refused(command.ReturnThreshold, 66, "without %s there are %d administrators, and a threshold is %d: lower it first, or add another administrator",
					strconv.Quote(who), len(list.List)-1, max(list.Signature, list.Revocation))
			}
			return nil
		},
		ask: func() error {
			if yes, err := i.Confirm(fmt.Sprintf("Administrator %s signs no more. Do you want to continue?", who)); err != nil || !yes {
				return command.Declined(err)
			}
			return nil
		},
		apply: func(list *order.Administrators) {
			if found, err := called(list, who); err == nil && len(found) == 1 {
				list.List = slices.Delete(list.List, found[0], found[0]+1)
			}
		},
	})
}

// called finds the administrators of a name, or of the beginning of an identifier.
func called(list *order.Administrators, who string) (found []int, err error) {
	for n, a := range list.List {
		ski, err := a.SKI()
		if err != nil {
			return nil, err
		}
		if a.Name == who || len(who) >= 8 && strings.HasPrefix(ski.String(), strings.ToLower(strings.TrimSuffix(who, "..."))) {
			found = append(found, n)
		}
	}
	return found, nil
}

func thresholdSet(ctx context.Context, i *invocation) error {
	signature, err := i.newThreshold("signature-threshold", "Enter the new signature threshold value:", 76)
	if err != nil {
		return err
	}
	revocation, err := i.newThreshold("revocation-threshold", "Enter the new revocation signature threshold value:", 77)
	if err != nil {
		return err
	}
	return i.changeAdministrators(ctx, "New signature threshold values have been set in the selected crypto units.", listChange{
		thresholds: true,
		made: func(list *order.Administrators) bool {
			return list.Signature == signature && list.Revocation == revocation
		},
		check: func(list *order.Administrators) error {
			for _, t := range []struct {
				name   string
				value  uint32
				reason int
			}{{"signature", signature, 57}, {"revocation", revocation, 58}} {
				if int64(t.value) > int64(len(list.List)) {
					return command.Refused(command.ReturnThreshold, t.reason, "the %s threshold is %d, and there are %d administrators: add some first", t.name, t.value, len(list.List))
				}
			}
			return nil
		},
		ask:   func() error { return nil },
		apply: func(list *order.Administrators) { list.Signature, list.Revocation = signature, revocation },
	})
}

// newThreshold asks for a threshold. 0 is refused as the crypto module does; so is one above the number of administrators, later.
func (i *invocation) newThreshold(flag, prompt string, zero int) (uint32, error) {
	answer, err := i.Ask(flag, "", prompt)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(answer, 10, 32)
	if err != nil {
		return 0, i.Usage("--%s %s is not a number from 1 to %d", flag, answer, order.MaxAdministrators)
	}
	if n == 0 {
		return 0, command.Refused(command.ReturnThreshold, zero, "a threshold of 0 is imprint mode, which only zeroizing brings back: give 1 to %d", order.MaxAdministrators)
	}
	return uint32(n), nil
}

// changeAdministrators changes the list of selected units that are in imprint mode by hand, or else has the present
// administrators sign another list for all units, and waits for those that answer.
func (i *invocation) changeAdministrators(ctx context.Context, said string, change listChange) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		units, byHand, err := i.unitsInImprintMode(ctx, admin, folder, c, change)
		if err != nil {
			return err
		}
		if byHand {
			return i.changeByHand(ctx, admin, folder, c, units, said, change)
		}
		if err := ceremony.Initialised(c); err != nil {
			return err
		}
		list, err := ceremony.Administrators(c)
		if err != nil {
			return err
		}
		if err := change.check(list); err != nil {
			return err
		}
		if change.made(list) {
			return i.Done(list, "The crypto units have these administrators and thresholds already.")
		}
		if err := change.ask(); err != nil {
			return err
		}
		change.apply(list)
		o, err := ceremony.Draft(order.Administration, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.CheckKnown(folder, c); err != nil {
			return err
		}
		if o.Subject.Administrators, err = list.Encode(); err != nil {
			return err
		}
		digest, err := i.SignAndSubmit(ctx, admin, folder, c, o)
		if err != nil || digest == "" {
			return err
		}
		return i.FinishAdministrators(ctx, admin, folder, o, list, digest, said)
	})
}
