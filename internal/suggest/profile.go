package suggest

import (
	"math"
)

// dayGroups says of each day of the week which group it belongs to: days whose
// profiles are alike, so that their history can be taken together.
type dayGroups [7]int

// alike is how far apart the hours of two days may be, in variances of their
// difference, for them to be of one group: chance alone makes it 1.
const alike = 2.5

// groupDays joins days for as long as the two that are most alike are alike enough.
func (p *past) groupDays(hours []hour) dayGroups {
	m := usual(hours, p.scale)
	extra := p.extraOfHours(hours, m)
	var weeks [cells]float64
	for i := range hours {
		if hours[i].at >= p.from && hours[i].usable() {
			weeks[hours[i].cell]++
		}
	}
	var sum, variance, n [7][24]float64 // by group: its days' medians, their variances
	var groups dayGroups
	for d := range 7 {
		groups[d] = d
		for h := range 24 {
			c := d*24 + h
			if weeks[c] > 0 {
				s := scatter{max(m[c], 0.5), extra[c]}.deviation()
				sum[d][h], n[d][h] = m[c], 1
				variance[d][h] = 1.57 * s * s / weeks[c] // of a median
			}
		}
	}
	for {
		a, b, least := 0, 0, alike
		for x := range 7 {
			for y := range x {
				if groups[x] != x || groups[y] != y {
					continue
				}
				if d := apart(&sum[x], &variance[x], &n[x], &sum[y], &variance[y], &n[y]); d < least {
					a, b, least = y, x, d
				}
			}
		}
		if a == b {
			return groups
		}
		for d := range groups {
			if groups[d] == b {
				groups[d] = a
			}
		}
		for h := range 24 {
			sum[a][h] += sum[b][h]
			variance[a][h] += variance[b][h]
			n[a][h] += n[b][h]
		}
	}
}

// apart is the mean squared difference of two profiles in variances of it; infinite
// where they have no hour in common.
func apart(sumA, varA, nA, sumB, varB, nB *[24]float64) float64 {
	total, hours := 0.0, 0.0
	for h := range 24 {
		if nA[h] == 0 || nB[h] == 0 {
			continue
		}
		d := sumA[h]/nA[h] - sumB[h]/nB[h]
		total += d * d / (varA[h]/(nA[h]*nA[h]) + varB[h]/(nB[h]*nB[h]))
		hours++
	}
	if hours == 0 {
		return math.Inf(1)
	}
	return total / hours
}

// profile is what is usual of the windows of one look-back: for each quarter of the
// week the scatter of their counts, at the level of the history's end.
type profile struct {
	lookback int64
	// seen is how many windows each quarter's rests on.
	seen [quarters]int
	// at is what is to be expected by the trend at the lowest, highAt at the highest
	// of the coming weeks; usual is now.
	usual, low, high [quarters]scatter
	// step is how much of a window is new at the next check.
	step [quarters]float64
}

// Numbers of the profile.
const (
	// sharedRows is with how many rows the hour's mean weighs in that of its quarters.
	sharedRows = 30
	// sharedDays is with how many days the scatter of all hours weighs in that of one.
	sharedDays = 6
	// clip is beyond how many standard deviations a window's distance counts no more,
	// so that what is unusual but short does not widen everything.
	clip = 4
)

// pools says of each quarter of the week with which one it is taken together: the
// first whose windows of a look-back have like histories.
type pools [quarters]int

// pools joins the quarters of days of one group. Windows that reach into the days
// before are alike only where those days are, too: on Monday the first hour's reach
// into Sunday.
func (g dayGroups) pools(lookback int64) *pools {
	var p pools
	for q := range quarters {
		p[q] = q
		for day := range q / 96 {
			if g.alikeBack(day, q/96, q%96*quarterSize, lookback) {
				p[q] = day*96 + q%96
				break
			}
		}
	}
	return &p
}

// alikeBack says whether two days, and those before them that a window reaches into
// which ends so many seconds into the day, are of the same groups.
func (g dayGroups) alikeBack(a, b, into int, lookback int64) bool {
	for back := range 7 {
		if g[(a-back+7)%7] != g[(b-back+7)%7] {
			return false
		}
		if int64(into+back*86400) >= lookback {
			return true
		}
	}
	return true
}

