package dwmon

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawCalendar draws a line of few minutes, so that its calendar has structure.
func drawCalendar(t *rapid.T) Requirement {
	return Requirement{
		Hours:    HourSet(rapid.Uint32Range(1, 1<<24-1).Draw(t, "hours")),
		Minutes:  MinuteSet(rapid.SampledFrom([]uint64{1, 1 << 30, 1 | 1<<30, StepSet(20, 60), StepSet(7, 60), 1<<60 - 1}).Draw(t, "minutes")),
		Days:     DaySet(rapid.Uint8Range(1, 1<<7-1).Draw(t, "days")),
		Min:      At(1),
		Lookback: 60,
	}
}

func TestCadenceIsTheMostFrequentDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawCalendar(t)
		// A whole week and the first due minute of the next, minute by minute.
		counts := map[int64]int{}
		last := int64(-1)
		start := time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)
		for at := start; ; at = at.Add(time.Minute) {
			if !r.Matches(at) {
				continue
			}
			if last >= 0 {
				counts[at.Unix()-last]++
			}
			last = at.Unix()
			if at.Sub(start) >= 7*24*time.Hour {
				break
			}
		}
		got := r.Cadence()
		for d, n := range counts {
			if n > counts[got] || n == counts[got] && d < got {
				t.Fatalf("the distance %d s comes %d times, %d s only %d times", d, n, got, counts[got])
			}
		}
	})
}
