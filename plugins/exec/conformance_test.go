//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// rowsScript is a bundle's row getter: QUERY is what it does.
const rowsScript = `#!/bin/sh
case $DWMON_QUERY in
many) exec awk 'BEGIN { for (i = 0; i < 120000; i++) printf "key-%d\t%d\n", i, 1780000000 + i }' ;;
slow) printf 'a\t1780000000\n'; sleep 30; printf 'b\t1780000001\n' ;;
print) awk 'BEGIN { for (i = 0; i < 16384; i++) print "a line of sixty-four bytes that is for people, and not for dwmon" }' >&2; printf 'a\t1780000000\n' ;;
*) printf 'a\t1780000000\nb\t1780000001\n' ;;
esac
`

const oldScript = "#!/bin/sh\necho 1340000000\n"

// workerScript is the same as a program that lives.
const workerScript = `#!/bin/sh
while IFS= read -r line; do
	id=${line#'{"id":'}; id=${id%%,*}
	case $line in
	*get_rows*slow*) sleep 30; echo '{"id":'$id',"done":true,"count":0}' ;;
	*get_rows*many*) awk -v id=$id 'BEGIN { for (i = 0; i < 120; i++) {
		k = t = ""; for (j = 0; j < 1000; j++) { s = j ? "," : ""; k = k s "\"key-" (i * 1000 + j) "\""; t = t s "1780000000000000" }
		print "{\"id\":" id ",\"keys\":[" k "],\"ts\":[" t "]}" }
		print "{\"id\":" id ",\"done\":true,\"count\":120000}" }' ;;
	*get_rows*) echo '{"id":'$id',"keys":["a"],"ts":[1780000000000000]}'; echo '{"id":'$id',"done":true,"count":1}' ;;
	*) echo '{"id":'$id',"ok":true}' ;;
	esac
done
`

// bundle writes a bundle with all three kinds of work.
func bundle(t *testing.T, name string, work func(command string) map[string]any) (manifest string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, dir, "rows.sh", rowsScript)
	script(t, dir, "page.sh", "#!/bin/sh\ncat > /dev/null\n")
	script(t, dir, "old.sh", oldScript)
	script(t, dir, "worker.sh", workerScript)
	return writeManifest(t, dir, map[string]any{
		"schema": 1, "name": name, "version": "1.2.3", "summary": "for the conformance kit", "bridge": "exec",
		"kinds": map[string]any{"row_getter": work("./rows.sh"), "check_handler": work("./page.sh"), "purger": work("./old.sh")},
	})
}

