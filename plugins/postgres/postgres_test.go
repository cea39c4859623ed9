package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func suite(t testing.TB) gettertest.Suite {
	dsn := testdb.Postgres(t)
	return gettertest.Suite{
		Plugin: plugin,
		DSN:    dsn,
		Secret: passwordOf(t, dsn),
		Open:   func(t testing.TB) *sql.DB { return openAdmin(t, dsn) },
		Series: func(n int) string {
			return fmt.Sprintf("SELECT i AS dwmon_unique_key, to_timestamp(i) AS dwmon_timestamp FROM (SELECT generate_series(1, %d) i) s", n)
		},
		Late:  "SELECT i AS dwmon_unique_key, i AS dwmon_timestamp FROM generate_series(1, 100000) i WHERE i = 1 OR pg_sleep(1) IS NULL",
		Never: "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM pg_sleep(600)",
		Running: func(t testing.TB) int {
			var n int
			db := openAdmin(t, dsn)
			defer db.Close()
			err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
				AND state <> 'idle' AND application_name = 'dwmon'`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"INSERT INTO t VALUES (4) RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"WITH gone AS (DELETE FROM t RETURNING a) SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM gone",
			"COMMIT; DELETE FROM t",
			"COMMIT",
			"SET TRANSACTION READ WRITE",
			"DROP TABLE t",
			"TRUNCATE t",
			"CREATE TABLE u (a int)",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = $1",
			"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t FOR UPDATE",
			"COPY t TO STDOUT",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp INTO u FROM t",
		},
	}
}

func passwordOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := u.User.Password()
	return pw
}

func openAdmin(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestSuite(t *testing.T) { suite(t).Run(t) }

func BenchmarkFetch(b *testing.B) {
	s := suite(b)
	for _, n := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { s.Bench(b, n) })
	}
}

func TestEveryFormOfKeyAndTime(t *testing.T) {
	dsn := testdb.Postgres(t)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	inURL := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "&timezone=Europe/Berlin"})
	for _, c := range []struct {
		key, at string
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: "9223372036854775807::int8", at: "1700000000::int8", want: gettertest.At("9223372036854775807", "2023-11-14T22:13:20Z")},
		{key: "7::int2", at: "1700000000::int4", want: gettertest.At("7", "2023-11-14T22:13:20Z")},
		{key: "12345678901234567890.50::numeric", at: "1700000000.1234567::numeric", want: gettertest.At("12345678901234567890.50", "2023-11-14T22:13:20.123456Z")},
		{key: "1.5::double precision", at: "1700000000.5::double precision", want: gettertest.At("1.5", "2023-11-14T22:13:20.5Z")},
		{key: "'a '::char(3)", at: "'2024-06-01 12:00:00.654321+02'::timestamptz", want: gettertest.At("a  ", "2024-06-01T10:00:00.654321Z")},
		{
			key: "'6F9619FF-8B86-D011-B42D-00C04FC964FF'::uuid", at: "'2024-06-01 12:00:00.654321'::timestamp",
			want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "2024-06-01T12:00:00.654321Z"), berlin: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "2024-06-01T10:00:00.654321Z"),
		},
		{
			key: `'\x00ff10'::bytea`, at: "'2024-01-15'::date",
			want: gettertest.At("\x00\xff\x10", "2024-01-15T00:00:00Z"), berlin: gettertest.At("\x00\xff\x10", "2024-01-14T23:00:00Z"),
		},
		{
			key: "'Grüße'::text", at: "'2024-06-01 12:00:00'::text",
			want: gettertest.At("Grüße", "2024-06-01T12:00:00Z"), berlin: gettertest.At("Grüße", "2024-06-01T10:00:00Z"),
		},
		{key: "'x'::varchar", at: "'2024-06-01T12:00:00Z'::text", want: gettertest.At("x", "2024-06-01T12:00:00Z")},
		{key: "true", at: "'1700000000.25'::text", want: gettertest.At("true", "2023-11-14T22:13:20.25Z")},
		{key: "'2024-06-01 12:00:00+00'::timestamptz", at: "0", want: gettertest.At("2024-06-01T12:00:00Z", "1970-01-01T00:00:00Z")},
		{key: "''", at: "-1", want: gettertest.At("", "1969-12-31T23:59:59Z")},
		// The session's zone is the source's: a cast means the same everywhere.
		{key: "'k'", at: "('2024-06-01 12:00:00+00'::timestamptz)::timestamp", want: gettertest.At("k", "2024-06-01T12:00:00Z")},
	} {
		query := fmt.Sprintf("SELECT %s AS dwmon_unique_key, %s AS dwmon_timestamp", c.key, c.at)
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for name, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin, inURL: c.berlin} {
			if got := name.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
	}
	if sink := utc.MustGet(t, "SELECT 1 AS dwmon_unique_key, NULL::timestamptz AS dwmon_timestamp"); sink.Skipped != 1 || len(sink.Rows) != 0 {
		t.Errorf("a NULL time: %d rows, %d skipped", len(sink.Rows), sink.Skipped)
	}
	_, err := utc.Get(t.Context(), "SELECT 1 AS dwmon_unique_key, 'infinity'::timestamptz AS dwmon_timestamp")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "infinity")
	if now := utc.MustGet(t, "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp").Now; now.IsZero() {
		t.Error("the server's clock is not told")
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	dsn := testdb.Postgres(t)
	secret := passwordOf(t, dsn)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE TABLE secret_table (a int)",
		"DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN PASSWORD 'r3ader-pw'",
		"ALTER ROLE reader SET statement_timeout = '100ms'",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { admin.Exec("DROP ROLE IF EXISTS reader") })
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	one := "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"
	reader := with(func(u *url.URL) { u.User = url.UserPassword("reader", "r3ader-pw") })
	for _, c := range []struct {
		name, dsn, query, secret string
		code                     codes.Code
		word                     string
	}{
		{"wrong password", with(func(u *url.URL) { u.User = url.UserPassword("dwmon", "wr0ng/pass word") }), one, "wr0ng", codes.Unauthenticated, "password authentication failed"},
		{"no such database", with(func(u *url.URL) { u.Path = "/nowhere" }), one, secret, codes.FailedPrecondition, "nowhere"},
		{"nobody listens", with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), one, secret, codes.Unavailable, "refused"},
		{"a host that does not exist", with(func(u *url.URL) { u.Host = "host.invalid:5432" }), one, secret, codes.Unavailable, "host.invalid"},
		{"no privilege", reader, "SELECT a AS dwmon_unique_key, a AS dwmon_timestamp FROM secret_table", "r3ader-pw", codes.InvalidArgument, "permission denied"},
		{"division by zero", dsn, "SELECT 1/0 AS dwmon_unique_key, 1 AS dwmon_timestamp", secret, codes.InvalidArgument, "division by zero"},
		{"the place of a mistake", dsn, "SELECT 1 AS dwmon_unique_key,\n  oops AS dwmon_timestamp", secret, codes.InvalidArgument, "line 2, column 3"},
		{"unreadable", "postgres://u:pa%zzs3cret@h/d", one, "s3cret", codes.InvalidArgument, "percent-encoded"},
		{"protocol", dsn + "&default_query_exec_mode=simple_protocol", one, secret, codes.InvalidArgument, "default_query_exec_mode"},
		{"sslmode", with(func(u *url.URL) { u.RawQuery = "sslmode=perhaps" }), one, secret, codes.InvalidArgument, "sslmode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			if err == nil {
				_, err = g.Get(t.Context(), c.query)
			} else {
				c.code = codes.FailedPrecondition
			}
			gettertest.WantFault(t, err, c.code, c.secret, c.word)
			// The same as a SOURCE: what is wrong with it is the checker's own fault.
			_, err = gettertest.MustStart(t, plugin(), nil).From(c.dsn).Get(t.Context(), c.query)
			if c.code == codes.Unauthenticated || c.code == codes.FailedPrecondition {
				c.code = codes.InvalidArgument
			}
			gettertest.WantFault(t, err, c.code, c.secret, c.word)
		})
	}
}
