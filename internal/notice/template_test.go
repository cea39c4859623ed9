package notice

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestFaultsOfTemplates(t *testing.T) {
	tests := []struct {
		name, text   string
		line, column int
		says, hint   string
	}{
		{"an action that is not closed", "a\n{{.Count", 2, 0, "unclosed action", ""},
		{"a misspelt field", "ok\né {{.Conut}}", 2, 5, "there is no field .Conut", "did you mean .Count?"},
		{"a misspelt field in a branch that no sample takes", "{{if eq .Owner \"xyz\"}}{{.Sumary}}{{end}}", 1, 25, "no field .Sumary", "did you mean .Summary?"},
		{"a field of the notice within range", "{{range .Windows}}{{.Checker}}{{end}}", 1, 21, "no field .Checker in one of .Windows", "write $.Checker"},
		{"a misspelt field of a window", "{{range .Windows}}{{.Cuont}}{{end}}", 1, 21, "no field .Cuont", "did you mean .Count?"},
		{"a misspelt field behind $", "{{with .Owner}}{{$.Ownre}}{{end}}", 1, 19, "no field .Ownre", "did you mean .Owner?"},
		{"a field of a text", "{{.Owner.Name}}", 1, 9, "no field .Name in a text", ""},
		{"a function that is none", "{{duratoin .Lasted}}", 1, 0, `no function "duratoin"`, "did you mean duration?"},
		{"the environment", `{{env "HOME"}}`, 1, 0, `no function "env"`, "notice only"},
		{"a key that may not be there", "{{index .Newest 0}}", 1, 3, "out of range", ""},
		{"a wrong argument", "x{{date .Count}}", 1, 4, "wrong number of args", ""},
		{"a time zone that is none", `{{inZone "Mars" .Created}}`, 1, 3, `unknown time zone "Mars"`, ""},
		{"templates that call one another", "\n{{define \"a\"}}{{template \"a\"}}{{end}}", 2, 1, "define, template and block", ""},
		{"a loop without end", "{{range 1000000000}}{{end}}", 1, 0, "more than 10000 rounds", ""},
		{"loops within loops", "{{range 1000}}{{range 1000}}{{end}}{{end}}", 1, 0, "more than 10000 rounds", ""},
		{"too much text", "{{range 9999}}0123456789{{end}}", 1, 0, "more than 64 KiB", ""},
		{"a text that grows", "{{$x := \"ab\"}}{{range 100}}{{$x = printf \"%s%s\" $x $x}}{{end}}", 1, 0, "more than 64 KiB", ""},
		{"a wide number", `{{$x := printf "%999999d" 1}}`, 1, 0, "more than 64 KiB", ""},
		{"a long template", strings.Repeat("x", maxTemplate+1), 1, 0, "longer than 64 KiB", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults := Faults(tt.text, nil)
			if len(faults) == 0 {
				t.Fatal("no fault was found")
			}
			f := faults[0]
			if f.Line != tt.line || f.Column != tt.column || !strings.Contains(f.Message, tt.says) || !strings.Contains(f.Hint, tt.hint) {
				t.Errorf("got %+v, want line %d, column %d, %q, %q", f, tt.line, tt.column, tt.says, tt.hint)
			}
			for _, part := range [][2]string{{tt.text, ""}, {"", tt.text}} {
				tmpl, err := ParseTemplate(part[0], part[1])
				if err == nil {
					err = tmpl.Check()
				}
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("ParseTemplate and Check: %v", err)
				}
			}
		})
	}
}

func TestTemplatesThatAreRight(t *testing.T) {
	for _, text := range []string{
		"",
		"plain text, {with} braces",
		"{{.Summary}}",
		"{{if .Newest}}{{index .Newest 0}}{{end}}",
		"{{range $i, $w := .Windows}}{{$i}} {{$w.Count}} {{.Minute.Format \"15:04\"}}{{else}}none{{end}}",
		"{{with .Extra}}{{.alert}}{{end}}",
		"{{.Labels.team}}{{.Labels.none}}",
		"{{range .Facts}}{{.Label}}: {{.Value}}{{end}}",
		"{{range .Former}}{{.WeeksAgo}}: {{.Count}}{{end}}",
		"{{if gt .Count 5}}many{{end}}{{if .Min}}{{.Min}}{{end}}",
		"{{range .Newest}}{{. | html}}{{break}}{{end}}{{/* a comment */}}",
		"{{default \"nobody\" .Owner | upper}}, {{.Checks}} {{plural \"check\" \"checks\" .Checks}}",
	} {
		if faults := Faults(text, nil); len(faults) > 0 {
			t.Errorf("%s: %+v", text, faults)
		}
	}
}

