package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/checks"
	"github.com/dwmon/dwmon/internal/checkfile"
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
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
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

// level is a mapping whose keys are all known: a text with a hole for it, such as
// "sources: {A: %s}".
type level struct {
	hole string
	keys []string
}

const stray = "zzqqxxyy"

var knownAre = regexp.MustCompile(`^known are (.+)$`)

// ask gives the keys that a reader knows in a mapping; nil where it takes any,
// or wants no mapping.
func ask(read reader, hole string) []string {
	for _, f := range read(fmt.Sprintf(hole, "{"+stray+": 1}")) {
		if m := knownAre.FindStringSubmatch(f.Hint); m != nil && strings.Contains(f.Message, "unknown key \""+stray+"\"") {
			return strings.Split(m[1], ", ")
		}
	}
	return nil
}

// levels asks the reader for all mappings of known keys, the root first. Below
// each key it tries a mapping, a list of mappings, and a mapping of any names.
func levels(read reader, hole string) (found []level) {
	known := ask(read, hole)
	if known == nil {
		return nil
	}
	found = append(found, level{hole, known})
	for _, key := range known {
		for _, form := range []string{"%s", "[%s]", "{A: %s}"} {
			inner := strings.Replace(form, "%s", "{"+key+": %s}", 1)
			if form != "%s" {
				inner = "{" + key + ": " + form + "}"
			}
			found = append(found, levels(read, strings.Replace(hole, "%s", inner, 1))...)
		}
	}
	return found
}

func mustLevels(t *testing.T, name string) []level {
	t.Helper()
	all := levels(readers[name], "%s")
	least := map[string]int{"options": 2, "config": 9}[name]
	if len(all) < least {
		t.Fatalf("%s: %d levels found, and there are %d at least: this test looks past them", name, len(all), least)
	}
	return all
}

// part follows a hole into a schema.
func part(t *testing.T, s *jsonschema.Schema, hole string) *jsonschema.Schema {
	t.Helper()
	for s.Ref != nil {
		s = s.Ref
	}
	step := regexp.MustCompile(`^\{(\w+): (.*)\}$`).FindStringSubmatch(hole)
	list, isList := strings.CutPrefix(hole, "[")
	switch {
	case hole == "%s":
		return s
	case isList:
		return part(t, s.Items2020, strings.TrimSuffix(list, "]"))
	case step == nil:
		t.Fatalf("the hole %s is not understood", hole)
	case s.Properties[step[1]] != nil:
		return part(t, s.Properties[step[1]], step[2])
	}
	any, ok := s.AdditionalProperties.(*jsonschema.Schema)
	if !ok {
		t.Fatalf("the schema knows no %s in %s, and the reader does", step[1], hole)
	}
	return part(t, any, step[2])
}

