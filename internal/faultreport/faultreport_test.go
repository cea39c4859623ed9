package faultreport_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/faultreport"
)

var faults = []dwmon.FileFault{
	{
		File: "checks/a b.dwmon", Line: 4, Column: 16, Severity: dwmon.SeverityError, Code: dwmon.CodeRequirement,
		Message: "unknown token CHECKMINUTE0-59", Hint: "did you mean CHECKMINUTES0-59?",
		LineText: "CHECKHOURS0-23 CHECKMINUTE0-59 WEEKDAYS", Edit: dwmon.TextEdit{Until: 31, With: "CHECKMINUTES0-59"},
	},
	{
		File: "checks/a b.dwmon", Line: 7, Column: 9, Severity: dwmon.SeverityWarning, Code: dwmon.CodeExtraKeyTwice,
		Message: "100%: a, b\nand more", LineText: `{"a": 1, "a": 2}`,
	},
	{File: "/etc/c:1.dwmon", Severity: dwmon.SeverityError, Code: dwmon.CodeFile, Message: "cannot be read"},
	{File: "--timezone", Severity: dwmon.SeverityError, Code: dwmon.CodeConfig, Message: "unknown time zone"},
	{File: "a:b.dwmon", Line: 1, Column: 1, Severity: dwmon.SeverityError, Message: "odd"},
}

func TestEditor(t *testing.T) {
	var b strings.Builder
	if err := faultreport.Editor(&b, faults); err != nil {
		t.Fatal(err)
	}
	want := `checks/a b.dwmon:4:16: error: unknown token CHECKMINUTE0-59 (did you mean CHECKMINUTES0-59?) [requirement]
checks/a b.dwmon:7:9: warning: 100%: a, b and more [extra-key-twice]
/etc/c:1.dwmon:1:1: error: cannot be read [file]
--timezone:1:1: error: unknown time zone [config]
a:b.dwmon:1:1: error: odd [syntax]
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGitHub(t *testing.T) {
	var b strings.Builder
	if err := faultreport.GitHub(&b, faults); err != nil {
		t.Fatal(err)
	}
	want := `::error file=checks/a b.dwmon,line=4,col=16,title=requirement::unknown token CHECKMINUTE0-59 (did you mean CHECKMINUTES0-59?)
::warning file=checks/a b.dwmon,line=7,col=9,title=extra-key-twice::100%25: a, b%0Aand more
::error file=/etc/c%3A1.dwmon,title=file::cannot be read
::error title=--timezone::unknown time zone
::error file=a%3Ab.dwmon,line=1,col=1,title=syntax::odd
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// schema is that of OASIS for SARIF 2.1.0, errata 01.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t interface{ Fatal(...any) }, faults []dwmon.FileFault) []byte {
	var b bytes.Buffer
	if err := faultreport.SARIF(&b, faults, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSARIF(t *testing.T) {
	type region struct{ StartLine, StartColumn, EndColumn int }
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *region
					}
				}
				Fixes []struct {
					ArtifactChanges []struct {
						Replacements []struct {
							DeletedRegion   region
							InsertedContent struct{ Text string }
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(write(t, faults), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	var uris []string
	for i, r := range run.Results {
		if got := run.Tool.Driver.Rules[r.RuleIndex].ID; got != r.RuleID {
			t.Errorf("result %d is of rule %s, its index of %s", i, r.RuleID, got)
		}
		for _, l := range r.Locations {
			uris = append(uris, l.PhysicalLocation.ArtifactLocation.URI)
		}
	}
	if diff := cmp.Diff([]string{"checks/a%20b.dwmon", "checks/a%20b.dwmon", "file:///etc/c:1.dwmon", "./a:b.dwmon"}, uris); diff != "" {
		t.Errorf("URIs (-want +got):\n%s", diff)
	}
	first := run.Results[0]
	if got := *first.Locations[0].PhysicalLocation.Region; got != (region{4, 16, 31}) {
		t.Errorf("the region is %+v", got)
	}
	fix := first.Fixes[0].ArtifactChanges[0].Replacements[0]
	if fix.DeletedRegion != (region{4, 16, 31}) || fix.InsertedContent.Text != "CHECKMINUTES0-59" {
		t.Errorf("the fix is %+v", fix)
	}
	if got := *run.Results[1].Locations[0].PhysicalLocation.Region; got != (region{7, 9, 10}) {
		t.Errorf("the region of a place is %+v", got)
	}
	if r := run.Results[3]; r.Locations != nil || r.Message.Text != "--timezone: unknown time zone" {
		t.Errorf("a flag is %+v", r)
	}
}

func TestSARIFIsValid(t *testing.T) {
	s := schema(t)
	validate := func(t interface {
		Fatal(...any)
		Fatalf(string, ...any)
	}, faults []dwmon.FileFault,
	) {
		text := write(t, faults)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	validate(t, faults)
	validate(t, nil)
	if err := s.Validate(map[string]any{"version": "2.1.0", "runs": []any{map[string]any{}}}); err == nil {
		t.Fatal("the schema takes a run without a tool")
	}
	rapid.Check(t, func(t *rapid.T) {
		var drawn []dwmon.FileFault
		for range rapid.IntRange(0, 3).Draw(t, "faults") {
			f := dwmon.FileFault{
				File: rapid.String().Draw(t, "file"), Message: rapid.StringN(1, 20, -1).Draw(t, "message"), Hint: rapid.String().Draw(t, "hint"),
				LineText: rapid.String().Draw(t, "line"), Severity: rapid.SampledFrom([]dwmon.Severity{dwmon.SeverityError, dwmon.SeverityWarning}).Draw(t, "severity"),
				Code: rapid.SampledFrom(dwmon.FaultRules).Draw(t, "rule").Code,
			}
			if rapid.Bool().Draw(t, "placed") {
				f.Line, f.Column = rapid.IntRange(1, 9).Draw(t, "row"), rapid.IntRange(1, 9).Draw(t, "column")
				if rapid.Bool().Draw(t, "mended") {
					f.Edit = dwmon.TextEdit{Until: f.Column + rapid.IntRange(1, 9).Draw(t, "length"), With: rapid.String().Draw(t, "with")}
				}
			}
			drawn = append(drawn, f)
		}
		validate(t, drawn)
	})
}

// The problem matcher of the documentation understands every line.
func TestProblemMatcherOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/validate.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`"regexp": (".*"),`).FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/validate.md has no problem matcher")
	}
	var pattern string
	if err := json.Unmarshal(m[1], &pattern); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := faultreport.Editor(&b, faults); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		found := regexp.MustCompile(pattern).FindStringSubmatch(line)
		f := &faults[i]
		if len(found) != 7 || found[1] != f.File || found[4] != string(f.Severity) || found[6] != f.Rule() {
			t.Errorf("%s is understood as %q", line, found)
		}
	}
}
