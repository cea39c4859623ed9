package dwmon

import (
	"math/bits"
	"time"
)

// hourRun is a run of consecutive epoch minutes that share one local hour of
// one local day: minute number First of that hour starts at epoch second At,
// and Count minutes belong to the run. Closed says that the day owes nothing.
type hourRun struct {
	At     int64
	Day    int
	Hour   int
	First  int
	Count  int
	Closed bool
}

// mask is the set of the line's minutes that fall into the run.
func (h hourRun) mask(r Requirement) MinuteSet {
	if h.Closed || r.Days&(1<<h.Day) == 0 || r.Hours&(1<<h.Hour) == 0 {
		return 0
	}
	return r.Minutes & (((1 << h.Count) - 1) << h.First)
}

// epoch is the epoch second of the run's local minute number.
func (h hourRun) epoch(minute int) int64 { return h.At + int64(minute-h.First)*60 }

// calendar cuts a span of epoch minutes into hourRuns. A local hour may come
// twice (clocks set back), be cut short or be missing (set forward); each epoch
// minute comes exactly once, whatever the zone does.
type calendar struct {
	zone   *time.Location
	closed *ClosedDays
	next   int64 // first minute not yet given
	until  int64 // last minute, included

	offset      int64 // of local time, seconds; holds while next < offsetUntil
	offsetUntil int64
	offsetKnown bool
}

func newCalendar(zone *time.Location, closed *ClosedDays, from, until int64) *calendar {
	return &calendar{zone: zone, closed: closed, next: ceilMinute(from), until: until}
}

// run gives the next run; false at the end of the span.
func (c *calendar) run() (hourRun, bool) {
	if c.next > c.until {
		return hourRun{}, false
	}
	c.findOffset()
	local := floorDiv(c.next+c.offset, 60) // local minutes since the epoch
	day := floorDiv(local, 24*60)
	inDay := int(local - day*24*60)
	h := hourRun{
		At:    c.next,
		Day:   int(((day+4)%7 + 7) % 7), // the epoch was a Thursday
		Hour:  inDay / 60,
		First: inDay % 60,
	}
	_, h.Closed = c.closed.Name(Day(day))
	left := (min(c.until, c.offsetUntil-1)-c.next)/60 + 1
	h.Count = int(min(int64(60-h.First), left))
	c.next += int64(h.Count) * 60
	return h, true
}

func (c *calendar) findOffset() {
	if c.offsetKnown && c.next < c.offsetUntil {
		return
	}
	at := time.Unix(c.next, 0).In(c.zone)
	_, offset := at.Zone()
	c.offset, c.offsetKnown = int64(offset), true
	c.offsetUntil = c.until + 1
	if end := ZoneEnd(at); !end.IsZero() {
		c.offsetUntil = min(c.offsetUntil, end.Unix())
	}
}

// tally is how many of a line's eligible minutes lie in from..until, both
// included, and the first and the last of them.
func (r Requirement) tally(zone *time.Location, closed *ClosedDays, from, until int64) (first, last, minutes int64) {
	cal := newCalendar(zone, closed, from, until)
	for h, ok := cal.run(); ok; h, ok = cal.run() {
		m := h.mask(r)
		if m == 0 {
			continue
		}
		if minutes == 0 {
			first = h.epoch(bits.TrailingZeros64(uint64(m)))
		}
		last = h.epoch(63 - bits.LeadingZeros64(uint64(m)))
		minutes += int64(bits.OnesCount64(uint64(m)))
	}
	return first, last, minutes
}

// NextDue gives up to n minutes after the given one (seconds since the epoch) at
// which the line is eligible, closed days left out, looking at most five years
// ahead.
func (r Requirement) NextDue(zone *time.Location, closed *ClosedDays, after int64, n int) []int64 {
	var due []int64
	cal := newCalendar(zone, closed, after+1, after+5*366*86400)
	for h, ok := cal.run(); ok && len(due) < n; h, ok = cal.run() {
		for m := h.mask(r); m != 0 && len(due) < n; m &= m - 1 {
			due = append(due, h.epoch(bits.TrailingZeros64(uint64(m))))
		}
	}
	return due
}

// FloorMinute is the minute (seconds since the epoch) that holds a second.
func FloorMinute(second int64) int64 { return floorDiv(second, 60) * 60 }

func ceilMinute(second int64) int64 { return -FloorMinute(-second) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
