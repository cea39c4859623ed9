package main

import (
	"context"
	"database/sql"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

// dsnOf is the URL of a fake: plain, or with the password and the certificate that
// it wants.
func dsnOf(c *coordinator) string {
	s := c.start()
	if c.password == "" {
		return strings.Replace(s.URL, "http:", "trino:", 1) + "/hive/sales"
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	u.Scheme, u.User, u.Path = "trino+https", url.UserPassword("reader", c.password), "/hive/sales"
	u.RawQuery = url.Values{"SSLCert": {string(cert)}}.Encode()
	return u.String()
}

func suite(t *testing.T) gettertest.Suite {
	c := newCoordinator(t)
	c.password = "tr1no/s3cret pw"
	return gettertest.Suite{
		Plugin:  plugin,
		DSN:     dsnOf(c),
		Secret:  c.password,
		Open:    func(testing.TB) *sql.DB { return c.engine.DB },
		Series:  func(n int) string { return fmt.Sprintf(engine.Series, n) },
		Late:    engine.Late,
		Never:   engine.Never,
		Running: func(testing.TB) int { return c.engine.Running() },
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"DELETE FROM t",
			"UPDATE t SET a = 7",
			"MERGE INTO t USING t AS s ON false WHEN NOT MATCHED THEN INSERT VALUES (1)",
			"CREATE TABLE u AS SELECT * FROM t",
			"DROP TABLE t",
			"TRUNCATE TABLE t",
			"CALL system.runtime.kill_query('x')",
			"SET SESSION query_max_run_time = '10h'",
			"START TRANSACTION",
			"USE hive.other",
			"EXPLAIN ANALYZE DELETE FROM t",
			"/* SELECT */ DELETE FROM t",
			"SELECT 1; DELETE FROM t",
		},
	}
}

func TestSuite(t *testing.T) { suite(t).Run(t) }

// TestEveryFormOfKeyAndTime: what the answers hold, as the protocol's types have it.
func TestEveryFormOfKeyAndTime(t *testing.T) {
	c := newCoordinator(t)
	dsn := dsnOf(c)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	const stamp = "2024-06-01T12:00:00.654321Z"
	for i, c2 := range []struct {
		keyType, timeType string
		key, at           any
		want              gettertest.Row
		berlin            gettertest.Row // zero: the same
	}{
		{keyType: "bigint", key: int64(-9223372036854775808), timeType: "bigint", at: 1700000000, want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{keyType: "tinyint", key: 7, timeType: "integer", at: 1700000000, want: gettertest.At("7", "2023-11-14T22:13:20Z")},
		{keyType: "decimal(38,2)", key: "123456789012345678901234567890123456.50", timeType: "decimal(18,6)", at: "1700000000.123456", want: gettertest.At("123456789012345678901234567890123456.50", "2023-11-14T22:13:20.123456Z")},
		{keyType: "double", key: 1.5, timeType: "double", at: 1700000000.5, want: gettertest.At("1.5", "2023-11-14T22:13:20.5Z")},
		{keyType: "uuid", key: "6f9619ff-8b86-d011-b42d-00c04fc964ff", timeType: "timestamp(6) with time zone", at: "2024-06-01 12:00:00.654321 UTC", want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", stamp)},
		{keyType: "varchar", key: "Grüße ", timeType: "timestamp(9) with time zone", at: "2024-06-01 14:00:00.654321987 Europe/Berlin", want: gettertest.At("Grüße ", stamp)},
		{keyType: "char(3)", key: "a  ", timeType: "timestamp(6) with time zone", at: "2024-06-01 07:00:00.654321 -05:00", want: gettertest.At("a  ", stamp)},
		{keyType: "varbinary", key: "AP8Q", timeType: "timestamp(6)", at: "2024-06-01 12:00:00.654321", want: gettertest.At("\x00\xff\x10", stamp), berlin: gettertest.At("\x00\xff\x10", "2024-06-01T10:00:00.654321Z")},
		{keyType: "boolean", key: true, timeType: "timestamp(12)", at: "2024-06-01 12:00:00.654321987654", want: gettertest.At("true", stamp), berlin: gettertest.At("true", "2024-06-01T10:00:00.654321Z")},
		{keyType: "ipaddress", key: "10.0.0.1", timeType: "date", at: "2024-01-15", want: gettertest.At("10.0.0.1", "2024-01-15T00:00:00Z"), berlin: gettertest.At("10.0.0.1", "2024-01-14T23:00:00Z")},
		{keyType: "varchar(20)", key: "", timeType: "varchar(30)", at: "2024-06-01 12:00:00", want: gettertest.At("", "2024-06-01T12:00:00Z"), berlin: gettertest.At("", "2024-06-01T10:00:00Z")},
		{keyType: "timestamp(3) with time zone", key: "2024-06-01 14:00:00.500 +02:00", timeType: "varchar", at: "1700000000.25", want: gettertest.At("2024-06-01T12:00:00.5Z", "2023-11-14T22:13:20.25Z")},
	} {
		query := fmt.Sprintf("SELECT %d AS canned", i)
		c.canned[query] = cannedResult{types: []string{c2.keyType, c2.timeType}, rows: [][]any{{c2.key, c2.at}}}
		if c2.berlin == (gettertest.Row{}) {
			c2.berlin = c2.want
		}
		for g, want := range map[*gettertest.Getter]gettertest.Row{utc: c2.want, berlin: c2.berlin} {
			if got := g.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%s, %s: got %v, want %v", c2.keyType, c2.timeType, got, want)
			}
		}
	}
	for query, r := range map[string]cannedResult{
		"SELECT 'a time of day'": {types: []string{"bigint", "time(3)"}, rows: [][]any{{1, "12:00:00.000"}}},
		"SELECT 'an array'":      {types: []string{"array(bigint)", "bigint"}, rows: [][]any{{[]any{1, 2}, 1}}},
		"SELECT 'null'":          {types: []string{"bigint", "bigint"}, rows: [][]any{{nil, 1}}},
	} {
		c.canned[query] = r
		_, err := utc.Get(t.Context(), query)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", "row 1")
	}
}

// TestWhatTheServerIsTold: the limit, the zone, and who asks.
func TestWhatTheServerIsTold(t *testing.T) {
	c := newCoordinator(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(c) + "?session_properties=join_distribution_type:BROADCAST", "timezone": "Europe/Berlin"})
	g.MustGet(t, one+" ; -- end")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := g.Get(ctx, one); err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"X-Trino-User": "dwmon", "X-Trino-Source": "dwmon", "X-Trino-Time-Zone": "Europe/Berlin",
		"X-Trino-Catalog": "hive", "X-Trino-Schema": "sales", "X-Trino-Query-Data-Encoding": "",
	} {
		if got := c.posted[0].Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if c.texts[0] != one+" " {
		t.Errorf("the statement is %q", c.texts[0])
	}
	if got := c.posted[0].Header.Values("X-Trino-Session"); len(got) != 1 || got[0] != "join_distribution_type=BROADCAST" {
		t.Errorf("without a deadline the properties are %q", got)
	}
	got := strings.Join(c.posted[1].Header.Values("X-Trino-Session"), ",")
	var millis int
	if _, err := fmt.Sscanf(got, "join_distribution_type=BROADCAST,query_max_run_time=%dms", &millis); err != nil || millis < 50_000 || millis > 60_000 {
		t.Errorf("within a minute the properties are %q", got)
	}
}

// TestResultsThatBreakOff: a part of a result is never the whole.
func TestResultsThatBreakOff(t *testing.T) {
	for _, c := range []struct {
		name string
		page int // the answer with rows that is changed
		wrap func(w http.ResponseWriter, page map[string]any)
		code codes.Code
		word string
	}{
		{"an empty object", 2, func(w http.ResponseWriter, _ map[string]any) { w.Write([]byte("{}")) }, codes.FailedPrecondition, "coordinator"},
		{"a page of a proxy", 2, func(w http.ResponseWriter, _ map[string]any) { w.Write([]byte("<html>welcome</html>")) }, codes.FailedPrecondition, "coordinator"},
		{"half a page", 2, func(w http.ResponseWriter, page map[string]any) {
			text := encode(page)
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			w.Write(text[:len(text)/2])
		}, codes.Unavailable, ""},
		{"an error at the end", 2, func(w http.ResponseWriter, page map[string]any) {
			delete(page, "nextUri")
			delete(page, "data")
			page["error"] = trinoError("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES", "Query exceeded the maximum run time limit of 1.00m")
			w.Write(encode(page))
		}, codes.DeadlineExceeded, "raise the timeout"},
		{"a worker is gone", 2, func(w http.ResponseWriter, page map[string]any) {
			delete(page, "nextUri")
			delete(page, "data")
			page["error"] = trinoError("PAGE_TRANSPORT_ERROR", "INTERNAL_ERROR", "Encountered too many errors talking to a worker node")
			w.Write(encode(page))
		}, codes.Unavailable, "worker node"},
		{"the query is gone", 2, func(w http.ResponseWriter, _ map[string]any) { http.Error(w, "Query not found", http.StatusGone) }, codes.Unavailable, "410"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newCoordinator(t)
			n := 0
			fake.wrap = func(w http.ResponseWriter, page map[string]any) bool {
				if page["data"] == nil {
					return true
				}
				if n++; n != c.page {
					return true
				}
				c.wrap(w, page)
				return false
			}
			g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(fake)})
			_, err := g.Get(t.Context(), fmt.Sprintf(engine.Series, 5000))
			gettertest.WantFault(t, err, c.code, "", c.word)
			if n < c.page {
				t.Fatal("there was no such page")
			}
		})
	}
}

