package checkfile

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// speaking are the files whose texts authors of checkers read.
var speaking = []string{
	"parse.go", "section.go", "requirement.go", "set.go", "jsontext.go", "options.go",
	"../strictyaml/strictyaml.go", "../strictyaml/values.go", "../strictyaml/alert.go", "../dwmon/duration.go",
}

// unseen are texts of these files that no checker file can bring about, and why.
var unseen = map[string]string{
	"a number is missing":                  "whoever reads a number looks for an empty one first, and says more of it",
	"a value is missing at the end":        "an EXTRA section that is empty is left out",
	"yaml: the text cannot be read":        "no text is known on which the YAML parser panics",
	`^yaml: (?:line ([0-9]+): )?(?s)(.*)$`: "no message, but what the YAML parser's look like",
	"unknown anchor '":                     "the YAML parser's words, which are replaced",
	"' referenced":                         "the YAML parser's words, which are replaced",
	"alphabetic or numeric character":      "the YAML parser's words, which are replaced",
	"cannot start any token":               "the YAML parser's words, which are replaced",
	"did not find expected ',' or":         "the YAML parser's words, which are replaced",
	": …":                                  "for the configuration, whose values are hidden",
	"a number in ":                         "for plugins' settings in the configuration",
	" has no one meaning in JSON":          "for plugins' settings in the configuration",
	"write a decimal number without leading zeros or \"_\", or put the value in quotes": "for plugins' settings in the configuration",
}

// made are files that are too large to be kept.
var made = map[string]string{
	"too_many_lines": "__QUERY__\nSELECT 1\n__SOURCE__\nX\n__REQUIREMENTS__\n" + manyLines(MaxLines+1),
	"too_many_bytes": "__QUERY__\n" + strings.Repeat("-- a comment of the query\n", 1+MaxBytes/25),
}

// manyLines are so many different requirement lines.
func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM%d LOOKBACKSECONDS60\n", i+1)
	}
	return b.String()
}

func TestGoldenOfMadeFiles(t *testing.T) {
	for name, text := range made {
		t.Run(name, func(t *testing.T) {
			c, faults := Parse("a.dwmon", "a", []byte(text))
			path := filepath.Join("testdata", "made", name+".want")
			if *update {
				if err := os.WriteFile(path, []byte(report(c, faults)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), report(c, faults)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// verb is a verb of fmt.
var verb = regexp.MustCompile(`%[-+# 0]*[0-9]*(\.[0-9]+)?[a-zA-Z]`)

// TestEveryMessageHasItsGoldenCase: whatever the parser can say of a file has a case in
// testdata, so that somebody has read it there as its reader would.
func TestEveryMessageHasItsGoldenCase(t *testing.T) {
	seen := expectations(t)
	met := map[string]bool{}
	for _, file := range speaking {
		for _, said := range texts(t, file) {
			for _, piece := range verb.Split(said.text, -1) {
				// A short piece, or one without a space within, proves nothing.
				if piece = strings.TrimSpace(piece); !strings.Contains(piece, " ") || strings.Contains(seen, piece) {
					continue
				}
				if _, ok := unseen[said.text]; ok {
					met[said.text] = true
					continue
				}
				t.Errorf("%s:%d: no case in testdata shows %q", file, said.line, said.text)
				break
			}
		}
	}
	for text := range unseen {
		if !met[text] {
			t.Errorf("%q is seen, or is not said any more: take it out of unseen", text)
		}
	}
}

// expectations are all that the golden cases expect, in one text.
func expectations(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"testdata/*.txtar", "testdata/made/*.want"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no cases in %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, want, cases := strings.Cut(string(text), "-- want --\n")
			if !cases {
				want = string(text)
			}
			all.WriteString(want)
		}
	}
	return all.String()
}

// said is a text in a source file.
type said struct {
	text string
	line int
}

// texts are the string literals of a Go file, but for imports and tags.
func texts(t *testing.T, file string) (all []said) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			return false
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				all = append(all, said{text, set.Position(n.Pos()).Line})
			}
		}
		return true
	})
	return all
}
