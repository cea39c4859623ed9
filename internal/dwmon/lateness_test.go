package dwmon_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// sec makes microseconds of seconds.
func sec(s float64) int64 { return int64(s * 1e6) }

// everyMinute are fetches from minute 10 on, five seconds after each.
func everyMinute(n int) (fetches []dwmon.Asked) {
	for i := range n {
		fetches = append(fetches, dwmon.Asked{Started: sec(float64(600 + 60*i + 5)), QueryID: 1})
	}
	return fetches
}

func TestLatenessIsMeasuredOnlyWhereItCanBe(t *testing.T) {
	fetches := everyMinute(3)
	far := dwmon.Asked{Started: sec(1000), QueryID: 1}
	edited := dwmon.Asked{Started: sec(1050), QueryID: 2}
	next := dwmon.Asked{Started: sec(1100), QueryID: 2}
	complete := sec(1090)
	cut := dwmon.Asked{Started: sec(1150), QueryID: 2, Complete: &complete}
	last := dwmon.Asked{Started: sec(1200), QueryID: 2}
	fetches = append(fetches, far, edited, next, cut, last)
	for _, c := range []struct {
		name string
		row  dwmon.Arrival
		want bool
	}{
		{"a row of the second fetch", dwmon.Arrival{Micros: sec(650), FirstSeen: sec(665), QueryID: 1}, true},
		{"a row of the very first", dwmon.Arrival{Micros: sec(590), FirstSeen: sec(605), QueryID: 1}, false},
		{"an imported row", dwmon.Arrival{Micros: sec(650), FirstSeen: sec(660), QueryID: 0}, false},
		{"a row of a fetch that is not kept", dwmon.Arrival{Micros: sec(650), FirstSeen: sec(666), QueryID: 1}, false},
		{"a row after a pause", dwmon.Arrival{Micros: sec(990), FirstSeen: sec(1000), QueryID: 1}, false},
		{"a row of an edited query", dwmon.Arrival{Micros: sec(990), FirstSeen: sec(1050), QueryID: 2}, false},
		{"a row of the fetch after it", dwmon.Arrival{Micros: sec(990), FirstSeen: sec(1100), QueryID: 2}, true},
		{"a row that the cut result before had room for", dwmon.Arrival{Micros: sec(1090), FirstSeen: sec(1200), QueryID: 2}, true},
		{"one that it had not", dwmon.Arrival{Micros: sec(1080), FirstSeen: sec(1200), QueryID: 2}, false},
	} {
		if got := dwmon.MeasureLateness([]dwmon.Arrival{c.row}, fetches).Rows == 1; got != c.want {
			t.Errorf("%s: measured %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLateness(t *testing.T) {
	fetches := everyMinute(20)
	// rows gives n rows that happen ten seconds before a fetch, and are seen by the
	// one so many minutes after it.
	rows := func(n, minutes int) (rows []dwmon.Arrival) {
		for range n {
			rows = append(rows, dwmon.Arrival{Micros: sec(655), FirstSeen: sec(float64(665 + 60*minutes)), QueryID: 1})
		}
		return rows
	}
	for _, c := range []struct {
		name  string
		rows  []dwmon.Arrival
		p99   time.Duration
		grace time.Duration
	}{
		{"nothing", nil, 0, 0},
		{"all in time", rows(100, 0), 10 * time.Second, 0},
		{"too few to propose a grace", rows(19, 3), 190 * time.Second, 0},
		{"enough", rows(20, 3), 190 * time.Second, 3 * time.Minute},
		{"one in a hundred is late", append(rows(99, 0), rows(1, 5)...), 10 * time.Second, 0},
		{"two are", append(rows(98, 1), rows(2, 5)...), 310 * time.Second, 5 * time.Minute},
		{"rows of the future are not late", []dwmon.Arrival{{Micros: sec(2000), FirstSeen: sec(665), QueryID: 1}}, 0, 0},
	} {
		got := dwmon.MeasureLateness(c.rows, fetches)
		if got.Rows != len(c.rows) || got.P99 != c.p99 || got.Grace != c.grace {
			t.Errorf("%s: %+v, want %d rows, 99 %% within %s, grace %s", c.name, got, len(c.rows), c.p99, c.grace)
		}
	}
}

// TestTheProposedGraceIsExact says of rows just before and after the borders of
// minutes what grace they would have needed.
func TestTheProposedGraceIsExact(t *testing.T) {
	for _, c := range []struct {
		ts, seen float64
		want     time.Duration
	}{
		{659.999999, 665, 0},          // counted at minute 11, whose pass is this one
		{660, 665, 0},                 // counted at minute 12
		{599.999999, 665, 1 * 60e9},   // counted at minute 10
		{540, 665, 1 * 60e9},          // so is this: a window ends before its minute
		{539.999999, 665, 2 * 60e9},   // counted at minute 9
		{599.999999, 1205, 10 * 60e9}, // ten passes later
	} {
		var rows []dwmon.Arrival
		for range 20 {
			rows = append(rows, dwmon.Arrival{Micros: sec(c.ts), FirstSeen: sec(c.seen), QueryID: 1})
		}
		if got := dwmon.MeasureLateness(rows, everyMinute(20)).Grace; got != c.want {
			t.Errorf("a row of %f seen at %f: grace %s, want %s", c.ts, c.seen, got, c.want)
		}
	}
}

func TestLatenessForPeople(t *testing.T) {
	l := dwmon.Lateness{Rows: 40, Median: 1500 * time.Millisecond, P90: 3 * time.Second, P99: 125 * time.Second, Max: time.Hour, Grace: 2 * time.Minute}
	if got, want := l.Text(0), "50 % of rows within 2s, 90 % within 3s, 99 % within 125s, all within 1h (40 rows); `grace: 2m` in OPTIONS would have waited for 99 % of them"; got != want {
		t.Errorf("Text = %q\nwant %q", got, want)
	}
	if got := l.Text(2 * time.Minute); strings.Contains(got, "grace") {
		t.Errorf("a grace that is set already is proposed: %q", got)
	}
	for want, status := range map[string]dwmon.LatenessStatus{
		`{"rows":40,"median_seconds":1.500000,"p90_seconds":3,"p99_seconds":125,"max_seconds":3600,"proposed_grace_seconds":120}`:  {Lateness: l},
		`{"rows":40,"median_seconds":1.500000,"p90_seconds":3,"p99_seconds":125,"max_seconds":3600,"proposed_grace_seconds":null}`: {Lateness: l, Set: 5 * time.Minute},
		`{"rows":0,"median_seconds":null,"p90_seconds":null,"p99_seconds":null,"max_seconds":null,"proposed_grace_seconds":null}`:  {},
	} {
		got, err := json.Marshal(status)
		if err != nil || string(got) != want {
			t.Errorf("JSON = %s, %v\nwant %s", got, err, want)
		}
	}
}