// TestStopReachesTheServer: however a fetch ends early, the query is cancelled there.
func TestStopReachesTheServer(t *testing.T) {
	c := newCoordinator(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsnOf(c)})
	stop := fmt.Errorf("enough")
	err := g.Fetch(t.Context(), fmt.Sprintf(engine.Series, 1_000_000), &gettertest.Sink{Refuse: func(n int) error {
		if n == 5000 {
			return stop
		}
		return nil
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for deadline := time.Now().Add(10 * time.Second); c.engine.Running() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the query still runs")
		}
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	c := newCoordinator(t)
	c.password = "tr1no-s3cret"
	secure := dsnOf(c)
	wrong := strings.Replace(secure, "tr1no-s3cret", "wr0ng-one", 1)
	plain := dsnOf(newCoordinator(t))
	with := func(host string) string { return "trino://" + host + "/hive" }
	for _, f := range []struct {
		name, dsn, query, secret string
		code                     codes.Code
		word                     string
	}{
		{"wrong password", wrong, one, "wr0ng", codes.Unauthenticated, "401"},
		{"a certificate that nobody knows", strings.Split(secure, "?")[0], one, c.password, codes.FailedPrecondition, "certificate"},
		{"a password in the open", strings.Replace(strings.Split(secure, "?")[0], "+https", "+http", 1), one, c.password, codes.FailedPrecondition, "TLS"},
		{"nobody listens", with("127.0.0.1:1"), one, "", codes.Unavailable, "refused"},
		{"a host that does not exist", with("host.invalid"), one, "", codes.Unavailable, "host.invalid"},
		{"TLS to a port without it", strings.Replace(plain, "trino:", "trino+https:", 1), one, "", codes.FailedPrecondition, "HTTP response to HTTPS client"},
		{"no TLS to a port with it", strings.Replace(with(strings.Split(strings.Split(secure, "@")[1], "/")[0]), "/hive", "/hive", 1), one, "", codes.InvalidArgument, "400"},
		{"a third level", with("h") + "/a/b", one, "", codes.FailedPrecondition, "catalog"},
		{"tls perhaps", plain + "?tls=perhaps", one, "", codes.FailedPrecondition, "tls"},
		{"a browser", plain + "?externalAuthentication=true", one, "", codes.FailedPrecondition, "accessToken"},
		{"no such table", plain, "SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM nowhere", "", codes.InvalidArgument, "TABLE_NOT_FOUND"},
	} {
		t.Run(f.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": f.dsn})
			if err == nil {
				_, err = g.Get(ctx, f.query)
			}
			gettertest.WantFault(t, err, f.code, f.secret, f.word)
		})
	}
}
