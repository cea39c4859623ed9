package internal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/notice"
	"github.com/dwmon/dwmon/pluginsdk"
)

// papers are the pages that people read.
func papers(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../*.md", "../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pages[strings.TrimPrefix(filepath.ToSlash(file), "../")] = string(text)
		}
	}
	if pages["README.md"] == "" || pages["docs/checker-files.md"] == "" {
		t.Fatalf("the pages are not where this test looks for them: %d found", len(pages))
	}
	return pages
}

// blocks gives the indented blocks of a page, without their indentation.
func blocks(page string) []string {
	var all []string
	var block strings.Builder
	end := func() {
		if text := strings.TrimSpace(block.String()); text != "" {
			all = append(all, text+"\n")
		}
		block.Reset()
	}
	for line := range strings.Lines(page) {
		switch text, ok := strings.CutPrefix(line, "    "); {
		case ok:
			block.WriteString(text)
		case strings.TrimSpace(line) == "":
			block.WriteString("\n")
		default:
			end()
		}
	}
	end()
	return all
}

func TestCheckersInThePapersAreRight(t *testing.T) {
	const rest = "__QUERY__\nSELECT 1\n__SOURCE__\nX\n__REQUIREMENTS__\n"
	checkers := checkfile.Parser{Template: notice.Faults}
	found := 0
	for page, text := range papers(t) {
		for _, block := range blocks(text) {
			switch {
			case strings.Contains(block, "__QUERY__\n"):
			case strings.Contains(block, "CHECKHOURS"):
				block = rest + block
			default:
				continue
			}
			found++
			if _, faults := checkers.Parse(page, "example", []byte(block)); len(faults) > 0 {
				t.Errorf("%s\n%s", block, faults[0].Text())
			}
		}
	}
	if found < 3 {
		t.Errorf("%d checkers found; this test looks past them", found)
	}
}

var topLevel = regexp.MustCompile(`(?m)^(checks|sources|version): ?`)

// secretName are variables that examples may name; others are mistakes.
var secretName = regexp.MustCompile(`_(DSN|KEY|PASSWORD|UUID)$`)

func TestConfigurationsInThePapersAreRight(t *testing.T) {
	found := 0
	for page, text := range papers(t) {
		for _, block := range blocks(text) {
			if !topLevel.MatchString(block) {
				continue
			}
			found++
			path := filepath.Join(t.TempDir(), "dwmon.yaml")
			if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			env := func(name string) (string, bool) { return "value", secretName.MatchString(name) }
			cfg, err := config.Load(config.LoadOptions{Path: path, Env: env, Template: notice.Faults})
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
			} else if len(cfg.Warnings) > 0 {
				t.Errorf("%s: %v", page, cfg.Warnings)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d configurations found; this test looks past them", found)
	}
}

// members are the names of an object and of the objects and lists within.
func members(prefix string, v any) (names []string) {
	switch v := v.(type) {
	case map[string]any:
		if prefix == "labels" {
			return nil
		}
		for name, value := range v {
			names = append(names, prefix+"."+name)
			names = append(names, members(strings.TrimPrefix(prefix+"."+name, "."), value)...)
		}
	case []any:
		for _, value := range v {
			names = append(names, members(prefix, value)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestTheNoticeInThePapersIsRight(t *testing.T) {
	text, err := json.Marshal(pluginsdk.Notice{
		Facts: []pluginsdk.Fact{{}}, Incident: &pluginsdk.Incident{}, Windows: []pluginsdk.Window{{}}, Labels: map[string]string{"a": "b"}, Keys: []string{""},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(papers(t)["docs/notices.md"]) {
		if strings.Contains(block, `"notice":`) {
			if err := json.Unmarshal([]byte(block), &got); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := members("", got), members("", want); !slices.Equal(got, want) {
		t.Errorf("the example has the members %q, not %q", got, want)
	}
}

func TestFieldsOfTemplatesAreInThePapers(t *testing.T) {
	page := papers(t)["docs/notices.md"]
	for _, field := range reflect.VisibleFields(reflect.TypeFor[notice.View]()) {
		if !strings.Contains(page, "`."+field.Name+"`") {
			t.Errorf("docs/notices.md does not tell of the field .%s", field.Name)
		}
	}
	for _, name := range notice.Functions() {
		if !regexp.MustCompile("[|,] `" + name + "[ `]").MatchString(page) {
			t.Errorf("docs/notices.md does not tell of the function %s", name)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestLinksInThePapersLeadSomewhere(t *testing.T) {
	for page, text := range papers(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join("..", filepath.Dir(page), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: a link leads to %s: %v", page, m[1], err)
			}
		}
	}
}

// named are files that ARCHITECTURE.md and the others tell people to open.
var named = regexp.MustCompile("(?:internal|pluginsdk|cmd|proto|plugins|checks)/[a-zA-Z0-9_/.-]+[a-zA-Z0-9]")

func TestFilesThatThePapersNameExist(t *testing.T) {
	for page, text := range papers(t) {
		if page == "docs/licences.md" {
			continue // it names modules of others
		}
		for _, name := range named.FindAllString(text, -1) {
			if strings.Contains(name, "dwmon-plugin-") || strings.HasPrefix(name, "checks/billing") || strings.HasPrefix(text, name+"/dwmon/") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s names %s: %v", page, name, err)
			}
		}
	}
}
