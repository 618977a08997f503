package signing

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"tumbler/cli/card"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
)

const (
	FlagCard    = "card"
	FlagOnCard  = "existing"
	EnvCardPIN  = "TUMBLER_CARD_PIN"
	envLastTry  = "TUMBLER_LAST_PIN_TRY"
	howCardPIN  = "set " + EnvCardPIN + " (or " + EnvCardPIN + "_<SERIAL NUMBER>), or name a file with pin-source in the card's URI"
	cardExample = "pkcs11:token=LABEL?module-path=LIBRARY"
)

// addCardSigKey makes an administrator's signature key on a card, or finds it there, and writes its file.
func (i *Session) addCardSigKey(folder *workstation.Folder, uri card.URI) error {
	uri, err := i.Labelled(uri, "name", "Enter an administrator name to be associated with the signature key:", workstation.CheckName)
	if err != nil {
		return err
	}
	c, err := i.OpenCard(uri)
	if err != nil {
		return err
	}
	if !i.Flag(FlagOnCard) {
		if _, err := c.NewKey(uri.Object); err != nil {
			return OrExisting(err)
		}
	}
	signer, err := c.Key(uri.Object)
	if err != nil {
		return err
	}
	info, err := folder.AddCardSigKey(uri.Object, uri.String(), signer.Public())
	if err != nil {
		return fmt.Errorf("the signature key is on smart card %v, and its file was not written: run the command again with --%s: %w", c.Token(), FlagOnCard, err)
	}
	return i.Done(info, "A signature key was created.")
}

// StaysOnCard is what is true of files about cards when they are gone.
const StaysOnCard = "It stays on the smart card: delete it there with the card's own tools, or keep it again with --existing."

// ShowCards says which KEYNUMs are on cards.
func ShowCards(w io.Writer, cards map[int]string) {
	before := "\n"
	for _, n := range slices.Sorted(maps.Keys(cards)) {
		if cards[n] != "" {
			command.Line(w, before+"KEYNUM %d is on a smart card: %s", n, cards[n])
			before = ""
		}
	}
}

// OrExisting says how to keep what a card has already.
func OrExisting(err error) error {
	if errors.Is(err, card.ErrExists) {
		return fmt.Errorf("%w, or keep it with --%s", err, FlagOnCard)
	}
	return err
}

// cardSigKey opens a signature key on a card, and checks what its file shows.
func (i *Session) cardSigKey(folder *workstation.Folder, info workstation.SigKeyInfo) (SignatureKey, error) {
	c, label, err := i.CardAt(info.Card)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %v: %w", info.KeyNum, info, err)
	}
	signer, err := c.Key(label)
	if err != nil {
		return nil, fmt.Errorf("KEYNUM %d, %v: %w", info.KeyNum, info, err)
	}
	return folder.OpenCardSigKey(info.KeyNum, label, signer)
}
