package daemon

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// page gives the lines of /metrics about checkers, comments included.
func (m *metrics) page(t *testing.T, accept string) (lines []string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	promhttp.HandlerFor(m, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	for _, line := range strings.Split(w.Body.String(), "\n") {
		if strings.Contains(line, "dwmon_") && !strings.Contains(line, "dwmon_build_info") && !strings.Contains(line, "pass_duration") && !strings.Contains(line, "heartbeat") {
			lines = append(lines, line)
		}
	}
	return lines
}

// pass is a report of a pass that fetched rows, all new, in half a second.
func pass(name, source string, slot, rows int64, statuses ...dwmon.Status) engine.Report {
	r := engine.Report{Checker: &dwmon.Checker{Name: name}, Source: source, Slot: slot, Fetched: true, Judged: map[dwmon.Status]int64{}}
	r.Fetch.Started, r.Fetch.Ended = slot*1e6, slot*1e6+500_000
	r.Fetch.Tally.Rows, r.Fetch.Ingested.Fresh = rows, rows
	for i, s := range statuses {
		r.Judged[s]++
		r.Results = append(r.Results, dwmon.Verdict{LineID: int64(i), Status: s})
	}
	return r
}

// The page is what it would be with a series of the library for each figure.
func TestMetricsOfCheckers(t *testing.T) {
	m := newMetrics()
	if got := m.page(t, ""); len(got) != 0 {
		t.Errorf("before any pass: %q", got)
	}
	m.passed(pass("b", "S", 60, 10, dwmon.Good, dwmon.Bad))
	m.passed(pass("b", "S", 120, 5, dwmon.Good, dwmon.Unknown))
	m.passed(engine.Report{Checker: &dwmon.Checker{Name: "b"}, Source: "S", Slot: 180}) // nothing was due
	failed := pass("a\"1", "S", 120, 3)
	failed.Err, failed.Fetch.Err, failed.Gap, failed.Purged = errors.New("down"), errors.New("down"), 7, 2
	m.passed(failed)
	m.passed(engine.Report{Checker: &dwmon.Checker{Name: "c"}, Source: "S", Slot: 180}) // has nothing to show
	want := strings.Split(strings.TrimSpace(`
# HELP dwmon_checker_settled_timestamp_seconds The minute through which the checker's walk has settled.
# TYPE dwmon_checker_settled_timestamp_seconds gauge
dwmon_checker_settled_timestamp_seconds{checker="b"} 120
# HELP dwmon_checker_state 1 for the state that the checker is in after its last pass.
# TYPE dwmon_checker_state gauge
dwmon_checker_state{checker="a\"1",state="BAD"} 0
dwmon_checker_state{checker="a\"1",state="GOOD"} 0
dwmon_checker_state{checker="a\"1",state="UNKNOWN"} 1
dwmon_checker_state{checker="b",state="BAD"} 0
dwmon_checker_state{checker="b",state="GOOD"} 0
dwmon_checker_state{checker="b",state="UNKNOWN"} 1
# HELP dwmon_checks_total Checks judged, by status.
# TYPE dwmon_checks_total counter
dwmon_checks_total{checker="b",status="BAD"} 1
dwmon_checks_total{checker="b",status="GOOD"} 2
dwmon_checks_total{checker="b",status="UNKNOWN"} 1
# HELP dwmon_fetch_duration_seconds How long the last fetch took.
# TYPE dwmon_fetch_duration_seconds gauge
dwmon_fetch_duration_seconds{checker="a\"1",source="S"} 0.5
dwmon_fetch_duration_seconds{checker="b",source="S"} 0.5
# HELP dwmon_fetch_duration_seconds_total Time spent in fetches.
# TYPE dwmon_fetch_duration_seconds_total counter
dwmon_fetch_duration_seconds_total{checker="a\"1",source="S"} 0.5
dwmon_fetch_duration_seconds_total{checker="b",source="S"} 1
# HELP dwmon_fetch_new_rows_total Rows whose key was new.
# TYPE dwmon_fetch_new_rows_total counter
dwmon_fetch_new_rows_total{checker="a\"1",source="S"} 3
dwmon_fetch_new_rows_total{checker="b",source="S"} 15
# HELP dwmon_fetch_rows_total Rows that fetches brought.
# TYPE dwmon_fetch_rows_total counter
dwmon_fetch_rows_total{checker="a\"1",source="S"} 3
dwmon_fetch_rows_total{checker="b",source="S"} 15
# HELP dwmon_fetch_skipped_rows_total Rows without a timestamp, or one far in the future.
# TYPE dwmon_fetch_skipped_rows_total counter
dwmon_fetch_skipped_rows_total{checker="a\"1",source="S"} 0
dwmon_fetch_skipped_rows_total{checker="b",source="S"} 0
# HELP dwmon_fetches_total Fetches, by outcome: ok or failed.
# TYPE dwmon_fetches_total counter
dwmon_fetches_total{checker="a\"1",outcome="failed",source="S"} 1
dwmon_fetches_total{checker="b",outcome="ok",source="S"} 2
# HELP dwmon_gap_minutes_total Eligible minutes that were never judged.
# TYPE dwmon_gap_minutes_total counter
dwmon_gap_minutes_total{checker="a\"1"} 7
# HELP dwmon_purged_rows_total Rows purged.
# TYPE dwmon_purged_rows_total counter
dwmon_purged_rows_total{checker="a\"1"} 2
`), "\n")
	if diff := cmp.Diff(want, m.page(t, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if open := m.page(t, "application/openmetrics-text;version=1.0.0"); len(open) != len(want) {
		t.Errorf("as OpenMetrics there are %d lines, want %d", len(open), len(want))
	}
	m.passed(pass("b", "T", 180, 1, dwmon.Good)) // asks another source now
	m.checkers.keep(map[string]bool{"b": true})
	page := strings.Join(m.page(t, ""), "\n")
	for text, there := range map[string]bool{
		`dwmon_fetch_rows_total{checker="b",source="T"} 1`: true, `dwmon_checks_total{checker="b",status="GOOD"} 3`: true, `a\"1`: false, `source="S"`: false,
	} {
		if strings.Contains(page, text) != there {
			t.Errorf("%s: there is %v\n%s", text, !there, page)
		}
	}
}
