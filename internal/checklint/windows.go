package checklint

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// nearly says that two windows all but touch: what lies between their ends is most
// likely a slip. span is that, step how far apart the checks are, both in seconds.
func nearly(span, step int64) bool { return span > 0 && span <= 300 && span*20 <= step }

// windows looks at how each line's windows lie to each other.
func (l *linter) windows() {
	for i := range l.c.Lines {
		r := &l.c.Lines[i]
		step := Cadence(*r)
		gap := step - r.Lookback
		switch {
		case nearly(gap, step):
			l.report(l.token(r, "LOOKBACKSECONDS"), dwmon.CodeWindowsApart,
				fmt.Sprintf("checked every %s, but %s are counted: rows of the %s between are counted by no check", rhythm(step), length(r.Lookback), length(gap)),
				fmt.Sprintf("write LOOKBACKSECONDS%d HALFOPEN to count each row once", step))
		case nearly(-gap, step) && r.Max.Set:
			l.report(l.token(r, "LOOKBACKSECONDS"), dwmon.CodeWindowsOverlap,
				fmt.Sprintf("checked every %s, but %s are counted: rows of %s are counted by two checks", rhythm(step), length(r.Lookback), length(-gap)),
				fmt.Sprintf("write LOOKBACKSECONDS%d HALFOPEN to count each row once", step))
		case gap == 0 && !r.HalfOpen && exact(r):
			l.report(l.token(r, "LOOKBACKSECONDS"), dwmon.CodeWindowEdges,
				"the windows touch, and are open at both ends: a row at exactly a full minute between two of them is counted by neither",
				"add HALFOPEN to count it")
		case none(r) && gap > 0 && step <= 3600 && !l.watched(r):
			l.report(l.token(r, "MAXNUM"), dwmon.CodeUnwatchedSpans,
				fmt.Sprintf("no row at all is allowed, but of every %s only %s are looked at", rhythm(step), length(r.Lookback)),
				fmt.Sprintf("write LOOKBACKSECONDS%d HALFOPEN to see every row", step))
		}
	}
}

// none says that a line allows no row at all, exact that each row matters to it.
func none(r *dwmon.Requirement) bool { return r.Max.Set && r.Max.N == 0 }

func exact(r *dwmon.Requirement) bool {
	return none(r) || r.Min.Set && r.Min == r.Max
}

// watched says that another line that allows no row leaves no spans out.
func (l *linter) watched(r *dwmon.Requirement) bool {
	for i := range l.c.Lines {
		other := &l.c.Lines[i]
		if other != r && none(other) && other.Lookback >= Cadence(*other) {
			return true
		}
	}
	return false
}

// rhythm is a number of seconds in words behind "every".
func rhythm(seconds int64) string { return strings.TrimPrefix(length(seconds), "1 ") }

// length is a number of seconds in words.
func length(seconds int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}} {
		switch n := seconds / unit.size; {
		case seconds%unit.size != 0 || n == 0:
		case n == 1:
			return "1 " + unit.name
		default:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "0 seconds"
}

// Cadence is how far apart in seconds a line's due minutes are as a rule: the most
// frequent distance between one and the next in a week without holidays and changes
// of the clocks, of equally frequent ones the shortest.
func Cadence(r dwmon.Requirement) int64 {
	const week = 7 * 24 * 60
	counts := map[int]int{}
	first, last := -1, -1
	distance, run := 0, 0 // equal distances in a row are counted together
	flush := func() {
		if run > 0 {
			counts[distance] += run
		}
	}
	note := func(d int) {
		if d != distance {
			flush()
			distance, run = d, 0
		}
		run++
	}
	for day := range 7 {
		if r.Days&(1<<day) == 0 {
			continue
		}
		for hour := range 24 {
			if r.Hours&(1<<hour) == 0 {
				continue
			}
			for m := uint64(r.Minutes); m != 0; m &= m - 1 {
				at := (day*24+hour)*60 + bits.TrailingZeros64(m)
				if last >= 0 {
					note(at - last)
				} else {
					first = at
				}
				last = at
			}
		}
	}
	if last < 0 {
		return week * 60
	}
	note(first + week - last)
	flush()
	best := 0
	for d, n := range counts {
		if best == 0 || n > counts[best] || n == counts[best] && d < best {
			best = d
		}
	}
	return int64(best) * 60
}

// contradictions reports pairs of lines that cannot both be GOOD at a minute at
// which both are due.
func (l *linter) contradictions() {
	// Of very many lines the pairs are too many; such files are made by machines.
	const most = 200
	lines := l.c.Lines
	if len(lines) > most {
		return
	}
	for i := range lines {
		for j := range i {
			if !meet(&lines[i], &lines[j]) {
				continue
			}
			inner, outer := &lines[i], &lines[j]
			if !contradict(inner, outer) {
				inner, outer = outer, inner
				if !contradict(inner, outer) {
					continue
				}
			}
			l.report(l.token(&lines[i], ""), dwmon.CodeLinesContradict,
				fmt.Sprintf("this line and line %d are due at the same minutes and cannot both be GOOD: one wants at least %d in %s, the other at most %d in %s",
					lines[j].FileLine, inner.Min.N, length(inner.Lookback), outer.Max.N, length(outer.Lookback)),
				"let their hours or days differ, or their bounds agree")
			return
		}
	}
}

// meet says that two lines are due at some minute together.
func meet(a, b *dwmon.Requirement) bool {
	return a.Hours&b.Hours != 0 && a.Minutes&b.Minutes != 0 && a.Days&b.Days != 0
}

// contradict says that more rows must lie in the inner window than may lie in the
// outer, which holds it.
func contradict(inner, outer *dwmon.Requirement) bool {
	holds := inner.Lookback < outer.Lookback || inner.Lookback == outer.Lookback && (outer.HalfOpen || !inner.HalfOpen)
	return holds && inner.Min.Set && outer.Max.Set && inner.Min.N > outer.Max.N
}
