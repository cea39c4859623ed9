package scaffold

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// subsets are all choices of at least one kind.
func subsets() [][]string {
	var all [][]string
	for bits := 1; bits < 1<<len(Kinds); bits++ {
		var kinds []string
		for i, k := range Kinds {
			if bits&(1<<i) != 0 {
				kinds = append(kinds, k)
			}
		}
		all = append(all, kinds)
	}
	return all
}

func made(t *testing.T, lang string, kinds []string) *Made {
	t.Helper()
	o := Options{Name: "pulse-2", Kinds: kinds, Lang: lang, Dir: filepath.Join(t.TempDir(), "sub", "made here"), Version: "0.0.0-dev"}
	if lang == "go" {
		o.SDK = filepath.Join("..", "..")
	}
	m, err := Make(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestWhatIsMadeIsWhatWasAskedFor, for every language and every choice of kinds: the
// files that are named are there and no others, none is empty of what it says, and no
// template is left unfilled.
func TestWhatIsMadeIsWhatWasAskedFor(t *testing.T) {
	for _, lang := range Languages {
		for _, kinds := range subsets() {
			t.Run(lang+"/"+strings.Join(kinds, "+"), func(t *testing.T) {
				m := made(t, lang, kinds)
				var there []string
				err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					rel, _ := filepath.Rel(m.Dir, path)
					there = append(there, filepath.ToSlash(rel))
					text, err := os.ReadFile(path)
					for _, left := range []string{"{{", "<no value>", "%!"} {
						if bytes.Contains(text, []byte(left)) {
							t.Errorf("%s holds %s", rel, left)
						}
					}
					checkText(t, rel, text)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(m.Files)
				slices.Sort(there)
				if !slices.Equal(m.Files, there) {
					t.Errorf("there are %q, said were %q", there, m.Files)
				}
				for _, f := range files[lang] {
					if f.kind == "" || strings.Contains(f.path, "{{") {
						continue
					}
					if slices.Contains(there, f.path) != slices.Contains(kinds, f.kind) {
						t.Errorf("%s is for %s, and asked for was %v", f.path, f.kind, kinds)
					}
				}
				if lang != "go" {
					checkManifest(t, filepath.Join(m.Dir, "dwmon-plugin.json"), lang, kinds)
				}
				runChecks(t, m, lang)
			})
		}
	}
}

// checkText: files end with one line feed, no line ends in white space.
func checkText(t *testing.T, name string, text []byte) {
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) || bytes.HasSuffix(text, []byte("\n\n")) {
		t.Errorf("%s does not end with a line feed, or with several", name)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " \t") != line {
			t.Errorf("%s: %q ends in white space", name, line)
		}
	}
	if strings.HasSuffix(name, ".go") {
		if again, err := format.Source(text); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s is not formatted: %v", name, err)
		}
	}
}

