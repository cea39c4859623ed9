package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

func suite(t testing.TB) gettertest.Suite {
	dsn := testdb.ClickHouse(t)
	admin := openAdmin(t, dsn)
	return gettertest.Suite{
		Plugin: plugin,
		DSN:    dsn,
		Secret: passwordOf(t, dsn),
		Open:   func(t testing.TB) *sql.DB { return openAdmin(t, dsn) },
		Table:  []string{"CREATE TABLE t (a Int32) ENGINE = Memory", "INSERT INTO t SELECT number + 1 FROM numbers(3)"},
		Series: func(n int) string {
			return fmt.Sprintf("SELECT number + 1 AS dwmon_unique_key, toDateTime(number + 1) AS dwmon_timestamp FROM system.numbers LIMIT %d", n)
		},
		Late:  "SELECT number AS dwmon_unique_key, number AS dwmon_timestamp FROM system.numbers WHERE number = 1",
		Never: "SELECT count() AS dwmon_unique_key, 1 AS dwmon_timestamp FROM system.numbers",
		Running: func(t testing.TB) int {
			var n int
			err := admin.QueryRow("SELECT count() FROM system.processes WHERE query LIKE '%dwmon_unique_key%' AND query NOT LIKE '%system.processes%'").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"INSERT INTO t SELECT 4",
			"COMMIT; INSERT INTO t SELECT 4",
			"SET max_threads = 2",
			"SET readonly = 0",
			"SELECT a AS dwmon_unique_key, a AS dwmon_timestamp FROM t SETTINGS readonly = 0",
			"DROP TABLE t",
			"TRUNCATE TABLE t",
			"RENAME TABLE t TO u",
			"ALTER TABLE t ADD COLUMN b Int32",
			"CREATE TABLE u (a Int32) ENGINE = Memory",
			"CREATE TEMPORARY TABLE u (a Int32)",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = ?",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = {a:Int32}",
			"USE system",
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
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := clickhouse.OpenDB(options)
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

func timeout(t *testing.T, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), limit)
}

// as is the DSN of another user.
func as(t *testing.T, dsn, user string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := u.User.Password()
	u.User = url.UserPassword(user, pw)
	return u.String()
}

// TestEveryFormOfKeyAndTime holds the types that the server of the system's packages
// knows; TestNewerTypes has the others.
func TestEveryFormOfKeyAndTime(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	inURL := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "?timezone=Europe/Berlin"})
	const summer = "2024-06-01T12:00:00Z"
	for _, c := range []struct {
		key, at string
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: "toInt64('-9223372036854775808')", at: "toInt64(1700000000)", want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{key: "toUInt64('18446744073709551615')", at: "toUInt32(1700000000)", want: gettertest.At("18446744073709551615", "2023-11-14T22:13:20Z")},
		{key: "toUInt8(7)", at: "toDecimal64('1700000000.123456', 6)", want: gettertest.At("7", "2023-11-14T22:13:20.123456Z")},
		{key: "toDecimal128('1234567890123456789012.51', 2)", at: "1700000000.5", want: gettertest.At("1234567890123456789012.51", "2023-11-14T22:13:20.5Z")},
		{key: "toFloat64(1.5)", at: "toDateTime('2024-06-01 12:00:00', 'UTC')", want: gettertest.At("1.5", summer)},
		{key: "toFloat32(0.1)", at: "toDateTime('2024-06-01 14:00:00', 'Europe/Berlin')", want: gettertest.At("0.1", summer)},
		{key: "toUUID('6F9619FF-8B86-D011-B42D-00C04FC964FF')", at: "toNullable(toDateTime('2024-06-01 12:00:00', 'UTC'))", want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", summer)},
		{key: "toNullable(toUUID('6F9619FF-8B86-D011-B42D-00C04FC964FF'))", at: "0", want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "1970-01-01T00:00:00Z")},
		{key: "toFixedString('ab', 4)", at: "-1", want: gettertest.At("ab\x00\x00", "1969-12-31T23:59:59Z")},
		{key: "unhex('00FF10')", at: "toDate('2024-01-15')", want: gettertest.At("\x00\xff\x10", "2024-01-15T00:00:00Z"), berlin: gettertest.At("\x00\xff\x10", "2024-01-14T23:00:00Z")},
		{key: "'Grüße '", at: "toNullable(toDate('2024-01-15'))", want: gettertest.At("Grüße ", "2024-01-15T00:00:00Z"), berlin: gettertest.At("Grüße ", "2024-01-14T23:00:00Z")},
		{key: "toNullable('')", at: "'2024-06-01 12:00:00'", want: gettertest.At("", summer), berlin: gettertest.At("", "2024-06-01T10:00:00Z")},
		{key: "CAST('b' AS Enum8('a' = 1, 'b' = 2))", at: "'2024-06-01T12:00:00Z'", want: gettertest.At("b", summer)},
		{key: "toDateTime('2024-06-01 12:00:00', 'UTC')", at: "'1700000000.25'", want: gettertest.At(summer, "2023-11-14T22:13:20.25Z")},
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
	if sink := utc.MustGet(t, "SELECT 1 AS dwmon_unique_key, CAST(NULL AS Nullable(DateTime)) AS dwmon_timestamp"); sink.Skipped != 1 || len(sink.Rows) != 0 {
		t.Errorf("a NULL time: %d rows, %d skipped", len(sink.Rows), sink.Skipped)
	}
	_, err := utc.Get(t.Context(), "SELECT [1, 2] AS dwmon_unique_key, 1 AS dwmon_timestamp")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "cast it to text")
}

