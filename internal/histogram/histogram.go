// Package histogram counts rows by the hour of the week in which they fall. It is
// pure: timestamps, zone and spans are given to it.
package histogram

import (
	"math"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Cell is one hour of the week, such as Mondays from 9:00 to 9:59.
type Cell struct {
	// Times is how often the hour came, whole and without holes.
	Times int64
	// Rows is how many rows fell into it altogether, Min and Max how many at the
	// fewest and at the most in one of those times; 0 where it never came.
	Rows, Min, Max int64
}

// Mean is how many rows fall into the hour on average; 0 where it never came.
func (c Cell) Mean() float64 {
	if c.Times == 0 {
		return 0
	}
	return float64(c.Rows) / float64(c.Times)
}

// Histogram is a cell for each hour of the week, Monday first.
type Histogram struct {
	Cells [7][24]Cell
	// Hours is how many whole hours were counted, Rows how many rows fell into them.
	Hours, Rows int64
	// LeftHoles is how many hours were left out because rows of theirs may be missing,
	// LeftClock because a change of the clocks made them shorter.
	LeftHoles, LeftClock int64
}

// Counter makes a Histogram of timestamps that come in their order.
type Counter struct {
	h     Histogram
	hours hours
	holes []dwmon.Span
	now   hour
	has   bool
	count int64
}

// NewCounter counts timestamps in from ≤ ts < until, both in microseconds since the
// epoch. Hours of the zone that do not lie wholly in there, or that touch a hole,
// count for nothing; holes are in order.
func NewCounter(zone *time.Location, from, until int64, holes []dwmon.Span) *Counter {
	c := &Counter{hours: hours{zone: zone, next: ceilSecond(from), until: until / 1e6}, holes: holes}
	c.step()
	return c
}

// Add counts timestamps, microseconds since the epoch, ascending over all calls.
func (c *Counter) Add(micros []int64) {
	for len(micros) > 0 && c.has {
		// Those of one hour lie side by side.
		first, _ := slices.BinarySearch(micros, c.now.from*1e6)
		last, _ := slices.BinarySearch(micros, c.now.until*1e6)
		c.count += int64(last - first)
		micros = micros[last:]
		if len(micros) > 0 {
			c.step()
		}
	}
}

// Histogram gives what was counted; hours to come are empty.
func (c *Counter) Histogram() *Histogram {
	for c.has {
		c.step()
	}
	return &c.h
}

// step takes the present hour in, and goes on to the next.
func (c *Counter) step() {
	if c.has {
		c.take()
	}
	c.now, c.has = c.hours.take()
	c.count = 0
}

func (c *Counter) take() {
	switch {
	case !c.now.whole:
		c.h.LeftClock++
		return
	case c.inHole():
		c.h.LeftHoles++
		return
	}
	cell := &c.h.Cells[c.now.day][c.now.hour]
	if cell.Times == 0 {
		cell.Min = c.count
	}
	cell.Min, cell.Max = min(cell.Min, c.count), max(cell.Max, c.count)
	cell.Times++
	cell.Rows += c.count
	c.h.Hours++
	c.h.Rows += c.count
}

// inHole says that rows of the present hour may be missing. Holes that lie before it
// are done with.
func (c *Counter) inHole() bool {
	for len(c.holes) > 0 && c.holes[0].Until < c.now.from*1e6 {
		c.holes = c.holes[1:]
	}
	return len(c.holes) > 0 && c.holes[0].From < c.now.until*1e6
}

// hour is one that came: from ≤ t < until, seconds since the epoch; day 0 is Monday.
type hour struct {
	from, until int64
	day, hour   int
	// whole: it has sixty minutes.
	whole bool
}

// hours gives the hours of a zone that lie in a span, one after the other. An hour that
// the clock shows twice comes twice; one that a change of the clocks makes shorter is
// not whole.
type hours struct {
	zone        *time.Location
	next, until int64
	begun       bool
	// nextChange holds before steady; changes is false where there is none.
	steady, nextChange int64
	changes            bool
}

func (h *hours) take() (hour, bool) {
	if !h.begun {
		h.begun = true
		h.skip()
	}
	t := time.Unix(h.next, 0).In(h.zone)
	into := int64(t.Minute()*60 + t.Second())
	end := h.next - into + 3600
	if change, ok := h.change(); ok {
		end = min(end, change)
	}
	if end > h.until {
		return hour{}, false
	}
	out := hour{
		from: h.next, until: end, day: (int(t.Weekday()) + 6) % 7, hour: t.Hour(),
		whole: end-h.next == 3600,
	}
	h.next = end
	return out, true
}

// skip leaves out what the span has of its first hour, where that is not all of it.
func (h *hours) skip() {
	t := time.Unix(h.next, 0).In(h.zone)
	into := int64(t.Minute()*60 + t.Second())
	if into == 0 || offset(h.zone, h.next-1) != offset(h.zone, h.next) {
		return
	}
	change, ok := h.change()
	h.next += 3600 - into
	if ok {
		h.next = min(h.next, change)
	}
}

// change is when the clocks are set next. The zone's own bounds may also be changes of
// its name alone, or none at all, as the last one of many in the year 2038.
func (h *hours) change() (second int64, ok bool) {
	if h.next < h.steady {
		return h.nextChange, h.changes
	}
	at := time.Unix(h.next, 0).In(h.zone)
	for {
		end := dwmon.ZoneEnd(at)
		h.steady, h.nextChange, h.changes = end.Unix(), end.Unix(), true
		if end.IsZero() {
			h.steady, h.changes = math.MaxInt64, false
		}
		if !h.changes || offset(h.zone, end.Unix()) != offset(h.zone, h.next) {
			return h.nextChange, h.changes
		}
		at = end
	}
}

// offset is how many seconds the local time of a zone is ahead of UTC.
func offset(zone *time.Location, second int64) int {
	_, offset := time.Unix(second, 0).In(zone).Zone()
	return offset
}

// ceilSecond is the first second at or after a time in microseconds.
func ceilSecond(micros int64) int64 {
	second := micros / 1e6
	if second*1e6 < micros {
		second++
	}
	return second
}
