package signing

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/card"
	"tumbler/cli/command"
)

// CardFlags are those of commands that make something on a smart card, or keep what is there.
func CardFlags(what string) []urfave.Flag {
	return []urfave.Flag{
		command.TextFlag(FlagCard, what+" on the smart card that this PKCS #11 `URI` names: "+cardExample+" [$"+EnvCardPIN+" holds the PIN]"),
		&urfave.BoolFlag{Name: FlagOnCard, Usage: "with --card: it is on the card already, and only its file is written"},
	}
}

// CardURI reads --card, and whether it was given.
func (i *Session) CardURI() (card.URI, bool, error) {
	if i.Given(FlagCard) == nil {
		if i.Flag(FlagOnCard) {
			return card.URI{}, false, i.Usage("--%s goes with --%s URI", FlagOnCard, FlagCard)
		}
		return card.URI{}, false, nil
	}
	uri, err := card.ParseURI(i.Text(FlagCard, ""))
	if err != nil {
		return uri, true, i.Usage("%v", err)
	}
	return uri, true, nil
}

// Labelled gives the name of an object that a card is to have or has: that of the URI's object, or else a flag's or an answer's.
func (i *Session) Labelled(uri card.URI, flag, prompt string, check func(string) error) (card.URI, error) {
	named := i.Given(flag)
	if uri.Object == "" || named != nil {
		label, err := i.Ask(flag, "", prompt)
		if err != nil {
			return uri, err
		}
		if uri.Object != "" && uri.Object != label {
			return uri, i.Usage("--%s %s and object=%s of --%s name different things: leave one of them out", flag, strconv.Quote(label), uri.Object, FlagCard)
		}
		uri.Object = label
	}
	if err := check(uri.Object); err != nil {
		return uri, i.Usage("%v", err)
	}
	return uri, nil
}

// OpenCard gives the card that a URI names; its PIN is asked for once a command.
func (i *Session) OpenCard(uri card.URI) (card.Card, error) {
	if i.readers == nil {
		readers, err := card.New(card.Asker{
			PIN:     i.cardPIN,
			Warn:    func(text string) { _, _ = fmt.Fprintln(i.Streams.Err, text) },
			LastTry: i.Streams.Env(envLastTry) == "yes",
		})
		if err != nil {
			return nil, err
		}
		i.readers = readers
	}
	return i.readers.Open(uri)
}

// CardAt opens the card of a workstation file, which names the object's label too.
func (i *Session) CardAt(text string) (card.Card, string, error) {
	uri, err := card.ParseURI(text)
	if err != nil {
		return nil, "", err
	}
	c, err := i.OpenCard(uri)
	return c, uri.Object, err
}

// cardPIN takes a card's PIN from the file that its URI names, from the environment, or asks for it.
func (i *Session) cardPIN(token card.Token, source string) (string, error) {
	if source != "" {
		data, err := os.ReadFile(source)
		if err != nil {
			return "", fmt.Errorf("the PIN of %v: %w", token, err)
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	}
	if pin := i.Streams.Env(EnvCardPIN + "_" + nameOf(token.Serial)); pin != "" {
		return pin, nil
	}
	if pin := i.Streams.Env(EnvCardPIN); pin != "" {
		return pin, nil
	}
	return i.Password(fmt.Sprintf("Enter the PIN of smart card %v:", token), howCardPIN)
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
