package notice

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// counted words a result: "4 in the 3 min before 14:10, at least 5 wanted".
func (d *Data) counted(r *dwmon.Result) string {
	return fmt.Sprintf("%s %s, %s wanted", words.Number(r.EventCount), d.before(r), words.Range(r.Min, r.Max))
}

// before words a result's window: "in the 3 min before 14:10".
func (d *Data) before(r *dwmon.Result) string {
	return "in the " + words.Exactly(r.LookbackSeconds) + " before " + d.clock(r.Minute)
}

// clock is a time as a summary has it: "14:10"; with the date where that is not
// today's, and with the offset where the clock shows that time twice.
func (d *Data) clock(second int64) string {
	t := time.Unix(second, 0).In(d.zone())
	text := words.TimeOfDay(t)
	if day := t.Format(words.DayLayout); day != time.Unix(d.now(), 0).In(d.zone()).Format(words.DayLayout) {
		text = day + " " + text
	}
	if words.Twice(t) {
		text += " " + words.Offset(t)
	}
	return text
}

// clocks is two times as a summary has them: "09:10–11:40"; with both dates where
// one is not today's.
func (d *Data) clocks(from, until int64) string {
	first, last := d.clock(from), d.clock(until)
	if len(first) > len(words.SecondLayout) && len(last) <= len(words.SecondLayout) {
		last = d.stamp(until)
	}
	return first + "–" + last
}

// stamp is a time as a fact has it: "2026-11-02 14:10".
func (d *Data) stamp(second int64) string {
	return words.Stamp(time.Unix(second, 0).In(d.zone()))
}

// span is two times: "2026-11-02 14:07 – 14:10".
func (d *Data) span(from, until int64) string {
	a, b := time.Unix(from, 0).In(d.zone()), time.Unix(until, 0).In(d.zone())
	first, last := a.Format(words.DayLayout)+" "+words.TimeOfDay(a), words.TimeOfDay(b)
	if day := b.Format(words.DayLayout); day != a.Format(words.DayLayout) {
		last = day + " " + last
	}
	if words.Offset(a) != words.Offset(b) || words.Twice(a) || words.Twice(b) {
		first, last = first+" "+words.Offset(a), last+" "+words.Offset(b)
	}
	return first + " – " + last
}

// zoneName says which zone the notice's times are in: "Europe/Berlin (UTC+1)".
func (d *Data) zoneName(second int64) string {
	t := time.Unix(second, 0).In(d.zone())
	switch name := clip(clean(d.zone().String()), maxName); name {
	case "UTC":
		return name
	case "Local", "":
		return "local time (" + words.Offset(t) + ")"
	default:
		return name + " (" + words.Offset(t) + ")"
	}
}

// late says that a result was caught up, and how late: "caught up 2 h late".
func late(r *dwmon.Result) string {
	if r == nil || !r.CatchUp {
		return ""
	}
	if by := since(r.Minute, floor(r.EvaluatedAt)); by >= 60 {
		return "caught up " + words.About(by) + " late"
	}
	return "caught up"
}
