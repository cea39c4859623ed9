package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// repository is its root.
const repository = "../.."

// write makes files below a folder.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const fuzzed = "package a\n\nimport \"testing\"\n\n"

func target1(name, body string) string {
	return "func " + name + "(f *testing.F) {\n\tf.Add([]byte(\"a\"))\n\tf.Fuzz(func(t *testing.T, b []byte) {" + body + "})\n}\n"
}

func TestTargetsAreFoundWhereverTheyAre(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"go.mod":                             "module a\n",
		"a_test.go":                          fuzzed + target1("FuzzA", "") + "func FuzzHelper(t *testing.T) {}\nfunc (x) FuzzMethod(f *testing.F) {}\ntype x int\n",
		"in/b/b_test.go":                     fuzzed + target1("FuzzB2", "") + target1("FuzzB1", ""),
		"in/b/b.go":                          "package a\n\nfunc FuzzNone() {}\n",
		"in/b/testdata/fuzz/FuzzB1/one":      "go test fuzz v1\n[]byte(\"x\")\n",
		"in/b/testdata/c_test.go":            fuzzed + target1("FuzzInTestdata", ""),
		"plugins/heavy/go.mod":               "module heavy\n",
		"plugins/heavy/deep/d_test.go":       fuzzed + target1("FuzzD", ""),
		"in/b/only_plan9_test.go":            fuzzed + target1("FuzzElsewhere", ""),
		".tools/e_test.go":                   fuzzed + target1("FuzzHidden", ""),
		"plugins/heavy/deep/_old/f_test.go":  fuzzed + target1("FuzzOld", ""),
		"plugins/heavy/vendor/x/x_test.go":   fuzzed + target1("FuzzVendored", ""),
		"plugins/heavy/deep/tagged_test.go":  "//go:build never\n\n" + fuzzed + target1("FuzzNever", ""),
		"plugins/heavy/deep/comment_test.go": "package a\n\n// func FuzzComment(f *testing.F) {}\n",
	})
	found, err := find(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, strings.Join([]string{f.module, f.inPackage(), f.String()}, " "))
	}
	want := []string{". . ..FuzzA", ". ./in/b in/b.FuzzB1", ". ./in/b in/b.FuzzB2", "plugins/heavy ./deep plugins/heavy/deep.FuzzD"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found are\n%s", strings.Join(got, "\n"))
	}
	if found[1].inputs != 1 || found[1].bytes == 0 {
		t.Errorf("the corpus of %v is not seen", found[1])
	}
}

// TestATargetThatFails: another one is tried all the same, and it is said where the
// input lies and how to see it again.
func TestATargetThatFails(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"go.mod":                           "module a\n\ngo 1.26\n",
		"a_test.go":                        fuzzed + target1("FuzzFails", "\n\t\tif len(b) != 1 {\n\t\t\tt.Fatal(\"it has another length\")\n\t\t}\n\t") + target1("FuzzHolds", ""),
		"sub/b_test.go":                    fuzzed + target1("FuzzSeed", "\n\t\tif len(b) == 3 {\n\t\t\tpanic(\"three\")\n\t\t}\n\t"),
		"sub/go.mod":                       "module b\n\ngo 1.26\n",
		"sub/broken.txt":                   "",
		"sub/testdata/fuzz/FuzzSeed/three": "go test fuzz v1\n[]byte(\"abc\")\n",
	})
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--root", root, "--for", "5s", "--parallel", "1"}, &out, &errs); code != 1 {
		t.Fatalf("exit code %d\n%s%s", code, &out, &errs)
	}
	for what, form := range map[string]string{
		"the line of what fails":   `(?m)^FAIL \. +FuzzFails `,
		"the line of what holds":   `(?m)^ok   \. +FuzzHolds +[0-9.]+ s +[0-9,]+ inputs`,
		"the line of a bad seed":   `(?m)^FAIL sub +FuzzSeed `,
		"how many failed":          `(?m)^2 of 3 targets failed:$`,
		"where the input lies":     `(?m)^  the input:  \./testdata/fuzz/FuzzFails/[0-9a-f]+$`,
		"how to see it again":      `(?m)^  once more:  go test -run '\^FuzzFails\$/\^[0-9a-f]+\$' \.$`,
		"what was said":            `it has another length`,
		"where the bad seed lies":  `(?m)^  the input:  sub/testdata/fuzz/FuzzSeed/three$`,
		"how to see the seed fail": `(?m)^  once more:  cd sub && go test -run '\^FuzzSeed\$/\^three\$' \.$`,
	} {
		if !regexp.MustCompile(form).MatchString(out.String() + errs.String()) {
			t.Errorf("%s is missing in\n%s%s", what, &out, &errs)
		}
	}
	inputs, _ := filepath.Glob(filepath.Join(root, "testdata/fuzz/FuzzFails/*"))
	if len(inputs) != 1 || !strings.Contains(errs.String(), filepath.Base(inputs[0])) {
		t.Errorf("the input is %v, and it is said\n%s", inputs, &errs)
	}
}

