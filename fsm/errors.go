package fsm

import (
	"errors"
	"fmt"
)

// Code numbers a refusal. Numbers are in results that the state remembers:
// they are forever.
type Code uint16

// A Refusal is the state's answer to a command that it did not accept. Nothing
// was changed. Compare with the sentinels through errors.Is, which looks at
// the code alone.
type Refusal struct {
	Code   Code
	Detail string // what, and what to do next; may be empty
}

func (r *Refusal) Error() string {
	text, ok := refusalText[r.Code]
	if !ok {
		text = fmt.Sprintf("refused with code %d", r.Code)
	}
	if r.Detail == "" {
		return text
	}
	return text + ": " + r.Detail
}

// Is makes errors.Is(err, ErrX) true for every refusal with ErrX's code.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && other.Code == r.Code
}

// Retriable is true when the same intent, made anew from the present state,
// may well be accepted: blobs sealed again, a sweep later.
func (r *Refusal) Retriable() bool {
	switch r.Code {
	case codeSealAgain, codeSweepLater, codeRecordChanged, codeStaleLease, codeStalePass, codeCursor:
		return true
	}
	return false
}

// with is the refusal with a detail.
func (r *Refusal) with(format string, args ...any) *Refusal {
	return &Refusal{Code: r.Code, Detail: fmt.Sprintf(format, args...)}
}

// Codes. Never renumber.
const (
	codeNotBootstrapped     Code = 1
	codeAlreadyBootstrapped Code = 2
	codeOutcomeUnknown      Code = 3
	codeFeatureLevel        Code = 4
	codeInvalid             Code = 5

	codeOrderMalformed     Code = 10
	codeOrderOpen          Code = 11
	codeOrderNumber        Code = 12
	codeOrderCluster       Code = 13
	codeOrderExpired       Code = 14
	codeOrderPattern       Code = 15
	codeOrderUnits         Code = 16
	codeOrderTooFew        Code = 17
	codeUnitImprint        Code = 18
	codeAdministratorsDiff Code = 19
	codeUnitFenced         Code = 20
	codeCurrentRegister    Code = 21
	codeNewRegister        Code = 22
	codeNewKeyIsCurrent    Code = 23
	codeNoRoom             Code = 24
	codeGenerator          Code = 25
	codeOrderUnknown       Code = 26
	codeOrderNotOpen       Code = 27
	codeTooLateToCancel    Code = 28
	codeOrderKind          Code = 29
	codeSettle             Code = 30
	codeLastUnits          Code = 31
	codeRetiredUnknown     Code = 32
	codeStatementMalformed Code = 40
	codeGeneration         Code = 41
	codeNotAwaited         Code = 42
	codeStatementConflict  Code = 43
	codeStatementUnit      Code = 44
	codeStatementOrder     Code = 45
	codeEnvelopes          Code = 46
	codeRotationCancelled  Code = 47
	codeApprovalMalformed  Code = 48
	codeApproval           Code = 49
	codeSignature          Code = 50
	codeApprovalEarly      Code = 51
	codeApprovalNotAsked   Code = 52
	codePartitionUnknown   Code = 60
	codeStaleLease         Code = 61
	codeStalePass          Code = 62
	codeCursor             Code = 63
	codeTable              Code = 64
	codeNotRewrapping      Code = 65
	codeBlobUnknown        Code = 66
	codeUnitUnknown        Code = 70
	codeIdentityChanged    Code = 71
	codeRolledBack         Code = 72
	codeUnitEnrolled       Code = 73
	codeFenceNotAwaited    Code = 74
	codeUnitRemoved        Code = 75
	codeLastHolder         Code = 76
	codeKeyNotFound        Code = 80
	codeKeyExists          Code = 81
	codeRecordChanged      Code = 82
	codeKeyState           Code = 83
	codeMasterKeyRotation  Code = 84
	codeSealAgain          Code = 85
	codeSweepLater         Code = 86
	codeAliasTaken         Code = 87
	codeNoMasterKey        Code = 88
	codeAPIKeyNotFound     Code = 90
	codeAPIKeyExists       Code = 91
	codeTokenUnknown       Code = 92
	codeTokenExpired       Code = 93
	codeTokenUsed          Code = 94
	codeTokenExists        Code = 95
)

