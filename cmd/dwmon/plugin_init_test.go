package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/daemon"
)

// TestInitWithoutGo: the files stay, and what is missing is a fault of the
// surroundings.
func TestInitWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "pulse")
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs([]string{"plugin", "init", "pulse", "--sdk", filepath.Join("..", ".."), "--dir", dir})
	err := root.ExecuteContext(t.Context())
	if env := new(*daemon.EnvironmentError); !errors.As(err, env) || !strings.Contains(err.Error(), "there is no Go on this machine") {
		t.Errorf("got %v\n%s", err, out.String())
	}
	for _, file := range []string{"main.go", "getter.go", "main_test.go", "go.mod", "go.sum", "example/pulse.dwmon"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "handler.go")); err == nil {
		t.Error("there is a handler, and none was asked for")
	}
}
