package suggest

import (
	"math"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// hour is one local hour of the history: the part of it that can be used.
type hour struct {
	at   int64 // its first minute
	cell int
	day  dwmon.Day
	// minutes can be used; rows is how many rows they have.
	minutes int
	rows    float64
	unusual bool
}

// rate is the rows of a whole hour like this.
func (h *hour) rate() float64 { return h.rows * 60 / float64(h.minutes) }

// usable says whether enough of the hour is known to judge it by.
func (h *hour) usable() bool { return h.minutes >= 30 && !h.unusual }

// hoursOf cuts the span into local hours.
func (p *past) hoursOf() []hour {
	var hours []hour
	quartersIn := 0
	for i, q := range p.grid.quarter {
		at := p.grid.from + int64(i)*quarterSize
		from, until := max(at, p.counts.From), min(at+quarterSize, p.counts.Until)
		if from >= until {
			continue
		}
		cell, day := int(q)/4, p.grid.day[i]
		n := len(hours)
		if n == 0 || hours[n-1].cell != cell || hours[n-1].day != day || quartersIn == 4 {
			hours = append(hours, hour{at: from, cell: cell, day: day})
			n, quartersIn = n+1, 0
		}
		quartersIn++
		h := &hours[n-1]
		for m := from; m < until; m += 60 {
			if !p.left(m) {
				h.minutes++
				h.rows += float64(p.counts.minutes[p.counts.index(m)])
			}
		}
	}
	return hours
}

// usual is the median of each cell's hours, each divided by scale.
func usual(hours []hour, scale func(at int64) float64) [cells]float64 {
	var rates [cells][]float64
	for i := range hours {
		if h := &hours[i]; h.usable() {
			rates[h.cell] = append(rates[h.cell], h.rate()/scale(h.at))
		}
	}
	var m [cells]float64
	for c := range m {
		m[c] = median(rates[c])
	}
	return m
}

func noScale(int64) float64 { return 1 }

// dayLevel is how a day compares with the usual rows of its hours.
type dayLevel struct {
	day dwmon.Day
	at  int64 // its first hour
	// level is the logarithm of the ratio, sampling the standard deviation that
	// chance alone gives it.
	level, sampling float64
}

// leastDay is the rows that a day must usually have for its level to tell anything;
// days with fewer are joined with the days after them.
const leastDay = 20

// dayLevels compares days with what is usual, oldest first.
func dayLevels(hours []hour, m [cells]float64) []dayLevel {
	var levels []dayLevel
	var rows, expected float64
	first := 0
	for i := range hours {
		h := &hours[i]
		if i > 0 && h.day != hours[i-1].day && expected >= leastDay {
			levels = append(levels, newDayLevel(&hours[first], rows, expected))
			rows, expected, first = 0, 0, i
		}
		if h.usable() {
			rows += h.rows
			expected += m[h.cell] * float64(h.minutes) / 60
		}
	}
	if expected >= leastDay {
		levels = append(levels, newDayLevel(&hours[first], rows, expected))
	}
	return levels
}

func newDayLevel(h *hour, rows, expected float64) dayLevel {
	return dayLevel{h.day, h.at, math.Log((rows + 0.5) / (expected + 0.5)), 1 / math.Sqrt(expected)}
}

// Numbers of the walk back through the levels.
const (
	// leastWeeks of history are needed for a proposal.
	leastWeeks = 2
	// trendWeeks are needed before a trend is looked for.
	trendWeeks = 6
	// trendSure is how many standard deviations from chance a trend must be: 1 in
	// 200 histories without one.
	trendSure = 2.81
	// changeLeast is by what a level must differ, as a logarithm, to be another: a
	// fifth.
	changeLeast = 0.2
	// changeSpread is by how many standard deviations it must.
	changeSpread = 4
	// changeDays in a row make another level. Shorter ones, a holiday week, are
	// unusual days of the same one.
	changeDays = 10
	// launchDays are enough at the very beginning of the history.
	launchDays = 2
)

// trend is the level over time: Slope per week, as a logarithm; 0 for none.
type trend struct{ slope, centre float64 }

func (t trend) at(week float64) float64 { return t.centre + t.slope*week }

// fit fits a trend to levels, where it is sure that there is one, else a constant.
func fit(levels []dayLevel, end int64) trend {
	var t trend
	if weeks := weekly(levels, end); len(weeks) >= trendWeeks && math.Abs(rises(weeks)) >= trendSure {
		t.slope = slope(weeks)
	}
	rest := make([]float64, len(levels))
	for i, l := range levels {
		rest[i] = l.level - t.slope*weekOf(l.at, end)
	}
	t.centre = median(rest)
	return t
}

// weekOf is a time in weeks, counted from the end; before it, it is negative.
func weekOf(at, end int64) float64 { return float64(at-end) / weekSeconds }

// weekly gives the median level of each week, counted from the end.
func weekly(levels []dayLevel, end int64) []point {
	by := map[int][]float64{}
	for _, l := range levels {
		w := int(math.Floor(weekOf(l.at, end)))
		by[w] = append(by[w], l.level)
	}
	var points []point
	for w, values := range by {
		points = append(points, point{float64(w), median(values)})
	}
	slices.SortFunc(points, func(a, b point) int { return int(a.at - b.at) })
	return points
}

// sameKind walks back from the newest day for as long as days fit what follows them,
// and gives the index of the oldest one that belongs to the present level.
func sameKind(levels []dayLevel, end int64) int {
	first := len(levels)
	for first > 0 && weekOf(levels[first-1].at, end) >= -1 { // the last week is what everything is compared with
		first--
	}
	if first == len(levels) {
		return 0
	}
	t, noise := fit(levels[first:], end), noiseOf(levels[first:], end)
	fitted, off := first, 0
	for i := first - 1; i >= 0; i-- {
		l := levels[i]
		limit := max(changeSpread*math.Hypot(noise, l.sampling), changeLeast)
		if math.Abs(l.level-t.at(weekOf(l.at, end))) > limit {
			off++
		} else {
			off, first = 0, i
		}
		if off >= changeDays || i == 0 && off >= launchDays {
			return first
		}
		if i == 0 && off > 0 {
			return i
		}
		if off == 0 && weekOf(levels[i].at, end) < weekOf(levels[fitted].at, end)-1 {
			fitted = i
			t, noise = fit(levels[i:], end), noiseOf(levels[i:], end)
		}
	}
	return first
}

// noiseOf is how far days scatter about their trend.
func noiseOf(levels []dayLevel, end int64) float64 {
	t := fit(levels, end)
	rest := make([]float64, len(levels))
	for i, l := range levels {
		rest[i] = l.level - t.at(weekOf(l.at, end))
	}
	return spread(rest, 0)
}
