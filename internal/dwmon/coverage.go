package dwmon

import (
	"sort"
	"time"
)

// Coverage is what a successful fetch can vouch for. Times are microseconds since
// the epoch.
type Coverage struct {
	// Cut says that the source may have had more rows than it gave.
	Cut bool
	// NewestFirst says that the query asks for the newest rows first. It decides only
	// where the rows cannot tell, because all are of one time.
	NewestFirst bool
	// Tally is that of the rows given.
	Tally Tally
	// Ended is the end of the fetch.
	Ended int64
	// Since is the Reach of the successful fetch before it, of the same QUERY and
	// SOURCE; nil for none.
	Since *int64
	// Grace is how late rows may be.
	Grace time.Duration
}

// Forever is the start of a hole that has none: no timestamp lies before it.
const Forever = -MaxSeconds * 1e6

// IsCut says whether a result is only a part of what there is: the source says
// so, or it has as many rows as the query asks for at most. Rows without a
// timestamp are rows of the result.
func IsCut(query string, s FetchSummary, t Tally) bool {
	if s.Cut {
		return true
	}
	limit, ok := RowLimit(query)
	return ok && t.Rows+s.SkippedNull >= limit
}

// Hole is the span in which rows may be missing that this fetch should have
// brought; false for none. What the fetch before could see, it has dealt with:
// rows later than that lie after its reach, less the grace. Of a result that is
// cut, newest first, the rows after its oldest are all there; those of that very
// instant need not be. In any other order, those that are missing may be any.
func (c Coverage) Hole() (Span, bool) {
	if !c.Cut {
		return Span{}, false
	}
	hole := Span{From: Forever, Until: c.Ended}
	if c.Since != nil {
		hole.From = *c.Since - c.Grace.Microseconds()
	}
	if c.ordered() {
		hole.Until = c.Tally.Oldest
	}
	return hole, hole.From <= hole.Until
}

// CompleteFrom is the time from which on the result holds every row that the
// query gives, whatever fetches before it have missed; false where that is not
// known.
func (c Coverage) CompleteFrom() (int64, bool) {
	switch {
	case !c.any():
		return 0, false
	case !c.Cut:
		return c.Tally.Oldest, true
	case c.ordered():
		return c.Tally.Oldest + 1, true
	default:
		return 0, false
	}
}

func (c Coverage) any() bool { return c.Tally.Rows > c.Tally.Skipped }

func (c Coverage) ordered() bool {
	return c.any() && !c.Tally.Unordered && (c.NewestFirst || c.Tally.Oldest < c.Tally.Newest)
}

// Touches says whether any of the spans, which are in order and do not overlap,
// shares an instant with a window.
func Touches(spans []Span, w Window) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Until >= w.From })
	return i < len(spans) && spans[i].From < w.Until
}

// MaxSkew is how far a source's clock may be from ours without being shown.
const MaxSkew = 2 * time.Second

// Skew is how far a source's clock is ahead of ours, in microseconds, negative
// where it is behind: by how much what it said at some time during a fetch lies
// outside of the fetch. 0: it does not, or not by more than MaxSkew, or nothing
// was said.
func Skew(sourceNow *int64, started, ended int64) int64 {
	if sourceNow == nil {
		return 0
	}
	skew := *sourceNow - min(max(*sourceNow, started), max(started, ended))
	if -MaxSkew.Microseconds() <= skew && skew <= MaxSkew.Microseconds() {
		return 0
	}
	return skew
}

// Reach is how far a fetch could see, microseconds since the epoch: to its start,
// but not beyond what the source says of its clock and of its data.
func Reach(started int64, sourceNow, dataAsOf *int64) int64 {
	reach := started
	for _, limit := range []*int64{sourceNow, dataAsOf} {
		if limit != nil {
			reach = min(reach, *limit)
		}
	}
	return reach
}

// Judgeable is the newest minute, at most m, that can be judged by a fetch whose
// source's data reach to a time, microseconds since the epoch; nil: to the present.
// Rows may be late by the grace there too.
func Judgeable(m int64, dataAsOf *int64, grace time.Duration) int64 {
	if dataAsOf == nil {
		return m
	}
	return min(m, Slot(time.UnixMicro(*dataAsOf), grace))
}
