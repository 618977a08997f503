package registers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func registerLoadCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "cryptounit-mk-load",
		Usage: "load a new master key from 2 or 3 key parts into the new register of every crypto unit",
		Description: "A quorum signs the order, and each key part is signed by one administrator: part 1 by the first of the chosen\n" +
			"signature keys (--keynum, or the current ones), part 2 by the second, a part that comes alone by the first; where 2 or\n" +
			"more must sign, parts come from different administrators. Parts are sealed on this workstation to each crypto unit, which\n" +
			"puts them together. They may come one at a time and from different workstations: the register stays Empty until all are\n" +
			"there. Running it again is safe.\n\n" +
			"Examples:\n   tumbler tke cryptounit-mk-load --mk '1 2'\n" +
			"   tumbler tke cryptounit-mk-load --parts 3 --part 1 --mk 1\n" +
			"   tumbler tke cryptounit-mk-load --part 2 --mk 1 --keynum 4\n" +
			"   tumbler tke cryptounit-mk-load --parts 3 --order load.order",
		Flags: ceremony.OrderFlags(
			command.TextFlag("mk", "`KEYNUM`s of the key parts, separated by spaces or commas"),
			command.TextFlag("part", "`NUMBER`s, from 1 to 3, of the key parts that these are; else all, in the order of --mk"),
			command.TextFlag("parts", "`NUMBER` of key parts, 2 or 3, of an order that this command opens; else as many as --mk names"),
			command.TextFlag(flagPartPasswords, partPasswordsUsage),
			&urfave.BoolFlag{Name: "one-custodian", Usage: "one administrator may sign several key parts: the nodes' configuration says so too (key_parts_by_one_administrator)"},
			command.TextFlag(flagSuite, "how key parts are sealed to crypto units, of an order that this command opens: `SUITE` hpke, ecdh-p521-aes-kw or rsa-4096-oaep; else the first that every part can do. Smart cards know no hpke, and the others are not post-quantum"),
			ceremony.PolicyFlag(),
			ceremony.RetireFlag(),
			ceremony.FingerprintsFlag(),
			ceremony.FingerprintsAreRightFlag(),
		),
		Action: action(s, registerLoad),
	}
}

func registerLoad(ctx context.Context, i *invocation) error {
	policy, retire, err := i.PolicyAndRetirement()
	if err != nil {
		return err
	}
	if i.Given("mk") != nil { // what is wrong with the flags is said before anything else
		if _, err := i.partsWanted(); err != nil {
			return err
		}
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open != nil {
			return i.joinLoad(ctx, admin, folder, c)
		}
		o, list, err := i.orderByParts(ctx, admin, folder, c)
		if err != nil {
			return err
		}
		o.Policy, o.Retire = policy, retire
		if i.Text(ceremony.FlagOrder, "") != "" {
			return i.writeLoad(folder, o, list)
		}
		return i.openLoad(ctx, admin, folder, o, list)
	})
}

// writeLoad writes the order to a file: its parts come when it has been signed and handed in.
func (i *invocation) writeLoad(folder *workstation.Folder, o order.Order, list *order.Administrators) error {
	count, given, err := i.Number("parts", 2, 3)
	if err != nil {
		return err
	}
	if !given || i.Given("mk") != nil {
		return i.Usage("--%s goes with --parts, how many key parts the master key has, and without --mk: parts are loaded when the order is handed in", ceremony.FlagOrder)
	}
	o.Parts = uint32(count)
	if asked, given, err := i.suiteAsked(); err != nil {
		return err
	} else if given {
		o.Suite = asked
	}
	if o.NotAfter, err = i.OrderUntil(time.Now()); err != nil {
		return err
	}
	d, err := document.NewOrder(o, list)
	if err != nil {
		return err
	}
	return i.Write(folder, i.Text(ceremony.FlagOrder, ""), d)
}

// openLoad opens an order and loads the parts. Everything that is asked for is asked before anything is signed.
func (i *invocation) openLoad(ctx context.Context, admin *client.Client, folder *workstation.Folder, o order.Order, list *order.Administrators) error {
	wanted, err := i.partsWanted()
	if err != nil {
		return err
	}
	if wanted.count == 0 {
		return i.Usage("no order is under way: say with --parts how many key parts the master key has, 2 or 3")
	}
	o.Parts = wanted.count
	if err := wanted.fits(i, o.Parts); err != nil {
		return err
	}
	if err := wanted.differ(folder); err != nil {
		return err
	}
	keys, err := i.custodians(folder, list, int(list.Signature), len(wanted.keyNums))
	if err != nil {
		return err
	}
	parts, err := i.openParts(folder, wanted)
	if err != nil {
		return err
	}
	defer eraseParts(parts)
	if o.Suite, err = i.suiteFor(parts); err != nil {
		return err
	}
	digest, err := i.Submit(ctx, admin, o, keys[:list.Signature])
	if err != nil {
		return err
	}
	return i.deliverTo(ctx, admin, digest, newDelivery(wanted, parts, keys))
}

// joinLoad loads parts of the order under way.
func (i *invocation) joinLoad(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
	at, err := i.OrderUnderWay(ctx, admin, folder, c)
	if err != nil {
		return err
	}
	if err := at.ByParts(); err != nil {
		return err
	}
	switch at.Open.State {
	case client.StatePreparing, client.StateLoading:
	case client.StateCancelling:
		return fmt.Errorf("order %d is being cancelled: run the command again when it is", at.Order().Number)
	default:
		i.Say("Order %d (%v, %s) has all its key parts.", at.Order().Number, at.Order().Kind, at.Open.State)
		return i.loaded(at, delivered{Parts: []partDelivered{}, Awaited: []uint32{}})
	}
	i.Say("Order %d (%v, %s) is under way: key parts are loaded for it.", at.Order().Number, at.Order().Kind, at.Open.State)
	wanted, err := i.partsWanted()
	if err != nil {
		return err
	}
	if err := wanted.fits(i, at.Order().Parts); err != nil {
		return err
	}
	if err := wanted.differ(folder); err != nil {
		return err
	}
	keys, err := i.custodians(folder, at.List, 1, len(wanted.keyNums))
	if err != nil {
		return err
	}
	parts, err := i.openParts(folder, wanted)
	if err != nil {
		return err
	}
	defer eraseParts(parts)
	if err := i.suiteFits(parts, at.Order().Suite); err != nil {
		return err
	}
	return i.deliverTo(ctx, admin, at.Open.Digest, newDelivery(wanted, parts, keys))
}

