package soak

import (
	"math"
	"slices"
)

// Measure is something that must stay flat.
type Measure struct {
	Name string
	// Unit is "" for a count, "bytes" for a size.
	Unit string
	// Floor is the growth over the whole run that is never held against it, however
	// small the number: what 5 % of it is may be less than one.
	Floor float64
	// Swept says that it goes up and down with the sweeps: what is judged then is the
	// most within each of their periods.
	Swept bool
	// Paced says that there are as many as were made within their retention: more where
	// the machine has more time for it. Only much more is growth; what is left over
	// beyond its retention is a measure of its own.
	Paced bool
}

// Series is one measure at one sample after the other.
type Series struct {
	Measure
	Values []float64
}

// tolerance is how much a measure may grow over a run: PERF's 5 %.
const tolerance = 0.05

// pacedTolerance is that of measures that go by the pace of things: an hour in which
// the machine does nothing else has a tenth more of them.
const pacedTolerance = 0.25

// sure is the normal score beyond which a trend is not taken for chance: one time in
// a hundred, where there is none.
const sure = 2.326

// fewest samples, or periods of the sweep, of which anything is said. Of five that rise
// one after the other nobody could be sure.
const fewest = 6

// Verdicts on a series.
const (
	Flat   = "flat"
	Falls  = "falls"
	Grows  = "GROWS"
	TooFew = "too few samples"
)

// Finding is what is said of a series.
type Finding struct {
	Name string `json:"measure"`
	Unit string `json:"unit,omitempty"`
	// First and Last are medians of the first and the last quarter, Median of all.
	First  float64 `json:"first"`
	Last   float64 `json:"last"`
	Median float64 `json:"median"`
	// Change is the Theil-Sen slope over the whole run, Allowed how much of it there may be.
	Change  float64   `json:"change"`
	Allowed float64   `json:"allowed"`
	Verdict string    `json:"verdict"`
	Values  []float64 `json:"values"`
}

// judge says whether a series grows: by more than the tolerance and the floor, and so
// steadily that it is no chance. period is how many samples a sweep's period has.
//
// The slope is Theil's and Sen's, the median of those between any two samples: up to
// a quarter of them may be anything. The steadiness is Mann's and Kendall's count of
// pairs that go up less those that go down.
func judge(s Series, period int) Finding {
	values := s.Values
	if s.Swept {
		values = most(values, period)
	}
	f := Finding{Name: s.Name, Unit: s.Unit, Values: s.Values}
	if len(values) < fewest {
		f.Verdict = TooFew
		return f
	}
	quarter := max(1, len(values)/4)
	f.First, f.Last, f.Median = median(values[:quarter]), median(values[len(values)-quarter:]), median(values)
	f.Change = slope(values) * float64(len(values)-1)
	f.Allowed = max(s.tolerance()*math.Abs(f.Median), s.Floor)
	score := steadiness(values)
	switch {
	case f.Change > f.Allowed && score > sure:
		f.Verdict = Grows
	case -f.Change > f.Allowed && score < -sure:
		f.Verdict = Falls
	default:
		f.Verdict = Flat
	}
	return f
}

func (m Measure) tolerance() float64 {
	if m.Paced {
		return pacedTolerance
	}
	return tolerance
}

// most is the greatest of each period of values, the last of which ends with them. Each
// value counts once: periods that overlap would agree with each other by themselves.
func most(values []float64, period int) (out []float64) {
	for block := range slices.Chunk(values[len(values)%period:], period) {
		out = append(out, slices.Max(block))
	}
	return out
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// slope is how much a series changes from one sample to the next.
func slope(values []float64) float64 {
	var all []float64
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			all = append(all, (values[j]-values[i])/float64(j-i))
		}
	}
	return median(all)
}

// steadiness is Kendall's S as a normal score, with the correction for ties: 0 where
// pairs go up as often as down.
func steadiness(values []float64) float64 {
	n := float64(len(values))
	s, ties := 0.0, map[float64]float64{}
	for i, a := range values {
		ties[a]++
		for _, b := range values[i+1:] {
			switch {
			case b > a:
				s++
			case b < a:
				s--
			}
		}
	}
	variance := n * (n - 1) * (2*n + 5)
	for _, t := range ties {
		variance -= t * (t - 1) * (2*t + 5)
	}
	if variance <= 0 {
		return 0 // all are equal
	}
	return (s - math.Copysign(min(1, math.Abs(s)), s)) / math.Sqrt(variance/18)
}
