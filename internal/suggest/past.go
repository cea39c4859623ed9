package suggest

import (
	"math"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Why says why a part of the history is left out.
type Why string

// Reasons. The values are shown.
const (
	WhyClosed   Why = "closed day"
	WhyIncident Why = "recorded incident"
	WhyHole     Why = "hole in the recorded rows"
	WhyOutage   Why = "no fetch succeeded"
	WhyOff      Why = "checker off"
	WhyUnusual  Why = "far from what is usual"
	WhyOther    Why = "before the level changed"
)

// Span is a part of the history that is left out: minutes, seconds since the epoch,
// Until not included.
type Span struct {
	From, Until int64
	Why         Why
	// Note says more, for people; may be empty.
	Note string
}

// past is the history as a proposal looks at it.
type past struct {
	counts *Counts
	grid   *grid
	// from is the first minute that is of the present kind; the end is the counts'.
	from int64
	// outBefore[i] is how many of the minutes before i are left out because something
	// is known of them, oddBefore how many because they are unusual.
	outBefore, oddBefore []int32
	slope                float64
}

func newPast(c *Counts, g *grid, out []Span) *past {
	c.sum()
	p := &past{counts: c, grid: g, from: c.From}
	p.outBefore = p.marks(out)
	p.oddBefore = make([]int32, len(c.minutes)+1)
	return p
}

// marks counts the minutes that spans cover.
func (p *past) marks(spans []Span) []int32 {
	c := p.counts
	marked := make([]bool, len(c.minutes))
	for _, s := range spans {
		from, until := max(dwmon.FloorMinute(s.From), c.From), min(s.Until, c.Until)
		for m := from; m < until; m += 60 {
			marked[c.index(m)] = true
		}
	}
	before := make([]int32, len(marked)+1)
	for i, is := range marked {
		before[i+1] = before[i]
		if is {
			before[i+1]++
		}
	}
	return before
}

// left says whether a minute is left out because something is known of it.
func (p *past) left(m int64) bool {
	i := p.counts.index(m)
	return p.outBefore[i+1] > p.outBefore[i]
}

// known says whether a minute's window can be used: it lies within the present
// level, and nothing in it is left out. Unusual parts may be in it.
func (p *past) known(minute, lookback int64) bool {
	first := dwmon.FloorMinute(minute - lookback)
	if first < p.from || minute > p.counts.Until {
		return false
	}
	return p.outBefore[p.counts.index(minute)] == p.outBefore[p.counts.index(first)]
}

// normal says whether nothing in the window is unusual.
func (p *past) normal(minute, lookback int64) bool {
	first := dwmon.FloorMinute(minute - lookback)
	return p.oddBefore[p.counts.index(minute)] == p.oddBefore[p.counts.index(first)]
}

// scale is how rows at a time compare with those at the end, by the trend.
func (p *past) scale(at int64) float64 {
	if p.slope == 0 {
		return 1
	}
	return math.Exp(p.slope * weekOf(at, p.counts.Until))
}

// Numbers of what is unusual.
const (
	// unusualSpread is by how many standard deviations an hour must differ from what
	// is usual at its hour of the week.
	unusualSpread = 5
	// unusualShare is by what share it must.
	unusualShare = 0.3
	// unusualRows is by how many rows it must.
	unusualRows = 6
)

// Notes of unusual spans: fewer rows than usual, or more.
const (
	unusualLow  = "low"
	unusualHigh = "high"
)

// markUnusual marks the hours that are far off their own hour of the week, after
// Hampel: by median and median distance, which a minority of outages and bursts do
// not move. It gives them as spans.
func (p *past) markUnusual(hours []hour) []Span {
	m := usual(hours, p.scale)
	extra := p.extraOfHours(hours, m)
	var spans []Span
	for i := range hours {
		h := &hours[i]
		if h.at < p.from || h.minutes < 30 {
			continue
		}
		expected := m[h.cell] * p.scale(h.at)
		away := h.rate() - expected
		limit := max(unusualSpread*scatter{max(expected, 1), extra[h.cell]}.deviation(), unusualShare*expected, unusualRows)
		if math.Abs(away) <= limit {
			continue
		}
		h.unusual = true
		note := unusualHigh
		if away < 0 {
			note = unusualLow
		}
		until := p.counts.Until
		if i+1 < len(hours) {
			until = hours[i+1].at
		}
		if n := len(spans); n > 0 && spans[n-1].Until == h.at && spans[n-1].Note == note {
			spans[n-1].Until = until
		} else {
			spans = append(spans, Span{h.at, until, WhyUnusual, note})
		}
	}
	p.oddBefore = p.marks(spans)
	return spans
}

// extraOfHours is the extra variance of hourly counts at each cell of the week: its
// own where that is larger than what all cells show together, for some hours of the
// week vary more than others.
func (p *past) extraOfHours(hours []hour, m [cells]float64) (extra [cells]float64) {
	var away [cells][]float64
	for i := range hours {
		h := &hours[i]
		if h.at < p.from || !h.usable() || m[h.cell] == 0 {
			continue
		}
		away[h.cell] = append(away[h.cell], h.rate()/p.scale(h.at)-m[h.cell])
	}
	var all []float64
	for c := range away {
		if len(away[c]) < 3 || m[c] < 1 {
			continue
		}
		s := spread(away[c], 0)
		extra[c] = max(0, s*s-m[c]) / (m[c] * m[c])
		all = append(all, extra[c])
	}
	pooled := median(slices.Clone(all))
	for c := range extra {
		own := min(extra[c], 4*pooled+0.02) // a median distance of few weeks is a rough guess
		extra[c] = max(own, pooled)
	}
	return extra
}
