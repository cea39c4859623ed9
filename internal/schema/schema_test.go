package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/checks"
	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checktest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/schema"
)

// reader is what decides whether a YAML text is right.
type reader func(text string) []dwmon.FileFault

// readers are the strict readers by the name of their schema.
var readers = map[string]reader{
	"options": func(text string) []dwmon.FileFault {
		const rest = "__QUERY__\nSELECT 1\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS60\n__SOURCE__\nX\n__OPTIONS__\n"
		_, faults := checkfile.Parse("a.dwmon", "a", []byte(rest+text))
		return faults
	},
	"config": func(text string) []dwmon.FileFault {
		_, faults := config.Check("dwmon.yaml", text, nil)
		return faults
	},
	"test": func(text string) []dwmon.FileFault {
		find := func(checktest.Target) (*dwmon.Checker, []dwmon.FileFault) {
			const lines = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS60\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS120\n"
			return checkfile.Parse("a.dwmon", "a", []byte("__QUERY__\nSELECT 1\n__REQUIREMENTS__\n"+lines+"__SOURCE__\nX\n"))
		}
		_, faults := checktest.Read("a"+checktest.Ending, []byte(text), find, checktest.Defaults{Zone: time.UTC, CatchUp: time.Hour, Alert: dwmon.DefaultAlertRule})
		return faults
	},
}

// compiled is the schema as a validator has it, which also checks that it is one.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, ok := schema.Text(name)
	if !ok {
		t.Fatalf("no schema is named %s", name)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:"+name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:" + name)
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 2020 {
		t.Errorf("%s is draft %d, not 2020-12", name, s.DraftVersion)
	}
	return s
}

