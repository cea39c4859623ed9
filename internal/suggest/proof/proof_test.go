package proof

import (
	"os"
	"testing"
)

// Lines hold in weeks that they were not made from: at most twice the false alarms that
// were accepted, and planted outages are found. A few shapes always, all of them with
// DWMON_TEST_ALL.
func TestLinesHoldInOtherWeeks(t *testing.T) {
	always := map[string]bool{"scattered": true, "outages": true, "launch day": true, "office": true}
	all := os.Getenv("DWMON_TEST_ALL") != ""
	seeds := uint64(2)
	if all {
		seeds = 4
	}
	for _, s := range Shapes {
		if !all && !always[s.Name] {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var sum Outcome
			for seed := range seeds {
				o, err := s.Try(seed+1, 1)
				if err != nil {
					t.Fatal(err)
				}
				sum.Add(o)
			}
			t.Logf("%.2f false alarms a week, %d of %d outages found, %.1f lines", sum.FalseAlarmsPerWeek(), sum.Found, sum.Planted, float64(sum.Lines)/float64(seeds))
			if sum.FalseAlarmsPerWeek() > 2 {
				t.Errorf("%.2f false alarms a week, and 1 was accepted", sum.FalseAlarmsPerWeek())
			}
			if sum.Planted == 0 || sum.FoundShare() < Findable {
				t.Errorf("%d of %d outages found, want %.0f %%", sum.Found, sum.Planted, 100*Findable)
			}
		})
	}
}

// The same seed makes the same traffic, another one another.
func TestGenerateIsAFunctionOfItsSeed(t *testing.T) {
	s := Shapes[3]
	a, b, c := s.Generate(5, 1), s.Generate(5, 1), s.Generate(6, 1)
	if len(a.Micros) < 40_000 || len(a.Micros) != len(b.Micros) || a.Micros[1000] != b.Micros[1000] {
		t.Errorf("%d and %d rows of one seed", len(a.Micros), len(b.Micros))
	}
	if len(a.Micros) == len(c.Micros) && a.Micros[1000] == c.Micros[1000] {
		t.Error("two seeds make the same rows")
	}
}
