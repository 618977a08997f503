package registers

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"tumbler/cli/card"
	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// addCardKeyPart draws a key part on a card, or finds it there, and writes its file.
func (i *invocation) addCardKeyPart(folder *workstation.Folder, uri card.URI) error {
	if !i.Flag("random") {
		return i.Usage("--%s goes with --random: the value is drawn on the card, and never outside it", signing.FlagCard)
	}
	uri, err := i.Labelled(uri, "description", promptDescription, workstation.CheckDescription)
	if err != nil {
		return err
	}
	c, err := i.OpenCard(uri)
	if err != nil {
		return err
	}
	if len(c.Suites()) == 0 {
		return fmt.Errorf("%w: %v has neither RSA with OAEP nor ECDH with AES key wrap for keys that leave it", card.ErrCannotSeal, c.Token())
	}
	if !i.Flag(signing.FlagOnCard) {
		if err := c.NewPart(uri.Object); err != nil {
			return signing.OrExisting(err)
		}
	}
	pattern, err := patternOnCard(c, uri.Object)
	if err != nil {
		return err
	}
	info, err := folder.AddCardKeyPart(uri.Object, uri.String(), pattern)
	if err != nil {
		return fmt.Errorf("the key part is on smart card %v, and its file was not written: run the command again with --%s: %w", c.Token(), signing.FlagOnCard, err)
	}
	return i.Result(info, func(w io.Writer) {
		command.Line(w, "OK\nA key part was created.")
		showKeyParts(w, []workstation.KeyPartInfo{info})
		if pattern.IsZero() {
			command.Line(w, "\nThe smart card cannot show its verification pattern: crypto units do when the key part is loaded.")
		}
	})
}

// patternOnCard gives a part's verification pattern, zero where the card cannot tell.
func patternOnCard(c card.Card, label string) (masterkey.Pattern, error) {
	pattern, err := c.Pattern(label)
	if errors.Is(err, card.ErrNoPattern) {
		err = nil
	}
	return pattern, err
}

// cardPart is a part on a smart card, which seals it itself.
type cardPart struct {
	sealer  cardSealer
	label   string
	pattern masterkey.Pattern
}

// cardSealer is what a part asks of its card.
type cardSealer interface {
	Suites() []order.Suite
	SealPart(label string, suite order.Suite, importer []byte) ([]byte, error)
}

func (p cardPart) Label() string { return p.label }

func (p cardPart) VerificationPattern() masterkey.Pattern { return p.pattern }

func (p cardPart) Suites() []order.Suite { return p.sealer.Suites() }

func (p cardPart) Erase() {}

// Seal has the card seal. What it seals is bound to its context by the envelope's signature alone.
func (p cardPart) Seal(suite order.Suite, importer, _ []byte) ([]byte, error) {
	return p.sealer.SealPart(p.label, suite, importer)
}

// openCardPart opens a part on a card, and checks what its file shows.
func (i *invocation) openCardPart(folder *workstation.Folder, info workstation.KeyPartInfo) (keyPart, error) {
	c, label, err := i.CardAt(info.Card)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %s: %w", info.KeyNum, strconv.Quote(info.Description), err)
	}
	pattern, err := patternOnCard(c, label)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %s: %w", info.KeyNum, strconv.Quote(info.Description), err)
	}
	return cardPart{c, label, pattern}, folder.CheckCardKeyPart(info.KeyNum, label, pattern)
}
