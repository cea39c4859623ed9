package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var originalTables = []string{
	"CREATE TABLE results (unique_id text, checker text, timestamp integer)",
	"CREATE TABLE checks (checker text, timestamp integer)",
}

// originalDB makes an original's database.
func originalDB(t testing.TB, statements ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "original.db")
	fillDB(t, path, append(slices.Clone(originalTables), statements...)...)
	return path
}

func fillDB(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func mustOriginal(t testing.TB, path string) *Original {
	t.Helper()
	o, err := OpenOriginal(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// dump gives the rows of a query as text.
func dump(t testing.TB, db *DB, query string) (rows []string) {
	t.Helper()
	err := db.read(t.Context(), func(c *conn) error {
		for r, err := range c.query(query) {
			if err != nil {
				return err
			}
			var cells []string
			for i := range r {
				switch v := r[i].(type) {
				case []byte:
					cells = append(cells, string(v))
				default:
					cells = append(cells, fmt.Sprint(v))
				}
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// wantRows compares the rows of a query with those wanted.
func wantRows(t *testing.T, db *DB, query string, want ...string) {
	t.Helper()
	if diff := gocmp.Diff(want, dump(t, db, query)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

// wantNothing says that nothing of an import is in a database.
func wantNothing(t *testing.T, db *DB) {
	t.Helper()
	for _, table := range []string{"checkers", "seen", "imports", "imported_checks", "forgotten"} {
		wantRows(t, db, "SELECT count(*) FROM "+table, "0")
	}
}

const importedAt = 1_780_000_123_456_789

func importOptions() Options {
	return Options{Now: func() time.Time { return time.UnixMicro(importedAt) }}
}

func TestImportTakesWhatTheOriginalKnows(t *testing.T) {
	path := originalDB(t,
		`INSERT INTO results VALUES
			('a', 'orders', 1779999000), ('b', 'orders', 1779999000.25), ('b', 'orders', 5), (12, 'orders', '1779999001'),
			(x'ff00', 'orders', 1779999002), ('', 'orders', 1779999003), ('é', 'orders', -1.5),
			(NULL, 'orders', 1), ('null', 'orders', NULL), ('null', 'orders', 7), ('text', 'orders', '2026-06-01 12:00:00'),
			('inf', 'orders', 9e999), ('milli', 'orders', 1779999000000), ('later', 'orders', 1780100000), ('tomorrow', 'orders', 1780086500),
			('a', 'billing/new', 1779999500)`,
		`INSERT INTO checks VALUES ('orders', 1779999060), ('orders', 1779999000), ('orders', 1779999060), ('orders', 1779998940.5), ('orders', 'when'),
			('checked only', 1779990000)`,
		`INSERT INTO results VALUES ('x', '../secret', 1779999000), ('y', NULL, 1779999000)`,
	)
	db := newDB(t, importOptions())
	checkName := func(name string) error {
		if name == "" || strings.Contains(name, "..") {
			return fmt.Errorf("the name %q will not do", name)
		}
		return nil
	}
	got, err := Import(t.Context(), mustOriginal(t, path), db, ImportOptions{CheckName: checkName})
	if err != nil {
		t.Fatal(err)
	}
	minute := func(n int64) *int64 { return &n }
	want := []ImportedChecker{
		{Name: "", State: ImportBadName, Reason: `the name "" will not do`},
		{Name: "../secret", State: ImportBadName, Reason: `the name "../secret" will not do`},
		{Name: "billing/new", State: ImportTaken, Results: 1},
		{Name: "checked only", State: ImportTaken, Checks: 1, First: minute(1779990000), Settled: minute(1779990000)},
		{
			Name: "orders", State: ImportTaken, Results: 8, Checks: 3, First: minute(1779998940), Settled: minute(1779999060),
			Duplicates: 1, BadKeys: 1, WithoutTime: 1, UnreadableTime: 4, FarFuture: 1,
		},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
	wantRows(t, db, "SELECT key, ts, first_seen, query_id, purged FROM seen s JOIN checkers c ON c.id = s.checker_id WHERE c.name = 'orders' ORDER BY key",
		" 1779999003000000 1780000123456789 0 <nil>",
		"12 1779999001000000 1780000123456789 0 <nil>",
		"a 1779999000000000 1780000123456789 0 <nil>",
		"b 1779999000250000 1780000123456789 0 <nil>",
		"null 7000000 1780000123456789 0 <nil>",
		"tomorrow 1780086500000000 1780000123456789 0 <nil>",
		"é -1500000 1780000123456789 0 <nil>",
		"\xff\x00 1779999002000000 1780000123456789 0 <nil>")
	wantRows(t, db, "SELECT name, origin, settled FROM checkers ORDER BY name",
		"billing/new 1780000080 <nil>", "checked only 1779990000 1779990000", "orders 1779998940 1779999060")
	wantRows(t, db, "SELECT checker, timestamp FROM checks ORDER BY checker, timestamp",
		"checked only 1779990000", "orders 1779998940", "orders 1779999000", "orders 1779999060")
	wantRows(t, db, "SELECT count(*), sum(timestamp = -2) FROM results", "9 1")
	wantRows(t, db, "SELECT count(*) FROM forgotten", "0")
	wantRows(t, db, "SELECT count(*) FROM verdicts", "0")
	if p, err := db.Progress(t.Context(), "orders"); err != nil || p.ID == 0 || p.Settled == nil || *p.Settled != 1779999060 {
		t.Errorf("the progress: %+v, %v", p, err)
	}
}

// TestImportAgain: what is there stays, and two histories are never mixed unasked.
func TestImportAgain(t *testing.T) {
	path := originalDB(t, "INSERT INTO results VALUES ('a', 'x', 60), ('a', 'y', 60)", "INSERT INTO checks VALUES ('x', 60), ('y', 60)")
	db := newDB(t, importOptions())
	run := func(o ImportOptions) (string, error) {
		t.Helper()
		got, err := Import(t.Context(), mustOriginal(t, path), db, o)
		var words []string
		for _, c := range got {
			words = append(words, fmt.Sprintf("%s %s %d", c.Name, c.State, c.Results))
		}
		return strings.Join(words, ", "), err
	}
	step := func(o ImportOptions, want string, wantErr ...string) {
		t.Helper()
		got, err := run(o)
		if got != want || (err != nil) != (len(wantErr) > 0) {
			t.Errorf("the import says %q, %v; want %q", got, err, want)
		}
		for _, text := range wantErr {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("the error %q does not say %q", err, text)
			}
		}
	}
	step(ImportOptions{Only: []string{"x"}}, "x imported 1")
	before := dump(t, db, "SELECT * FROM checkers")
	fillDB(t, path, "INSERT INTO results VALUES ('b', 'x', 120), ('b', 'y', 120)")
	step(ImportOptions{Only: []string{"x"}}, "x imported_before 0")
	if diff := gocmp.Diff(before, dump(t, db, "SELECT * FROM checkers")); diff != "" {
		t.Errorf("a second import changes: %s", diff)
	}
	step(ImportOptions{}, "x imported_before 0, y imported 2")
	wantRows(t, db, "SELECT checker, unique_id FROM results ORDER BY 1, 2", "x a", "y a", "y b")
	step(ImportOptions{Only: []string{"x"}, Replace: true}, "x imported 2")
	wantRows(t, db, "SELECT checker, unique_id FROM results ORDER BY 1, 2", "x a", "x b", "y a", "y b")
	wantRows(t, db, "SELECT count(*) FROM seen", "4")
	step(ImportOptions{Only: []string{"z"}}, "", "has no checker z; it has x, y")

	// A checker that dwmon itself has begun.
	c := &dwmon.Checker{Name: "own", Lines: []dwmon.Requirement{{Lookback: 60}}}
	if err := db.InTx(t.Context(), func(tx dwmon.Tx) error {
		_, err := tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", Minute: 60, New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	fillDB(t, path, "INSERT INTO results VALUES ('a', 'own', 60), ('a', 'new', 60)")
	step(ImportOptions{}, "new imported 1, own known 0, x imported_before 0, y imported_before 0", "own: this database has a checker of that name already; nothing was taken over")
	wantRows(t, db, "SELECT name FROM checkers ORDER BY name", "own", "x", "y")
	wantRows(t, db, "SELECT count(*) FROM seen", "4")
	step(ImportOptions{Only: []string{"new"}}, "new imported 1")
	step(ImportOptions{Only: []string{"own"}, Replace: true}, "own imported 1")
	wantRows(t, db, "SELECT count(*) FROM lines", "0")
	wantRows(t, db, "SELECT count(*) FROM forgotten", "0")
}

func TestImportDryRun(t *testing.T) {
	path := originalDB(t, "INSERT INTO results VALUES ('a', 'x', 60), ('a', 'x', 60), ('n', 'x', NULL)", "INSERT INTO checks VALUES ('x', 60)")
	want := []ImportedChecker{{Name: "x", State: ImportTaken, Results: 2, Checks: 1, First: new(int64), Settled: new(int64), WithoutTime: 1}}
	*want[0].First, *want[0].Settled = 60, 60
	db := newDB(t, Options{})
	for _, into := range []*DB{nil, db} {
		got, err := Import(t.Context(), mustOriginal(t, path), into, ImportOptions{DryRun: true})
		if diff := gocmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("a dry run: %v (-want +got)\n%s", err, diff)
		}
	}
	wantNothing(t, db)
}

// TestImportBrokenOff: until the last commit nothing is known, and what was
// copied goes.
func TestImportBrokenOff(t *testing.T) {
	path := originalDB(t, "INSERT INTO checks VALUES ('x', 60)",
		"WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO results SELECT 'k' || i, 'x', i FROM n")
	db := newDB(t, Options{})
	old := mustOriginal(t, path)
	old.rows = 100
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Import(ctx, old, db, ImportOptions{Progress: func(done, _ int64) {
		if done > 500 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted import: %v", err)
	}
	if n := dump(t, db, "SELECT count(*) FROM seen")[0]; n == "0" || n == "1000" {
		t.Errorf("%s rows were copied: the test broke off at another place than it means to", n)
	}
	wantRows(t, db, "SELECT count(*) FROM checkers", "0")
	wantRows(t, db, "SELECT count(*) FROM results", "0")
	wantRows(t, db, "SELECT count(*) FROM checks", "0")
	if _, err := db.Sweep(t.Context(), dwmon.Retention{}, db.now()); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, db)
	if _, err := Import(t.Context(), old, db, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	wantRows(t, db, "SELECT count(*), count(DISTINCT unique_id) FROM results", "1000 1000")
}

// TestImportForgetAndSweep: what an import brought goes like everything else.
func TestImportForgetAndSweep(t *testing.T) {
	path := originalDB(t, "INSERT INTO results VALUES ('a', 'x', 60), ('a', 'y', 60)", "INSERT INTO checks VALUES ('x', 60), ('x', 864000), ('y', 60)")
	db := newDB(t, Options{})
	if _, err := Import(t.Context(), mustOriginal(t, path), db, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sweep(t.Context(), dwmon.Retention{Keep: 24 * time.Hour}, 864_000e6); err != nil {
		t.Fatal(err)
	}
	wantRows(t, db, "SELECT * FROM checks", "x 864000")
	wantRows(t, db, "SELECT settled FROM checkers ORDER BY name", "864000", "60")
	for _, name := range []string{"x", "y"} {
		if err := db.Forget(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	wantNothing(t, db)
}

// fingerprint is a file's content and when it was written.
func fingerprint(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(info.ModTime(), info.Mode(), string(text))
}

func TestOpenOriginalSaysWhatElseAFileIs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	make := func(name string, statements ...string) string {
		t.Helper()
		fillDB(t, at(name), statements...)
		return at(name)
	}
	own := at("own.db")
	mustOpen(t, own, Options{}).Close()
	whole, err := os.ReadFile(originalDB(t,
		"WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO results SELECT 'key' || i, 'x', i FROM n"))
	if err != nil {
		t.Fatal(err)
	}
	scribbled := slices.Clone(whole)
	for i := 4096; i < len(scribbled); i++ {
		scribbled[i] = 0xa5
	}
	for _, c := range []struct {
		name, path string
		want       error
		says       string
	}{
		{"nothing", at("none.db"), ErrMissing, "results"},
		{"a folder", dir, ErrNotDatabase, "it is a folder"},
		{"a device", os.DevNull, ErrNotDatabase, "no regular file"},
		{"a text", write("diary.txt", "Dear diary, today I counted nothing."), ErrNotDatabase, "results"},
		{"a short text", write("short.txt", "x"), ErrNotDatabase, "results"},
		{"an empty file", write("empty.db", ""), ErrNotOriginal, "the file is empty"},
		{"dwmon's own", own, ErrNotOriginal, "a database of this dwmon already"},
		{"another program's", make("songs.db", "CREATE TABLE songs (name TEXT)", "CREATE TABLE bands (name TEXT)"), ErrNotOriginal, "the tables bands, songs)"},
		{"no tables", make("blank.db", "CREATE TABLE t (x)", "DROP TABLE t"), ErrNotOriginal, "it has no tables"},
		{"tables of the same names", make("like.db", "CREATE TABLE results (id TEXT, at INTEGER)", originalTables[1]), ErrNotOriginal, "its table results has the columns id, at"},
		{"one that is cut off", write("cut.db", string(whole[:len(whole)/2])), ErrDamaged, "it is cut off or overwritten"},
		{"one that is cut off in its head", write("head.db", string(whole[:60])), ErrDamaged, "it is cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := fingerprint(t, c.path)
			o, err := OpenOriginal(t.Context(), c.path)
			if err == nil {
				o.Close()
				t.Fatal("it was opened")
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %q, want one that is %q, names %s and says %q", err, c.want, c.path, c.says)
			}
			if after := fingerprint(t, c.path); after != before {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("one that is overwritten further on", func(t *testing.T) {
		db := newDB(t, Options{})
		_, err := Import(t.Context(), mustOriginal(t, write("scribbled.db", string(scribbled))), db, ImportOptions{})
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "scribbled.db") {
			t.Errorf("importing it: %v", err)
		}
		wantNothing(t, db)
	})
}

// TestImportWhileInUse: the original may have its database open, in either way of
// journalling, and finds it as it was.
func TestImportWhileInUse(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			path := originalDB(t, "PRAGMA journal_mode="+mode)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(1)
			must := func(s string) {
				t.Helper()
				if _, err := db.Exec(s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			must("PRAGMA wal_autocheckpoint=0")
			must("INSERT INTO results VALUES ('committed', 'x', 60)")
			must("INSERT INTO checks VALUES ('x', 60)")
			must("BEGIN IMMEDIATE")
			must("INSERT INTO results VALUES ('pending', 'x', 61)")
			before := fingerprint(t, path)
			into := newDB(t, Options{})
			if _, err := Import(t.Context(), mustOriginal(t, path), into, ImportOptions{}); err != nil {
				t.Fatal(err)
			}
			wantRows(t, into, "SELECT unique_id FROM results", "committed")
			if after := fingerprint(t, path); after != before {
				t.Error("the original's file was changed")
			}
			must("COMMIT") // no lock of ours is left
		})
	}
}

// TestImportAsANaiveReaderDoes compares the import of random rows, in chunks of a
// few, with maps.
func TestImportAsANaiveReaderDoes(t *testing.T) {
	type known struct {
		rows    map[string]int64
		checks  map[int64]bool
		settled *int64
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		path := filepath.Join(dir, "original.db")
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			rt.Fatal(err)
		}
		defer raw.Close()
		exec := func(query string, args ...any) {
			if _, err := raw.Exec(query, args...); err != nil {
				rt.Fatal(err)
			}
		}
		for _, s := range originalTables {
			exec(s)
		}
		model := map[string]*known{}
		of := func(name string) *known {
			if model[name] == nil {
				model[name] = &known{rows: map[string]int64{}, checks: map[int64]bool{}}
			}
			return model[name]
		}
		names := rapid.SampledFrom([]string{"a", "b", "c/d"})
		for range rapid.IntRange(0, 40).Draw(rt, "rows") {
			name, key := names.Draw(rt, "checker"), rapid.SampledFrom([]string{"", "k", "1", "é", "\xff", "long key"}).Draw(rt, "key")
			at, micros := drawTime(rt)
			exec("INSERT INTO results VALUES (?, ?, ?)", []byte(key), name, at)
			m := of(name)
			if _, there := m.rows[key]; !there && micros != nil {
				m.rows[key] = *micros
			}
		}
		for range rapid.IntRange(0, 20).Draw(rt, "checks") {
			name, at := names.Draw(rt, "checker"), rapid.Int64Range(-200, 200).Draw(rt, "at")
			exec("INSERT INTO checks VALUES (?, ?)", name, at)
			m := of(name)
			m.checks[at] = true
			minute := int64(math.Floor(float64(at)/60)) * 60
			if m.settled == nil || minute > *m.settled {
				m.settled = &minute
			}
		}

		db, err := Open(t.Context(), filepath.Join(dir, "dwmon.db"), Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		old, err := OpenOriginal(t.Context(), path)
		if err != nil {
			rt.Fatal(err)
		}
		defer old.Close()
		old.rows = rapid.IntRange(1, 7).Draw(rt, "chunk")
		old.bytes = rapid.IntRange(1, 20).Draw(rt, "bytes")
		got, err := Import(t.Context(), old, db, ImportOptions{})
		if err != nil || len(got) != len(model) {
			rt.Fatalf("%d checkers of %d, %v", len(got), len(model), err)
		}
		var want []string
		for name, m := range model {
			for key, micros := range m.rows {
				want = append(want, fmt.Sprintf("row %s %x %d", name, key, micros))
			}
			for at := range m.checks {
				want = append(want, fmt.Sprintf("check %s %d", name, at))
			}
			if m.settled == nil {
				want = append(want, fmt.Sprintf("settled %s <nil>", name))
			} else {
				want = append(want, fmt.Sprintf("settled %s %d", name, *m.settled))
			}
		}
		all := dump(t, db, `SELECT 'row', c.name, lower(hex(s.key)), s.ts FROM seen s JOIN checkers c ON c.id = s.checker_id
			UNION ALL SELECT 'check', checker, timestamp, NULL FROM checks UNION ALL SELECT 'settled', name, settled, NULL FROM checkers`)
		for i := range all {
			if !strings.HasPrefix(all[i], "row") {
				all[i] = strings.TrimSuffix(all[i], " <nil>")
			}
		}
		slices.SortFunc(want, cmp.Compare[string])
		slices.Sort(all)
		if diff := gocmp.Diff(want, all); diff != "" {
			rt.Fatalf("(-model +imported)\n%s", diff)
		}
	})
}

// drawTime draws a timestamp as the original may have stored it, and what it
// means; nil: nothing.
func drawTime(rt *rapid.T) (any, *int64) {
	seconds := rapid.Int64Range(-1000, 1_700_000_000).Draw(rt, "seconds")
	micros := seconds * 1e6
	switch rapid.IntRange(0, 5).Draw(rt, "type") {
	case 0:
		return nil, nil
	case 1:
		return "soon", nil
	case 2:
		micros += 250_000
		return float64(seconds) + 0.25, &micros
	case 3:
		return fmt.Sprintf("%d.0", seconds), &micros
	case 4:
		return []byte(fmt.Sprint(seconds)), &micros
	default:
		return seconds, &micros
	}
}

// BenchmarkImport imports a million rows, their keys in the order of a counter or
// in none.
func BenchmarkImport(b *testing.B) {
	const rows = 1_000_000
	for name, key := range map[string]string{"Counter": "printf('%09d', i)", "Random": "lower(hex(randomblob(16)))"} {
		b.Run(name, func(b *testing.B) {
			path := originalDB(b, fmt.Sprintf(
				"WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO results SELECT %s, 'x', 1700000000 + i FROM n", rows, key))
			for b.Loop() {
				if _, err := Import(b.Context(), mustOriginal(b, path), newDB(b, Options{}), ImportOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}
