package checkfile

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected reports in testdata")

// report is what the golden cases expect: the faults as people see them, and
// the canonical text where the file is good.
func report(c *dwmon.Checker, faults []Fault) string {
	out := dwmon.FileFaults(faults).Text()
	if c != nil {
		out += "good:\n" + string(Format(c))
	}
	return out
}

// findWrong finds fault with the word WRONG.
func findWrong(text string, _ []byte) (faults []dwmon.TextFault) {
	for i, line := range strings.Split(text, "\n") {
		if before, _, found := strings.Cut(line, "WRONG"); found {
			faults = append(faults, dwmon.TextFault{Line: i + 1, Column: len([]rune(before)) + 1, Message: "this is wrong", Hint: "remove it"})
		}
	}
	return faults
}

// TestGolden holds one file with one fault per case: what its author reads.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, ok := strings.Cut(string(text), "-- input.dwmon --\n")
			input, want, ok2 := strings.Cut(rest, "-- want --\n")
			if !ok || !ok2 {
				t.Fatalf("%s does not hold input.dwmon and want", path)
			}
			c, faults := Parser{Template: findWrong}.Parse("a.dwmon", "a", []byte(input))
			got := report(c, faults)
			if *update {
				text := head + "-- input.dwmon --\n" + input + "-- want --\n" + got
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			checkPlaces(t, []byte(input), faults)
			good := strings.HasPrefix(name, "good_") || strings.HasPrefix(name, "warn_")
			if good != (c != nil) {
				t.Errorf("checker given out: %v, expected: %v", c != nil, good)
			}
		})
	}
}

// checkPlaces says whether every fault lies within the file.
func checkPlaces(t interface{ Errorf(string, ...any) }, text []byte, faults []Fault) {
	s := newSource("", string(text))
	for _, f := range faults {
		if f.Line < 1 || f.Line > len(s.lines) {
			t.Errorf("%v: the file has %d lines", f, len(s.lines))
		} else if n := len([]rune(s.lines[f.Line-1])); f.Column < 1 || f.Column > n+1 {
			t.Errorf("%v: the line has %d characters", f, n)
		}
		if f.Message == "" {
			t.Errorf("%v: no message", f)
		}
	}
}
