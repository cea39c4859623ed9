package editors

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"

	"github.com/dwmon/dwmon/internal/golden"
)

const extension = "../../docs/editors/vscode"

// node runs a script, or skips the test loudly where that cannot be done.
func node(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node is missing: install nodejs")
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args[0], err, complaint.String())
	}
	return string(out)
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// modules are where `make editors` installs VS Code's own libraries.
func modules(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.tools/editors/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vscode-textmate", "vscode-oniguruma", "tm-grammars"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			missing(t, name+" is missing: run make editors")
		}
	}
	return dir
}

func TestColoursOfTheSampleChecks(t *testing.T) {
	dir := modules(t)
	samples, err := filepath.Glob("../../checks/*.dwmon*")
	if err != nil || len(samples) < 5 {
		t.Fatalf("the samples are gone: %v", err)
	}
	for _, path := range append(samples, "testdata/faults.dwmon") {
		if strings.HasSuffix(path, ".yaml") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := node(t, "testdata/tokens.js", dir, extension+"/syntaxes/dwmon.tmLanguage.json", path)
			golden.Compare(t, filepath.Join("testdata", filepath.Base(path)+".colours"), got)
			if strings.HasPrefix(path, "testdata") {
				return
			}
			if strings.Contains(got, "invalid.illegal") {
				t.Error("something in a good file is coloured as wrong")
			}
		})
	}
}

func TestColoursInVim(t *testing.T) {
	nvim, err := exec.LookPath("nvim")
	if err != nil {
		missing(t, "nvim is missing: install neovim")
	}
	cmd := exec.CommandContext(t.Context(), nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile testdata/colours.lua", "-c", "qa!")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH=/nowhere")
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/faults.dwmon.vim", string(got))
}

func TestTheGrammarKnowsEveryTokenAndMarker(t *testing.T) {
	text, err := os.ReadFile(extension + "/syntaxes/dwmon.tmLanguage.json")
	if err != nil {
		t.Fatal(err)
	}
	vim, err := os.ReadFile("../../docs/editors/vim/syntax/dwmon.vim")
	if err != nil {
		t.Fatal(err)
	}
	var grammar any
	if err := json.Unmarshal(text, &grammar); err != nil {
		t.Fatal(err)
	}
	for _, name := range checkfile.TokenNames() {
		if !strings.Contains(string(text), name) || !strings.Contains(string(vim), name) {
			t.Errorf("a grammar does not know the token %s", name)
		}
	}
	markers, _ := checkfile.Markers()
	for _, mark := range markers {
		if n := strings.Count(string(text), "("+mark+")"); n != 1 {
			t.Errorf("%d sections of the grammar begin with %s", n, mark)
		}
	}
	if all := strings.Join(markers, "|"); !strings.Contains(string(text), strings.ReplaceAll(strings.ReplaceAll(all, "__|__", "|"), "__", "")) {
		t.Errorf("no section of the grammar ends at one of %s", all)
	}
	for _, day := range dwmon.DayNames {
		if !strings.Contains(string(text), day) {
			t.Errorf("the grammar does not know the day %s", day)
		}
	}
}

func TestTheExtensionStartsTheServer(t *testing.T) {
	path, err := filepath.Abs(extension + "/extension.js")
	if err != nil {
		t.Fatal(err)
	}
	const want = `["dwmon","dwmon",{"command":"/opt/dwmon","args":["lsp","--config","/etc/dwmon.yaml"],"transport":0},` +
		`{"documentSelector":[{"language":"dwmon"},{"scheme":"file","pattern":"**/dwmon.yaml"},{"scheme":"file","pattern":"**/*.dwmontest.yaml"}]}]` +
		"\nstarted\nstopped\n"
	if got := node(t, "testdata/extension.js", path); got != want {
		t.Errorf("the extension asks for\n%s\nnot\n%s", got, want)
	}
}

func TestTheExtensionNamesFilesThatAreThere(t *testing.T) {
	text, err := os.ReadFile(extension + "/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Main        string
		Contributes struct {
			Languages []struct{ Configuration string }
			Grammars  []struct {
				ScopeName, Path   string
				EmbeddedLanguages map[string]string
			}
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Contributes.Languages) != 1 || len(manifest.Contributes.Grammars) != 1 {
		t.Fatalf("the manifest is not as this test reads it: %+v", manifest)
	}
	grammar := manifest.Contributes.Grammars[0]
	for _, path := range []string{manifest.Main, manifest.Contributes.Languages[0].Configuration, grammar.Path} {
		if _, err := os.Stat(filepath.Join(extension, path)); err != nil {
			t.Error(err)
		}
	}
	rules, err := os.ReadFile(filepath.Join(extension, grammar.Path))
	if err != nil {
		t.Fatal(err)
	}
	for scope := range grammar.EmbeddedLanguages {
		if !strings.Contains(string(rules), `"contentName": "`+scope+`"`) {
			t.Errorf("the grammar embeds nothing as %s", scope)
		}
	}
	configuration, err := os.ReadFile(filepath.Join(extension, manifest.Contributes.Languages[0].Configuration))
	if err != nil || !json.Valid(configuration) {
		t.Errorf("the language's configuration is no JSON: %v", err)
	}
}
