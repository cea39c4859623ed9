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

// pluginsDir holds them, plainDir the plugin of testdata/plain.
var pluginsDir, plainDir string

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
	pluginsDir, plainDir = filepath.Join(dir, "shipped"), filepath.Join(dir, "plain")
	for _, name := range shipped {
		build(pluginsDir, name, "github.com/dwmon/dwmon/plugins/"+name)
	}
	build(plainDir, "plain", "github.com/dwmon/dwmon/cmd/dwmon/testdata/plain")
	return r.m.Run()
}

func build(dir, name, pkg string) {
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "dwmon-plugin-"+name), pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic("build plugin " + name + ": " + err.Error() + "\n" + string(out))
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("DWMON_PLUGINS", pluginsDir)
			env.Setenv("PLAIN", plainDir)
			env.Setenv("DWMON_TIMEZONE", "UTC")
			env.Setenv("DWMON_LISTEN", "off")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sql":    runSQL,
			"exits":  runExits,
			"append": runAppend,
			"needs":  runNeeds,
		},
		UpdateScripts: os.Getenv("DWMON_UPDATE") != "",
	})
}
