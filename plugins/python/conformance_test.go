package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// obliging are modules that do what the conformance kit asks for.
var obliging = map[string]string{
	"your_orgs_row_getter.py": `
import os, sys, time
def get_rows_from_query(query_details):
    words = query_details["query"].split()
    if words[0] == "sleep":
        time.sleep(float(words[1]))
    if words[0] == "print":
        for _ in range(1100):
            print("x" * 1000)
            sys.stderr.write("y" * 1000 + "\n")
            os.write(1, b"z" * 1000 + b"\n")
    return ((i, 1764000000 + i / 10.0) for i in range(int(words[1])))
`,
	"your_orgs_check_handler.py": "def handle_check(details, extra):\n    print(details)\n",
	"your_orgs_row_purger.py":    "import time\ndef identify_old(checker_name, extra):\n    return {'delete_older_than_epoch': time.time() - 5 * 86400}\n",
}

func conformance(python string) plugintest.Options {
	return plugintest.Options{Query: "rows 10", ManyRows: "rows 100000", SlowQuery: "sleep 60", PrintQuery: "print 10", Source: "AWS"}
}

func TestConformance(t *testing.T) {
	python := interpreterUnderTest(t)
	o := conformance(python)
	o.Settings = map[string]any{"org_dir": org(t, obliging), "python": python}
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	plugintest.Binary(t, plugintest.Build(t, "python"), o)
}

func TestConformanceOfABundle(t *testing.T) {
	python := interpreterUnderTest(t)
	dir := org(t, obliging)
	o := conformance(python)
	o.Manifest = filepath.Join(dir, "dwmon-plugin.json")
	text := `{"schema":1,"name":"ours","version":"0.2.0","summary":"our own","bridge":"python","python":"` + python + `"}`
	if err := os.WriteFile(o.Manifest, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	plugintest.Binary(t, plugintest.Build(t, "python"), o)
}