// instance is a YAML text as editors hand it to a validator.
func instance(t *testing.T, text string) any {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	datesAreTexts(&n)
	var v any
	if err := n.Decode(&v); err != nil && len(n.Content) > 0 {
		t.Fatalf("%v\n%s", err, text)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// datesAreTexts has dates decoded as they are written: YAML 1.2, which editors
// speak, has no dates.
func datesAreTexts(n *yaml.Node) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content {
		datesAreTexts(c)
	}
}

// level is a mapping whose keys are all known, by the way that leads there: names
// of keys, [] for an entry of a list, {} for a value of a mapping of any names.
type level struct {
	path []string
	keys []string
}

func (l level) String() string { return strings.Join(l.path, ".") }

// beside is what must stand in a mapping so that the other keys can be tried, by
// schema and level.
var beside = map[string][][2]string{
	"config sources.{}":            {{"getter", "sqlite"}},
	"config handlers.[]":           {{"plugin", "log"}},
	"config purger":                {{"plugin", "retention"}},
	"config heartbeat":             {{"url", "'https://h.example/'"}},
	"test ":                        {{"tests", "[{name: a, start: 2026-03-02 09:00, incidents: []}]"}},
	"test tests.[]":                {{"name", "a"}, {"start", "2026-03-02 09:00"}, {"expect", "[{at: 23:59, status: GOOD}]"}},
	"test tests.[].rows.[]":        {{"at", "09:10"}},
	"test tests.[].expect.[]":      {{"at", "09:10"}, {"status", "GOOD"}},
	"test tests.[].incidents.[]":   {{"opened", "09:10"}},
	"test tests.[].source.down.[]": {{"from", "09:00"}, {"until", "10:00"}},
	"test tests.[].dwmon.down.[]":  {{"from", "09:00"}, {"until", "10:00"}},
}

// text is a YAML text in which inner stands at the end of a path.
func text(name string, path []string, inner string) string {
	for i := len(path) - 1; i >= 0; i-- {
		switch key := path[i]; key {
		case "[]":
			inner = "[" + inner + "]"
		case "{}":
			inner = "{A: " + inner + "}"
		default:
			others := ""
			for _, kv := range beside[name+" "+strings.Join(path[:i], ".")] {
				if kv[0] != key {
					others += kv[0] + ": " + kv[1] + ", "
				}
			}
			inner = "{" + others + key + ": " + inner + "}"
		}
	}
	return inner
}

const stray = "zzqqxxyy"

var knownAre = regexp.MustCompile(`^known are (.+)$`)

// levels asks a reader for all mappings of known keys, from a path on. Below each
// key it tries a mapping, a list of mappings, and a mapping of any names.
func levels(name string, path ...string) (found []level) {
	l := level{path: path}
	for _, f := range readers[name](text(name, append(slices.Clone(path), stray), "1")) {
		if m := knownAre.FindStringSubmatch(f.Hint); m != nil && strings.Contains(f.Message, "unknown key \""+stray+"\"") {
			l.keys = strings.Split(m[1], ", ")
		}
	}
	if l.keys == nil {
		return nil
	}
	found = append(found, l)
	for _, key := range l.keys {
		for _, form := range [][]string{{key}, {key, "[]"}, {key, "{}"}} {
			found = append(found, levels(name, append(slices.Clone(path), form...)...)...)
		}
	}
	return found
}

func mustLevels(t *testing.T, name string) []level {
	t.Helper()
	all := levels(name)
	least := map[string]int{"options": 2, "config": 10, "test": 10}[name]
	if len(all) < least {
		t.Fatalf("%s: %v found, and there are %d at least: this test looks past them", name, all, least)
	}
	return all
}

// part follows a path into a schema.
func part(t *testing.T, s *jsonschema.Schema, path []string) *jsonschema.Schema {
	t.Helper()
	for s.Ref != nil {
		s = s.Ref
	}
	if len(path) == 0 {
		return s
	}
	next := s.Properties[path[0]]
	switch path[0] {
	case "[]":
		next = s.Items2020
	case "{}":
		next, _ = s.AdditionalProperties.(*jsonschema.Schema)
	}
	if next == nil {
		t.Fatalf("the schema has no %s where the reader has it", path)
	}
	return part(t, next, path[1:])
}

func TestTheSchemaKnowsTheKeysThatTheReaderKnows(t *testing.T) {
	for _, name := range schema.Names() {
		s := compiled(t, name)
		seen := map[*jsonschema.Schema]bool{}
		for _, l := range mustLevels(t, name) {
			p := part(t, s, l.path)
			seen[p] = true
			var has []string
			for key := range p.Properties {
				has = append(has, key)
			}
			want := slices.Sorted(slices.Values(l.keys))
			if slices.Sort(has); !slices.Equal(has, want) {
				t.Errorf("%s: in %s the schema has the keys\n %q, the reader\n %q;\nmend %s.schema.json", name, l, has, want, name)
			}
			if p.AdditionalProperties != false {
				t.Errorf("%s: in %s the schema takes keys that nobody knows", name, l)
			}
		}
		// The other way: no mapping of the schema is one that the reader does not have.
		var visit func(p *jsonschema.Schema)
		visited := map[*jsonschema.Schema]bool{}
		visit = func(p *jsonschema.Schema) {
			if p == nil || visited[p] {
				return
			}
			visited[p] = true
			if len(p.Properties) > 0 && !seen[p] {
				t.Errorf("%s: the schema has keys at %s where the reader has none", name, p.Location)
			}
			visit(p.Ref)
			visit(p.Items2020)
			for _, q := range p.Properties {
				visit(q)
			}
			if q, ok := p.AdditionalProperties.(*jsonschema.Schema); ok {
				visit(q)
			}
		}
		visit(s)
	}
}

// values are tried for every key.
var values = []string{
	"", "null", "~", "''", "' '", "a", "A", "true", "False", "TRUE", "'true'", "yes", "off", "0", "1", "'1'", "'+1'", "-1", "2", "64", "65", "1000", "1001",
	"100001", "1.5", "'1.5'", "0.5", "100", "101", "1e3", "9393", "9223372036854775807",
	"0s", "00s", "1s", "59s", "60s", "1m", "90m", "24h", "25h", "31d", "400d", "1h30m", "5 m", "5M", "1w",
	"UTC", "Local", "Europe/Berlin", "Europe/Berln", "assumed", "asumed", "hidden", "shown", "every", "bad", "change", "all", "digest", "latest", "none",
	"GET", "get", "PUT", "'127.0.0.1:9393'", "':9393'", "'a'", "'9393'", "https://h.example/x", "ftp://h.example/x", "'${SECRET}'", "'https://h/${A}'", "x.ics",
	"30/m", "0/m", "30/d", "1GiB", "512 MiB", "1GB", "dwmon-plugin-log", "'a b'", "name=a", "owner!=b", "source", "label.a", "label.",
	"[]", "[a]", "[a, a]", "[a, b]", "['']", "[1]", "[null]", "[[a]]", "[name=a]", "[owner!=b]", "[bogus=1]", "[source, label.a]", "[folder, folder]", "[owner, x]", "[x.ics]", "['https://h/x.ics']",
	"{}", "{a: b}", "{a: 1}", "{a: null}", "{'': b}", "{a: [b]}", "{a: {b: c}}", "{a: x.ics}", "{a: [x.ics, y.ics]}", "{' a': x.ics}", "{'a b': {getter: log}}", "{' a': {getter: log}}",
	"22:00", "9:10", "09:10:30", "'09:10:30.5'", "24:00", "+90m", "-2h", "+90", "2026-03-02", "2026-03-02 09:20", "2026-03-02T09:20:00Z", "2026-03-02 09:20:00+01:00", "2026-02-30 09:20", "9 o'clock",
	"GOOD", "good", "BAD", "PENDING", "GAP", "NOT_DUE", "low", "high", "truncated", "count", "unknown", "k%d", "[2026-12-25]", "[25.12.2026]", "[owner, label.a]",
	"[{from: 09:00, until: 09:30}]", "[{from: 09:00}]", "[{from: 10:00, until: 09:00}]", "[{at: 09:10, status: GOOD}]", "[{at: 09:10}]", "[{opened: 09:10}]", "[{every: 1m, from: 09:00, until: 10:00}]",
	"{getter: sqlite}", "{plugin: log}", "[{plugin: log}]", "[{name: a}]", "[log]", "{url: 'https://h/'}",
}

// cannotJudge are faults that no schema finds, by what the reader says.
var cannotJudge = []string{
	"unknown time zone", "is too long", "is no address", "reference", "is too short", "not a whole number from 1 to", "not a number from 1 to 100",
	"no name of a plugin", "the matcher", "is no name of a handler", "not a number of bytes",
	"a day has no hour", "there is no day", "ends before it starts", "after the end of the test", "is not after from", "either at, or", "never low", "never high",
	"never truncated", "never assumed", "whole minutes", "the checker has no line", "takes longer than", "not a whole number from 0 to", "only what was BAD",
}

func TestNoValueIsRightForTheReaderAndWrongForTheSchema(t *testing.T) {
	used := map[string]bool{}
	for _, name := range schema.Names() {
		s := compiled(t, name)
		judged := 0
		for _, l := range mustLevels(t, name) {
			for _, key := range l.keys {
				for _, value := range values {
					text := text(name, append(slices.Clone(l.path), key), value)
					faults := readers[name](text)
					err := s.Validate(instance(t, text))
					wrong := dwmon.AnyError(faults)
					switch {
					case !wrong && err != nil:
						t.Errorf("%s: the reader takes it, the schema does not:\n%s\n%v", name, text, err)
					case wrong && err == nil && !excused(faults, used, cannotJudge):
						t.Errorf("%s: the schema takes it, the reader does not:\n%s\n%s", name, text, dwmon.FileFaults(faults).Text())
					case wrong && err != nil:
						judged++
					}
				}
			}
		}
		if judged < 500 {
			t.Errorf("%s: the schema found fault with %d texts only", name, judged)
		}
	}
	for _, words := range cannotJudge {
		if !used[words] {
			t.Errorf("%q excuses nothing any more: take it out", words)
		}
	}
}

// excused says whether all faults are such that no schema finds them.
func excused(faults []dwmon.FileFault, used map[string]bool, excuses []string) bool {
	for _, f := range faults {
		i := slices.IndexFunc(excuses, func(words string) bool { return strings.Contains(f.Message, words) })
		if i < 0 {
			return false
		}
		used[excuses[i]] = true
	}
	return true
}

// section gives the OPTIONS section of a checker file, as text.
func section(text string) (string, bool) {
	_, after, ok := strings.Cut("\n"+strings.ReplaceAll(text, "\r\n", "\n"), "\n__OPTIONS__\n")
	if at := regexp.MustCompile(`(?m)^__[A-Z]+__$`).FindStringIndex(after); at != nil {
		after = after[:at[0]]
	}
	return after, ok
}

func TestGoodSampleChecksAreRightForTheSchema(t *testing.T) {
	s := compiled(t, "options")
	found := 0
	entries, err := checks.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := checks.Files.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if options, ok := section(string(text)); ok {
			found++
			if err := s.Validate(instance(t, options)); err != nil {
				t.Errorf("%s: %v", e.Name(), err)
			}
		}
	}
	if found == 0 {
		t.Error("no sample has OPTIONS; this test looks past them")
	}
}

