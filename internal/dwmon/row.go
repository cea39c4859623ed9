package dwmon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits on rows.
const (
	// MaxKeyBytes is the longest key, in bytes.
	MaxKeyBytes = 1 << 20
	// MaxBatchRows is the most rows that a Batch holds.
	MaxBatchRows = 1024
	// MaxSeconds bounds timestamps: |seconds| at or above it were given in
	// milli-, micro- or nanoseconds by mistake.
	MaxSeconds = 100_000_000_000
	// FarFuture is how far beyond the start of a fetch a timestamp may lie; later
	// rows are not events yet.
	FarFuture = 24 * time.Hour
)

// Batch is a few rows of a fetch, in columns. Lengths and Micros have the same
// length; the lengths add up to len(Keys). A Batch is only valid until the
// function that was given it returns.
type Batch struct {
	// Keys holds all keys end to end.
	Keys []byte
	// Lengths are the keys' lengths in bytes.
	Lengths []uint32
	// Micros are the rows' timestamps, microseconds since the epoch.
	Micros []int64
}

// shownKeyBytes is how much of a key is shown.
const shownKeyBytes = 200

// ShownKey is a key for people: what is no text, or would move a terminal's cursor,
// is written \xHH, and a long one is cut.
func ShownKey(key []byte) string {
	var b strings.Builder
	cut := len(key) > shownKeyBytes
	if cut {
		key = key[:shownKeyBytes]
	}
	for len(key) > 0 {
		r, size := utf8.DecodeRune(key)
		if r == utf8.RuneError && size < 2 || r < ' ' || r == 0x7f {
			for _, c := range key[:size] {
				fmt.Fprintf(&b, `\x%02X`, c)
			}
		} else {
			b.WriteRune(r)
		}
		key = key[size:]
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// Rows is the number of rows in the batch.
func (b *Batch) Rows() int { return len(b.Micros) }

// Check says what is wrong with the shape of a batch.
func (b *Batch) Check() error {
	if len(b.Lengths) != len(b.Micros) {
		return fmt.Errorf("a batch has %d key lengths but %d timestamps", len(b.Lengths), len(b.Micros))
	}
	var sum uint64
	for i, n := range b.Lengths {
		if n > MaxKeyBytes {
			return fmt.Errorf("key %d of a batch is %d bytes long; at most %d are allowed", i+1, n, MaxKeyBytes)
		}
		sum += uint64(n)
	}
	if sum != uint64(len(b.Keys)) {
		return fmt.Errorf("the key lengths of a batch add up to %d bytes but its keys are %d", sum, len(b.Keys))
	}
	return nil
}

// FetchRequest is what a row getter is asked.
type FetchRequest struct {
	RequestID string
	Checker   *Checker
	// MaxRows and MaxBytes (of keys and timestamps) end the fetch with an error
	// when exceeded. 0: 2,000,000 rows and 1 GiB.
	MaxRows  int64
	MaxBytes int64
	// Timeout bounds the fetch itself; waiting for a place or for the plugin to be
	// ready does not count. 0: 60 s.
	Timeout time.Duration
}

// Caps of one result unless the source sets its own (SPEC 4).
const (
	DefaultMaxRows  = 2_000_000
	DefaultMaxBytes = 1 << 30
)

// FetchSummary closes a successful fetch.
type FetchSummary struct {
	// Rows is how many rows were delivered in batches.
	Rows int64
	// SkippedNull is how many rows the getter left out because their timestamp is NULL.
	SkippedNull int64
	// Cut says that the source delivered only part of the result.
	Cut bool
	// SourceTime is how long the source itself took; 0 where it is not known.
	SourceTime time.Duration
	// SourceNow and DataAsOf are microseconds since the epoch; nil where not given.
	SourceNow *int64
	DataAsOf  *int64
	// Warnings are for people.
	Warnings []string
}

// Fault says whose fault a failed fetch is, and so when it is tried again.
type Fault int

const (
	// FaultUnavailable: the source or the plugin is down, slow or broken. Tried
	// again at the next pass.
	FaultUnavailable Fault = iota
	// FaultChecker: the query, source or extra is wrong.
	FaultChecker
	// FaultSettings: settings or credentials are wrong.
	FaultSettings
)

// String names the fault as it is stored and shown.
func (f Fault) String() string {
	switch f {
	case FaultChecker:
		return "checker"
	case FaultSettings:
		return "settings"
	default:
		return "unavailable"
	}
}

// FetchError is a fetch that failed. The text names what was asked and what to
// do; it holds no secret.
type FetchError struct {
	Fault Fault
	// Plugin is the instance that was asked; empty where none was.
	Plugin string
	Err    error
}

func (e *FetchError) Error() string { return e.Err.Error() }
func (e *FetchError) Unwrap() error { return e.Err }

// FaultOf classifies any error of a fetch; what is not a FetchError counts as
// unavailable.
func FaultOf(err error) Fault {
	var fe *FetchError
	if errors.As(err, &fe) {
		return fe.Fault
	}
	return FaultUnavailable
}

// RowGetter fetches the rows of a checker. It calls sink for every batch, in the
// source's order and from one goroutine at a time, and returns a summary only
// when the result is complete. An error of sink ends the fetch and is returned.
type RowGetter interface {
	GetRows(ctx context.Context, req FetchRequest, sink func(*Batch) error) (FetchSummary, error)
}

// PurgeRequest is what a purger is asked.
type PurgeRequest struct {
	RequestID string
	Checker   *Checker
	// Now, Oldest, Newest and KeepFrom are seconds since the epoch; Oldest and
	// Newest are 0 where there are no rows.
	Now, Oldest, Newest, KeepFrom int64
}

// Cutoff is a purger's answer.
type Cutoff struct {
	// Set says whether anything is to be purged.
	Set bool
	// OlderThan is in seconds since the epoch: rows with an older timestamp go.
	OlderThan int64
	Reason    string
}

// Purger names the rows of a checker that are no longer wanted.
type Purger interface {
	IdentifyOld(ctx context.Context, req PurgeRequest) (Cutoff, error)
}

// HandleRequest is one result on its way to a check handler.
type HandleRequest struct {
	RequestID      string
	IdempotencyKey string
	// CheckerFile and Revision name the file that made the result.
	CheckerFile string
	Revision    string
	Result      Result
	Extra       []byte
}

// HandleFault says what becomes of a delivery that failed.
type HandleFault int

const (
	// HandleRetry: try again later.
	HandleRetry HandleFault = iota
	// HandleNever: permanent, the delivery is dead.
	HandleNever
)

// HandleError is a delivery that failed.
type HandleError struct {
	Fault HandleFault
	// RetryAfter is the receiver's own wish; 0 for none.
	RetryAfter time.Duration
	// Down says that the handler itself cannot be reached: every other delivery
	// to it would fail in the same way.
	Down bool
	Err  error
}

func (e *HandleError) Error() string { return e.Err.Error() }
func (e *HandleError) Unwrap() error { return e.Err }

// CheckHandler is told of results. A nil error means that the result was taken.
type CheckHandler interface {
	HandleCheck(ctx context.Context, req HandleRequest) error
	// HandleNotice passes on what is said about incidents, and about several
	// results at once.
	HandleNotice(ctx context.Context, req NoticeRequest) error
}
