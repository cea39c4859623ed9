package notice

import (
	"math"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Marks of a sparkline that are no levels.
const (
	sparkZero    = '▁'
	sparkUnknown = '?'
	sparkGap     = '·'
)

// Levels of a sparkline. Those below and above the range are never used within it,
// so that what was BAD shows at a glance, whatever the scale.
var (
	sparkLow  = []rune("▂▃")
	sparkIn   = []rune("▄▅▆")
	sparkHigh = []rune("▇█")
)

// Sparkline draws windows as one character each, oldest first:
//
//	▁     0
//	▂▃    fewer than the range wants
//	▄▅▆   within the range, from its lowest count to its highest
//	▇█    more than the range wants
//	?     UNKNOWN: the count proves nothing
//	·     here windows are missing: nothing was checked for longer than usual
//
// A range without a lower end uses its levels too, and so does one without an
// upper end.
func Sparkline(windows []dwmon.NoticeWindow, low, high dwmon.Bound) string {
	s := newScale(windows, low, high)
	usual := usualStep(windows)
	var b strings.Builder
	for i, w := range windows {
		if i > 0 && w.Minute-windows[i-1].Minute > usual {
			b.WriteRune(sparkGap)
		}
		b.WriteRune(s.mark(w))
	}
	return b.String()
}

// usualStep is the distance of two windows that comes most often; of several the
// shortest.
func usualStep(windows []dwmon.NoticeWindow) int64 {
	times := map[int64]int{}
	var usual int64
	for i := 1; i < len(windows); i++ {
		step := windows[i].Minute - windows[i-1].Minute
		times[step]++
	}
	for step, n := range times {
		if n > times[usual] || n == times[usual] && step < usual {
			usual = step
		}
	}
	return usual
}

// scale spreads the counts of each part over that part's levels.
type scale struct {
	low, high dwmon.Bound
	parts     [3]sparkPart
}

// sparkPart is the counts below, within or above the range.
type sparkPart struct {
	levels      []rune
	least, most int64
	any         bool
}

const (
	partLow = iota
	partIn
	partHigh
)

func newScale(windows []dwmon.NoticeWindow, low, high dwmon.Bound) *scale {
	s := &scale{low: low, high: high}
	in := sparkIn
	if !low.Set {
		in = append(append([]rune{}, sparkLow...), in...)
	}
	if !high.Set {
		in = append(append([]rune{}, in...), sparkHigh...)
	}
	s.parts = [3]sparkPart{partLow: {levels: sparkLow}, partIn: {levels: in}, partHigh: {levels: sparkHigh}}
	for _, w := range windows {
		if w.Status != dwmon.Unknown && w.Count > 0 {
			s.parts[s.part(w.Count)].add(w.Count)
		}
	}
	// A range that is closed has its own ends, whatever was counted.
	if s.low.Set && s.parts[partIn].any {
		s.parts[partIn].add(max(s.low.N, 1))
	}
	if s.high.Set && s.parts[partIn].any {
		s.parts[partIn].add(s.high.N)
	}
	if s.parts[partLow].any {
		s.parts[partLow].add(1)
		s.parts[partLow].add(s.low.N - 1)
	}
	if s.parts[partHigh].any && s.high.N < math.MaxInt64 {
		s.parts[partHigh].add(max(s.high.N+1, 1))
	}
	return s
}

func (p *sparkPart) add(count int64) {
	if !p.any {
		p.least, p.most, p.any = count, count, true
		return
	}
	p.least, p.most = min(p.least, count), max(p.most, count)
}

func (s *scale) part(count int64) int {
	switch {
	case s.low.Set && count < s.low.N:
		return partLow
	case s.high.Set && count > s.high.N:
		return partHigh
	default:
		return partIn
	}
}

func (s *scale) mark(w dwmon.NoticeWindow) rune {
	switch {
	case w.Status == dwmon.Unknown:
		return sparkUnknown
	case w.Count <= 0:
		return sparkZero
	}
	return s.parts[s.part(w.Count)].level(w.Count)
}

// level spreads the counts evenly over the levels; a lone count is in the middle.
func (p *sparkPart) level(count int64) rune {
	n := len(p.levels)
	if p.most == p.least {
		return p.levels[n/2]
	}
	share := float64(count-p.least) / float64(p.most-p.least)
	return p.levels[min(int(share*float64(n)), n-1)]
}
