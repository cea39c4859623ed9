// Package backtest replays requirement lines over what is recorded of a checker's past.
//
// It judges nothing itself. The engine's own passes run, one for each fetch on record,
// over a store that lives in memory only: the walk, streaks, holes and incidents begin
// anew in it, and its counts come from the recorded rows. So the verdicts are those of
// the daemon, and cannot drift from them.
package backtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Past is what a replay needs of a store. Errors of yield end a reading and come back.
type Past interface {
	// Past gives what is stored beside rows and fetches; dwmon.ErrNoChecker.
	Past(ctx context.Context, name string) (*dwmon.Past, error)
	// PastFetches gives the fetches after a place (slot, id), in the order of these, in
	// chunks that yield does not keep.
	PastFetches(ctx context.Context, checkerID, afterSlot, afterID int64, yield func([]dwmon.PastFetch) error) error
	// PastRows gives the rows with from ≤ ts < until, by ts, in chunks that yield does not
	// keep.
	PastRows(ctx context.Context, checkerID, from, until int64, yield func([]dwmon.PastRow) error) error
	// PastCountsOf counts rows that one QUERY and SOURCE brought first, and not after
	// known, microseconds since the epoch.
	PastCountsOf(ctx context.Context, checkerID, queryID, known int64, windows []dwmon.Window) ([]int64, error)
}

// Options of a replay.
type Options struct {
	// Checker is whose lines, grace and own options are replayed. Its Name says whose
	// past.
	Checker *dwmon.Checker
	// Zone is the zone of checkers without their own; nil: time.Local.
	Zone *time.Location
	// Closed are the days on which the checker owes nothing; nil for none.
	Closed *dwmon.ClosedDays
	// CatchUp is how long an outage may last without gaps; 0: 24 h.
	CatchUp time.Duration
	// Alert says when incidents open and close; its zero is dwmon.DefaultAlertRule.
	Alert dwmon.AlertRule
	// Since is the first minute to tell of, seconds since the epoch; nil: the first
	// recorded check, or where history begins that was imported or backfilled.
	Since *int64
	// Hindsight counts all rows, whenever they came; else those count that were known
	// at the time.
	Hindsight bool
	// Progress is told how many minutes of about how many are done; may be nil.
	Progress func(done, total int64)
}

// Summary is what a replay was about. Minutes are seconds since the epoch.
type Summary struct {
	// From is the first minute that could be judged, Until the last.
	From, Until        int64
	Good, Bad, Unknown int64
	// Lines are in file order.
	Lines []LineSummary
	// Gaps are spans that were never judged, oldest first, and Incidents are those that
	// were open at From or later, in the order in which they opened; each at most MaxKept.
	Gaps      []dwmon.GapEntry
	Incidents []Incident
	// Notes say in sentences what the replay could not rest on.
	Notes []string
}

// MaxKept bounds the incidents and the gaps that a summary holds: those that open
// later are counted, and a note says so.
const MaxKept = 10_000

// LineSummary counts the results of a line.
type LineSummary struct {
	LineIndex          int
	Requirement        string
	Good, Bad, Unknown int64
	// Incidents counts those about the count, Late those of them that would not have
	// been, had all rows been there in time. UnknownIncidents counts those about results
	// that are UNKNOWN.
	Incidents, Late, UnknownIncidents int64
	// GapMinutes were eligible and never judged.
	GapMinutes int64
}

// Incident is one that the replay opened.
type Incident struct {
	// Subject is dwmon.SubjectCount, or dwmon.SubjectChecker for UNKNOWN results.
	Subject     dwmon.Subject
	LineIndex   int
	Requirement string
	// Opened is the minute whose result opened it, Closed the one whose result closed
	// it, or from which on the checker was off; nil where it is open at the end.
	Opened int64
	Closed *int64
	End    dwmon.IncidentEnd
	// OpenedAt is the start of the fetch that opened it, microseconds since the epoch.
	OpenedAt int64
	// CatchUp says that it was opened by a result that was caught up.
	CatchUp bool
	// Bad counts its results that were BAD, or UNKNOWN where it is about those; Lowest
	// and Highest are their counts, Reason is that of the result that opened it.
	Bad             int64
	Lowest, Highest int64
	Reason          dwmon.Reason
	// Late says that late rows alone are why it opened: with all rows in time there would
	// have been none. Never with Hindsight.
	Late bool
}

// ErrNothingSince says that Since is later than everything that is recorded.
var ErrNothingSince = errors.New("nothing is recorded since")

// Run replays a checker over its past, and gives the results to yield, oldest first,
// those of one minute in file order: as history has them, but that Corrected is never
// set. Nothing is written.
//
// Its errors are dwmon.ErrNoChecker, dwmon.ErrNothingRecorded, ErrNothingSince, those of
// the past, and yield's.
func Run(ctx context.Context, past Past, o Options, yield func(dwmon.Result) error) (*Summary, error) {
	p, err := past.Past(ctx, o.Checker.Name)
	if err != nil {
		return nil, err
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.CatchUp == 0 {
		o.CatchUp = 24 * time.Hour
	}
	b, err := beginning(p, &o)
	if err != nil {
		return nil, fmt.Errorf("checker %s: %w", o.Checker.Name, err)
	}
	r, err := newReplay(past, p, &o, b, yield)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if o.Since != nil && *o.Since > r.until {
		at := func(minute int64) string { return time.Unix(minute, 0).In(r.store.zone).Format("2006-01-02 15:04") }
		last := r.until // of a time that lies far ahead, no more than that time
		if p.Settled != nil {
			last = *p.Settled
		}
		return nil, fmt.Errorf("checker %s: %w %s, the last minute that was judged is %s", o.Checker.Name, ErrNothingSince, at(*o.Since), at(last))
	}
	if err := r.run(ctx); err != nil {
		return nil, cmp.Or(r.store.stopped, err)
	}
	if err := r.stillThere(ctx); err != nil {
		return nil, err
	}
	return r.store.summarise(), nil
}

// errPurged says that rows went while they were being replayed.
var errPurged = errors.New("rows were purged while they were replayed, so that counts came out too low; run it again")
