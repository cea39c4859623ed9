package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Languages that there are templates for.
var Languages = []string{"go", "python", "shell"}

// Kinds of work, as authors call them.
var Kinds = []string{"getter", "handler", "purger"}

// Options say what to write.
type Options struct {
	// Name of the plugin.
	Name string
	// Kinds are of Kinds; at least one.
	Kinds []string
	// Lang is one of Languages.
	Lang string
	// Dir is the folder to make, which must not exist; empty: one named for the plugin
	// in the working directory.
	Dir string
	// SDK is the folder of dwmon's sources, for Go; empty: the SDK is Version's.
	SDK string
	// Version of dwmon, a semantic version without v.
	Version string
}

// Made is what was written.
type Made struct {
	// Dir is the folder, absolute.
	Dir string
	// Files are below it, by name, with slashes.
	Files []string

	sdk bool // go.mod names the SDK's sources
}

// InputError is a wish that cannot be fulfilled as it stands.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

func wrong(format string, args ...any) error { return &InputError{fmt.Errorf(format, args...)} }

//go:embed all:templates
var templates embed.FS

// file is one of those that a language's plugin consists of.
type file struct {
	// template is below the language's folder; path is a template itself.
	template, path string
	// kind is empty for what every plugin has.
	kind       string
	executable bool
}

var files = map[string][]file{
	"go": {
		{template: "go.mod.tmpl", path: "go.mod"},
		{template: "main.go.tmpl", path: "main.go"},
		{template: "getter.go.tmpl", path: "getter.go", kind: "getter"},
		{template: "handler.go.tmpl", path: "handler.go", kind: "handler"},
		{template: "purger.go.tmpl", path: "purger.go", kind: "purger"},
		{template: "main_test.go.tmpl", path: "main_test.go"},
		{template: "README.md.tmpl", path: "README.md"},
		{template: "dwmon.yaml.tmpl", path: "example/dwmon.yaml"},
		{template: "checker.dwmon.tmpl", path: "example/{{.Name}}.dwmon", kind: "getter"},
		{template: "gitignore.tmpl", path: ".gitignore"},
	},
	"python": {
		{template: "dwmon-plugin.json.tmpl", path: "dwmon-plugin.json"},
		{template: "init.py.tmpl", path: "your_org/__init__.py"},
		{template: "getter.py.tmpl", path: "your_org/your_orgs_row_getter.py", kind: "getter"},
		{template: "handler.py.tmpl", path: "your_org/your_orgs_check_handler.py", kind: "handler"},
		{template: "purger.py.tmpl", path: "your_org/your_orgs_row_purger.py", kind: "purger"},
		{template: "README.md.tmpl", path: "README.md"},
	},
	"shell": {
		{template: "dwmon-plugin.json.tmpl", path: "dwmon-plugin.json"},
		{template: "rows.sh.tmpl", path: "rows.sh", kind: "getter", executable: true},
		{template: "handle.sh.tmpl", path: "handle.sh", kind: "handler", executable: true},
		{template: "purge.sh.tmpl", path: "purge.sh", kind: "purger", executable: true},
		{template: "README.md.tmpl", path: "README.md"},
	},
}

// facts are what templates know.
type facts struct {
	Name, File, Env, Summary      string
	Getter, Handler, Purger, HTTP bool
	Go, SDKVersion, SDK           string
	Requires                      []moduleVersion
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)

