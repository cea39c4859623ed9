package main

import (
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const (
	one    = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"
	secret = "sn0w/s3cret pw"
)

// fakeServer is a fake of Snowflake's interface as the driver uses it: login, queries
// with their result in the answer, abort.
type fakeServer struct {
	t      *testing.T
	engine *engine.Engine
	// canned are the types and values of certain queries' two columns.
	canned map[string][2][2]string

	mu      sync.Mutex
	logins  []map[string]any // the parameters of logins' sessions
	queries []string
	running map[string]context.CancelFunc // by request id
}

func newFake(t *testing.T) *fakeServer {
	return &fakeServer{t: t, engine: engine.New(t), canned: make(map[string][2][2]string), running: make(map[string]context.CancelFunc)}
}

func (f *fakeServer) start(password string) string {
	s := httptest.NewServer(f)
	f.t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return "snowflake://" + url.UserPassword("reader", password).String() + "@" + strings.TrimPrefix(s.URL, "http://") +
		"/sales/public?account=shop&protocol=http&warehouse=small"
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data      map[string]any `json:"data"`
		SQLText   string         `json:"sqlText"`
		RequestID string         `json:"requestId"`
	}
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if z, err := gzip.NewReader(r.Body); err == nil {
			in = z
		}
	}
	json.NewDecoder(in).Decode(&body)
	switch r.URL.Path {
	case "/session/v1/login-request":
		if body.Data["PASSWORD"] != secret {
			fail(w, "390100", "Incorrect username or password was specified.")
			return
		}
		f.mu.Lock()
		parameters, _ := body.Data["SESSION_PARAMETERS"].(map[string]any)
		f.logins = append(f.logins, parameters)
		f.mu.Unlock()
		succeed(w, map[string]any{
			"token": "t0ken", "masterToken": "m4ster", "validityInSeconds": 3600, "masterValidityInSeconds": 14400, "sessionId": 1,
			"parameters":  []any{map[string]any{"name": "TIMEZONE", "value": "UTC"}},
			"sessionInfo": map[string]any{"databaseName": "SALES", "schemaName": "PUBLIC", "warehouseName": "SMALL", "roleName": "READER"},
		})
	case "/queries/v1/query-request":
		f.query(w, r.URL.Query().Get("requestId"), body.SQLText)
	case "/queries/v1/abort-request":
		f.mu.Lock()
		if cancel := f.running[body.RequestID]; cancel != nil {
			cancel()
		}
		f.mu.Unlock()
		succeed(w, nil)
	default: // telemetry, the end of a session
		succeed(w, nil)
	}
}

func succeed(w http.ResponseWriter, data any) {
	json.NewEncoder(w).Encode(map[string]any{"data": data, "success": true, "code": nil, "message": nil})
}

func fail(w http.ResponseWriter, code, message string) {
	json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"sqlState": "42000", "queryId": "q"}, "success": false, "code": code, "message": message})
}

func column(name, kind string) map[string]any {
	return map[string]any{"name": name, "type": kind, "nullable": true, "scale": 9, "precision": 38, "length": 100, "byteLength": 100}
}

func result(columns []any, rows [][]any) map[string]any {
	return map[string]any{
		"rowtype": columns, "rowset": rows, "total": len(rows), "returned": len(rows), "queryId": "q", "queryResultFormat": "json",
		"statementTypeId": 4096, "sqlState": "00000", "version": 1, "parameters": []any{},
	}
}

func (f *fakeServer) query(w http.ResponseWriter, id, text string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.mu.Lock()
	f.running[id] = cancel
	f.queries = append(f.queries, text)
	canned, ok := f.canned[text]
	f.mu.Unlock()
	if ok {
		succeed(w, result([]any{column("DWMON_UNIQUE_KEY", canned[0][0]), column("DWMON_TIMESTAMP", canned[1][0])}, [][]any{{canned[0][1], canned[1][1]}}))
		return
	}
	if strings.HasPrefix(text, "ALTER SESSION") {
		succeed(w, result([]any{column("status", "text")}, [][]any{{"Statement executed successfully."}}))
		return
	}
	rows, err := f.engine.Query(ctx, f.engine.DB, text)
	if err != nil {
		fail(w, "001003", "SQL compilation error: "+err.Error())
		return
	}
	defer rows.Close()
	var columns []any
	var set [][]any
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fail(w, "000604", "SQL execution canceled: "+err.Error())
			return
		}
		if columns == nil {
			columns = columnsOf(rows.Columns, row)
		}
		for i, v := range row {
			if v != nil {
				row[i] = fmt.Sprint(v)
			}
		}
		set = append(set, row)
	}
	if columns == nil {
		columns = columnsOf(rows.Columns, make([]any, len(rows.Columns)))
	}
	succeed(w, result(columns, set))
}

func columnsOf(names []string, row []any) (columns []any) {
	for i, name := range names {
		kind := "fixed"
		switch row[i].(type) {
		case string, []byte:
			kind = "text"
		case float64:
			kind = "real"
		}
		columns = append(columns, column(name, kind))
	}
	return columns
}

