package dwmon

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// Numbers of the walk.
const (
	// MaxRewind is the most minutes that the clock rewinds.
	MaxRewind = 14_400
	// PieceLimit is the most (minute, line) pairs that one commit judges.
	PieceLimit = 20_000
	// LateAfter is by how many seconds a minute must lie behind the pass's own for
	// its result to count as caught up.
	LateAfter = 300
	// MaxAhead is how many seconds the walk may be settled ahead of the clock
	// before the checker is UNKNOWN for it.
	MaxAhead = 300
)

// OwesAll is the OwesAfter of a line that was there when its checker was first seen.
const OwesAll = math.MinInt64

// GapReason says why eligible minutes were never judged.
type GapReason string

const (
	// GapNotRunning: dwmon did not run, or its database was not in use.
	GapNotRunning GapReason = "not_running"
	// GapFetchFailed: no fetch succeeded until the minutes were out of reach.
	GapFetchFailed GapReason = "fetch_failed"
	// GapBaseline: before the first fetch of a checker with `timestamps: assumed`.
	GapBaseline GapReason = "baseline"
	// GapOff: still pending when the checker was switched off or went away.
	GapOff GapReason = "off"
	// GapStale: the source's data did not reach them until they were out of reach.
	GapStale GapReason = "stale"
	// GapSettled: `dwmon settle` moved the walk past them.
	GapSettled GapReason = "settled"
)

// Line is a requirement line as the walk needs it.
type Line struct {
	Requirement
	// ID is the store's name for the line's identity.
	ID int64
	// OwesAfter: only later minutes (seconds since the epoch) are owed.
	OwesAfter int64
}

// Walk is what decides which minutes are due.
type Walk struct {
	// Origin is the M at which the checker was first seen.
	Origin int64
	// Settled is the minute through which the walk has settled; nil at first.
	Settled *int64
	Lines   []Line
	Zone    *time.Location
	// Closed are the days of the zone on which no line is eligible; nil for none.
	Closed *ClosedDays
	// CatchUp is how long an outage may last without gaps, in minutes.
	CatchUp int64
	// Blind makes a gap of everything up to the pass's minute: nothing is due.
	Blind bool
	// Judged are, by line, the minutes beyond Settled that have a verdict already,
	// ascending. They are in no gap.
	Judged [][]int64
}

// Due is one (minute, line) pair to be judged.
type Due struct {
	Minute int64
	// Line is the index into Walk.Lines.
	Line int
}

// Gap is a span of a line's eligible minutes that were never judged: From and To
// are the first and last of them, both included.
type Gap struct {
	// Line is the index into Walk.Lines.
	Line    int
	From    int64
	To      int64
	Minutes int64
	Reason  GapReason
}

// Slot is the M of a pass: the newest minute that has ended, grace included.
func Slot(now time.Time, grace time.Duration) int64 {
	return FloorMinute(floorDiv(now.Add(-grace).UnixMicro(), 1e6))
}

// Rewind is how many minutes the clock rewinds for a look-back of so many
// seconds: ten look-backs, in whole minutes rounded up.
func Rewind(lookback int64) int64 {
	return min(10*((lookback+59)/60), MaxRewind)
}

// reach gives the first minute that the walk may judge for a line, and the first
// that becomes a gap if it lies before that.
func (w *Walk) reach(l Line, m int64) (gapFrom, dueFrom int64) {
	r := Rewind(l.Lookback)
	long := min(max(r, w.CatchUp), MaxRewind)
	if w.Settled != nil {
		gapFrom = *w.Settled + 60
		dueFrom = m - 60*(long-1)
	} else {
		gapFrom = w.Origin - 60*(r-1)
		dueFrom = max(gapFrom, m-60*(long-1))
	}
	if l.OwesAfter != OwesAll {
		gapFrom = max(gapFrom, l.OwesAfter+60)
	}
	if w.Blind {
		dueFrom = m + 60
	}
	return gapFrom, max(gapFrom, dueFrom)
}

// Plan is the walk of one pass to its minute M, given out in pieces.
type Plan struct {
	walk   Walk
	reason GapReason
	reach  []reach // by line
	cal    *calendar
	run    hourRun // being given out; what is left of it is in masks
	masks  []MinuteSet
	m      int64
	// settled is the minute through which pieces were given out; it starts before
	// everything that the plan looks at.
	settled int64
	done    bool
}

type reach struct{ gapFrom, dueFrom int64 }

// Piece is what one commit does: judge Due, record Gaps, settle through Settled.
type Piece struct {
	// Due is ordered by minute, then by line.
	Due     []Due
	Gaps    []Gap
	Settled int64
}

