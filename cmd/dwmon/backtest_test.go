package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/golden"
)

// TestBacktestReads: a month with all that there may be in it, as its reader sees it in
// a terminal of eighty columns.
func TestBacktestReads(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COLUMNS", "80")
	const from, day = 1777586400, 86400 // 2026-05-01 00:00 in Berlin
	lines := []string{
		"CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180",
		"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS3600",
	}
	incident := func(line int, at, minutes int64, lowest, highest, bad int64) backtest.Incident {
		until := at + 60*minutes
		return backtest.Incident{
			Subject: dwmon.SubjectCount, LineIndex: line, Requirement: lines[line], Opened: at, Closed: &until, End: dwmon.EndRecovered,
			Reason: dwmon.Low, Lowest: lowest, Highest: highest, Bad: bad,
		}
	}
	b := &daemon.Backtest{
		Name: "billing/new orders", Zone: berlin, Text: "checks/billing/new orders.dwmon", Against: "the text in use",
		Summary: &backtest.Summary{
			From: from, Until: from + 30*day - 60, Good: 43_000, Bad: 760, Unknown: 40,
			Lines: []backtest.LineSummary{
				{LineIndex: 0, Requirement: lines[0], Good: 540, Bad: 27, Incidents: 13, Late: 1},
				{LineIndex: 1, Requirement: lines[1], Good: 42_427, Bad: 733, Unknown: 40, Incidents: 1, UnknownIncidents: 1, GapMinutes: 120},
			},
			Notes: []string{"before 2026-05-03 09:00 no fetch is on record: rows count there as known at their own time, and no false alarm of late rows shows"},
		},
		Before: &backtest.Summary{Lines: []backtest.LineSummary{{Requirement: lines[1], Incidents: 2, UnknownIncidents: 1}}},
		Doubts: []string{"QUERY of checks/billing/new orders.dwmon differs from that of the text in use: the rows are those that the text in use has brought"},
	}
	for i := range int64(12) {
		b.New = append(b.New, incident(0, from+i*day+10*3600, 20, i, i, 1))
	}
	late := incident(0, from+20*day+10*3600, 40, 0, 4, 2)
	late.Late = true
	b.New = append(b.New, late)
	lasts := incident(1, from+29*day, 0, 0, 0, 700)
	lasts.Closed = nil
	unknown := incident(1, from+3*day, 40, 12, 900, 40)
	unknown.Subject, unknown.Reason = dwmon.SubjectChecker, dwmon.Truncated
	b.Kept = []backtest.Incident{unknown, lasts}
	b.Gone = []backtest.Incident{incident(1, from+9*day, 2, 0, 0, 2)}
	b.Incidents = append(append([]backtest.Incident{}, b.New...), b.Kept...)
	for name, all := range map[string]bool{"compared.txt": false, "compared_all.txt": true} {
		var out bytes.Buffer
		if err := printBacktest(&out, b, all); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata", "backtest", name), out.String())
	}
	b.Before, b.Against, b.New, b.Kept, b.Gone, b.Hindsight, b.Doubts = nil, "", nil, nil, nil, true, nil
	var out bytes.Buffer
	if err := printBacktest(&out, b, false); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", "backtest", "alone.txt"), out.String())
	out.Reset()
	b.Incidents, b.Lines, b.Notes = nil, b.Lines[:1], nil
	b.Lines[0].Incidents, b.Lines[0].Late = 0, 0
	if err := printBacktest(&out, b, false); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", "backtest", "quiet.txt"), out.String())
}

// TestBacktestGates: the limits of CI, each by itself.
func TestBacktestGates(t *testing.T) {
	b := &daemon.Backtest{Against: "the text in use", Summary: &backtest.Summary{Lines: []backtest.LineSummary{{Incidents: 2, UnknownIncidents: 1}}}}
	b.New = make([]backtest.Incident, 2)
	for _, c := range []struct {
		gates gates
		want  string
	}{
		{gates{-1, -1}, ""},
		{gates{3, 2}, ""},
		{gates{2, -1}, "dwmon: 3 alerts, but --max-alerts allows 2\n"},
		{gates{-1, 1}, "dwmon: 2 new alerts against the text in use, but --max-new allows 1\n"},
		{gates{0, 0}, "dwmon: 3 alerts, but --max-alerts allows 0\ndwmon: 2 new alerts against the text in use, but --max-new allows 0\n"},
	} {
		var errs bytes.Buffer
		err := c.gates.check(&errs, b)
		if (err != nil) != (c.want != "") || errs.String() != c.want {
			t.Errorf("%s: %v, %q, want %q", fmt.Sprint(c.gates), err, errs.String(), c.want)
		}
	}
}

func TestComparedText(t *testing.T) {
	for want, n := range map[string][5]int{
		"no alerts with either text":               {},
		"no alerts → 3: 3 new":                     {0, 3, 3, 0, 0},
		"85 alerts → none: 85 gone":                {85, 0, 0, 85, 0},
		"1 alert → 14: 13 new, 1 in both":          {1, 14, 13, 0, 1},
		"3 alerts → 15: 13 new, 1 gone, 2 in both": {3, 15, 13, 1, 2},
	} {
		if got := comparedText(int64(n[0]), int64(n[1]), n[2], n[3], n[4]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
