package daemon_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// importedQuery returns what the source has of the last hours: keys come back
// again and again, and the oldest stop coming.
const importedQuery = `__QUERY__
SELECT execution_id AS dwmon_unique_key, ts AS dwmon_timestamp FROM model_executions WHERE ts > %d ORDER BY ts DESC LIMIT 10000
__REQUIREMENTS__
%s
__SOURCE__
sqlite:%s
`

// importedLine is a requirement line in its tokens and as the original's rules
// understand it.
type importedLine struct {
	tokens   string
	hours    func(int) bool
	lookback int64 // seconds
}

var importedLines = map[string]importedLine{
	"every":   {"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", func(int) bool { return true }, 180},
	"daytime": {"CHECKHOURS0-5 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM120 LOOKBACKSECONDS3600", func(h int) bool { return h <= 5 }, 3600},
}

// original is the original program as its README describes it: once in a minute
// the clock goes ten look-backs back and comes forward; a minute that matches the
// line and lies after the last one checked is due; for it the query is asked, keys
// that are not in the database are stored with their time, and the minute is
// noted as checked.
type original struct {
	t      *testing.T
	db     *sql.DB
	source *sql.DB
	since  int64
	stored map[string]bool // by checker and key
}

func (o *original) pass(name string, line importedLine, now time.Time) {
	o.t.Helper()
	var last sql.NullInt64
	if err := o.db.QueryRow("SELECT max(timestamp) FROM checks WHERE checker = ?", name).Scan(&last); err != nil {
		o.t.Fatal(err)
	}
	m := now.Unix() / 60 * 60
	fetched := false // in one pass the source says the same to every question
	for minute := m - 10*line.lookback; minute <= m; minute += 60 {
		if minute <= last.Int64 || !line.hours(time.Unix(minute, 0).UTC().Hour()) {
			continue
		}
		if !fetched {
			fetched = true
			o.fetch(name)
		}
		o.exec("INSERT INTO checks (checker, timestamp) VALUES (?, ?)", name, minute)
	}
}

// fetch stores what is new.
func (o *original) fetch(name string) {
	o.t.Helper()
	rows, err := o.source.Query("SELECT execution_id, ts FROM model_executions WHERE ts > ?", o.since)
	if err != nil {
		o.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var at float64
		if err := rows.Scan(&id, &at); err != nil {
			o.t.Fatal(err)
		}
		if key := name + " " + id; !o.stored[key] {
			o.stored[key] = true
			o.exec("INSERT INTO results (unique_id, checker, timestamp) VALUES (?, ?, ?)", id, name, at)
		}
	}
	if err := rows.Err(); err != nil {
		o.t.Fatal(err)
	}
}

func (o *original) exec(query string, args ...any) {
	o.t.Helper()
	if _, err := o.db.Exec(query, args...); err != nil {
		o.t.Fatal(err)
	}
}

// importWorld is a source, an original beside it, and two databases of ours: one
// that has seen everything, one that begins with an import.
type importWorld struct {
	t        *testing.T
	dir      string
	rng      *rand.Rand
	source   *sql.DB
	original *original
	serial   int
}

