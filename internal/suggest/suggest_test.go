package suggest

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestWindowsHoldWhatRequirementsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := 60 * rapid.Int64Range(-100, 100).Draw(t, "from")
		until := from + 60*rapid.Int64Range(1, 300).Draw(t, "minutes")
		lines := []dwmon.Requirement{{
			Lookback: rapid.OneOf(rapid.Int64Range(1, 200), rapid.Int64Range(1, until-from), rapid.Just(int64(60))).Draw(t, "look-back"),
			HalfOpen: rapid.Bool().Draw(t, "half open"),
		}}
		at := rapid.OneOf(
			rapid.Map(rapid.Int64Range(from-100, until+100), func(s int64) int64 { return s * 1e6 }), // on window borders, too
			rapid.Int64Range(from*1e6-100, until*1e6+100),
		)
		rows := rapid.SliceOfN(at, 0, 60).Draw(t, "rows")
		c := NewCounts(from, until, lines)
		c.Add(rows)
		w := c.windows(lines[0].Lookback, lines[0].HalfOpen)
		for minute := from; minute <= until; minute += 60 {
			if !w.covered(minute) {
				continue
			}
			span, want := lines[0].Window(minute), int64(0)
			for _, ts := range rows {
				if ts >= span.From && ts < span.Until {
					want++
				}
			}
			if got := w.count(minute); got != want {
				t.Fatalf("the window of %d holds %d rows, there are %d in %v", minute, got, want, span)
			}
		}
	})
}

func TestTailsEqualSums(t *testing.T) {
	for _, s := range []scatter{{0.3, 0}, {4, 0}, {200, 0}, {4, 0.5}, {60, 0.02}, {3000, 0.1}, {50, 1e-9}} {
		// The probabilities one by one, by their recurrence.
		term := math.Exp(-s.mean)
		if s.extra > 1e-8 {
			term = math.Pow(1+s.extra*s.mean, -1/s.extra)
		}
		sum := 0.0
		for k := range int64(6000) {
			if got := s.below(k); math.Abs(got-sum) > 1e-7 {
				t.Fatalf("%v: fewer than %d: %v, summed up %v", s, k, got, sum)
			}
			if got := s.above(k - 1); math.Abs(got-(1-sum)) > 1e-7 {
				t.Fatalf("%v: more than %d: %v, summed up %v", s, k-1, got, 1-sum)
			}
			sum += term
			i := float64(k)
			if s.extra > 1e-8 {
				r := 1 / s.extra
				term *= (i + r) / (i + 1) * s.mean / (r + s.mean)
			} else {
				term *= s.mean / (i + 1)
			}
		}
	}
}

func TestBoundsAreTheTightestThatHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scatter{rapid.Float64Range(0, 5000).Draw(t, "mean"), rapid.SampledFrom([]float64{0, 0.001, 0.05, 0.5}).Draw(t, "extra")}
		p := math.Pow(10, -rapid.Float64Range(2, 8).Draw(t, "digits"))
		step := rapid.SampledFrom([]float64{0.02, 0.2, 1, 4}).Draw(t, "step")
		low, high := s.lowest(p, step), s.highest(p, step)
		if low > 0 && runs(s.below(low), step) > p {
			t.Fatalf("MINNUM %d has more runs than %v", low, p)
		}
		if high >= 0 && runs(s.above(high), step) > p {
			t.Fatalf("MAXNUM %d has more runs than %v", high, p)
		}
		if runs(s.below(low+1), step) <= p && float64(low) < s.mean {
			t.Fatalf("MINNUM %d would hold too, and is %d", low+1, low)
		}
		if high > 0 && runs(s.above(high-1), step) <= p {
			t.Fatalf("MAXNUM %d would hold too, and is %d", high-1, high)
		}
	})
}

// Runs of windows that overlap, counted in made-up traffic.
func TestRunsOfOverlappingWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const minutes, lookback, rate = 4_000_000, 10, 3
	var ring [lookback]int
	sum, bad, began, inRun := 0, 0, 0, false
	limit := scatter{rate * lookback, 0}.lowest(0.002, 1.0/lookback)
	for m := range minutes {
		n, p := 0, math.Exp(-rate) // Poisson by Knuth
		for q := rng.Float64(); q > p; q *= rng.Float64() {
			n++
		}
		sum += n - ring[m%lookback]
		ring[m%lookback] = n
		if m < lookback {
			continue
		}
		if int64(sum) < limit {
			if bad++; !inRun {
				began++
			}
			inRun = true
		} else {
			inRun = false
		}
	}
	tail := scatter{rate * lookback, 0}.below(limit)
	if got := float64(bad) / minutes; math.Abs(got/tail-1) > 0.05 {
		t.Errorf("%v of the windows are below %d, want %v", got, limit, tail)
	}
	want := runs(tail, 1.0/lookback)
	if got := float64(began) / minutes; math.Abs(got/want-1) > 0.15 {
		t.Errorf("%v runs begin at each minute, want %v", got, want)
	}
}

func TestTrend(t *testing.T) {
	var points, flat []point
	for i := range 12 {
		wobble := 0.01 * float64(i*7%5)
		points = append(points, point{float64(i), 0.03*float64(i) + wobble})
		flat = append(flat, point{float64(i), wobble})
	}
	points[4].value = 9 // one wild week moves nothing
	if got := slope(points); math.Abs(got-0.03) > 0.005 {
		t.Errorf("the slope is %v, want about 0.03", got)
	}
	if got := rises(points); got < trendSure {
		t.Errorf("a trend of 3 %% a week is not sure: %v", got)
	}
	if got := rises(flat); math.Abs(got) > trendSure {
		t.Errorf("there is no trend, and one is sure: %v", got)
	}
}

