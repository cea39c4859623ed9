//go:build linux

package torture

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// TestOracleNotices: what is not as it should be is found. A world that is well is
// spoilt in one way after the other, each of which the oracle must name.
func TestOracleNotices(t *testing.T) {
	w := wellWorld(t)
	if len(w.wrong) > 0 {
		t.Fatalf("in a world that is well the oracle finds %s", strings.Join(w.wrong, "\n"))
	}
	for name, tt := range map[string]struct{ spoil, finds string }{
		"a verdict is lost":                {"DELETE FROM verdicts WHERE minute = (SELECT max(minute) - 120 FROM verdicts)", "was lost"},
		"a count is wrong":                 {"UPDATE verdicts SET event_count = event_count + 1 WHERE minute = (SELECT max(minute) FROM verdicts)", "the model says"},
		"a verdict is turned":              {"UPDATE verdicts SET status = 3 - status WHERE status < 3 AND minute = (SELECT max(minute) FROM verdicts)", "the model says"},
		"UNKNOWN where all is known":       {"UPDATE verdicts SET status = 3, reason = 'purged' WHERE minute = (SELECT max(minute) FROM verdicts)", "the model says"},
		"a minute is both judged and gap":  {"INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) SELECT checker_id, line_id, line_position, minute, minute, 1, 'outage' FROM verdicts LIMIT 1", "has a verdict and lies in a gap"},
		"the walk is said to be further":   {"UPDATE checkers SET settled = settled + 600", "was lost"},
		"the walk went back":               {"UPDATE checkers SET settled = settled - 600", "the walk went back"},
		"a row is lost":                    {"DELETE FROM seen WHERE key = (SELECT key FROM seen WHERE ts IS NOT NULL ORDER BY ts DESC LIMIT 1)", "is gone"},
		"a row has another time":           {"UPDATE seen SET ts = ts + 1 WHERE key = (SELECT key FROM seen WHERE ts IS NOT NULL LIMIT 1)", "is stored with the time"},
		"a row that never was":             {"INSERT INTO seen (checker_id, key, ts, first_seen, query_id) SELECT checker_id, 'x', ts, first_seen, query_id FROM seen WHERE ts IS NOT NULL LIMIT 1", "never was in the source"},
		"a result that nobody is told of":  {"DELETE FROM deliveries WHERE id = (SELECT max(id) FROM deliveries WHERE payload IS NULL)", "nobody is to be told"},
		"a result that is queued twice":    {"INSERT INTO deliveries (handler_id, checker_id, minute, line_id, line_position, created) SELECT handler_id, checker_id, minute, line_id, line_position, created FROM deliveries WHERE payload IS NULL LIMIT 1", "is queued twice"},
		"a streak is broken":               {"UPDATE verdicts SET consecutive_bad = consecutive_bad + 1", "consecutive_bad"},
		"an incident that never was":       {"INSERT INTO incidents (subject, checker_id, line_id, source, opened, opened_at, catch_up, cause, checkers) SELECT 'count', checker_id, line_id, '', minute, 0, 0, '', 0 FROM verdicts LIMIT 1", "the verdicts make"},
		"it was judged by another fetch":   {"UPDATE verdicts SET evaluated_at = evaluated_at + 1", "by a fetch that began at"},
		"it was late and is not said so":   {"UPDATE verdicts SET catch_up = 1 - catch_up", "catch_up is"},
		"it is another installation's now": {"UPDATE meta SET value = 'x' WHERE name = 'installation'", "the installation was"},
	} {
		t.Run(name, func(t *testing.T) {
			if found := w.spoilt(t, tt.spoil); !strings.Contains(found, tt.finds) {
				t.Errorf("the oracle finds %q, want %q in it", found, tt.finds)
			}
		})
	}
	for name, tt := range map[string]struct {
		spoil func(text string) string
		finds string
	}{
		"a result that was not told": {func(text string) string { return text[strings.Index(text, "\n\n")+2:] }, "the handler never was"},
		"a result told again":        {func(text string) string { return text + text[:strings.Index(text, "\n\n")+1] }, "had been stored"},
		"told out of order":          {func(text string) string { at := strings.Index(text, "\n\n") + 1; return text[at:] + text[:at] }, "for the first time after what was decided later"},
		"told of what is not":        {func(text string) string { return strings.Replace(text, `"status":"GOOD"`, `"status":"BAD"`, 1) }, "is recorded as"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(w.path(ledgerFile))
			if err != nil {
				t.Fatal(err)
			}
			defer os.WriteFile(w.path(ledgerFile), text, 0o600)
			if err := os.WriteFile(w.path(ledgerFile), []byte(tt.spoil(strings.TrimLeft(string(text), "\n"))), 0o600); err != nil {
				t.Fatal(err)
			}
			if found := w.spoilt(t, ""); !strings.Contains(found, tt.finds) {
				t.Errorf("the oracle finds %q, want %q in it", found, tt.finds)
			}
		})
	}
}

// wellWorld is a world in which nothing has happened to dwmon.
func wellWorld(t *testing.T) *world {
	w, err := newWorld(t.Context(), built, t.TempDir(), "well", 5)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	d, err := w.daemon()
	if errors.Is(err, interpose.ErrUnsupported) && os.Getenv("DWMON_TEST_ALL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.live(3)
	if err := w.recover(d); err != nil {
		t.Fatal(err)
	}
	return w
}

// spoilt looks at the world after a statement, takes that back, and gives what was found.
func (w *world) spoilt(t *testing.T, statement string) string {
	t.Helper()
	before, err := os.ReadFile(w.database())
	if err != nil {
		t.Fatal(err)
	}
	past := w.past
	defer func() {
		w.past, w.wrong = past, nil
		for _, beside := range []string{"-wal", "-shm"} {
			_ = os.Remove(w.database() + beside)
		}
		if err := os.WriteFile(w.database(), before, 0o600); err != nil {
			t.Fatal(err)
		}
	}()
	if statement != "" {
		db, err := sql.Open("sqlite", "file:"+w.database())
		if err != nil {
			t.Fatal(err)
		}
		done, err := db.Exec(statement)
		if err == nil {
			var n int64
			if n, err = done.RowsAffected(); n == 0 {
				t.Fatalf("%s changes nothing", statement)
			}
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.look(); err != nil {
		return err.Error()
	}
	return strings.Join(w.wrong, "\n")
}
