package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/card"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
)

const (
	flagCard    = "card"
	flagOnCard  = "existing"
	envCardPIN  = "TUMBLER_CARD_PIN"
	envLastTry  = "TUMBLER_LAST_PIN_TRY"
	howCardPIN  = "set " + envCardPIN + " (or " + envCardPIN + "_<SERIAL NUMBER>), or name a file with pin-source in the card's URI"
	cardExample = "pkcs11:token=LABEL?module-path=LIBRARY"
)

// cardFlags are those of commands that make something on a smart card, or keep what is there.
func cardFlags(what string) []urfave.Flag {
	return []urfave.Flag{
		text(flagCard, what+" on the smart card that this PKCS #11 `URI` names: "+cardExample+" [$"+envCardPIN+" holds the PIN]"),
		&urfave.BoolFlag{Name: flagOnCard, Usage: "with --card: it is on the card already, and only its file is written"},
	}
}

// cardURI reads --card, and whether it was given.
func (i *invocation) cardURI() (card.URI, bool, error) {
	if i.given(flagCard) == nil {
		if i.flag(flagOnCard) {
			return card.URI{}, false, i.usage("--%s goes with --%s URI", flagOnCard, flagCard)
		}
		return card.URI{}, false, nil
	}
	uri, err := card.ParseURI(i.text(flagCard, ""))
	if err != nil {
		return uri, true, i.usage("%v", err)
	}
	return uri, true, nil
}

// labelled gives the name of an object that a card is to have or has: that of the URI's object, or else a flag's or an answer's.
func (i *invocation) labelled(uri card.URI, flag, prompt string, check func(string) error) (card.URI, error) {
	named := i.given(flag)
	if uri.Object == "" || named != nil {
		label, err := i.ask(flag, "", prompt)
		if err != nil {
			return uri, err
		}
		if uri.Object != "" && uri.Object != label {
			return uri, i.usage("--%s %s and object=%s of --%s name different things: leave one of them out", flag, quote(label), uri.Object, flagCard)
		}
		uri.Object = label
	}
	if err := check(uri.Object); err != nil {
		return uri, i.usage("%v", err)
	}
	return uri, nil
}

// openCard gives the card that a URI names; its PIN is asked for once a command.
func (i *invocation) openCard(uri card.URI) (card.Card, error) {
	if i.readers == nil {
		readers, err := card.New(card.Asker{
			PIN:     i.cardPIN,
			Warn:    func(text string) { _, _ = fmt.Fprintln(i.s.Err, text) },
			LastTry: i.s.Env(envLastTry) == "yes",
		})
		if err != nil {
			return nil, err
		}
		i.readers = readers
	}
	return i.readers.Open(uri)
}

// cardAt opens the card of a workstation file, which names the object's label too.
func (i *invocation) cardAt(text string) (card.Card, string, error) {
	uri, err := card.ParseURI(text)
	if err != nil {
		return nil, "", err
	}
	c, err := i.openCard(uri)
	return c, uri.Object, err
}

// cardPIN takes a card's PIN from the file that its URI names, from the environment, or asks for it.
func (i *invocation) cardPIN(token card.Token, source string) (string, error) {
	if source != "" {
		data, err := os.ReadFile(source)
		if err != nil {
			return "", fmt.Errorf("the PIN of %v: %w", token, err)
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	}
	if pin := i.s.Env(envCardPIN + "_" + nameOf(token.Serial)); pin != "" {
		return pin, nil
	}
	if pin := i.s.Env(envCardPIN); pin != "" {
		return pin, nil
	}
	return i.password(fmt.Sprintf("Enter the PIN of smart card %v:", token), howCardPIN)
}

// nameOf makes a serial number the end of an environment variable's name.
func nameOf(serial string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, serial)
}

// close ends what a command opened.
func (i *invocation) close() error {
	if i.readers == nil {
		return nil
	}
	return i.readers.Close()
}

