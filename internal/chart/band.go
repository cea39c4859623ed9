package chart

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Point is one window: its count, the verdict on it, and what stands below it.
type Point struct {
	Label  string
	Count  int64
	Status dwmon.Status
}

// Band draws points, oldest first, as columns between the bounds, in lines of at
// most width cells (20 to 200):
//
//	    31 ┤        █
//	max 20 ┼┄┄┄┄┄┄┄┄█┄┄
//	       │  ▃  █  █
//	       │  █  █  █
//	 min 5 ┼┄┄█┄┄█┄┄█┄┄
//	       │▃ █  █  █  ▁
//	     0 ┴▼───────▲──▼
//	        09:00 09:20
//
// Each of the three parts (fewer than MINNUM, within, more than MAXNUM) has a scale of
// its own, whatever the counts are: a column that does not reach a bound's line lies
// below it, one that crosses the line has reached MINNUM or is above MAXNUM. Below
// each column that is BAD stands ▼ (low) or ▲ (high), below UNKNOWN stands ?.
// Without points the text says so in a sentence.
func Band(points []Point, low, high dwmon.Bound, width int) []string {
	return PaintedBand(points, low, high, width, nil)
}

// PaintedBand is Band in colours; nil paints nothing.
func PaintedBand(points []Point, low, high dwmon.Bound, width int, paint Paint) []string {
	if len(points) == 0 {
		return []string{"no windows: there is nothing to draw"}
	}
	if paint == nil {
		paint = func(_ dwmon.Status, text string) string { return text }
	}
	b := &band{low: low, high: high, paint: paint}
	b.lay(points, fit(width))
	b.measure()
	return b.lines()
}

// Rows of each part of a band.
const (
	rowsBelow  = 2
	rowsWithin = 5
	rowsAbove  = 2
)

// eighths are the columns' tops, from nothing to a full cell.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// Widest is how many cells a column has at most.
const widest = 4

// namesFrom is from which width on there is room to name the lines of bounds.
const namesFrom = 40

// band is a drawing under way.
type band struct {
	low, high dwmon.Bound
	paint     Paint
	columns   []Point
	each      int // how many windows a column stands for
	cell      int // cells of a column, the space before the next included
	axis      int // cells of the numbers at the left
	width     int
	named     bool // the bounds' lines are named
	most      int64
}

// lay fits the points into the width: several share a column where there are more of
// them than cells.
func (b *band) lay(points []Point, width int) {
	for _, p := range points {
		b.most = max(b.most, p.Count)
	}
	b.width, b.named = width, width >= namesFrom
	for _, text := range []string{short(b.most), b.name("min", b.low), b.name("max", b.high)} {
		b.axis = max(b.axis, len(text))
	}
	room := width - b.axis - 2
	b.each = (len(points) + room - 1) / room
	for i := 0; i < len(points); i += b.each {
		b.columns = append(b.columns, b.worst(points[i:min(i+b.each, len(points))]))
	}
	b.cell = min(max(room/len(b.columns), 1), widest)
}

// worst is the window that must be seen: BAD before UNKNOWN before GOOD, of several
// the one farthest from the range, else the highest.
func (b *band) worst(points []Point) Point {
	worst := points[0]
	for _, p := range points[1:] {
		if b.rank(p) > b.rank(worst) || b.rank(p) == b.rank(worst) && b.outside(p, worst) {
			worst = p
		}
	}
	worst.Label = points[0].Label
	return worst
}

func (b *band) rank(p Point) int {
	switch p.Status {
	case dwmon.Bad:
		return 2
	case dwmon.Unknown:
		return 1
	default:
		return 0
	}
}

// outside says that p is the more remarkable of two windows with the same status.
func (b *band) outside(p, than Point) bool {
	if b.isLow(p) && b.isLow(than) {
		return p.Count < than.Count
	}
	return p.Count > than.Count
}

func (b *band) isLow(p Point) bool  { return b.low.Set && p.Count < b.low.N }
func (b *band) isHigh(p Point) bool { return b.high.Set && p.Count > b.high.N }

// part is a stretch of the counts' scale: from and to are drawn in rows rows.
type part struct {
	rows     int
	from, to int64
}

// name is what stands at the line of a bound.
func (b *band) name(name string, bound dwmon.Bound) string {
	switch {
	case !bound.Set:
		return ""
	case b.named:
		return name + " " + short(bound.N)
	default:
		return short(bound.N)
	}
}

// measure finds the highest count that is drawn.
func (b *band) measure() {
	b.most = 0
	for _, c := range b.columns {
		b.most = max(b.most, c.Count)
	}
}

