package suggest

import (
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Counts holds how many rows lie in each minute of a span, and so how many lie in
// any window of it. A year takes some 10 MiB, however many rows it has.
type Counts struct {
	// From and Until bound the span: minutes, seconds since the epoch.
	From, Until int64
	minutes     []int32
	// before[i] is how many rows lie before minute i; nil until it is needed.
	before []int64
	edges  []edge
}

// edge is a place within minutes at which windows begin, and how many rows of each
// minute lie behind it.
type edge struct {
	micros   int64
	halfOpen bool
	behind   []int32
}

// NewCounts makes room for the rows of a span. Windows can be counted of the lines'
// look-backs, and of all that are whole minutes.
func NewCounts(from, until int64, lines []dwmon.Requirement) *Counts {
	from = dwmon.FloorMinute(from)
	n := max(0, (dwmon.FloorMinute(until)-from)/60)
	c := &Counts{From: from, Until: from + 60*n, minutes: make([]int32, n)}
	c.begin(60, false)
	for i := range lines {
		c.begin(lines[i].Lookback, lines[i].HalfOpen)
	}
	return c
}

// begin makes it possible to count windows of a look-back.
func (c *Counts) begin(lookback int64, halfOpen bool) {
	if c.behind(lookback, halfOpen) == nil {
		c.edges = append(c.edges, edge{edgeMicros(lookback), halfOpen, make([]int32, len(c.minutes))})
	}
}

// edgeMicros is how far within a minute windows of a look-back begin.
func edgeMicros(lookback int64) int64 { return (60 - lookback%60) % 60 * 1e6 }

// behind gives the rows of each minute that a window holds which begins in it; nil
// where they were not counted.
func (c *Counts) behind(lookback int64, halfOpen bool) []int32 {
	at := edgeMicros(lookback)
	if halfOpen && at == 0 {
		return c.minutes // the window begins with the minute
	}
	i := slices.IndexFunc(c.edges, func(e edge) bool { return e.micros == at && e.halfOpen == halfOpen })
	if i < 0 {
		return nil
	}
	return c.edges[i].behind
}

// Add counts rows by their timestamps, microseconds since the epoch, in any order.
// What lies outside of the span does not count.
func (c *Counts) Add(micros []int64) {
	c.before = nil
	for _, ts := range micros {
		since := ts - c.From*1e6
		i := since / 60e6
		if since < 0 || i >= int64(len(c.minutes)) {
			continue
		}
		c.minutes[i]++
		inMinute := since - i*60e6
		for k := range c.edges {
			if e := &c.edges[k]; inMinute > e.micros || e.halfOpen && inMinute == e.micros {
				e.behind[i]++
			}
		}
	}
}

// sum adds up what was counted.
func (c *Counts) sum() {
	if c.before != nil {
		return
	}
	c.before = make([]int64, len(c.minutes)+1)
	for i, n := range c.minutes {
		c.before[i+1] = c.before[i] + int64(n)
	}
}

// index is the number of a minute in the span.
func (c *Counts) index(minute int64) int { return int((minute - c.From) / 60) }

// windows counts windows of one look-back.
type windows struct {
	c        *Counts
	lookback int64
	behind   []int32
}

func (c *Counts) windows(lookback int64, halfOpen bool) windows {
	c.begin(lookback, halfOpen)
	c.sum()
	return windows{c, lookback, c.behind(lookback, halfOpen)}
}

// covered says whether the whole window of a minute lies within the span.
func (w windows) covered(minute int64) bool {
	return minute-w.lookback >= w.c.From && minute <= w.c.Until
}

// count is the number of rows that a line counts for a minute: those of
// dwmon.Requirement.Window. The window must be covered.
func (w windows) count(minute int64) int64 {
	first, end := w.c.index(dwmon.FloorMinute(minute-w.lookback)), w.c.index(minute)
	return int64(w.behind[first]) + w.c.before[end] - w.c.before[first+1]
}

// between counts the rows of whole minutes, until not included.
func (c *Counts) between(from, until int64) int64 {
	c.sum()
	return c.before[c.index(until)] - c.before[c.index(from)]
}

// Rows is how many rows were counted.
func (c *Counts) Rows() int64 { return c.between(c.From, c.Until) }
