package soak

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// made is a series of n samples.
func made(n int, f func(i int) float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

func TestJudge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(width float64) float64 { return width * (2*rng.Float64() - 1) }
	goroutines := Measure{Name: "goroutines", Floor: 3}
	memory := Measure{Name: "memory", Unit: "bytes", Floor: 2 << 20}
	rows := Measure{Name: "rows", Floor: 30, Swept: true}
	fetches := Measure{Name: "fetches", Floor: 30, Swept: true, Paced: true}
	for _, c := range []struct {
		says   string
		of     Measure
		values []float64
		want   string
	}{
		{"nothing changes", goroutines, made(90, func(int) float64 { return 140 }), Flat},
		{"a goroutine is lost in each round", goroutines, made(90, func(i int) float64 { return 140 + float64(i) }), Grows},
		{"a goroutine is lost in every fifth round", goroutines, made(90, func(i int) float64 { return 140 + float64(i/5) }), Grows},
		{"a descriptor is lost in each round of a short run", Measure{Name: "descriptors", Floor: 3}, made(12, func(i int) float64 { return 60 + float64(i) }), Grows},
		{"two goroutines come and go", goroutines, made(90, func(i int) float64 { return 30 + float64(i%3) }), Flat},
		{"two goroutines more from the middle on: below the floor", goroutines, made(90, func(i int) float64 { return 20 + 2*float64(i/45) }), Flat},
		{"a tenth of the samples is anything", goroutines, made(90, func(i int) float64 {
			if i%10 == 0 {
				return 1000 + 10*float64(i)
			}
			return 140
		}), Flat},
		{"memory is noisy", memory, made(90, func(int) float64 { return 60<<20 + noise(6<<20) }), Flat},
		{"memory is noisy, and grows by a tenth", memory, made(90, func(i int) float64 { return 60<<20 + float64(i)/90*(6<<20) + noise(3<<20) }), Grows},
		{"memory grows by a twentieth of what is allowed", memory, made(90, func(i int) float64 { return 60<<20 + float64(i)/90*(3<<20)/20 }), Flat},
		{"memory falls after the start", memory, made(90, func(i int) float64 { return 60<<20 - float64(i)/90*(9<<20) }), Falls},
		{"a jump at the end is no trend", memory, made(90, func(i int) float64 {
			if i > 86 {
				return 120 << 20
			}
			return 60 << 20
		}), Flat},
		{"rows come, and are swept each hour", rows, made(90, func(i int) float64 { return 5000 + 800*float64(i%6) }), Flat},
		{"rows are swept each hour, cut in the rise", rows, made(40, func(i int) float64 { return 5000 + 800*float64(i%6) }), Flat},
		{"one row in each round is never swept", rows, made(90, func(i int) float64 { return 40 + float64(i) }), Grows},
		{"a tenth of the rows is never swept", rows, made(90, func(i int) float64 { return 5000 + 800*float64(i%6) + 80*float64(i) }), Grows},
		{"what goes by the pace becomes a tenth more", fetches, made(90, func(i int) float64 { return 1500 + 200*float64(i%6) + 150*float64(i)/90 }), Flat},
		{"it becomes as much again", fetches, made(90, func(i int) float64 { return 1500 + 200*float64(i%6) + 1500*float64(i)/90 }), Grows},
		{"too few to say", goroutines, made(5, func(i int) float64 { return float64(100 * i) }), TooFew},
		{"a burst now and then, by chance more often in the end", rows, made(40, func(i int) float64 { return []float64{11, 11, 43, 55, 75, 60, 22}[i/6] }), Flat},
		{"enough, but of fewer periods of the sweep", rows, made(35, func(i int) float64 { return float64(100 * i) }), TooFew},
		{"nothing there at all", goroutines, made(90, func(int) float64 { return 0 }), Flat},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := judge(Series{c.of, c.values}, 6); got.Verdict != c.want {
				t.Errorf("%s, want %s: %+v", got.Verdict, c.want, got)
			}
		})
	}
}

func TestTheSlopeOfALineIsItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := float64(rapid.IntRange(-1000, 1000).Draw(t, "a")), float64(rapid.IntRange(-50, 50).Draw(t, "b"))
		n := rapid.IntRange(2, 40).Draw(t, "n")
		values := made(n, func(i int) float64 { return a + b*float64(i) })
		if got := slope(values); math.Abs(got-b) > 1e-9 {
			t.Errorf("slope %v of a line that rises by %v", got, b)
		}
		up, down := steadiness(values), steadiness(made(n, func(i int) float64 { return values[n-1-i] }))
		if math.Abs(up+down) > 1e-9 || (b > 0) != (up > 0) && n > 2 {
			t.Errorf("it rises by %v a sample: scores %v and, backwards, %v", b, up, down)
		}
	})
}
