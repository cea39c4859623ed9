package pluginhost

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
)

// Failure is a failed call, explained: whose fault it is and what a daemon does.
type Failure struct {
	Text string `json:"text"`
	// Code is the status, such as INVALID_ARGUMENT.
	Code string `json:"code"`
	// Reason is one of the SDK's, such as CHECKER; empty where the plugin gave none.
	Reason string `json:"reason,omitempty"`
	// Fault is checker, settings, source, plugin, dwmon or nobody.
	Fault string `json:"fault"`
	// Then is what the daemon would do.
	Then string `json:"then"`
	// RetryAfterSeconds is the plugin's own wish.
	RetryAfterSeconds float64 `json:"retry_after_seconds,omitempty"`
}

// Explain says of an error of a call of some kind whose fault it is, and what a
// daemon would do. Kind "" is a call that only people ask for.
func Explain(kind Kind, err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Text: err.Error(), Code: codeName(codes.Unknown), Fault: "plugin"}
	var e *Error
	if errors.As(err, &e) {
		f.Code, f.Reason, f.RetryAfterSeconds = codeName(e.Code), e.Reason, e.RetryAfter.Seconds()
		if e.State != "" {
			f.Code = string(e.State)
		}
		f.Fault = whose(e)
	} else if errors.Is(err, context.Canceled) {
		f.Code, f.Fault = codeName(codes.Canceled), "nobody"
	}
	f.Then = then(kind, err)
	return f
}

// whose says who is to mend it.
func whose(e *Error) string {
	switch e.State {
	case StateConfigError:
		return "settings"
	case "":
	default:
		return startFault(e)
	}
	switch {
	case e.Crashed:
		return "plugin"
	case e.Reason == pluginsdk.ReasonOther, e.Reason == pluginsdk.ReasonPanic:
		return "plugin"
	case slices.Contains([]string{pluginsdk.ReasonNetwork, pluginsdk.ReasonRetryable, pluginsdk.ReasonPermanent}, e.Reason):
		return "source"
	}
	switch e.Code {
	case codes.Canceled:
		return "nobody"
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange:
		return "checker"
	case codes.FailedPrecondition, codes.Unauthenticated, codes.PermissionDenied:
		return "settings"
	case codes.DeadlineExceeded, codes.Unavailable, codes.Aborted:
		return "source"
	case codes.ResourceExhausted:
		if e.RetryAfter > 0 {
			return "source"
		}
		return "checker"
	default:
		return "plugin"
	}
}

// startFault is that of a plugin that no call reached.
func startFault(e *Error) string {
	var se *startError
	if errors.As(e.Err, &se) && se.failure == failedSetup {
		return "source"
	}
	return "plugin"
}

// then says what a daemon does after such an error, from the same rules that it
// follows.
func then(kind Kind, err error) string {
	switch kind {
	case RowGetter:
		switch fetchFault(err) {
		case dwmon.FaultChecker:
			return "the checker is UNKNOWN; its fetch is tried again after 1, 2, 4, then every 5 minutes, and at once when its file changes; its minutes stay pending"
		case dwmon.FaultSettings:
			return "every checker of this source is UNKNOWN; fetches are tried again after 1, 2, 4, then every 5 minutes, and at once when settings or plugin change; the minutes stay pending"
		default:
			return "the checker is UNKNOWN; its fetch is tried again at the next pass; its minutes stay pending"
		}
	case CheckHandler:
		switch he := handleError("HandleCheck", err); {
		case he.Fault == dwmon.HandleNever:
			return "the delivery is dead at once, and shown by `dwmon deliveries`; the next one goes on"
		case he.Down:
			return "every delivery to this handler waits and is tried again, with growing pauses, for 72 hours"
		default:
			return "the delivery is tried again, with growing pauses, for 72 hours; those of other checkers go on"
		}
	case Purger:
		return "nothing is purged; it is asked again after the next pass"
	default:
		return ""
	}
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func codeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return c.String()
}
