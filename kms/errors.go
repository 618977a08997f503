package kms

import (
	"errors"
	"fmt"
)

// A Code names why a call was refused. The codes are those that the published clients know, where there is one.
type Code string

// An Error is a refusal: which, and what to do about it. Compare with the sentinels through errors.Is, which looks at
// the code alone.
type Error struct {
	Code   Code
	Detail string // what, to what, and what to do next
	Cause  error  // may be nil; never shown to callers
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Detail
}

// Is makes errors.Is(err, ErrX) true for every error with ErrX's code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) with(format string, args ...any) *Error {
	return &Error{Code: e.Code, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) because(cause error, format string, args ...any) *Error {
	return &Error{Code: e.Code, Detail: fmt.Sprintf(format, args...), Cause: cause}
}

// The refusals.
var (
	ErrUnauthorized   = &Error{Code: "UNAUTHORIZED_ERR"}       // no token, or not a valid one
	ErrTokenExpired   = &Error{Code: "TOKEN_EXPIRED_ERR"}      // it was valid
	ErrAPIKey         = &Error{Code: "API_KEY_NOT_FOUND_ERR"}  // no such API key, or a wrong secret
	ErrForbidden      = &Error{Code: "FORBIDDEN_ERR"}          // the role does not allow it
	ErrHeader         = &Error{Code: "BAD_HEADER_ERR"}         // a header is missing or malformed
	ErrInstance       = &Error{Code: "INSTANCE_NOT_FOUND_ERR"} // another instance's id
	ErrNotInitialised = &Error{Code: "INSTANCE_NOT_INITIALIZED_ERR"}

	ErrBody      = &Error{Code: "BAD_BODY_ERR"}           // it cannot be read as what it should be
	ErrTooLarge  = &Error{Code: "BODY_TOO_LARGE_ERR"}     // more than an adapter reads
	ErrField     = &Error{Code: "INVALID_FIELD_ERR"}      // a field out of its limits
	ErrQuery     = &Error{Code: "BAD_QUERY_PARAM_ERR"}    // a query parameter out of its limits
	ErrUnhandled = &Error{Code: "NOT_IMPLEMENTED_ERR"}    // known to the interface, not to this version
	ErrEndpoint  = &Error{Code: "ENDPOINT_NOT_FOUND"}     // no such path
	ErrMethod    = &Error{Code: "METHOD_NOT_ALLOWED"}     // no such method on this path
	ErrKeyRing   = &Error{Code: "KEY_RING_NOT_FOUND_ERR"} // there is only "default"

	ErrKeyNotFound = &Error{Code: "KEY_NOT_FOUND_ERR"}
	ErrKeyDeleted  = &Error{Code: "KEY_DELETED_ERR"}
	ErrKeyState    = &Error{Code: "KEY_ACTION_INVALID_STATE_ERR"}
	ErrNotRoot     = &Error{Code: "KEY_ROOT_REQ_ERR"}         // only a root key wraps
	ErrAliasTaken  = &Error{Code: "KEY_ALIAS_NOT_UNIQUE_ERR"} // another key has that alias
	ErrTooEarly    = &Error{Code: "REQ_TOO_EARLY_ERR"}
	ErrTooLate     = &Error{Code: "REQ_TOO_LATE_ERR"}
	ErrKeyExists   = &Error{Code: "KEY_ID_NOT_UNIQUE_ERR"} // of a bulk import, which chooses ids
	ErrConflict    = &Error{Code: "CONFLICT_ERR"}          // somebody else changed the key meanwhile
	ErrCiphertext  = &Error{Code: "UNPROCESSABLE_CIPHERTEXT_ERR"}
	ErrSetAside    = &Error{Code: "KEY_MATERIAL_SET_ASIDE_ERR"} // a quorum set the material aside
	ErrDiffers     = &Error{Code: "KEY_MATERIAL_DIFFERS_ERR"}   // what is given for it is not what it was

	// ErrRotationInProgress: the state refuses new material until a master key rotation ends.
	ErrRotationInProgress = &Error{Code: "MASTER_KEY_ROTATION_IN_PROGRESS"}

	// ErrUnavailable: nothing was done; another node, or this one in a moment, can do it.
	ErrUnavailable = &Error{Code: "SERVICE_UNAVAILABLE_ERR"}
	// ErrNoRoom: a disk is nearly full, and nothing was done; it can be once there is room.
	ErrNoRoom = &Error{Code: "DISK_SPACE_LOW_ERR"}
	// ErrOutcomeUnknown: it may or may not have been done.
	ErrOutcomeUnknown = &Error{Code: "OUTCOME_UNKNOWN_ERR"}
	// ErrInternal is a fault of this service.
	ErrInternal = &Error{Code: "INTERNAL_ERR"}
)

// What a Unit answers with, wrapped around the cause.
var (
	// ErrPatternUnknown: neither register holds the master key of that pattern. The blob is read again.
	ErrPatternUnknown = errors.New("neither register holds that master key")
	// ErrNotAuthentic: the ciphertext is not one that this key made with this additional data.
	ErrNotAuthentic = errors.New("the ciphertext is not authentic")
)
