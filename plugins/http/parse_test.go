package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// TestEachFaultIsShownWithItsPlace holds one fault a case: what an analyst reads.
func TestEachFaultIsShownWithItsPlace(t *testing.T) {
	const rows = "\nrows: .[]"
	for _, c := range []struct{ query, want string }{
		{"", "QUERY:1:1: the request is empty"},
		{"# only a comment", "QUERY:1:1: the request is empty"},
		{"/v1/orders" + rows, "QUERY:1:1: the method is missing; write GET /v1/orders"},
		{"orders", "QUERY:1:1: want a method and a path, such as GET /v1/orders"},
		{"get /v1/orders" + rows, "QUERY:1:1: the method is written in upper case: GET"},
		{"DELETE /v1/orders" + rows, "QUERY:1:1: DELETE is no method to read with; there are GET and POST"},
		{"GET v1/orders" + rows, "QUERY:1:5: a target begins with / or with http:// or https://"},
		{"GET https://{{extra.host}}/x" + rows, "QUERY:1:13: a placeholder stands in the path or behind it, never in the host"},
		{"GET /a#b" + rows, "QUERY:1:7: a target has no fragment"},
		{"GET /a b" + rows, "QUERY:1:7: \" \" cannot stand in a URL; write it as %20"},
		{"GET /a?x={{since}} b" + rows, "QUERY:1:19: \" \" cannot stand in a URL"},
		{"GET /a?x=%zz" + rows, ""}, // the server's business: a query is any text
		{"GET /a%zz" + rows, "QUERY:1:5: \"/a%zz\" is no valid URL"},
		{"GET /v1/orders", "QUERY:1:1: `rows` is missing"},
		{"GET /v1/orders\nrow: .[]", "QUERY:2:1: \"row\" is unknown; did you mean \"rows\"?\n    row: .[]\n    ^"},
		{"GET /v1/orders\nRows: .[]", "QUERY:2:1: \"Rows\" is written in lower case: \"rows\""},
		{"GET /v1/orders\nzebra: 1" + rows, "QUERY:2:1: \"zebra\" is unknown; there are rows, next"},
		{"GET /v1/orders\nstep: 60s" + rows, "QUERY:2:1: \"step\" belongs to a Prometheus query, and this is a request"},
		{"GET /v1/orders\nrows: .[]" + rows, "QUERY:3:1: \"rows\" is there twice"},
		{"GET /v1/orders\nnext:" + rows, "QUERY:2:6: \"next\" has no value"},
		{"GET /v1/orders\n\nrows: .items[ | .id", "QUERY:3:15: the jq program is wrong here: unexpected token \"|\"\n    rows: .items[ | .id\n                  ^"},
		{"GET /v1/orders\nrows:\n  .items[]\n  | {key: .id, time .at}", "QUERY:4:21: the jq program is wrong here"},
		{"GET /v1/orders\nrows: .items[", "QUERY:2:14: the jq program ends too early"},
		{"GET /v1/orders\nrows: .items[] | nosuch(1)", "QUERY:2:18: the jq program cannot be used: function not defined: nosuch/1"},
		{"GET /v1/orders\nrows: .items[] | {key: $sinc}", "QUERY:2:24: the jq program cannot be used: variable not defined: $sinc"},
		{"GET /v1/orders\nrows: input", "QUERY:2:7: the jq program cannot be used: input(s)/0 is not allowed"},
		{"GET /v1/orders\nrows: .[]\n}", "QUERY:3:1: want `name: value`; a line that belongs to the value above is indented"},
		{"GET /v1/orders\n  indented" + rows, "QUERY:2:1: this line is indented, and there is no value above"},
		{"GET /v1/orders\nAuthorization: Bearer x" + rows, "QUERY:2:1: Authorization has no place in a checker file"},
		{"GET /v1/orders\nCookie: a=b" + rows, "QUERY:2:1: Cookie has no place"},
		{"GET /v1/orders\nHost: x" + rows, "QUERY:2:1: Host is set by the plugin itself"},
		{"GET /v1/orders\nX-A: 1\nx-a: 2" + rows, "QUERY:3:1: \"x-a\" is unknown"},
		{"GET /v1/orders\nX-A: 1\nX-a: 2" + rows, "QUERY:3:1: the header X-A is there twice"},
		{"GET /v1/orders\nX-A: a\n  b" + rows, "QUERY:2:6: a header stands in one line"},
		{"GET /v1/orders\nbody: {}" + rows, "QUERY:2:7: only a POST has a body"},
		{"POST /v1/orders\nbody:\n  {\"a\": 1,}" + rows, "QUERY:3:11: it is no valid JSON: invalid character '}'"},
		{"POST /v1/orders\nbody: {\"a\": {{since}}, }" + rows, "QUERY:2:7: it is no valid JSON"},
		{"POST /v1/orders\nbody: {\"a\": {{next}}}" + rows + "\nnext: .n", "QUERY:2:13: say what the first page is asked with"},
		{"GET /v1/{{next}}" + rows + "\nnext: .n", "QUERY:1:9: say what the first page is asked with"},
		{"GET /v1?page={{next|1}}" + rows, "QUERY:1:1: {{next}} is used, and nothing says what it is"},
		{"GET /v1?a={{sinse}}" + rows, "QUERY:1:11: {{sinse}} is no placeholder; there are {{since}}, {{now}}, {{next}} and {{extra.NAME}}; did you mean \"since\"?"},
		{"GET /v1?a={{since" + rows, "QUERY:1:11: a placeholder begins here and does not end"},
		{"GET /v1?a={{since.iso}}" + rows, "QUERY:1:11: {{since.iso}}: a time is written as one of rfc3339, epoch, epoch_ms, date"},
		{"GET /v1?a={{extra}}" + rows, "QUERY:1:11: {{extra}}: say which value"},
		{"GET /v1?a={{since|1}}" + rows, "QUERY:1:11: {{since|1}}: only {{next|…}} has a text for the first page"},
		{"GET /v1\nformat: yaml" + rows, "QUERY:2:9: want json, ndjson or csv"},
		{"GET /v1\ncolumns: a, b" + rows, "QUERY:2:10: \"columns\" is for `format: csv`"},
		{"GET /v1\nformat: csv\ncolumns: a", "QUERY:3:10: want two columns"},
		{"GET /v1\nformat: csv\ncolumns: 1, b", "QUERY:3:10: want two names or two numbers"},
		{"GET /v1\nformat: csv\ndelimiter: ab", "QUERY:3:12: want one character, or the word tab"},
		{"GET /v1\nwindow: soon" + rows, "QUERY:2:9: \"soon\" is no duration"},
		{"GET /v1\nwindow: 500d" + rows, "QUERY:2:9: want a duration from 1s to 400d"},
		{"GET /v1\npages: 0" + rows + "\nnext: .n", "QUERY:2:8: want a whole number from 1 to 1000000"},
		{"GET /v1\npages: 3" + rows, "QUERY:2:8: there is one page only: `next` is missing"},
		{"GET /v1\nempty: 204, 500" + rows, "QUERY:2:12: want status codes"},
		{"GET /v1\nempty: 401" + rows, "QUERY:2:8: want status codes"},
		{"rows: .[]", "QUERY:1:1: the first line says what is asked"},
		{"prometheus: up\nrows: .[]", "QUERY:2:1: \"rows\" belongs to a request, and this is a Prometheus query"},
		{"prometheus: up\ncount: sample", "QUERY:2:8: want samples, values, increases, times; did you mean \"samples\"?"},
		{"prometheus: up\nstep: 45s", "QUERY:2:7: want a step that divides a minute, or whole minutes"},
		{"prometheus: up\ncount: increases\nstep: 30s", "QUERY:3:7: `count: increases` reads the samples as they were scraped"},
		{"prometheus: up\nX-Scope-OrgID: a", "QUERY:2:1: \"X-Scope-OrgID\" is a header, and a Prometheus query has none"},
		{"prometheus:", "QUERY:1:12: \"prometheus\" has no value"},
		{"search: a b", "QUERY:1:9: want an index"},
		{"search: logs\nquery: level:error", "QUERY:2:8: it is no valid JSON"},
		{"search: logs\nquery: [1]", "QUERY:2:8: want a clause of the query language"},
		{"search: logs\nquery: {\"query\": {\"match_all\": {}}}", "QUERY:2:9: \"query\" is a part of a whole search"},
		{"search: logs\ntime: a b", "QUERY:2:7: want the name of a field"},
		{"search: logs\nkye: id", "QUERY:2:1: \"kye\" is unknown; did you mean \"key\"?"},
		{"GET /ä?ö={{x}}" + rows, "QUERY:1:10: {{x}}"}, // columns are characters
	} {
		_, err := parse(c.query)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.query, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%q:\n got %v\nwant %s", c.query, err, c.want)
		}
	}
}

