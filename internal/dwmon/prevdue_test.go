package dwmon

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPrevDueEqualsALookAtEveryMinute compares it with a walk backwards.
func TestPrevDueEqualsALookAtEveryMinute(t *testing.T) {
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(all).Draw(t, "zone")
		// Around the changes of the clocks, of which most zones have two a year.
		until := rapid.Int64Range(1_774_000_000, 1_808_000_000).Draw(t, "until")
		r, closed := drawRequirement(t), drawClosed(t, zone, until)
		n := rapid.IntRange(0, 400).Draw(t, "n")
		const back = 9 * 86400
		var want []int64
		for m := FloorMinute(until); m > until-back && len(want) < n; m -= 60 {
			local := time.Unix(m, 0).In(zone)
			if _, off := closed.Name(dayOf(local)); !off && r.Matches(local) {
				want = append(want, m)
			}
		}
		slices.Reverse(want)
		got := r.PrevDue(zone, closed, until, n)
		if len(got) > n || !slices.IsSorted(got) {
			t.Fatalf("%d minutes were asked for, got %d: %v", n, len(got), got)
		}
		for len(got) > 0 && got[0] <= until-back {
			got = got[1:]
		}
		if !slices.Equal(want, got) {
			t.Fatalf("up to %d:\nwant %v\ngot  %v", until, want, got)
		}
	})
}

func TestPrevDueLooksFarBack(t *testing.T) {
	leap := Requirement{Hours: 1 << 12, Minutes: 1, Days: 1 << time.Monday, Min: At(1), Lookback: 60}
	open := DayOf(2024, time.June, 3)
	closed := map[Day]string{}
	for d := open + 1; d < open+3*366; d++ {
		closed[d] = "closed"
	}
	got := leap.PrevDue(time.UTC, NewClosedDays(closed), epoch(t, "2027-06-01T00:00:00Z"), 1)
	if want := []int64{epoch(t, "2024-06-03T12:00:00Z")}; !slices.Equal(want, got) {
		t.Errorf("the last Monday before three closed years: want %v, got %v", want, got)
	}
	if got := (Requirement{Hours: 1, Minutes: 1, Lookback: 60}).PrevDue(time.UTC, nil, 1_780_000_000, 3); got != nil {
		t.Errorf("a line without days was due at %v", got)
	}
}
