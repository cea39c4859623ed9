package words

import (
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
	"pgregory.net/rapid"
)

// mustLine parses a requirement line as it stands in a file.
func mustLine(t *testing.T, line string) dwmon.Requirement {
	t.Helper()
	c, faults := checkfile.Parse("x.dwmon", "x", []byte("__QUERY__\nq\n__SOURCE__\ns\n__REQUIREMENTS__\n"+line+"\n"))
	if c == nil {
		t.Fatalf("%s: %v", line, faults)
	}
	return c.Lines[0]
}

func TestLinesInWords(t *testing.T) {
	berlin := mustZone("Europe/Berlin")
	tests := []struct {
		line string
		zone *time.Location
		want string
	}{
		{
			"CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", berlin,
			"every 20 minutes, 9:00 to 17:59 on weekdays, Europe/Berlin: 5 to 20 rows in the 3 minutes before",
		},
		{
			"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", time.UTC,
			"every minute, day and night, UTC: 5 to 20 rows in the 3 minutes before",
		},
		{
			"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS60", time.Local,
			"every minute, day and night on weekdays, local time: at least 1 row in the minute before",
		},
		{
			"CHECKHOURS*/1 CHECKMINUTES5 WEEKENDS MAXNUM0 LOOKBACKSECONDS3600 HALFOPEN", nil,
			"at minute 5 of the hour, day and night at weekends: no rows in the hour before, its first instant included",
		},
		{
			"CHECKHOURS9 CHECKMINUTES0 CHECKDAYSMON MINNUM3 MAXNUM3 LOOKBACKSECONDS604800", nil,
			"at 9:00 on Mondays: exactly 3 rows in the 7 days before",
		},
		{
			"CHECKHOURS9,13 CHECKMINUTES*/30 CHECKDAYSMON-THU MAXNUM1 LOOKBACKSECONDS90", nil,
			"at 9:00, 9:30, 13:00 and 13:30 from Monday to Thursday: at most 1 row in the 90 seconds before",
		},
		{
			"CHECKHOURS*/2 CHECKMINUTES0-29 CHECKDAYSSUN,TUE,FRI MINNUM0 MAXNUM9 LOOKBACKSECONDS86400 HALFOPEN", nil,
			"at minutes 0 to 29 of the hour, in the hours 0, 2, 4 … 22 on Tuesday, Friday and Sunday: 0 to 9 rows in the day before, its first instant included",
		},
		{
			"CHECKHOURS0-5,22-23 CHECKMINUTES*/7 CHECKDAYSMON,WED-SAT MINNUM2 LOOKBACKSECONDS129600", nil,
			"at minutes 0, 7, 14 … 56 of the hour, 0:00 to 5:59 and 22:00 to 23:59 on Monday and Wednesday to Saturday: at least 2 rows in the 36 hours before",
		},
		{
			"CHECKHOURS8-17 CHECKMINUTES*/25 WEEKDAYS MINNUM1 LOOKBACKSECONDS60", nil,
			"at minutes 0, 25 and 50 of the hour, 8:00 to 17:59 on weekdays: at least 1 row in the minute before",
		},
		{
			"CHECKHOURS8-9 CHECKMINUTES5,15,25,35,45,55 CHECKDAYSSAT-SUN MINNUM0 LOOKBACKSECONDS7201 HALFOPEN", nil,
			"every 10 minutes from minute 5 of the hour on, 8:00 to 9:59 at weekends: any number of rows in the 2 hours and 1 second before, their first instant included",
		},
		{
			"CHECKHOURS3 CHECKMINUTES0-40,50 CHECKDAYSMON,TUE MINNUM1 LOOKBACKSECONDS5400", nil,
			"at minutes 0 to 40 and 50 of the hour, 3:00 to 3:59 on Monday and Tuesday: at least 1 row in the 90 minutes before",
		},
	}
	for _, tt := range tests {
		if got := Line(mustLine(t, tt.line), tt.zone); got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.line, got, tt.want)
		}
	}
}

