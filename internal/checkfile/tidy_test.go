package checkfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const looseFile = `

# what it is for


#   more of it
__QUERY__


    SELECT  1
    -- two   spaces

__REQUIREMENTS__

   # by day
MINNUM5  LOOKBACKSECONDS0180	WEEKDAYS WEEKENDS   CHECKMINUTES0,45 CHECKHOURS0-23


  # at night
HALFOPEN CHECKDAYSMON CHECKHOURS00 CHECKMINUTES0 LOOKBACKSECONDS60 MAXNUM5 MINNUM1

__SOURCE__
   AWS
__OPTIONS__

owner:   billing   # them


labels:
    a: b

__EXTRA__

{ "a":
  1 }`

const tidyFile = `# what it is for

#   more of it

__QUERY__
    SELECT  1
    -- two   spaces

__REQUIREMENTS__
# by day
CHECKHOURS0-23 CHECKMINUTES0,45 WEEKENDS WEEKDAYS MINNUM5 LOOKBACKSECONDS0180

# at night
CHECKHOURS00 CHECKMINUTES0 CHECKDAYSMON MINNUM1 MAXNUM5 LOOKBACKSECONDS60 HALFOPEN

__SOURCE__
AWS

__OPTIONS__
owner:   billing   # them


labels:
    a: b

__EXTRA__
{ "a":
  1 }
`

