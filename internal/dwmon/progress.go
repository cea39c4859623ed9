package dwmon

import (
	"slices"
	"time"
)

// Progress is what the store knows of a checker between two passes.
type Progress struct {
	// ID is the store's name for the checker; 0 where it has not been seen yet.
	ID   int64
	Name string
	// Origin is the M at which the checker was first seen.
	Origin int64
	// Settled is the minute through which the walk has settled; nil at first.
	Settled *int64
	// Recorded is the newest minute with a verdict; nil at first. It lies beyond
	// Settled only after the walk was moved back by hand.
	Recorded *int64
	// Revision is the SHA-256 of the text in use, Zone the name of the zone it is
	// judged in, RevisionID the store's name for the two.
	Revision   string
	Zone       string
	RevisionID int64
	// Lines are the lines of the text in use, in file order.
	Lines []LineProgress
	// PurgeMark, seconds since the epoch: older rows were purged; nil for none.
	PurgeMark *int64
	// Fetched is the start of the last successful fetch, microseconds since the
	// epoch; nil for none.
	Fetched *int64
	// FetchedEnd is its end.
	FetchedEnd *int64
	// Reach is how far it could see, microseconds since the epoch; nil for none.
	Reach *int64
	// Skew is how far the source's clock was ahead of ours then, microseconds; 0
	// where it was not by more than MaxSkew, or is not known.
	Skew int64
	// QueryID is the store's name for QUERY and SOURCE of the text in use.
	QueryID int64
	// QueryFetched is the start of the first successful fetch since these two came
	// into use, microseconds since the epoch; nil before it.
	QueryFetched *int64
	// QueryChanged says that fetches before have asked something else.
	QueryChanged bool
	// HoleUntil is the end of the last hole, microseconds since the epoch; nil for
	// none.
	HoleUntil *int64
	// Baseline is the start of the first successful fetch of a checker with
	// assumed timestamps, microseconds since the epoch; nil before it.
	Baseline *int64
	// Off says since when (a minute) the checker owes nothing, and why.
	Off *Off
	// Missing is the first slot (a minute) at which the file was not there; nil
	// while it is.
	Missing *int64
	// Failing tells of the fetches that failed since the last one that succeeded.
	Failing *Failing
}

// Off is the present span in which a checker owes nothing.
type Off struct {
	Since  int64
	Reason OffReason
}

// OffReason says why a checker owes nothing.
type OffReason string

const (
	// OffAway: its file is not there.
	OffAway OffReason = "away"
	// OffDisabled: `enabled: false`.
	OffDisabled OffReason = "disabled"
)

// Failing describes a row of failed fetches.
type Failing struct {
	// Since is the start of the first of them, Next when the next one is due;
	// both microseconds since the epoch.
	Since int64
	Next  int64
	Count int64
	// Tried is the start of the last of them, microseconds since the epoch.
	Tried int64
	Fault Fault
	// Cause is the text of the last error.
	Cause string
}

// LineProgress is a line with what the store knows of it.
type LineProgress struct {
	Line
	// Index is the line's place in the file, 0 = first.
	Index int
	// Judged are the minutes beyond the walk that have a verdict, ascending: it was
	// moved back by hand, and comes by them again. nil for none.
	Judged []int64
	Streak
}

// Streak is the run of verdicts that a line's next one continues.
type Streak struct {
	// Last is the status of the last result, LastMinute its minute, Since the
	// minute from which on every result had this status.
	Last       Status
	LastMinute int64
	Since      int64
	// Settled is the last status that was GOOD or BAD.
	Settled Status
	// ConsecutiveBad counts the BAD results since the last GOOD one.
	ConsecutiveBad int64
	// Trouble is what the line's incidents rest on.
	Trouble
}

