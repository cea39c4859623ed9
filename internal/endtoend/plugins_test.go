package endtoend

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mute is a plugin that never says what it is.
const mute = "#!/bin/sh\nexec sleep 3600\n"

// program puts an executable text there.
func (w *world) program(name, text string) {
	w.Helper()
	w.write(name, text)
	if err := os.Chmod(w.path(name), 0o755); err != nil {
		w.Fatal(err)
	}
}

// firstCall is how long a plugin has to say what it is.
const firstCall = 10 * time.Second

// TestMutePluginHoldsUpNobody: a plugin that does not answer keeps neither the start
// of the daemon waiting nor the checkers whose getter the configuration names. Those
// that hang on what plugins claim wait until it is known who claims what, and are
// then judged by the one that does. The next start knows the plugin.
func TestMutePluginHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.program("plugins/dwmon-plugin-mute", mute)
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nsources:\n  NAMED: {getter: sqlite, settings: {dsn: \"sqlite:source.db\"}}\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)", "INSERT INTO events VALUES ('a', unixepoch())")
	const query = "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events"
	w.checker("named", query, every, "NAMED")
	w.checker("claimed", query, every, "sqlite:source.db")
	began := time.Now()
	s := w.start()
	s.up()
	if took := time.Since(began); took > firstCall-2*time.Second {
		t.Errorf("the start took %v", took)
	}
	w.await("the named checker is judged", func() bool { return w.status()["named"].State == "GOOD" })
	if took := time.Since(began); took > firstCall-time.Second {
		t.Errorf("the named checker was judged after %v", took)
	} else if c := w.status()["claimed"]; c.State == "GOOD" || c.State == "BAD" {
		t.Errorf("before the mute plugin is given up, the claimed checker is %+v", c)
	}
	w.await("the claimed checker is judged", func() bool { return w.status()["claimed"].State == "GOOD" })
	s.stop()

	// Now it is known: another start has no reason to wait.
	began = time.Now()
	s = w.start()
	s.up()
	w.await("the list says so at once", func() bool {
		return inOrder(rowOf(w.want(0, "plugin", "list").out, "mute"), "BROKEN", "did not say anything on standard output", "nobody waits for it now")
	})
	if took := time.Since(began); took > firstCall-2*time.Second {
		t.Errorf("with a plugin that is known to be broken the start took %v", took)
	}
	s.stop()
	began = time.Now()
	w.want(0, "once")
	if took := time.Since(began); took > firstCall-2*time.Second {
		t.Errorf("with a plugin that is known to be broken, once took %v", took)
	}
	for _, e := range w.history() {
		if e.Status != "GOOD" {
			t.Errorf("a verdict of a healthy source: %+v", e)
		}
	}
}

// TestOnceWaitsForClaims: once does not know less than a daemon does after a while.
func TestOnceWaitsForClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	// It claims the same, but takes its time to say so.
	w.program("plugins/dwmon-plugin-told", "#!/bin/sh\nsleep 3\nexec "+w.path("slow/dwmon-plugin-told")+"\n")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	install(t, exe, w.path("slow/dwmon-plugin-told"))
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.checker("slow", `{"rows":[]}`, every, "told")
	out := w.want(0, "once").out
	if row := rowOf(out, "slow"); strings.Contains(row, "UNKNOWN") {
		t.Errorf("once did not wait: %s", out)
	}
}

