package checktest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// FuzzRead: a file with unit tests has faults with places within it, or tests that can be
// lived through, whatever they expect; how much memory either takes is bounded.
func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	if len(paths) == 0 {
		f.Fatal("no examples")
	}
	const checker = "__QUERY__\nq\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 MAXNUM3 LOOKBACKSECONDS120\n__SOURCE__\ns\n"
	c, faults := checkfile.Parse("a.dwmon", "a", []byte(checker))
	if c == nil {
		f.Fatal(faults)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "-- ") {
			if name, body, ok := strings.Cut(part, " --\n"); ok && strings.HasSuffix(name, ".yaml") {
				f.Add([]byte(body))
			}
		}
	}
	f.Add([]byte("timezone: Europe/Berlin\ntests:\n- {name: a, start: 2026-03-28 22:00, rows: [{at: 22:00:30, key: x}, {every: 1m, from: 22:01, until: 22:05, key: a%d, late: 5m}], expect: [{at: 22:02, status: GOOD}], end: 22:10}\n"))
	f.Add([]byte("tests:\n- name: b\n  start: 2026-01-01 00:00\n  rows: [{every: 1s, from: 2026-01-01 00:00, until: 2026-03-01 00:00, count: 200000}]\n  expect: [{at: 00:05, status: BAD}]\n"))
	f.Add([]byte("tests:\n- {name: c, start: 2026-01-01 00:00, dwmon: {down: [{from: 00:10, until: 00:20}]}, source: {down: [{from: 00:01, until: 00:02}], limit: 1, lag: 1m}, incidents: []}\n"))
	defaults := Defaults{Zone: time.UTC, CatchUp: 24 * time.Hour, Alert: dwmon.DefaultAlertRule}
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		suite, faults := Read("a.dwmontest.yaml", text, func(Target) (*dwmon.Checker, []dwmon.FileFault) { return c, nil }, defaults)
		runtime.ReadMemStats(&after)
		// A test may have 200,000 rows, however few bytes ask for them.
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(200<<20+100_000*len(text)) {
			t.Fatalf("%d bytes of text took %d of memory", len(text), spent)
		}
		lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
		for _, fault := range faults {
			whole := fault.Line == 0 && fault.Column == 0
			if !whole && (fault.Line < 1 || fault.Line > len(lines) || fault.Column < 1 || fault.Column > len([]rune(lines[fault.Line-1]))+1) || fault.Message == "" {
				t.Fatalf("%q: the fault %+v has no place in the text", text, fault)
			}
		}
		if suite == nil {
			if !dwmon.AnyError(faults) {
				t.Fatalf("%q cannot be read, and nobody says why", text)
			}
			return
		}
		for i := range suite.Tests {
			test := &suite.Tests[i]
			if test.end < test.start || test.end-test.start > MaxDays*24*time.Hour.Microseconds() || len(test.rows) > MaxRows {
				t.Fatalf("%q: a test from %d to %d with %d rows", text, test.start, test.end, len(test.rows))
			}
			if test.end-test.start > time.Hour.Microseconds() || len(test.rows) > 1000 {
				continue // lived through by others
			}
			if _, err := suite.Run(t.Context(), test); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

// TestKeysAreBounded: a kilobyte of key once stood for as many as there are rows.
func TestKeysAreBounded(t *testing.T) {
	c, faults := checkfile.Parse("a.dwmon", "a", []byte("__QUERY__\nq\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS120\n__SOURCE__\ns\n"))
	if c == nil {
		t.Fatal(faults)
	}
	text := "tests:\n- name: a\n  start: 2026-01-01 00:00\n  rows:\n  - {at: 00:00:30, count: 200000, key: '" + strings.Repeat("%d", 500) + "'}\n  expect: [{at: 00:01, status: GOOD}]\n"
	suite, faults := Read("a.dwmontest.yaml", []byte(text), func(Target) (*dwmon.Checker, []dwmon.FileFault) { return c, nil }, Defaults{Zone: time.UTC, CatchUp: time.Hour, Alert: dwmon.DefaultAlertRule})
	if suite != nil || len(faults) != 1 || faults[0].Line != 5 || faults[0].Message != "the keys of the test take more than 64 MiB" {
		t.Errorf("faults %v", faults)
	}
}
