package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

func dsnOf(f *fakeServer) string {
	return "sqlserver://" + url.UserPassword("reader", f.password).String() + "@" + f.start() + "/sales?encrypt=disable"
}

func suite(t *testing.T) gettertest.Suite {
	f := newFake(t)
	return gettertest.Suite{
		Plugin:  plugin,
		DSN:     dsnOf(f),
		Secret:  f.password,
		Open:    func(testing.TB) *sql.DB { return f.engine.DB },
		Series:  func(n int) string { return fmt.Sprintf(engine.Series, n) },
		Late:    engine.Late,
		Never:   engine.Never,
		Running: func(testing.TB) int { return f.engine.Running() },
		Writes:  writes,
	}
}

// writes are batches that write, or are more than a SELECT.
var writes = []string{
	"INSERT INTO t VALUES (4)",
	"INSERT t OUTPUT inserted.a AS dwmon_unique_key, 1 AS dwmon_timestamp VALUES (4)",
	"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp DELETE FROM t",
	"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp; DELETE FROM t",
	"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp\nEXEC sp_who",
	"COMMIT; DELETE FROM t",
	"SELECT 1 COMMIT",
	"WITH gone AS (SELECT a FROM t) DELETE FROM gone",
	"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp INTO u FROM t",
	"sp_who",
	"EXEC('DELETE FROM t')",
	"MERGE t USING t AS s ON 1 = 0 WHEN NOT MATCHED THEN INSERT VALUES (1);",
	"DECLARE @a int = 1 SELECT @a",
	"SET LOCK_TIMEOUT 1",
	"TRUNCATE TABLE t",
	"DROP TABLE t",
	"BEGIN TRANSACTION",
	"USE master",
	"SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp SELECT 2",
	"/* SELECT */ DELETE FROM t",
	"SELECT '--' AS dwmon_unique_key DELETE FROM t",
}

func TestSuite(t *testing.T) { suite(t).Run(t) }