// Plan plans the walk to minute m. Gaps get the reason given. A walk that is
// settled through m or beyond has nothing to do, and stays where it is.
func (w Walk) Plan(m int64, reason GapReason) *Plan {
	p := &Plan{walk: w, reason: reason, m: m, reach: make([]reach, len(w.Lines))}
	from := m
	for i, l := range w.Lines {
		gapFrom, dueFrom := w.reach(l, m)
		p.reach[i] = reach{gapFrom, dueFrom}
		from = min(from, gapFrom)
	}
	p.settled = from - 60
	if w.Settled != nil {
		p.settled = *w.Settled
		p.done = p.settled >= m
	}
	p.cal = newCalendar(w.Zone, w.Closed, p.firstDue(), m)
	p.masks = make([]MinuteSet, len(w.Lines))
	return p
}

// firstDue is where the search for due minutes starts.
func (p *Plan) firstDue() int64 {
	first := p.m + 60
	for _, r := range p.reach {
		first = min(first, r.dueFrom)
	}
	return first
}

// Next gives the next piece of at most limit due pairs, cut between minutes;
// false when the walk has arrived. The last piece settles M. A minute with more
// lines than the limit is still one piece.
func (p *Plan) Next(limit int) (Piece, bool) {
	if p.done {
		return Piece{}, false
	}
	piece := Piece{Settled: p.m}
	for {
		minute, ok := p.nextMinute()
		if !ok {
			p.done = true
			break
		}
		if n := p.linesAt(minute); len(piece.Due) > 0 && len(piece.Due)+n > limit {
			piece.Settled = minute - 60
			break
		}
		piece.Due = p.take(piece.Due, minute)
	}
	piece.Gaps = p.gaps(p.settled+60, piece.Settled)
	p.settled = piece.Settled
	return piece, true
}

// nextMinute finds the next due minute without taking it.
func (p *Plan) nextMinute() (int64, bool) {
	for {
		var any MinuteSet
		for _, m := range p.masks {
			any |= m
		}
		if any != 0 {
			return p.run.epoch(bits.TrailingZeros64(uint64(any))), true
		}
		run, ok := p.cal.run()
		if !ok {
			return 0, false
		}
		p.run = run
		for i, l := range p.walk.Lines {
			p.masks[i] = p.dueMask(i, l)
		}
	}
}

// dueMask is the set of the line's minutes in the current run that its reach
// allows.
func (p *Plan) dueMask(i int, l Line) MinuteSet {
	mask := p.run.mask(l.Requirement)
	early := (p.reach[i].dueFrom - p.run.At) / 60 // minutes of the run out of reach
	switch {
	case mask == 0 || early <= 0:
		return mask
	case early >= int64(p.run.Count):
		return 0
	default:
		return mask &^ (1<<(int64(p.run.First)+early) - 1)
	}
}

func (p *Plan) bit(minute int64) MinuteSet {
	return 1 << (int64(p.run.First) + (minute-p.run.At)/60)
}

func (p *Plan) linesAt(minute int64) int {
	n := 0
	for _, m := range p.masks {
		if m&p.bit(minute) != 0 {
			n++
		}
	}
	return n
}

func (p *Plan) take(due []Due, minute int64) []Due {
	bit := p.bit(minute)
	for i := range p.masks {
		if p.masks[i]&bit != 0 {
			p.masks[i] &^= bit
			due = append(due, Due{Minute: minute, Line: i})
		}
	}
	return due
}

// gaps are the lines' eligible minutes in from..until that lie before their reach
// and have no verdict.
func (p *Plan) gaps(from, until int64) []Gap {
	var gaps []Gap
	for i := range p.walk.Lines {
		lo := max(from, p.reach[i].gapFrom)
		hi := min(until, p.reach[i].dueFrom-60)
		for _, judged := range p.walk.judged(i, lo, hi) {
			gaps = p.gap(gaps, i, lo, judged-60)
			lo = judged + 60
		}
		gaps = p.gap(gaps, i, lo, hi)
	}
	return gaps
}

// gap appends the gap of a line's eligible minutes in from..until, if there are any.
func (p *Plan) gap(gaps []Gap, line int, from, until int64) []Gap {
	if from > until {
		return gaps
	}
	if first, last, n := p.walk.Lines[line].tally(p.walk.Zone, p.walk.Closed, from, until); n > 0 {
		gaps = append(gaps, Gap{Line: line, From: first, To: last, Minutes: n, Reason: p.reason})
	}
	return gaps
}

// judged are the minutes in from..until at which a line has a verdict.
func (w *Walk) judged(line int, from, until int64) []int64 {
	if w.Judged == nil {
		return nil
	}
	all := w.Judged[line]
	lo, _ := slices.BinarySearch(all, from)
	hi, _ := slices.BinarySearch(all, until+1)
	return all[lo:max(lo, hi)]
}

// Pending is how many (minute, line) pairs are owed up to minute m and not
// settled yet, gaps left out.
func (w Walk) Pending(m int64) int64 {
	var pending int64
	if w.Settled != nil && *w.Settled >= m {
		return 0
	}
	for _, l := range w.Lines {
		gapFrom, dueFrom := w.reach(l, m)
		_, _, n := l.tally(w.Zone, w.Closed, max(gapFrom, dueFrom), m)
		pending += n
	}
	return pending
}
