package dwmon

import (
	"math/bits"
	"time"
)

// PrevDue gives the last n minutes (seconds since the epoch) up to the given one,
// which is included, at which the line is eligible, oldest first, closed days left
// out, looking at most five years back.
func (r Requirement) PrevDue(zone *time.Location, closed *ClosedDays, until int64, n int) []int64 {
	var due []int64
	first := until - 5*366*86400
	// A calendar runs forward only, so the past is looked at in spans that grow: a line
	// that is due each minute is found in the first, one of once a year soon enough.
	for span := int64(86400); len(due) < n && until >= first; span *= 2 {
		from := max(until-span+1, first)
		due = append(r.lastDue(zone, closed, from, until, n-len(due)), due...)
		until = from - 1
	}
	return due
}

// lastDue are the last n eligible minutes in from..until, both included.
func (r Requirement) lastDue(zone *time.Location, closed *ClosedDays, from, until int64, n int) []int64 {
	var due []int64
	cal := newCalendar(zone, closed, from, until)
	for h, ok := cal.run(); ok; h, ok = cal.run() {
		for m := h.mask(r); m != 0; m &= m - 1 {
			due = append(due, h.epoch(bits.TrailingZeros64(uint64(m))))
		}
		if extra := len(due) - n; extra > n+60 { // not each time: copying costs
			due = due[:copy(due, due[extra:])]
		}
	}
	return due[max(0, len(due)-n):]
}