// profileOf measures the windows of a layer's due minutes with a look-back.
func (p *past) profileOf(l *layer, lookback int64, groups dayGroups, horizon float64) *profile {
	w := p.counts.windows(lookback, l.halfOpen)
	pool := groups.pools(lookback)
	var sum, exposure, n [quarters]float64
	p.each(l, w, func(quarter int, count, scale float64) {
		q := pool[quarter]
		sum[q] += count
		exposure[q] += scale
		n[q]++
	})
	f := &profile{lookback: lookback}
	perDay := l.pooled(pool)
	step := func(q int) float64 { return l.spacing(q/4) / float64(lookback) }
	mean := means(&sum, &exposure, func(q int) float64 { return min(1, 900/float64(max(1, perDay[q]))/float64(lookback)) })
	extra := p.extraOf(l, w, pool, &mean, &n, &perDay)
	ends := [2]float64{1, math.Exp(p.slope * horizon)}
	for q := range quarters {
		due, at := l.perQuarter(q), pool[q]
		if due == 0 || n[at] == 0 {
			continue
		}
		f.seen[q] = int(n[at])
		f.step[q] = step(q)
		days := n[at] / float64(perDay[at])
		rows := sum[at]*min(1, f.step[q]) + 1
		s := scatter{mean[at], extra[at/4] + extra[at/4]/days + 1/rows} // the mean itself is a guess
		f.usual[q] = s
		f.low[q], f.high[q] = s, s
		f.low[q].mean *= min(ends[0], ends[1])
		f.high[q].mean *= max(ends[0], ends[1])
	}
	return f
}

// each calls f for the due windows that are normal, oldest first.
func (p *past) each(l *layer, w windows, f func(quarter int, count, scale float64)) {
	p.due(l, w, func(minute int64, quarter int) {
		if p.normal(minute, w.lookback) {
			f(quarter, float64(w.count(minute)), p.scale(minute))
		}
	})
}

// due calls f for the due minutes whose windows are known, oldest first.
func (p *past) due(l *layer, w windows, f func(minute int64, quarter int)) {
	p.schedule(l, func(minute int64, quarter int) {
		if w.covered(minute) && p.known(minute, w.lookback) {
			f(minute, quarter)
		}
	})
}

// pooled is how many due minutes a day has in each pooled quarter.
func (l *layer) pooled(pool *pools) (perDay [quarters]int) {
	for q := range quarters {
		at := pool[q]
		perDay[at] = max(perDay[at], l.perQuarter(q))
	}
	return perDay
}

// means gives the mean of each pooled quarter. One with few rows leans on its hour.
// fresh is how much of a window is new at the next check.
func means(sum, exposure *[quarters]float64, fresh func(quarter int) float64) (mean [quarters]float64) {
	for h := range cells {
		var rows, of float64
		for q := h * 4; q < h*4+4; q++ {
			rows += sum[q]
			of += exposure[q]
		}
		if of == 0 {
			continue
		}
		hourly := rows / of
		for q := h * 4; q < h*4+4; q++ {
			if exposure[q] == 0 {
				continue
			}
			own := sum[q] * fresh(q) // rows, each counted once
			share := own / (own + sharedRows)
			mean[q] = share*sum[q]/exposure[q] + (1-share)*hourly
		}
	}
	return mean
}

// extraOf measures the extra variance of each pooled hour, by moments. It leans on
// that of all hours where few days have been seen.
func (p *past) extraOf(l *layer, w windows, pool *pools, mean, n *[quarters]float64, perDay *[quarters]int) (extra [cells]float64) {
	pooled := 0.0
	for round := range 3 {
		var over, of, days [cells]float64
		p.each(l, w, func(quarter int, count, scale float64) {
			q := pool[quarter]
			m := mean[q] * scale
			away := count - m
			limit := clip * scatter{max(m, 0.5), max(extra[q/4], pooled)}.deviation()
			if round == 0 {
				limit = math.Inf(1)
			}
			away = min(max(away, -limit), limit)
			over[q/4] += away*away - m
			of[q/4] += m * m
		})
		var all, allOf float64
		for c := range cells {
			for q := c * 4; q < c*4+4; q++ {
				if perDay[q] > 0 {
					days[c] = max(days[c], n[q]/float64(perDay[q]))
				}
			}
			if days[c] > 1 {
				over[c] *= days[c] / (days[c] - 1) // the mean was fitted to the same days
			}
			all += over[c]
			allOf += of[c]
		}
		pooled = ratio(all, allOf)
		for c := range cells {
			extra[c] = (days[c]*ratio(over[c], of[c]) + sharedDays*pooled) / (days[c] + sharedDays)
		}
	}
	return extra
}

func ratio(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}