func TestSuite(t *testing.T) {
	f := newFake(t)
	gettertest.Suite{
		Plugin: plugin,
		DSN:    f.start(secret),
		Secret: secret,
		Open:   func(testing.TB) *sql.DB { return f.engine.DB },
		// The fake gives a result in one answer, which a real server would cut into
		// pieces: beyond some size it would only show the fake's own memory.
		Series:  func(n int) string { return fmt.Sprintf(engine.Series, min(n, 1_000_000)) },
		Late:    engine.Late,
		Never:   engine.Never,
		Running: func(testing.TB) int { return f.engine.Running() },
		Writes: []string{
			"INSERT INTO t VALUES (4)", "DELETE FROM t", "SELECT 1; DELETE FROM t", "CALL p()", "ALTER SESSION SET TIMEZONE = 'UTC'",
			"MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "COPY INTO @stage FROM t", "BEGIN", "USE ROLE ACCOUNTADMIN",
			"EXECUTE IMMEDIATE $$ DELETE FROM t; $$",
		},
	}.Run(t)
}

// TestEveryFormOfKeyAndTime: what the answers hold, as the interface's types have it.
func TestEveryFormOfKeyAndTime(t *testing.T) {
	f := newFake(t)
	dsn := f.start(secret)
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	const stamp = "2024-06-01T12:00:00.654321Z"
	for i, c := range []struct {
		key, at [2]string
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: [2]string{"fixed", "99999999999999999999999999999999999999"}, at: [2]string{"fixed", "1700000000"}, want: gettertest.At("99999999999999999999999999999999999999", "2023-11-14T22:13:20Z")},
		{key: [2]string{"fixed", "-1234567890123456789012345.50"}, at: [2]string{"fixed", "1700000000.123456789"}, want: gettertest.At("-1234567890123456789012345.50", "2023-11-14T22:13:20.123456Z")},
		{key: [2]string{"text", "Grüße "}, at: [2]string{"timestamp_ltz", "1717243200.654321987"}, want: gettertest.At("Grüße ", stamp)},
		{key: [2]string{"binary", "00ff10"}, at: [2]string{"timestamp_tz", "1717243200.654321987 1560"}, want: gettertest.At("\x00\xff\x10", stamp)},
		{key: [2]string{"boolean", "1"}, at: [2]string{"timestamp_ntz", "1717243200.654321987"}, want: gettertest.At("true", stamp), berlin: gettertest.At("true", "2024-06-01T10:00:00.654321Z")},
		{key: [2]string{"text", ""}, at: [2]string{"date", "19737"}, want: gettertest.At("", "2024-01-15T00:00:00Z"), berlin: gettertest.At("", "2024-01-14T23:00:00Z")},
		{key: [2]string{"time", "45296.500000000"}, at: [2]string{"text", "2024-06-01 12:00:00"}, want: gettertest.At("12:34:56.5", "2024-06-01T12:00:00Z"), berlin: gettertest.At("12:34:56.5", "2024-06-01T10:00:00Z")},
	} {
		query := fmt.Sprintf("SELECT %d AS canned", i)
		f.canned[query] = [2][2]string{c.key, c.at}
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for g, want := range map[*gettertest.Getter]gettertest.Row{utc: c.want, berlin: c.berlin} {
			if got := g.MustGet(t, query).Rows; len(got) != 1 || got[0] != want {
				t.Errorf("%v, %v: got %v, want %v", c.key, c.at, got, want)
			}
		}
	}
	f.canned["SELECT 'a time of day'"] = [2][2]string{{"fixed", "1"}, {"time", "45296.5"}}
	_, err := utc.Get(t.Context(), "SELECT 'a time of day'")
	gettertest.WantFault(t, err, codes.InvalidArgument, secret, "row 1")
}

// TestWhatTheServerIsTold: the zone, the format, and the limit, once for each step.
func TestWhatTheServerIsTold(t *testing.T) {
	f := newFake(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": f.start(secret), "timezone": "Europe/Berlin"})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := g.Get(ctx, one); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := fmt.Sprint(f.logins[0]); !strings.Contains(got, "TIMEZONE:Europe/Berlin") || !strings.Contains(got, "GO_QUERY_RESULT_FORMAT:JSON") {
		t.Errorf("the session's parameters are %s", got)
	}
	if want := []string{"ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 60", one, one, one}; fmt.Sprint(f.queries) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", f.queries, want)
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	f := newFake(t)
	dsn := f.start(secret)
	for _, c := range []struct {
		name, dsn, query string
		code             codes.Code
		word             string
	}{
		{"wrong password", newFake(t).start("wr0ng" + secret), one, codes.Unauthenticated, "ncorrect username"},
		{"no such table", dsn, "SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM nowhere", codes.InvalidArgument, "nowhere"},
		{"a browser", dsn + "&authenticator=externalbrowser", one, codes.FailedPrecondition, "key pair"},
		{"diagnostics", dsn + "&connectionDiagnosticsEnabled=true", one, codes.FailedPrecondition, "end the plugin"},
		{"several statements", dsn + "&MULTI_STATEMENT_COUNT=0", one, codes.FailedPrecondition, "one statement"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			if err == nil {
				_, err = g.Get(ctx, c.query)
			}
			gettertest.WantFault(t, err, c.code, secret, c.word)
		})
	}
}

func TestConformance(t *testing.T) {
	// The fake gives a result in one answer: more rows would show its memory, not the
	// plugin's way of streaming.
	o := plugintest.Options{
		Settings:  map[string]any{"dsn": newFake(t).start(secret)},
		Query:     one,
		ManyRows:  fmt.Sprintf(engine.Series, 100_000),
		SlowQuery: engine.Never,
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "snowflake"), o) })
}
