package suggest

import (
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// alarm is an incident that a line would have had.
type alarm struct {
	line int
	// from is the first BAD minute, until the last one.
	from, until int64
	low         bool
	// worst is the count furthest out of range.
	worst int64
}

// replay judges lines at all of their due minutes whose windows satisfy use, and
// gives the incidents by the rule, oldest first in each line. scaled says to compare
// counts as they would be at the level of the end.
func (p *past) replay(lines []dwmon.Requirement, rule dwmon.AlertRule, scaled bool, use func(minute, lookback int64) bool) (alarms []alarm, checks int) {
	for i := range lines {
		l := &layer{lookback: lines[i].Lookback, halfOpen: lines[i].HalfOpen}
		l.add(lines[i], 0)
		w := p.counts.windows(l.lookback, l.halfOpen)
		r := replayer{rule: rule, line: i}
		p.schedule(l, func(minute int64, _ int) {
			if !w.covered(minute) || !use(minute, l.lookback) {
				return
			}
			checks++
			count := w.count(minute)
			if scaled {
				count = int64(float64(count)/p.scale(minute) + 0.5)
			}
			status, reason := lines[i].Judge(count)
			r.take(minute, count, status, reason)
		})
		alarms = append(alarms, r.alarms...)
	}
	return alarms, checks
}

// replayer makes incidents of a line's verdicts.
type replayer struct {
	rule    dwmon.AlertRule
	line    int
	trouble dwmon.Trouble
	alarms  []alarm
	// run is what was BAD since the last GOOD one.
	run   alarm
	inRun bool
}

func (r *replayer) take(minute, count int64, status dwmon.Status, reason dwmon.Reason) {
	low := reason == dwmon.Low
	if status == dwmon.Bad {
		if !r.inRun {
			r.run, r.inRun = alarm{r.line, minute, minute, low, count}, true
		}
		r.run.add(minute, count, low)
	} else {
		r.inRun = false
	}
	next, turn := r.trouble.Then(r.rule, status)
	switch {
	case turn.Opens:
		next.Incident = 1
		r.alarms = append(r.alarms, r.run)
	case turn.Closes:
		next.Incident = 0
	case status == dwmon.Bad && r.trouble.Incident != 0:
		r.alarms[len(r.alarms)-1].add(minute, count, low)
	}
	r.trouble = next
}

func (a *alarm) add(minute, count int64, low bool) {
	a.until = minute
	if low != a.low {
		return
	}
	if low {
		a.worst = min(a.worst, count)
	} else {
		a.worst = max(a.worst, count)
	}
}

// schedule calls f for the due minutes of the span in use, closed days left out.
func (p *past) schedule(l *layer, f func(minute int64, quarter int)) {
	for i, q := range p.grid.quarter {
		mask := l.due[q/4]
		at := p.grid.from + int64(i)*quarterSize
		if mask == 0 || p.grid.closed[i] || at+quarterSize <= p.from {
			continue
		}
		first := int(q) % 4 * 15
		for k := range 15 {
			minute := at + int64(k)*60
			if mask&(1<<(first+k)) != 0 && minute >= p.from && minute <= p.counts.Until {
				f(minute, int(q))
			}
		}
	}
}

// touches says whether an alarm of a look-back is about a span: their windows meet.
func (a *alarm) touches(s Span, lookback int64) bool {
	return a.from-lookback < s.Until && a.until > s.From
}

// weeks is a length of time in weeks.
func weeks(d int64) float64 { return float64(d) / float64(7*24*time.Hour/time.Second) }

// Alarm is an incident that a line would have had.
type Alarm struct {
	// Line is its index. From is the first BAD minute, Until the last one.
	Line        int
	From, Until int64
	Low         bool
}

// Alarms gives the incidents that lines would have had over all that was counted, by
// lines and then by time.
func Alarms(c *Counts, lines []dwmon.Requirement, zone *time.Location, closed *dwmon.ClosedDays, rule dwmon.AlertRule) []Alarm {
	p := newPast(c, newGrid(c.From, c.Until, zone, closed), nil)
	found, _ := p.replay(lines, rule, false, p.known)
	alarms := make([]Alarm, len(found))
	for i, a := range found {
		alarms[i] = Alarm{a.line, a.from, a.until, a.low}
	}
	return alarms
}
