package suggest

import (
	"math"
	"slices"
)

// median is the middle value; of two, their mean. It sorts values; of none it is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// spread is 1.4826 times the median distance from a centre: the standard deviation
// of what is normally distributed, whatever a minority of the values are.
func spread(values []float64, centre float64) float64 {
	away := make([]float64, len(values))
	for i, v := range values {
		away[i] = math.Abs(v - centre)
	}
	return 1.4826 * median(away)
}

// point is a value at a time, in weeks.
type point struct{ at, value float64 }

// slope is that of Theil and Sen: the median slope between any two points.
func slope(points []point) float64 {
	var slopes []float64
	for i := range points {
		for j := range i {
			if d := points[i].at - points[j].at; d != 0 {
				slopes = append(slopes, (points[i].value-points[j].value)/d)
			}
		}
	}
	return median(slopes)
}

// rises is the statistic of Mann and Kendall, standardised: how far from chance it
// is that later values are larger (positive) or smaller.
func rises(points []point) float64 {
	n, s := float64(len(points)), 0.0
	for i := range points {
		for j := range i {
			s += sign(points[i].value-points[j].value) * sign(points[i].at-points[j].at)
		}
	}
	deviation := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	if deviation == 0 || s == 0 {
		return 0
	}
	return (s - sign(s)) / deviation
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	default:
		return 0
	}
}

// quantile is the value at a share of the sorted values, by nearest rank.
func quantile(sorted []int64, share float64) int64 {
	at := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