func TestGoodSampleTestsAreRightForTheSchema(t *testing.T) {
	s := compiled(t, "test")
	paths, err := filepath.Glob("../../checks/*" + checktest.Ending)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sample has tests: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, string(text))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// goneWithYAML are faults that are gone once YAML is read, numbers' spelling among them, so that no schema sees
// them, by what the reader says.
var goneWithYAML = []string{"stands twice", "aliases (*)", "anchors (&)", "tags (!)", "merge keys", "second YAML document", "a number in"}

func TestCasesOfTheReadersAreJudgedAlikeByTheSchema(t *testing.T) {
	for _, c := range []struct{ schema, dir, file string }{
		{"options", "../checkfile/testdata", "input.dwmon"},
		{"config", "../config/testdata", "dwmon.yaml"},
		{"test", "../checktest/testdata", "c.dwmontest.yaml"},
	} {
		s := compiled(t, c.schema)
		paths, err := filepath.Glob(filepath.Join(c.dir, "*.txtar"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no cases in %s: %v", c.dir, err)
		}
		good, bad := 0, 0
		for _, path := range paths {
			text, ok := caseFile(t, path, c.file)
			if c.schema == "options" && ok {
				text, ok = section(text)
			}
			if !ok {
				continue
			}
			faults := readers[c.schema](text)
			var v any
			if yaml.Unmarshal([]byte(text), &v) != nil {
				if !dwmon.AnyError(faults) {
					t.Errorf("%s cannot be read as YAML, and is right for the reader", path)
				}
				continue
			}
			err := s.Validate(instance(t, text))
			switch wrong := dwmon.AnyError(faults); {
			case !wrong && err != nil:
				t.Errorf("%s is right, and wrong for the schema: %v", path, err)
			case wrong && err == nil && !excused(faults, map[string]bool{}, append(goneWithYAML, cannotJudge...)):
				t.Errorf("%s is wrong, and right for the schema:\n%s", path, dwmon.FileFaults(faults).Text())
			case !wrong:
				good++
			case err != nil:
				bad++
			}
		}
		if good == 0 || bad < 2 {
			t.Errorf("%s: %d good and %d bad cases tried; this test looks past them", c.schema, good, bad)
		}
	}
}

// caseFile is a file of a case.
func caseFile(t *testing.T, path, name string) (string, bool) {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(all), "-- "+name+" --\n")
	if i := strings.Index(text, "\n-- "); i >= 0 {
		text = text[:i+1]
	}
	return text, ok
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, name := range schema.Names() {
		tree := schema.Of(name)
		var visit func(path []string)
		count := 0
		visit = func(path []string) {
			n, ok := tree.At(path...)
			if !ok {
				t.Fatalf("%s: nothing at %v", name, path)
			}
			if n.Description == "" || !strings.HasSuffix(n.Description, ".") {
				t.Errorf("%s: %v is described as %q, which is no sentence", name, path, n.Description)
			}
			count++
			for _, key := range n.Keys {
				visit(append(slices.Clone(path), key))
			}
		}
		root, _ := tree.At()
		for _, key := range root.Keys {
			visit([]string{key})
		}
		if count < 10 {
			t.Errorf("%s: %d keys visited", name, count)
		}
	}
}
