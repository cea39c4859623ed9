package endtoend

import (
	"fmt"
	"strings"
	"testing"
)

// backfilled is the object of `backfill --json`.
type backfilled struct {
	Rows, New, Known, Recent int64
	Notes                    []string
}

func (w *world) backfill(args ...string) backfilled {
	w.Helper()
	return lines[backfilled](w, w.want(0, append([]string{"backfill", "--json"}, args...)...).out)[0]
}

// TestBackfillBesideADaemon: the daemon fetches the past beside its passes, and nothing
// comes of it.
func TestBackfillBesideADaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "recorder")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nhandlers: [{plugin: recorder, settings: {file: told.jsonl}}]\n")
	const past = 30_000
	w.sql("source.db", "CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO events SELECT i, unixepoch() - 7200 - 20 * i FROM n", past-1))
	query := "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events ORDER BY at DESC LIMIT 10"
	w.checker("a", query, every, "sqlite:source.db")
	s := w.start()
	s.up()
	w.await("the first pass is done", func() bool { return w.status()["a"].State == "GOOD" })

	if got := w.backfill("a"); got.Rows != past || got.New != past-10 || got.Known != 10 || got.Recent != 0 {
		t.Errorf("the past of a: %+v", got)
	}
	if got := w.backfill("a"); got.New != 0 || got.Known != past {
		t.Errorf("once more: %+v", got)
	}
	for _, e := range w.history("a") {
		if e.Count != 0 || e.Status != "GOOD" {
			t.Errorf("a result of the past: %+v", e)
		}
	}
	if o := w.want(0, "incidents", "--all", "--json"); o.out != "" {
		t.Errorf("incidents: %s", o)
	}

	// A file that was written just now, one that is off, and one that is bad.
	w.checker("b", query, every, "sqlite:source.db")
	if got := w.backfill("b", "--limit", "100", "--since", "90d"); got.Rows != 100 || got.New < 90 || got.New+got.Known != 100 { // ten of them perhaps by its first pass
		t.Errorf("the past of b: %+v", got)
	}
	w.checker("off", query, every, "sqlite:source.db", "__OPTIONS__\nenabled: false")
	if got := w.backfill("off", "--dry-run"); got.New != past {
		t.Errorf("the past of off: %+v", got)
	}
	if got := w.backfill("off"); got.New != past {
		t.Errorf("the past of off: %+v", got)
	}
	w.await("off is off", func() bool { return strings.Contains(w.status()["off"].Cause, "enabled: false") })
	w.write("checks/bad.dwmon", "__QUERY__\nSELECT 1\n")
	if o := w.want(2, "backfill", "bad"); !inOrder(o.err, "bad.dwmon:2:1: ", "__REQUIREMENTS__") {
		t.Errorf("a bad file: %s", o)
	}
	if o := w.want(2, "backfill", "nobody"); !strings.Contains(o.err, "there is no checker nobody in ") {
		t.Errorf("no file: %s", o)
	}
	w.checker("broken", "SELECT 1", every, "sqlite:source.db")
	if o := w.want(1, "backfill", "broken"); !inOrder(o.err, "checker broken: fetch the past, of which nothing was stored: ", "dwmon_unique_key") {
		t.Errorf("a bad query: %s", o)
	}
	if told := w.read("told.jsonl"); strings.Contains(told, `"BAD"`) {
		t.Errorf("somebody was told: %s", told)
	}
	s.stop()
	w.gone(patience)
}
