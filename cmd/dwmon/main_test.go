package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// shipped are the plugins that scripts run, built once as their users would.
var shipped = []string{"sqlite", "log", "retention"}

var pluginsDir string

func TestMain(m *testing.M) {
	testscript.Main(runner{m}, map[string]func(){
		"dwmon": main,
	})
}

// runner builds the plugins before the tests and removes them after.
type runner struct{ m *testing.M }

func (r runner) Run() int {
	dir, err := os.MkdirTemp("", "dwmon-plugins-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range shipped {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "dwmon-plugin-"+name), "github.com/dwmon/dwmon/plugins/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic("build plugin " + name + ": " + err.Error() + "\n" + string(out))
		}
	}
	pluginsDir = dir
	return r.m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("DWMON_PLUGINS", pluginsDir)
			env.Setenv("DWMON_TIMEZONE", "UTC")
			env.Setenv("DWMON_LISTEN", "off")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sql":    runSQL,
			"exits":  runExits,
			"append": runAppend,
		},
		UpdateScripts: os.Getenv("DWMON_UPDATE") != "",
	})
}