// errOneCustodian is said before anything is signed.
var errOneCustodian = errors.New("key parts come from different administrators where 2 or more must sign: choose a signature key a part with " +
	"--keynum or `tumbler tke sigkey-sel`, or load the parts one at a time with --part; --one-custodian if the nodes' configuration allows it")

// custodians opens the signature keys that the order needs, and one a part where so many were chosen.
func (i *invocation) custodians(folder *workstation.Folder, list *order.Administrators, need, parts int) ([]signing.SignatureKey, error) {
	chosen, err := i.keysChosen(folder)
	if err != nil {
		return nil, err
	}
	switch several := list.Signature >= 2 && !i.Flag("one-custodian"); {
	case several && chosen > 0 && chosen < parts:
		return nil, errOneCustodian
	case several || chosen >= parts:
		need = max(need, parts)
	}
	return i.Quorum(folder, ceremony.PublicKeys(list), need)
}

// keysChosen counts the signature keys that --keynum names, or else the current ones; 0: they are asked for.
func (i *invocation) keysChosen(folder *workstation.Folder) (int, error) {
	if text := i.Text("keynum", ""); text != "" {
		list, err := i.ParseKeyNums(text)
		return len(list), err
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return 0, err
	}
	selected, err := ring.Current()
	return len(selected), err
}

// deliverTo waits until every unit has an importer key, and delivers the parts.
func (i *invocation) deliverTo(ctx context.Context, admin *client.Client, digest string, d *delivery) error {
	if _, err := i.AwaitOrder(ctx, admin, digest, func(s client.RotationStatus) bool { return s.State != client.StatePreparing }); err != nil {
		return err
	}
	at := &ceremony.OrderAtHand{Open: &client.OpenOrder{Digest: digest}}
	var named order.Digest
	if err := named.UnmarshalText([]byte(digest)); err != nil {
		return err
	}
	if err := at.Read(ctx, admin, named); err != nil {
		return err
	}
	result, err := d.deliver(ctx, admin, at)
	if !i.JSON && len(result.Parts) > 0 {
		showDelivered(i.Streams.Out, result)
	}
	if err != nil {
		return err
	}
	if len(result.Awaited) > 0 {
		return i.Result(result, func(w io.Writer) {
			command.Line(w, "OK\nOf %d key parts %s. The new master key register stays Empty until then: the custodian runs `tumbler tke cryptounit-mk-load --part %d --mk KEYNUM`.",
				at.Order().Parts, areAwaited(result.Awaited), result.Awaited[0])
		})
	}
	if err := i.everyUnitLoaded(ctx, admin, at); err != nil {
		return err
	}
	return i.loaded(at, result)
}

func areAwaited(list []uint32) string {
	if len(list) == 1 {
		return fmt.Sprintf("part %d is awaited", list[0])
	}
	return "parts " + partNumbers(list) + " are awaited"
}

// loaded says that every unit stated one pattern.
func (i *invocation) loaded(at *ceremony.OrderAtHand, result delivered) error {
	pattern, err := at.Record.Pattern()
	if err != nil {
		return err
	}
	result.Digest, result.Order, result.Pattern, result.Loaded = at.Record.Digest.String(), at.Order().Number, pattern.String(), true
	return i.Result(result, func(w io.Writer) {
		first, second := command.PatternLines(result.Pattern)
		command.Line(w, "OK\nThe new master key register has been loaded in the selected crypto units.")
		command.Line(w, "VERIFICATION PATTERN\n%s\n%s", first, second)
	})
}

// everyUnitLoaded waits until the state has every unit's statement. One that came to another key is named.
func (i *invocation) everyUnitLoaded(ctx context.Context, admin *client.Client, at *ceremony.OrderAtHand) error {
	return i.AwaitUnits(ctx, admin, at, order.Loaded, "has not stated that it is loaded: run the command again when its node is back", func() error {
		units, err := admin.Units(ctx)
		if err != nil {
			return err
		}
		return oneKey(at.Record, units)
	})
}

// oneKey refuses new registers that hold different keys: some custodian gave one unit another part than the others.
func oneKey(record *order.Record, units client.Units) error {
	stated := masterkey.Pattern{}
	var same []uint32
	for _, ref := range record.Order.Units {
		if s := record.Said(order.Loaded, ref.Number); s != nil {
			stated = s.Pattern
			same = append(same, ref.Number)
		}
	}
	for _, ref := range record.Order.Units {
		if slices.Contains(same, ref.Number) || stated.IsZero() {
			continue
		}
		r, err := ceremony.VerifiedReport(ceremony.UnitOf(units, ref.Number), ref.Identity)
		if err == nil && r.Registers.New != masterkey.NewEmpty && r.Registers.NewPattern != stated {
			return fmt.Errorf("crypto unit %d was loaded with another master key (%v) than crypto unit %s (%v): the order can only be cancelled (`tumbler tke cryptounit-mk-clrnew`)",
				ref.Number, r.Registers.NewPattern, command.Numbers(same), stated)
		}
	}
	return nil
}
