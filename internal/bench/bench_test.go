package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/golden"
	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
)

func TestMain(m *testing.M) {
	hostbench.Main()
	os.Exit(m.Run())
}

func TestParseRows(t *testing.T) {
	for text, want := range map[string][]int{"3": {3}, "1,3,7-9": {1, 3, 7, 8, 9}, " 2 , 15": {2, 15}} {
		got, err := parseRows(text)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "99", "3-1", "1,", "a", "1-", "-1"} {
		if got, err := parseRows(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
	if all, err := parseRows(""); err != nil || len(all) != len(measures) {
		t.Errorf("no rows named: %v, %v", all, err)
	}
}

func TestMeasuresAreInOrder(t *testing.T) {
	for i, m := range measures {
		if m.row != i+1 || len(m.reach) == 0 || len(m.parts) > 1 && len(m.reach) > 1 && len(m.parts) != len(m.reach) {
			t.Errorf("row %d: %+v", i+1, m)
		}
	}
}

// TestKeysAreTheSameInSQL: databases are filled in SQL, and sources play in Go.
func TestKeysAreTheSameInSQL(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, kind := range keyKinds {
		seen := map[string]bool{}
		for _, i := range []int{0, 1, 2, 12_345, 65_521, 999_999, 10_000_000} {
			var got string
			if err := db.QueryRow(fmt.Sprintf("SELECT %s FROM (SELECT ? AS i)", keySQL(kind)), i).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if want := keyOf(kind, i); got != want || seen[got] {
				t.Errorf("%s %d: %q in SQL, %q in Go", kind, i, got, want)
			}
			seen[got] = true
		}
	}
}

func TestCompare(t *testing.T) {
	script := func(times ...time.Duration) side {
		return func(context.Context) (time.Duration, error) {
			next := times[0]
			times = times[1:]
			return next, nil
		}
	}
	// The first turn does not count; one turn in which the machine was busy with
	// something else changes nothing.
	ratio, x, y, err := compare(t.Context(), 3, script(900, 20, 4000, 20), script(1, 10, 2000, 10))
	if err != nil || ratio != 2 || x != 20 || y != 10 {
		t.Errorf("%v, %v, %v, %v", ratio, x, y, err)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of 1 to 4: %v", got)
	}
}

func TestTable(t *testing.T) {
	m := measure{row: 3, what: "something", parts: []string{"a", "b", "c", "d"}, reach: []reach{atLeast(50, "×")}}
	figures := []figure{
		{part: "a", value: 61.4, detail: "1 ms against 61 ms"},
		{part: "b", value: 49.94},
		{part: "c", err: fmt.Errorf("%w: no tool", errMissing)},
		{part: "d", err: errors.New("3 rows were new, want 4")},
	}
	var out bytes.Buffer
	p := newPrinter(&out, false)
	p.begin(false, true)
	for _, f := range figures {
		p.print(m, f)
	}
	if code := p.end(time.Minute, nil); code != 1 {
		t.Errorf("exit code %d with a wrong answer, want 1", code)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range [][]string{
		{"#", "measure", "figure", "reach"},
		{"3", "something", "a", "61.4×", "≥", "50×", "ok", "1", "ms", "against", "61", "ms"},
		{"b", "49.9×", "≥", "50×", "short"},
		{"c", "–", "≥", "50×", "missing", "not", "measured:", "no", "tool"},
		{"d", "–", "≥", "50×", "wrong", "3", "rows", "were", "new,", "want", "4"},
		{"1", "ok,", "1", "short,", "1", "missing,", "1", "wrong;", "1m0s", "on", fmt.Sprint(runtime.GOMAXPROCS(0)), "cores"},
	} {
		if got := strings.Fields(lines[i]); !slices.Equal(got, want) {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
}

// TestQuickRun is the program on small databases: whatever the figures, the
// answers must be right.
func TestQuickRun(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--quick", "--json", "--rows", "1-4,7-9,13,29-30", "--dir", t.TempDir()}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	got := map[int]int{}
	for line := range strings.Lines(out.String()) {
		var o struct {
			Row     int
			Figure  *float64
			Verdict string
			Detail  string
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got[o.Row]++
		if o.Verdict == missing && os.Getenv("DWMON_TEST_ALL") != "1" {
			t.Logf("row %d: %s", o.Row, o.Detail)
			continue
		}
		if o.Figure == nil || *o.Figure <= 0 {
			t.Errorf("row %d has no figure: %s", o.Row, line)
		}
	}
	if want := map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 7: 1, 8: 1, 9: 2, 13: 2, 29: 4, 30: 2}; !cmp.Equal(got, want) {
		t.Errorf("figures by row: %v, want %v", got, want)
	}
}

func TestWrongUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--rows", "99"}, 2, `--rows "99": want numbers of rows`},
		{[]string{"--rows", "3-1"}, 2, "such as 1,3,7-9"},
		{[]string{"extra"}, 2, `"extra": there are flags only`},
		{[]string{"--nonsense"}, 2, "-nonsense; see --help"},
		{[]string{"--quick=perhaps"}, 2, `"perhaps" for -quick`},
		{[]string{"--plots"}, 2, "needs an argument: -plots"},
		{[]string{"--plots", ""}, 2, "--plots names no folder"},
		{[]string{"--plots", file, "--dir", t.TempDir()}, 3, "--plots " + file},
		{[]string{"--dir", file}, 3, "--dir names a folder that is there"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), tt.args, &out, &errs)
		if code != tt.code || !strings.Contains(errs.String(), tt.says) || strings.Count(errs.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("%q: exit code %d, said %q and printed %q; want %d and %q", tt.args, code, errs.String(), out.String(), tt.code, tt.says)
		}
	}
}

// TestWithoutTheTool: a comparison that cannot be made is missing, however often it is asked for,
// and the databases are filled all the same.
func TestWithoutTheTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b, err := newBench(t.TempDir(), true, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	h, err := b.history(t.Context(), "uuid", 12_000)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := h.withTool(t.Context()); !errors.Is(err, errMissing) {
			t.Errorf("the tool that there is not: %v", err)
		}
	}
	if err := h.pass()(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("exit code %d, said %q", code, errs.String())
	}
	golden.Compare(t, "testdata/help.txt", out.String())
}
