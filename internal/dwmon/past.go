package dwmon

import (
	"cmp"
	"errors"
	"slices"
)

// ErrNothingRecorded says that a checker has no past yet: nothing was fetched, and
// nothing brought in.
var ErrNothingRecorded = errors.New("nothing is recorded of it yet")

// Past is what is stored of a checker's past beside its rows and fetches. Times are
// microseconds since the epoch but for minutes.
type Past struct {
	CheckerID int64
	Name      string
	// Origin, Settled, PurgeMark and Baseline are as in Progress.
	Origin    int64
	Settled   *int64
	PurgeMark *int64
	Baseline  *int64
	// Reach is how far the last successful fetch could see; nil for none.
	Reach *int64
	// FetchesFrom and SpansFrom: what was recorded before of fetches, and of holes and
	// off spans, was removed since; nil: nothing was.
	FetchesFrom *int64
	SpansFrom   *int64
	// First is the first successful fetch that is on record; nil for none.
	First *PastFetch
	// Loaded are imports and backfills, in the order of their times.
	Loaded []Loaded
	// Off are the spans in which the checker owed nothing, oldest first; the last may
	// still last.
	Off []OffEntry
	// Holes and Missed are the spans of these kinds that are left, oldest first.
	Holes  []Span
	Missed []Span
	// Queries is how many different QUERY and SOURCE its texts ever had.
	Queries int64
}

// PastFetch is a fetch on record, as far as verdicts hang on it: Progress is nil, Plugin
// and what was left out for want of a time are not told, and Err is the text of the
// error.
type PastFetch struct {
	Fetch
	ID int64
	// QueryID is the store's name for the QUERY and SOURCE that it asked.
	QueryID int64
}

// PastRow is a row that counts; both times are microseconds since the epoch.
type PastRow struct {
	Micros    int64
	FirstSeen int64
}

// Loaded is an import or a backfill: rows that no pass has fetched. Times are
// microseconds since the epoch.
type Loaded struct {
	// At is the FirstSeen of its rows.
	At int64
	// Import tells an import: passes began after it.
	Import bool
	// From and Until bound the timestamps of which it brought every row, From included;
	// nil where that is not known.
	From, Until *int64
}

// Wholeness tells since when the stored rows of a checker are all that its source had,
// and where they may not be. Times are microseconds since the epoch.
type Wholeness struct {
	CheckerID int64
	// From and Until: rows with From ≤ timestamp < Until are all there, Holes left out.
	From, Until int64
	// PurgeMark is the end of what was purged; nil where nothing was. From is not before
	// it.
	PurgeMark *int64
	// Assumed says that timestamps are those of the fetches: Missed are the spans in
	// which they are not to be trusted.
	Assumed bool
	Missed  []Span
	// Holes are spans in which rows may be missing, Outages those without a successful
	// fetch for longer than usual, of fetches that are still on record. Off are those
	// in which the checker owed nothing. All are in order and do not overlap; what lies
	// before From is left out.
	Holes, Outages, Off []Span
}

// WholeFrom is the time from which on the rows that are stored are all that the source
// had, holes left out; false where nothing was fetched or brought in.
//
// The first fetch is whole from its oldest row on, or from the next one where it was
// cut. Where its record is gone, only what came after the checker was first seen is
// sure. Imports and backfills reach further back; what lies between is a hole, where it
// is not longer than what they have brought.
func (p *Past) WholeFrom() (int64, bool) {
	from, _, ok := p.whole()
	return from, ok
}

// whole gives the gaps too, newest first: nothing was brought that is of their time.
func (p *Past) whole() (from int64, gaps []Span, ok bool) {
	from, ok = p.fetchedFrom()
	for _, l := range slices.Backward(p.byEnd()) {
		if !ok {
			from, ok = *l.From, true
			continue
		}
		gap := from - *l.Until
		if gap > *l.Until-*l.From {
			continue // more would be lost than won
		}
		if gap > 0 {
			gaps = append(gaps, Span{*l.Until, from - 1})
		}
		from = min(from, *l.From)
	}
	for _, limit := range []*int64{p.Baseline, p.SpansFrom} {
		if limit != nil {
			from = max(from, *limit)
		}
	}
	if p.PurgeMark != nil {
		from = max(from, *p.PurgeMark*1e6)
	}
	return from, gaps, ok
}

// fetchedFrom is from when on fetches alone have brought every row.
func (p *Past) fetchedFrom() (int64, bool) {
	switch {
	case p.First == nil:
		return 0, false
	case p.FetchesLost():
		return p.Origin * 1e6, true
	}
	f := p.First
	c := Coverage{Cut: f.Cut, Tally: f.Tally, Ended: f.Ended}
	if from, ok := c.CompleteFrom(); ok {
		return from, true
	}
	return f.Reach, true
}

// FetchesLost says that the first fetches of the checker are not on record any more. Of
// a checker that was imported the origin is of long before.
func (p *Past) FetchesLost() bool {
	origin := p.Origin * 1e6
	for _, l := range p.Loaded {
		if l.Import {
			origin = max(origin, l.At)
		}
	}
	return p.FetchesFrom != nil && origin < *p.FetchesFrom
}

// byEnd are the imports and backfills of which it is known what they hold, in the order
// of their ends.
func (p *Past) byEnd() []Loaded {
	known := slices.DeleteFunc(slices.Clone(p.Loaded), func(l Loaded) bool { return l.From == nil || l.Until == nil })
	slices.SortStableFunc(known, func(a, b Loaded) int { return cmp.Compare(*a.Until, *b.Until) })
	return known
}

// LeftHoles are the holes less what imports and backfills have filled, and what lies
// between these and the first fetch; in order and apart.
func (p *Past) LeftHoles() []Span {
	holes := p.Holes
	for _, l := range p.byEnd() {
		holes = cutOut(holes, Span{*l.From, *l.Until - 1})
	}
	_, gaps, _ := p.whole()
	return merged(append(slices.Clone(holes), gaps...))
}

// merged puts spans in order and joins those that overlap or touch.
func merged(spans []Span) (apart []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	for _, s := range spans {
		if n := len(apart); n > 0 && s.From <= apart[n-1].Until+1 {
			apart[n-1].Until = max(apart[n-1].Until, s.Until)
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// cutOut takes a span out of others, which are in order.
func cutOut(spans []Span, out Span) (left []Span) {
	if out.From > out.Until {
		return spans
	}
	for _, s := range spans {
		if s.Until < out.From || out.Until < s.From {
			left = append(left, s)
			continue
		}
		if s.From < out.From {
			left = append(left, Span{s.From, out.From - 1})
		}
		if out.Until < s.Until {
			left = append(left, Span{out.Until + 1, s.Until})
		}
	}
	return left
}

// outageAfter is how long, in microseconds, no fetch succeeds in an outage at the
// least.
const outageAfter = 5 * 60 * 1e6

// Outages are the spans between two successful fetches, given by their starts in order,
// that are longer than five minutes and than three times what is usual: a checker that
// is due once an hour is fetched once an hour.
func Outages(starts []int64) (outages []Span) {
	if len(starts) < 2 {
		return nil
	}
	steps := make([]int64, 0, len(starts)-1)
	for i := 1; i < len(starts); i++ {
		steps = append(steps, starts[i]-starts[i-1])
	}
	slices.Sort(steps)
	limit := max(outageAfter, 3*steps[len(steps)/2])
	for i := 1; i < len(starts); i++ {
		if starts[i]-starts[i-1] > limit {
			outages = append(outages, Span{starts[i-1], starts[i]})
		}
	}
	return outages
}
