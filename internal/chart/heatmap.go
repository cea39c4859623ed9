package chart

import (
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/words"
)

// Cell is one hour of the week: the mean of its counts over the Times that it came;
// 0 times: never.
type Cell struct {
	Mean  float64
	Times int
}

// Week is a cell for each hour of the week, Monday first.
type Week [7][24]Cell

// Shades are the levels of a heat map: 0 for none at all, 1 to 4 for quarters of the
// highest mean.
const Shades = 5

// shades are how levels look. An hour that never came is blank.
var shades = [Shades]rune{'·', '░', '▒', '▓', '█'}

// PaintShade gives a text the colour of a level, 0 to Shades-1; it must not change
// what can be read.
type PaintShade func(level int, text string) string

// HeatMap draws a week in at most width cells, 0: as many as it likes, which are less
// than 80. There is a line for each day, two cells for each hour, one where the width
// has no room for two, and at the right the mean of the whole day. Below it says what
// the shades mean; that may have to be wrapped. paint may be nil.
func HeatMap(week Week, width int, paint PaintShade) []string {
	if paint == nil {
		paint = func(_ int, text string) string { return text }
	}
	cells := 2
	if width > 0 && width < dayCells+24*cells+sumCells {
		cells = 1
	}
	most := week.most()
	lines := []string{strings.Repeat(" ", dayCells) + hoursAbove(cells) + fmt.Sprintf("%*s", sumCells, "a day")}
	for d := range week {
		lines = append(lines, week.day(d, most, cells, paint))
	}
	return append(lines, "", legend(most, paint))
}

// Cells of a day's name and of its sum.
const (
	dayCells = 5
	sumCells = 10
)

// most is the highest mean of an hour.
func (w *Week) most() float64 {
	var most float64
	for d := range w {
		for h := range w[d] {
			if w[d][h].Times > 0 {
				most = max(most, w[d][h].Mean)
			}
		}
	}
	return most
}

// hoursAbove numbers every third hour.
func hoursAbove(cells int) string {
	var s strings.Builder
	for h := 0; h < 24; h += 3 {
		fmt.Fprintf(&s, "%-*d", 3*cells, h)
	}
	return s.String()
}

// day is the line of one day, 0 = Monday.
func (w *Week) day(d int, most float64, cells int, paint PaintShade) string {
	var s strings.Builder
	s.WriteString(DayName(d)[:3] + "  ")
	// Neighbours of one level are painted together: colours cost bytes.
	for h := 0; h < 24; {
		level := w[d][h].level(most)
		n := 1
		for h+n < 24 && w[d][h+n].level(most) == level {
			n++
		}
		if level < 0 {
			s.WriteString(strings.Repeat(" ", cells*n))
		} else {
			s.WriteString(paint(level, strings.Repeat(string(shades[level]), cells*n)))
		}
		h += n
	}
	if sum, whole := w.sum(d); whole {
		fmt.Fprintf(&s, "%*s", sumCells, words.Mean(sum))
	} else {
		fmt.Fprintf(&s, "%*s", sumCells, "–")
	}
	return s.String()
}

// sum is the mean of a whole day; false where some hour of it never came.
func (w *Week) sum(d int) (sum float64, whole bool) {
	for _, c := range w[d] {
		if c.Times == 0 {
			return 0, false
		}
		sum += c.Mean
	}
	return sum, true
}

// level is the shade of a cell; -1 for one that never came.
func (c Cell) level(most float64) int {
	switch {
	case c.Times == 0:
		return -1
	case c.Mean <= 0:
		return 0
	default:
		return min(1+int(c.Mean/most*(Shades-1)), Shades-1)
	}
}

// legend says which means a shade stands for, in rows an hour.
func legend(most float64, paint PaintShade) string {
	if most == 0 {
		return string(shades[0]) + " no rows"
	}
	parts := []string{paint(0, strings.Repeat(string(shades[0]), 2)) + " none"}
	for level := 1; level < Shades; level++ {
		share := "below "
		mean := most * float64(level) / (Shades - 1)
		if level == Shades-1 {
			share = "up to "
		}
		parts = append(parts, paint(level, strings.Repeat(string(shades[level]), 2))+" "+share+words.Mean(mean))
	}
	return "rows an hour: " + strings.Join(parts, "  ")
}

// DayName is the name of a day, 0 = Monday.
func DayName(d int) string { return time.Weekday((d + 1) % 7).String() }
