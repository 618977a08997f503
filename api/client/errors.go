package client

import (
	"errors"
	"fmt"
	"strings"
)

// A Code names a kind of refusal: stable, for programs. Refusals of the replicated state travel under the state's own
// names, so the list here is not complete: it holds the codes that this interface makes itself, and those that
// clients of ours act upon.
type Code string

// Codes that the administration interface makes itself.
const (
	CodeInvalidRequest     Code = "invalid_request"      // 400: malformed, unknown field, value out of range
	CodeUnauthenticated    Code = "unauthenticated"      // 401: no verified client certificate
	CodeForbidden          Code = "forbidden"            // 403: a certificate that is not an administrator's
	CodeNotFound           Code = "not_found"            // 404
	CodeMethodNotAllowed   Code = "method_not_allowed"   // 405
	CodeConflict           Code = "conflict"             // 409: the state refuses it now
	CodeTooLarge           Code = "too_large"            // 413: the body is over the limit
	CodeUnsupportedType    Code = "unsupported_type"     // 415: the body is not JSON
	CodeInternal           Code = "internal"             // 500
	CodeNotReady           Code = "not_ready"            // 503: not part of a cluster yet, or catching up; nothing was done
	CodeNoLeader           Code = "no_leader"            // 503: no quorum at the moment; nothing was done
	CodeOutcomeUnknown     Code = "outcome_unknown"      // 503: proposed, and the answer was lost
	CodeTimeout            Code = "timeout"              // 504: not in time
	CodeUnitUnreachable    Code = "unit_unreachable"     // 503: the unit's node does not answer
	CodeInvalidOrder       Code = "invalid_order"        // 400: not an order, statement or approval in canonical form
	CodeInvalidSignature   Code = "invalid_signature"    // 403, return code 192
	CodeTooFewSignatures   Code = "too_few_signatures"   // 403, return code 208
	CodeUnauthorisedSigner Code = "unauthorised_signer"  // 403, return code 257
	CodeImprintMode        Code = "imprint_mode"         // 409, return code 179
	CodePatternMismatch    Code = "pattern_mismatch"     // 409, return code 101, reason code 48
	CodeRotationOpen       Code = "rotation_in_progress" // 409: an order is open
)

// Error is a refusal by a node, as it travels: {"error":{…}}. It says what happened, to what, and what to do next.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do next

	// ReturnCode and ReasonCode are those of the crypto module (EP11), or 0: 208 too few signatures, 257 unauthorised
	// signer, 192 invalid signature, 179 imprint mode, 101/48 the committed pattern is not the register's…
	ReturnCode int `json:"return_code,omitempty"`
	ReasonCode int `json:"reason_code,omitempty"`

	Status  int    `json:"-"` // HTTP status
	Address string `json:"-"` // the node that answered
}

// ErrorBody is the body of every answer that is not a success.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error gives the message and, after it, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

// Is makes errors.Is(err, &Error{Code: c}) true for every refusal with that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// HasCode tells whether err is a refusal with that code.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ErrOutcomeUnknown means that a change was sent and its answer was lost: it may or may not have happened. Look (status,
// rotation status), or run the command again, which is always safe.
var ErrOutcomeUnknown = errors.New("the outcome of the request is unknown: look at the status, then run the command again")

// ErrCertificateRefused means that this side or the node refused the other's certificate.
var ErrCertificateRefused = errors.New("certificate refused")

// UnreachableError means that no node answered; it tells why, address by address.
type UnreachableError struct {
	Attempts []Attempt
}

// Attempt is one address that was tried.
type Attempt struct {
	Address string
	Err     error
}

// Error lists every address with its cause, and what to do next.
func (e *UnreachableError) Error() string {
	var b strings.Builder
	if len(e.Attempts) == 1 {
		fmt.Fprintf(&b, "the node at %s does not answer: %v", e.Attempts[0].Address, e.Attempts[0].Err)
	} else {
		fmt.Fprintf(&b, "none of %d nodes answers", len(e.Attempts))
		for _, a := range e.Attempts {
			fmt.Fprintf(&b, "; %s: %v", a.Address, a.Err)
		}
	}
	if !errors.Is(e, ErrCertificateRefused) {
		b.WriteString(": check that the node runs and that the address is its API address (https, port 8433 + 10 × unit number by default)")
	}
	return b.String()
}

// Unwrap gives the causes.
func (e *UnreachableError) Unwrap() []error {
	causes := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		causes[i] = a.Err
	}
	return causes
}
