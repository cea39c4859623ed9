package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/schema"
)

const good = `# a head
__QUERY__
SELECT 1

__REQUIREMENTS__
CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180

__SOURCE__
AWS

__OPTIONS__
timezone: Europe/Berlin
owner: payments
`

const someConfig = `timezone: Asia/Tokyo
sources:
  AWS: {getter: postgres, settings: {dsn: "${AWS_DSN}"}}
  BILLING: {getter: http, concurrency: 2, timeout: 5m}
handlers:
  - {plugin: log}
  - {name: pay, plugin: slack, settings: {url: "${SLACK}"}}
calendars: {de: de.ics, company: c.ics}
`

func texts(found []Diagnostic) []string {
	all := make([]string, len(found))
	for i, d := range found {
		all[i] = fmt.Sprintf("%d:%d-%d:%d %s", d.Range.Start.Line, d.Range.Start.Character, d.Range.End.Line, d.Range.End.Character, strings.ReplaceAll(d.Message, "\n", " | "))
	}
	return all
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFaultsAreShownWhereTheyStand(t *testing.T) {
	c := begin(t, Options{})
	equal(t, "a good file", texts(c.open("file:///x/good.dwmon", good)))

	text := strings.Replace(good, "CHECKMINUTES", "CHECKMINUTS", 1)
	equal(t, "a misspelt token", texts(c.open("file:///x/a.dwmon", text)),
		"5:15-5:30 unknown token CHECKMINUTS*/20 | did you mean CHECKMINUTES*/20?")

	text = "\ufeff" + strings.ReplaceAll(strings.Replace(good, "AWS\n", "AWS\n__EXTRA__\n{\"😀é\": 1,}\n", 1), "\n", "\r\n")
	equal(t, "CRLF, a byte order mark, characters of two UTF-16 units", texts(c.open("file:///x/b.dwmon", text)),
		"10:9-10:10 EXTRA is no JSON: a comma stands before } | remove the comma")

	text = strings.Replace(good, "__SOURCE__\nAWS\n", "", 1)
	equal(t, "a missing section", texts(c.open("file:///x/c.dwmon", text)),
		"10:0-10:5 the section __SOURCE__ is missing | add a line __SOURCE__ and below it the name of a source")

	text = strings.Replace(good, "owner: payments", "alert: {after: 0, ofs: 2}", 1)
	equal(t, "faults within brackets", texts(c.open("file:///x/d.dwmon", text)),
		`12:15-12:16 alert.after is "0", not a whole number from 1 to 64`,
		`12:18-12:21 unknown key "ofs" in alert | did you mean of?`)

	// A lone CR ends a line for the protocol, and not for us.
	text = strings.Replace(good, "SELECT 1", "SELECT\r1", 1)
	text = strings.Replace(text, "MINNUM5", "MINNUM", 1)
	equal(t, "a lone CR", texts(c.open("file:///x/e.dwmon", text)),
		"6:41-6:47 MINNUM has no value | write it without white space, such as MINNUM5")

	equal(t, "an empty file", texts(c.open("file:///x/f.dwmon", "")),
		"0:0-0:0 the section __QUERY__ is missing | add a line __QUERY__ and below it the query",
		"0:0-0:0 the section __REQUIREMENTS__ is missing | add a line __REQUIREMENTS__ and below it at least one requirement line, such as CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS3600",
		"0:0-0:0 the section __SOURCE__ is missing | add a line __SOURCE__ and below it the name of a source")
	equal(t, "a file of another kind", texts(c.open("file:///x/README.md", "hello")))
	c.shutDown()
}

func TestConfigurationIsJudgedWithoutItsSecrets(t *testing.T) {
	t.Setenv("AWS_DSN", "never read")
	c := begin(t, Options{})
	equal(t, "references", texts(c.open("file:///x/dwmon.yaml", someConfig+"heartbeat: {url: \"https://h/${file:/no/such/file}\"}\n")))
	equal(t, "faults", texts(c.open("file:///x/y/dwmon.yaml", "sources:\n  A: {geter: sqlite, settings: {password: \"hunter2}\"}}\nlisten: 9393\n")),
		"1:2-1:3 sources.A names no getter | add the plugin that fetches its rows, such as getter: postgres",
		`1:6-1:11 unknown key "geter" in sources.A | did you mean getter?`,
		`2:8-2:12 listen: "9393" is no address to listen on: host:port such as 127.0.0.1:9393, :9393 for every address, or off`)
	c.shutDown()
}

func TestAnEditIsFollowed(t *testing.T) {
	c := begin(t, Options{})
	uri := "file:///x/a.dwmon"
	c.open(uri, good)
	change := func(version int, changes string) []Diagnostic {
		t.Helper()
		c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument": {"uri": %q, "version": %d}, "contentChanges": %s}`, uri, version, changes))
		return c.diagnostics(uri, version)
	}
	equal(t, "a range is replaced", texts(change(2, `[{"range": {"start": {"line": 5, "character": 15}, "end": {"line": 5, "character": 17}}, "text": "CHK"}]`)),
		"5:15-5:32 unknown token CHKECKMINUTES*/20 | did you mean CHECKMINUTES*/20?")
	equal(t, "two changes, the second upon the first", texts(change(3, `[{"range": {"start": {"line": 5, "character": 15}, "end": {"line": 5, "character": 18}}, "text": ""},
		{"range": {"start": {"line": 5, "character": 15}, "end": {"line": 5, "character": 15}}, "text": "CH"}]`)))
	equal(t, "everything is replaced", texts(change(4, `[{"text": "__QUERY__\nx\n__REQUIREMENTS__\n"}]`)),
		"2:0-2:16 the section __SOURCE__ is missing | add a line __SOURCE__ and below it the name of a source",
		"2:0-2:16 the section __REQUIREMENTS__ holds no requirement line | add at least one requirement line, such as CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS3600")

	c.notify("textDocument/didClose", fmt.Sprintf(`{"textDocument": {"uri": %q}}`, uri))
	a := c.await(func(a answer) bool { return a.Method == methodPublish })
	if !strings.Contains(string(a.Params), `"diagnostics":[]`) {
		t.Errorf("at close the faults are not taken away: %s", a.Params)
	}
	c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument": {"uri": %q, "version": 9}, "contentChanges": [{"text": "x"}]}`, uri))
	c.shutDown()
}

func TestHover(t *testing.T) {
	uri := folder(t, map[string]string{"dwmon.yaml": someConfig})
	c := begin(t, Options{})
	for _, h := range []struct{ what, old, new, want string }{
		{"a token", "MINUTES", "MIN¦UTES", "**CHECKMINUTES**: Minutes of the hour, 0 to 59, written in the same ways as hours: `0`, `0,30`, `*/5`, `0-59`.\n\n" +
			"Every 20 minutes, 9:00 to 17:59 on weekdays, Europe/Berlin: 5 to 20 rows in the 3 minutes before.\n\n" +
			"Next due: Fri 2026-10-23 14:20, Fri 2026-10-23 14:40, Fri 2026-10-23 15:00."},
		{"the zone of the configuration", "timezone: Europe/Berlin", "#¦", ""},
		{"a marker", "__SOURCE", "__¦SOURCE", "**__SOURCE__**\n\nWhere the rows are: a name from `sources` in dwmon.yaml, or a URL such as sqlite:demo.db."},
		{"a source", "AWS", "A¦WS", "**AWS**\n\nServed by the row getter `postgres`, as `sources` of dwmon.yaml says. At most 4 fetches at a time, each 1 minute at most."},
		{"a source that is not known", "AWS", "AWZ¦", "**AWZ**\n\nIt is not among the `sources` of dwmon.yaml. The row getter that claims this very name serves it, if there is exactly one. Did you mean AWS?"},
		{"a URL with a password", "AWS", "postgres://u:hunter2@h/d¦b", "**postgres://u:…@h/db**\n\nIt is not among the `sources` of dwmon.yaml. It is a URL: the row getter that claims the scheme `postgres:` serves it."},
		{"an option", "timezone", "time¦zone", "**timezone**: Time zone of the checker's hours, minutes and days: an IANA name, UTC or Local. Default: the daemon's."},
		{"its value", "Europe/Berlin", "Europe/¦Berlin", "**timezone**: Time zone of the checker's hours, minutes and days: an IANA name, UTC or Local. Default: the daemon's."},
		{"an option within another", "owner: payments", "alert:\n  {after: 2, of: 3¦}", "**of**: How many of the last results are looked at; at least `after`.\n\nDefault: `1`."},
		{"one with few values", "owner: payments", "keys: hidden¦", "**keys**: hidden: no notice holds a key of a row.\n\nOne of: `shown`, `hidden`.\n\nDefault: `shown`."},
		{"an option that there is not", "owner", "ow¦nr", ""},
		{"the query", "SELECT", "SEL¦ECT", ""},
		{"what stands before all", "# a", "# ¦a", ""},
	} {
		if got := c.hoverAt(uri("a.dwmon"), strings.Replace(good, h.old, h.new, 1)); got != h.want {
			t.Errorf("%s:\n%s\nwant:\n%s", h.what, got, h.want)
		}
	}
	got := c.hoverAt(uri("a.dwmon"), strings.Replace(strings.Replace(good, "timezone: Europe/Berlin\n", "", 1), "WEEKD", "W¦EEKD", 1))
	if !strings.Contains(got, "Asia/Tokyo") {
		t.Errorf("the zone of the configuration is not used: %s", got)
	}
	c.shutDown()
}

func labels(items []completionItem) []string {
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = item.Label
	}
	return all
}