// TestReplacedBinaryIsRefused: under a lock file a replaced plugin is not executed by
// a running daemon; the old process goes on; and locked anew it takes over.
func TestReplacedBinaryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)", "INSERT INTO events VALUES ('a', unixepoch())")
	w.checker("one", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db")
	w.want(0, "plugin", "lock")
	s := w.start("--strict")
	s.up()
	w.await("the checker is judged", func() bool { return w.status()["one"].State == "GOOD" })
	if copies, _ := filepath.Glob(w.path("plugin-cache/*/dwmon-plugin-sqlite")); len(copies) != 1 {
		t.Errorf("private copies: %q", copies)
	}
	evil := "#!/bin/sh\ntouch " + w.path("executed") + "\nsleep 60\n"
	w.program("plugins/dwmon-plugin-sqlite", evil)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.await("the list shows it", func() bool {
		row := rowOf(w.want(0, "plugin", "list").out, "sqlite")
		return inOrder(row, "REJECTED", "is not that of the lock file", "dwmon plugin lock sqlite")
	})
	settled := func() int64 { return *w.status()["one"].Settled }
	before := settled()
	w.await("the old process goes on", func() bool { return settled() > before })
	if c := w.status()["one"]; c.State != "GOOD" {
		t.Errorf("the checker is %+v", c)
	}
	if _, err := os.Stat(w.path("executed")); err == nil {
		t.Error("the replaced file was executed")
	}
	s.stop()
	o := w.once(1, time.Now().Add(5*time.Minute), "--strict", "--force")
	if !strings.Contains(o.out, "UNKNOWN") || !strings.Contains(o.out, "REJECTED") {
		t.Errorf("once: %s", o)
	}
	if _, err := os.Stat(w.path("executed")); err == nil {
		t.Error("the replaced file was executed by once")
	}
}

// readOnly makes a folder read-only, whatever its modes say.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	for _, flags := range []uintptr{syscall.MS_BIND, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY} {
		if err := syscall.Mount(dir, dir, "", flags, ""); err != nil {
			if everything() {
				t.Fatalf("a folder must be mounted read-only: %v", err)
			}
			t.Skipf("NOT TESTED: read-only folders, for want of the right to mount them: %v", err)
		}
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// TestVerifyOnReadOnlyFolders: `plugin verify` needs to write neither to the plugins
// folder nor to the working directory nor beside the database.
func TestVerifyOnReadOnlyFolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	tmp := t.TempDir()
	w.checker("one", "SELECT 1", every, "sqlite:source.db")
	w.want(0, "plugin", "lock")
	readOnly(t, w.dir)
	if err := os.WriteFile(w.path("probe"), nil, 0o600); err == nil {
		t.Fatal("the folder can be written: this test would prove nothing")
	}
	for _, args := range [][]string{nil, {"--strict"}, {"--strict", "--json"}, {"sqlite"}} {
		cmd := w.command(append([]string{"plugin", "verify"}, args...)...)
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "read-only") {
			t.Errorf("verify %q: %v\n%s", args, err, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestVerifyKeepsSecrets: neither what verify says nor the lock file holds a secret,
// whoever refuses it.
func TestVerifyKeepsSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log", "refused")
	const first, second = "tr0ub4dor&3", "c0rrect-h0rse"
	w.write("password", first+"\n")
	w.write("dwmon.yaml", `timezone: UTC
listen: "off"
sources:
  PAYROLL: {getter: refused, settings: {password: "${file:password}"}}
  OTHER: {getter: refused, settings: {passwort: "${SECOND}"}}
`)
	w.checker("one", "SELECT 1", every, "PAYROLL")
	w.checker("two", "SELECT 1", every, "OTHER")
	run := func(args ...string) (string, int) {
		cmd := w.command(args...)
		cmd.Env = append(cmd.Env, "SECOND="+second)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	locked, code := run("plugin", "lock", "--log-level", "debug")
	if code != 0 {
		t.Fatalf("lock: %s", locked)
	}
	text, code := run("plugin", "verify", "--log-level", "debug")
	if code != 1 || !inOrder(text, "refused", "settings", "source OTHER: plugin refused refuses its settings", "passwort") || !strings.Contains(text, "source PAYROLL: accepted") {
		t.Errorf("verify: exit %d\n%s", code, text)
	}
	object, _ := run("plugin", "verify", "--json")
	var finding struct{ Result string }
	if err := json.Unmarshal([]byte(strings.SplitN(object, "\n", 2)[0]), &finding); err != nil || finding.Result == "" {
		t.Errorf("verify --json: %v in %s", err, object)
	}
	list, _ := run("plugin", "list", "--json", "--log-level", "debug")
	once, _ := run("once", "--log-level", "debug")
	for what, shown := range map[string]string{
		"lock": locked, "verify": text, "verify --json": object, "list": list, "once": once, "the lock file": w.read("plugins/dwmon-plugins.lock.json"),
	} {
		for _, secret := range []string{first, second} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s shows a secret:\n%s", what, shown)
			}
		}
	}
}
