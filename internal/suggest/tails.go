package suggest

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/mathext"
)

// scatter is how counts of one kind are distributed: as the negative binomial with
// this mean and the variance mean + extra·mean². Without extra that is Poisson's.
type scatter struct{ mean, extra float64 }

func (s scatter) deviation() float64 { return math.Sqrt(s.mean + s.extra*s.mean*s.mean) }

// nearlyPoisson is the extra variance, as a share of the mean, below which counts
// are taken for Poisson's: the formula of the other loses its digits there.
const nearlyPoisson = 1e-6

// below is the probability of fewer than k rows.
func (s scatter) below(k int64) float64 {
	switch {
	case k <= 0:
		return 0
	case s.mean <= 0:
		return 1
	case s.extra*s.mean < nearlyPoisson:
		return mathext.GammaIncRegComp(float64(k), s.mean)
	}
	r := 1 / s.extra
	return mathext.RegIncBeta(r, float64(k), r/(r+s.mean))
}

// above is the probability of more than k rows.
func (s scatter) above(k int64) float64 {
	switch {
	case k < 0:
		return 1
	case s.mean <= 0:
		return 0
	case s.extra*s.mean < nearlyPoisson:
		return mathext.GammaIncReg(float64(k)+1, s.mean)
	}
	r := 1 / s.extra
	return mathext.RegIncBeta(float64(k)+1, r, s.mean/(r+s.mean))
}

// runs turns the probability that a count is out of range into the probability that
// a run of such counts begins with it. Windows that overlap share rows: of counts
// beyond a bound most follow another one, and the run is one incident. step is how
// much of a window is new at each check.
func runs(tail, step float64) float64 {
	if step >= 1 || tail <= 0 {
		return tail
	}
	return tail * beginning(tail, step)
}

// beginning is the share of the counts beyond a bound whose predecessor was within
// it, of normal counts that are correlated by 1−step: as many runs begin as upward
// crossings of the bound.
func beginning(tail, step float64) float64 {
	z := -math.Sqrt2 * math.Erfinv(2*min(tail, 0.5)-1)
	key := beginningKey{int(math.Round(z * 20)), int(math.Round(math.Log2(step) * 8))}
	if v, ok := beginnings.Load(key); ok {
		return v.(float64)
	}
	v := integrateBeginning(float64(key.z)/20, math.Exp2(float64(key.step)/8))
	beginnings.Store(key, v)
	return v
}

type beginningKey struct{ z, step int }

// beginnings are known values of integrateBeginning, which is a function and dear.
var beginnings sync.Map

// integrateBeginning is P(Y < z | X > z) for normal X and Y with correlation 1−step,
// by Simpson's rule.
func integrateBeginning(z, step float64) float64 {
	rho := 1 - min(step, 1)
	width := math.Sqrt(1 - rho*rho)
	const parts = 400
	h := 8.0 / parts
	var joint, all float64
	for i := range parts + 1 {
		x, weight := z+float64(i)*h, 2.0
		switch {
		case i == 0 || i == parts:
			weight = 1
		case i%2 == 1:
			weight = 4
		}
		// Relative to the density at z, which cancels and would underflow.
		density := weight * math.Exp((z*z-x*x)/2)
		all += density
		joint += density * normalBelow((z-rho*x)/width)
	}
	return joint / all
}

func normalBelow(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// lowest is the largest MINNUM below which a run begins with probability p at most.
func (s scatter) lowest(p, step float64) int64 {
	low, high := int64(0), int64(math.Ceil(s.mean))+1 // at low it holds, at high it does not
	for high-low > 1 {
		k := low + (high-low)/2
		if runs(s.below(k), step) <= p {
			low = k
		} else {
			high = k
		}
	}
	return low
}

// highest is the smallest MAXNUM above which a run begins with probability p at most.
func (s scatter) highest(p, step float64) int64 {
	low, high := int64(math.Floor(s.mean))-1, int64(s.mean+20)
	for runs(s.above(high), step) > p {
		low, high = high, 2*high
	}
	for high-low > 1 {
		k := low + (high-low)/2
		if runs(s.above(k), step) <= p {
			high = k
		} else {
			low = k
		}
	}
	return high
}
