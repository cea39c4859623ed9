package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

// file makes an empty database.
func file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a file.duckdb")
	write(t, path, "SELECT 1")
	return path
}

// write runs statements on a file, which is closed again: DuckDB lets nobody read
// beside a writer.
func write(t testing.TB, path string, statements ...string) {
	t.Helper()
	db := sql.OpenDB(writer{path})
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// writer opens a file for each connection, and closes it with it.
type writer struct{ path string }

func (w writer) Driver() driver.Driver { return duckdb.Driver{} }

func (w writer) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := duckdb.NewConnector(w.path, nil)
	if err != nil {
		return nil, err
	}
	raw, err := opened.Connect(ctx)
	if err != nil {
		opened.Close()
		return nil, err
	}
	return &conn{Conn: raw.(*duckdb.Conn), opened: opened}, nil
}

const series = "SELECT i AS dwmon_unique_key, to_timestamp(i) AS dwmon_timestamp FROM range(1, %d + 1) r(i)"

func suite(t testing.TB) gettertest.Suite {
	path := file(t)
	return gettertest.Suite{
		Plugin: plugin,
		DSN:    "duckdb:" + path,
		Open: func(t testing.TB) *sql.DB {
			db := sql.OpenDB(writer{path})
			db.SetMaxIdleConns(0)
			t.Cleanup(func() { db.Close() })
			return db
		},
		// DuckDB gives the first row when it has them all: a result of millions of
		// rows is stopped while it is made, which the test of the cancel is about.
		Series:  func(n int) string { return fmt.Sprintf(series, min(n, 2_000_000)) },
		Late:    endless + " WHERE i = 1 OR i < 0",
		Never:   endless + " WHERE i < 0",
		Running: running,
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"INSERT INTO t VALUES (4) RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"WITH x AS (SELECT 4) INSERT INTO t SELECT * FROM x",
			"DELETE FROM t",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp; DELETE FROM t",
			"DELETE FROM t; SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp",
			"COPY t TO '" + filepath.Join(filepath.Dir(path), "stolen.csv") + "'",
			"EXPORT DATABASE '" + filepath.Join(filepath.Dir(path), "stolen") + "'",
			"ATTACH '" + filepath.Join(filepath.Dir(path), "other.duckdb") + "'",
			"CREATE TABLE u (a int)",
			"CREATE TEMPORARY TABLE u (a int)",
			"DROP TABLE t",
			"SET memory_limit = '100GB'",
			"PRAGMA memory_limit='100GB'",
			"INSTALL httpfs",
			"BEGIN TRANSACTION",
			"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = ?",
			"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = $1",
			"EXPLAIN ANALYZE INSERT INTO t VALUES (4)",
		},
	}
}

// running counts the queries that DuckDB is at: each has a goroutine of the driver's
// beside it that would interrupt it.
func running(testing.TB) int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), ".interrupterRoutine(")
}

// endless searches for ever: more numbers than a life has seconds.
const endless = "SELECT i AS dwmon_unique_key, i AS dwmon_timestamp FROM range(1, 1000000000000000) r(i)"

func TestSuite(t *testing.T) {
	s := suite(t)
	s.Run(t)
	for _, name := range []string{"stolen.csv", "stolen", "other.duckdb"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(s.DSN[len("duckdb:"):]), name)); err == nil {
			t.Errorf("a query has made the file %s", name)
		}
	}
}

func TestEveryFormOfKeyAndTime(t *testing.T) {
	dsn := "duckdb:" + file(t)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "?timezone=Europe/Berlin"})
	const stamp = "2024-06-01T12:00:00.654321Z"
	for _, c := range []struct {
		key, at string
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: "(-9223372036854775808)::BIGINT", at: "1700000000::BIGINT", want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{key: "18446744073709551615::UBIGINT", at: "1700000000::UINTEGER", want: gettertest.At("18446744073709551615", "2023-11-14T22:13:20Z")},
		{key: "170141183460469231731687303715884105727::HUGEINT", at: "1700000000.5::DOUBLE", want: gettertest.At("170141183460469231731687303715884105727", "2023-11-14T22:13:20.5Z")},
		{key: "123456789012345678901234567890.50::DECIMAL(38,2)", at: "1700000000.1234567::DECIMAL(20,7)", want: gettertest.At("123456789012345678901234567890.50", "2023-11-14T22:13:20.123456Z")},
		{key: "(-0.05)::DECIMAL(9,2)", at: "TIMESTAMPTZ '2024-06-01 14:00:00.654321+02'", want: gettertest.At("-0.05", stamp)},
		{key: "0::DECIMAL(9,2)", at: "TIMESTAMP '2024-06-01 12:00:00.654321'", want: gettertest.At("0.00", stamp), berlin: gettertest.At("0.00", "2024-06-01T10:00:00.654321Z")},
		{key: "1.5::DOUBLE", at: "TIMESTAMP_NS '2024-06-01 12:00:00.654321987'", want: gettertest.At("1.5", stamp), berlin: gettertest.At("1.5", "2024-06-01T10:00:00.654321Z")},
		{key: "0.1::FLOAT", at: "TIMESTAMP_S '2024-06-01 12:00:00'", want: gettertest.At("0.1", "2024-06-01T12:00:00Z"), berlin: gettertest.At("0.1", "2024-06-01T10:00:00Z")},
		{key: "'6F9619FF-8B86-D011-B42D-00C04FC964FF'::UUID", at: "DATE '2024-01-15'", want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "2024-01-15T00:00:00Z"), berlin: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "2024-01-14T23:00:00Z")},
		{key: `'\x00\xFF\x10'::BLOB`, at: "'2024-06-01 12:00:00'", want: gettertest.At("\x00\xff\x10", "2024-06-01T12:00:00Z"), berlin: gettertest.At("\x00\xff\x10", "2024-06-01T10:00:00Z")},
		{key: "'Grüße 😀 '", at: "'1700000000.25'", want: gettertest.At("Grüße 😀 ", "2023-11-14T22:13:20.25Z")},
		{key: "true", at: "-1", want: gettertest.At("true", "1969-12-31T23:59:59Z")},
		{key: "'b'::ENUM('a', 'b')", at: "0", want: gettertest.At("b", "1970-01-01T00:00:00Z")},
		{key: "TIME '12:34:56.5'", at: "0", want: gettertest.At("12:34:56.5", "1970-01-01T00:00:00Z")},
		{key: "TIMESTAMPTZ '2024-06-01 12:00:00+00'", at: "(TIMESTAMPTZ '2024-06-01 12:00:00+00')::TIMESTAMP", want: gettertest.At("2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z")},
	} {
		query := fmt.Sprintf("SELECT %s AS dwmon_unique_key, %s AS dwmon_timestamp", c.key, c.at)
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for g, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin} {
			if got := g.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
	}
	for _, value := range []string{"TIME '12:00:00'", "TIMESTAMP 'infinity'", "INTERVAL 1 DAY", "[1, 2]"} {
		_, err := utc.Get(t.Context(), "SELECT 1 AS dwmon_unique_key, "+value+" AS dwmon_timestamp")
		gettertest.WantFault(t, err, codes.InvalidArgument, "", "row 1")
	}
	_, err := utc.Get(t.Context(), "SELECT [1, 2] AS dwmon_unique_key, 1 AS dwmon_timestamp")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "cast it to text")
}

