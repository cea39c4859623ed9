package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// upTo gives the built-in migrations up to a version.
func upTo(t *testing.T, version string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if base := path.Base(name); base[:len(version)] <= version {
			files[base] = &fstest.MapFile{Data: data}
		}
	}
	return files
}

// TestADatabaseFromBeforeKnowsWhatItsFetchesAsked upgrades one that has fetches.
func TestADatabaseFromBeforeKnowsWhatItsFetchesAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dwmon.db")
	old := mustOpen(t, file, Options{migrations: upTo(t, "0002")})
	err := old.write(t.Context(), func(tx *Tx) error {
		var statements []string
		for i, name := range []string{"never fetched", "fetched", "edited", "edited and not fetched since"} {
			id := i + 1
			statements = append(statements, fmt.Sprintf("INSERT INTO checkers (id, name, origin, revision_id, fetched, fetched_end) VALUES (%d, '%s', 0, %d, %s)",
				id, name, 10*id, map[bool]string{true: "NULL, NULL", false: "300, 301"}[i == 0]))
			for q := range 2 {
				statements = append(statements,
					fmt.Sprintf("INSERT INTO queries VALUES (%d, %d, 'q%d')", 10*id+q, id, q),
					fmt.Sprintf("INSERT INTO revisions VALUES (%d, %d, 'r%d', 'UTC', %d, 'f', x'', 's', 'o', '{}', x'', 0)", 10*id+q, id, q, 10*id+q))
			}
		}
		fetch := func(checker, revision, started, ok int) string {
			return fmt.Sprintf(`INSERT INTO fetches (checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline, rows, fresh, skipped_null, skipped, ignored, cut)
				VALUES (%d, %d, %d, %d, %d, '', 0, %d, 0, 0, 0, 0, 0, 0, 0)`, checker, revision, started/100, started, started+1, ok)
		}
		statements = append(statements,
			fetch(2, 20, 100, 1), fetch(2, 20, 300, 1), fetch(2, 21, 200, 0), // one of another text failed
			fetch(3, 30, 50, 1), fetch(3, 31, 100, 1), fetch(3, 30, 200, 1), fetch(3, 30, 300, 1),
			fetch(4, 41, 300, 1),
			"INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, reason, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id) VALUES (2, 60, 1, 0, 0, 2, 'low', 0, 0, 0, 200, 20, 0)",
			"INSERT INTO lines (id, checker_id, identity, hours, minutes, days, lookback, half_open) VALUES (1, 2, 'l', 1, 1, 1, 60, 0)",
		)
		for _, s := range statements {
			if _, err := tx.exec(s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	db := mustOpen(t, file, Options{Log: slog.New(slog.DiscardHandler)})
	defer db.Close()
	for _, c := range []struct {
		name           string
		fetched, reach int64 // -1: nil
		changed        bool
	}{
		{"never fetched", -1, -1, false},
		{"fetched", 100, 300, false},
		{"edited", 200, 300, true},
		{"edited and not fetched since", -1, 300, true},
	} {
		p, err := db.Progress(t.Context(), c.name)
		if err != nil {
			t.Fatal(err)
		}
		of := func(n *int64) int64 {
			if n == nil {
				return -1
			}
			return *n
		}
		if of(p.QueryFetched) != c.fetched || p.QueryChanged != c.changed || of(p.Reach) != c.reach {
			t.Errorf("%s: QueryFetched %d, changed %v, reach %d; want %+v", c.name, of(p.QueryFetched), p.QueryChanged, of(p.Reach), c)
		}
	}
	err = db.InTx(t.Context(), func(tx dwmon.Tx) error {
		lows, err := tx.Lows(2, 0, 100)
		if len(lows) != 1 || lows[0].Minute != 60 {
			t.Errorf("a low verdict of before is %+v", lows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fetch stores a fetch of a minute that brought rows: how many seconds before it each
// happened.
func (w *world) fetch(name string, second int64, cut bool, ago ...int64) {
	w.Helper()
	p, err := w.Progress(w.ctx(), name)
	w.must(err)
	started := second * 1e6
	in := w.NewIntake(p, started)
	defer in.Close()
	var b dwmon.Batch
	for i, s := range ago {
		key := fmt.Sprintf("%d/%d", second, i)
		b.Keys, b.Lengths, b.Micros = append(b.Keys, key...), append(b.Lengths, uint32(len(key))), append(b.Micros, started-s*1e6)
	}
	w.must(in.Add(&b))
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		ingested, err := tx.Ingest(p, in, false)
		if err != nil {
			return err
		}
		_, err = tx.SaveFetch(dwmon.Fetch{
			Progress: p, Slot: dwmon.FloorMinute(second), Started: started, Ended: started + 1, Tally: in.Tally(), Ingested: ingested, Cut: cut, Reach: started,
		})
		return err
	}))
}

func TestLatenessOfNewestRows(t *testing.T) {
	w := newWorld(t)
	w.checker("a", epoch0, "UTC", line(1))
	measure := func() dwmon.Lateness {
		t.Helper()
		l, err := w.Lateness(w.ctx(), "a")
		w.must(err)
		return l
	}
	if l := measure(); l != (dwmon.Lateness{}) {
		t.Errorf("without rows: %+v", l)
	}
	w.fetch("a", epoch0, false, 5000, 30)
	if l := measure(); l.Rows != 0 {
		t.Errorf("the very first fetch: %+v", l)
	}
	w.fetch("a", epoch0+60, false, 10, 20, 90)
	w.fetch("a", epoch0+120, true, 30, 20, 40) // cut, in no order
	w.fetch("a", epoch0+180, true, 61, 70)     // the fetch before may have missed them
	w.fetch("a", epoch0+240, false, 130, 5)    // so it may the first
	w.fetch("a", epoch0+600, false, 15)        // after a pause
	want := dwmon.Lateness{Rows: 7, Median: 20 * time.Second, P90: 90 * time.Second, P99: 90 * time.Second, Max: 90 * time.Second}
	if l := measure(); l != want {
		t.Errorf("Lateness = %+v, want %+v", l, want)
	}
	w.checker("a", epoch0, "Europe/Berlin", line(1)) // another text, the same query
	w.fetch("a", epoch0+660, false, 1)
	if l := measure(); l.Rows != 8 || l.Median != 20*time.Second {
		t.Errorf("after an edit of something else: %+v", l)
	}
	w.sql("UPDATE seen SET query_id = 0")
	if l := measure(); l.Rows != 0 {
		t.Errorf("imported rows: %+v", l)
	}
	if _, err := w.Lateness(w.ctx(), "nobody"); !errors.Is(err, dwmon.ErrNoChecker) {
		t.Errorf("a checker that was never seen: %v", err)
	}
}

func TestCorrectionsAreShownAndGoWithTheirVerdicts(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(50))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Bad}, {epoch0 + 120, 0, dwmon.Bad}})
	at := (epoch0 + 600) * 1e6
	correct := func(minute int64) {
		w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
			lows, err := tx.Lows(p.ID, minute-60, 0)
			if err != nil {
				return err
			}
			k, _ := lows[0].Correct(70, dwmon.Good, "", at)
			return tx.Correct(p.ID, []dwmon.Correction{k})
		}))
	}
	correct(epoch0 + 60)
	entries := w.history(dwmon.HistoryQuery{Name: "a"})
	first, second := entries[0].Result.Corrected, entries[1].Result.Corrected
	if first == nil || first.CountAfter != 70 || first.CheckerName != "a" || second != nil {
		t.Fatalf("corrections in the history: %+v, %+v", first, second)
	}
	r := w.record("a")
	if r.Last[0].Corrected != nil || strings.Contains(r.Status(dwmon.StateAt{Zone: time.UTC}).Cause, "corrected") {
		t.Error("status shows a correction, but not of the last result")
	}
	correct(epoch0 + 120)
	r = w.record("a")
	want := fmt.Sprintf("%d rows in the 180 s before 2025-06-16 00:02:00, fewer than 50 (corrected by late rows: %d → 70 at 00:10)", (epoch0+120)%97, (epoch0+120)%97)
	if s := r.Status(dwmon.StateAt{Now: epoch0 + 120, Minute: epoch0 + 120, Zone: time.UTC}); s.State != dwmon.StateBad || s.Cause != want {
		t.Errorf("state %s, cause %q\nwant %q", s.State, s.Cause, want)
	}
	w.clock = time.Unix(epoch0, 0).Add(500 * 24 * time.Hour)
	_, err := w.Sweep(w.ctx(), dwmon.DefaultRetention, w.clock.UnixMicro())
	w.must(err)
	if left, err := w.Corrections(w.ctx(), 0, 0); err != nil || len(left) != 0 {
		t.Errorf("corrections left by a sweep: %+v, %v", left, err)
	}
	w.judge(p, []mark{{epoch0 + 180, 0, dwmon.Bad}})
	correct(epoch0 + 180)
	w.must(w.Rename(w.ctx(), "a", "b", false))
	if left, _ := w.Corrections(w.ctx(), 0, 0); len(left) != 1 || left[0].CheckerName != "b" {
		t.Errorf("corrections of a renamed checker: %+v", left)
	}
	w.must(w.Forget(w.ctx(), "b"))
	if left, _ := w.Corrections(w.ctx(), 0, 0); len(left) != 0 {
		t.Errorf("corrections of a forgotten checker: %+v", left)
	}
}

