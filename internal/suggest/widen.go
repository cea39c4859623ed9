package suggest

import (
	"math"
	"slices"
)

// widen lets the history itself have the last word: where the lines would have had
// more incidents in it than are accepted, what the model takes for unusual is usual
// there, and bounds are widened until only the accepted number is left. The mildest
// go first, so that what is left is what was furthest from the usual.
//
// Once bounds are widened, they are until half of the accepted number is left: where
// many alarms are about equally bad, what the next weeks bring hangs on very little.
func (b *builder) widen() {
	accepted := int(b.o.FalseAlarms*b.covered + 1e-9)
	limit := accepted
	for range 1000 {
		alarms, _ := b.past.replay(b.requirements(), b.o.Alert, true, b.past.known)
		events := withoutDrops(b.events(b.usualOnes(alarms)))
		told := 0
		for i := range events {
			told += events[i].told()
		}
		if told <= limit {
			return
		}
		limit = accepted / 2
		b.absorb(events, told-limit)
	}
}

// troubleGap is how many seconds may lie between unusual hours of one trouble: of a
// holiday the few rows of its night are nothing unusual.
const troubleGap = 8 * 3600

// troubles are the unusual hours of a kind, those close together as one.
func (b *builder) troubles(kind string) (spans []Span) {
	for _, s := range b.unusual {
		if s.Note != kind {
			continue
		}
		if n := len(spans); n > 0 && s.From-spans[n-1].Until <= troubleGap {
			spans[n-1].Until = s.Until
		} else {
			spans = append(spans, s)
		}
	}
	return spans
}

// event is alarms that come together: what befalls several lines at once is one thing.
type event struct {
	low   bool
	lines []int
	until int64
	// hour is the local hour in which it began.
	hour int
	// away is how far the worst count is from what is usual, as a factor.
	away float64
}

// regular is how many drops must begin at one hour of the day to be how this traffic
// is.
const regular = 3

// withoutDrops leaves out what MINNUM is there to find: drops to dropShare of the usual
// rows and below, however often they come. Only what drops at the same hour most of the
// time, a nightly maintenance, is usual.
func withoutDrops(events []event) []event {
	isDrop := func(e event) bool { return e.low && e.away >= 1/dropShare }
	var at [24]int
	drops, hour := 0, 0
	for _, e := range events {
		if isDrop(e) {
			drops++
			if at[e.hour]++; at[e.hour] > at[hour] {
				hour = e.hour
			}
		}
	}
	usual := at[hour] >= regular && 2*at[hour] > drops
	return slices.DeleteFunc(events, func(e event) bool { return isDrop(e) && !(usual && e.hour == hour) })
}

// told is how often somebody is told of it: as often as one line's incidents come and
// go meanwhile.
func (e *event) told() int {
	most, of := 0, map[int]int{}
	for _, line := range e.lines {
		of[line]++
		most = max(most, of[line])
	}
	return most
}

// events gathers alarms whose windows meet, oldest first.
func (b *builder) events(alarms []alarm) (events []event) {
	slices.SortStableFunc(alarms, func(x, y alarm) int { return int(min(1, max(-1, x.from-y.from))) })
	for _, a := range alarms {
		d := &b.lines[a.line]
		if n := len(events); n > 0 && events[n-1].low == a.low && a.from-d.profile.lookback <= events[n-1].until {
			e := &events[n-1]
			e.lines, e.until, e.away = append(e.lines, a.line), max(e.until, a.until), max(e.away, d.away(a))
		} else {
			hour := int(b.past.grid.quarter[b.past.grid.index(a.from)]) / 4 % 24
			events = append(events, event{a.low, []int{a.line}, a.until, hour, d.away(a)})
		}
	}
	return events
}

// usualOnes leaves out the alarms about unusual hours, as long as these are rare: one
// outage in months is what alarms are for, but bursts three times a week are how this
// traffic is. They are rare where they come at most half as often as alarms are
// accepted.
func (b *builder) usualOnes(alarms []alarm) []alarm {
	rare := map[string]bool{}
	for _, kind := range []string{unusualLow, unusualHigh} {
		rare[kind] = float64(len(b.troubles(kind))) <= b.o.FalseAlarms*b.covered/2
	}
	var leave []Span
	for kind, is := range rare {
		if is {
			leave = append(leave, b.troubles(kind)...)
		}
	}
	return slices.DeleteFunc(alarms, func(a alarm) bool {
		return slices.ContainsFunc(leave, func(s Span) bool {
			return a.low == (s.Note == unusualLow) && a.touches(s, b.lines[a.line].profile.lookback)
		})
	})
}

// absorb widens bounds by the mildest events of the side that has more of them: of one
// line, where most are its, else of all, for what strikes at any hour has only by
// chance not struck at others yet.
func (b *builder) absorb(events []event, excess int) {
	low := 0
	for _, e := range events {
		if e.low {
			low++
		}
	}
	side := slices.DeleteFunc(events, func(e event) bool { return e.low != (2*low > len(events)) })
	most, of := 0, map[int]int{}
	for _, e := range side {
		for _, line := range e.lines {
			if of[line]++; of[line] > of[most] {
				most = line
			}
		}
	}
	one := 2*of[most] > len(side)
	var away []float64
	for _, e := range side {
		if !one || slices.Contains(e.lines, most) {
			away = append(away, e.away)
		}
	}
	slices.Sort(away)
	factor := away[min(excess/5, len(away)/4)] // in steps: after each it is looked again
	for i := range b.lines {
		if !one || i == most {
			b.lines[i].stretch(side[0].low, factor)
		}
	}
}

// away is how far an alarm's count is from what is usual, as a factor of at least 1.
func (d *drawn) away(a alarm) float64 {
	low, high := d.means()
	if a.low {
		return low / max(float64(a.worst), 0.5)
	}
	return float64(a.worst) / high
}

// stretch widens a bound to a factor of what is usual.
func (d *drawn) stretch(low bool, factor float64) {
	usualLow, usualHigh := d.means()
	if low {
		d.low = min(d.low, int64(math.Floor(usualLow/factor+1e-9)))
	} else {
		d.high = max(d.high, int64(math.Ceil(usualHigh*factor-1e-9)))
	}
}

// means are the lowest and the highest mean of the line's quarters.
func (d *drawn) means() (low, high float64) {
	low = math.Inf(1)
	t := &table{layer: d.layer, of: []*bounds{{profile: d.profile}}}
	t.quarters(d.days, d.hours, 0, func(q int) {
		low, high = min(low, d.profile.low[q].mean), max(high, d.profile.high[q].mean)
	})
	return max(low, 0.5), max(high, 0.5)
}
