//go:build linux

package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the zones of the model do not hang on the machine
)

// line is a requirement line as the model understands it.
type line struct {
	tokens   string
	hours    func(hour int) bool
	minutes  func(minute int) bool
	days     []time.Weekday // nil: all
	lookback int64          // seconds
	halfOpen bool
	// min and max are bounds; -1: none.
	min, max int64
}

// eligible says whether a minute is one of the line's.
func (l line) eligible(local time.Time) bool {
	return l.hours(local.Hour()) && l.minutes(local.Minute()) && (l.days == nil || slices.Contains(l.days, local.Weekday()))
}

// rewind is how many minutes the clock rewinds for the line.
func (l line) rewind() int64 { return 10 * ((l.lookback + 59) / 60) }

// checker is a checker of every world.
type checker struct {
	name, feed, zone string
	grace            int64 // minutes
	lines            []line
}

func always(int) bool { return true }

// checkers have small and large windows, open and half open, in several zones, due at
// every minute and at some.
var checkers = []checker{
	{
		name: "orders", feed: "orders", zone: "UTC",
		lines: []line{
			{tokens: "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 MAXNUM8 LOOKBACKSECONDS120", hours: always, minutes: always, lookback: 120, min: 1, max: 8},
			{
				tokens: "CHECKHOURS0-5,8-23 CHECKMINUTES*/3 WEEKENDS WEEKDAYS MINNUM8 MAXNUM60 LOOKBACKSECONDS601 HALFOPEN",
				hours:  func(h int) bool { return h <= 5 || h >= 8 }, minutes: func(m int) bool { return m%3 == 0 }, lookback: 601, halfOpen: true, min: 8, max: 60,
			},
		},
	},
	{
		name: "billing/invoices", feed: "invoices", zone: "Asia/Kolkata", grace: 2,
		lines: []line{{tokens: "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MAXNUM5 LOOKBACKSECONDS60", hours: always, minutes: always, lookback: 60, min: -1, max: 5}},
	},
	{
		name: "berlin", feed: "berlin", zone: "Europe/Berlin",
		lines: []line{{
			tokens: "CHECKHOURS0-3,9-22 CHECKMINUTES*/2 CHECKDAYSMON,WED-SUN MINNUM6 LOOKBACKSECONDS300",
			hours:  func(h int) bool { return h <= 3 || h >= 9 && h <= 22 }, minutes: func(m int) bool { return m%2 == 0 },
			days:     []time.Weekday{time.Monday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday},
			lookback: 300, min: 6, max: -1,
		}},
	},
}

// text is the checker's file.
func (c checker) text(source string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "__QUERY__\n%s\n__REQUIREMENTS__\n", c.feed)
	for _, l := range c.lines {
		fmt.Fprintln(&b, l.tokens)
	}
	fmt.Fprintf(&b, "__SOURCE__\n%s\n__OPTIONS__\ntimezone: %s\ngrace: %dm\n", source, c.zone, c.grace)
	return b.String()
}

// newest is M of a pass at a time.
func (c checker) newest(now time.Time) int64 { return (now.Unix() - 60*c.grace) / 60 * 60 }

// rows of a checker: every event of its feed that a world of that age can know.
func (c checker) rows(seed uint64, from, until time.Time) map[string]event {
	all := map[string]event{}
	first := from.Add(-window).Unix()/60*60 - 60
	for minute := first; minute <= until.Unix(); minute += 60 {
		for _, e := range eventsOf(seed, c.feed, minute) {
			all[e.key] = e
		}
	}
	return all
}