func TestTheEndOfTheTimeIsNoFailure(t *testing.T) {
	const up = "fuzz: elapsed: 10s, execs: 7 (1/sec), new interesting: 2 (total: 9)\n--- FAIL: FuzzA (10.02s)\n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\ta\t10.1s\nFAIL\n"
	for said, ok := range map[string]bool{
		up: true,
		strings.Replace(up, "    context", "    a_test.go:7: context", 1):                                       false,
		strings.Replace(up, "exceeded\n", "exceeded\n    Failing input written to testdata/fuzz/FuzzA/12\n", 1): false,
	} {
		f := finding{}
		if f.read(target{module: ".", pkg: ".", name: "FuzzA", dir: t.TempDir()}, said); f.OK != ok || f.Executions != 7 || ok != (f.Output == "") {
			t.Errorf("%s is %+v", said, f)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help has an example", []string{"--help"}, 0, "fuzz --for 1m"},
		{"a regular expression that is none", []string{"--only", "("}, 2, "--only: "},
		{"a word", []string{"all"}, 2, `"all" is no flag`},
		{"no time", []string{"--for", "0s"}, 2, "--for must be more than nothing"},
		{"nothing matches", []string{"--root", repository, "--only", "FuzzNothing"}, 2, "no target matches FuzzNothing; --list shows all"},
		{"no repository", []string{"--root", t.TempDir()}, 3, "is the root of no module"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: exit code %d\n%s%s", c.name, code, &out, &errs)
		}
	}
}

// TestCorporaAreSmall: every committed input runs in `make test`, for ever.
func TestCorporaAreSmall(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--root", repository, "--list", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	type sum struct{ inputs, bytes int }
	byPackage := map[string]sum{}
	page, err := os.ReadFile(filepath.Join(repository, "docs/reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(&out); dec.More(); {
		var of struct {
			Package, Target string
			Inputs, Bytes   int
		}
		if err := dec.Decode(&of); err != nil {
			t.Fatal(err)
		}
		s := byPackage[of.Package]
		byPackage[of.Package] = sum{s.inputs + of.Inputs, s.bytes + of.Bytes}
		if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(of.Package) + ` \|.*\b` + of.Target + `\b`).Match(page) {
			t.Errorf("docs/reliability.md has no line `| %s | … %s …`: say what it promises", of.Package, of.Target)
		}
	}
	if len(byPackage) < 10 {
		t.Errorf("found are %v", byPackage)
	}
	for of, s := range byPackage {
		if s.inputs > 50 || s.bytes > 100<<10 {
			t.Errorf("%s: %d committed inputs of %d bytes; keep to 50 and 100 KiB: those that reach what no other does", of, s.inputs, s.bytes)
		}
	}
}
