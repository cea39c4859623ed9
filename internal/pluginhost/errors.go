package pluginhost

import (
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is a call of a plugin that failed. Its text names the plugin and holds no
// secret.
type Error struct {
	Plugin   string
	Instance string
	// Op is the method: GetRows, HandleCheck, HandleNotice, IdentifyOld.
	Op string
	// Code says what kind of failure it is; texts are never looked at.
	Code codes.Code
	// Reason is one of pluginsdk's Reason constants; empty where the plugin gave none.
	Reason string
	// State is set when no process took the call.
	State State
	// Crashed says that the process ended during the call.
	Crashed bool
	// RetryAfter is the plugin's own wish; 0 for none.
	RetryAfter time.Duration
	Err        error
}

// Error names the plugin once: the ends and the states of processes name it
// themselves.
func (e *Error) Error() string {
	if e.Crashed || e.State != "" {
		return fmt.Sprintf("%v (when asked for %s)", e.Err, e.Op)
	}
	return fmt.Sprintf("plugin %s: %s: %v", e.Plugin, e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Why a process ended that did not end by itself.
const (
	WhyMemory   = "memory"   // it and its descendants held more than their limit
	WhyFrozen   = "frozen"   // it did not answer health probes
	WhyDetached = "detached" // the process that we were attached to went away
)

// CrashError is the end of a process that nobody had asked for.
type CrashError struct {
	Plugin string
	// Exit is "exit status 2" or "signal segmentation fault".
	Exit string
	// Why is set when the host itself ended it: one of the Why constants. Cause says
	// the same to people.
	Why, Cause string
	// LastStderr is what it wrote last, at most 20 lines, oldest first.
	LastStderr []string
}

func (e *CrashError) Error() string {
	var b strings.Builder
	switch {
	case e.Why == WhyDetached:
		fmt.Fprintf(&b, "plugin %s: %s", e.Plugin, e.Cause)
	case e.Cause != "":
		fmt.Fprintf(&b, "plugin %s was ended: %s", e.Plugin, e.Cause)
	default:
		fmt.Fprintf(&b, "plugin %s crashed (%s)", e.Plugin, e.Exit)
	}
	if words := lastWords(e.LastStderr); words != "" {
		fmt.Fprintf(&b, "; it last wrote: %s", words)
	}
	return b.String()
}

// lastWords picks what tells most: three lines from the start of a crash report,
// else the last three.
func lastWords(lines []string) string {
	from := max(0, len(lines)-3)
	for i := len(lines) - 1; i >= 0; i-- {
		if crashLine([]byte(lines[i])) {
			from = i
			break
		}
	}
	var words []string
	for _, line := range lines[from:min(len(lines), from+3)] {
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, quoteCut(line, 300))
		}
	}
	return strings.Join(words, " / ")
}

// startError is a process that did not become ready.
type startError struct {
	failure failure
	err     error
}

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// rpcFault is a failed call as its status tells it.
type rpcFault struct {
	code       codes.Code
	text       string
	reason     string
	spoken     bool // the plugin itself said so, not the connection
	retryAfter time.Duration
	canRetry   bool
}

func faultOfStatus(err error) rpcFault {
	st := status.Convert(err)
	f := rpcFault{code: st.Code(), text: st.Message()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == pluginsdk.ErrorDomain {
				f.spoken, f.reason = true, d.GetReason()
			}
		case *errdetails.RetryInfo:
			f.canRetry = true
			f.retryAfter = max(d.GetRetryDelay().AsDuration(), 0)
		}
	}
	if f.text == "" {
		f.text = f.code.String()
	}
	return f
}