// TestOnlyRowsAreRows: what the server sends beside the rows is none.
func TestOnlyRowsAreRows(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	totals := "SELECT number AS dwmon_unique_key, count() AS dwmon_timestamp FROM numbers(5) GROUP BY number WITH TOTALS ORDER BY number"
	for _, user := range []string{"dwmon", "fringe"} { // the extremes are on for fringe
		g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": as(t, dsn, user)})
		for range 2 {
			if n := len(g.MustGet(t, totals).Rows); n != 5 {
				t.Errorf("%s: %d rows, want 5", user, n)
			}
		}
	}
}

// TestNoResultIsCutShortInSilence: the profile of the user fringe ends a result
// after a second as if it were whole.
func TestNoResultIsCutShortInSilence(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	endless := "SELECT number AS dwmon_unique_key, 1 AS dwmon_timestamp FROM system.numbers WHERE number % 1000000000 = 1"
	var n int
	err := openAdmin(t, as(t, dsn, "fringe")).QueryRow("SELECT count() FROM (SELECT number FROM system.numbers)").Scan(&n)
	if err != nil {
		t.Fatalf("the server no longer cuts results short in silence, and this test shows nothing: %v", err)
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": as(t, dsn, "fringe")})
	_, err = g.Get(t.Context(), endless)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, passwordOf(t, dsn), "code 159", "timeout")
	// Where the user may change no settings there is no remedy but another profile.
	_, err = gettertest.MustStart(t, plugin(), map[string]any{"dsn": as(t, dsn, "stuck")}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.FailedPrecondition, passwordOf(t, dsn), "read_overflow_mode = break", "readonly = 2")
}

// TestUserWithoutSettings: with readonly = 1 not even a limit may be told, and the
// query is still stopped at the deadline.
func TestUserWithoutSettings(t *testing.T) {
	s := suite(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": as(t, s.DSN, "reader")})
	ctx, cancel := timeout(t, 3*time.Second)
	defer cancel()
	if sink, err := g.Get(ctx, s.Series(5)); err != nil || len(sink.Rows) != 5 {
		t.Fatalf("%d rows, %v", len(sink.Rows), err)
	}
	ctx, cancel = timeout(t, 300*time.Millisecond)
	defer cancel()
	_, err := g.Get(ctx, s.Never)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, s.Secret)
	for deadline := time.Now().Add(10 * time.Second); s.Running(t) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the query still runs")
		}
	}
}

func TestServerKnowsTheLimit(t *testing.T) {
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": testdb.ClickHouse(t)})
	query := "SELECT value AS dwmon_unique_key, 1 AS dwmon_timestamp FROM system.settings WHERE name = 'max_execution_time'"
	if got := g.MustGet(t, query).Rows[0].Key; got != "0" {
		t.Errorf("without a deadline the limit is %s", got)
	}
	for limit, want := range map[time.Duration]string{time.Minute: "60", 900 * time.Millisecond: "1"} {
		ctx, cancel := timeout(t, limit)
		sink, err := g.Get(ctx, query)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if got := sink.Rows[0].Key; got != want {
			t.Errorf("within %v the limit is %s, want %s", limit, got, want)
		}
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	secret := passwordOf(t, dsn)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for _, c := range []struct {
		name, dsn, query, secret string
		code                     codes.Code
		word                     string
	}{
		{"wrong password", with(func(u *url.URL) { u.User = url.UserPassword("dwmon", "wr0ng/pass word") }), one, "wr0ng", codes.Unauthenticated, "assword"},
		{"no such user", with(func(u *url.URL) { u.User = url.UserPassword("nobody", "wr0ng") }), one, "wr0ng", codes.Unauthenticated, "nobody"},
		{"no such database", with(func(u *url.URL) { u.Path = "/nowhere" }), one, secret, codes.FailedPrecondition, "nowhere"},
		{"nobody listens", with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), one, secret, codes.Unavailable, "refused"},
		{"a host that does not exist", with(func(u *url.URL) { u.Host = "host.invalid" }), one, secret, codes.Unavailable, "host.invalid"},
		{"TLS to a port without it", dsn + "?secure=true", one, secret, codes.FailedPrecondition, "TLS"},
		{"an error half-way", dsn, "SELECT number AS dwmon_unique_key, throwIf(number = 900000) AS dwmon_timestamp FROM numbers(1000000)", secret, codes.InvalidArgument, "code"},
		{"HTTP", "clickhouse+http" + dsn[len("clickhouse"):], one, secret, codes.InvalidArgument, ""},
		{"a limit in the URL", dsn + "?max_execution_time=5", one, secret, codes.InvalidArgument, "max_execution_time"},
		{"a setting that does not exist", dsn + "?no_such_setting=1", one, secret, codes.FailedPrecondition, "no_such_setting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			code := c.code
			if err == nil {
				_, err = g.Get(t.Context(), c.query)
			} else {
				code = codes.FailedPrecondition
			}
			gettertest.WantFault(t, err, code, c.secret, c.word)
			// The same as a SOURCE: what is wrong with it is the checker's own fault.
			_, err = gettertest.MustStart(t, plugin(), nil).From(c.dsn).Get(t.Context(), c.query)
			if code == codes.Unauthenticated || code == codes.FailedPrecondition {
				code = codes.InvalidArgument
			}
			gettertest.WantFault(t, err, code, c.secret, c.word)
		})
	}
}