func TestOnlyReads(t *testing.T) {
	for _, query := range []string{
		one, one + ";", one + " ; -- a comment; DELETE", "/* DELETE */" + one, "(SELECT 1) UNION ALL (SELECT 2)",
		"SELECT [delete], \"insert\", 'exec' FROM [into] WHERE a = 'it''s' AND [b]]c] = 1",
		"WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION SELECT 2 EXCEPT SELECT 3",
		"SELECT a.id FROM a INNER MERGE JOIN b ON a.id = b.id OPTION (MERGE JOIN, MERGE UNION)",
		"SELECT IIF(a > 1, 1, 0), deleted, updated_at, @@SPID FROM t WITH (NOLOCK) ORDER BY 1 OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY",
		"SELECT (SELECT max(a) FROM t) AS m, CASE WHEN EXISTS (SELECT 1 FROM t) THEN 1 END FROM t FOR JSON PATH",
		"SELECT 1 FROM OPENROWSET(BULK 'x.csv', FORMAT = 'CSV') AS r",
	} {
		if err := onlyReads(query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range slices.Concat(writes, []string{"", " -- nothing", ";", one + ";;"}) {
		if onlyReads(query) == nil {
			t.Errorf("%s: let through", query)
		}
	}
}

// TestEveryFormOfKeyAndTime: values as they are on the wire.
func TestEveryFormOfKeyAndTime(t *testing.T) {
	f := newFake(t)
	dsn := dsnOf(f)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "&timezone=Europe/Berlin"})
	at := time.Date(2024, 6, 1, 12, 0, 0, 654321900, time.UTC)
	const stamped = "2024-06-01T12:00:00.654321Z"
	for i, c := range []struct {
		key, at cell
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: bigint(-9223372036854775808), at: bigint(1700000000), want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		// The server prints 6F9619FF-8B86-D011-B42D-00C04FC964FF.
		{
			key: guid([16]byte{0xff, 0x19, 0x96, 0x6f, 0x86, 0x8b, 0x11, 0xd0, 0xb4, 0x2d, 0x00, 0xc0, 0x4f, 0xc9, 0x64, 0xff}),
			at:  stamp(at, time.UTC), want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", stamped),
		},
		{key: numeric(123456789012345650, true, 2), at: stamp(at, time.FixedZone("", -5*3600)), want: gettertest.At("-1234567890123456.50", stamped)},
		{key: money(12345), at: numeric(1700000000123456, false, 6), want: gettertest.At("1.2345", "2023-11-14T22:13:20.123456Z")},
		{key: float(1.5), at: float(1700000000.5), want: gettertest.At("1.5", "2023-11-14T22:13:20.5Z")},
		{key: real4(0.1), at: datetime2(at), want: gettertest.At("0.1", stamped), berlin: gettertest.At("0.1", "2024-06-01T10:00:00.654321Z")},
		{key: nvarchar("Grüße 😀 "), at: date(at), want: gettertest.At("Grüße 😀 ", "2024-06-01T00:00:00Z"), berlin: gettertest.At("Grüße 😀 ", "2024-05-31T22:00:00Z")},
		{key: varbinary([]byte{0, 0xff, 0x10}), at: datetime(45442, 12*3600*300+150), want: gettertest.At("\x00\xff\x10", "2024-06-01T12:00:00.5Z"), berlin: gettertest.At("\x00\xff\x10", "2024-06-01T10:00:00.5Z")},
		{key: bit(1), at: nvarchar("2024-06-01 12:00:00"), want: gettertest.At("true", "2024-06-01T12:00:00Z"), berlin: gettertest.At("true", "2024-06-01T10:00:00Z")},
		{key: stamp(at, time.FixedZone("", 2*3600)), at: nvarchar("1700000000.25"), want: gettertest.At("2024-06-01T12:00:00.6543219Z", "2023-11-14T22:13:20.25Z")},
		{key: timeOfDay(at), at: bigint(1), want: gettertest.At("12:00:00.6543219", "1970-01-01T00:00:01Z")},
	} {
		query := fmt.Sprintf("SELECT %d AS canned", i)
		f.mu.Lock()
		f.canned[query] = [2]cell{c.key, c.at}
		f.mu.Unlock()
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for g, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin} {
			if got := g.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%d: got %v, want %v", i, got, want)
			}
		}
	}
	f.canned["SELECT 'a time of day'"] = [2]cell{bigint(1), timeOfDay(at)}
	_, err := utc.Get(t.Context(), "SELECT 'a time of day'")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "no time")
	if now := utc.MustGet(t, one).Now; time.Since(now).Abs() > time.Minute {
		t.Errorf("the server's clock is told as %v", now)
	}
}