func TestAllFaultsAreShownAtOnce(t *testing.T) {
	_, err := parse("GET v1\nwindow: x\nrow: .\nAuthorization: x\nrows: .[")
	var fs faults
	if !errors.As(err, &fs) || len(fs) != 5 {
		t.Fatalf("got %d faults: %v", len(fs), err)
	}
}

func TestWhatAFormMeans(t *testing.T) {
	r, err := parse("# orders\nPOST /v1?a={{since.epoch}}&b=1\n\nAccept: text/plain\n# of the body\nbody:\n    {\n      \"x\":\n\n        {{extra.n}}\n    }\nrows: .items[] |\n  {key: .id,\n   time: .at}   # jq's own comment\n\nnext: link\npages: 3\nempty: 204, 404\nwindow: 2h\n")
	if err != nil {
		t.Fatal(err)
	}
	f := &fetch{getter: &getter{}, base: mustBase(t, "https://h/p"), credentials: &credentials{secrets: redactor(nil)}}
	f.env.extra = map[string]any{"n": "ü\""}
	f.begin(r, time.Unix(1_700_000_000, 0))
	c, err := f.call(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.url.String(); got != "https://h/p/v1?a=1700000000&b=1" {
		t.Errorf("the URL is %s", got)
	}
	if got := string(c.body); got != "{\n  \"x\":\n\n    \"ü\\\"\"\n}" {
		t.Errorf("the body is %q", got)
	}
	if got := c.headers.Get("Accept") + " " + c.headers.Get("Content-Type"); got != "text/plain application/json" {
		t.Errorf("the headers are %s", got)
	}
	if !r.linkNext || r.pages != 3 || len(r.empty) != 2 || r.window != 2*time.Hour {
		t.Errorf("%+v", r)
	}
	if got := r.rows.from.text; got != ".items[] |\n{key: .id,\n time: .at}   # jq's own comment" {
		t.Errorf("the program is %q", got)
	}
}

func mustBase(t testing.TB, raw string) *base {
	t.Helper()
	b, err := parseBase(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// formLine begins a block of the documentation that is a QUERY section.
var formLine = regexp.MustCompile(`^(GET|POST) /|^(prometheus|search): `)

func TestFormsInTheDocumentationAreRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n|^\n)+`).FindAllString(string(text), -1) {
		block = strings.TrimSpace(strings.ReplaceAll("\n"+block, "\n    ", "\n"))
		if _, query, ok := strings.Cut(block, "__QUERY__\n"); ok {
			block, _, _ = strings.Cut(query, "\n__")
		}
		if !formLine.MatchString(block) {
			continue
		}
		found++
		if _, err := parse(block); err != nil {
			t.Errorf("%s\n%v", block, err)
		}
	}
	if found < 6 {
		t.Errorf("%d forms found; this test looks past them", found)
	}
}

func TestSamplesAreRight(t *testing.T) {
	paths, err := filepath.Glob("../../checks/http_*.dwmonsample")
	if err != nil || len(paths) != 3 {
		t.Fatalf("samples %v, %v", paths, err)
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"url": "https://api.example.com"})
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, faults := checkfile.Parse(path, "sample", text)
		if len(faults) > 0 {
			t.Errorf("%s", faults[0].Text())
			continue
		}
		for _, d := range g.RowGetter.(pluginsdk.Validator).ValidateChecker(t.Context(), pluginsdk.CheckerText{Text: c.Query, Source: c.Source, ExtraJSON: c.Extra}) {
			t.Errorf("%s: %s\n%s", path, d.Summary, d.Detail)
		}
	}
}

// TestValuesCannotLeaveTheirPlace: whatever EXTRA holds, it arrives as it is and
// changes nothing else.
func TestValuesCannotLeaveTheirPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("\"'`\\&=#?/%{}[] \n.+ä")), 0, 8, -1)).Draw(t, "text")
		e := &env{extra: map[string]any{"x": text}}
		put := func(literal string, s syntax) (string, error) {
			tmpl, err := parseTemplate(literal, s)
			if err != nil {
				t.Fatal(err)
			}
			return tmpl.render(e)
		}
		checkJSON(t, put, text)
		checkURL(t, e, text)
		for _, quote := range []string{`"`, `'`} {
			got, err := put("up{a="+quote+"{{extra.x}}"+quote+"}", &quoting{promQL: true})
			if err != nil {
				t.Fatal(err)
			}
			inner := strings.TrimSuffix(strings.TrimPrefix(got, "up{a="+quote), quote+"}")
			q := &quoting{promQL: true, quote: quote[0]}
			if q.feed(inner); q.quote != quote[0] || q.escaped || strings.Contains(inner, "\n") {
				t.Fatalf("%q ends the text it stands in: %s", text, got)
			}
		}
		if got, err := put("x{{extra.x}}", &quoting{promQL: true}); err == nil && got != "x"+text || err != nil && barePromQL.MatchString(text) {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		if got, err := put("{{extra.x}}", always(inHeader)); err == nil && strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("a header became %q", got)
		}
	})
}

