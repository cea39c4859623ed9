package suggest

import (
	"math"
	"math/bits"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// What lines are weighed by. A cell is an hour of a day of the week; the units are
// such that what a line is worth is 6.
const (
	lossLine = 6.0
	// lossBlind is that of a cell in which an hour at dropShare of the usual rows
	// would not be found, though a single line for it would find it.
	lossBlind = 4.0
	// lossNoMin is that of a cell without MINNUM.
	lossNoMin = 2.0
	// lossDelay is that of each doubling of the look-back: what is found is found later.
	lossDelay = 0.5
	// lossLow is that of a MINNUM at nothing of what is usual, lossHigh that of each
	// doubling of MAXNUM over it, up to three.
	lossLow  = 0.3
	lossHigh = 0.3

	// dropShare is what is left of the usual rows in the outage that lines are made to
	// find, within an hour.
	dropShare = 0.4
	// dropSure is the probability with which that counts as found.
	dropSure = 0.9
	// leastMax is the floor of MAXNUM: so few rows alarm nobody.
	leastMax = 5
)

// lookbacks are those that may be proposed, in seconds.
var lookbacks = []int64{60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400, 172_800, 604_800}

// bounds are those of each quarter of the week by itself, for one look-back.
type bounds struct {
	*profile
	// low is 0 where no MINNUM can be proved.
	low, high [quarters]int64
	// lows and highs are known losses, by the bound.
	lows, highs map[int64]*[quarters]float64
}

// boundsOf gives the bounds of each quarter so that a run begins with probability p
// at each check and side, at most.
func (f *profile) boundsOf(p float64) *bounds {
	b := &bounds{profile: f, lows: map[int64]*[quarters]float64{}, highs: map[int64]*[quarters]float64{}}
	type key struct {
		s    scatter
		step float64
	}
	lows, highs := map[key]int64{}, map[key]int64{}
	for q := range quarters {
		if f.seen[q] == 0 {
			continue
		}
		k := key{f.low[q], f.step[q]}
		if _, known := lows[k]; !known {
			lows[k] = k.s.lowest(p, k.step)
		}
		b.low[q] = lows[k]
		k.s = f.high[q]
		if _, known := highs[k]; !known {
			highs[k] = max(k.s.highest(p, k.step), leastMax)
		}
		b.high[q] = highs[k]
	}
	return b
}

// finds is the probability that a MINNUM finds an hour at dropShare of the usual rows.
func (f *profile) finds(q int, low int64) float64 {
	if f.lookback > 3600 || low == 0 {
		return 0
	}
	dropped := scatter{f.usual[q].mean * dropShare, f.usual[q].extra}
	return normalBelow((float64(low) - 0.5 - dropped.mean) / dropped.deviation())
}

// lowLoss is how much worse than with a MINNUM at the usual count a quarter fares with
// this one.
func (f *profile) lowLoss(q int, low int64) float64 {
	loss := lossLow*(1-min(1, float64(low)/max(f.usual[q].mean, 0.5))) + lossBlind*(1-f.finds(q, low))
	if low == 0 {
		loss += lossNoMin
	}
	return loss
}

// highLoss is the same for a MAXNUM.
func (f *profile) highLoss(q int, high int64) float64 {
	return lossHigh * min(3, math.Log2(max(1, float64(high)/max(f.usual[q].mean, 1))))
}

// block is a rectangle of the week that shares a line: every due minute of some
// hours on some days.
type block struct {
	layer *layer
	days  dwmon.DaySet
	hours dwmon.HourSet
	// profile is that of its look-back.
	profile *profile
	loss    float64
}

// table weighs blocks of a layer.
type table struct {
	layer *layer
	of    []*bounds // by candidate look-back, the layer's own first
}

// quarters calls f for the quarters of a rectangle that are due and have a history.
func (t *table) quarters(days dwmon.DaySet, hours dwmon.HourSet, of int, f func(q int)) {
	for d := range 7 {
		if days&(1<<d) == 0 {
			continue
		}
		for h := hours; h != 0; h &= h - 1 {
			c := d*24 + bits.TrailingZeros32(uint32(h))
			for q := c * 4; q < c*4+4; q++ {
				if t.of[of].seen[q] > 0 {
					f(q)
				}
			}
		}
	}
}

// limits are the bounds that a rectangle shares: those of its worst quarters.
func (t *table) limits(days dwmon.DaySet, hours dwmon.HourSet, of int) (low, high int64) {
	low = math.MaxInt64
	t.quarters(days, hours, of, func(q int) {
		low, high = min(low, t.of[of].low[q]), max(high, t.of[of].high[q])
	})
	if high == 0 {
		low = 0
	}
	return low, high
}

// weigh gives the loss of a rectangle with its best look-back.
func (t *table) weigh(days dwmon.DaySet, hours dwmon.HourSet) (of *profile, loss float64) {
	loss = math.Inf(1)
	if !t.sameMinutes(days, hours) {
		return nil, loss
	}
	for i, f := range t.of {
		low, high := t.limits(days, hours, i)
		if high == 0 {
			continue
		}
		lows, highs, delay := t.lowLosses(f, low), t.highLosses(f, high), lossDelay*math.Log2(float64(f.lookback)/float64(t.layer.lookback))
		total := 0.0
		t.quarters(days, hours, i, func(q int) {
			total += lows[q] + highs[q] + delay*t.layer.share(q)
		})
		if total < loss {
			of, loss = f.profile, total
		}
	}
	return of, loss
}

// lowLosses are the losses of all quarters with a MINNUM, each by its share of the
// cell; rectangles ask for the same ones again and again.
func (t *table) lowLosses(f *bounds, low int64) *[quarters]float64 {
	return t.losses(f.lows, low, func(q int) float64 { return f.lowLoss(q, low) })
}

func (t *table) highLosses(f *bounds, high int64) *[quarters]float64 {
	return t.losses(f.highs, high, func(q int) float64 { return f.highLoss(q, high) })
}

func (t *table) losses(known map[int64]*[quarters]float64, bound int64, loss func(q int) float64) *[quarters]float64 {
	if l := known[bound]; l != nil {
		return l
	}
	l := new([quarters]float64)
	for q := range quarters {
		if share := t.layer.share(q); share > 0 {
			l[q] = share * loss(q)
		}
	}
	known[bound] = l
	return l
}

// share is the quarter's part of its hour's due minutes.
func (l *layer) share(q int) float64 {
	n := l.perQuarter(q)
	if n == 0 {
		return 0
	}
	return float64(n) / float64(bits.OnesCount64(uint64(l.due[q/4])))
}

// sameMinutes says whether all hours of a rectangle are due, and at the same minutes.
func (t *table) sameMinutes(days dwmon.DaySet, hours dwmon.HourSet) bool {
	var minutes dwmon.MinuteSet
	for d := range 7 {
		if days&(1<<d) == 0 {
			continue
		}
		for h := hours; h != 0; h &= h - 1 {
			due := t.layer.due[d*24+bits.TrailingZeros32(uint32(h))]
			if due == 0 || minutes != 0 && due != minutes {
				return false
			}
			minutes = due
		}
	}
	return true
}

// hasHistory says whether any quarter of a cell has one.
func (t *table) hasHistory(cell int) bool {
	return slices.ContainsFunc([]int{0, 1, 2, 3}, func(k int) bool { return t.of[0].seen[cell*4+k] > 0 })
}

// hoursOf are the hours at which days are due and have a history; false where the
// days differ in that, and cannot share lines.
func (t *table) hoursOf(days dwmon.DaySet) (hours dwmon.HourSet, same bool) {
	first := true
	for d := range 7 {
		if days&(1<<d) == 0 {
			continue
		}
		var own dwmon.HourSet
		for h := range 24 {
			if t.layer.due[d*24+h] != 0 && t.hasHistory(d*24+h) {
				own |= 1 << h
			}
		}
		if !first && own != hours {
			return 0, false
		}
		hours, first = own, false
	}
	return hours, true
}

// split cuts a day's due hours into runs that share a line, so that loss and number
// of lines together are least: by dynamic programming, around the clock.
func (t *table) split(days dwmon.DaySet) (blocks []block, loss float64) {
	set, same := t.hoursOf(days)
	if !same {
		return nil, math.Inf(1)
	}
	var hours []int
	for h := range 24 {
		if set&(1<<h) != 0 {
			hours = append(hours, h)
		}
	}
	n := len(hours)
	if n == 0 {
		return nil, 0
	}
	// run[i][k] is the run of k+1 hours from the ith on.
	run := make([][]block, n)
	for i := range run {
		run[i] = make([]block, n)
		var at dwmon.HourSet
		for k := range n {
			at |= 1 << hours[(i+k)%n]
			b := block{layer: t.layer, days: days, hours: at, loss: math.Inf(1)}
			if k == 0 || !math.IsInf(run[i][k-1].loss, 1) { // longer ones are no better
				b.profile, b.loss = t.weigh(days, at)
			}
			run[i][k] = b
		}
	}
	loss = math.Inf(1)
	for start := range n {
		if found, l := cut(run, start); l < loss-1e-9 {
			blocks, loss = found, l
		}
	}
	return blocks, loss
}

// cut is the best way to cut the clock into runs if one begins at start.
func cut(run [][]block, start int) ([]block, float64) {
	n := len(run)
	best, last := make([]float64, n+1), make([]int, n+1)
	for j := 1; j <= n; j++ {
		best[j] = math.Inf(1)
		for i := range j {
			if l := best[i] + run[(start+i)%n][j-i-1].loss + lossLine; l < best[j]-1e-9 {
				best[j], last[j] = l, i
			}
		}
	}
	if math.IsInf(best[n], 1) {
		return nil, best[n]
	}
	var blocks []block
	for j := n; j > 0; j = last[j] {
		blocks = append(blocks, run[(start+last[j])%n][j-last[j]-1])
	}
	slices.Reverse(blocks)
	return blocks, best[n]
}

// blocks cuts the week into rectangles: groups of days first, joined step by step
// where they are most alike, the hours of each group then, and last whatever two
// rectangles are better as one.
func (t *table) blocks() []block {
	known := map[dwmon.DaySet]struct {
		blocks []block
		loss   float64
	}{}
	var best []block
	least := math.Inf(1)
	for _, groups := range t.groupings() {
		var all []block
		total := 0.0
		for _, days := range groups {
			s, ok := known[days]
			if !ok {
				s.blocks, s.loss = t.split(days)
				known[days] = s
			}
			all, total = append(all, s.blocks...), total+s.loss
		}
		all, saved := t.join(all)
		if total-saved < least-1e-9 {
			best, least = all, total-saved
		}
	}
	return best
}

// groupings are ways to group the days of the week: each by itself, and then step by
// step the two groups joined whose days are most alike.
func (t *table) groupings() [][]dwmon.DaySet {
	var groups []dwmon.DaySet
	for d := range 7 {
		groups = append(groups, 1<<((d+1)%7)) // Monday first
	}
	all := [][]dwmon.DaySet{slices.Clone(groups)}
	for len(groups) > 1 {
		a, b, least := 0, 1, math.Inf(1)
		for j := range groups {
			for i := range j {
				if d := t.distance(groups[i], groups[j]); d < least {
					a, b, least = i, j, d
				}
			}
		}
		groups[a] |= groups[b]
		groups = slices.Delete(groups, b, b+1)
		all = append(all, slices.Clone(groups))
	}
	return all
}

// distance is how far the hours of two groups of days lie apart, as logarithms.
func (t *table) distance(a, b dwmon.DaySet) float64 {
	total := 0.0
	for h := range 24 {
		x, y := t.hourly(a, h), t.hourly(b, h)
		if (x < 0) != (y < 0) {
			total += 3
		} else if x >= 0 {
			total += math.Abs(math.Log((x + 1) / (y + 1)))
		}
	}
	return total
}

// hourly is the mean count of an hour on days; negative where none is due.
func (t *table) hourly(days dwmon.DaySet, h int) float64 {
	sum, n := 0.0, 0.0
	t.quarters(days, 1<<h, 0, func(q int) {
		sum += t.of[0].usual[q].mean
		n++
	})
	if n == 0 {
		return -1
	}
	return sum / n
}

// join joins rectangles that make a rectangle together for as long as that is worth
// a line less, and says by how much the loss fell.
func (t *table) join(blocks []block) ([]block, float64) {
	blocks = slices.Clone(blocks)
	saved := 0.0
	for {
		var best block
		gain, a, b := 1e-9, 0, 0
		for j := range blocks {
			for i := range j {
				x, y := blocks[i], blocks[j]
				if x.days != y.days && x.hours != y.hours {
					continue
				}
				u := block{layer: t.layer, days: x.days | y.days, hours: x.hours | y.hours}
				u.profile, u.loss = t.weigh(u.days, u.hours)
				if g := x.loss + y.loss + lossLine - u.loss; g > gain {
					best, gain, a, b = u, g, i, j
				}
			}
		}
		if a == b {
			return blocks, saved
		}
		blocks[a] = best
		blocks = slices.Delete(blocks, b, b+1)
		saved += gain
	}
}