// TestEveryQueryIsRolledBack: whatever got past the words.
func TestEveryQueryIsRolledBack(t *testing.T) {
	f := newFake(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(f)})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 3 {
		if _, err := g.Get(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	g.Get(ctx, "SELECT nothing FROM nowhere")
	short, cancelShort := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancelShort()
	g.Get(short, engine.Never)
	undone := func() (opened, undone int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.opened, f.undone
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		opened, undone := undone()
		if opened == 5 && undone == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d transactions, %d were rolled back; want 5", opened, undone)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var millis int
	if _, err := fmt.Sscanf(f.batches[0], "SET LOCK_TIMEOUT %d; SET XACT_ABORT ON;", &millis); err != nil || millis < 20_000 || millis > 30_000 {
		t.Errorf("within 30 s the first batch is %q", f.batches[0])
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	f := newFake(t)
	dsn := dsnOf(f)
	with := func(e tdsError) string {
		f := newFake(t)
		f.refuse = &e
		return dsnOf(f)
	}
	wants := newFake(t)
	wants.encrypt = 3
	for _, c := range []struct {
		name, dsn, query, secret string
		code                     codes.Code
		word                     string
	}{
		{"wrong password", strings.Replace(dsn, url.UserPassword("reader", f.password).String(), "reader:wr0ng", 1), one, "wr0ng", codes.Unauthenticated, "Login failed"},
		{"no such database", with(tdsError{4060, 11, `Cannot open database "sales" requested by the login. The login failed.`}), one, f.password, codes.FailedPrecondition, "sales"},
		{"paused", with(tdsError{17142, 14, "SQL Server service has been paused."}), one, f.password, codes.Unavailable, "paused"},
		{"nobody listens", "mssql://u:s3cret@127.0.0.1:1/d", one, "s3cret", codes.Unavailable, "refused"},
		{"a host that does not exist", "ms://u:s3cret@host.invalid/d", one, "s3cret", codes.Unavailable, "host.invalid"},
		{"a server without encryption", strings.Replace(dsn, "?encrypt=disable", "", 1), one, f.password, codes.Unavailable, "ncrypt"},
		{"no such table", dsn, "SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM nowhere", f.password, codes.InvalidArgument, "error 208"},
		{"a log of passwords", dsn + "&log=63", one, f.password, codes.FailedPrecondition, "log"},
		{"Entra", dsn + "&fedauth=ActiveDirectoryDefault", one, f.password, codes.FailedPrecondition, "SQL login"},
		{"bytes the other way", dsn + "&guid+conversion=true", one, f.password, codes.FailedPrecondition, "guid conversion"},
		{"encrypt perhaps", strings.Replace(dsn, "disable", "perhaps", 1), one, f.password, codes.FailedPrecondition, "perhaps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			if err == nil {
				_, err = g.Get(ctx, c.query)
			}
			gettertest.WantFault(t, err, c.code, c.secret, c.word)
		})
	}
}

// TestErrorsOfTheServer: the classes by number and severity.
func TestErrorsOfTheServer(t *testing.T) {
	for _, c := range []struct {
		e    tdsError
		code codes.Code
		word string
	}{
		{tdsError{1205, 13, "Transaction was deadlocked on lock resources"}, codes.Unavailable, "deadlocked"},
		{tdsError{1222, 16, "Lock request time out period exceeded."}, codes.Unavailable, "holds a lock"},
		{tdsError{8134, 16, "Divide by zero error encountered."}, codes.InvalidArgument, "line 1"},
		{tdsError{229, 14, "The SELECT permission was denied on the object 'x'"}, codes.InvalidArgument, "denied"},
		{tdsError{823, 24, "The operating system returned error 21"}, codes.Unavailable, "error 823"},
		{tdsError{701, 17, "There is insufficient system memory"}, codes.Unavailable, "memory"},
		{tdsError{911, 16, "Database 'x' does not exist."}, codes.InvalidArgument, "does not exist"},
	} {
		f := newFake(t)
		f.fault = &c.e
		_, err := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(f)}).Get(t.Context(), one)
		gettertest.WantFault(t, err, c.code, f.password, c.word)
	}
}

// TestEncryption: a server that wants it and shows a certificate that nobody knows.
func TestEncryption(t *testing.T) {
	f := newFake(t)
	f.encrypt = 1
	f.tls = selfSigned(t)
	dsn := strings.Replace(dsnOf(f), "?encrypt=disable", "", 1)
	_, err := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.FailedPrecondition, f.password, "trustServerCertificate")
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn + "?trustServerCertificate=true"})
	if n := len(g.MustGet(t, one).Rows); n != 1 {
		t.Errorf("%d rows over TLS", n)
	}
}

// TestSilentServer: a server that takes a connection and says nothing costs no more
// than the time limit.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlserver://u:s1lent@" + l.Addr().String() + "/d"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = g.Get(ctx, one)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, "s1lent")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestConnectionsThatBreak: a part of a result is never the whole.
func TestConnectionsThatBreak(t *testing.T) {
	f := newFake(t)
	f.breakAfter = 3
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(f)})
	for range 2 {
		_, err := g.Get(t.Context(), fmt.Sprintf(engine.Series, 100_000))
		gettertest.WantFault(t, err, codes.Unavailable, f.password, "")
	}
}