func TestCompletionProposesWhatIsNotThere(t *testing.T) {
	uri := folder(t, map[string]string{"dwmon.yaml": someConfig})
	c := begin(t, Options{})
	complete := func(old, new string) []string {
		t.Helper()
		return labels(c.completeAt(uri("a.dwmon"), strings.Replace(good, old, new, 1)))
	}
	equal(t, "a marker in the query", complete("SELECT 1\n", "SELECT 1\n__¦\n"), "__EXTRA__")
	equal(t, "the query", complete("SELECT 1", "SELECT 1¦"))
	equal(t, "an empty file", labels(c.completeAt(uri("b.dwmon"), "¦")), "__QUERY__", "__REQUIREMENTS__", "__SOURCE__", "__EXTRA__", "__OPTIONS__")
	equal(t, "tokens that are not there yet", complete("MAXNUM20 ", "¦ "), "WEEKENDS", "MAXNUM20", "HALFOPEN")
	equal(t, "while a token is written", complete("MAXNUM20 ", "MA¦ "), "WEEKENDS", "MAXNUM20", "HALFOPEN")
	equal(t, "days of one kind", complete("WEEKDAYS", "CHECKDAYSMON ¦"), "HALFOPEN")
	equal(t, "no days yet", complete("WEEKDAYS", "¦"), "WEEKENDS", "WEEKDAYS", "CHECKDAYSMON,WED-FRI", "HALFOPEN")
	equal(t, "a comment", complete("MINNUM5", "\n# ¦"))
	equal(t, "sources", complete("AWS", "¦"), "AWS", "BILLING", "__EXTRA__")
	equal(t, "part of a source", complete("AWS", "BI¦"), "AWS", "BILLING")
	equal(t, "a second line of SOURCE", complete("AWS\n", "AWS\n ¦\n"))
	equal(t, "options", complete("owner: payments\n", "¦"),
		"timeout", "grace", "timestamps", "owner", "description", "runbook", "labels", "enabled", "handlers", "alert", "calendar", "keys", "template", "__EXTRA__")
	equal(t, "part of an option", complete("owner: payments\n", "ow¦\nlabels: {a: b}\nkeys: shown\ntemplate: |\n  x\n  timeout: 5s\n"),
		"timeout", "grace", "timestamps", "owner", "description", "runbook", "enabled", "handlers", "alert", "calendar")
	equal(t, "options of alert, in brackets", complete("owner: payments", "alert: {after: 2, ¦}"), "of", "recover", "unknown_after", "repeat", "growth")
	equal(t, "options of alert, in lines", complete("owner: payments", "alert:\n  after: 1\n  ¦"), "of", "recover", "unknown_after", "repeat", "growth")
	equal(t, "values", complete("owner: payments", "keys: ¦"), "shown", "hidden")
	equal(t, "true and false", complete("owner: payments", "enabled: ¦"), "true", "false")
	equal(t, "assumed", complete("owner: payments", "timestamps: a¦"), "assumed")
	equal(t, "handlers", complete("owner: payments", "handlers: [¦]"), "log", "pay")
	equal(t, "handlers in lines", complete("owner: payments", "handlers:\n- ¦"), "log", "pay")
	equal(t, "calendars", complete("owner: payments", "calendar: ¦"), "company", "de")
	equal(t, "a comment in OPTIONS", complete("owner: payments", "# ¦"))
	equal(t, "within a long text", complete("owner: payments", "description: |\n  ¦"))

	zones := complete("Europe/Berlin", "Eu¦")
	if len(zones) < 400 || zones[len(zones)-1] != "Local" {
		t.Errorf("%d zones, the last %q", len(zones), zones[len(zones)-1])
	}
	c.shutDown()
}

