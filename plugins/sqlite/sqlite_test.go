package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	_ "modernc.org/sqlite"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// newFile makes a SQLite file in WAL mode and returns its path.
func newFile(t testing.TB, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.db")
	write(t, path, append([]string{"PRAGMA journal_mode = WAL"}, statements...)...)
	return path
}

func openWriter(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func write(t testing.TB, path string, statements ...string) {
	t.Helper()
	db := openWriter(t, path)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

const endless = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c) SELECT x AS dwmon_unique_key, 1 AS dwmon_timestamp FROM c WHERE "

func suite(t testing.TB) gettertest.Suite {
	path := newFile(t)
	beside := filepath.Join(filepath.Dir(path), "beside.db")
	t.Cleanup(func() {
		if _, err := os.Stat(beside); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a query wrote a file: %v", err)
		}
	})
	return gettertest.Suite{
		Plugin: plugin,
		DSN:    "sqlite:" + path,
		Open:   func(t testing.TB) *sql.DB { return openWriter(t, path) },
		Series: func(n int) string {
			return fmt.Sprintf("WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c LIMIT %d) SELECT x AS dwmon_unique_key, x AS dwmon_timestamp FROM c", n)
		},
		Late:  endless + "x = 1 OR x < 0",
		Never: endless + "x < 0",
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"INSERT INTO t VALUES (4) RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"WITH x AS (SELECT 1) DELETE FROM t RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp; DELETE FROM t",
			"COMMIT; DELETE FROM t",
			"COMMIT", "BEGIN IMMEDIATE", "SAVEPOINT s",
			"DROP TABLE t",
			"CREATE TABLE u (a int)", "CREATE TEMP TABLE u (a int)",
			"CREATE VIRTUAL TABLE u USING fts5(a)",
			"PRAGMA query_only = 0", "PRAGMA user_version = 7", "PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint",
			"ATTACH '" + beside + "' AS x",
			"VACUUM INTO '" + beside + "'", "VACUUM", "REINDEX", "ANALYZE",
			"SELECT load_extension('x') AS dwmon_unique_key, 1 AS dwmon_timestamp",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = ?",
		},
	}
}

func TestSuite(t *testing.T) { suite(t).Run(t) }

func BenchmarkFetch(b *testing.B) {
	s := suite(b)
	for _, n := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { s.Bench(b, n) })
	}
}

func TestEveryFormOfKeyAndTime(t *testing.T) {
	path := newFile(t, `CREATE TABLE kinds (any_, dt DATETIME, ts TIMESTAMP, d DATE)`,
		`INSERT INTO kinds VALUES (1, '2024-06-01 12:00:00.654321', '2024-06-01T12:00:00Z', '2024-01-15')`,
		`INSERT INTO kinds VALUES (2, 1700000000, 1700000000.25, NULL)`,
		`INSERT INTO kinds VALUES (3, '2024-06-01 12:00:00+02:00', '2024-06-01 12:00', 'never')`)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path, "timezone": "Europe/Berlin"})
	inURL := gettertest.MustStart(t, plugin(), nil).From("sqlite:" + path + "?timezone=Europe%2FBerlin")
	for _, c := range []struct {
		key, at string
		row     int
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: "-9223372036854775808", at: "1700000000", row: 1, want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{key: "1.5", at: "1700000000.5", row: 1, want: gettertest.At("1.5", "2023-11-14T22:13:20.5Z")},
		{key: "'Grüße'", at: "'2024-06-01 12:00:00'", row: 1, want: gettertest.At("Grüße", "2024-06-01T12:00:00Z"), berlin: gettertest.At("Grüße", "2024-06-01T10:00:00Z")},
		{key: "X'00FF10'", at: "'2024-06-01T12:00:00.25Z'", row: 1, want: gettertest.At("\x00\xff\x10", "2024-06-01T12:00:00.25Z")},
		{key: "X''", at: "'1700000000.25'", row: 1, want: gettertest.At("", "2023-11-14T22:13:20.25Z")},
		{key: "1", at: "dt", row: 1, want: gettertest.At("1", "2024-06-01T12:00:00.654321Z"), berlin: gettertest.At("1", "2024-06-01T10:00:00.654321Z")},
		{key: "1", at: "ts", row: 1, want: gettertest.At("1", "2024-06-01T12:00:00Z")},
		{key: "1", at: "d", row: 1, want: gettertest.At("1", "2024-01-15T00:00:00Z"), berlin: gettertest.At("1", "2024-01-14T23:00:00Z")},
		{key: "1", at: "max(dt)", row: 1, want: gettertest.At("1", "2024-06-01T12:00:00.654321Z"), berlin: gettertest.At("1", "2024-06-01T10:00:00.654321Z")},
		{key: "2", at: "dt", row: 2, want: gettertest.At("2", "2023-11-14T22:13:20Z")},
		{key: "2", at: "ts", row: 2, want: gettertest.At("2", "2023-11-14T22:13:20.25Z")},
		{key: "ts", at: "1", row: 1, want: gettertest.At("2024-06-01T12:00:00Z", "1970-01-01T00:00:01Z")},
		{key: "3", at: "dt", row: 3, want: gettertest.At("3", "2024-06-01T10:00:00Z")},
		{key: "3", at: "ts", row: 3, want: gettertest.At("3", "2024-06-01T12:00:00Z"), berlin: gettertest.At("3", "2024-06-01T10:00:00Z")},
		{key: "3", at: "strftime('%s', ts)", row: 3, want: gettertest.At("3", "2024-06-01T12:00:00Z")},
	} {
		query := fmt.Sprintf("SELECT %s AS dwmon_unique_key, %s AS dwmon_timestamp FROM kinds WHERE any_ = %d", c.key, c.at, c.row)
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for g, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin, inURL: c.berlin} {
			if got := g.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
	}
	if sink := utc.MustGet(t, "SELECT 1 AS dwmon_unique_key, d AS dwmon_timestamp FROM kinds WHERE any_ = 2"); sink.Skipped != 1 {
		t.Errorf("a NULL time: %d skipped", sink.Skipped)
	}
	_, err := utc.Get(t.Context(), "SELECT 1 AS dwmon_unique_key, d AS dwmon_timestamp FROM kinds WHERE any_ = 3")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "never")
}