// height is how many eighths of the part's rows a count fills. Whatever lies in the
// part shows, and what lies above it fills it.
func (p part) height(count int64) int {
	full := p.rows * 8
	switch {
	case count < p.from:
		return 0
	case count >= p.to:
		return full
	}
	share := (float64(count) - float64(p.from)) / (float64(p.to) - float64(p.from))
	return min(1+int(share*float64(full-1)), full)
}

// lines draws the parts from the top down.
func (b *band) lines() []string {
	var lines []string
	top := b.most
	if b.high.Set {
		if b.most > b.high.N {
			lines = append(lines, b.rows(part{rowsAbove, b.high.N + 1, b.most}, short(b.most))...)
		}
		lines = append(lines, b.border(b.name("max", b.high), func(p Point) bool { return p.Count > b.high.N }))
		top = b.high.N
	}
	within := part{rowsWithin, 1, max(top, 1)}
	if b.low.Set {
		within.from = max(b.low.N, 1)
		within.to = max(top, within.from)
	}
	if b.low.Set && b.high.Set && b.low.N == b.high.N {
		within.rows = 1 // one count alone lies there
	}
	label := ""
	if !b.high.Set {
		label = short(max(b.most, within.from))
	}
	if !b.high.Set || b.high.N > 0 {
		lines = append(lines, b.rows(within, label)...)
	}
	if b.low.Set && b.low.N > 0 {
		lines = append(lines, b.border(b.name("min", b.low), func(p Point) bool { return p.Count >= b.low.N }))
		if b.low.N > 1 {
			lines = append(lines, b.rows(part{rowsBelow, 1, b.low.N - 1}, "")...)
		}
	}
	lines = append(lines, b.base(), b.labels())
	return append(lines, b.shared()...)
}

// rows draws a part; the number stands at its first row.
func (b *band) rows(p part, number string) []string {
	var lines []string
	for row := p.rows - 1; row >= 0; row-- {
		tick := "│"
		if number != "" {
			tick = "┤"
		}
		lines = append(lines, b.line(number, tick, ' ', func(c Point) rune {
			return shade(c, eighths[min(max(p.height(c.Count)-8*row, 0), 8)])
		}))
		number = ""
	}
	return lines
}

// border draws the line of a bound.
func (b *band) border(number string, crosses func(Point) bool) string {
	return b.line(number, "┼", '┄', func(c Point) rune {
		if crosses(c) {
			return shade(c, '█')
		}
		return '┄'
	})
}

// shade draws what proves nothing as a shadow.
func shade(c Point, r rune) rune {
	if c.Status == dwmon.Unknown && r != ' ' {
		return '░'
	}
	return r
}

// line is one row of cells.
func (b *band) line(number, tick string, between rune, mark func(Point) rune) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%*s %s", b.axis, number, tick)
	for _, c := range b.columns {
		bar := max(b.cell-1, 1)
		r := mark(c)
		text := strings.Repeat(string(r), bar)
		if r != ' ' && r != between {
			text = b.paint(c.Status, text)
		}
		s.WriteString(text + strings.Repeat(string(between), b.cell-bar))
	}
	return strings.TrimRight(s.String(), " ")
}

// base is the axis, with the marks of what is not GOOD.
func (b *band) base() string {
	return b.line("0", "┴", '─', func(c Point) rune {
		switch {
		case c.Status == dwmon.Unknown:
			return '?'
		case c.Status != dwmon.Bad:
			return '─'
		case b.isLow(c):
			return '▼'
		case b.isHigh(c):
			return '▲'
		default:
			return '!'
		}
	})
}

// labels are as many of the columns' labels as there is room for.
func (b *band) labels() string {
	text := strings.Repeat(" ", b.axis+2)
	from, until := utf8.RuneCountInString(text), b.axis+2+b.cell*len(b.columns)
	until = max(until, from+utf8.RuneCountInString(b.columns[0].Label))
	free := from
	for i, c := range b.columns {
		at, n := from+i*b.cell, utf8.RuneCountInString(c.Label)
		if n == 0 || at < free || at+n > min(until, b.width) {
			continue
		}
		text += strings.Repeat(" ", at-utf8.RuneCountInString(text)) + c.Label
		free = at + n + 1
	}
	return strings.TrimRight(text, " ")
}

// shared says how many windows a column stands for; nothing where it is one.
func (b *band) shared() []string {
	if b.each == 1 {
		return nil
	}
	text := fmt.Sprintf("each column is the worst of %d windows", b.each)
	if utf8.RuneCountInString(text) > b.width {
		text = fmt.Sprintf("column: %d windows", b.each)
	}
	return []string{text}
}
