package suggest

import (
	"math/bits"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// A week has 168 cells, the hours of its days, and 672 quarters of an hour. Cell 0
// is Sunday's first hour, as time.Weekday counts.
const (
	cells       = 7 * 24
	quarters    = cells * 4
	weekSeconds = 7 * 86400
	quarterSize = 900
)

// grid says of each quarter of an hour of a span which one of the local week it is.
// Offsets of zones are multiples of it, so that no quarter is cut by a change.
type grid struct {
	from    int64 // the first quarter, seconds since the epoch
	quarter []int16
	day     []dwmon.Day
	closed  []bool
}

func newGrid(from, until int64, zone *time.Location, closed *dwmon.ClosedDays) *grid {
	g := &grid{from: from - from%quarterSize}
	for at := g.from; at <= until; at += quarterSize {
		local := time.Unix(at, 0).In(zone)
		day := dwmon.DayOf(local.Date())
		_, isClosed := closed.Name(day)
		g.quarter = append(g.quarter, int16((int(local.Weekday())*24+local.Hour())*4+local.Minute()/15))
		g.day = append(g.day, day)
		g.closed = append(g.closed, isClosed)
	}
	return g
}

func (g *grid) index(minute int64) int { return int((minute - g.from) / quarterSize) }

// layer is a schedule: at which minutes of the week windows of one kind are due. The
// present lines of one look-back make one.
type layer struct {
	lookback int64
	halfOpen bool
	// fixed says that no other look-back may be proposed.
	fixed bool
	due   [cells]dwmon.MinuteSet
}

// layersOf makes a layer of the lines of each look-back, in the order of the lines.
func layersOf(lines []dwmon.Requirement, o *Options) []*layer {
	var layers []*layer
	for i := range lines {
		r := lines[i]
		if o.Lookback > 0 {
			r.Lookback = o.Lookback
		}
		l := findLayer(layers, r)
		if l == nil {
			l = &layer{lookback: r.Lookback, halfOpen: r.HalfOpen, fixed: o.Lookback > 0}
			layers = append(layers, l)
		}
		l.add(r, o.Every)
	}
	return layers
}

func findLayer(layers []*layer, r dwmon.Requirement) *layer {
	for _, l := range layers {
		if l.lookback == r.Lookback && l.halfOpen == r.HalfOpen {
			return l
		}
	}
	return nil
}

// add makes the line's minutes due, or those of every so many minutes in its hours.
func (l *layer) add(r dwmon.Requirement, every int64) {
	hours, minutes := r.Hours, r.Minutes
	switch {
	case every >= 60:
		hours &= dwmon.HourSet(dwmon.StepSet(int(every/60), 24))
		minutes = 1
	case every > 0:
		minutes = dwmon.MinuteSet(dwmon.StepSet(int(every), 60))
	}
	for cell := range cells {
		if r.Days&(1<<(cell/24)) != 0 && hours&(1<<(cell%24)) != 0 {
			l.due[cell] |= minutes
		}
	}
}

// perQuarter is how many due minutes a quarter of the week has.
func (l *layer) perQuarter(q int) int {
	return bits.OnesCount64(uint64(l.due[q/4]) & (1<<15 - 1) << (q % 4 * 15))
}

// spacing is how many seconds lie between due minutes of a cell.
func (l *layer) spacing(cell int) float64 {
	return 3600 / float64(max(1, bits.OnesCount64(uint64(l.due[cell]))))
}

// perWeek is how many minutes are due in a week.
func (l *layer) perWeek() int {
	n := 0
	for _, m := range l.due {
		n += bits.OnesCount64(uint64(m))
	}
	return n
}
