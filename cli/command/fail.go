package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

// Exit codes.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Return codes of the crypto module, for what the workstation refuses itself.
const (
	ReturnNoAdministrator = 32 // with reason 32
	ReturnCounter         = 163
	ReturnImprint         = 179
	returnBadSignature    = 192
	ReturnTooFew          = 208
	ReturnThreshold       = 209 // with reason 57, 58 (above the number of administrators) or 66 (a removal goes below it)
	ReturnExists          = 256
	ReturnUnauthorised    = 257
	ReturnTooMany         = 261
)

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

// Failure is an error as JSON.
type Failure struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint,omitempty"`
	ReturnCode int    `json:"return_code,omitempty"`
	ReasonCode int    `json:"reason_code,omitempty"`
}

// Fail prints an error and gives the exit code. People get FAILED and the text on standard error; with --output json
// programs get {"error":…} on standard output as well.
func Fail(s Streams, err error, asJSON bool) int {
	f, code := describe(err)
	if asJSON {
		_ = writeJSON(s.Out, map[string]Failure{"error": f})
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

func describe(err error) (Failure, int) {
	var (
		usage       *UsageError
		refused     *client.Error
		kms         *client.KMSError
		unreachable *client.UnreachableError
		config      *client.ConfigError
	)
	switch {
	case errors.As(err, &usage):
		return Failure{Code: "usage", Message: usage.Error()}, ExitUsage
	case errors.As(err, &refused):
		message := refused.Message
		if err.Error() != refused.Error() && refused.ReturnCode == 0 { // the step that failed stands before it
			message = err.Error()
			if refused.Hint != "" {
				return Failure{Code: string(refused.Code), Message: message}, ExitFailed
			}
		}
		return Failure{string(refused.Code), message, refused.Hint, refused.ReturnCode, refused.ReasonCode}, ExitFailed
	case errors.As(err, &kms):
		code := "kms_" + strconv.Itoa(kms.Status)
		if len(kms.Reasons) > 0 && kms.Reasons[0].Code != "" {
			code = kms.Reasons[0].Code
		}
		return Failure{Code: code, Message: err.Error()}, ExitFailed
	case errors.As(err, &config):
		return Failure{Code: "configuration", Message: err.Error(), Hint: connectionHint(config.Field)}, ExitFailed
	case errors.As(err, &unreachable):
		return Failure{Code: "unreachable", Message: err.Error()}, ExitFailed
	case errors.Is(err, client.ErrOutcomeUnknown):
		return Failure{Code: string(client.CodeOutcomeUnknown), Message: err.Error()}, ExitFailed
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return Failure{Code: "interrupted", Message: err.Error()}, ExitFailed
	case errors.Is(err, order.ErrInvalidSignature): // of a file, before a node has seen it
		return Failure{Code: string(client.CodeInvalidSignature), Message: err.Error(), ReturnCode: returnBadSignature}, ExitFailed
	case errors.Is(err, order.ErrUnauthorised):
		return Failure{Code: string(client.CodeUnauthorisedSigner), Message: err.Error(), ReturnCode: ReturnUnauthorised}, ExitFailed
	case errors.Is(err, order.ErrTooFewSignatures):
		return Failure{Code: string(client.CodeTooFewSignatures), Message: err.Error(), ReturnCode: ReturnTooFew}, ExitFailed
	}
	return Failure{Code: "failed", Message: err.Error()}, ExitFailed
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

// CommandName gives what to type before --help.
func CommandName(c *urfave.Context) string {
	names := []string{}
	for _, l := range c.Lineage() {
		if l.Command != nil && l.Command.Name != "" {
			names = append([]string{l.Command.Name}, names...)
		}
	}
	if len(names) == 0 || names[0] != "tumbler" {
		names = append([]string{"tumbler"}, names...)
	}
	return strings.Join(names, " ")
}

// ErrInterrupted ends a command that a signal stopped and that has said so itself.
var ErrInterrupted = errors.New("interrupted")

// errDeclined ends a command whose question was answered with no.
var errDeclined = errors.New("nothing was done: the question was not answered with y")

// Declined ends a command whose question was answered with no, or could not be asked.
func Declined(err error) error {
	if err != nil {
		return err
	}
	return errDeclined
}

// codeRefused is that of refusals that the workstation makes itself, with the return codes of the crypto module.
const codeRefused client.Code = "administrators"

// Refused is a refusal with the return and reason codes of the crypto module.
func Refused(ret, reason int, format string, args ...any) error {
	return &client.Error{Code: codeRefused, Message: fmt.Sprintf(format, args...), ReturnCode: ret, ReasonCode: reason}
}
