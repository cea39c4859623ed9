package endtoend

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// shipped are the plugins that are built as their users build them.
var shipped = []string{"sqlite", "log", "retention"}

// programs is the folder of dwmon and the shipped plugins, built once.
var programs string

// TestMain makes the test binary act as every plugin of ours, which it knows by
// the name that it was linked under; else it builds dwmon and runs the tests.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix); ok {
		serveFixture(name)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dwmon-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	packages := map[string]string{"dwmon": "cmd/dwmon"}
	for _, name := range shipped {
		packages[pluginsdk.FilePrefix+name] = "plugins/" + name
	}
	for file, path := range packages {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, file), "github.com/dwmon/dwmon/"+path)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", path, err, out)
			return 1
		}
	}
	programs = dir
	// Most of these tests wait for the next minute most of the time: more of them
	// than there are cores may do so side by side.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// everything says that all tests are to run at length.
func everything() bool { return os.Getenv("DWMON_TEST_ALL") == "1" }

// install puts a program into a folder under a name of its own, so that each test
// knows its processes by the path of their executable.
func install(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Link(from, to) == nil {
		return
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