func newImportWorld(t *testing.T, begin time.Time) *importWorld {
	dir := t.TempDir()
	open := func(name string) *sql.DB {
		db, err := sql.Open("sqlite", filepath.Join(dir, name)+"?_pragma=synchronous(0)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &importWorld{t: t, dir: dir, rng: rand.New(rand.NewPCG(seed, 0)), source: open("source.db")}
	w.original = &original{t: t, db: open("original.db"), source: w.source, since: begin.Unix() - 3600, stored: map[string]bool{}}
	if _, err := w.source.Exec("CREATE TABLE model_executions (execution_id INTEGER PRIMARY KEY, ts REAL)"); err != nil {
		t.Fatal(err)
	}
	w.original.exec("CREATE TABLE results (unique_id text, checker text, timestamp integer)")
	w.original.exec("CREATE TABLE checks (checker text, timestamp integer)")
	for name, line := range importedLines {
		write(t, dir, "checks/"+name+".dwmon", fmt.Sprintf(importedQuery, w.original.since, line.tokens, filepath.Join(dir, "source.db")))
	}
	return w
}

// arrive lets rows arrive until a time; some of them are late, and some old ones
// change their time, which must not matter.
func (w *importWorld) arrive(from, until time.Time) {
	w.t.Helper()
	tx, err := w.source.Begin()
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback()
	for at := from; at.Before(until); at = at.Add(time.Duration(w.rng.IntN(35_000)) * time.Millisecond) {
		us := at.UnixMicro()
		switch w.rng.IntN(12) {
		case 0:
			us -= w.rng.Int64N(1800e6)
		case 1:
			us = us / 60e6 * 60e6
		}
		w.serial++
		if _, err := tx.Exec(fmt.Sprintf("INSERT INTO model_executions VALUES (%d, %d.%06d)", w.serial, us/1e6, us%1e6)); err != nil {
			w.t.Fatal(err)
		}
		if w.rng.IntN(10) == 0 {
			if _, err := tx.Exec("UPDATE model_executions SET ts = ts + 90.5 WHERE execution_id = ?", 1+w.rng.IntN(w.serial)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// config is the configuration of one of our databases.
func (w *importWorld) config(db string) *config.Config {
	w.t.Helper()
	write(w.t, w.dir, db+".yaml", "timezone: UTC\nchecks: checks\ndb: "+db+"\nhandlers: []\n")
	cfg, err := config.Load(config.LoadOptions{
		Path: filepath.Join(w.dir, db+".yaml"), Flags: map[string]string{"plugins": pluginsDir},
		Env: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

func (w *importWorld) once(cfg *config.Config, at time.Time) {
	w.t.Helper()
	report, err := daemon.Once(w.t.Context(), daemon.Options{
		Config: cfg, Now: func() time.Time { return at }, Guard: []string{os.Args[0], "guard"},
	}, daemon.OnceOptions{Stands: true})
	if err != nil || report.Failed() {
		w.t.Fatalf("at %s: %v, %v", at, err, failures(report))
	}
}

// judged are a checker's results after a minute. Which status came before the
// first of them, and how many were BAD in a row, the original did not keep.
func (w *importWorld) judged(cfg *config.Config, name string, after time.Time) []minuteResult {
	all := recorded(w.t, cfg, name)
	all = slices.DeleteFunc(all, func(r minuteResult) bool { return r.Minute <= after.Unix() })
	for i := range all {
		all[i].ConsecutiveBad = 0
	}
	return all
}

// TestImportGoesOnWhereTheOriginalStopped lives a day with the original, imports
// its database, and lives the next hours with `once`: every result is that of a
// dwmon that was there from the start.
func TestImportGoesOnWhereTheOriginalStopped(t *testing.T) {
	begin := time.Date(2026, 6, 1, 0, 0, 20, 0, time.UTC)
	w := newImportWorld(t, begin)
	always, later := w.config("always.db"), w.config("later.db")
	now := begin
	step := func(d time.Duration) {
		w.arrive(now, now.Add(d))
		now = now.Add(d)
	}
	stop := begin.Add(24*time.Hour + 20*time.Minute)
	for now.Before(stop) {
		// Both ask at the same moments, or they would not see the same rows.
		for name, line := range importedLines {
			w.original.pass(name, line, now)
		}
		w.once(always, now)
		step(time.Duration(10+w.rng.IntN(18)) * time.Minute)
	}
	settled := map[string]time.Time{}
	checkers, err := daemon.Import(t.Context(), later, daemon.ImportRequest{Path: filepath.Join(w.dir, "original.db")})
	if err != nil || len(checkers) != len(importedLines) {
		t.Fatalf("the import: %+v, %v", checkers, err)
	}
	for _, c := range checkers {
		if c.State != sqlite.ImportTaken || c.Results < 1000 || c.Settled == nil || c.NoFile {
			t.Errorf("%s: %+v", c.Name, c)
			continue
		}
		settled[c.Name] = time.Unix(*c.Settled, 0)
	}
	step(7 * time.Minute) // nobody was looking meanwhile
	for end := now.Add(4 * time.Hour); now.Before(end); step(time.Duration(1+w.rng.IntN(20)) * time.Minute) {
		w.once(always, now)
		w.once(later, now)
	}
	for name := range importedLines {
		want, got := w.judged(always, name, settled[name]), w.judged(later, name, begin)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-from the start +imported):\n%s", name, diff)
		}
		if len(got) < 200 {
			t.Errorf("%s: only %d minutes were compared", name, len(got))
		}
		if a, b := storedRows(t, always, name), storedRows(t, later, name); !slices.Equal(a, b) {
			t.Errorf("%s: the stored rows differ: %s", name, cmp.Diff(a, b))
		}
	}
}

// storedRows are a checker's keys and times, as those see them who read the file.
func storedRows(t *testing.T, cfg *config.Config, name string) (rows []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+cfg.DB+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query("SELECT unique_id || ' ' || timestamp FROM results WHERE checker = ? ORDER BY 1", name)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var text string
		if err := found.Scan(&text); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, text)
	}
	return rows
}

func TestImportRefusals(t *testing.T) {
	w := newImportWorld(t, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	w.original.exec("INSERT INTO checks VALUES ('every', 60)")
	cfg := w.config("new.db")
	path := filepath.Join(w.dir, "original.db")
	run := func(ctx context.Context, path string) error {
		_, err := daemon.Import(ctx, cfg, daemon.ImportRequest{Path: path})
		return err
	}
	var env *daemon.EnvironmentError
	if err := run(t.Context(), filepath.Join(w.dir, "none.db")); !errors.As(err, &env) || !errors.Is(err, sqlite.ErrMissing) {
		t.Errorf("a file that is not there: %v", err)
	}
	cfg.DB = path
	if err := run(t.Context(), path); !errors.As(err, &env) || !strings.Contains(err.Error(), "--db NEW") {
		t.Errorf("into itself: %v", err)
	}
	cfg.DB = filepath.Join(w.dir, "new.db")
	lock, err := sqlite.AcquireLock(cfg.DB)
	if err != nil {
		t.Fatal(err)
	}
	var locked *sqlite.ErrLocked
	if err := run(t.Context(), path); !errors.As(err, &env) || !errors.As(err, &locked) {
		t.Errorf("beside a daemon: %v", err)
	}
	if _, err := os.Stat(cfg.DB); err == nil {
		t.Error("a database was made without the lock")
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := run(ended, path); !errors.Is(err, context.Canceled) || errors.As(err, &env) {
		t.Errorf("interrupted: %v", err)
	}
	if err := run(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	r, err := daemon.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	statuses, _, err := r.Statuses(t.Context(), time.Unix(600, 0))
	if err != nil || len(statuses) != 1 || statuses[0].State != dwmon.StatePending || !strings.Contains(statuses[0].Cause, "no file of its name was seen yet") {
		t.Errorf("the status of a checker that waits for its file: %+v, %v", statuses, err)
	}
}
