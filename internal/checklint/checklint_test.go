package checklint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checklint"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// now is a second of the summer before the clocks of Europe are set back.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Unix()

func parse(t *testing.T, text string) *dwmon.Checker {
	t.Helper()
	c, faults := checkfile.Parse("a.dwmon", "a", []byte(text))
	if c == nil {
		t.Fatalf("the test's own file is bad:\n%s", dwmon.FileFaults(faults).Text())
	}
	return c
}

// file writes a checker around requirement lines and OPTIONS.
func file(lines, options string) string {
	return "__QUERY__\nSELECT 1\n__REQUIREMENTS__\n" + lines + "\n__SOURCE__\nAWS\n__OPTIONS__\n" + options + "\n"
}

// said gives the faults as LINE:COLUMN CODE: message.
func said(faults []dwmon.FileFault) (all []string) {
	for _, f := range faults {
		place, _ := strings.CutPrefix(f.Error(), f.File+":")
		place, _, _ = strings.Cut(place, ": ")
		all = append(all, place+" "+f.Code+": "+f.Message)
	}
	return all
}

const every = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS "

func TestLines(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, lines string
		want        []string
	}{
		{"the usual: every minute, three minutes back", every + "MINNUM5 MAXNUM20 LOOKBACKSECONDS180", nil},
		{"sampling every 20 minutes is meant", "CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", nil},
		{"windows that touch, for a count that need not be exact", every + "MINNUM5 MAXNUM20 LOOKBACKSECONDS60", nil},
		{"a look into one hour of the day", "CHECKHOURS9 CHECKMINUTES0 WEEKDAYS MAXNUM0 LOOKBACKSECONDS3600", nil},
		{
			"a second short of the step", every + "MINNUM5 LOOKBACKSECONDS59",
			[]string{"4:59 windows-apart: checked every minute, but 59 seconds are counted: rows of the 1 second between are counted by no check"},
		},
		{"half of the step may be meant", every + "MINNUM5 LOOKBACKSECONDS30", nil},
		{"an hour short of a day may be meant", "CHECKHOURS9 CHECKMINUTES0 WEEKDAYS WEEKENDS MINNUM1 LOOKBACKSECONDS82800", nil},
		{
			"a second more than the step", every + "MAXNUM5 LOOKBACKSECONDS61",
			[]string{"4:59 windows-overlap: checked every minute, but 61 seconds are counted: rows of 1 second are counted by two checks"},
		},
		{"the same does no harm to a lower bound", every + "MINNUM5 LOOKBACKSECONDS61", nil},
		{
			"windows that touch, where no row is allowed", every + "MAXNUM0 LOOKBACKSECONDS60",
			[]string{"4:59 window-edges: the windows touch, and are open at both ends: a row at exactly a full minute between two of them is counted by neither"},
		},
		{
			"windows that touch, where each row is expected", "CHECKHOURS0-23 CHECKMINUTES0 WEEKDAYS WEEKENDS MINNUM4 MAXNUM4 LOOKBACKSECONDS3600",
			[]string{"4:64 window-edges: the windows touch, and are open at both ends: a row at exactly a full minute between two of them is counted by neither"},
		},
		{"half open they lose nothing", every + "MAXNUM0 LOOKBACKSECONDS60 HALFOPEN", nil},
		{
			"no row is allowed, and most are not looked at", "CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MAXNUM0 LOOKBACKSECONDS180",
			[]string{"4:51 unwatched-spans: no row at all is allowed, but of every 20 minutes only 3 minutes are looked at"},
		},
		{
			"unless another line looks at all", "CHECKHOURS0-23 CHECKMINUTES*/20 WEEKDAYS WEEKENDS MAXNUM0 LOOKBACKSECONDS180\n" +
				"CHECKHOURS0-23 CHECKMINUTES0 WEEKDAYS WEEKENDS MAXNUM0 LOOKBACKSECONDS7200", nil,
		},
		{
			"two lines that cannot both be GOOD", every + "MINNUM5 LOOKBACKSECONDS180\nCHECKHOURS5 CHECKMINUTES7 WEEKDAYS MAXNUM4 LOOKBACKSECONDS3600",
			[]string{"5:1 lines-contradict: this line and line 4 are due at the same minutes and cannot both be GOOD: one wants at least 5 in 3 minutes, the other at most 4 in 1 hour"},
		},
		{"more in a longer window is no contradiction", every + "MAXNUM4 LOOKBACKSECONDS180\nCHECKHOURS5 CHECKMINUTES7 WEEKDAYS MINNUM5 LOOKBACKSECONDS3600", nil},
		{"and neither are lines that never meet", "CHECKHOURS5 CHECKMINUTES7 WEEKDAYS MINNUM5 LOOKBACKSECONDS60\nCHECKHOURS5 CHECKMINUTES8 WEEKDAYS MAXNUM4 LOOKBACKSECONDS60", nil},
		{
			"due only in the hour at which clocks change", "CHECKHOURS2 CHECKMINUTES30 WEEKENDS MINNUM1 LOOKBACKSECONDS3600",
			[]string{"4:1 clock-change: the clocks of Europe/Berlin change: this line is not checked on 2027-03-28, when its time does not exist, and checked twice on 2026-10-25, when its time comes twice"},
		},
		{"on days on which they do not", "CHECKHOURS2 CHECKMINUTES30 WEEKDAYS MINNUM1 LOOKBACKSECONDS3600", nil},
		{"and in other hours too", "CHECKHOURS1-2 CHECKMINUTES30 WEEKENDS MINNUM1 LOOKBACKSECONDS3600", nil},
		{"at the hour behind", "CHECKHOURS3 CHECKMINUTES0 WEEKENDS MINNUM1 LOOKBACKSECONDS3600", nil},
		{
			"days without a hole, and one of them has 25 hours", "CHECKHOURS6 CHECKMINUTES0 WEEKDAYS WEEKENDS MINNUM1 LOOKBACKSECONDS86400 HALFOPEN",
			[]string{"4:53 clock-change: the clocks of Europe/Berlin are set back on 2026-10-25: that day is longer than a look-back of 24 hours, and rows of 1 hour are counted by no check"},
		},
		{"a day in which only a few are expected", "CHECKHOURS6 CHECKMINUTES0 WEEKDAYS WEEKENDS MINNUM1 LOOKBACKSECONDS86400", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := checklint.Lint(parse(t, file(tt.lines, "")), checklint.Surroundings{Now: now, Zone: berlin})
			if diff := cmp.Diff(tt.want, said(faults)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNeverDue(t *testing.T) {
	c := parse(t, file("CHECKHOURS0-23 CHECKMINUTES0 WEEKENDS MINNUM1 LOOKBACKSECONDS3600\nCHECKHOURS0-23 CHECKMINUTES0 CHECKDAYSSUN-SUN MINNUM2 LOOKBACKSECONDS3600", ""))
	saturdays := map[dwmon.Day]string{}
	sundays := map[dwmon.Day]string{}
	for d := dwmon.DayAt(now, time.UTC); d < dwmon.DayAt(now, time.UTC)+1000; d++ {
		switch d.Midnight().Weekday() {
		case time.Saturday:
			saturdays[d] = "closed"
		case time.Sunday:
			sundays[d] = "closed"
		}
	}
	around := checklint.Surroundings{Now: now, Zone: time.UTC, Closed: dwmon.NewClosedDays(saturdays)}
	if got := said(checklint.Lint(c, around)); got != nil {
		t.Errorf("lines that are due on Sundays: %q", got)
	}
	around.Closed = dwmon.NewClosedDays(sundays)
	want := []string{"5:1 never-due: this line is not due on any day of the next year: its calendars close all its days"}
	if diff := cmp.Diff(want, said(checklint.Lint(c, around))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLimit(t *testing.T) {
	const columns = "SELECT id AS dwmon_unique_key, ts AS dwmon_timestamp FROM t "
	fetch := func(rows, fresh int64, cut bool) dwmon.FetchRecord {
		return dwmon.FetchRecord{OK: true, Rows: rows, Fresh: fresh, Cut: cut}
	}
	full := []dwmon.FetchRecord{fetch(50, 50, true), fetch(50, 45, true), fetch(50, 40, true), fetch(50, 3, true)}
	for _, tt := range []struct {
		name, query, line, options string
		fetches                    []dwmon.FetchRecord
		want                       []string
	}{
		{"newest first, and enough of them", columns + "ORDER BY ts DESC LIMIT 50", "MINNUM5 MAXNUM20 LOOKBACKSECONDS180", "", full[3:], nil},
		{
			"in no order", columns + "\nLIMIT 50", "MINNUM5 LOOKBACKSECONDS180", "", nil,
			[]string{"3:1 limit-order: the query has a LIMIT but does not give the newest rows first, and so may leave the new ones out"},
		},
		{
			"oldest first", columns + "ORDER BY ts LIMIT 50", "MINNUM5 LOOKBACKSECONDS180", "", nil,
			[]string{"2:73 limit-order: the query has a LIMIT but does not give the newest rows first, and so may leave the new ones out"},
		},
		{"oldest first without a LIMIT", columns + "ORDER BY ts", "MINNUM5 LOOKBACKSECONDS180", "", nil, nil},
		{"what is no SQL", "GET /orders LIMIT 5", "MINNUM50 LOOKBACKSECONDS60", "", nil, nil},
		{
			"fewer than are wanted", columns + "ORDER BY ts DESC LIMIT 50", "MINNUM60 LOOKBACKSECONDS60", "", nil,
			[]string{"2:78 limit-too-small: a fetch gives at most 50 rows, but line 4 wants at least 60 in 1 minute, which is 60 at each fetch"},
		},
		{"as many, over more than one fetch", columns + "ORDER BY ts DESC LIMIT 50", "MINNUM60 LOOKBACKSECONDS180", "", nil, nil},
		{
			"too few to be too many", columns + "ORDER BY ts DESC LIMIT 50", "MAXNUM50 LOOKBACKSECONDS60", "", nil,
			[]string{"2:78 limit-too-small: a fetch gives at most 50 rows, so line 4 cannot count more than its MAXNUM of 50 in 1 minute"},
		},
		{
			"fetches that were full of new rows", columns + "ORDER BY ts DESC LIMIT 50", "MINNUM5 LOOKBACKSECONDS180", "", full,
			[]string{"2:78 results-cut: 3 of the last fetches gave 50 rows, nearly all of them new, and were cut: rows between them are missing"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, "__QUERY__\n"+tt.query+"\n__REQUIREMENTS__\n"+every+tt.line+"\n__SOURCE__\nAWS\n__OPTIONS__\n"+tt.options+"\n")
			for i := range c.Lines { // the query may take two lines
				c.Lines[i].FileLine = 4
			}
			faults := checklint.Lint(c, checklint.Surroundings{Now: now, Zone: time.UTC, Fetches: tt.fetches})
			if diff := cmp.Diff(tt.want, said(faults)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	const line = every + "MINNUM5 LOOKBACKSECONDS180"
	for _, tt := range []struct {
		name, options string
		around        checklint.Surroundings
		want          []string
	}{
		{"nothing is known, nothing is said", "handlers: [pager]\ngrace: 5m", checklint.Surroundings{}, nil},
		{
			"a handler that there is not", "owner: a\nhandlers: [log, pagerr]",
			checklint.Surroundings{Handlers: []string{"log", "pager"}},
			[]string{"9:17 unknown-handler: no handler is named pagerr"},
		},
		{
			"in a list of lines", "handlers:\n  - log\n  - mail",
			checklint.Surroundings{Handlers: []string{"log"}},
			[]string{"10:5 unknown-handler: no handler is named mail"},
		},
		{"nobody is told", "handlers: []", checklint.Surroundings{Handlers: []string{}}, nil},
		{
			"what is required", "owner: billing\nlabels: {team: a}",
			checklint.Surroundings{Require: []string{"owner", "runbook", "label.team", "label.tier", "timezone"}},
			[]string{
				"7:1 policy: OPTIONS names no runbook, and `policy` in dwmon.yaml requires it",
				"7:1 policy: OPTIONS has no label tier, and `policy` in dwmon.yaml requires it",
				"7:1 policy: OPTIONS names no timezone, and `policy` in dwmon.yaml requires it",
			},
		},
		{
			"rows that are purged too early", "",
			checklint.Surroundings{Keep: 2 * time.Minute},
			[]string{"4:59 lookback-over-keep: the look-back is 3 minutes, but the purger keeps rows for 2m only: each purge is cut short and reported"},
		},
		{
			"verdicts that come days late", "owner: a\ngrace: 2d",
			checklint.Surroundings{},
			[]string{"9:1 long-grace: every minute is judged 2d after it has passed: grace delays all verdicts"},
		},
		{
			"a source that nobody serves", "",
			checklint.Surroundings{Unserved: "no row getter serves SOURCE AWS"},
			[]string{"6:1 unserved-source: no row getter serves SOURCE AWS"},
		},
		{"where nothing is checked", "enabled: false", checklint.Surroundings{Unserved: "no row getter serves SOURCE AWS"}, nil},
		{
			"a warning that is allowed", "# dwmon: allow long-grace, windows-apart\ngrace: 2d", checklint.Surroundings{}, nil,
		},
		{"an error cannot be", "# dwmon: allow policy", checklint.Surroundings{Require: []string{"owner"}}, []string{"7:1 policy: OPTIONS names no owner, and `policy` in dwmon.yaml requires it"}},
		{
			"a rule that there is not", "# dwmon: allow long-grac\ngrace: 2d",
			checklint.Surroundings{},
			[]string{"8:16 allows-unknown-rule: there is no rule long-grac that could be allowed", "9:1 long-grace: every minute is judged 2d after it has passed: grace delays all verdicts"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.around.Now = now
			faults := checklint.Lint(parse(t, file(line, tt.options)), tt.around)
			if diff := cmp.Diff(tt.want, said(faults)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A file without OPTIONS is at fault in its last line.
func TestPolicyWithoutOptions(t *testing.T) {
	c := parse(t, "__QUERY__\nSELECT 1\n__REQUIREMENTS__\n"+every+"MINNUM5 LOOKBACKSECONDS180\n__SOURCE__\nAWS\n")
	got := said(checklint.Lint(c, checklint.Surroundings{Now: now, Require: []string{"owner"}}))
	if diff := cmp.Diff([]string{"6:1 policy: OPTIONS names no owner, and `policy` in dwmon.yaml requires it"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A warning that comes up in the examples would come up everywhere.
func TestShippedCheckersHaveNoWarning(t *testing.T) {
	paths, _ := filepath.Glob("../../checks/*.dwmon")
	if len(paths) == 0 {
		t.Fatal("no examples")
	}
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			around := checklint.Surroundings{Now: now, Zone: zone, Require: []string{"owner", "description"}, Handlers: []string{"log"}, Keep: 30 * 24 * time.Hour}
			if faults := checklint.Lint(parse(t, string(text)), around); len(faults) > 0 {
				t.Errorf("%s in %s:\n%s", path, zone, dwmon.FileFaults(faults).Text())
			}
		}
	}
}

// drawRequirement draws a line of few minutes, so that its calendar has structure.
func drawRequirement(t *rapid.T) dwmon.Requirement {
	return dwmon.Requirement{
		Hours:    dwmon.HourSet(rapid.Uint32Range(1, 1<<24-1).Draw(t, "hours")),
		Minutes:  dwmon.MinuteSet(rapid.SampledFrom([]uint64{1, 1 << 30, 1 | 1<<30, dwmon.StepSet(20, 60), dwmon.StepSet(7, 60), 1<<60 - 1}).Draw(t, "minutes")),
		Days:     dwmon.DaySet(rapid.Uint8Range(1, 1<<7-1).Draw(t, "days")),
		Min:      dwmon.At(1),
		Lookback: 60,
	}
}

func TestCadenceIsTheMostFrequentDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequirement(t)
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
		got := checklint.Cadence(r)
		for d, n := range counts {
			if n > counts[got] || n == counts[got] && d < got {
				t.Fatalf("the distance %d s comes %d times, %d s only %d times", d, n, got, counts[got])
			}
		}
	})
}

// What is said of changes of the clocks is what the walk does.
func TestClockChangesAgreeWithTheWalk(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Santiago"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		r := dwmon.Requirement{
			Hours: 1 << hour, Minutes: 1 << minute, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(1), Lookback: 3600, FileLine: 1,
		}
		c := &dwmon.Checker{Text: []byte("x"), Lines: []dwmon.Requirement{r}}
		faults := checklint.Lint(c, checklint.Surroundings{Now: now, Zone: zone})
		times := map[string]int{}
		for _, at := range r.NextDue(zone, nil, now, 400) {
			times[time.Unix(at, 0).In(zone).Format(time.DateOnly)]++
		}
		odd := ""
		today := dwmon.DayAt(now, zone)
		for d := today + 1; d < today+365; d++ {
			switch n := times[d.String()]; {
			case n == 0:
				odd += " not " + d.String()
			case n > 1:
				odd += " twice " + d.String()
			}
		}
		switch {
		case odd == "" && len(faults) > 0:
			t.Fatalf("%02d:%02d in %s: %v, but nothing is odd", hour, minute, zone, faults)
		case odd != "" && len(faults) != 1:
			t.Fatalf("%02d:%02d in %s: nothing is said of%s", hour, minute, zone, odd)
		}
		for _, day := range strings.Fields(odd) {
			if len(day) == len(time.DateOnly) && !strings.Contains(faults[0].Message, day) {
				t.Fatalf("%02d:%02d in %s: %s is not in: %s", hour, minute, zone, day, faults[0].Message)
			}
		}
	})
}
