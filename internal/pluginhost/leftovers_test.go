//go:build linux

package pluginhost

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"testing"
)

// TestLeftoversTellTheLivingFromTheDead: a run file's process is alive only if it is the
// very one, whatever has its number by now.
func TestLeftoversTellTheLivingFromTheDead(t *testing.T) {
	base, err := os.MkdirTemp("", "left")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	d, err := openRunDir(base, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	if err := d.record("sleeper", sleeper.Process.Pid, "/bin/sleep"); err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(runFile{Pid: os.Getpid(), Start: "1", Boot: bootID(), Exe: "/bin/other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.file("other", os.Getpid()), other, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Leftovers(base)
	if err != nil || len(found) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	for _, l := range found {
		if want := l.Exe == "/bin/sleep"; l.Alive != want {
			t.Errorf("%+v", l)
		}
	}
}
