package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"tumbler/api/client"
	"tumbler/fsm"
)

// Return codes of the crypto module that this interface gives (EP11 as the original command line shows it).
const (
	returnPattern       = 101 // with reason 48: the pattern is not the register's
	reasonPattern       = 48
	returnCounter       = 163 // transaction counter: the order's number or a generation
	returnImprint       = 179
	returnBadSignature  = 192
	returnTooFew        = 208
	returnUnauthorised  = 257
	returnThreshold     = 209 // with reason 57, 58: above the number of administrators; 76, 77: it is 0
	reasonThreshold     = 57
	reasonThresholdZero = 76
	reasonRevocation    = 58
	reasonRevocationNil = 77
	returnExists        = 256
	returnTooMany       = 261
	statusClientIsGone  = 499 // nobody reads it; the log does
	hintRead            = "run `tumbler tke rotation status`"
	hintMakeOrderAnew   = "make the order again from the present state and sign it"
	hintGiveTheKey      = "start other units that hold it, or give them the key first (`tumbler tke auto-recover`)"
	hintTryAnotherNode  = "try again, or give the address of another node"
	hintLookAndRunAgain = "look at the status, then run the same command again: that is safe"
)

// A wire is what travels of a kind of error; codes that are not in the table are 409 without return codes.
type wire struct{ status, ret, reason int }

var wires = map[client.Code]wire{
	client.CodeInvalidRequest:     {status: http.StatusBadRequest},
	client.CodeInvalidOrder:       {status: http.StatusBadRequest},
	client.CodeUnauthenticated:    {status: http.StatusUnauthorized},
	client.CodeForbidden:          {status: http.StatusForbidden},
	client.CodeInvalidSignature:   {status: http.StatusForbidden, ret: returnBadSignature},
	client.CodeTooFewSignatures:   {status: http.StatusForbidden, ret: returnTooFew},
	client.CodeUnauthorisedSigner: {status: http.StatusForbidden, ret: returnUnauthorised},
	client.CodeNotFound:           {status: http.StatusNotFound},
	client.CodeMethodNotAllowed:   {status: http.StatusMethodNotAllowed},
	client.CodeImprintMode:        {status: http.StatusConflict, ret: returnImprint},
	client.CodePatternMismatch:    {status: http.StatusConflict, ret: returnPattern, reason: reasonPattern},
	codeOrderNumber:               {status: http.StatusConflict, ret: returnCounter},
	codeGeneration:                {status: http.StatusConflict, ret: returnCounter},
	client.CodeTooLarge:           {status: http.StatusRequestEntityTooLarge},
	client.CodeUnsupportedType:    {status: http.StatusUnsupportedMediaType},
	codeTooManyAdministrators:     {status: http.StatusBadRequest, ret: returnTooMany},
	codeAdministratorExists:       {status: http.StatusBadRequest, ret: returnExists},
	codeThreshold:                 {status: http.StatusBadRequest, ret: returnThreshold, reason: reasonThreshold},
	codeThresholdZero:             {status: http.StatusBadRequest, ret: returnThreshold, reason: reasonThresholdZero},
	codeRevocation:                {status: http.StatusBadRequest, ret: returnThreshold, reason: reasonRevocation},
	codeRevocationZero:            {status: http.StatusBadRequest, ret: returnThreshold, reason: reasonRevocationNil},
	codeGone:                      {status: statusClientIsGone},
	client.CodeInternal:           {status: http.StatusInternalServerError},
	client.CodeNotReady:           {status: http.StatusServiceUnavailable},
	client.CodeNoLeader:           {status: http.StatusServiceUnavailable},
	client.CodeOutcomeUnknown:     {status: http.StatusServiceUnavailable},
	client.CodeUnitUnreachable:    {status: http.StatusServiceUnavailable},
	client.CodeTimeout:            {status: http.StatusGatewayTimeout},
}

const (
	codeOrderNumber client.Code = "order_number"
	codeGeneration  client.Code = "generation"
	codeGone        client.Code = "client_gone"
	codeNoMajority  client.Code = "no_majority"
	codeLastHolder  client.Code = "last_holder"
	codeNotLoading  client.Code = "not_loading"

	codeTooManyAdministrators client.Code = "too_many_administrators"
	codeAdministratorExists   client.Code = "administrator_exists"
	codeThreshold             client.Code = "threshold"
	codeThresholdZero         client.Code = "threshold_zero"
	codeRevocation            client.Code = "revocation_threshold"
	codeRevocationZero        client.Code = "revocation_threshold_zero"
)

