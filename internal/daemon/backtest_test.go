package daemon

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// lived makes an incident of minutes from..until; until 0: it lasts.
func lived(line string, from, until int64) backtest.Incident {
	i := backtest.Incident{Subject: dwmon.SubjectCount, Requirement: line, Opened: from}
	if until > 0 {
		i.Closed = &until
	}
	return i
}

func summaryOf(lines []string, incidents ...backtest.Incident) *backtest.Summary {
	s := &backtest.Summary{Incidents: incidents}
	for _, l := range lines {
		s.Lines = append(s.Lines, backtest.LineSummary{Requirement: l})
	}
	return s
}

func TestIncidentsAreCompared(t *testing.T) {
	unknown := lived("a", 100, 200)
	unknown.Subject = dwmon.SubjectChecker
	for _, c := range []struct {
		name          string
		before, after *backtest.Summary
		fresh, gone   int
	}{
		{"nothing happened", summaryOf([]string{"a"}), summaryOf([]string{"a"}), 0, 0},
		{"the same", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"a"}, lived("a", 100, 200)), 0, 0},
		{"it begins earlier and ends earlier", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"a"}, lived("a", 50, 100)), 0, 0},
		{"another time", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"a"}, lived("a", 260, 300)), 1, 1},
		{"one that lasts", summaryOf([]string{"a"}, lived("a", 100, 0)), summaryOf([]string{"a"}, lived("a", 900, 1000)), 0, 0},
		{"two of one", summaryOf([]string{"a"}, lived("a", 100, 500)), summaryOf([]string{"a"}, lived("a", 100, 200), lived("a", 300, 400)), 0, 0},
		{"an edited line", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"b"}, lived("b", 150, 400), lived("b", 900, 960)), 1, 0},
		{"a line that stayed, beside a new one", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"a", "b"}, lived("b", 100, 200)), 1, 1},
		{"an UNKNOWN is no BAD", summaryOf([]string{"a"}, lived("a", 100, 200)), summaryOf([]string{"a"}, unknown), 1, 1},
	} {
		fresh, gone, kept := compareIncidents(c.before, c.after)
		if len(fresh) != c.fresh || len(gone) != c.gone || len(fresh)+len(kept) != len(c.after.Incidents) {
			t.Errorf("%s: %d new, %d gone, %d kept; want %d new, %d gone", c.name, len(fresh), len(gone), len(kept), c.fresh, c.gone)
		}
	}
}

// TestIncidentsAreComparedAsOneByOne holds the comparison against one of each with each.
func TestIncidentsAreComparedAsOneByOne(t *testing.T) {
	draw := func(rt *rapid.T, lines []string) *backtest.Summary {
		var all []backtest.Incident
		for _, line := range lines {
			at := int64(0)
			for range rapid.IntRange(0, 6).Draw(rt, "incidents") {
				from := at + rapid.Int64Range(1, 20).Draw(rt, "after")
				at = from + rapid.Int64Range(0, 20).Draw(rt, "for")
				all = append(all, lived(line, from, at))
			}
		}
		slices.SortStableFunc(all, func(a, b backtest.Incident) int { return int(a.Opened - b.Opened) })
		return summaryOf(lines, all...)
	}
	rapid.Check(t, func(rt *rapid.T) {
		before, after := draw(rt, []string{"both", "old", "older"}), draw(rt, []string{"both", "new"})
		fresh, gone, _ := compareIncidents(before, after)
		alone := func(in, others []backtest.Incident) (n int) {
			for _, i := range in {
				if !slices.ContainsFunc(others, func(o backtest.Incident) bool {
					return (i.Requirement == "both") == (o.Requirement == "both") && i.Opened <= *o.Closed && o.Opened <= *i.Closed
				}) {
					n++
				}
			}
			return n
		}
		if a, b := alone(after.Incidents, before.Incidents), alone(before.Incidents, after.Incidents); len(fresh) != a || len(gone) != b {
			rt.Fatalf("%d new and %d gone; one by one %d and %d", len(fresh), len(gone), a, b)
		}
	})
}

func TestAFileNamesItsChecker(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/checks/orders.dwmon":                   "orders",
		"/srv/checks/billing/orders.dwmon":           "billing/orders",
		"/home/ann/repo/checks/billing/orders.dwmon": "billing/orders",
		"/srv/checks/../checks/a/b.dwmon":            "a/b",
		"/tmp/orders.dwmon":                          "orders",
		"/tmp/billing/orders.dwmon":                  "orders",
	} {
		b := &backtesting{Reader: &Reader{cfg: &config.Config{Checks: "/srv/checks"}}}
		if got := b.nameOf(path); got != want {
			t.Errorf("%s is the file of %q, want %q", path, got, want)
		}
	}
}