// TestPlaces: a byte of a value is found in its line again.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.StringMatching(`[a-zä ]{0,6}`), 1, 6).Draw(t, "pieces")
		var v value
		for i, piece := range pieces {
			v.add(i*2, i, piece)
		}
		from := rapid.IntRange(0, len(v.text)).Draw(t, "from")
		to := rapid.IntRange(from, len(v.text)).Draw(t, "to")
		part := v.slice(from, to)
		for offset := range part.text {
			if part.text[offset] == '\n' {
				continue
			}
			line, at := part.place(offset)
			if piece := pieces[line/2]; piece[at-line/2] != part.text[offset] {
				t.Fatalf("byte %d of %q is said to be byte %d of line %d of %q", offset, part.text, at, line, pieces)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("GET /v1/orders?since={{since}}&limit=500\nrows: .items[] | {key: .id, time: .created_at}\nnext: .next_page")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parse(text)
		var fs faults
		if err != nil {
			if !errors.As(err, &fs) || len(fs) == 0 || len(fs) > maxFaults {
				t.Fatalf("%v", err)
			}
			lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
			for _, one := range fs {
				if one.line < 1 || one.line > len(lines) || one.column < 1 || one.column > len([]rune(lines[one.line-1]))+1 {
					t.Fatalf("%v lies outside of the text", one)
				}
				_ = one.excerpt()
			}
			return
		}
		// What was read can be put together, or says why not.
		getter := gettertest.MustStart(t, plugin(), map[string]any{"url": "http://127.0.0.1:1/base"})
		for _, d := range getter.RowGetter.(pluginsdk.Validator).ValidateChecker(t.Context(), pluginsdk.CheckerText{Text: text}) {
			if d.Summary == "" {
				t.Fatal("a finding says nothing")
			}
		}
	})
}