func TestWhatIsProposedIsRight(t *testing.T) {
	uri := folder(t, map[string]string{"dwmon.yaml": someConfig})
	c := begin(t, Options{})
	for _, k := range []struct{ what, old, new, label, want string }{
		{"a token in the middle", "MAXNUM20", "MA¦", "MAXNUM20", "MAXNUM${1:20}"},
		{"a list is made", "owner: payments", "handlers: ¦", "pay", "handlers: [pay]"},
		{"a space is added", "owner: payments", "calendar:¦", "de", "calendar: de"},
		{"a source", "AWS", "BI¦", "BILLING", "BILLING"},
		{"a mapping", "owner: payments", "al¦", "alert", "alert: {$1}"},
		{"a zone", "timezone: Europe/Berlin", "timezone: Eur¦", "Europe/Rome", "timezone: Europe/Rome"},
	} {
		text := strings.Replace(good, k.old, k.new, 1)
		params, doc := c.at(uri("a.dwmon"), text)
		var l completionList
		if err := json.Unmarshal(c.ask("textDocument/completion", params), &l); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, item := range l.Items {
			if item.Label != k.label {
				continue
			}
			found = true
			got, want := apply(doc, []textEdit{item.TextEdit}), strings.Replace(good, k.old, k.want, 1)
			if got != want {
				t.Errorf("%s:\n%s\nwant:\n%s", k.what, got, want)
			}
		}
		if !found {
			t.Errorf("%s: %s is not proposed", k.what, k.label)
		}
	}
	c.shutDown()
}

