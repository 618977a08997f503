package registers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// delivery brings key parts to the units of an order, each sealed to the unit and signed by its custodian.
type delivery struct {
	parts []partToDeliver
}

type partToDeliver struct {
	keyPart
	keyNum int
	number uint32
	signer signing.SignatureKey
	// pattern is the part's; zero until the first unit tells, where a smart card cannot.
	pattern masterkey.Pattern
}

// newDelivery has part 1 signed by the first key, part 2 by the second; where there are fewer keys, what is here in turn, and the
// rest by the last.
func newDelivery(wanted partsWanted, parts []keyPart, keys []signing.SignatureKey) *delivery {
	d := &delivery{}
	numbered := int(slices.Max(wanted.numbers)) <= len(keys)
	for n, part := range parts {
		signer := min(n, len(keys)-1)
		if numbered {
			signer = int(wanted.numbers[n]) - 1
		}
		d.parts = append(d.parts, partToDeliver{part, wanted.keyNums[n], wanted.numbers[n], keys[signer], part.VerificationPattern()})
	}
	return d
}

// delivered is what units replied.
type delivered struct {
	Digest  string          `json:"digest"`
	Order   uint64          `json:"order"`
	Parts   []partDelivered `json:"parts"`
	Awaited []uint32        `json:"awaited"` // numbers of the parts that some unit still waits for
	Loaded  bool            `json:"loaded"`
	Suite   string          `json:"suite,omitempty"`                // how the parts were sealed
	Pattern string          `json:"verification_pattern,omitempty"` // of the new register
}

// partDelivered is a part as units replied that they took it.
type partDelivered struct {
	Part        uint32   `json:"part"`
	KeyNum      int      `json:"keynum"`
	Description string   `json:"description"`
	Pattern     string   `json:"verification_pattern"`
	Units       []uint32 `json:"units"`
	Signer      string   `json:"administrator"`
}

func showDelivered(w io.Writer, d delivered) {
	t := command.NewTable("PART", "DESCRIPTION", "VERIFICATION PATTERN", "CRYPTO UNIT NUM", "ADMIN NAME")
	for _, p := range d.Parts {
		first, second := command.PatternLines(p.Pattern)
		t.Row(p.Part, p.Description, first, command.Dash(command.Numbers(p.Units)), p.Signer)
		t.Row("", "", second, "", "")
	}
	t.Print(w)
}

const orCancel = "if a wrong key part is in, the order can only be cancelled: `tumbler tke cryptounit-mk-clrnew`"

// deliver brings every part to every unit that has not loaded yet. A unit that does not answer, or refuses, is named when the
// others have been asked.
func (d *delivery) deliver(ctx context.Context, admin *client.Client, at *ceremony.OrderAtHand) (delivered, error) {
	result := delivered{Digest: at.Record.Digest.String(), Order: at.Order().Number, Suite: at.Order().Suite.String(), Parts: []partDelivered{}, Awaited: []uint32{}}
	var failed failures
	waits := map[uint32][]uint32{} // of each unit that has not loaded: the parts that wait in it
	for n := range d.parts {
		p := &d.parts[n]
		done := partDelivered{Part: p.number, KeyNum: p.keyNum, Description: p.Label(), Units: []uint32{}, Signer: p.signer.Info().Name}
		for _, n := range at.Order().Loaders() {
			if at.Record.Said(order.Loaded, n) != nil {
				continue
			}
			reply, err := p.bring(ctx, admin, at, n)
			switch {
			case ctx.Err() != nil:
				return result, fmt.Errorf("%w: what crypto units have taken stays there, and the same command goes on", command.ErrInterrupted)
			case err != nil:
				failed.add(n, p.number, err)
			case reply != nil:
				done.Units, waits[n] = append(done.Units, n), reply.Waiting
			}
		}
		done.Pattern = p.pattern.String()
		result.Parts = append(result.Parts, done)
	}
	for k := uint32(1); k <= at.Order().Parts; k++ {
		for _, waiting := range waits {
			if len(waiting) > 0 && !slices.Contains(waiting, k) && !slices.Contains(result.Awaited, k) {
				result.Awaited = append(result.Awaited, k)
			}
		}
	}
	return result, failed.err()
}

