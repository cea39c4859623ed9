package proof

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestX(t *testing.T) {
	for _, s := range Shapes {
		if !strings.Contains(s.Name, os.Getenv("SHAPE")) {
			continue
		}
		start := time.Now()
		var sum Outcome
		for seed := range uint64(4) {
			o, err := s.Try(seed+1, 1)
			if err != nil {
				t.Error(s.Name, err)
				continue
			}
			sum.Add(o)
			t.Log("seed", seed, o.FalseAlarms, o.Found, o.Planted)
			if seed == 0 || os.Getenv("SHAPE") != "" {
				for _, l := range o.Proposal.Lines {
					t.Log(l.Requirement.Identity(), "median", l.Median, l.P1, l.P99, l.Notes)
				}
				t.Logf("%+v %+v exp %.2f growth %.4f before %v out %v", o.Proposal.Present, o.Proposal.Proposed, o.Proposal.Expected, o.Proposal.Growth, o.Proposal.Before, o.Proposal.Out)
				t.Log(o.Missed)
			}
		}
		t.Logf("=== %-30s %.2f false alarms a week, %d of %d found, %.1f lines, %v", s.Name, sum.FalseAlarmsPerWeek(), sum.Found, sum.Planted, float64(sum.Lines)/4, time.Since(start))
	}
}
