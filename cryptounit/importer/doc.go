// Package importer holds how a key part travels to a crypto unit's importer key where its custodian keeps it on a smart card,
// which knows no HPKE: RSA with OAEP (order.SuiteRSA), and ECDH on P-521 with AES key wrap (order.SuiteECDH); and how a
// workstation seals a part to an importer key of any suite.
//
// It is a leaf with the standard library alone, shared by the units, which open, and the workstation, which seals as a card
// would where a part is in a file. A private key is bytes here and is kept, and erased, by its caller; the units call what takes one in what
// erases all that it leaves (runtime/secret).
//
// Neither suite is post-quantum, and neither binds the sealed bytes to a context: the signature of the custodian does, which
// covers both.
package importer

import (
	"errors"
	"fmt"
)

// ErrPublicKey refuses what is no importer key of its suite.
var ErrPublicKey = errors.New("it is no importer key of this suite")

// ErrSealed refuses what was not sealed to the importer key, or was changed.
var ErrSealed = errors.New("it was not sealed to this importer key, or it was changed")

func refuse(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
}
