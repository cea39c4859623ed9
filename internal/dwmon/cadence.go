package dwmon

import "math/bits"

// Cadence is how far apart in seconds the line's due minutes are as a rule: the most
// frequent distance between one and the next in a week without holidays and changes
// of the clocks, of equally frequent ones the shortest.
func (r Requirement) Cadence() int64 {
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
