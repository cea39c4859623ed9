package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func suite(t testing.TB) gettertest.Suite {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	return gettertest.Suite{
		Plugin: plugin,
		DSN:    dsn,
		Secret: passwordOf(t, dsn),
		Open:   func(t testing.TB) *sql.DB { return openAdmin(t, dsn) },
		Series: func(n int) string {
			return fmt.Sprintf("SELECT seq AS dwmon_unique_key, FROM_UNIXTIME(seq) AS dwmon_timestamp FROM seq_1_to_%d", n)
		},
		Late:  "SELECT seq AS dwmon_unique_key, seq AS dwmon_timestamp FROM seq_1_to_100000 WHERE seq = 1 OR SLEEP(1) > 1",
		Never: "SELECT SLEEP(600) AS dwmon_unique_key, 1 AS dwmon_timestamp",
		Running: func(t testing.TB) int {
			var n int
			err := admin.QueryRow(`SELECT count(*) FROM information_schema.processlist
				WHERE db = database() AND id <> connection_id() AND command = 'Query'`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"INSERT INTO t VALUES (4) RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"DELETE FROM t RETURNING a AS dwmon_unique_key, a AS dwmon_timestamp",
			"UPDATE t SET a = a + 1",
			"REPLACE INTO t VALUES (1)",
			"COMMIT; DELETE FROM t",
			"COMMIT",
			"SET SESSION max_statement_time = 0",
			"SET SESSION TRANSACTION READ WRITE",
			"START TRANSACTION READ WRITE",
			"DROP TABLE t",
			"TRUNCATE TABLE t",
			"ALTER TABLE t ADD COLUMN b int",
			"CREATE TABLE u (a int)",
			"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t WHERE a = ?",
			"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t",
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
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = u.User.Username(), passwordOf(t, dsn)
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
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
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		`CREATE TABLE kinds (big bigint, ubig bigint unsigned, dec_ decimal(30,2), dbl double, ch varchar(20) CHARACTER SET utf8mb4,
			latin varchar(20) CHARACTER SET latin1, bin varbinary(16), id uuid,
			dt datetime(6), ts timestamp(6) NULL, d date, whole int)`,
		"SET time_zone = '+00:00'",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	// The instants are written in UTC, one summer and one winter.
	conn, err := admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range []string{
		"SET time_zone = '+00:00', sql_mode = ''",
		`INSERT INTO kinds VALUES (-9223372036854775808, 18446744073709551615, 1234567890123456789.50, 1.5, 'Grüße 😀',
			'Grüße', X'00FF10', '6F9619FF-8B86-D011-B42D-00C04FC964FF', '2024-06-01 12:00:00.654321', '2024-06-01 12:00:00.654321', '2024-01-15', 1700000000)`,
		`INSERT INTO kinds (whole, dt, ts) VALUES (1, '2024-01-01 12:00:00', '2024-01-01 12:00:00')`,
		`INSERT INTO kinds (whole, dt) VALUES (2, '0000-00-00 00:00:00')`,
	} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	inURL := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "?timezone=Europe/Berlin"})
	for _, c := range []struct {
		key, at string
		where   int
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: "big", at: "whole", want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{key: "ubig", at: "whole + 0.1234567", want: gettertest.At("18446744073709551615", "2023-11-14T22:13:20.123456Z")},
		{key: "dec_", at: "whole + 0.5e0", want: gettertest.At("1234567890123456789.50", "2023-11-14T22:13:20.5Z")},
		{key: "dbl", at: "ts", want: gettertest.At("1.5", "2024-06-01T12:00:00.654321Z")},
		{key: "ch", at: "dt", want: gettertest.At("Grüße 😀", "2024-06-01T12:00:00.654321Z"), berlin: gettertest.At("Grüße 😀", "2024-06-01T10:00:00.654321Z")},
		{key: "latin", at: "d", want: gettertest.At("Grüße", "2024-01-15T00:00:00Z"), berlin: gettertest.At("Grüße", "2024-01-14T23:00:00Z")},
		{key: "bin", at: "'2024-06-01 12:00:00'", want: gettertest.At("\x00\xff\x10", "2024-06-01T12:00:00Z"), berlin: gettertest.At("\x00\xff\x10", "2024-06-01T10:00:00Z")},
		{key: "id", at: "'1700000000.25'", want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "2023-11-14T22:13:20.25Z")},
		{key: "ts", at: "unix_timestamp(ts)", want: gettertest.At("2024-06-01T12:00:00.654321Z", "2024-06-01T12:00:00.654321Z")},
		// Winter is at another offset than summer, whatever it is now.
		{key: "whole", at: "ts", where: 1, want: gettertest.At("1", "2024-01-01T12:00:00Z")},
		{key: "whole", at: "dt", where: 1, want: gettertest.At("1", "2024-01-01T12:00:00Z"), berlin: gettertest.At("1", "2024-01-01T11:00:00Z")},
		{key: `"text"`, at: "ts", where: 1, want: gettertest.At("text", "2024-01-01T12:00:00Z")},
	} {
		where := "whole > 2"
		if c.where > 0 {
			where = fmt.Sprint("whole = ", c.where)
		}
		query := fmt.Sprintf("SELECT %s AS dwmon_unique_key, %s AS dwmon_timestamp FROM kinds WHERE %s", c.key, c.at, where)
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for name, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin, inURL: c.berlin} {
			if got := name.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
	}
	for _, query := range []string{
		"SELECT 1 AS dwmon_unique_key, CAST(NULL AS datetime) AS dwmon_timestamp",
		"SELECT 1 AS dwmon_unique_key, dt AS dwmon_timestamp FROM kinds WHERE whole = 2", // the zero date
	} {
		if sink := utc.MustGet(t, query); sink.Skipped != 1 || len(sink.Rows) != 0 {
			t.Errorf("%s: %v, %d skipped; want it skipped", query, sink.Rows, sink.Skipped)
		}
	}
	// NOW() is a wall clock of the source's zone, and read as one.
	for name, g := range map[string]*gettertest.Getter{"UTC": utc, "Berlin": berlin} {
		for _, now := range []string{"NOW(6)", "CURRENT_TIMESTAMP"} {
			row := g.MustGet(t, "SELECT 1 AS dwmon_unique_key, "+now+" AS dwmon_timestamp").Rows[0]
			if off := time.Since(time.UnixMicro(row.Micros)); off < -time.Minute || off > time.Minute {
				t.Errorf("%s in %s is off by %v", now, name, off)
			}
		}
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	dsn := testdb.MariaDB(t)
	secret := passwordOf(t, dsn)
	admin := openAdmin(t, dsn)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	var database string
	if err := admin.QueryRow("SELECT database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE open_table (a int)", "CREATE TABLE secret_table (a int)",
		"CREATE OR REPLACE USER reader IDENTIFIED BY 'r3ader@/:pw'",
		"GRANT SELECT ON " + database + ".open_table TO reader",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { admin.Exec("DROP USER IF EXISTS reader") })
	one := "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"
	reader := with(func(u *url.URL) { u.User = url.UserPassword("reader", "r3ader@/:pw") })
	for _, c := range []struct {
		name, dsn, query, secret string
		code                     codes.Code
		word                     string
	}{
		{"wrong password", with(func(u *url.URL) { u.User = url.UserPassword("dwmon", "wr0ng/pass word") }), one, "wr0ng", codes.Unauthenticated, "Access denied"},
		{"no such database", with(func(u *url.URL) { u.Path = "/nowhere" }), one, secret, codes.FailedPrecondition, "nowhere"},
		{"a database that is not ours", with(func(u *url.URL) { u.User, u.Path = url.UserPassword("reader", "r3ader@/:pw"), "/mysql" }), one, "r3ader", codes.Unauthenticated, "Access denied"},
		{"nobody listens", with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), one, secret, codes.Unavailable, "refused"},
		{"a host that does not exist", with(func(u *url.URL) { u.Host = "host.invalid:3306" }), one, secret, codes.Unavailable, "host.invalid"},
		{"a password with every special character", reader, one, "r3ader@", codes.OK, ""},
		{"no privilege", reader, "SELECT a AS dwmon_unique_key, a AS dwmon_timestamp FROM secret_table", "r3ader@", codes.InvalidArgument, "denied"},
		{"an unknown database in a query", dsn, "SELECT a AS dwmon_unique_key, a AS dwmon_timestamp FROM nowhere.t", secret, codes.InvalidArgument, "nowhere"},
		{"a mix of collations", dsn, "SELECT _utf8mb4'a' COLLATE utf8mb4_bin = _utf8mb4'b' COLLATE utf8mb4_general_ci AS dwmon_unique_key, 1 AS dwmon_timestamp", secret, codes.InvalidArgument, "collation"},
		{"several statements", dsn + "?multiStatements=true", one, secret, codes.InvalidArgument, "multiStatements"},
		{"a zone of the driver", dsn + "?loc=Local", one, secret, codes.InvalidArgument, "use timezone"},
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

// TestServerKnowsTheLimit asks the server for the limit it was told.
func TestServerKnowsTheLimit(t *testing.T) {
	dsn := testdb.MariaDB(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	for _, limit := range []struct {
		timeout time.Duration
		want    string
	}{{40 * time.Second, "40"}, {90 * time.Second, "90"}, {0, "0"}} {
		ctx := t.Context()
		if limit.timeout > 0 {
			var cancel func()
			ctx, cancel = context.WithTimeout(ctx, limit.timeout)
			defer cancel()
		}
		sink, err := g.Get(ctx, "SELECT CAST(@@max_statement_time AS int) AS dwmon_unique_key, 1 AS dwmon_timestamp")
		if err != nil {
			t.Fatal(err)
		}
		if got := sink.Rows[0].Key; got != limit.want {
			t.Errorf("with %v the server's limit is %s s, want %s", limit.timeout, got, limit.want)
		}
	}
}

func TestLimitSetting(t *testing.T) {
	for _, c := range []struct {
		mariadb bool
		limit   time.Duration
		want    string
	}{
		{true, 0, "max_statement_time = 0"},
		{true, 59_900 * time.Millisecond, "max_statement_time = 60"},
		{true, time.Millisecond, "max_statement_time = 1"},
		{false, 0, "max_execution_time = 0"},
		{false, 59_900 * time.Millisecond, "max_execution_time = 60000"},
		{false, 1000 * 24 * time.Hour, "max_execution_time = 4294967295"},
	} {
		if got := (&conn{mariadb: c.mariadb}).limitSetting(c.limit); got != c.want {
			t.Errorf("limitSetting(%v) = %s, want %s", c.limit, got, c.want)
		}
	}
}
