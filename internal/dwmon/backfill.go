package dwmon

import (
	"math"
	"time"
)

// Backfill is what a fetch of the past has brought. Times are microseconds since the
// epoch.
type Backfill struct {
	// Started is the start of the fetch; rows that it brought bear it as the time at
	// which they were first seen.
	Started int64
	// Before is the border: rows from it on were left to ordinary fetches.
	Before int64
	// Tally is of all rows that the source gave, SkippedNull those beside them that
	// have no timestamp.
	Tally       Tally
	SkippedNull int64
	// Fresh is how many rows were stored, Known how many were not because their key was
	// known already, or came before in the same result.
	Fresh, Known int64
	// Recent is how many rows lie at Before or later, Early how many before the time
	// asked for, Purged how many before the purge mark: none of them is stored.
	Recent, Early, Purged int64
	// Oldest and Newest are the ends of the rows that were taken, known ones
	// included; nil where there are none.
	Oldest, Newest *int64
	// Cut says that the source may have more rows than it gave.
	Cut bool
	// CompleteFrom and CompleteUntil bound the span of which all rows that the query
	// gives are stored, CompleteFrom included; nil where that is not known.
	CompleteFrom, CompleteUntil *int64
}

// JudgeableFrom is a time, microseconds since the epoch, before which no row lies in a
// window that the walk may still judge: not now, and not later, whenever its passes
// succeed.
func (w *Walk) JudgeableFrom() int64 {
	from := int64(math.MaxInt64)
	for _, l := range w.Lines {
		first := w.Origin - 60*(Rewind(l.Lookback)-1)
		if w.Settled != nil {
			first = *w.Settled
		}
		from = min(from, (first-l.Lookback)*1e6)
	}
	return from
}

// spans of time that queries ask for.
var roundSpans = []time.Duration{
	5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, 45 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour, 12 * time.Hour,
	day, 2 * day, 3 * day, 4 * day, 5 * day, 7 * day, 10 * day, 14 * day, 15 * day, 28 * day, 30 * day, 31 * day,
	60 * day, 62 * day, 90 * day, 92 * day, 100 * day, 120 * day, 180 * day, 365 * day, 366 * day, 400 * day, 730 * day,
}

const day = 24 * time.Hour

// boundedRows is how many rows it takes to tell that they begin all of a sudden.
const boundedRows = 100

// LooksBounded says that a result seems to begin where its query makes it begin, as
// WHERE ts > now() - interval '1 day' does: its oldest row is as old as a round span of
// time, as closely as rows follow each other. rows lie between oldest and the start of
// the fetch, both microseconds since the epoch.
func LooksBounded(rows, oldest, started int64) (time.Duration, bool) {
	age := time.Duration(started-oldest) * time.Microsecond
	if rows < boundedRows || age <= 0 {
		return 0, false
	}
	near := max(2*age/time.Duration(rows), 2*time.Second)
	for _, span := range roundSpans {
		if span-age >= -2*time.Second && span-age <= near {
			return span, true
		}
	}
	return 0, false
}