// What is done with EXTRA hangs on what is in it.
func TestTemplatesAreTriedWithTheCheckersOwnExtra(t *testing.T) {
	const text = `{{range .Extra.list}}{{.name}}{{end}}{{if gt .Extra.n 3}}x{{end}}`
	if faults := Faults(text, nil); len(faults) > 0 {
		t.Errorf("for any checker: %+v", faults)
	}
	if faults := Faults(`{{.Extra.a.b}}`, []byte(`{"a": {"b": 1}}`)); len(faults) > 0 {
		t.Errorf("of an EXTRA that has it: %+v", faults)
	}
	faults := Faults(`x {{.Extra.a.b}}`, []byte(`{"a": 1}`))
	if len(faults) != 1 || faults[0].Line != 1 || faults[0].Column == 0 {
		t.Errorf("of an EXTRA that has it not: %+v", faults)
	}
}

func TestApplyFailsAndTheBuiltInTextStays(t *testing.T) {
	tmpl, err := ParseTemplate("{{.Checker}} is {{.State}}", "line\n{{.Extra.a.b}}")
	if err != nil {
		t.Fatal(err)
	}
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	d.Checker.Extra = []byte(`{"a": [1]}`)
	n := Compose(d)
	before := n
	err = tmpl.Apply(&n, d)
	if err == nil || !strings.Contains(err.Error(), "body, line 2") {
		t.Errorf("error %v", err)
	}
	if n.Summary != before.Summary || n.Templated || !strings.HasPrefix(n.Detail, before.Facts[0].Label) {
		t.Errorf("the built-in text is gone: %s\n%s", n.Summary, n.Detail)
	}
	if last := n.Facts[len(n.Facts)-1]; last.Label != "Template" || !strings.Contains(last.Value, "line 2") || !strings.Contains(n.Detail, "Template") {
		t.Errorf("no fact says so: %+v\n%s", last, n.Detail)
	}
	if len(before.Facts)+1 != len(n.Facts) {
		t.Errorf("%d facts, before %d", len(n.Facts), len(before.Facts))
	}
}

func TestApplyCleansWhatTemplatesWrite(t *testing.T) {
	tmpl, err := ParseTemplate("{{range .Newest}}{{.}}\n{{end}} \x1b[31m", "a\r\nb\tc \x1b[0m\u202e  \n\n")
	if err != nil {
		t.Fatal(err)
	}
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	n := Compose(d)
	if err := tmpl.Apply(&n, d); err != nil {
		t.Fatal(err)
	}
	if want := `10481; 10480; 10479; 10478; \x1B[31m`; n.Summary != want {
		t.Errorf("summary %q, want %q", n.Summary, want)
	}
	if want := "a\nb\tc \\x1B[0m\\u202E\n"; n.Detail != want || !n.Templated {
		t.Errorf("detail %q, want %q", n.Detail, want)
	}
}

func TestAnEmptySummaryKeepsTheBuiltInOne(t *testing.T) {
	tmpl, err := ParseTemplate("{{if .Closed.IsZero}}{{else}}over{{end}}", "")
	if err != nil {
		t.Fatal(err)
	}
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	n := Compose(d)
	want := n.Summary
	if err := tmpl.Apply(&n, d); err != nil || n.Summary != want || n.Templated {
		t.Errorf("%v, %q, templated %v", err, n.Summary, n.Templated)
	}
}

func TestTheCheckersPartsGoFirst(t *testing.T) {
	parse := func(summary, body string) *Template {
		tmpl, err := ParseTemplate(summary, body)
		if err != nil {
			t.Fatal(err)
		}
		return tmpl
	}
	checker, handler := parse("", "checker's body"), parse("handler's summary", "handler's body")
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	for _, tt := range []struct {
		tmpl *Template
		want string
	}{
		{checker.Over(handler), "handler's summary|checker's body\n"},
		{handler.Over(checker), "handler's summary|handler's body\n"},
		{(*Template)(nil).Over(handler), "handler's summary|handler's body\n"},
		{checker.Over(nil), Compose(d).Summary + "|checker's body\n"},
		{(*Template)(nil).Over(nil), Compose(d).Summary + "|" + Compose(d).Detail},
	} {
		n := Compose(d)
		if err := tt.tmpl.Apply(&n, d); err != nil || n.Summary+"|"+n.Detail != tt.want {
			t.Errorf("%v: %s|%s, want %s", err, n.Summary, n.Detail, tt.want)
		}
	}
}

func TestAGroupKeepsTheSummariesOfTemplates(t *testing.T) {
	tmpl, err := ParseTemplate("my {{.Checker}}", "my body")
	if err != nil {
		t.Fatal(err)
	}
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	var two []dwmon.Notice
	for range 2 {
		n := Compose(d)
		if err := tmpl.Apply(&n, d); err != nil {
			t.Fatal(err)
		}
		two = append(two, n)
	}
	g := Group(two, d.Now)
	before := fmt.Sprint(g)
	if err := tmpl.Apply(&g, d); err != nil || fmt.Sprint(g) != before {
		t.Errorf("%v: the group was worded anew: %v", err, g)
	}
	if g.Items[0].Summary != "my new_orders" || g.Templated {
		t.Errorf("items %+v", g.Items)
	}
}
