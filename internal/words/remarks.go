package words

import "github.com/dwmon/dwmon/internal/dwmon"

// Remarks are what a line does that its reader may not expect: windows laid end to
// end that are open at both ends, and bounds that nothing can break.
func Remarks(r dwmon.Requirement) []string {
	var remarks []string
	if r.Min.N == 0 && !r.Max.Set {
		remarks = append(remarks, "no count is ever BAD: MINNUM0 without MAXNUM asks for nothing")
	}
	if !r.HalfOpen && r.Lookback == usualStep(r) {
		remarks = append(remarks, "its windows lie end to end and are open at both ends: a row stamped exactly where one ends and the next begins counts in neither; HALFOPEN would count it")
	}
	return remarks
}

// usualStep is the distance of neighbouring due minutes that comes most often in a
// week without clock changes, in seconds; of several the shortest. 0 for none.
func usualStep(r dwmon.Requirement) int64 {
	const week = 7 * 24 * 60
	first, last := -1, -1
	times := map[int]int{}
	for m := range week {
		if r.Days&(1<<(m/1440)) == 0 || r.Hours&(1<<(m/60%24)) == 0 || r.Minutes&(1<<(m%60)) == 0 {
			continue
		}
		if last >= 0 {
			times[m-last]++
		} else {
			first = m
		}
		last = m
	}
	if first < 0 {
		return 0
	}
	times[first+week-last]++
	usual := 0
	for step, n := range times {
		if n > times[usual] || n == times[usual] && step < usual {
			usual = step
		}
	}
	return int64(usual) * 60
}