func checkManifest(t *testing.T, path, lang string, kinds []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Schema        int
		Name, Bridge  string
		Version       string
		Kinds         map[string]json.RawMessage
		Sources       []string
		Summary, Path string
		DefaultOn     string `json:"default_on"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if m.Schema != 1 || m.Name != "pulse-2" || m.Bridge != map[string]string{"python": "python", "shell": "exec"}[lang] || len(m.Kinds) != len(kinds) {
		t.Errorf("the manifest is %s", text)
	}
	for kind, name := range map[string]string{"getter": "row_getter", "handler": "check_handler", "purger": "purger"} {
		if _, there := m.Kinds[name]; there != slices.Contains(kinds, kind) {
			t.Errorf("%s: asked for was %v; the manifest is %s", name, kinds, text)
		}
	}
}

// runChecks has the language itself look at the sources.
func runChecks(t *testing.T, m *Made, lang string) {
	switch lang {
	case "go":
		if testing.Short() {
			return
		}
		check(t, m.Dir, "go", "vet", ".")
	case "python":
		for _, f := range m.Files {
			if strings.HasSuffix(f, ".py") {
				check(t, m.Dir, "python3", "-c", "import ast,sys; ast.parse(open(sys.argv[1]).read())", f)
			}
		}
	case "shell":
		for _, f := range m.Files {
			if strings.HasSuffix(f, ".sh") {
				check(t, m.Dir, "sh", "-n", f)
				if info, err := os.Stat(filepath.Join(m.Dir, f)); err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("%s cannot be executed", f)
				}
			}
		}
	}
}

func check(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("DWMON_TEST_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed: the sources WERE NOT CHECKED", program)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
}

// TestMakeRefuses leaves nothing behind.
func TestMakeRefuses(t *testing.T) {
	dir := t.TempDir()
	good := Options{Name: "pulse", Kinds: []string{"getter"}, Lang: "shell", Dir: filepath.Join(dir, "pulse")}
	for name, spoil := range map[string]func(*Options){
		"the name":   func(o *Options) { o.Name = "../pulse" },
		"long name":  func(o *Options) { o.Name = strings.Repeat("a", 40) },
		"language":   func(o *Options) { o.Lang = "cobol" },
		"no kind":    func(o *Options) { o.Kinds = nil },
		"other kind": func(o *Options) { o.Kinds = []string{"getter", "painter"} },
		"there":      func(o *Options) { o.Dir = dir },
		"no SDK":     func(o *Options) { o.Lang, o.SDK = "go", dir },
	} {
		o := good
		spoil(&o)
		var input *InputError
		if _, err := Make(o); !errors.As(err, &input) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	if _, err := Make(good); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("there are %v", entries)
	}
}

func TestReleased(t *testing.T) {
	for version, want := range map[string]bool{
		"1.2.3": true, "0.1.0": true, "1.0.0-rc.1": true, "1.0.0-beta2": true,
		"0.0.0-dev": false, "0.0.0": false, "": false, "0.1.0-5-gabcdef0": false, "0.1.0-dirty": false, "devel": false,
	} {
		if got := Released(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// TestFindSDK: what is named comes first, then the environment; a release needs none.
func TestFindSDK(t *testing.T) {
	clone, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(SDKEnv, "")
	if got, err := FindSDK("../..", "1.2.3"); err != nil || got != clone {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := FindSDK("", "1.2.3"); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	var input *InputError
	if _, err := FindSDK("", "0.0.0-dev"); !errors.As(err, &input) || !strings.Contains(err.Error(), "--sdk") {
		t.Errorf("got %v", err)
	}
	if _, err := FindSDK(t.TempDir(), "1.2.3"); !errors.As(err, &input) {
		t.Errorf("got %v", err)
	}
	t.Setenv(SDKEnv, clone)
	if got, err := FindSDK("", "0.0.0-dev"); err != nil || got != clone {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReadRequires(t *testing.T) {
	got := readRequires([]byte("module x\n\ngo 1.26\n\nrequire a.b/c v1.0.0\n\nrequire (\n\td.e/f/v2 v2.3.4 // indirect\n\tg v0.0.0-2026-abc\n)\n\nreplace a.b/c => ../c\n\ntool (\n\th.i/j\n)\n"))
	want := []moduleVersion{{"d.e/f/v2", "v2.3.4"}, {"g", "v0.0.0-2026-abc"}, {"a.b/c", "v1.0.0"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestBuildNamesWhatIsNeeded: go.mod ends with the modules that the plugin is built of,
// and go.sum with theirs, which is enough to build it with nothing downloaded.
func TestBuildNamesWhatIsNeeded(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	m := made(t, "go", []string{"purger"})
	if err := Build(t.Context(), m, "pulse-2", func(string) {}); err != nil {
		t.Fatalf("%v\n%s", err, err.(*ToolchainError).Output)
	}
	text, err := os.ReadFile(filepath.Join(m.Dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	requires := readRequires(text)
	if !slices.ContainsFunc(requires, func(v moduleVersion) bool { return v.Path == "google.golang.org/grpc" }) ||
		slices.ContainsFunc(requires, func(v moduleVersion) bool { return v.Path == "modernc.org/sqlite" }) {
		t.Errorf("go.mod is\n%s", text)
	}
	sums, err := os.ReadFile(filepath.Join(m.Dir, "go.sum"))
	if err != nil || bytes.Contains(sums, []byte("modernc.org/sqlite")) || !bytes.Contains(sums, []byte("google.golang.org/grpc v")) {
		t.Errorf("%v; go.sum is\n%s", err, sums)
	}
	check(t, m.Dir, "go", "build", "-mod=readonly", ".")
}

func TestModPath(t *testing.T) {
	for path, want := range map[string]string{"/a/b": "/a/b", "/a b": `"/a b"`, `C:\a`: `C:\a`, "/a(b)": `"/a(b)"`} {
		if got := modPath(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestBuildSaysWhatIsWrong: with the files in place, and what the compiler said.
func TestBuildSaysWhatIsWrong(t *testing.T) {
	m := made(t, "go", []string{"purger"})
	if err := os.WriteFile(filepath.Join(m.Dir, "broken.go"), []byte("package main\n\nvar x int = \"text\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	err := Build(t.Context(), m, "pulse-2", func(string) {})
	var tools *ToolchainError
	if !errors.As(err, &tools) || tools.Missing || !strings.Contains(tools.Output, "broken.go:3") {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := Build(t.Context(), m, "pulse-2", func(string) {}); !errors.As(err, &tools) || !tools.Missing {
		t.Errorf("got %v", err)
	}
}
