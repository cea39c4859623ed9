package svgplot

import (
	"math"
	"strconv"
	"strings"
)

// scale lays values between two marks of an axis on 0 to 1.
type scale struct {
	from, to float64
	log      bool
	ticks    []float64
}

// newScale makes a scale that holds all values, with its ends on round numbers. One that is
// not logarithmic begins at zero, or below it: a difference must not look larger than it is.
func newScale(a Axis, values []float64) scale {
	if a.Log {
		return logScale(values)
	}
	return linearScale(values)
}

func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log(v/s.from) / math.Log(s.to/s.from)
	}
	return (v - s.from) / (s.to - s.from)
}

// steps are the round numbers of a decade.
var steps = []float64{1, 2, 5}

func logScale(values []float64) scale {
	low, high := extent(values)
	var marks []float64
	for exp := math.Floor(math.Log10(low)); exp <= math.Ceil(math.Log10(high)); exp++ {
		for _, step := range steps {
			marks = append(marks, step*math.Pow(10, exp))
		}
	}
	// The last mark that is not above all values, the first that is not below any.
	first, last := 0, len(marks)-1
	for first+1 < last && marks[first+1] <= low {
		first++
	}
	for last-1 > first && marks[last-1] >= high {
		last--
	}
	s := scale{from: marks[first], to: marks[last], log: true, ticks: marks[first : last+1]}
	if tens := decades(s.ticks); len(tens) > 2 {
		s.ticks = tens
	}
	return s
}

// decades are the powers of ten among marks.
func decades(marks []float64) (tens []float64) {
	for _, m := range marks {
		if exp := math.Log10(m); math.Abs(exp-math.Round(exp)) < 1e-9 {
			tens = append(tens, m)
		}
	}
	return tens
}

func linearScale(values []float64) scale {
	low, high := extent(values)
	low, high = min(low, 0), max(high, 0)
	if low == high {
		high = 1
	}
	step := roundStep((high - low) / 5)
	s := scale{from: step * math.Floor(low/step), to: step * math.Ceil(high/step)}
	for i := 0.0; s.from+i*step <= s.to+step/2; i++ {
		s.ticks = append(s.ticks, s.from+i*step)
	}
	return s
}

// roundStep is the round number that is not below v.
func roundStep(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range steps {
		if step*ten >= v*(1-1e-9) {
			return step * ten
		}
	}
	return 10 * ten
}

func extent(values []float64) (low, high float64) {
	low, high = values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// number writes a mark: 0.05, 20, 1,000, 30k, 10M.
func number(v float64) string {
	switch {
	case math.Abs(v) >= 999_500:
		return short(v/1e6) + "M"
	case math.Abs(v) >= 9_999.5:
		return short(v/1e3) + "k"
	case math.Abs(v) >= 999.5:
		s := strconv.Itoa(int(math.Round(v)))
		return s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return short(v)
}

// short writes three digits at most.
func short(v float64) string {
	s := strconv.FormatFloat(v, 'g', 3, 64)
	if strings.ContainsRune(s, 'e') {
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return s
}
