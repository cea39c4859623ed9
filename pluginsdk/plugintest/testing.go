package plugintest

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Run tries the cases on a plugin within the test's process, one subtest each. No
// other test should run beside it: one that starts goroutines of the plugin's is
// counted as a leak.
func Run(t *testing.T, p pluginsdk.Plugin, o Options) {
	t.Helper()
	run(t, InProcess(p), o)
}

// Binary tries the cases on a built plugin, one subtest each. No other test should
// run beside it: what that opens is counted as a leak at the host.
func Binary(t *testing.T, path string, o Options) {
	t.Helper()
	run(t, Executable(path), o)
}

// Build builds the package in the current folder, which for a test is its own, as
// dwmon-plugin-NAME in a temporary folder, and returns its path.
func Build(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), pluginsdk.FilePrefix+name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	return path
}

func run(t *testing.T, target Target, o Options) {
	t.Helper()
	err := Check(t.Context(), target, o, func(r Result) {
		t.Run(fmt.Sprintf("%02d-%s", r.ID, r.Name), func(t *testing.T) {
			switch r.Status {
			case Pass:
				t.Logf("%s (%v)", cmp.Or(r.Detail, "as it should be"), r.Took.Round(time.Millisecond))
			case Skip:
				t.Skip(r.Detail)
			default:
				t.Error(r.Detail)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
