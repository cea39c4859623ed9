package dwmon_test

import (
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// A checker is switched off while the clock is ahead, and comes back once it is right: the
// minutes between are walked again, so they must not be a gap as well.
func TestSightGivesNoGapOfMinutesToCome(t *testing.T) {
	const m = 1_780_315_200
	line := dwmon.Requirement{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(1), Lookback: 60}
	settled := int64(m - 600)
	c := &dwmon.Checker{Name: "a", Revision: "1", Lines: []dwmon.Requirement{line}}
	for _, tt := range []struct {
		off     int64 // since when, after m
		minutes int64
	}{
		{-300, 4}, // settled through m-600: four minutes were pending
		{0, 9},
		{7200, 9}, // the clock was two hours ahead
	} {
		p := &dwmon.Progress{
			ID: 1, Name: "a", Origin: m - 86400, Settled: &settled, Revision: "1", Zone: "UTC", RevisionID: 1,
			Lines: []dwmon.LineProgress{{Line: dwmon.Line{Requirement: line, ID: 1, OwesAfter: dwmon.OwesAll}}},
			Off:   &dwmon.Off{Since: m + tt.off, Reason: dwmon.OffDisabled},
		}
		s, changed := dwmon.Sight(p, c, time.UTC, nil, m)
		if !changed || !s.Returned || *s.Settled != m-60 || len(s.Gaps) != 1 || s.Gaps[0].Minutes != tt.minutes || s.Gaps[0].To > *s.Settled {
			t.Errorf("off since %d s after: settled %d, gaps %+v; want one of %d minutes, none of them after %d", tt.off, *s.Settled, s.Gaps, tt.minutes, m-60)
		}
	}
}
