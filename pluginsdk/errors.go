package pluginsdk

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ConfigError says that the plugin's settings or environment are wrong: every
// call of this instance would fail. nil stays nil.
func ConfigError(err error) error { return newCallError(classConfig, err) }

// CheckerError says that the checker's query, source or extra is wrong. nil stays
// nil.
func CheckerError(err error) error { return newCallError(classChecker, err) }

// CredentialsError says that the source or the receiver refused our credentials.
// nil stays nil.
func CredentialsError(err error) error { return newCallError(classCredentials, err) }

// Retryable says that the same call may work later, not before after where that
// is above 0. nil stays nil.
func Retryable(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &callError{class: classRetryable, after: max(after, 0), err: err}
}

// Permanent says that the same call will never work, for instance a result that
// its receiver refuses. nil stays nil.
func Permanent(err error) error { return newCallError(classPermanent, err) }

// Class says whose fault an error is, as the host learns it.
type Class string

const (
	ClassConfig      Class = "config"      // settings or environment are wrong: ConfigError
	ClassChecker     Class = "checker"     // query, source or extra is wrong: CheckerError
	ClassCredentials Class = "credentials" // refused credentials: CredentialsError
	ClassRetryable   Class = "retryable"   // may work later: Retryable
	ClassPermanent   Class = "permanent"   // will never work: Permanent
	ClassNetwork     Class = "network"     // source or receiver cannot be reached; tried again
	ClassTime        Class = "time"        // the time was not enough
	ClassOther       Class = "other"       // none of these: counts as a fault of the plugin
)

// ClassOf is the class of an error that a plugin returns while the call goes on; ""
// for nil. It is for tests: to act on an error of one's own, compare the error.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	ce := classify(context.Background(), err)
	if ce.class.reason == ReasonOther {
		return classOfCode(ce.class.code)
	}
	return Class(strings.ToLower(ce.class.reason))
}

// classOfCode is what the host makes of the status of another gRPC service.
func classOfCode(c codes.Code) Class {
	switch c {
	case codes.Unavailable, codes.Aborted:
		return ClassRetryable
	case codes.DeadlineExceeded:
		return ClassTime
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange, codes.ResourceExhausted:
		return ClassChecker
	case codes.FailedPrecondition:
		return ClassConfig
	case codes.Unauthenticated, codes.PermissionDenied:
		return ClassCredentials
	default:
		return ClassOther
	}
}

// RetryAfter is how long Retryable asks to wait with another try; 0 for any other
// error.
func RetryAfter(err error) time.Duration {
	var ce *callError
	if errors.As(err, &ce) {
		return ce.after
	}
	return 0
}

// class is what kind of error a call ended with.
type class struct {
	code   codes.Code
	reason string
	origin string
}

var (
	classConfig      = class{codes.FailedPrecondition, ReasonConfig, OriginPlugin}
	classChecker     = class{codes.InvalidArgument, ReasonChecker, OriginDownstream}
	classCredentials = class{codes.Unauthenticated, ReasonCredentials, OriginDownstream}
	classRetryable   = class{codes.Unavailable, ReasonRetryable, OriginDownstream}
	classPermanent   = class{codes.InvalidArgument, ReasonPermanent, OriginDownstream}
	classNetwork     = class{codes.Unavailable, ReasonNetwork, OriginDownstream}
	classCancelled   = class{codes.Canceled, ReasonTime, OriginPlugin}
	classDeadline    = class{codes.DeadlineExceeded, ReasonTime, OriginDownstream}
	classDraining    = class{codes.Unavailable, ReasonDraining, OriginPlugin}
	classNotReady    = class{codes.FailedPrecondition, ReasonNotReady, OriginPlugin}
	classPanic       = class{codes.Internal, ReasonPanic, OriginPlugin}
	classOther       = class{codes.Unknown, ReasonOther, OriginPlugin}
)

// callError is an error whose class is known.
type callError struct {
	class class
	after time.Duration
	err   error
}

func newCallError(c class, err error) error {
	if err == nil {
		return nil
	}
	return &callError{class: c, err: err}
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// classify finds the class of an error that a call ended with. ctx is the call's.
func classify(ctx context.Context, err error) *callError {
	switch ctx.Err() {
	case nil:
	case context.DeadlineExceeded:
		return &callError{class: classDeadline, err: err}
	default:
		return &callError{class: classCancelled, err: err}
	}
	var ce *callError
	if errors.As(err, &ce) {
		// The outer error's text, the inner one's class.
		return &callError{class: ce.class, after: ce.after, err: err}
	}
	var st interface{ GRPCStatus() *status.Status }
	if errors.As(err, &st) {
		return &callError{class: class{foreignCode(st.GRPCStatus().Code()), ReasonOther, OriginDownstream}, err: err}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &callError{class: classDeadline, err: err}
	case isNetwork(err):
		return &callError{class: classNetwork, err: err}
	}
	return &callError{class: classOther, err: err}
}

// foreignCode is what the status of another gRPC service means for our call,
// whose own context is alive and whose methods are served.
func foreignCode(c codes.Code) codes.Code {
	switch c {
	case codes.OK, codes.Unimplemented, codes.AlreadyExists:
		return codes.Unknown
	case codes.Canceled:
		return codes.Unavailable
	default:
		return c
	}
}

// isNetwork says that the other end, or the way to it, is down.
func isNetwork(err error) bool {
	// Not net.Error as a whole: every syscall.Errno is one, that of a missing file too.
	var (
		op  *net.OpError
		dns *net.DNSError
		ne  net.Error
	)
	if errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &ne) && ne.Timeout() {
		return true
	}
	for _, down := range []error{
		driver.ErrBadConn, net.ErrClosed, io.ErrUnexpectedEOF, context.Canceled,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, down) {
			return true
		}
	}
	return false
}

// maxErrorText bounds the text of an error on the wire: it travels in a header.
const maxErrorText = 4 << 10

// toStatus is the error as the host gets it.
func (e *callError) toStatus() error {
	text := strings.ToValidUTF8(e.err.Error(), "\uFFFD")
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + " … (cut)"
	}
	st := status.New(e.class.code, text)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Domain:   ErrorDomain,
		Reason:   e.class.reason,
		Metadata: map[string]string{"origin": e.class.origin},
	}}
	if e.after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.after)})
	}
	if with, err := st.WithDetails(details...); err == nil {
		st = with
	}
	return st.Err()
}

// checkExtra says what is wrong with an EXTRA section before the author's code
// sees it, whether that reads it or not.
func checkExtra(raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 || json.Valid(raw) {
		return nil
	}
	var v json.RawMessage
	return CheckerError(fmt.Errorf("the EXTRA section is no JSON: %w", plainJSONError(json.Unmarshal(raw, &v))))
}

// decodeExtra decodes an EXTRA section. An empty one is {}.
func decodeExtra(raw []byte, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return CheckerError(fmt.Errorf("the EXTRA section: %w", plainJSONError(err)))
	}
	if _, err := dec.Token(); err != io.EOF {
		return CheckerError(errors.New("the EXTRA section: one JSON value is wanted, and there is more behind it"))
	}
	return nil
}
