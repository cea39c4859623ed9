//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// hostEnv makes the test's own binary a plugin process on a folder, with the
// interpreter that follows behind a colon.
const hostEnv = "DWMON_PYTHON_TEST_HOST"

func TestMain(m *testing.M) {
	if dir, python, ok := strings.Cut(os.Getenv(hostEnv), ":"); ok {
		p := &bridged{settings: settings{OrgDir: dir, Python: python, Details: detailsOriginal, Workers: 1}, kinds: kinds}
		if err := p.setup(context.Background()); err != nil {
			panic(err)
		}
		_ = rowGetter{p}.GetRows(context.Background(), pluginsdk.Query{Text: "q"}, &sink{})
		return
	}
	os.Exit(m.Run())
}

// TestNothingOutlivesThePlugin kills the plugin's process while a module waits for a
// program that it has started.
func TestNothingOutlivesThePlugin(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_getter.py": `
import os, subprocess
def get_rows_from_query(q):
    child = subprocess.Popen(["sleep", "300"])
    for name, pid in [("worker", os.getpid()), ("child", child.pid)]:
        with open(name, "w") as f:
            f.write("%d" % pid)
    child.wait()
`})
	plugin := exec.Command(os.Args[0])
	plugin.Env = append(os.Environ(), hostEnv+"="+dir+":"+interpreterUnderTest(t))
	if err := plugin.Start(); err != nil {
		t.Fatal(err)
	}
	worker, child := noted(t, filepath.Join(dir, "worker")), noted(t, filepath.Join(dir, "child"))
	if !alive(worker) || !alive(child) {
		t.Error("worker and child do not live")
	}
	if err := plugin.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = plugin.Wait()
	eventually(t, "the worker is gone", 5*time.Second, func() bool { return !alive(worker) })
	eventually(t, "the child is gone", 5*time.Second, func() bool { return !alive(child) })
}

func TestHealthLoadsWhatIsThere(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_getter.py": evaluator, "your_orgs_row_purger.py": "import no_such_thing\n"})
	if err := instance(t, dir, nil).health(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_thing") {
		t.Error(err)
	}
}

func TestSecretsAreBlottedOut(t *testing.T) {
	t.Setenv("DWMON_DB_PASSWORD", "open sesame")
	dir := org(t, map[string]string{"your_orgs_row_getter.py": "import os\ndef get_rows_from_query(q):\n    raise ValueError('cannot connect with ' + os.environ['DWMON_DB_PASSWORD'])\n"})
	if _, err := fetch(t, instance(t, dir, nil), "q"); err == nil || err.Error() != "ValueError: cannot connect with [redacted]" {
		t.Error(err)
	}
}