// The refusals.
var (
	ErrNotBootstrapped     = &Refusal{Code: codeNotBootstrapped}
	ErrAlreadyBootstrapped = &Refusal{Code: codeAlreadyBootstrapped}
	ErrOutcomeUnknown      = &Refusal{Code: codeOutcomeUnknown}
	ErrFeatureLevel        = &Refusal{Code: codeFeatureLevel}
	ErrInvalid             = &Refusal{Code: codeInvalid} // a field out of bounds

	// Preconditions of an order.
	ErrOrderMalformed       = &Refusal{Code: codeOrderMalformed}
	ErrOrderOpen            = &Refusal{Code: codeOrderOpen}
	ErrOrderNumber          = &Refusal{Code: codeOrderNumber}
	ErrOrderCluster         = &Refusal{Code: codeOrderCluster}
	ErrOrderExpired         = &Refusal{Code: codeOrderExpired}
	ErrOrderPattern         = &Refusal{Code: codeOrderPattern}
	ErrOrderUnits           = &Refusal{Code: codeOrderUnits}
	ErrOrderTooFewUnits     = &Refusal{Code: codeOrderTooFew}
	ErrUnitImprint          = &Refusal{Code: codeUnitImprint}
	ErrAdministratorsDiffer = &Refusal{Code: codeAdministratorsDiff}
	ErrUnitFenced           = &Refusal{Code: codeUnitFenced}
	ErrCurrentRegister      = &Refusal{Code: codeCurrentRegister}
	ErrNewRegister          = &Refusal{Code: codeNewRegister}
	ErrNewKeyIsCurrent      = &Refusal{Code: codeNewKeyIsCurrent}
	ErrNoRoom               = &Refusal{Code: codeNoRoom}
	ErrGenerator            = &Refusal{Code: codeGenerator}
	ErrOrderUnknown         = &Refusal{Code: codeOrderUnknown}
	ErrOrderNotOpen         = &Refusal{Code: codeOrderNotOpen}
	ErrTooLateToCancel      = &Refusal{Code: codeTooLateToCancel}
	ErrOrderKind            = &Refusal{Code: codeOrderKind}
	ErrSettle               = &Refusal{Code: codeSettle}
	ErrLastUnits            = &Refusal{Code: codeLastUnits}
	ErrRetiredUnknown       = &Refusal{Code: codeRetiredUnknown}

	// Statements and approvals.
	ErrStatementMalformed = &Refusal{Code: codeStatementMalformed}
	ErrGeneration         = &Refusal{Code: codeGeneration}
	ErrNotAwaited         = &Refusal{Code: codeNotAwaited}
	ErrStatementConflict  = &Refusal{Code: codeStatementConflict}
	ErrStatementUnit      = &Refusal{Code: codeStatementUnit}
	ErrStatementOrder     = &Refusal{Code: codeStatementOrder}
	ErrEnvelopes          = &Refusal{Code: codeEnvelopes}
	ErrRotationCancelled  = &Refusal{Code: codeRotationCancelled}
	ErrApprovalMalformed  = &Refusal{Code: codeApprovalMalformed}
	ErrApproval           = &Refusal{Code: codeApproval}
	ErrApprovalEarly      = &Refusal{Code: codeApprovalEarly}
	ErrApprovalNotAsked   = &Refusal{Code: codeApprovalNotAsked}
	// ErrSignature is of who puts commands into the log: the state itself
	// looks at no signature.
	ErrSignature = &Refusal{Code: codeSignature}

	// Rewrap.
	ErrPartitionUnknown = &Refusal{Code: codePartitionUnknown}
	ErrStaleLease       = &Refusal{Code: codeStaleLease}
	ErrStalePass        = &Refusal{Code: codeStalePass}
	ErrCursor           = &Refusal{Code: codeCursor}
	ErrTable            = &Refusal{Code: codeTable}
	ErrNotRewrapping    = &Refusal{Code: codeNotRewrapping}
	ErrBlobUnknown      = &Refusal{Code: codeBlobUnknown}

	// Units.
	ErrUnitUnknown     = &Refusal{Code: codeUnitUnknown}
	ErrIdentityChanged = &Refusal{Code: codeIdentityChanged}
	ErrRolledBack      = &Refusal{Code: codeRolledBack}
	ErrUnitEnrolled    = &Refusal{Code: codeUnitEnrolled}
	ErrFenceNotAwaited = &Refusal{Code: codeFenceNotAwaited}
	ErrUnitRemoved     = &Refusal{Code: codeUnitRemoved}
	ErrLastHolder      = &Refusal{Code: codeLastHolder}

	// Keys. A purged key is ErrKeyNotFound.
	ErrKeyNotFound                 = &Refusal{Code: codeKeyNotFound}
	ErrKeyExists                   = &Refusal{Code: codeKeyExists}
	ErrRecordChanged               = &Refusal{Code: codeRecordChanged}
	ErrKeyState                    = &Refusal{Code: codeKeyState}
	ErrMasterKeyRotationInProgress = &Refusal{Code: codeMasterKeyRotation}
	ErrSealAgain                   = &Refusal{Code: codeSealAgain}
	ErrSweepLater                  = &Refusal{Code: codeSweepLater}
	ErrAliasTaken                  = &Refusal{Code: codeAliasTaken}
	ErrNoMasterKey                 = &Refusal{Code: codeNoMasterKey}

	// Access.
	ErrAPIKeyNotFound = &Refusal{Code: codeAPIKeyNotFound}
	ErrAPIKeyExists   = &Refusal{Code: codeAPIKeyExists}
	ErrTokenUnknown   = &Refusal{Code: codeTokenUnknown}
	ErrTokenExpired   = &Refusal{Code: codeTokenExpired}
	ErrTokenUsed      = &Refusal{Code: codeTokenUsed}
	ErrTokenExists    = &Refusal{Code: codeTokenExists}
)

