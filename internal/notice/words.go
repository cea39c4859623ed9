package notice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// units of durations, largest first.
var units = []struct {
	seconds int64
	// one and many are how it is written; days begin at two, below that people say
	// hours.
	one, many string
	from      int64
}{
	{86400, "day", "days", 2 * 86400},
	{3600, "h", "h", 3600},
	{60, "min", "min", 60},
	{1, "s", "s", 1},
}

// exactly writes a number of seconds without rounding: "3 min", "1 min 30 s",
// "24 h".
func exactly(seconds int64) string { return inUnits(seconds, len(units)) }

// about writes a number of seconds in its two largest units: "26 min",
// "2 h 5 min". What is below a minute does not matter.
func about(seconds int64) string {
	if seconds < 60 {
		return "less than a minute"
	}
	return inUnits(seconds-seconds%60, 2)
}

func inUnits(seconds int64, most int) string {
	if seconds <= 0 {
		return "0 s"
	}
	var parts []string
	for _, u := range units {
		if seconds < u.from && len(parts) == 0 || seconds < u.seconds {
			if len(parts) > 0 {
				most-- // "2 days 5 min" would be of no use
			}
			continue
		}
		if len(parts) >= most {
			break
		}
		n := seconds / u.seconds
		seconds -= n * u.seconds
		parts = append(parts, plural(n, u.one, u.many))
	}
	return strings.Join(parts, " ")
}

// plural counts things: "1 checker", "2 checkers".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// wanted words a range: "at least 5".
func wanted(low, high dwmon.Bound) string {
	switch {
	case low.Set && high.Set && low.N == high.N:
		return fmt.Sprintf("exactly %d", low.N)
	case low.Set && high.Set:
		return fmt.Sprintf("%d to %d", low.N, high.N)
	case low.Set:
		return fmt.Sprintf("at least %d", low.N)
	case high.Set:
		return fmt.Sprintf("at most %d", high.N)
	default:
		return "any number"
	}
}

// counted words a result: "4 in the 3 min before 14:10, at least 5 wanted".
func (d *Data) counted(r *dwmon.Result) string {
	return fmt.Sprintf("%d %s, %s wanted", r.EventCount, d.before(r), wanted(r.Min, r.Max))
}

// before words a result's window: "in the 3 min before 14:10".
func (d *Data) before(r *dwmon.Result) string {
	return "in the " + exactly(r.LookbackSeconds) + " before " + d.clock(r.Minute)
}

const (
	dayLayout    = "2006-01-02"
	minuteLayout = "15:04"
	secondLayout = "15:04:05"
)

// timeOfDay leaves the seconds out where there are none.
func timeOfDay(t time.Time) string {
	if t.Second() == 0 {
		return t.Format(minuteLayout)
	}
	return t.Format(secondLayout)
}

// clock is a time as a summary has it: "14:10"; with the date where that is not
// today's, and with the offset where the clock shows that time twice.
func (d *Data) clock(second int64) string {
	t := time.Unix(second, 0).In(d.zone())
	text := timeOfDay(t)
	if day := t.Format(dayLayout); day != time.Unix(d.now(), 0).In(d.zone()).Format(dayLayout) {
		text = day + " " + text
	}
	if twice(t) {
		text += " " + offset(t)
	}
	return text
}

// clocks is two times as a summary has them: "09:10–11:40"; with both dates where
// one is not today's.
func (d *Data) clocks(from, until int64) string {
	first, last := d.clock(from), d.clock(until)
	if len(first) > len(secondLayout) && len(last) <= len(secondLayout) {
		last = d.stamp(until)
	}
	return first + "–" + last
}

// stamp is a time as a fact has it: "2026-11-02 14:10".
func (d *Data) stamp(second int64) string {
	t := time.Unix(second, 0).In(d.zone())
	text := t.Format(dayLayout) + " " + timeOfDay(t)
	if twice(t) {
		text += " " + offset(t)
	}
	return text
}

// span is two times: "2026-11-02 14:07 – 14:10".
func (d *Data) span(from, until int64) string {
	a, b := time.Unix(from, 0).In(d.zone()), time.Unix(until, 0).In(d.zone())
	first, last := a.Format(dayLayout)+" "+timeOfDay(a), timeOfDay(b)
	if day := b.Format(dayLayout); day != a.Format(dayLayout) {
		last = day + " " + last
	}
	if offset(a) != offset(b) || twice(a) || twice(b) {
		first, last = first+" "+offset(a), last+" "+offset(b)
	}
	return first + " – " + last
}

// twice says that the clock shows the time of day twice on that day, because it
// is set back.
func twice(t time.Time) bool {
	const layout = dayLayout + " " + secondLayout
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if text := t.Format(layout); t.Add(shift).Format(layout) == text || t.Add(-shift).Format(layout) == text {
			return true
		}
	}
	return false
}

// offset is how far the local time is from UTC: "UTC+1", "UTC-3:30".
func offset(t time.Time) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		return "UTC"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	text := "UTC" + sign + strconv.Itoa(seconds/3600)
	if minutes := seconds % 3600 / 60; minutes != 0 {
		text += fmt.Sprintf(":%02d", minutes)
	}
	return text
}

// zoneName says which zone the notice's times are in: "Europe/Berlin (UTC+1)".
func (d *Data) zoneName(second int64) string {
	t := time.Unix(second, 0).In(d.zone())
	switch name := clip(clean(d.zone().String()), maxName); name {
	case "UTC":
		return name
	case "Local", "":
		return "local time (" + offset(t) + ")"
	default:
		return name + " (" + offset(t) + ")"
	}
}

// late says that a result was caught up, and how late: "caught up 2 h late".
func late(r *dwmon.Result) string {
	if r == nil || !r.CatchUp {
		return ""
	}
	if by := since(r.Minute, floor(r.EvaluatedAt)); by >= 60 {
		return "caught up " + about(by) + " late"
	}
	return "caught up"
}