func TestAClientWithoutSnippetsGetsNone(t *testing.T) {
	c := start(t, Options{})
	c.ask("initialize", `{"capabilities": {}}`)
	for _, item := range c.completeAt("untitled:new.dwmon", "¦") {
		if item.InsertTextFormat != formatPlain || strings.Contains(item.TextEdit.NewText, "$") {
			t.Errorf("%+v", item)
		}
	}
	c.shutDown()
}

func TestQuickFixes(t *testing.T) {
	c := begin(t, Options{})
	uri := "file:///x/a.dwmon"
	for _, k := range []struct{ what, old, new, title, want string }{
		{"a misspelt token", "CHECKMINUTES*/20", "CHECKMINUTS*/20", "Replace by CHECKMINUTES*/20", "CHECKMINUTES*/20"},
		{"lower case", "WEEKDAYS", "weekdays", "Replace by WEEKDAYS", "WEEKDAYS"},
		{"torn", "MINNUM5", "MINNUM  5", "Replace by MINNUM5", "MINNUM5"},
		{"bounds the wrong way round", "MINNUM5 MAXNUM20", "MINNUM20 MAXNUM5", "Replace by MINNUM5 MAXNUM20", "MINNUM5 MAXNUM20"},
		{"bounds that stand apart", "MINNUM5 MAXNUM20 LOOKBACKSECONDS180", "MAXNUM5 LOOKBACKSECONDS180 MINNUM20", "Replace by MINNUM5 MAXNUM20", "MAXNUM20 LOOKBACKSECONDS180 MINNUM5"},
		{"a missing token", " CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", " WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180 ", "Add CHECKMINUTES0-59", " WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180 CHECKMINUTES0-59 "},
		{"a missing token, a word before the hint's", " WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180", " MINNUM5 MAXNUM20 LOOKBACKSECONDS180", "Add WEEKENDS WEEKDAYS", " MINNUM5 MAXNUM20 LOOKBACKSECONDS180 WEEKENDS WEEKDAYS"},
		{"a misspelt marker", "__SOURCE__", "__SOURSE__", "Replace by __SOURCE__", "__SOURCE__"},
		{"a misspelt option", "owner:", "ownr:", "Replace by owner", "owner:"},
		{"a duration", "owner: payments", "grace: 1h30m", "Replace by 90m", "grace: 90m"},
		{"within brackets", "owner: payments", "alert: {aftr: 2, of: 2}", "Replace by after", "alert: {after: 2, of: 2}"},
		{"a comma too many", "owner: payments", "\n__EXTRA__\n{\"a\": [1, 2,]}", "Remove ,", "\n__EXTRA__\n{\"a\": [1, 2]}"},
	} {
		text := strings.Replace(good, k.old, k.new, 1)
		found := c.open(uri, text)
		if len(found) != 1 {
			t.Errorf("%s: %d faults: %q", k.what, len(found), texts(found))
			continue
		}
		r, _ := json.Marshal(found[0].Range)
		var actions []codeAction
		if err := json.Unmarshal(c.ask("textDocument/codeAction", fmt.Sprintf(`{"textDocument": {"uri": %q}, "range": %s, "context": {"diagnostics": []}}`, uri, r)), &actions); err != nil {
			t.Fatal(err)
		}
		if len(actions) != 1 || actions[0].Title != k.title {
			t.Errorf("%s: actions %+v, want %q", k.what, actions, k.title)
			continue
		}
		if got, want := apply(newDocument(uri, 1, text), actions[0].Edit.Changes[uri]), strings.Replace(good, k.old, k.want, 1); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", k.what, got, want)
		}
	}

	none := func(what, text, only string) {
		t.Helper()
		c.open(uri, text)
		got := c.ask("textDocument/codeAction", fmt.Sprintf(`{"textDocument": {"uri": %q}, "range": {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}, "context": {"only": %s}}`, uri, only))
		if string(got) != "[]" {
			t.Errorf("%s: %s", what, got)
		}
	}
	none("a good file", good, "null")
	none("a fault without a hint that mends it", strings.Replace(good, "CHECKHOURS9-17", "CHECKHOURS9-99", 1), "null")
	none("another kind is asked for", strings.Replace(good, "MINUTES", "MINUTS", 1), `["refactor"]`)
	c.shutDown()
}

