package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// returnBadSignature is the crypto module's code for signatures, here for those that the workstation looks at itself.
const returnBadSignature = 192

// UsageError is a command that was called wrongly. Nothing was done.
type UsageError struct {
	Problem string
	Command string // what to type before --help
}

func (e *UsageError) Error() string {
	command := e.Command
	if command == "" {
		command = "tumbler"
	}
	return fmt.Sprintf("%s: see `%s --help`", e.Problem, command)
}

// failure is an error as JSON.
type failure struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint,omitempty"`
	ReturnCode int    `json:"return_code,omitempty"`
	ReasonCode int    `json:"reason_code,omitempty"`
}

// fail prints an error and gives the exit code. People get FAILED and the text on standard error; with --output json
// programs get {"error":…} on standard output as well.
func fail(s Streams, err error, asJSON bool) int {
	f, code := describe(err)
	if asJSON {
		_ = writeJSON(s.Out, map[string]failure{"error": f})
	}
	_, _ = fmt.Fprintln(s.Err, "FAILED")
	if f.ReturnCode != 0 {
		_, _ = fmt.Fprintf(s.Err, "Error reported by EP11 crypto module.\nReturn code: %d\nReason code: %d\nError message: %s\n", f.ReturnCode, f.ReasonCode, f.Message)
	} else {
		_, _ = fmt.Fprintln(s.Err, strings.TrimRight(f.Message, "\n"))
	}
	if f.Hint != "" {
		_, _ = fmt.Fprintln(s.Err, f.Hint)
	}
	return code
}

func describe(err error) (failure, int) {
	var (
		usage       *UsageError
		refused     *client.Error
		kms         *client.KMSError
		unreachable *client.UnreachableError
		config      *client.ConfigError
	)
	switch {
	case errors.As(err, &usage):
		return failure{Code: "usage", Message: usage.Error()}, exitUsage
	case errors.As(err, &refused):
		message := refused.Message
		if err.Error() != refused.Error() && refused.ReturnCode == 0 { // the step that failed stands before it
			message = err.Error()
			if refused.Hint != "" {
				return failure{Code: string(refused.Code), Message: message}, exitFailed
			}
		}
		return failure{string(refused.Code), message, refused.Hint, refused.ReturnCode, refused.ReasonCode}, exitFailed
	case errors.As(err, &kms):
		code := "kms_" + strconv.Itoa(kms.Status)
		if len(kms.Reasons) > 0 && kms.Reasons[0].Code != "" {
			code = kms.Reasons[0].Code
		}
		return failure{Code: code, Message: err.Error()}, exitFailed
	case errors.As(err, &config):
		return failure{Code: "configuration", Message: err.Error(), Hint: connectionHint(config.Field)}, exitFailed
	case errors.As(err, &unreachable):
		return failure{Code: "unreachable", Message: err.Error()}, exitFailed
	case errors.Is(err, client.ErrOutcomeUnknown):
		return failure{Code: string(client.CodeOutcomeUnknown), Message: err.Error()}, exitFailed
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return failure{Code: "interrupted", Message: err.Error()}, exitFailed
	case errors.Is(err, order.ErrInvalidSignature): // of a file, before a node has seen it
		return failure{Code: string(client.CodeInvalidSignature), Message: err.Error(), ReturnCode: returnBadSignature}, exitFailed
	case errors.Is(err, order.ErrUnauthorised):
		return failure{Code: string(client.CodeUnauthorisedSigner), Message: err.Error(), ReturnCode: returnUnauthorised}, exitFailed
	case errors.Is(err, order.ErrTooFewSignatures):
		return failure{Code: string(client.CodeTooFewSignatures), Message: err.Error(), ReturnCode: returnTooFew}, exitFailed
	}
	return failure{Code: "failed", Message: err.Error()}, exitFailed
}

func connectionHint(field string) string {
	switch field {
	case "addresses":
		return "Give --address HOST:PORT, or set TUMBLER_ADDRESS."
	case "CA file":
		return "Give --ca FILE, or set TUMBLER_CA."
	case "client certificate":
		return "Give --cert FILE and --key FILE, or set TUMBLER_CERT and TUMBLER_KEY."
	case "API key":
		return "Set TUMBLER_API_KEY, or give --api-key-file FILE."
	case "instance":
		return "Give --instance UUID, or set TUMBLER_INSTANCE."
	}
	return ""
}
