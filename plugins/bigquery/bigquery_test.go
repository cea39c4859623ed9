package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

func TestSuite(t *testing.T) {
	f := newFake(t)
	gettertest.Suite{
		Plugin:  plugin,
		DSN:     f.start(),
		Open:    func(testing.TB) *sql.DB { return f.engine.DB },
		Series:  func(n int) string { return fmt.Sprintf(engine.Series, n) },
		Late:    engine.Late,
		Never:   engine.Never,
		Running: func(testing.TB) int { return f.engine.Running() },
		Writes: []string{
			"INSERT INTO t VALUES (4)",
			"DELETE FROM t WHERE true",
			"SELECT 1; DELETE FROM t",
			"EXPORT DATA OPTIONS(uri='gs://b/x') AS SELECT 1",
			"CALL p()",
			"DECLARE x INT64",
			"BEGIN TRANSACTION",
			// The quotes of a raw string, in which we see one string too many.
			`SELECT r'\'' ; DELETE FROM t WHERE 'x' = r'\''`,
		},
	}.Run(t)
}

// TestEveryFormOfKeyAndTime: what the answers hold, as the interface's types have it.
func TestEveryFormOfKeyAndTime(t *testing.T) {
	f := newFake(t)
	dsn := f.start()
	utc := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	berlin := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": "Europe/Berlin"})
	const stamp = "2024-06-01T12:00:00.654321Z"
	for i, c := range []struct {
		key, at [2]string
		want    gettertest.Row
		berlin  gettertest.Row // zero: the same
	}{
		{key: [2]string{"INTEGER", "-9223372036854775808"}, at: [2]string{"INTEGER", "1700000000"}, want: gettertest.At("-9223372036854775808", "2023-11-14T22:13:20Z")},
		{key: [2]string{"NUMERIC", "12345678901234567890123456789.5"}, at: [2]string{"TIMESTAMP", "1717243200654321"}, want: gettertest.At("12345678901234567890123456789.5", stamp)},
		{key: [2]string{"BIGNUMERIC", "-0.00000000000000000000000000000000000001"}, at: [2]string{"NUMERIC", "1700000000.123456789"}, want: gettertest.At("-0.00000000000000000000000000000000000001", "2023-11-14T22:13:20.123456Z")},
		{key: [2]string{"FLOAT", "1.5"}, at: [2]string{"FLOAT", "1700000000.5"}, want: gettertest.At("1.5", "2023-11-14T22:13:20.5Z")},
		{key: [2]string{"STRING", "Grüße "}, at: [2]string{"DATETIME", "2024-06-01T12:00:00.654321"}, want: gettertest.At("Grüße ", stamp), berlin: gettertest.At("Grüße ", "2024-06-01T10:00:00.654321Z")},
		{key: [2]string{"BYTES", "AP8Q"}, at: [2]string{"DATE", "2024-01-15"}, want: gettertest.At("\x00\xff\x10", "2024-01-15T00:00:00Z"), berlin: gettertest.At("\x00\xff\x10", "2024-01-14T23:00:00Z")},
		{key: [2]string{"BOOLEAN", "true"}, at: [2]string{"STRING", "2024-06-01 12:00:00"}, want: gettertest.At("true", "2024-06-01T12:00:00Z"), berlin: gettertest.At("true", "2024-06-01T10:00:00Z")},
		{key: [2]string{"TIME", "12:34:56.5"}, at: [2]string{"STRING", "1700000000.25"}, want: gettertest.At("12:34:56.5", "2023-11-14T22:13:20.25Z")},
		{key: [2]string{"TIMESTAMP", "1717243200000000"}, at: [2]string{"INTEGER", "0"}, want: gettertest.At("2024-06-01T12:00:00Z", "1970-01-01T00:00:00Z")},
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
	f.canned["SELECT 'a time of day'"] = [2][2]string{{"INTEGER", "1"}, {"TIME", "12:00:00"}}
	_, err := utc.Get(t.Context(), "SELECT 'a time of day'")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "row 1")
}

// TestWhatTheServerIsTold: the limit, the zone, the dataset.
func TestWhatTheServerIsTold(t *testing.T) {
	f := newFake(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": f.start() + "&maximum_bytes_billed=1000000", "timezone": "Europe/Berlin"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := g.Get(ctx, one); err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprint(f.inserted[0])
	for _, want := range []string{"datasetId:sales", "maximumBytesBilled:1000000", "key:time_zone value:Europe/Berlin", "application:dwmon", "useLegacySql:false"} {
		if !strings.Contains(said, want) {
			t.Errorf("the job does not say %s: %s", want, said)
		}
	}
	var millis int
	if _, err := fmt.Sscan(fmt.Sprint(f.inserted[0]["jobTimeoutMs"]), &millis); err != nil || millis < 50_000 || millis > 60_000 {
		t.Errorf("within a minute the limit is %v ms", f.inserted[0]["jobTimeoutMs"])
	}
}

func TestFaultsHaveTheirClass(t *testing.T) {
	answers := func(status int, reason string) string {
		f := newFake(t)
		f.fail = func(w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, status, reason, "it says "+reason)
			return true
		}
		return f.start()
	}
	plain := newFake(t).start()
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, []byte(`{"type":"service_account","private_key":"s3cret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dsn, query string
		code             codes.Code
		word             string
	}{
		{"no such table", plain, "SELECT a FROM nowhere", codes.InvalidArgument, "nowhere"},
		{"no token", answers(http.StatusUnauthorized, "authError"), one, codes.Unauthenticated, "authError"},
		{"a table of others", answers(http.StatusForbidden, "accessDenied"), one, codes.InvalidArgument, "accessDenied"},
		{"quota", answers(http.StatusForbidden, "quotaExceeded"), one, codes.Unavailable, "quotaExceeded"},
		{"too expensive", answers(http.StatusBadRequest, "bytesBilledLimitExceeded"), one, codes.InvalidArgument, "maximum_bytes_billed"},
		{"an unfinished file", "bigquery://shop/sales?keyfile=" + key, one, codes.Unauthenticated, ""},
		{"no file", "bigquery://shop/sales?keyfile=/nowhere/key.json", one, codes.FailedPrecondition, "/nowhere/key.json"},
		{"no project", "bigquery:///sales", one, codes.FailedPrecondition, ""},
		{"a password", "bigquery://u:s3cret@shop/sales", one, codes.FailedPrecondition, "service account"},
		{"credentials in the open", plain + "&keyfile=" + key, one, codes.FailedPrecondition, "without TLS"},
		{"what nobody knows", plain + "&dataset=x", one, codes.FailedPrecondition, "dataset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			g, err := gettertest.Start(t, plugin(), map[string]any{"dsn": c.dsn})
			if err == nil {
				_, err = g.Get(ctx, c.query)
			}
			gettertest.WantFault(t, err, c.code, "s3cret", c.word)
		})
	}
}

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings:  map[string]any{"dsn": newFake(t).start()},
		Query:     one,
		ManyRows:  fmt.Sprintf(engine.Series, 200_000),
		SlowQuery: engine.Never,
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "bigquery"), o) })
}
