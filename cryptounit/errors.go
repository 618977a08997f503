package cryptounit

import (
	"errors"
	"fmt"
)

// The refusals of a unit, one a guard. Those of register transitions are masterkey's, those of evidence and signatures
// are order's; both come through errors.Is.
var (
	// ErrImprint: the unit has no administrators yet.
	ErrImprint = errors.New("the crypto unit is in imprint mode: set its administrators and thresholds first")
	// ErrNotImprint: administrators are changed by an order once they are set.
	ErrNotImprint = errors.New("the crypto unit is not in imprint mode: its administrators change by an order")
	// ErrOrderNumber: the number is not above that of the last order.
	ErrOrderNumber = errors.New("the order's number is not above the last one that this crypto unit knows")
	// ErrOrderForeign: cluster, instance, incarnation, unit or pattern is another one.
	ErrOrderForeign = errors.New("the order is not for this crypto unit")
	// ErrOrderExpired: it came after its not-after.
	ErrOrderExpired = errors.New("the order came after the time up to which it may be accepted")
	// ErrOrderOpen: another order is open: cancel it first.
	ErrOrderOpen = errors.New("another order is open at this crypto unit: complete or cancel it first")
	// ErrNoOrder: the step belongs to an order that is not the unit's open one.
	ErrNoOrder = errors.New("the order is not the open one of this crypto unit")
	// ErrImporterKey: the envelope or the evidence names an importer key that is not the unit's of this order.
	ErrImporterKey = errors.New("the importer key is not the one of this crypto unit and order")
	// ErrPeer: the report of a unit that is to receive the master key does not show this unit's administrators and
	// thresholds.
	ErrPeer = errors.New("a crypto unit of the order reports other administrators or thresholds than this one")
	// ErrEnvelope: it does not open.
	ErrEnvelope = errors.New("the envelope does not open")
	// ErrPart: a key part is all zero, or equal to another, or all of them are zero together.
	ErrPart = errors.New("the key part is all zero or equal to another part")
	// ErrPartWaits: another key part waits under that number.
	ErrPartWaits = errors.New("another key part waits in the crypto unit under that number")
	// ErrPartsDiffer: together the parts are another key than another unit has loaded under the order.
	ErrPartsDiffer = errors.New("together the key parts are another master key than the other crypto units have")
	// ErrPartSource: parts come from different administrators where two or more must sign.
	ErrPartSource = errors.New("this administrator has given the crypto unit another key part already, and two or more must sign for it")
	// ErrActivated: what was activated is never cleared.
	ErrActivated = errors.New("the crypto unit has activated the order's master key already")
	// ErrPatternUnknown: neither register holds the key that a blob or a caller names. The caller reads the blob again.
	ErrPatternUnknown = errors.New("neither register of this crypto unit holds that master key")
	// ErrBlob: the blob is malformed, or not authentic.
	ErrBlob = errors.New("the blob does not open")
	// ErrUse: the blob's key is not for this.
	ErrUse = errors.New("the key is not for this use")
	// ErrNotAuthentic: the ciphertext is not one that the key made with this additional data.
	ErrNotAuthentic = errors.New("the ciphertext is not authentic")
	// ErrPartition: the unit rewraps only what its sealed file notes, and verifies only what it does not.
	ErrPartition = errors.New("the partition is not this crypto unit's to rewrap or verify")
	// ErrNotEqual: the blob of the next epoch does not hold the same as that of the current one.
	ErrNotEqual = errors.New("the rewrapped blob does not hold what the current one does")
	// ErrOpens: the unit was to state that it cannot open a blob that it can.
	ErrOpens = errors.New("the blob opens")
	// ErrRetired: no retired key has that pattern.
	ErrRetired = errors.New("the crypto unit keeps no retired key of that verification pattern")
	// ErrStateFile: the sealed file is damaged, foreign or of another format. Nothing was changed.
	ErrStateFile = errors.New("the crypto unit's sealed file cannot be used")
	// ErrClosed: the unit is closed, or stopped after a failed write.
	ErrClosed = errors.New("the crypto unit is closed")
)

func refuse(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
}