func TestFormatting(t *testing.T) {
	c := begin(t, Options{})
	uri := "file:///x/a.dwmon"
	format := func(text string) (string, int) {
		t.Helper()
		c.open(uri, text)
		var edits []textEdit
		if err := json.Unmarshal(c.ask("textDocument/formatting", fmt.Sprintf(`{"textDocument": {"uri": %q}, "options": {"tabSize": 4, "insertSpaces": true}}`, uri)), &edits); err != nil {
			t.Fatal(err)
		}
		lines := 0
		if len(edits) == 1 {
			lines = edits[0].Range.End.Line - edits[0].Range.Start.Line
		}
		return apply(newDocument(uri, 1, text), edits), lines
	}
	untidy := strings.Replace(string(checkfile.Tidy([]byte(good))), "CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS", "WEEKDAYS   CHECKHOURS9-17 CHECKMINUTES*/20", 1)
	got, lines := format(untidy)
	if want := string(checkfile.Tidy([]byte(untidy))); got != want || got == untidy {
		t.Errorf("formatted:\n%s\nwant:\n%s", got, want)
	}
	if lines != 1 {
		t.Errorf("%d lines are replaced, and one differs", lines)
	}
	if got, _ := format(strings.ReplaceAll(untidy, "\n", "\r\n") + "\n\n\n"); got == untidy || strings.Contains(got, "\n\n\n") {
		t.Errorf("formatted:\n%q", got)
	}
	broken := strings.Replace(untidy, "MINNUM5", "MINUM5", 1)
	if got, _ := format(broken); got != broken {
		t.Errorf("a file with errors is formatted:\n%s", got)
	}
	c.shutDown()
}

func TestSectionsAreSymbolsAndFold(t *testing.T) {
	c := begin(t, Options{})
	c.open("file:///x/a.dwmon", good)
	var symbols []documentSymbol
	if err := json.Unmarshal(c.ask("textDocument/documentSymbol", `{"textDocument": {"uri": "file:///x/a.dwmon"}}`), &symbols); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range symbols {
		got = append(got, fmt.Sprintf("%s %d-%d", s.Name, s.Range.Start.Line, s.Range.End.Line))
		for _, l := range s.Children {
			got = append(got, fmt.Sprintf("- %s %d:%d", l.Name, l.Range.Start.Line, l.Range.End.Character))
		}
	}
	equal(t, "symbols", got, "QUERY 1-2", "REQUIREMENTS 4-5", "- CHECKHOURS9-17 CHECKMINUTES*/20 WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180 5:76", "SOURCE 7-8", "OPTIONS 10-12")
	folding := string(c.ask("textDocument/foldingRange", `{"textDocument": {"uri": "file:///x/a.dwmon"}}`))
	if want := `[{"startLine":1,"endLine":2,"kind":"region"},{"startLine":4,"endLine":5,"kind":"region"},{"startLine":7,"endLine":8,"kind":"region"},{"startLine":10,"endLine":12,"kind":"region"}]`; folding != want {
		t.Errorf("folding: %s", folding)
	}
	c.shutDown()
}

