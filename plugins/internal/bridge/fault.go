package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Fault is the error of a frame.
type Fault struct {
	// Type is the kind of error as the worker's language calls it; it may be empty.
	Type    string `json:"type"`
	Message string `json:"message"`
	// Traceback is for the log, in several lines.
	Traceback string `json:"traceback"`
	// Code is one of those that Classify knows; empty: a fault of the program.
	Code string `json:"code"`
}

// Error is type and message.
func (f *Fault) Error() string {
	switch {
	case f.Type == "" && f.Message == "":
		return "the worker gave no reason"
	case f.Type == "":
		return f.Message
	case f.Message == "":
		return f.Type
	}
	return f.Type + ": " + f.Message
}

func (f *Fault) redact(replace func(string) string) {
	f.Message, f.Traceback = replace(f.Message), replace(f.Traceback)
}

// Codes of errors, as in gRPC.
const (
	CodeUnavailable        = "UNAVAILABLE"
	CodeResourceExhausted  = "RESOURCE_EXHAUSTED"
	CodeAborted            = "ABORTED"
	CodeInvalidArgument    = "INVALID_ARGUMENT"
	CodeNotFound           = "NOT_FOUND"
	CodeOutOfRange         = "OUT_OF_RANGE"
	CodeFailedPrecondition = "FAILED_PRECONDITION"
	CodeUnauthenticated    = "UNAUTHENTICATED"
	CodePermissionDenied   = "PERMISSION_DENIED"
	CodeDeadlineExceeded   = "DEADLINE_EXCEEDED"
	CodeUnknown            = "UNKNOWN"
	CodeInternal           = "INTERNAL"
)

// Classify gives err the class that a code means for a call of a kind:
//
//	UNAVAILABLE, ABORTED, RESOURCE_EXHAUSTED     tried again
//	INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE    the checker's own fault; a handler's result is given up
//	FAILED_PRECONDITION                          the settings or the environment
//	UNAUTHENTICATED, PERMISSION_DENIED           the credentials
//	DEADLINE_EXCEEDED                            out of time
//
// An empty code, UNKNOWN and INTERNAL leave it as it is: a fault of the program.
// So does a code that is none of these, which the error's text then says.
func Classify(code string, kind pluginsdk.Kind, err error) error {
	switch strings.ToUpper(code) {
	case CodeUnavailable, CodeAborted, CodeResourceExhausted:
		return pluginsdk.Retryable(err, 0)
	case CodeInvalidArgument, CodeNotFound, CodeOutOfRange:
		if kind == pluginsdk.KindCheckHandler {
			return pluginsdk.Permanent(err)
		}
		return pluginsdk.CheckerError(err)
	case CodeFailedPrecondition:
		return pluginsdk.ConfigError(err)
	case CodeUnauthenticated, CodePermissionDenied:
		return pluginsdk.CredentialsError(err)
	case CodeDeadlineExceeded:
		return errors.Join(err, context.DeadlineExceeded)
	case "", CodeUnknown, CodeInternal:
		return err
	}
	return fmt.Errorf("%w (its code %q is none; use one such as %s or %s)", err, code, CodeUnavailable, CodeInvalidArgument)
}
