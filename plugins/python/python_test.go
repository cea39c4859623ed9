package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
	"github.com/dwmon/dwmon/pluginsdk"
)

// interpreterUnderTest is python3, or what DWMON_TEST_PYTHON names: the worker's
// text is meant for 2.7 and for 3.6 and later.
func interpreterUnderTest(t *testing.T) string {
	t.Helper()
	name := os.Getenv("DWMON_TEST_PYTHON")
	if name == "" {
		name = "python3"
	}
	// The program itself: what is in PATH may be a script that looks for it.
	path, err := exec.Command(name, "-c", "import sys; sys.stdout.write(sys.executable)").Output()
	if err != nil {
		if os.Getenv("DWMON_TEST_ALL") != "" {
			t.Fatalf("no %s: %v", name, err)
		}
		t.Skipf("SKIPPED, NOT TESTED: there is no %s: %v", name, err)
	}
	return string(path)
}

// org writes the modules of an organisation: names below your_org, and their text.
func org(t *testing.T, modules map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range modules {
		path := filepath.Join(dir, name)
		if !strings.Contains(name, "/") {
			path = filepath.Join(dir, "your_org", name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("# -*- coding: utf-8 -*-\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// instance is a plugin that is set up on a folder.
func instance(t *testing.T, dir string, change func(*settings)) *bridged {
	t.Helper()
	p := &bridged{settings: settings{OrgDir: dir, Python: interpreterUnderTest(t), Details: detailsOriginal, Workers: 1}, kinds: kinds}
	if change != nil {
		change(&p.settings)
	}
	if err := p.setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := p.shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// row is what a sink was given.
type row struct {
	Key    string
	Micros int64
}

// sink keeps rows.
type sink struct {
	pluginsdk.RowSink
	rows    []row
	skipped int
}

func (s *sink) AppendBytes(key []byte, us int64) error {
	s.rows = append(s.rows, row{string(key), us})
	return nil
}

func (s *sink) SkipNull() { s.skipped++ }

// fetch asks for the rows of a query.
func fetch(t *testing.T, p *bridged, query string) (*sink, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s := &sink{}
	err := rowGetter{p}.GetRows(ctx, pluginsdk.Query{Text: query, Source: "AWS", ExtraJSON: []byte("{\n \"team\": \"größe \U0001F600\",\n \"n\": 12345678901234567890}")}, s)
	return s, err
}

// evaluator is a row getter whose query is the Python expression of its rows.
const evaluator = `
import datetime, decimal, sqlite3, sys, uuid, collections
class UTC(datetime.tzinfo):
    def __init__(self, hours=0): self.hours = hours
    def utcoffset(self, at): return datetime.timedelta(hours=self.hours)
    def dst(self, at): return datetime.timedelta(0)
    def tzname(self, at): return "here"
Pair = collections.namedtuple("Pair", "dwmon_timestamp dwmon_unique_key")
def lite(query):
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    return db.execute(query).fetchall()
def get_rows_from_query(query_details):
    return eval(query_details["query"])
`

func TestRowsInEveryForm(t *testing.T) {
	p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": evaluator}), nil)
	cases := []struct {
		name, rows string
		want       []row
	}{
		{"tuples", `[("a", 1), ("b", 2)]`, []row{{"a", 1e6}, {"b", 2e6}}},
		{"lists", `[["a", 1]]`, []row{{"a", 1e6}}},
		{"more columns", `[("a", 1, "x", None)]`, []row{{"a", 1e6}}},
		{"a generator", `((str(i), i) for i in range(3))`, []row{{"0", 0}, {"1", 1e6}, {"2", 2e6}}},
		{"a dict", `[{"dwmon_timestamp": 1, "x": 2, "dwmon_unique_key": "a"}]`, []row{{"a", 1e6}}},
		{"a dict in capitals", `[{"DWMON_TIMESTAMP": 1, "Dwmon_Unique_Key": "a"}]`, []row{{"a", 1e6}}},
		{"a named tuple, by name", `[Pair(1, "a")]`, []row{{"a", 1e6}}},
		{"sqlite3.Row by name", `lite("SELECT 7 AS dwmon_timestamp, 'a' AS dwmon_unique_key")`, []row{{"a", 7e6}}},
		{"sqlite3.Row by place", `lite("SELECT 'a', 7")`, []row{{"a", 7e6}}},
		{"nothing", `[]`, nil},

		{"key: integer", `[(12, 1), (-3, 1), (10**30, 1)]`, []row{{"12", 1e6}, {"-3", 1e6}, {"1" + strings.Repeat("0", 30), 1e6}}},
		{"key: float", `[(1.0, 1), (1e16, 1), (0.1, 1), (1e300, 1)]`, []row{{"1", 1e6}, {"10000000000000000", 1e6}, {"0.1", 1e6}, {"1e+300", 1e6}}},
		{"key: float that is no number", `[(float("nan"), 1), (float("-inf"), 1)]`, []row{{"NaN", 1e6}, {"-Inf", 1e6}}},
		{"key: Decimal", `[(decimal.Decimal("1.50"), 1), (decimal.Decimal("1E+3"), 1)]`, []row{{"1.50", 1e6}, {"1000", 1e6}}},
		{"key: boolean", `[(True, 1), (False, 1)]`, []row{{"true", 1e6}, {"false", 1e6}}},
		{"key: UUID", `[(uuid.UUID("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"), 1)]`, []row{{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", 1e6}}},
		{"key: text", `[(u"gr\u00f6\u00dfe \U0001F600 \"\\\n\t\x00", 1)]`, []row{{"größe \U0001F600 \"\\\n\t\x00", 1e6}}},
		{"key: bytes", `[(b"\xff\xfe\x00a\xed\xa0\x80", 1), (bytearray(b"b"), 1), (memoryview(b"c\xf0"), 1)]`, []row{{"\xff\xfe\x00a\xed\xa0\x80", 1e6}, {"b", 1e6}, {"c\xf0", 1e6}}},
		{"key: aware datetime", `[(datetime.datetime(2026, 6, 1, 12, 0, 0, 500000, UTC(2)), 1)]`, []row{{"2026-06-01T10:00:00.5Z", 1e6}}},
		{"key: naive datetime, date", `[(datetime.datetime(2026, 6, 1, 12), 1), (datetime.date(26, 6, 1), 1)]`, []row{{"2026-06-01T12:00:00Z", 1e6}, {"0026-06-01T00:00:00Z", 1e6}}},

		{"time: integer", `[("a", 1764000000), ("b", -1), ("c", 10**11-1)]`, []row{{"a", 1764000000e6}, {"b", -1e6}, {"c", 1e17 - 1e6}}},
		{"time: float is rounded", `[("a", 1764000000.1234567), ("b", 0.0000005), ("c", -0.25)]`, []row{{"a", 1764000000123457}, {"b", 1}, {"c", -250000}}},
		{"time: Decimal is floored", `[("a", decimal.Decimal("1764000000.1234569")), ("b", decimal.Decimal("-0.0000001")), ("c", decimal.Decimal("1.764E9"))]`, []row{{"a", 1764000000123456}, {"b", -1}, {"c", 1764000000e6}}},
		{"time: numeric text", `[("a", "1764000000.25"), ("b", b" 12 ")]`, []row{{"a", 1764000000250000}, {"b", 12e6}}},
		{"time: text", `[("a", "2026-06-01 12:00:00"), ("b", "2026-06-01T12:00:00.5+02:00")]`, []row{{"a", 1780315200e6}, {"b", 1780308000500000}}},
		{"time: aware datetime", `[("a", datetime.datetime(2026, 6, 1, 12, 0, 0, 1, UTC(2))), ("b", datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC()))]`, []row{{"a", 1780308000000001}, {"b", -1}}},
		{"time: no end", `[("a", datetime.datetime(9999, 12, 31, 23, 59, 59, 0, UTC(-12)))]`, []row{{"a", 1e17 - 1}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := fetch(t, p, c.rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.rows); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("no time yet", func(t *testing.T) {
		got, err := fetch(t, p, `[("a", None), ("b", 2), ("c", None)]`)
		if err != nil || got.skipped != 2 || len(got.rows) != 1 {
			t.Errorf("%v, %+v", err, got)
		}
	})
}

func TestRowsThatAreRefused(t *testing.T) {
	p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": evaluator}), nil)
	for rows, want := range map[string]string{
		`[("a", 1), (None, 17)]`:                 "row 2, (None, 17): its dwmon_unique_key is None",
		`[(["x"], 1)]`:                           "its dwmon_unique_key is a list",
		`[(object, 1)]`:                          "its dwmon_unique_key is a type",
		`[("a",)]`:                               "it has 1 columns; want a key and a timestamp",
		`["ab"]`:                                 "row 1, 'ab': it is a str without dwmon_unique_key",
		`[{"a": 1}]`:                             "it is a dict without dwmon_unique_key and dwmon_timestamp",
		`[7]`:                                    "it is an int without",
		`7`:                                      "get_rows_from_query returned an int; want a list of (key, timestamp)",
		`[("a", 1764000000000)]`:                 "row 1: its dwmon_timestamp is 1764000000000, too large for seconds since the epoch; it looks like milliseconds: divide by 1000",
		`[("a", 1.764e15)]`:                      "it looks like microseconds",
		`[("a", decimal.Decimal(10**18))]`:       "it looks like nanoseconds",
		`[("a", float("nan"))]`:                  "which is no time",
		`[("a", "yesterday")]`:                   "which is no time",
		`[("a", True)]`:                          "a boolean and no time",
		`[("a", [])]`:                            "its dwmon_timestamp is a list",
		`[("a", datetime.datetime(2026, 6, 1))]`: "is a datetime without a time zone; give it one, give seconds since the epoch, or set naive_datetime to utc or local",
		`[("a", datetime.date(2026, 6, 1))]`:     "is a datetime without a time zone",
		`[("x" * (1 << 20) + "y", 1)]`:           "its key is 1048577 characters long",
		`[(u"\ud800", 1)]`:                       "it holds half of a surrogate pair",
	} {
		got, err := fetch(t, p, rows)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v (%+v); want %q", rows, err, got, want)
		}
	}
}

func TestDatetimesWithoutAZone(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_getter.py": evaluator})
	const rows = `[("a", datetime.datetime(2026, 6, 1, 12, 0, 0, 250000)), ("b", datetime.date(2026, 1, 1))]`
	t.Setenv("TZ", "America/New_York")
	for name, c := range map[string]struct {
		change func(*settings)
		want   []row
	}{
		"utc":      {func(s *settings) { s.NaiveDatetime = "utc" }, []row{{"a", 1780315200250000}, {"b", 1767225600e6}}},
		"local":    {func(s *settings) { s.NaiveDatetime = "local" }, []row{{"a", 1780329600250000}, {"b", 1767243600e6}}},
		"timezone": {func(s *settings) { s.Timezone = "Europe/Berlin" }, []row{{"a", 1780308000250000}, {"b", 1767222000e6}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fetch(t, instance(t, dir, c.change), rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// keep writes what a handler and a purger are given to a file of the folder.
const keep = `
import json, os
def keep(*what):
    with open("kept", "a") as f:
        f.write(json.dumps(what, sort_keys=True) + "\n")
`

func kept(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

var event = pluginsdk.CheckEvent{
	Result: pluginsdk.Result{
		CheckerName: "billing/new", EventCount: 3, MinRequired: new(int64(5)), CheckStatus: pluginsdk.Bad,
		MinuteEpoch: 1780315200, MinuteLocalTime: "2026-06-01 12:00:00", LookbackSeconds: 180, Reason: "low",
		Requirement: "MINNUM5", TimeZone: "UTC", Labels: map[string]string{"a": "b"}, ConsecutiveBad: 2,
	},
	IdempotencyKey: "i/billing/new/1780315200/0",
	ExtraJSON:      []byte(`{"alert": "team@example.com"}`),
}

func TestDetailsAreTheOriginals(t *testing.T) {
	dir := org(t, map[string]string{
		"db_client.py":               keep,
		"your_orgs_check_handler.py": "import db_client\ndef handle_check(details, extra):\n    db_client.keep(details, extra)\n",
	})
	p := instance(t, dir, nil)
	for _, status := range []pluginsdk.Status{pluginsdk.Unknown, pluginsdk.Bad} {
		ev := event
		ev.CheckStatus = status
		if err := (checkHandler{p}).HandleCheck(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	const want = `[{"check_status": "BAD", "checker_name": "billing/new", "event_count": 3, "lookback_seconds": 180, "max_allowed": null, ` +
		`"min_required": 5, "minute_epoch": 1780315200, "minute_local_time": "2026-06-01 12:00:00"}, {"alert": "team@example.com"}]`
	if got := kept(t, dir); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFullDetailsAndUnknown(t *testing.T) {
	dir := org(t, map[string]string{
		"db_client.py":               keep,
		"your_orgs_check_handler.py": "import db_client\ndef handle_check(details):\n    db_client.keep(details)\n",
	})
	p := instance(t, dir, func(s *settings) { s.Details, s.UnknownEvents = detailsFull, true })
	ev := event
	ev.CheckStatus = pluginsdk.Unknown
	if err := (checkHandler{p}).HandleCheck(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"check_status": "UNKNOWN"`, `"reason": "low"`, `"labels": {"a": "b"}`, `"consecutive_bad": 2`, `"previous_status": null`} {
		if got := kept(t, dir); !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
}

func TestCutoffs(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_purger.py": "import decimal\ndef identify_old(checker_name, extra):\n    return eval(extra['answer'])\n"})
	p := instance(t, dir, nil)
	for answer, want := range map[string]string{
		"None":                              "keep",
		"{}":                                "keep",
		"{'delete_older_than_epoch': None}": "keep",
		"{'delete_older_than_epoch': 0}":    "keep",
		"{'delete_older_than_epoch': ''}":   "keep",
		"{'delete_older_than_epoch': 1340000000}":                      "1340000000",
		"{'delete_older_than_epoch': 1340000000.9}":                    "1340000000",
		"{'delete_older_than_epoch': '1340000000'}":                    "1340000000",
		"{'delete_older_than_epoch': decimal.Decimal('1340000000.9')}": "1340000000",
		"{'delete_older_than_epoch': 'soon'}":                          "delete_older_than_epoch is 'soon'; want seconds since the epoch",
		"{'delete_older_than_epoch': True}":                            "delete_older_than_epoch is True",
		"{'delete_older_than_epoch': 1340000000000}":                   "too large for seconds",
		"[1340000000]": "identify_old returned a list; want a dict",
	} {
		cut, err := purger{p}.IdentifyOld(t.Context(), pluginsdk.PurgeInput{
			Checker: pluginsdk.Checker{Name: "c"}, ExtraJSON: []byte(fmt.Sprintf("{\"answer\": %q}", answer)),
		})
		got := "keep"
		if at, ok := cut.OlderThan(); ok {
			got = fmt.Sprint(at.Unix())
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", answer, got, want)
		}
	}
}

func TestModulesAreFound(t *testing.T) {
	const getter = "import helper\ndef get_rows_from_query(q):\n    return [(q['source'] + str(helper.ONE) + q['extra']['team'][0], len(q))]\n"
	for name, files := range map[string]map[string]string{
		"without __init__.py":     {"your_orgs_row_getter.py": getter, "helper.py": "ONE = 1"},
		"with __init__.py":        {"__init__.py": "", "your_orgs_row_getter.py": getter, "helper.py": "ONE = 1"},
		"helper beside your_org":  {"your_orgs_row_getter.py": getter, "./helper.py": "ONE = 1"},
		"helper from the package": {"your_orgs_row_getter.py": strings.Replace(getter, "import helper", "from your_org import helper", 1), "helper.py": "ONE = 1"},
		"relative import":         {"__init__.py": "", "your_orgs_row_getter.py": strings.Replace(getter, "import helper", "from . import helper", 1), "helper.py": "ONE = 1"},
		"a package":               {"your_orgs_row_getter/__init__.py": "", "your_org/your_orgs_row_getter/__init__.py": getter, "helper.py": "ONE = 1"},
		"the oldest form":         {"./your_orgs_row_getter.py": getter, "./helper.py": "ONE = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := org(t, files)
			got, err := fetch(t, instance(t, dir, nil), "q")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]row{{"AWS1g", 3e6}}, got.rows); diff != "" {
				t.Error(diff)
			}
			_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
				if strings.HasSuffix(path, ".pyc") {
					t.Errorf("%s was left behind", path)
				}
				return nil
			})
		})
	}
}

func TestFaultsOfModules(t *testing.T) {
	const raise = "import socket\nclass Mine(Exception):\n    dwmon_code = 'PERMISSION_DENIED'\ndef inner():\n    %s\ndef get_rows_from_query(q):\n    yield ('a', 1)\n    inner()\n"
	for name, c := range map[string]struct {
		module string
		code   string
		text   []string
	}{
		"an exception":          {fmt.Sprintf(raise, "raise ValueError('out of cheese')"), "UNKNOWN", []string{"ValueError: out of cheese"}},
		"no connection":         {fmt.Sprintf(raise, "raise socket.timeout('too late')"), "UNAVAILABLE", []string{"too late"}},
		"a code":                {fmt.Sprintf(raise, "raise Mine('no')"), "PERMISSION_DENIED", []string{"Mine: no"}},
		"sys.exit":              {fmt.Sprintf(raise, "raise SystemExit(3)"), "UNKNOWN", []string{"SystemExit: 3"}},
		"a syntax error":        {"x = 1\ndef get_rows_from_query(:\n", "FAILED_PRECONDITION", []string{"SyntaxError", "your_orgs_row_getter.py, line 3"}},
		"an import":             {"import os\nimport no_such_thing\n", "FAILED_PRECONDITION", []string{"no_such_thing", "your_orgs_row_getter.py, line 3"}},
		"a fault while loading": {"import os\nos.environ['NO_SUCH_VARIABLE']\n", "FAILED_PRECONDITION", []string{"KeyError", "NO_SUCH_VARIABLE", "your_orgs_row_getter.py, line 3"}},
		"no function":           {"x = 1\n", "FAILED_PRECONDITION", []string{"your_orgs_row_getter.py has no function get_rows_from_query"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": c.module}), nil)
			_, err := fetch(t, p, "q")
			var fault *bridge.Fault
			if !errors.As(err, &fault) {
				t.Fatalf("%v is no fault of the worker", err)
			}
			if fault.Code != c.code {
				t.Errorf("code %s, want %s", fault.Code, c.code)
			}
			for _, part := range c.text {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			if strings.Contains(fault.Traceback, "dwmon_worker.py") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, %s", err, fault.Traceback)
			}
			if c.code == "UNKNOWN" && !strings.Contains(fault.Traceback, "line 6, in inner") {
				t.Errorf("the traceback does not name the place: %s", fault.Traceback)
			}
		})
	}
}

func TestAModuleThatIsMissing(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_getter.py": evaluator})
	p := instance(t, dir, nil)
	err := checkHandler{p}.HandleCheck(t.Context(), event)
	if err == nil || err.Error() != filepath.Join(dir, "your_org", "your_orgs_check_handler.py")+" is missing" {
		t.Error(err)
	}
	q := &bridged{settings: settings{OrgDir: t.TempDir(), Details: detailsOriginal, Workers: 1}, kinds: kinds}
	if err := q.setup(t.Context()); err == nil || !strings.Contains(err.Error(), "holds none of your_orgs_row_getter.py, your_orgs_check_handler.py, your_orgs_row_purger.py") {
		t.Error(err)
	}
}