func TestTheSchemaKnowsTheKeysThatTheReaderKnows(t *testing.T) {
	for _, name := range schema.Names() {
		s := compiled(t, name)
		seen := map[*jsonschema.Schema]bool{}
		for _, l := range mustLevels(t, name) {
			p := part(t, s, l.hole)
			seen[p] = true
			var has []string
			for key := range p.Properties {
				has = append(has, key)
			}
			want := slices.Sorted(slices.Values(l.keys))
			if slices.Sort(has); !slices.Equal(has, want) {
				t.Errorf("%s: in %s the schema has the keys\n %q, the reader\n %q;\nmend %s.schema.json", name, l.hole, has, want, name)
			}
			if p.AdditionalProperties != false {
				t.Errorf("%s: in %s the schema takes keys that nobody knows", name, l.hole)
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

// needs are keys without which a mapping is wrong in itself, so that the values
// of others can be tried.
var needs = map[string]string{
	"sources": "getter: sqlite, ", "handlers": "plugin: log, ", "purger": "plugin: retention, ", "heartbeat": "url: 'https://h.example/', ",
}

// fill puts a key and its value into a hole, beside what must be there.
func fill(hole, key, value string) string {
	m := regexp.MustCompile(`^\{(\w+): `).FindStringSubmatch(hole)
	beside := ""
	if m != nil && strings.Count(hole, ":") <= 2 {
		beside = needs[m[1]]
	}
	if strings.Contains(hole, "group") || strings.Contains(hole, "template") {
		beside = ""
		hole = strings.Replace(hole, "[{", "[{plugin: log, ", 1)
	}
	if strings.HasPrefix(beside, key+":") {
		beside = ""
	}
	return fmt.Sprintf(hole, "{"+beside+key+": "+value+"}")
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
	"{getter: sqlite}", "{plugin: log}", "[{plugin: log}]", "[{name: a}]", "[log]", "{url: 'https://h/'}",
}

// cannotJudge are faults that no schema finds, by what the reader says.
var cannotJudge = []string{
	"unknown time zone", "is too long", "is no address", "reference", "is too short", "not a whole number from 1 to", "not a number from 1 to 100",
	"no name of a plugin", "the matcher", "is no name of a handler", "not a number of bytes",
}

func TestNoValueIsRightForTheReaderAndWrongForTheSchema(t *testing.T) {
	used := map[string]bool{}
	for _, name := range schema.Names() {
		s := compiled(t, name)
		judged := 0
		for _, l := range mustLevels(t, name) {
			for _, key := range l.keys {
				for _, value := range values {
					text := fill(l.hole, key, value)
					faults := readers[name](text)
					err := s.Validate(instance(t, text))
					wrong := dwmon.AnyError(faults)
					switch {
					case !wrong && err != nil:
						t.Errorf("%s: the reader takes it, the schema does not:\n%s\n%v", name, text, err)
					case wrong && err == nil && !excused(faults, used):
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
func excused(faults []dwmon.FileFault, used map[string]bool) bool {
	for _, f := range faults {
		i := slices.IndexFunc(cannotJudge, func(words string) bool { return strings.Contains(f.Message, words) })
		if i < 0 {
			return false
		}
		used[cannotJudge[i]] = true
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

// notSeen are bad cases of testdata in whose YAML no schema sees a fault.
var notSeen = map[string]string{
	"options_alias":           "anchors are gone when YAML is read",
	"options_key_twice":       "keys that stand twice are gone when YAML is read",
	"options_template":        "no schema reads templates",
	"options_template_line":   "no schema reads templates",
	"options_template_quoted": "no schema reads templates",
	"options_timezone":        "no schema knows the time zones",
	"options_not_yaml":        "it is no YAML",
	"options_two_documents":   "the second document is another text",
	"references":              "no schema knows the environment",
	"syntax_quote":            "it is no YAML",
	"syntax_secret":           "it is no YAML",
	"syntax_tab":              "it is no YAML",
	"twice":                   "keys that stand twice are gone when YAML is read",
	"wrong_heartbeat":         "no schema knows the environment",
	"wrong_template":          "no schema reads templates",
}

func TestCasesOfTheReadersAreJudgedAlikeByTheSchema(t *testing.T) {
	for _, c := range []struct{ schema, dir, file string }{
		{"options", "../checkfile/testdata", "input.dwmon"},
		{"config", "../config/testdata", "dwmon.yaml"},
	} {
		s := compiled(t, c.schema)
		paths, err := filepath.Glob(filepath.Join(c.dir, "*.txtar"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no cases in %s: %v", c.dir, err)
		}
		good, bad := 0, 0
		for _, path := range paths {
			name := strings.TrimSuffix(filepath.Base(path), ".txtar")
			all, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(all), "-- "+c.file+" --\n")
			text, want, ok := strings.Cut(rest, "-- want --\n")
			if !ok {
				t.Fatalf("%s does not hold %s and want", path, c.file)
			}
			if i := strings.Index(text, "\n-- "); i >= 0 {
				text = text[:i+1]
			}
			if c.schema == "options" {
				if text, ok = section(text); !ok {
					continue
				}
			}
			isGood := strings.Contains(want, "good:\n")
			if notSeen[name] != "" {
				continue
			}
			err = s.Validate(instance(t, text))
			switch {
			case isGood:
				if good++; err != nil {
					t.Errorf("%s is right, and wrong for the schema: %v", path, err)
				}
			default:
				if bad++; err == nil {
					t.Errorf("%s is wrong, and right for the schema", path)
				}
			}
		}
		if good == 0 || bad < 3 {
			t.Errorf("%s: %d good and %d bad cases tried; this test looks past them", c.schema, good, bad)
		}
	}
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