// A mapping is how one refusal travels: its message is the error's own.
type mapping struct {
	code client.Code
	hint string
}

// refusals maps the state's refusals. Those that only nodes meet (batches, leases, keys) are not in it: they would be a
// fault of ours here, and travel as a conflict under their number.
var refusals = map[fsm.Code]mapping{
	fsm.ErrNotBootstrapped.Code:     {code: client.CodeNotReady},
	fsm.ErrAlreadyBootstrapped.Code: {code: "already_bootstrapped"},
	fsm.ErrOutcomeUnknown.Code:      {code: client.CodeOutcomeUnknown, hint: hintLookAndRunAgain},
	fsm.ErrFeatureLevel.Code:        {code: "feature_level", hint: "bring every node to the same version"},
	fsm.ErrInvalid.Code:             {code: client.CodeInvalidRequest},

	fsm.ErrOrderMalformed.Code:              {code: client.CodeInvalidOrder},
	fsm.ErrOrderOpen.Code:                   {code: client.CodeRotationOpen, hint: hintRead},
	fsm.ErrOrderNumber.Code:                 {code: codeOrderNumber, hint: hintMakeOrderAnew},
	fsm.ErrOrderCluster.Code:                {code: "order_cluster", hint: hintMakeOrderAnew},
	fsm.ErrOrderExpired.Code:                {code: "order_expired"},
	fsm.ErrOrderPattern.Code:                {code: client.CodePatternMismatch, hint: hintMakeOrderAnew},
	fsm.ErrOrderUnits.Code:                  {code: "order_units", hint: hintMakeOrderAnew},
	fsm.ErrOrderTooFewUnits.Code:            {code: "too_few_units", hint: "let another node join"},
	fsm.ErrUnitImprint.Code:                 {code: client.CodeImprintMode},
	fsm.ErrAdministratorsDiffer.Code:        {code: "administrators_differ", hint: "compare the units: `tumbler tke cryptounit-compare`"},
	fsm.ErrUnitFenced.Code:                  {code: "unit_fenced", hint: "start its node and let it converge, or remove it by an order"},
	fsm.ErrCurrentRegister.Code:             {code: "current_register", hint: "compare the units (`tumbler tke cryptounit-compare`); `tumbler tke auto-recover` gives the master key to those whose register is Empty"},
	fsm.ErrNewRegister.Code:                 {code: "new_register", hint: "cancel what left it so: `tumbler tke rotation cancel`"},
	fsm.ErrNewKeyIsCurrent.Code:             {code: "new_key_is_current", hint: "load other key parts"},
	fsm.ErrNoRoom.Code:                      {code: "no_room", hint: "make room on that node's disk"},
	fsm.ErrGenerator.Code:                   {code: "generator", hint: hintMakeOrderAnew},
	fsm.ErrOrderUnknown.Code:                {code: client.CodeNotFound, hint: "list orders: `tumbler tke rotation history`"},
	fsm.ErrOrderNotOpen.Code:                {code: "order_not_open", hint: hintRead},
	fsm.ErrTooLateToCancel.Code:             {code: "too_late_to_cancel", hint: "rotate again if the new master key must go"},
	fsm.ErrOrderKind.Code:                   {code: "order_kind", hint: hintRead},
	fsm.ErrSettle.Code:                      {code: "settle_mismatch", hint: hintMakeOrderAnew},
	fsm.ErrLastUnits.Code:                   {code: "last_units"},
	fsm.ErrLastHolder.Code:                  {code: codeLastHolder, hint: hintGiveTheKey},
	fsm.ErrApprovalEarly.Code:               {code: "approval_early", hint: hintRead},
	fsm.ErrApprovalNotAsked.Code:            {code: "approval_not_asked", hint: hintRead},
	fsm.ErrRetiredUnknown.Code:              {code: "retired_unknown", hint: "list them: `tumbler tke retired list`"},
	fsm.ErrUnitRemoved.Code:                 {code: "unit_removed"},
	fsm.ErrApprovalMalformed.Code:           {code: client.CodeInvalidOrder},
	fsm.ErrApproval.Code:                    {code: client.CodePatternMismatch, hint: hintRead},
	fsm.ErrSignature.Code:                   {code: client.CodeInvalidSignature, hint: "sign it again with an administrator's key"},
	fsm.ErrRotationCancelled.Code:           {code: "rotation_cancelled"},
	fsm.ErrNotRewrapping.Code:               {code: "not_rewrapping", hint: hintRead},
	fsm.ErrNotAwaited.Code:                  {code: "not_awaited", hint: hintRead},
	fsm.ErrGeneration.Code:                  {code: codeGeneration, hint: hintRead},
	fsm.ErrUnitUnknown.Code:                 {code: client.CodeNotFound, hint: "list units: `tumbler tke cryptounits`"},
	fsm.ErrIdentityChanged.Code:             {code: "identity_changed", hint: "do not trust that unit: remove it, and enrol it anew by its fingerprint"},
	fsm.ErrRolledBack.Code:                  {code: "rolled_back", hint: "zeroize that unit and enrol it anew"},
	fsm.ErrUnitEnrolled.Code:                {code: "unit_enrolled"},
	fsm.ErrMasterKeyRotationInProgress.Code: {code: client.CodeRotationOpen, hint: hintRead},
	fsm.ErrNoMasterKey.Code:                 {code: "no_master_key", hint: "initialise the units: `tumbler tke auto-init`"},

	fsm.ErrAPIKeyNotFound.Code: {code: client.CodeNotFound, hint: "list API keys: `tumbler kms apikey list`"},
	fsm.ErrAPIKeyExists.Code:   {code: client.CodeConflict},
	fsm.ErrTokenUnknown.Code:   {code: client.CodeNotFound, hint: "list tokens: `tumbler cluster token list`"},
	fsm.ErrTokenExpired.Code:   {code: "token_expired"},
	fsm.ErrTokenUsed.Code:      {code: "token_used"},
	fsm.ErrTokenExists.Code:    {code: client.CodeConflict},
}