func TestAChangedConfigurationCountsAtOnce(t *testing.T) {
	uri := folder(t, map[string]string{"dwmon.yaml": someConfig, "checks/billing/a.dwmon": ""})
	c := begin(t, Options{})
	if a := c.await(func(a answer) bool { return a.Method == "client/registerCapability" }); !strings.Contains(string(a.Params), "**/dwmon.yaml") {
		t.Errorf("it is not asked for changes of dwmon.yaml: %s", a.Params)
	}
	file := uri("checks/billing/a.dwmon")
	equal(t, "what is required", texts(c.open(file, good)))
	if err := os.WriteFile(strings.TrimPrefix(uri("dwmon.yaml"), "file://"), []byte("policy: {require: [owner, runbook]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.notify("workspace/didChangeWatchedFiles", fmt.Sprintf(`{"changes": [{"uri": %q, "type": 2}]}`, uri("dwmon.yaml")))
	found := c.diagnostics(file, 1)
	equal(t, "what is required now", texts(found), "10:0-10:11 OPTIONS names no runbook, and `policy` in dwmon.yaml requires it | add runbook: https://wiki.example.com/invoices to __OPTIONS__")
	c.shutDown()
}

func TestNamesOfTheConfigurationAreLookedUp(t *testing.T) {
	uri := folder(t, map[string]string{"dwmon.yaml": someConfig})
	c := begin(t, Options{})
	found := c.open(uri("a.dwmon"), good+"calendar: [de, fr]\nhandlers: [pay, page]\n")
	var codes []string
	for _, d := range found {
		codes = append(codes, fmt.Sprintf("%d:%d %s", d.Range.Start.Line, d.Range.Start.Character, d.Code))
	}
	equal(t, "names that there are not", codes, "13:15 "+dwmon.CodeUnknownCalendar, "14:16 "+dwmon.CodeUnknownHandler)
	nobody := folder(t, map[string]string{"dwmon.yaml": "handlers: []\n"})
	if found := c.open(nobody("a.dwmon"), good+"handlers: [log]\n"); len(found) != 1 || found[0].Code != dwmon.CodeUnknownHandler {
		t.Errorf("a handler where nobody is configured: %+v", found)
	}
	equal(t, "a name that no checker may have", texts(c.open(uri("checks/..b.dwmon"), good)),
		"0:0-0:1 the name ..b holds \"..\" | rename the file")
	c.shutDown()
}

func TestWarningsAreThoseOfValidate(t *testing.T) {
	c := begin(t, Options{})
	text := strings.Replace(good, "SELECT 1", "SELECT id, ts FROM t ORDER BY ts DESC LIMIT 3", 1)
	found := c.open("file:///x/a.dwmon", text)
	if len(found) != 1 || found[0].Severity != severityWarning || found[0].Code != dwmon.CodeLimitTooSmall {
		t.Errorf("%+v", found)
	}
	r, _ := json.Marshal(found[0].Range)
	var actions []codeAction
	if err := json.Unmarshal(c.ask("textDocument/codeAction", fmt.Sprintf(`{"textDocument": {"uri": "file:///x/a.dwmon"}, "range": %s, "context": {"diagnostics": []}}`, r)), &actions); err != nil {
		t.Fatal(err)
	}
	if len(actions) != 1 || actions[0].IsPreferred {
		t.Fatalf("%+v", actions)
	}
	allowed := apply(newDocument("", 1, text), actions[0].Edit.Changes["file:///x/a.dwmon"])
	if want := "# a head\n# dwmon: allow limit-too-small\n__QUERY__\n"; !strings.HasPrefix(allowed, want) {
		t.Errorf("%s is put in: %s", actions[0].Title, allowed)
	}
	equal(t, "what is allowed", texts(c.open("file:///x/b.dwmon", allowed)))
	text = strings.Replace(good, "CHECKMINUTES*/20", "CHECKMINUTES*/25,50", 1)
	if found := c.open("file:///x/c.dwmon", text); len(found) == 0 {
		t.Error("the parser's own warnings are not given")
	}
	equal(t, "the parser's own warnings", texts(c.open("file:///x/d.dwmon", "# dwmon: allow uneven-step, listed-twice, windows-apart\n"+text)))
	c.shutDown()
}

func TestFaultsOfUnitTestsAreShown(t *testing.T) {
	c := begin(t, Options{UnitTests: func(file, text string, cfg *config.Config) []dwmon.FileFault {
		if cfg != nil {
			t.Errorf("a configuration was found for %s", file)
		}
		return []dwmon.FileFault{
			{File: file, Line: 1, Column: 8, Severity: dwmon.SeverityError, Message: "about " + text},
			{File: "b.dwmon", Line: 1, Column: 1, Severity: dwmon.SeverityError, Message: "about the checker"},
		}
	}})
	equal(t, "its own faults only", texts(c.open("file:///x/a.dwmontest.yaml", "tests: []")), "0:7-0:8 about tests: []")
	c.shutDown()
}

func TestOneConfigurationForAll(t *testing.T) {
	uri := folder(t, map[string]string{"other.yaml": someConfig})
	c := begin(t, Options{Config: strings.TrimPrefix(uri("other.yaml"), "file://")})
	equal(t, "sources", labels(c.completeAt("file:///nowhere/a.dwmon", strings.Replace(good, "AWS", "B¦", 1))), "AWS", "BILLING")
	c.shutDown()
}

func TestTheLifeOfASession(t *testing.T) {
	code := func(a answer) int {
		if a.Error == nil {
			return 0
		}
		return a.Error.Code
	}
	c := start(t, Options{})
	if a := c.response(c.send("textDocument/hover", `{}`)); code(a) != codeServerNotInitialized {
		t.Errorf("before initialize: %+v", a)
	}
	c.notify("textDocument/didOpen", `{"textDocument": {"uri": "file:///a.dwmon", "text": ""}}`) // is dropped
	result := string(c.ask("initialize", `{"processId": null, "rootUri": null, "capabilities": {}}`))
	for _, want := range []string{`"name":"dwmon"`, `"hoverProvider":true`, `"positionEncoding":"utf-16"`} {
		if !strings.Contains(result, want) {
			t.Errorf("%s is not in %s", want, result)
		}
	}
	if a := c.response(c.send("initialize", `{}`)); code(a) != codeInvalidRequest {
		t.Errorf("a second initialize: %+v", a)
	}
	if a := c.response(c.send("textDocument/bogus", `{}`)); code(a) != codeMethodNotFound {
		t.Errorf("an unknown request: %+v", a)
	}
	c.notify("$/setTrace", `{"value": "off"}`)
	c.notify("bogus", `[]`)
	if a := c.response(c.send("textDocument/hover", `{"textDocument": 5}`)); code(a) != codeInvalidParams {
		t.Errorf("wrong parameters: %+v", a)
	}
	if a := c.response(c.send("textDocument/hover", `{"textDocument": {"uri": "file:///never/opened.dwmon"}, "position": {"line": -4, "character": 99}}`)); a.Error != nil || string(a.Result) != "null" {
		t.Errorf("a document that is not open: %+v", a)
	}
	for _, k := range []struct {
		body string
		code int
	}{
		{`{"jsonrpc": "2.0", `, codeParseError},
		{``, codeParseError},
		{"\xff\xfe", codeParseError},
		{`[]`, codeInvalidRequest},
		{`5`, codeInvalidRequest},
		{`{}`, codeInvalidRequest},
		{`{"jsonrpc": "1.0", "id": 1, "method": "shutdown"}`, codeInvalidRequest},
	} {
		c.message(k.body)
		if a := c.response("null"); code(a) != k.code {
			t.Errorf("%q: %+v", k.body, a)
		}
	}
	c.message(`{"jsonrpc": "2.0", "id": "an answer to nothing", "result": null}`)
	c.message(`{"jsonrpc": "2.0", "id": "a text", "method": "bogus"}`)
	if a := c.response(`"a text"`); code(a) != codeMethodNotFound {
		t.Errorf("an id that is a text: %+v", a)
	}
	c.shutDown()
}

func TestEndsOfASession(t *testing.T) {
	for _, k := range []struct {
		what string
		do   func(c *client)
		want error
	}{
		{"exit after shutdown", func(c *client) { c.ask("shutdown", "null"); c.message(`{"jsonrpc":"2.0","method":"exit"}`) }, nil},
		{"the stream ends after shutdown", func(c *client) { c.ask("shutdown", "null"); c.in.Close() }, nil},
		{"exit at once", func(c *client) { c.message(`{"jsonrpc":"2.0","method":"exit"}`) }, ErrNoShutdown},
		{"the stream ends", func(c *client) { c.in.Close() }, ErrNoShutdown},
		{"no header", func(c *client) { c.raw("hello\r\n") }, errFraming},
		{"a message that is cut off", func(c *client) { c.raw("Content-Length: 10\r\n\r\n{"); c.in.Close() }, errFraming},
		{"a message that is too long", func(c *client) { c.raw("Content-Length: 99999999999\r\n\r\n") }, errFraming},
	} {
		c := begin(t, Options{})
		k.do(c)
		if err := c.end(); !errors.Is(err, k.want) || k.want == nil && err != nil {
			t.Errorf("%s: %v", k.what, err)
		}
	}
	c := begin(t, Options{})
	c.ask("shutdown", "null")
	if a := c.response(c.send("textDocument/hover", `{}`)); a.Error == nil || a.Error.Code != codeInvalidRequest {
		t.Errorf("after shutdown: %+v", a)
	}
}

func TestACancelledRequestIsNotBegun(t *testing.T) {
	w := &waiting{}
	request := &message{ID: json.RawMessage("7"), Method: "textDocument/hover"}
	cancel := &message{Method: "$/cancelRequest", Params: json.RawMessage(`{"id": 7}`)}
	w.note(cancel) // comes too early, and is nothing
	w.note(request)
	w.note(cancel)
	if !w.begin(request) {
		t.Error("the request is not cancelled")
	}
	w.note(cancel) // comes too late
	w.note(request)
	if w.begin(request) {
		t.Error("a second request of the same id is cancelled by what was said of the first")
	}
	if len(w.ids) != 0 {
		t.Errorf("%d requests are remembered for ever", len(w.ids))
	}

	s := &server{initialized: true}
	s.waiting.note(request)
	s.waiting.note(cancel)
	var told *rpcError
	if _, err := s.result(request); !errors.As(err, &told) || told.Code != codeRequestCancelled {
		t.Errorf("a cancelled request: %v", err)
	}
}

func TestAFaultOfOursEndsOneRequestOnly(t *testing.T) {
	c := begin(t, Options{UnitTests: func(string, string, *config.Config) []dwmon.FileFault { panic("boom") }})
	c.open("file:///x/a.dwmontest.yaml", "tests: []")
	equal(t, "afterwards", texts(c.open("file:///x/b.dwmon", good)))
	c.shutDown()
}

func TestLargeFilesAreTaken(t *testing.T) {
	c := begin(t, Options{})
	uri := "file:///x/a.dwmon"
	large := strings.Replace(good, "SELECT 1", strings.Repeat("SELECT 'ü😀' -- \n", 49_500), 1)
	if len(large) > checkfile.MaxBytes || len(large) < checkfile.MaxBytes*9/10 {
		t.Fatalf("%d bytes", len(large))
	}
	equal(t, "nearly 1 MiB", texts(c.open(uri, large)))
	for version := 2; version < 20; version++ {
		c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument": {"uri": %q, "version": %d}, "contentChanges": [{"range": {"start": {"line": 3, "character": 9}, "end": {"line": 3, "character": 9}}, "text": "x"}]}`, uri, version))
	}
	equal(t, "after many edits at once", texts(c.diagnostics(uri, 19)))
	if found := c.open(uri, strings.Repeat("CHECKHOURZ ", 200_000)); len(found) == 0 {
		t.Error("2 MiB of garbage have no fault")
	}
	tokens := strings.Replace(good, "WEEKDAYS", strings.Repeat("WEEKDAYZ ", 100_000), 1)
	if got := c.hoverAt(uri, strings.Replace(tokens, "CHECKHOURS", "CHECK¦HOURS", 1)); got == "" {
		t.Error("no hover in a line of many wrong tokens")
	}
	c.shutDown()
}

func TestEveryTokenAndSectionIsExplained(t *testing.T) {
	for _, name := range checkfile.TokenNames() {
		if tokenHelp[name] == "" {
			t.Errorf("the token %s is not explained", name)
		}
	}
	markers, _ := checkfile.Markers()
	for _, mark := range markers {
		if sectionHelp[mark] == "" || markerSnippets[mark] == "" {
			t.Errorf("the section %s is not explained, or has no snippet", mark)
		}
	}
	if len(tokenHelp) != len(checkfile.TokenNames()) || len(sectionHelp) != len(markers) {
		t.Error("something is explained that there is not")
	}
}

func TestAllProposedZonesExist(t *testing.T) {
	for _, name := range zoneNames() {
		if _, err := time.LoadLocation(name); err != nil {
			t.Error(err)
		}
	}
}

func TestSnippetsMakeAGoodFile(t *testing.T) {
	var b strings.Builder
	markers, _ := checkfile.Markers()
	for _, mark := range markers {
		b.WriteString(mark + "\n" + plain(markerSnippets[mark]) + "\n")
	}
	if _, faults := checkfile.Parse("a.dwmon", "a", []byte(b.String())); len(faults) > 0 {
		t.Errorf("%s\n%s", dwmon.FileFaults(faults).Text(), b.String())
	}
	if got := plain(lineSnippet); got != lineText {
		t.Errorf("the snippet of a line is %q, its text %q", got, lineText)
	}
}

// plain is a snippet whose placeholders are left as they are.
func plain(snippet string) string {
	for {
		before, rest, found := strings.Cut(snippet, "${")
		if !found {
			return snippet
		}
		hole, after, _ := strings.Cut(rest, "}")
		_, text, _ := strings.Cut(hole, ":")
		snippet = before + text + after
	}
}

func TestOptionsKnowTheirKeys(t *testing.T) {
	root, ok := schema.Of("options").At()
	if !ok || len(root.Keys) < 10 || root.Keys[0] != "timezone" {
		t.Errorf("the keys of OPTIONS are %q", root.Keys)
	}
}