var refusalText = map[Code]string{
	codeNotBootstrapped:     "the cluster has not been bootstrapped: run 'tumbler cluster bootstrap'",
	codeAlreadyBootstrapped: "the cluster has been bootstrapped already",
	codeOutcomeUnknown:      "the outcome of this request is unknown: it was first made too long ago; read the state before making it again",
	codeFeatureLevel:        "the feature level does not allow this",
	codeInvalid:             "a field of the command is out of bounds",
	codeOrderMalformed:      "the order is malformed",
	codeOrderOpen:           "another order is open: wait for it, or cancel it first",
	codeOrderNumber:         "the order's number is not above the last: make it again from the present state",
	codeOrderCluster:        "the order is for another cluster, incarnation or instance",
	codeOrderExpired:        "the order has expired: make and sign a new one",
	codeOrderPattern:        "the order names another current master key than the cluster's",
	codeOrderUnits:          "the order does not name exactly the units of the instance",
	codeOrderTooFew:         "the order names fewer than two units",
	codeUnitImprint:         "a unit is in imprint mode: give it administrators first",
	codeAdministratorsDiff:  "administrators or thresholds differ between the order and a unit",
	codeUnitFenced:          "a unit is fenced: let it converge or remove it first",
	codeCurrentRegister:     "a unit's current register is not what the order needs",
	codeNewRegister:         "a unit's new register is not empty: clear it first",
	codeNewKeyIsCurrent:     "the new master key is the current one",
	codeNoRoom:              "a unit's disk has no room for the rotation",
	codeGenerator:           "the order's generator cannot generate",
	codeOrderUnknown:        "no such order",
	codeOrderNotOpen:        "the order is not open",
	codeTooLateToCancel:     "the new master key is active: it is too late to cancel",
	codeOrderKind:           "this kind of order cannot be accepted here",
	codeSettle:              "the settle order does not match the blobs in question",
	codeLastUnits:           "too few units would remain: enrol another first, and give it the master key",
	codeRetiredUnknown:      "no retired master key of that pattern is kept",
	codeStatementMalformed:  "the statement is malformed",
	codeGeneration:          "the statement's generation is not above the unit's last",
	codeNotAwaited:          "the statement is not awaited in this state",
	codeStatementConflict:   "the statement contradicts an earlier one",
	codeStatementUnit:       "the statement's unit is not one that the order names",
	codeStatementOrder:      "the statement is for another order",
	codeEnvelopes:           "the envelopes are not those that the statement and the order ask for",
	codeRotationCancelled:   "the rotation has been cancelled",
	codeApprovalMalformed:   "the approval is malformed",
	codeApproval:            "the approval is not asked for, or names another pattern",
	codeApprovalEarly:       "the step is not due yet: approve it when the steps before it are done",
	codeApprovalNotAsked:    "the order asks for no approval of that step",
	codeSignature:           "it is not signed by those whom it names",
	codePartitionUnknown:    "no such partition",
	codeStaleLease:          "the partition's lease has moved",
	codeStalePass:           "the partition is in another pass",
	codeCursor:              "the batch does not begin at the partition's cursor",
	codeTable:               "the batch's table is not acceptable",
	codeNotRewrapping:       "no rewrap is under way",
	codeBlobUnknown:         "no such blob",
	codeUnitUnknown:         "no such unit",
	codeIdentityChanged:     "the unit's identity is not the enrolled one: if the unit that had this number is lost, remove it with an order first (`tumbler tke unenrol`)",
	codeRolledBack:          "the unit's generation is below what it once stated: an older file was put back",
	codeUnitEnrolled:        "the unit is enrolled: remove it with an order",
	codeFenceNotAwaited:     "no statement of that unit is awaited",
	codeLastHolder:          "no other unit would hold the master key in its current register",
	codeUnitRemoved:         "the unit was removed: to come back it joins and is enrolled anew, with a new identity",
	codeKeyNotFound:         "no such key",
	codeKeyExists:           "a key with this id exists",
	codeRecordChanged:       "the record has changed: read it again",
	codeKeyState:            "the key's state does not allow this",
	codeMasterKeyRotation:   "a master key rotation is in progress: try again when it is complete",
	codeSealAgain:           "the master keys in use have changed: seal again",
	codeSweepLater:          "purged blobs stay while an order is open: sweep later",
	codeAliasTaken:          "the alias is taken",
	codeNoMasterKey:         "the cluster has no master key yet",
	codeAPIKeyNotFound:      "no such API key",
	codeAPIKeyExists:        "an API key with this id exists",
	codeTokenUnknown:        "no such join token",
	codeTokenExpired:        "the join token has expired: create another",
	codeTokenUsed:           "the join token has been used: create another",
	codeTokenExists:         "a join token with this id exists",
}

// Errors of reading and of the store itself.
var (
	// ErrNotFound is what views answer when there is no such record.
	ErrNotFound = errors.New("not found in the replicated state")
	// ErrSetAside is a blob that no unit could open and that a quorum set
	// aside; an import of the same bytes brings its key back.
	ErrSetAside = errors.New("the key's material was set aside: import it again or purge the key")
	// ErrUndecodable is a committed entry that this version cannot understand.
	ErrUndecodable = errors.New("log entry cannot be understood")
	// ErrForeign is a store of another cluster.
	ErrForeign = errors.New("store belongs to another cluster")
	// ErrAhead is a store ahead of its log and snapshots.
	ErrAhead = errors.New("store is ahead of its log and snapshots: never start it as itself again; remove the unit and join anew")
	// ErrStopped is every call after the store failed or was closed.
	ErrStopped = errors.New("the replicated state has stopped")
)