const one = "SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t"

func TestEveryWayToNameAFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"demo.db", "with space.db", "100%.db", "what?.db", "a#b.db", "sub/demo.db"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		abs := filepath.Join(dir, name)
		db, err := openURI(abs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("CREATE TABLE t AS SELECT ? AS a", name); err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
	g := gettertest.MustStart(t, plugin(), nil)
	for source, want := range map[string]string{
		"sqlite:demo.db":                         "demo.db",
		"sqlite:./demo.db":                       "demo.db",
		"sqlite3:demo.db":                        "demo.db",
		"sq:demo.db":                             "demo.db",
		"file:demo.db":                           "demo.db",
		"file:demo.db?mode=ro":                   "demo.db",
		"sqlite:" + dir + "/demo.db":             "demo.db",
		"sqlite://" + dir + "/demo.db":           "demo.db",
		"sqlite3://" + dir + "/demo.db":          "demo.db",
		"file://" + dir + "/demo.db":             "demo.db",
		"sqlite:sub/demo.db":                     "sub/demo.db",
		"sqlite:with%20space.db":                 "with space.db",
		"sqlite://" + dir + "/with%20space.db":   "with space.db",
		"sqlite:100%25.db":                       "100%.db",
		"sqlite://" + dir + "/100%25.db":         "100%.db",
		"sqlite:what%3F.db":                      "what?.db",
		"sqlite:a%23b.db?timezone=Europe/Berlin": "a#b.db",
	} {
		if got := g.From(source).MustGet(t, one).Rows; len(got) != 1 || got[0].Key != want {
			t.Errorf("%s: got %v, want the file %s", source, got, want)
		}
	}
	for source, word := range map[string]string{
		"sqlite:":                             "missing path",
		"sqlite::memory:":                     "no file",
		"sqlite:demo.db?mode=rwc":             "mode",
		"sqlite:demo.db?immutable=1":          "immutable",
		"sqlite:demo.db?_pragma=user_version": "_pragma",
	} {
		_, err := g.From(source).Get(t.Context(), one)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", word)
	}
}

// openURI opens a file of any name for writing.
func openURI(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path}
	return sql.Open("sqlite", u.String())
}

func TestAMissingFileIsNotMade(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "later.db")
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	_, err := g.Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.Unavailable, "", path, "no file")
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Fatalf("the fetch made %v", entries)
	}
	// It is found as soon as it is there, and again after it was replaced.
	write(t, path, "CREATE TABLE t AS SELECT 'first' AS a")
	if got := g.MustGet(t, one).Rows[0].Key; got != "first" {
		t.Fatalf("got %s", got)
	}
	other := filepath.Join(dir, "other.db")
	write(t, other, "CREATE TABLE t AS SELECT 'second' AS a")
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if got := g.MustGet(t, one).Rows[0].Key; got != "second" {
		t.Fatalf("after the file was replaced: got %s", got)
	}
	_, err = gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + dir}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.Unavailable, "", "folder")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte("this is not a database, but it is long enough to look at, and to look at again, whatever comes"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + text}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.FailedPrecondition, "", "not a database")
}

