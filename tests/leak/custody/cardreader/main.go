// Command cardreader shows key parts on smart cards to a test, which may then search for them: it has the cards seal them to an
// importer key of its own. It prints a line of hex for each URI that it is given; the PIN is in TUMBLER_CARD_PIN.
package main

import (
	"errors"
	"fmt"
	"os"

	"tumbler/cli/card"
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/order"
)

func main() {
	if err := read(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cardreader:", err)
		os.Exit(1)
	}
}

func read(uris []string) (err error) {
	readers, err := card.New(card.Asker{
		PIN:  func(card.Token, string) (string, error) { return os.Getenv("TUMBLER_CARD_PIN"), nil },
		Warn: func(string) {},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, readers.Close()) }()
	private, public, err := importer.NewRSA()
	if err != nil {
		return err
	}
	for _, text := range uris {
		uri, err := card.ParseURI(text)
		if err != nil {
			return err
		}
		c, err := readers.Open(uri)
		if err != nil {
			return err
		}
		sealed, err := c.SealPart(uri.Object, order.SuiteRSA, public)
		if err != nil {
			return err
		}
		value, err := importer.OpenRSA(private, sealed)
		if err != nil {
			return err
		}
		fmt.Printf("%x\n", value)
	}
	return nil
}
