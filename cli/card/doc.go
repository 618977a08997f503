// Package card is what the command line does with smart cards (PKCS #11 tokens): administrators' signature keys, and key parts
// that leave a card only sealed to a crypto unit's importer key. It is where cgo lives, and nowhere else: a build without cgo has
// all but New, which refuses and says what to do.
//
// It promises: a private key, and a part's value, is never in this process; a wrong PIN is never tried again by itself, and
// the last try is left alone unless it is asked for; a PIN comes from who asks for it, never out of a URI.
package card

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// The refusals.
var (
	// ErrNotBuilt: this program was built without cgo.
	ErrNotBuilt = errors.New("this program was built without support for smart cards")
	// ErrNoModule: the PKCS #11 library cannot be used.
	ErrNoModule = errors.New("the PKCS #11 library cannot be used")
	// ErrNoCard: no token, or more than one, is as the URI says.
	ErrNoCard = errors.New("the smart card is not there")
	// ErrNoObject: no object, or more than one, is called so.
	ErrNoObject = errors.New("the object is not on the smart card")
	// ErrExists: an object is called so already.
	ErrExists = errors.New("the smart card has an object of this name already")
	// ErrWrongPIN: nothing tries again by itself.
	ErrWrongPIN = errors.New("the PIN is wrong")
	// ErrLastTry: another wrong PIN would lock the card.
	ErrLastTry = errors.New("one more wrong PIN locks the smart card")
	// ErrLocked: the card takes no PIN any more.
	ErrLocked = errors.New("the PIN of the smart card is locked")
	// ErrNoPattern: the card cannot digest a key.
	ErrNoPattern = errors.New("this smart card cannot show the verification pattern of a key part")
	// ErrCannotSeal: the card has not what a suite takes.
	ErrCannotSeal = errors.New("this smart card cannot seal a key part to the crypto units")
	// ErrNotKept: the object is not one that the card keeps for itself.
	ErrNotKept = errors.New("the smart card does not keep this key for itself")
)

func refuse(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
}

// Token names a card.
type Token struct{ Label, Serial, Manufacturer, Model string }

// String is how prompts and messages name a card.
func (t Token) String() string { return fmt.Sprintf("%s (serial number %s)", t.Label, t.Serial) }

// Asker is where PINs come from.
type Asker struct {
	// PIN gives the PIN of a card, once. source is the file that the URI names; empty: none.
	PIN func(token Token, source string) (string, error)
	// Warn tells the user something about a card before it is asked for its PIN.
	Warn func(text string)
	// LastTry uses up the last try too.
	LastTry bool
}

// Readers gives cards. It keeps what it opened until Close, and asks for the PIN of each card once. Not for concurrent use.
type Readers interface {
	// Open finds the one card that a URI names and logs in. ErrNoModule, ErrNoCard, ErrWrongPIN, ErrLastTry, ErrLocked.
	Open(uri URI) (Card, error)
	Close() error
}

// Card is a card that its owner has logged in to. Objects are named by their label.
type Card interface {
	Token() Token
	// NewKey makes a P-521 signature key, which cannot leave the card. ErrExists.
	NewKey(label string) (*ecdsa.PublicKey, error)
	// Key gives what signs with a signature key of the card. ErrNoObject, ErrNotKept.
	Key(label string) (order.Signer, error)
	// NewPart draws a key part, which leaves the card wrapped alone. ErrExists.
	NewPart(label string) error
	// Pattern gives a part's verification pattern. ErrNoObject, ErrNotKept; ErrNoPattern: the card has it and cannot tell.
	Pattern(label string) (masterkey.Pattern, error)
	// Suites are those that the card can seal by, the best first; none if it cannot.
	Suites() []order.Suite
	// SealPart gives the sealed bytes of an order.Envelope: the part, wrapped on the card to an importer key. ErrCannotSeal.
	SealPart(label string, suite order.Suite, importer []byte) ([]byte, error)
}