// TestFiles reads files of other formats, without a database.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("x.duckdb"),
		"CREATE TABLE orders AS SELECT i AS id, TIMESTAMP '2024-06-01 12:00:00' + to_seconds(i) AS happened FROM range(3) r(i)",
		"COPY orders TO '"+path("orders.parquet")+"'",
		"COPY orders TO '"+path("orders.json")+"'",
	)
	if err := os.WriteFile(path("orders.csv"), []byte("id,happened\n0,2024-06-01 12:00:00\n1,2024-06-01 12:00:01\n2,2024-06-01 12:00:02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "duckdb:"})
	for _, name := range []string{"orders.parquet", "orders.csv", "orders.json", "ord*.parquet"} {
		got := g.MustGet(t, "SELECT id AS dwmon_unique_key, happened AS dwmon_timestamp FROM '"+path(name)+"' ORDER BY id").Rows
		if len(got) != 3 || got[2] != gettertest.At("2", "2024-06-01T12:00:02Z") {
			t.Errorf("%s: %v", name, got)
		}
	}
	_, err := g.Get(t.Context(), "SELECT id AS dwmon_unique_key, happened AS dwmon_timestamp FROM '"+path("none.parquet")+"'")
	gettertest.WantFault(t, err, codes.Unavailable, "", "none.parquet")
	_, err = g.Get(t.Context(), "SELECT 1 FROM 's3://bucket/x.parquet'")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "httpfs")
}

// TestTheFileIsLetGo: between fetches another process may write.
func TestTheFileIsLetGo(t *testing.T) {
	path := file(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "duckdb:" + path})
	for i := range 3 {
		write(t, path, fmt.Sprintf("CREATE TABLE t%d AS SELECT 1 AS a", i))
		g.MustGet(t, fmt.Sprintf("SELECT a AS dwmon_unique_key, a AS dwmon_timestamp FROM t%d", i))
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	path := file(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("this is no database, however long one looks at it, and even twice"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dsn, query string
		code             codes.Code
		word             string
	}{
		{"no such file", "duckdb:" + path + ".not", one, codes.Unavailable, "no file"},
		{"a folder", "duckdb:" + filepath.Dir(path), one, codes.Unavailable, "folder"},
		{"no database", "duckdb:" + text, one, codes.Unavailable, "valid DuckDB"},
		{"a write", "duckdb:" + path + "?access_mode=read_write", one, codes.FailedPrecondition, "access_mode"},
		{"a setting that does not exist", "duckdb:" + path + "?no_such=1", one, codes.FailedPrecondition, "no_such"},
		{"no such table", "duckdb:" + path, "SELECT a FROM nowhere", codes.InvalidArgument, "nowhere"},
		{"a conversion", "duckdb:" + path, "SELECT 'x'::INT AS dwmon_unique_key, 1 AS dwmon_timestamp", codes.InvalidArgument, "convert"},
		{"memory", "duckdb:?memory_limit=20MB", "SELECT i AS dwmon_unique_key, 1 AS dwmon_timestamp FROM (SELECT i FROM range(100000000) r(i) ORDER BY random())", codes.Unavailable, "memory_limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			if err == nil {
				_, err = g.Get(t.Context(), c.query)
			}
			gettertest.WantFault(t, err, c.code, "", c.word)
		})
	}
}

// TestAnInterruptIsQuick: whatever DuckDB is at.
func TestAnInterruptIsQuick(t *testing.T) {
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "duckdb:"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := g.Get(ctx, "SELECT count(*) AS dwmon_unique_key, 1 AS dwmon_timestamp FROM range(100000000) a, range(100000000) b")
	gettertest.WantFault(t, err, codes.DeadlineExceeded, "")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings:  map[string]any{"dsn": "duckdb:" + file(t)},
		Query:     one,
		ManyRows:  fmt.Sprintf(series, 200_000),
		SlowQuery: endless + " WHERE i < 0",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "duckdb"), o) })
}
