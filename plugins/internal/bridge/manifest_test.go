package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/pluginsdk"
)

type testManifest struct {
	Header
	Command []string `json:"command"`
	Nested  struct {
		Timeout pluginsdk.Duration `json:"timeout"`
	} `json:"nested"`
}

func manifestFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dwmon-plugin.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestManifest(t *testing.T) {
	m := testManifest{Command: []string{"default"}}
	if ok, err := LoadManifest("exec", &m); ok || err != nil {
		t.Fatalf("without the variable: %t, %v", ok, err)
	}
	path := manifestFile(t, `{"schema":1,"name":"pager","version":"0.2.0","summary":"pages","homepage":"https://example.com","bridge":"exec","sources":["a","b"],"default_on":"bad","nested":{"timeout":"10s"}}`)
	t.Setenv(ManifestEnv, path)
	if ok, err := LoadManifest("exec", &m); !ok || err != nil {
		t.Fatalf("%t, %v", ok, err)
	}
	if m.Dir() != filepath.Dir(path) || m.Command[0] != "default" || m.Nested.Timeout.String() != "10s" {
		t.Errorf("%+v", m)
	}
	var got pluginsdk.Plugin
	m.Identify(&got)
	want := pluginsdk.Plugin{
		Name: "pager", Version: "0.2.0", Summary: "pages", Homepage: "https://example.com",
		Sources: []string{"a", "b"}, DefaultOn: pluginsdk.OnBad,
	}
	if diff := cmp.Diff(want.Name+want.Version+want.Summary+want.Homepage+strings.Join(want.Sources, ",")+string(want.DefaultOn),
		got.Name+got.Version+got.Summary+got.Homepage+strings.Join(got.Sources, ",")+string(got.DefaultOn)); diff != "" {
		t.Error(diff)
	}
}

func TestManifestsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"schema":2,"name":"a","bridge":"exec"}`:                               `its schema is 2; this bridge knows 1`,
		`{"schema":1,"name":"a","bridge":"python"}`:                             `its bridge is "python", and this is "exec"`,
		`{"schema":1,"bridge":"exec"}`:                                          `setting "name" is missing`,
		`{"schema":1,"name":"a","bridge":"exec","comand":["x"]}`:                `"comand" is unknown; did you mean "command"?`,
		`{"schema":1,"name":"a","bridge":"exec","nested":{"x":1}}`:              `"nested.x" is unknown`,
		`{"schema":1,"name":"a","bridge":"exec","default_on":"always"}`:         `default_on is "always"; want every, bad or change`,
		`{"schema":1,"name":"a","bridge":"exec"`:                                "want a JSON object",
		`{"schema":"1","name":"a","bridge":"exec","nested":{"timeout":"soon"}}`: "want a whole number",
		``: "is missing",
	} {
		t.Setenv(ManifestEnv, manifestFile(t, text))
		ok, err := LoadManifest("exec", &testManifest{})
		if !ok || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "dwmon-plugin.json: ") {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	t.Setenv(ManifestEnv, manifestFile(t, `{"summary":"`+strings.Repeat("x", maxManifest)+`"}`))
	if _, err := LoadManifest("exec", &testManifest{}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
	t.Setenv(ManifestEnv, filepath.Join(t.TempDir(), "none.json"))
	if _, err := LoadManifest("exec", &testManifest{}); err == nil {
		t.Error("a file that is not there")
	}
	t.Setenv(ManifestEnv, "dwmon-plugin.json")
	if _, err := LoadManifest("exec", &testManifest{}); err == nil || !strings.Contains(err.Error(), "not absolute") {
		t.Error(err)
	}
}