func TestHolesGoWithTheirAge(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		if err := tx.AddHole(p.ID, dwmon.Span{From: dwmon.Forever, Until: epoch0 * 1e6}); err != nil {
			return err
		}
		return tx.AddHole(p.ID, dwmon.Span{From: (epoch0 + 500*86400) * 1e6, Until: (epoch0 + 500*86400) * 1e6})
	}))
	swept, err := w.Sweep(w.ctx(), dwmon.DefaultRetention, (epoch0+500*86400)*1e6)
	w.must(err)
	if swept.Spans != 1 || w.count("SELECT count(*) FROM spans WHERE kind = 'hole'") != 1 {
		t.Errorf("a sweep after 500 days: %+v", swept)
	}
}

// TestLowsAreFoundByTheirIndex keeps the recount from reading every verdict.
func TestLowsAreFoundByTheirIndex(t *testing.T) {
	w := newWorld(t)
	w.must(w.read(w.ctx(), func(c *conn) error {
		for r, err := range c.query("EXPLAIN QUERY PLAN "+selectLows, 1, 2, 3) {
			if err != nil {
				return err
			}
			if text := r.text(3); strings.Contains(text, "SCAN") || strings.Contains(text, " v ") && !strings.Contains(text, "verdicts_low (checker_id=? AND minute>?)") {
				t.Errorf("the plan has %q", text)
			}
		}
		return nil
	}))
}