// addCardSigKey makes an administrator's signature key on a card, or finds it there, and writes its file.
func (i *invocation) addCardSigKey(folder *workstation.Folder, uri card.URI) error {
	uri, err := i.labelled(uri, "name", "Enter an administrator name to be associated with the signature key:", workstation.CheckName)
	if err != nil {
		return err
	}
	c, err := i.openCard(uri)
	if err != nil {
		return err
	}
	if !i.flag(flagOnCard) {
		if _, err := c.NewKey(uri.Object); err != nil {
			return orExisting(err)
		}
	}
	signer, err := c.Key(uri.Object)
	if err != nil {
		return err
	}
	info, err := folder.AddCardSigKey(uri.Object, uri.String(), signer.Public())
	if err != nil {
		return fmt.Errorf("the signature key is on smart card %v, and its file was not written: run the command again with --%s: %w", c.Token(), flagOnCard, err)
	}
	return i.done(info, "A signature key was created.")
}

// staysOnCard is what is true of files about cards when they are gone.
const staysOnCard = "It stays on the smart card: delete it there with the card's own tools, or keep it again with --existing."

// addCardKeyPart draws a key part on a card, or finds it there, and writes its file.
func (i *invocation) addCardKeyPart(folder *workstation.Folder, uri card.URI) error {
	if !i.flag("random") {
		return i.usage("--%s goes with --random: the value is drawn on the card, and never outside it", flagCard)
	}
	uri, err := i.labelled(uri, "description", promptDescription, workstation.CheckDescription)
	if err != nil {
		return err
	}
	c, err := i.openCard(uri)
	if err != nil {
		return err
	}
	if len(c.Suites()) == 0 {
		return fmt.Errorf("%w: %v has neither RSA with OAEP nor ECDH with AES key wrap for keys that leave it", card.ErrCannotSeal, c.Token())
	}
	if !i.flag(flagOnCard) {
		if err := c.NewPart(uri.Object); err != nil {
			return orExisting(err)
		}
	}
	pattern, err := patternOnCard(c, uri.Object)
	if err != nil {
		return err
	}
	info, err := folder.AddCardKeyPart(uri.Object, uri.String(), pattern)
	if err != nil {
		return fmt.Errorf("the key part is on smart card %v, and its file was not written: run the command again with --%s: %w", c.Token(), flagOnCard, err)
	}
	return i.result(info, func(w io.Writer) {
		line(w, "OK\nA key part was created.")
		showKeyParts(w, []workstation.KeyPartInfo{info})
		if pattern.IsZero() {
			line(w, "\nThe smart card cannot show its verification pattern: crypto units do when the key part is loaded.")
		}
	})
}

// showCards says which KEYNUMs are on cards.
func showCards(w io.Writer, cards map[int]string) {
	before := "\n"
	for _, n := range slices.Sorted(maps.Keys(cards)) {
		if cards[n] != "" {
			line(w, before+"KEYNUM %d is on a smart card: %s", n, cards[n])
			before = ""
		}
	}
}

// patternOnCard gives a part's verification pattern, zero where the card cannot tell.
func patternOnCard(c card.Card, label string) (masterkey.Pattern, error) {
	pattern, err := c.Pattern(label)
	if errors.Is(err, card.ErrNoPattern) {
		err = nil
	}
	return pattern, err
}

// orExisting says how to keep what a card has already.
func orExisting(err error) error {
	if errors.Is(err, card.ErrExists) {
		return fmt.Errorf("%w, or keep it with --%s", err, flagOnCard)
	}
	return err
}

// cardSigKey opens a signature key on a card, and checks what its file shows.
func (i *invocation) cardSigKey(folder *workstation.Folder, info workstation.SigKeyInfo) (signatureKey, error) {
	c, label, err := i.cardAt(info.Card)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %v: %w", info.KeyNum, info, err)
	}
	signer, err := c.Key(label)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %v: %w", info.KeyNum, info, err)
	}
	return folder.OpenCardSigKey(info.KeyNum, label, signer)
}