// failures are the parts that units did not take, each reason said once.
type failures []partFailure

type partFailure struct {
	units []uint32
	part  uint32
	err   error
}

func (f *failures) add(unit, part uint32, err error) {
	for n := range *f {
		if known := &(*f)[n]; known.part == part && reason(known.err, known.units[0]) == reason(err, unit) {
			known.units = append(known.units, unit)
			return
		}
	}
	*f = append(*f, partFailure{[]uint32{unit}, part, err})
}

// reason is what an error says but for the unit that it names.
func reason(err error, unit uint32) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("crypto unit %d: ", unit))
}

func (f failures) err() error {
	var all []error
	for _, one := range f {
		all = append(all, fmt.Errorf("crypto unit %s did not take key part %d: %w", command.Numbers(one.units), one.part, one.err))
	}
	return errors.Join(all...)
}

// bring seals the part to one unit, and checks what the unit replies. There is no reply if the unit had put all parts together
// before: it does not know them any more.
func (p *partToDeliver) bring(ctx context.Context, admin *client.Client, at *ceremony.OrderAtHand, unit uint32) (*order.PartReply, error) {
	envelope, err := p.envelope(at, unit)
	if err != nil {
		return nil, err
	}
	answer, err := admin.LoadPart(ctx, unit, client.LoadPartRequest{Order: at.Record.Digest.String(), Envelope: envelope})
	switch {
	case client.HasCode(err, "key_parts_differ"), client.HasCode(err, "new_key_is_current"):
		return nil, fmt.Errorf("%w (%s)", err, orCancel)
	case err != nil:
		return nil, err
	case answer.Reply == nil && answer.Loaded:
		return nil, nil //nolint:nilnil // no reply, and no error
	}
	return p.replied(at, unit, answer.Reply)
}

func (p *partToDeliver) envelope(at *ceremony.OrderAtHand, unit uint32) ([]byte, error) {
	o := at.Order()
	target, _ := o.Unit(unit)
	ready := at.Record.Said(order.Ready, unit)
	if ready == nil {
		return nil, errors.New("it has no importer key yet: run the command again")
	}
	source, err := order.SKIOf(p.signer.Public())
	if err != nil {
		return nil, err
	}
	bound := order.EnvelopeContext{Cluster: o.Cluster, Order: at.Record.Digest, Source: source, Target: target.Identity, Importer: ready.Importer, Part: p.number}
	info, err := bound.Info()
	if err != nil {
		return nil, err
	}
	sealed, err := p.Seal(o.Suite, ready.Importer, info)
	if err != nil {
		return nil, err
	}
	e := order.Envelope{Suite: o.Suite, Order: at.Record.Digest, Unit: unit, Part: p.number, Source: source, Sealed: sealed}
	if err := e.SignAsAdministrator(info, p.signer); err != nil {
		return nil, err
	}
	return e.Encode()
}

// replied checks that the unit itself says that it took this very part.
func (p *partToDeliver) replied(at *ceremony.OrderAtHand, unit uint32, der []byte) (*order.PartReply, error) {
	signed, err := order.DecodeSignedPartReply(der)
	if err != nil {
		return nil, fmt.Errorf("its reply: %w", err)
	}
	ref, _ := at.Order().Unit(unit)
	reply, err := signed.Verify(ref.Identity)
	switch {
	case err != nil:
		return nil, fmt.Errorf("its reply: %w", err)
	case reply.Order != at.Record.Digest || reply.Unit != unit || reply.Part != p.number:
		return nil, errors.New("its reply is about another order, crypto unit or key part: ask another node")
	case !p.VerificationPattern().IsZero() && reply.Pattern != p.VerificationPattern():
		return nil, fmt.Errorf("it took another value under that number, of pattern %v: %s", reply.Pattern, orCancel)
	}
	return reply, nil
}
