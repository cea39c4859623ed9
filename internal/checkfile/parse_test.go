package checkfile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
)

const everyMinute = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 LOOKBACKSECONDS60"

// file writes a checker file around one requirement line and more sections.
func file(line, more string) string {
	return "__QUERY__\nSELECT 1\n__REQUIREMENTS__\n" + line + "\n__SOURCE__\nAWS\n" + more
}

func mustParse(t *testing.T, text string) *dwmon.Checker {
	t.Helper()
	c, faults := Parse("a.dwmon", "a", []byte(text))
	if c == nil {
		t.Fatalf("faults:\n%s", dwmon.FileFaults(faults).Text())
	}
	return c
}

func errorsOf(text string) []string {
	_, faults := Parse("a.dwmon", "a", []byte(text))
	var out []string
	for _, f := range faults {
		out = append(out, f.Error())
	}
	return out
}

func TestParseTakesSectionsAsTheyStand(t *testing.T) {
	extra := `{"n": 12345678901234567890.10, "t": "ü\u00e9", "deep": ` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}`
	text := "__QUERY__\n\n  SELECT  1\n\t-- __main__\n__init__\n\n__SOURCE__\n AWS \n__REQUIREMENTS__\n" + everyMinute + "\n__EXTRA__\n\n" + extra + "\n\n"
	c := mustParse(t, text)
	if want := "SELECT  1\n\t-- __main__\n__init__"; c.Query != want {
		t.Errorf("query %q, want %q", c.Query, want)
	}
	if c.Source != "AWS" {
		t.Errorf("source %q", c.Source)
	}
	if string(c.Extra) != extra {
		t.Error("extra is not byte for byte what the file holds")
	}
	if string(c.Text) != text || len(c.Revision) != 64 {
		t.Error("text or revision are not the file's")
	}
	if c.Lines[0].FileLine != 10 {
		t.Errorf("the line stands in line %d", c.Lines[0].FileLine)
	}
}

func TestParseAcceptsBOMAndCRLF(t *testing.T) {
	plain := file("# comment\n\n  "+everyMinute+"  ", "__EXTRA__\n{\"a\":\n1}\n__OPTIONS__\nowner: me\nlabels:\n  a: b\n")
	want := mustParse(t, plain)
	got := mustParse(t, "\ufeff"+strings.ReplaceAll(plain, "\n", "\r\n"))
	if got.Query != want.Query || got.Source != want.Source || got.Options.Owner != "me" || got.Options.Labels["a"] != "b" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(want.Lines, got.Lines); diff != "" {
		t.Error(diff)
	}
	if string(got.Extra) != "{\"a\":\r\n1}" {
		t.Errorf("extra %q is not byte for byte what the file holds", got.Extra)
	}
	if got := errorsOf("\ufeff" + strings.ReplaceAll(file("BAD "+everyMinute, ""), "\n", "\r\n")); len(got) != 1 || !strings.HasPrefix(got[0], "a.dwmon:4:1: unknown token BAD") {
		t.Errorf("faults %q", got)
	}
}

func TestParseEncodings(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a byte that is not UTF-8", file(everyMinute, "__EXTRA__\n\"ä\xff\"\n"), "a.dwmon:8:3: byte 0xff is not UTF-8"},
		{"UTF-16", "\xff\xfe_\x00", "a.dwmon:1:1: the file is UTF-16"},
		{"CR alone", strings.ReplaceAll(file(everyMinute, ""), "\n", "\r"), "a.dwmon:1:1: the lines end in CR alone"},
		{"more than 1 MiB", file(everyMinute, strings.Repeat("\n", MaxBytes)), "a.dwmon:1:1: the file is larger than 1048576 bytes"},
	} {
		if got := errorsOf(tt.text); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	exact := file(everyMinute, "")
	mustParse(t, exact+strings.Repeat("\n", MaxBytes-len(exact)))
}

func TestParseLimitsLines(t *testing.T) {
	var lines []string
	for i := range MaxLines {
		lines = append(lines, fmt.Sprintf("CHECKHOURS0 CHECKMINUTES0 WEEKDAYS MINNUM%d LOOKBACKSECONDS60", i+1))
	}
	if c := mustParse(t, file(strings.Join(lines, "\n"), "")); len(c.Lines) != MaxLines {
		t.Errorf("%d lines", len(c.Lines))
	}
	got := errorsOf(file(strings.Join(append(lines, everyMinute), "\n"), ""))
	if len(got) != 1 || got[0] != "a.dwmon:1004:1: more than 1000 requirement lines" {
		t.Errorf("faults %q", got)
	}
}

func TestRequirementTokens(t *testing.T) {
	const rest = " WEEKDAYS MINNUM1 LOOKBACKSECONDS60"
	for _, tt := range []struct{ line, want string }{
		{"CHECKHOURS5 CHECKMINUTES5-5" + rest, "CHECKHOURS5 CHECKMINUTES5"},
		{"CHECKHOURS00-023 CHECKMINUTES*/1" + rest, "CHECKHOURS0-23 CHECKMINUTES0-59"},
		{"CHECKHOURS*/6 CHECKMINUTES*/59" + rest, "CHECKHOURS*/6 CHECKMINUTES*/59"},
		{"CHECKHOURS0-5,22-23 CHECKMINUTES30,0" + rest, "CHECKHOURS0-5,22-23 CHECKMINUTES*/30"},
		{"CHECKHOURS*/12,5 CHECKMINUTES0" + rest, "CHECKHOURS0,5,12 CHECKMINUTES0"},
		{"\tCHECKHOURS0\u00a0CHECKMINUTES0" + rest, "CHECKHOURS0 CHECKMINUTES0"},
	} {
		c := mustParse(t, file(tt.line, ""))
		if got := c.Lines[0].Identity(); got != tt.want+rest {
			t.Errorf("%q is %q, want %q", tt.line, got, tt.want+rest)
		}
	}
	c := mustParse(t, file("CHECKHOURS0 CHECKMINUTES0 CHECKDAYSSUN,MON MAXNUM09223372036854775807 LOOKBACKSECONDS031622400 HALFOPEN", ""))
	r := c.Lines[0]
	if r.Days != 0b11 || r.Min.Set || r.Max != dwmon.At(9223372036854775807) || r.Lookback != dwmon.MaxLookback || !r.HalfOpen {
		t.Errorf("got %+v", r)
	}
}

func TestExtraAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `"x"`, `0`, `-0`, `-`, `+1`, `1.`, `.5`, `1e5`, `1E+5`, `1e`, `01`, `[1,]`, `[,1]`, `{"a":1,}`,
		`{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `"\u12"`, `"\u12g4"`, `"\x"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"a\tb\"", "\"a\nb\"",
		`nul`, `True`, `[`, `{`, `{"a":[`, `]`, `}`, `[}`, `{]`, `1 2`, `"`, `"\"`, `{"a":1}}`, `[[[]]]`, `[{"a":[{}]}]`, ` `, "\u00a01", `{"":""}`, `-1.5e-7`, `1.5.5`, `--1`, `{"a":tru}`,
	} {
		v := jsonChecker{text: text}
		if got, want := len(v.check()) == 0, json.Valid([]byte(text)); got != want {
			t.Errorf("%s: valid %v, encoding/json says %v", text, got, want)
		}
	}
}

func TestOptionsKeepNumbersAndKinds(t *testing.T) {
	c := mustParse(t, file(everyMinute, "__OPTIONS__\nalert: {after: 2, of: 3, recover: 4, repeat: 4h, growth: 1.5, unknown_after: 5}\nhandlers: []\ncalendar: [de, fr]\n"))
	want := dwmon.AlertSettings{After: 2, Of: 3, Recover: 4, Repeat: 4 * time.Hour, Growth: 1.5, UnknownAfter: 5}
	if diff := cmp.Diff(want, c.Options.Alert); diff != "" {
		t.Error(diff)
	}
	if c.Options.Handlers == nil || len(c.Options.Handlers) != 0 {
		t.Errorf("handlers %#v, want an empty list", c.Options.Handlers)
	}
	if diff := cmp.Diff([]string{"de", "fr"}, c.Options.Calendar); diff != "" {
		t.Error(diff)
	}
	if c := mustParse(t, file(everyMinute, "__OPTIONS__\n# nothing yet\n")); c.Options.Handlers != nil {
		t.Errorf("handlers %#v, want nil", c.Options.Handlers)
	}
}

// A file that is no checker at all costs little and reports a bounded number of
// faults, of which none lets it pass.
func TestParseBoundsFaults(t *testing.T) {
	for name, text := range map[string]string{
		"tokens":   file(strings.Repeat("x1 ", 300_000), ""),
		"lines":    file(strings.Repeat("CHECKHOURS9-5\n", 900), ""),
		"warnings": file("CHECKHOURS0"+strings.Repeat(",0", 100_000)+" BAD CHECKMINUTES0 WEEKDAYS MINNUM1 LOOKBACKSECONDS60", ""),
		"markers":  strings.Repeat("__QUERYS__\n", 50_000),
		"names":    file(everyMinute, "__EXTRA__\n{"+strings.Repeat(`"a":1,`, 100_000)+"}"),
	} {
		c, faults := Parse("a.dwmon", "a", []byte(text))
		if c != nil || len(faults) == 0 || len(faults) > maxErrors+maxWarnings || !dwmon.AnyError(faults) {
			t.Errorf("%s: checker %v, %d faults", name, c != nil, len(faults))
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "billing/new invoices", "a-b_c.d/1", "größe", "हिन्दी", strings.Repeat("x", MaxName)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "a..b", "../a", "a//b", "/a", "a/", "gro\u0308\u00dfe", "a\tb", "a:b", "a\\b", "a\x00", "\xff", ".a", "a/.b", "a*b", "a/ /b", "\u0301a", strings.Repeat("x", MaxName+1)} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// The examples that are shipped are good.
func TestShippedCheckers(t *testing.T) {
	root := filepath.Join("..", "..", "checks")
	set, err := (&Loader{Dir: root}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range set.Files {
		if f.Checker == nil {
			t.Errorf("%s", dwmon.FileFaults(f.Faults).Text())
		}
	}
	if len(set.Files) == 0 {
		t.Errorf("no checker in %s", root)
	}
}
