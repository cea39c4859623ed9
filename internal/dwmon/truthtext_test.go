package dwmon

import (
	"encoding/json"
	"testing"
	"time"
)

func TestCausesNameTheRemedy(t *testing.T) {
	const minute = int64(1_750_032_000)
	late := &Correction{Minute: minute, CountBefore: 4, CountAfter: 7, Status: Good, At: (minute + 840) * 1e6}
	high := *late
	high.CountAfter, high.Status, high.Reason, high.At = 99, Bad, High, (minute+86400)*1e6
	for _, c := range []struct {
		name   string
		result Result
		want   string
	}{
		{"cut", Result{Status: Unknown, Reason: Truncated}, "the result was cut: rows in the 60 s before 2025-06-16 00:00:00 may be missing; raise the LIMIT, or order by the timestamp, newest first"},
		{"edited", Result{Status: Unknown, Reason: QueryChanged, EventCount: 30}, "QUERY or SOURCE was edited: 30 rows in the 60 s before 2025-06-16 00:00:00 are more than 20, but not all of them are of the present one"},
		{"low", Result{Status: Bad, Reason: Low, EventCount: 4}, "4 rows in the 60 s before 2025-06-16 00:00:00, fewer than 5"},
		{"corrected", Result{Status: Bad, Reason: Low, EventCount: 4, Corrected: late}, "4 rows in the 60 s before 2025-06-16 00:00:00, fewer than 5 (corrected by late rows: 4 → 7 at 00:14)"},
		{"corrected to high, a day later", Result{Status: Bad, Reason: Low, EventCount: 4, Corrected: &high}, "4 rows in the 60 s before 2025-06-16 00:00:00, fewer than 5 (corrected by late rows: 4 → 99 at 2025-06-17 00:00, BAD high)"},
	} {
		c.result.Minute, c.result.LookbackSeconds, c.result.Min, c.result.Max = minute, 60, At(5), At(20)
		if got := c.result.Cause(time.UTC); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	text, err := json.Marshal(late)
	if want := `{"event_count":7,"check_status":"GOOD","at_epoch":1750032840}`; string(text) != want || err != nil {
		t.Errorf("a correction as JSON is %s, %v; want %s", text, err, want)
	}
}

func TestStatusTellsOfClocksAndReplicas(t *testing.T) {
	const now = int64(1_750_032_000)
	asOf := (now - 400) * 1e6
	settled := now - 420
	record := func(change func(*CheckerRecord)) CheckerRecord {
		r := CheckerRecord{Name: "a", Progress: &Progress{ID: 1, Settled: &settled, Lines: []LineProgress{lineWith(Good, now-600)}}, Last: []*Result{nil}}
		change(&r)
		return r
	}
	fetch := func(started int64) *FetchRecord {
		return &FetchRecord{OK: true, Started: started * 1e6, DataAsOf: &asOf}
	}
	for _, c := range []struct {
		name   string
		record CheckerRecord
		want   string
	}{
		{"a replica that is behind", record(func(r *CheckerRecord) { r.Fetch = fetch(now - 30) }), "the data of its source reach only to 2025-06-15 23:53:20: later minutes are pending"},
		{"one that was, long ago", record(func(r *CheckerRecord) { r.Fetch = fetch(now - 3000) }), "not checked since 2025-06-15 23:53:00: its source or plugin has not answered yet"},
		{"no replica", record(func(r *CheckerRecord) { r.Fetch = fetch(now - 30); r.Fetch.DataAsOf = nil }), "not checked since 2025-06-15 23:53:00: its source or plugin has not answered yet"},
		{
			"a clock that is behind", record(func(r *CheckerRecord) { r.Progress.Skew = -65e6; r.Fetch = fetch(now) }),
			"the data of its source reach only to 2025-06-15 23:53:20: later minutes are pending; the clock of its source is 1m5s behind ours: the last rows of a minute may come too late for it",
		},
	} {
		s := c.record.Status(StateAt{Now: now, Minute: now, Zone: time.UTC, CatchUp: 1440, Running: true})
		if s.State != StateGood || s.Cause != c.want {
			t.Errorf("%s: %s, %q; want GOOD, %q", c.name, s.State, s.Cause, c.want)
		}
	}
	ahead := CheckerRecord{Name: "a", Progress: &Progress{ID: 1, Settled: &[]int64{now}[0], Skew: 3e6, Lines: []LineProgress{lineWith(Good, now)}}}
	at := StateAt{Now: now, Minute: now, Zone: time.UTC, Running: true}
	if got, want := ahead.Status(at).Cause, "the clock of its source is 3s ahead of ours"; got != want {
		t.Errorf("a clock that is ahead: %q, want %q", got, want)
	}
	ahead.Progress.Off = &Off{Since: now - 60, Reason: OffDisabled}
	if got, want := ahead.Status(at).Cause, "off since 2025-06-15 23:59:00: `enabled: false`"; got != want {
		t.Errorf("of a checker that is off: %q, want %q", got, want)
	}
}