// TestReadsBesideAWriter fetches while somebody else writes, in WAL mode and with a
// rollback journal: each result is one committed state.
func TestReadsBesideAWriter(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "busy.db")
			write(t, path, "PRAGMA journal_mode = "+mode, "CREATE TABLE t (a int)")
			ctx, cancel := context.WithCancel(t.Context())
			written := make(chan error, 1)
			var commits atomic.Int64
			go func() { written <- writePairs(ctx, path, &commits) }()
			g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
			for last := int64(0); last < 30; {
				rows := g.MustGet(t, one).Rows
				if len(rows)%2 != 0 {
					t.Fatalf("%d rows: half of a transaction", len(rows))
				}
				last = commits.Load()
			}
			cancel()
			if err := <-written; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// writePairs inserts two rows a transaction until ctx ends.
func writePairs(ctx context.Context, path string, commits *atomic.Int64) error {
	db, err := sql.Open("sqlite", path+"?_busy_timeout=10000&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	for i := 0; ctx.Err() == nil; i += 2 {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for _, a := range []int{i, i + 1} {
			if _, err := tx.Exec("INSERT INTO t VALUES (?)", a); err != nil {
				tx.Rollback()
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		commits.Add(1)
	}
	return nil
}

// TestLockedFile: a writer that holds the whole file is waited for, but not beyond
// the time limit, and it is no fault of the checker.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked.db")
	write(t, path, "CREATE TABLE t (a int)")
	conn, err := openWriter(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = g.Get(ctx, one)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, "")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the wait took %v with a limit of 200ms", took)
	}
}

// TestIndexesThatAskThemselves: full-text and spatial tables, and the functions
// that are tables, work on a guarded connection.
func TestIndexesThatAskThemselves(t *testing.T) {
	path := newFile(t, "CREATE VIRTUAL TABLE words USING fts5(body)", "INSERT INTO words VALUES ('one two'), ('two three')",
		"CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1)", "INSERT INTO boxes VALUES (1, 0, 1), (2, 5, 6)",
		"CREATE TABLE t (a int)")
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	for query, want := range map[string]int{
		"SELECT rowid AS dwmon_unique_key, 1 AS dwmon_timestamp FROM words WHERE words MATCH 'two'":             2,
		"SELECT id AS dwmon_unique_key, 1 AS dwmon_timestamp FROM boxes WHERE x0 > 3":                           1,
		"SELECT value AS dwmon_unique_key, 1 AS dwmon_timestamp FROM json_each('[1,2,3]')":                      3,
		"SELECT name AS dwmon_unique_key, 1 AS dwmon_timestamp FROM pragma_table_info('t')":                     1,
		"SELECT name AS dwmon_unique_key, 1 AS dwmon_timestamp FROM sqlite_schema WHERE name = 't'":             1,
		"SELECT a.rowid AS dwmon_unique_key, row_number() OVER () AS dwmon_timestamp FROM words a JOIN words b": 4,
	} {
		if got := len(g.MustGet(t, query).Rows); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
}

func TestSingleStatement(t *testing.T) {
	for query, single := range map[string]bool{
		"SELECT 1": true, "SELECT 1;": true, "SELECT 1; ; -- over\n/* and out; */": true, "SELECT 1; -- x\n2": false,
		"SELECT ';' ; ": true, `SELECT ";" AS "a""b;"`: true, "SELECT [a;b]": true, "SELECT `a;b`": true,
		"SELECT 'it''s; fine'": true, "SELECT 1 /* ; */ + 1": true, "SELECT 1 -- ; \n + 1": true,
		"SELECT 1; SELECT 2": false, ";SELECT 1": false, "SELECT 'open; end": true, "SELECT 1 - -1; x": false,
		"": true, "SELECT 1;\x00": false, "SELECT 1 /* open ; ": true,
	} {
		if err := singleStatement(query); (err == nil) != single {
			t.Errorf("singleStatement(%q) = %v, want single = %t", query, err, single)
		}
	}
}

func FuzzSingleStatement(f *testing.F) {
	f.Add("SELECT 'a;b'; -- x", "SELECT 2")
	f.Fuzz(func(t *testing.T, first, second string) {
		singleStatement(first) // never panics, always ends
		if singleStatement("SELECT 1;"+first) == nil && singleStatement(first) != nil {
			t.Errorf("%q is several statements, but not behind another one", first)
		}
	})
}