func writeManifest(t *testing.T, dir string, v any) (path string) {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "dwmon-plugin.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConformance tries the kit on the built bridge with bundles, of programs that
// run once and of one that lives, and without one.
func TestConformance(t *testing.T) {
	path := plugintest.Build(t, "exec")
	once := func(command string) map[string]any { return map[string]any{"command": []string{command}} }
	lives := func(string) map[string]any {
		return map[string]any{"command": []string{"./worker.sh"}, "persistent": true, "workers": 8}
	}
	t.Run("Once", func(t *testing.T) {
		plugintest.Binary(t, path, plugintest.Options{
			Manifest: bundle(t, "shell", once), Query: "few", ManyRows: "many", SlowQuery: "slow", PrintQuery: "print",
		})
	})
	t.Run("Persistent", func(t *testing.T) {
		plugintest.Binary(t, path, plugintest.Options{Manifest: bundle(t, "living", lives), Query: "few", ManyRows: "many", SlowQuery: "slow"})
	})
	t.Run("Settings", func(t *testing.T) {
		dir := t.TempDir()
		script(t, dir, "rows.sh", rowsScript)
		work := map[string]any{"command": []string{filepath.Join(dir, "rows.sh")}}
		plugintest.Binary(t, path, plugintest.Options{
			Settings: map[string]any{"kinds": map[string]any{"row_getter": work, "check_handler": work, "purger": map[string]any{"command": []string{"true"}}}},
			Query:    "few", SlowQuery: "slow",
		})
	})
}

// TestManifest: what a bundle says of itself, and what is wrong with one that will
// not do.
func TestManifest(t *testing.T) {
	path := plugintest.Build(t, "exec")
	good := func() map[string]any {
		return map[string]any{
			"schema": 1, "name": "pager", "version": "0.1.0", "summary": "pages", "bridge": "exec", "sources": []string{"PAGES"}, "default_on": "change",
			"kinds": map[string]any{"check_handler": map[string]any{"command": []string{"./page.sh"}, "timeout": "10s"}},
			"settings": map[string]any{
				"url":     map[string]any{"required": true, "doc": "where \"alerts\" go"},
				"token":   map[string]any{"secret": true, "env": "PAGER_TOKEN", "type": "string"},
				"retries": map[string]any{"type": "integer", "default": 3}, "fast": map[string]any{"type": "boolean"},
				"ratio": map[string]any{"type": "number"}, "people": map[string]any{"type": "array"}, "more": map[string]any{"type": "object"},
			},
		}
	}
	describe := func(manifest string) (string, error) {
		cmd := exec.Command(path, "describe", "--json")
		cmd.Env = append(os.Environ(), bridge.ManifestEnv+"="+manifest)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	out, err := describe(writeManifest(t, dir, good()))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	v := mustJSON(t, out)
	schema, _ := json.Marshal(v["settings_schema"])
	for _, want := range []string{`"required":["url"]`, `"where \"alerts\" go"`, `"writeOnly":true`, `"retries":{"default":3,"type":"integer"}`, `"people":{"items":{},"type":"array"}`} {
		if !strings.Contains(string(schema), want) {
			t.Errorf("the schema does not hold %s: %s", want, schema)
		}
	}
	if v["name"] != "pager" || v["version"] != "0.1.0" || v["default_on"] != "change" || len(v["kinds"].([]any)) != 1 || v["kinds"].([]any)[0] != "check_handler" {
		t.Errorf("it describes itself as %s", out)
	}
	for name, c := range map[string]struct {
		change func(m map[string]any)
		says   string
	}{
		"an unknown member":      {func(m map[string]any) { m["kind"] = 1 }, `did you mean "kinds"?`},
		"an unknown kind":        {func(m map[string]any) { m["kinds"] = map[string]any{"handler": 1} }, "there are row_getter, check_handler, purger"},
		"no kind":                {func(m map[string]any) { m["kinds"] = map[string]any{} }, "kinds is empty"},
		"no command":             {func(m map[string]any) { m["kinds"] = map[string]any{"purger": map[string]any{}} }, `"kinds.purger.command" is missing`},
		"a command line":         {func(m map[string]any) { m["kinds"] = map[string]any{"purger": map[string]any{"command": "rm -rf x"}} }, "want a list"},
		"another bridge":         {func(m map[string]any) { m["bridge"] = "python" }, "python"},
		"a later form":           {func(m map[string]any) { m["schema"] = 2 }, "its schema is 2"},
		"a setting of no type":   {func(m map[string]any) { m["settings"] = map[string]any{"a": map[string]any{"type": "text"}} }, `settings.a: type is "text"; want string`},
		"a setting without name": {func(m map[string]any) { m["settings"] = map[string]any{"a b": map[string]any{}} }, `"a b" is no name`},
		"a default of another type": {func(m map[string]any) {
			m["settings"] = map[string]any{"a": map[string]any{"type": "integer", "default": "three"}}
		}, "settings.a: its default is of another type"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good()
			c.change(m)
			file := writeManifest(t, t.TempDir(), m)
			out, err := describe(file)
			if err == nil || !strings.Contains(out, c.says) || !strings.Contains(out, file) {
				t.Errorf("%v: it says %q, want %q", err, out, c.says)
			}
		})
	}
}