// Then is the streak after one more result; the Trouble is left as it is.
func (s Streak) Then(status Status, minute int64) Streak {
	next := s
	next.Last, next.LastMinute = status, minute
	if s.Last != status {
		next.Since = minute
	}
	switch status {
	case Good:
		next.Settled, next.ConsecutiveBad = Good, 0
	case Bad:
		next.Settled, next.ConsecutiveBad = Bad, s.ConsecutiveBad+1
	}
	return next
}

// Walk is the progress as the walk needs it. catchUp is in minutes.
func (p *Progress) Walk(zone *time.Location, catchUp int64) Walk {
	w := Walk{Origin: p.Origin, Settled: p.Settled, Zone: zone, CatchUp: catchUp}
	for i, l := range p.Lines {
		w.Lines = append(w.Lines, l.Line)
		if l.Judged != nil {
			if w.Judged == nil {
				w.Judged = make([][]int64, len(p.Lines))
			}
			w.Judged[i] = l.Judged
		}
	}
	return w
}

// SettleAt moves the walk on.
func (p *Progress) SettleAt(minute int64) {
	p.Settled = &minute
	for i := range p.Lines {
		l := &p.Lines[i]
		if passed, _ := slices.BinarySearch(l.Judged, minute+1); passed == len(l.Judged) {
			l.Judged = nil
		} else {
			l.Judged = l.Judged[passed:]
		}
	}
}

// ComesBy says whether there are verdicts that the walk has yet to come by again.
func (p *Progress) ComesBy() bool {
	return p.Recorded != nil && (p.Settled == nil || *p.Recorded > *p.Settled)
}

// Sighting is what changes in the store because a checker's file was seen in a
// pass: it is written before the first fetch.
type Sighting struct {
	Checker *Checker
	// Zone is the name of the zone in which the checker is judged now.
	Zone string
	// Minute is the M of the pass.
	Minute int64
	// New says that the checker was never seen: its origin is Minute.
	New bool
	// Owes are the OwesAfter of the file's lines, in file order.
	Owes []int64
	// Settled is the minute through which the walk counts as settled from now on;
	// nil leaves it as it is.
	Settled *int64
	// Gaps are what was pending when the checker was switched off. Their Line is
	// an index into the Progress's lines.
	Gaps []Gap
	// Returned says that the present off span ends at Minute.
	Returned bool
}

// Sight compares a checker as its file says with what is stored; false when
// there is nothing to write. daemon is the zone of checkers without their own;
// closed are the days on which this one owes nothing.
func Sight(p *Progress, c *Checker, daemon *time.Location, closed *ClosedDays, minute int64) (Sighting, bool) {
	zone := c.Zone(daemon)
	s := Sighting{Checker: c, Zone: zone.String(), Minute: minute, New: p.ID == 0}
	s.Returned = p.Off != nil
	if !s.New && !s.Returned && p.Revision == c.Revision && p.Zone == s.Zone {
		return s, false
	}
	if s.Returned {
		settled := minute - 60
		if p.Settled != nil {
			settled = max(settled, *p.Settled)
		}
		s.Settled = &settled
		w := p.Walk(zone, 0)
		w.Closed, w.Blind = closed, true
		// A clock that was ahead may have switched it off later than now: what lies
		// between is walked again, and must not be a gap as well.
		if piece, ok := w.Plan(min(p.Off.Since, minute)-60, GapOff).Next(PieceLimit); ok {
			s.Gaps = piece.Gaps
		}
	}
	known := make(map[string]int64, len(p.Lines))
	for _, l := range p.Lines {
		known[l.Identity()] = l.OwesAfter
	}
	for _, r := range c.Lines {
		owes, ok := known[r.Identity()]
		switch {
		case ok:
		case s.New || p.RevisionID == 0: // the first text, also of a checker that was imported
			owes = OwesAll
		default:
			owes = minute - 60
			if p.Settled != nil {
				owes = max(owes, *p.Settled)
			}
		}
		s.Owes = append(s.Owes, owes)
	}
	return s, true
}