func TestTidyLayout(t *testing.T) {
	if diff := cmp.Diff(tidyFile, string(Tidy([]byte(looseFile)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTidyLineEnds(t *testing.T) {
	one := "__QUERY__\nSELECT 1\n\n__REQUIREMENTS__\n" + everyMinute + "\n\n__SOURCE__\nAWS\n"
	two := strings.Replace(one, "SELECT 1", "SELECT\n1", 1)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for _, tt := range []struct{ name, text, want string }{
		{"a file that is tidy stays", one, one},
		{"CRLF becomes LF", crlf(one), one},
		{"a byte order mark goes", "\ufeff" + one, one},
		{"CRLF stays where it stands within the query", crlf(two), crlf(two)},
		{"and then ends all lines", strings.Replace(two, "SELECT\n", "SELECT\r\n", 1), crlf(two)},
		{"a line end comes behind the last line", strings.TrimSuffix(one, "\n"), one},
		{"a text with errors stays", "\ufeff__QUERY__\r\n", "\ufeff__QUERY__\r\n"},
	} {
		if got := string(Tidy([]byte(tt.text))); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Blank lines at the end of OPTIONS may be part of a text, and then stay.
func TestTidyKeepsTextsOfOptions(t *testing.T) {
	keep := file(everyMinute, "__OPTIONS__\ntemplate: |+\n  words\n\n\n")
	checkTidy(t, []byte(keep))
	if got := string(Tidy([]byte(keep))); !strings.HasSuffix(got, "|+\n  words\n\n\n") {
		t.Errorf("the text is cut: %q", got)
	}
	for _, behind := range []string{"", "\n", "\n\n"} {
		middle := file(everyMinute, "__OPTIONS__\n\ntemplate: |+\n  words\n"+behind+"__EXTRA__\n \n{}")
		checkTidy(t, []byte(middle))
		if got := string(Tidy([]byte(middle))); !strings.HasSuffix(got, "words\n"+behind+"__EXTRA__\n{}\n") {
			t.Errorf("behind the text: %q", got)
		}
	}
	clip := file(everyMinute, "__OPTIONS__\ntemplate: |\n  words\n\n\n")
	checkTidy(t, []byte(clip))
	if got := string(Tidy([]byte(clip))); !strings.HasSuffix(got, "|\n  words\n") {
		t.Errorf("blank lines are left: %q", got)
	}
	checkTidy(t, []byte(file(everyMinute, "__OPTIONS__\ntemplate: |\n  words")))
}

// checkTidy holds Tidy to what it promises.
func checkTidy(t interface{ Fatalf(string, ...any) }, text []byte) {
	tidied := Tidy(text)
	before, _ := Parse("a.dwmon", "a", text)
	if before == nil {
		if !bytes.Equal(tidied, text) {
			t.Fatalf("a text with errors was changed:\n%q\n%q", text, tidied)
		}
		return
	}
	after, faults := Parse("a.dwmon", "a", tidied)
	switch {
	case after == nil:
		t.Fatalf("the tidied text has faults: %v\n%q\n%q", faults, text, tidied)
	case before.Query != after.Query, before.Source != after.Source, !bytes.Equal(before.Extra, after.Extra):
		t.Fatalf("QUERY, SOURCE or EXTRA differ:\n%q\n%q", text, tidied)
	case !Same(before, after):
		t.Fatalf("another checker:\n%s\n%s", Format(before), Format(after))
	case !bytes.Equal(Tidy(tidied), tidied):
		t.Fatalf("tidied twice it differs:\n%q\n%q\n%q", text, tidied, Tidy(tidied))
	}
	if a, b := comments(before), comments(after); !cmp.Equal(a, b) {
		t.Fatalf("comments %q became %q", a, b)
	}
}

// comments are the comment lines before the first section and among the
// requirement lines.
func comments(c *dwmon.Checker) (all []string) {
	s := newSource("", string(c.Text))
	in := ""
	for i, line := range s.lines {
		if sec, ok := s.marker(i, nil); ok {
			in = sec.mark
		}
		if line = strings.TrimSpace(line); (in == "" || in == markRequirements) && strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// drawLooseFile writes a checker file as people may.
func drawLooseFile(t *rapid.T) string {
	blanks := func(label string) string {
		return rapid.SampledFrom([]string{"", "", "\n", " \n\n", "# why\n", "\n # because\t\n\n"}).Draw(t, label)
	}
	var lines strings.Builder
	lines.WriteString(blanks("before lines"))
	seen := map[string]bool{}
	for range rapid.IntRange(1, 4).Draw(t, "lines") {
		r := drawRequirement(t)
		if seen[r.Identity()] {
			continue
		}
		seen[r.Identity()] = true
		tokens := rapid.Permutation(strings.Fields(r.Identity())).Draw(t, "tokens")
		space := rapid.SampledFrom([]string{" ", "  ", "\t", "\u00a0"}).Draw(t, "space")
		lines.WriteString(space + strings.Join(tokens, space) + "\n" + blanks("between"))
	}
	sections := []string{
		markQuery + "\n" + drawBody(t, "query") + "\n",
		markRequirements + "\n" + lines.String(),
		markSource + "\n" + drawBody(t, "source") + "\n",
	}
	if rapid.Bool().Draw(t, "extra") {
		sections = append(sections, markExtra+"\n"+rapid.SampledFrom([]string{"", "{}\n", " {\"a\":\n\n 1}\n\n"}).Draw(t, "json"))
	}
	if rapid.Bool().Draw(t, "options") {
		o := drawOptions(t)
		sections = append(sections, markOptions+"\n"+rapid.SampledFrom([]string{"", "\n", "# x\n"}).Draw(t, "yaml")+formatOptions(&o))
	}
	text := blanks("head")
	for _, s := range rapid.Permutation(sections).Draw(t, "order") {
		text += s + rapid.SampledFrom([]string{"", "\n", " \n\n"}).Draw(t, "behind")
	}
	if rapid.Bool().Draw(t, "crlf") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	if rapid.Bool().Draw(t, "cut") {
		text = strings.TrimRight(text, "\r\n")
	}
	return rapid.SampledFrom([]string{"", bom}).Draw(t, "bom") + text
}

func TestTidyKeepsTheChecker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawLooseFile(t)
		if c, faults := Parse("a.dwmon", "a", []byte(text)); c == nil {
			t.Fatalf("the drawn file is bad: %v\n%q", faults, text)
		}
		checkTidy(t, []byte(text))
	})
}

func FuzzTidy(f *testing.F) {
	paths, _ := filepath.Glob("testdata/good_*.txtar")
	shipped, _ := filepath.Glob("../../checks/*.dwmon")
	for _, path := range append(paths, shipped...) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if _, input, ok := bytes.Cut(text, []byte("-- input.dwmon --\n")); ok {
			text, _, _ = bytes.Cut(input, []byte("-- want --\n"))
		}
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	f.Add([]byte(looseFile))
	f.Fuzz(func(t *testing.T, text []byte) {
		checkTidy(t, text)
		checkReplaced(t, text, []string{"# new", everyMinute})
	})
}

// The examples that are shipped are tidy.
func TestShippedCheckersAreTidy(t *testing.T) {
	shipped, _ := filepath.Glob("../../checks/*.dwmon")
	if len(shipped) == 0 {
		t.Fatal("no examples")
	}
	for _, path := range shipped {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(Tidy(text))); diff != "" {
			t.Errorf("%s (-is +tidy):\n%s", path, diff)
		}
	}
}

func TestWithRequirements(t *testing.T) {
	lines := []string{"# new", "A", "B"}
	for _, tt := range []struct{ name, text, want string }{
		{
			"comments go too, blank lines at the ends stay",
			"#x\n__REQUIREMENTS__\n\n # old\nX\n\nY  \n\n__SOURCE__\n A\n",
			"#x\n__REQUIREMENTS__\n\n# new\nA\nB  \n\n__SOURCE__\n A\n",
		},
		{"the last section without a line end", "__REQUIREMENTS__\nX", "__REQUIREMENTS__\n# new\nA\nB"},
		{"CRLF stays CRLF", "__REQUIREMENTS__\r\nX\r\nY\r\n__SOURCE__\r\n", "__REQUIREMENTS__\r\n# new\r\nA\r\nB\r\n__SOURCE__\r\n"},
		{"a byte order mark stays", "\ufeff__REQUIREMENTS__\nX\n", "\ufeff__REQUIREMENTS__\n# new\nA\nB\n"},
		{"an empty section", "__REQUIREMENTS__\n\n__SOURCE__\nA", "__REQUIREMENTS__\n# new\nA\nB\n\n__SOURCE__\nA"},
		{"an empty section at the end", "__REQUIREMENTS__", "__REQUIREMENTS__\n# new\nA\nB\n"},
		{"no such section", "__QUERY__\nX\n", "__QUERY__\nX\n"},
	} {
		if got := string(WithRequirements([]byte(tt.text), lines)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// checkReplaced holds WithRequirements to what it promises.
func checkReplaced(t interface{ Fatalf(string, ...any) }, text []byte, lines []string) {
	before, _ := Parse("a.dwmon", "a", text)
	if before == nil {
		return
	}
	replaced := WithRequirements(text, lines)
	after, faults := Parse("a.dwmon", "a", replaced)
	if after == nil {
		t.Fatalf("faults: %v\n%q\n%q", faults, text, replaced)
	}
	want := mustRequirements(lines)
	if diff := cmp.Diff(want, identities(after)); diff != "" {
		t.Fatalf("lines (-want +got):\n%s\n%q", diff, replaced)
	}
	after.Lines = before.Lines
	if !Same(before, after) {
		t.Fatalf("another checker but for its lines:\n%q\n%q", text, replaced)
	}
	// The same outside of the section means: the section's old content in the new
	// one's place gives the old file back.
	old := section0(string(text))
	if back := strings.Replace(string(replaced), section0(string(replaced)), old, 1); back != string(text) {
		t.Fatalf("bytes outside changed:\n%q\n%q", text, replaced)
	}
	eol := "\n"
	if strings.Contains(old, "\r\n") {
		eol = "\r\n"
	}
	if again := WithRequirements(replaced, strings.Split(old, eol)); string(again) != string(text) && !strings.Contains(string(text), "\r") {
		t.Fatalf("the old lines put back give another file:\n%q\n%q", text, again)
	}
}

// section0 is what stands in the REQUIREMENTS section between its first and its
// last visible character, first indentation included.
func section0(text string) string {
	s := newSource("", text)
	body := s.body(s.split()[markRequirements])
	trimmed := strings.TrimRightFunc(body, func(r rune) bool { return strings.TrimSpace(string(r)) == "" })
	start := 0
	for _, line := range strings.SplitAfter(trimmed, "\n") {
		if strings.TrimSpace(line) != "" {
			break
		}
		start += len(line)
	}
	return trimmed[start:]
}

func identities(c *dwmon.Checker) (all []string) {
	for _, l := range c.Lines {
		all = append(all, l.Identity())
	}
	return all
}

func mustRequirements(lines []string) []string {
	c, _ := Parse("a.dwmon", "a", []byte(file(strings.Join(lines, "\n"), "")))
	return identities(c)
}

func TestWithRequirementsKeepsTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{"# new", drawRequirement(t).Identity()}
		checkReplaced(t, []byte(drawLooseFile(t)), lines)
	})
}
