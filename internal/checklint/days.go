package checklint

import (
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	day  = 86400
	year = 366 * day
)

// dueDays looks at the days of the next year: on which each line is due, and what
// the changes of the clocks do to it.
func (l *linter) dueDays() {
	zone := l.c.Zone(l.Zone)
	if zone == nil {
		return
	}
	changes := clockChanges(zone, l.Now, l.Now+year)
	for i := range l.c.Lines {
		r := &l.c.Lines[i]
		if due := r.NextDue(zone, l.Closed, l.Now, 1); len(due) == 0 || due[0] > l.Now+year {
			l.report(l.token(r, ""), dwmon.CodeNeverDue, "this line is not due on any day of the next year: its calendars close all its days",
				"name other days, or another calendar in OPTIONS")
			continue
		}
		if !l.skipsAndRepeats(r, zone, changes) {
			l.dailyWindows(r, zone, changes)
		}
	}
}

// clockChange is a moment at which local time jumps.
type clockChange struct {
	// day is the local day, from and until the minutes of it that do not exist, or
	// come twice.
	day         dwmon.Day
	from, until int
	twice       bool
}

// clockChanges are the changes of a zone's clocks after one second and until another.
func clockChanges(zone *time.Location, from, until int64) (changes []clockChange) {
	at := time.Unix(from, 0).In(zone)
	for {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Unix() > until {
			return changes
		}
		_, before := end.Add(-time.Second).Zone()
		_, after := end.Zone()
		at = end
		low, high := min(before, after), max(before, after)
		if low == high || high-low >= day {
			continue
		}
		local := time.Unix(end.Unix()+int64(low), 0).UTC()
		c := clockChange{day: dwmon.DayOf(local.Date()), from: local.Hour()*60 + local.Minute(), twice: after < before}
		if !c.twice {
			// What does not exist begins at the old time.
			local = time.Unix(end.Unix()+int64(before), 0).UTC()
			c.day, c.from = dwmon.DayOf(local.Date()), local.Hour()*60+local.Minute()
		}
		c.until = c.from + (high-low)/60
		changes = append(changes, c)
	}
}

// skipsAndRepeats reports a line all of whose minutes of a day do not exist, or come
// twice, because the clocks change.
func (l *linter) skipsAndRepeats(r *dwmon.Requirement, zone *time.Location, changes []clockChange) bool {
	var skipped, twice []string
	for _, c := range changes {
		if _, closed := l.Closed.Name(c.day); closed || !within(r, c) {
			continue
		}
		if c.twice {
			twice = append(twice, c.day.String())
		} else {
			skipped = append(skipped, c.day.String())
		}
	}
	var parts []string
	if len(skipped) > 0 {
		parts = append(parts, "not checked on "+strings.Join(skipped, ", ")+", when its time does not exist")
	}
	if len(twice) > 0 {
		parts = append(parts, "checked twice on "+strings.Join(twice, ", ")+", when its time comes twice")
	}
	if len(parts) == 0 {
		return false
	}
	l.report(l.token(r, "CHECKHOURS"), dwmon.CodeClockChange,
		fmt.Sprintf("the clocks of %s change: this line is %s", zone, strings.Join(parts, ", and ")),
		"take another hour, or another zone: timezone: UTC in OPTIONS")
	return true
}

// within says that a line is due on a change's day, and only in the minutes that the
// change is about.
func within(r *dwmon.Requirement, c clockChange) bool {
	if r.Days&(1<<((int(c.day%7)+4)%7)) == 0 { // the epoch was a Thursday
		return false
	}
	due := false
	for hour := range 24 {
		if r.Hours&(1<<hour) == 0 {
			continue
		}
		for minute := range 60 {
			if r.Minutes&(1<<minute) == 0 {
				continue
			}
			if at := hour*60 + minute; at < c.from || at >= c.until {
				return false
			}
			due = true
		}
	}
	return due
}

// dailyWindows reports windows of a day that are meant to hold every row, and do not
// on a day that is longer.
func (l *linter) dailyWindows(r *dwmon.Requirement, zone *time.Location, changes []clockChange) {
	if r.Lookback != day || Cadence(*r) != day || !r.HalfOpen && !exact(r) {
		return
	}
	for _, c := range changes {
		if !c.twice {
			continue
		}
		l.report(l.token(r, "LOOKBACKSECONDS"), dwmon.CodeClockChange,
			fmt.Sprintf("the clocks of %s are set back on %s: that day is longer than a look-back of 24 hours, and rows of %s are counted by no check",
				zone, c.day, length(int64(c.until-c.from)*60)),
			"give the line a zone that does not change: timezone: UTC in OPTIONS")
		return
	}
}