func TestSameKind(t *testing.T) {
	const end = 100 * weekSeconds
	days := func(levels ...float64) []dayLevel { // a level for each day, the last one yesterday
		var all []dayLevel
		for i, l := range levels {
			wobble := 0.02 * float64(i*5%7-3)
			all = append(all, dayLevel{dwmon.Day(i), int64(end - 86400*(len(levels)-i)), l + wobble, 0.02})
		}
		return all
	}
	run := func(n int, level float64) []float64 {
		all := make([]float64, n)
		for i := range all {
			all[i] = level
		}
		return all
	}
	join := func(parts ...[]float64) (all []float64) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	trendOf := func(n int, week float64) (all []float64) {
		for i := range n {
			all = append(all, week*float64(i)/7)
		}
		return all
	}
	tests := []struct {
		name   string
		levels []float64
		want   int
	}{
		{"all of one level", run(70, 0), 0},
		{"a launch", join([]float64{-3, -2.5, -2, -1.5, -1, -0.6}, run(60, 0)), 6},
		{"another level for good", join(run(40, -0.7), run(30, 0)), 40},
		{"a change ten days ago", join(run(40, 0.7), run(10, 0)), 40},
		{"a holiday week", join(run(30, 0), run(8, -1), run(30, 0)), 0},
		{"a trend is no change", trendOf(140, 0.03), 0},
		{"two odd days at the very beginning", join(run(2, -1), run(40, 0)), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sameKind(days(tt.levels...), end); got != tt.want {
				t.Errorf("the present level begins with day %d, want %d", got, tt.want)
			}
		})
	}
}

func TestPoolsLookBackIntoTheDayBefore(t *testing.T) {
	g := dayGroups{0, 1, 1, 1, 1, 1, 0} // Sunday and Saturday, and the others
	quarter := func(day time.Weekday, hour int) int { return (int(day)*24 + hour) * 4 }
	tests := []struct {
		name     string
		lookback int64
		a, b     int
		want     bool
	}{
		{"Tuesday and Friday at noon", 3600, quarter(2, 12), quarter(5, 12), true},
		{"Monday and Tuesday at noon", 3600, quarter(1, 12), quarter(2, 12), true},
		{"Monday and Tuesday at midnight: one follows a Sunday", 3600, quarter(1, 0), quarter(2, 0), false},
		{"Monday and Tuesday at one: an hour does not reach back", 3600, quarter(1, 1), quarter(2, 1), true},
		{"Monday and Tuesday at noon, and a day back", 86400, quarter(1, 12), quarter(2, 12), false},
		{"Wednesday and Thursday, and a day back", 86400, quarter(3, 12), quarter(4, 12), true},
		{"Monday and Sunday", 60, quarter(1, 12), quarter(0, 12), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := g.pools(tt.lookback)
			if got := p[tt.a] == p[tt.b]; got != tt.want {
				t.Errorf("taken together: %v, want %v", got, tt.want)
			}
		})
	}
}

// Every due minute of the week gets one line, whatever the profile is.
func TestBlocksCoverEachDueMinuteOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &layer{lookback: 300}
		minutes := []dwmon.MinuteSet{1, dwmon.MinuteSet(dwmon.StepSet(20, 60)), dwmon.MinuteSet(dwmon.StepSet(5, 60))}
		days := rapid.SampledFrom([]dwmon.DaySet{dwmon.Weekdays, dwmon.Weekdays | dwmon.Weekends, 1 << 3, 0b1010101}).Draw(t, "days")
		hours := rapid.Uint32Range(1, 1<<24-1).Draw(t, "hours")
		f := &profile{lookback: 300}
		even := rapid.Bool().Draw(t, "the same minutes everywhere")
		for c := range cells {
			if days&(1<<(c/24)) == 0 || hours&(1<<(c%24)) == 0 {
				continue
			}
			l.due[c] = minutes[1]
			if !even {
				l.due[c] = rapid.SampledFrom(minutes).Draw(t, "minutes")
			}
			mean := rapid.SampledFrom([]float64{0, 3, 40, 42, 400}).Draw(t, "mean")
			for q := c * 4; q < c*4+4; q++ {
				if l.perQuarter(q) > 0 {
					f.seen[q], f.step[q] = 10, 1
					f.usual[q] = scatter{mean, 0.01}
					f.low[q], f.high[q] = f.usual[q], f.usual[q]
				}
			}
		}
		table := &table{layer: l, of: []*bounds{f.boundsOf(1e-4)}}
		var got [cells]int
		for _, b := range table.blocks() {
			for c := range cells {
				if b.days&(1<<(c/24)) != 0 && b.hours&(1<<(c%24)) != 0 {
					got[c]++
				}
			}
			if r := (&drawn{block: b}).requirement(); r.Minutes == 0 {
				t.Fatalf("a line without minutes: %v", b)
			}
		}
		for c, n := range got {
			if want := min(1, int(l.due[c])); n != want {
				t.Fatalf("hour %d of day %d lies in %d lines, want %d", c%24, c/24, n, want)
			}
		}
	})
}