// backendErrors maps the errors that Backend declares, and those of a context.
var backendErrors = []struct {
	err error
	mapping
}{
	{ErrOutcomeUnknown, mapping{code: client.CodeOutcomeUnknown, hint: hintLookAndRunAgain}},
	{ErrNoLeader, mapping{code: client.CodeNoLeader, hint: "wait for a leader, or start the nodes that are down: more than half must run"}},
	{ErrNotReady, mapping{code: client.CodeNotReady, hint: hintTryAnotherNode}},
	{ErrUnitUnreachable, mapping{code: client.CodeUnitUnreachable, hint: "start the unit's node, and look at its log"}},
	{ErrBadAddress, mapping{code: client.CodeInvalidRequest, hint: "give the Raft address of a member and a fresh token"}},
	{ErrNotFound, mapping{code: client.CodeNotFound}},
	{ErrLastHolder, mapping{code: codeLastHolder, hint: hintGiveTheKey}},
	{ErrNotAccepted, mapping{code: client.CodeConflict}},
	{fsm.ErrNotFound, mapping{code: client.CodeNotFound}},
	{fsm.ErrStopped, mapping{code: client.CodeNotReady, hint: "look at this node's log, and " + hintTryAnotherNode}},
	{context.DeadlineExceeded, mapping{code: client.CodeTimeout, hint: hintLookAndRunAgain}},
	{context.Canceled, mapping{code: codeGone}},
}

// refusal is the one place where errors become what travels.
func (s *Server) refusal(err error) *client.Error {
	var ready *client.Error
	if errors.As(err, &ready) {
		whole := *ready
		return fill(&whole)
	}
	var refused *fsm.Refusal
	if errors.As(err, &refused) {
		m, ok := refusals[refused.Code]
		if !ok {
			m = mapping{code: client.Code(fmt.Sprintf("refused_%d", refused.Code))}
		}
		return m.of(refused)
	}
	if m, ok := orderMapping(err); ok {
		return m.of(err)
	}
	for _, e := range backendErrors {
		if errors.Is(err, e.err) {
			return e.of(err)
		}
	}
	for _, e := range s.b.Errors {
		if errors.Is(err, e.Err) {
			return mapping{e.Code, e.Hint}.of(err)
		}
	}
	// The cause is in the log alone: it may name files and addresses of this node.
	return fill(&client.Error{Code: client.CodeInternal, Message: "this node failed to do it", Hint: "its log has the cause"})
}

func (m mapping) of(err error) *client.Error {
	return fill(&client.Error{Code: m.code, Message: err.Error(), Hint: m.hint})
}

// fill adds what the code says: the status, and return codes unless the error has some.
func fill(e *client.Error) *client.Error {
	w, ok := wires[e.Code]
	if !ok {
		w = wire{status: http.StatusConflict}
	}
	e.Status = w.status
	if e.ReturnCode == 0 {
		e.ReturnCode, e.ReasonCode = w.ret, w.reason
	}
	return e
}

func invalid(format string, args ...any) error {
	return &client.Error{Code: client.CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &client.Error{Code: client.CodeNotFound, Message: fmt.Sprintf(format, args...)}
}
