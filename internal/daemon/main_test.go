package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/testdb"
)

// pluginsDir holds the shipped plugins, built once as their users would.
var pluginsDir string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		pluginhost.GuardMain()
		return
	}
	if strings.HasSuffix(os.Args[0], "dwmon-plugin-"+fakeName) {
		serveFake()
	}
	goleak.VerifyTestMain(testdb.Wrap(built{m}),
		goleak.IgnoreTopFunction("github.com/dwmon/dwmon/internal/pluginhost.init.func1.1"), // the thread that starts children is there to stay
		goleak.IgnoreTopFunction("github.com/dwmon/dwmon/internal/testdb.init.func1.1"))
}

type built struct{ m *testing.M }

func (b built) Run() int {
	dir, err := os.MkdirTemp("", "dwmon-plugins-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"sqlite", "postgres", "mysql", "log"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "dwmon-plugin-"+name), "github.com/dwmon/dwmon/plugins/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic("build plugin " + name + ": " + err.Error() + "\n" + string(out))
		}
	}
	pluginsDir = dir
	return b.m.Run()
}