func drawLine(t *rapid.T) dwmon.Requirement {
	set := func(size int) uint64 {
		// Random sets hardly ever are what people write: steps, spans and few members.
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return dwmon.StepSet(rapid.IntRange(1, size-1).Draw(t, "step"), size)
		case 1:
			a := rapid.IntRange(0, size-1).Draw(t, "a")
			b := rapid.IntRange(a, size-1).Draw(t, "b")
			return (1<<(b-a+1) - 1) << a
		case 2:
			return 1<<rapid.IntRange(0, size-1).Draw(t, "one") | 1<<rapid.IntRange(0, size-1).Draw(t, "other")
		default:
			return rapid.Uint64Range(1, 1<<size-1).Draw(t, "set")
		}
	}
	bound := func() dwmon.Bound {
		return dwmon.Bound{N: rapid.Int64Range(0, 3).Draw(t, "n"), Set: true}
	}
	r := dwmon.Requirement{
		Hours: dwmon.HourSet(set(24)), Minutes: dwmon.MinuteSet(set(60)), Days: dwmon.DaySet(set(7)),
		Lookback: rapid.OneOf(rapid.Int64Range(1, dwmon.MaxLookback), rapid.Int64Range(1, 7300)).Draw(t, "lookback"),
		HalfOpen: rapid.Bool().Draw(t, "half open"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "bounds") {
	case 0:
		r.Min = bound()
	case 1:
		r.Max = bound()
	default:
		r.Min, r.Max = bound(), bound()
		r.Max.N = max(r.Min.N, r.Max.N)
	}
	return r
}

// demanded is the line without what changes nothing: MINNUM0 beside MAXNUM0.
func demanded(r dwmon.Requirement) string {
	if r.Max.Set && r.Max.N == 0 {
		r.Min = dwmon.Bound{}
	}
	return r.Identity()
}

// Words are the same only where the demand is: nobody is shown a difference that
// makes none, or none where there is one. "No rows" is MAXNUM0 with and without
// MINNUM0, which demand the same.
func TestDifferentLinesReadDifferently(t *testing.T) {
	seen := map[string]dwmon.Requirement{}
	rapid.Check(t, func(t *rapid.T) {
		a := drawLine(t)
		// Most pairs differ in everything; near ones are those that could be confused.
		b := a
		other := drawLine(t)
		switch rapid.IntRange(0, 4).Draw(t, "differs in") {
		case 0:
			b.Hours = other.Hours
		case 1:
			b.Minutes = other.Minutes
		case 2:
			b.Days = other.Days
		case 3:
			b.Min, b.Max = other.Min, other.Max
		default:
			b.Lookback, b.HalfOpen = other.Lookback, other.HalfOpen
		}
		for _, r := range []dwmon.Requirement{a, b} {
			words := Line(r, nil)
			if before, ok := seen[words]; ok && demanded(before) != demanded(r) {
				t.Fatalf("%q is\n%s and\n%s", words, before.Identity(), r.Identity())
			}
			seen[words] = r
		}
		if demanded(a) == demanded(b) && Line(a, nil) != Line(b, nil) {
			t.Fatalf("%s reads as %q and as %q", a.Identity(), Line(a, nil), Line(b, nil))
		}
	})
}

func TestRemarks(t *testing.T) {
	tests := []struct{ line, want string }{
		{"CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MINNUM5 LOOKBACKSECONDS1200", "end to end"},
		{"CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 LOOKBACKSECONDS1200", "end to end"},
		{"CHECKHOURS6 CHECKMINUTES0 WEEKDAYS WEEKENDS MINNUM5 LOOKBACKSECONDS86400", "end to end"},
		{"CHECKHOURS6 CHECKMINUTES0 CHECKDAYSMON MINNUM5 LOOKBACKSECONDS604800", "end to end"},
		{"CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MINNUM5 LOOKBACKSECONDS1200 HALFOPEN", ""},
		{"CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MINNUM5 LOOKBACKSECONDS1199", ""},
		{"CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MINNUM0 LOOKBACKSECONDS1199", "no count is ever BAD"},
	}
	for _, tt := range tests {
		got := strings.Join(Remarks(mustLine(t, tt.line)), "; ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.line, got, tt.want)
		}
	}
}