// Make writes a plugin's folder: into one beside it, which then takes its name. On
// an error nothing is left behind. The error is an *InputError where the options are
// at fault.
func Make(o Options) (*Made, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	dir, err := o.target()
	if err != nil {
		return nil, err
	}
	f, err := o.facts()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, err
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(draft)
	made := &Made{Dir: dir}
	if err := made.write(draft, o, f); err != nil {
		return nil, err
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(draft, dir); err != nil {
		return nil, fmt.Errorf("put the finished folder in its place: %w", err)
	}
	return made, nil
}

// Check says what is wrong with the wishes, before anything is looked for or written.
func (o *Options) Check() error {
	switch {
	case !nameForm.MatchString(o.Name):
		return wrong("%q is no name of a plugin: want lower-case letters, digits and -, at most 39", o.Name)
	case files[o.Lang] == nil:
		return wrong("there is no template for the language %q; there are %s", o.Lang, strings.Join(Languages, ", "))
	case len(o.Kinds) == 0:
		return wrong("name at least one kind of work: %s", strings.Join(Kinds, ", "))
	}
	for _, k := range o.Kinds {
		if !slices.Contains(Kinds, k) {
			return wrong("there is no kind of work %q; there are %s", k, strings.Join(Kinds, ", "))
		}
	}
	return nil
}

// target is the folder to make.
func (o *Options) target() (string, error) {
	dir := o.Dir
	if dir == "" {
		dir = o.Name
		if o.Lang == "go" {
			dir = "dwmon-plugin-" + o.Name
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	switch _, err := os.Lstat(abs); {
	case err == nil:
		return "", wrong("%s is there already: nothing is overwritten; name another folder with --dir", abs)
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return abs, nil
}

func (o *Options) facts() (facts, error) {
	f := facts{
		Name: o.Name, File: "dwmon-plugin-" + o.Name, Env: strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_")),
		Getter: slices.Contains(o.Kinds, "getter"), Handler: slices.Contains(o.Kinds, "handler"), Purger: slices.Contains(o.Kinds, "purger"),
		SDK: o.SDK, SDKVersion: "v" + o.Version, Go: minimumGo,
	}
	if c := f.Env[0]; c >= '0' && c <= '9' {
		f.Env = "PLUGIN_" + f.Env
	}
	f.HTTP = f.Getter || f.Handler
	f.Summary = f.summary()
	if o.Lang != "go" {
		return f, nil
	}
	if o.SDK == "" {
		return f, nil
	}
	sdk, err := readSDK(o.SDK)
	if err != nil {
		return f, wrong("%w", err)
	}
	f.SDKVersion = "v0.0.0" // the replace has the last word
	f.SDK, f.Go, f.Requires = modPath(sdk.dir), sdk.goVersion, sdk.requires
	return f, nil
}

func (f *facts) summary() string {
	var words []string
	for _, k := range []struct {
		is   bool
		word string
	}{{f.Getter, "gets rows"}, {f.Handler, "handles check results"}, {f.Purger, "purges old rows"}} {
		if k.is {
			words = append(words, k.word)
		}
	}
	return strings.Join(words, ", ")
}

func (m *Made) write(draft string, o Options, f facts) error {
	for _, want := range files[o.Lang] {
		if want.kind != "" && !slices.Contains(o.Kinds, want.kind) {
			continue
		}
		path, err := fill("path", want.path, f)
		if err != nil {
			return err
		}
		text, err := templates.ReadFile("templates/" + o.Lang + "/" + want.template)
		if err != nil {
			return err
		}
		filled, err := fill(want.template, string(text), f)
		if err != nil {
			return err
		}
		if strings.HasSuffix(string(path), ".go") {
			if filled, err = format.Source(filled); err != nil {
				return fmt.Errorf("template %s: %w", want.template, err)
			}
		}
		if err := put(filepath.Join(draft, filepath.FromSlash(string(path))), filled, want.executable); err != nil {
			return err
		}
		m.Files = append(m.Files, string(path))
	}
	if o.Lang == "go" && o.SDK != "" {
		sums, err := os.ReadFile(filepath.Join(o.SDK, "go.sum"))
		if err != nil {
			return fmt.Errorf("the checksums of the SDK's own dependencies: %w", err)
		}
		m.Files, m.sdk = append(m.Files, "go.sum"), true
		return put(filepath.Join(draft, "go.sum"), sums, false)
	}
	return nil
}

// modPath writes a path as go.mod wants it: quoted where it holds more than words.
func modPath(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},") || strings.Contains(path, "//") {
		return strconv.Quote(path)
	}
	return path
}

func fill(name, text string, f facts) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func put(path string, text []byte, executable bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	return os.WriteFile(path, text, mode)
}
