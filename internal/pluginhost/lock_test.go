package pluginhost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// tattler is a script that leaves a trace when it is executed.
const tattler = "#!/bin/sh\necho ran >> \"$0.ran\"\n"

func ran(path string) bool {
	_, err := os.Stat(path + ".ran")
	return err == nil
}

// TestLockRefuses: nothing that the lock does not name with this very digest is
// executed, not even to ask it what it is.
func TestLockRefuses(t *testing.T) {
	digest := strings.Repeat("0", 64)
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string, l *Lock)
		says  string
	}{
		{"not in it", func(t *testing.T, dir string, l *Lock) {
			delete(l.Plugins, "tattler")
			rewrite(t, dir, l)
		}, "it is not in the lock file"},
		{"another digest", func(t *testing.T, dir string, _ *Lock) {
			putFile(t, filepath.Join(dir, "dwmon-plugin-tattler"), tattler+"# changed\n", 0o755)
		}, "is not that of the lock file"},
		{"another platform only", func(t *testing.T, dir string, l *Lock) {
			l.Plugins["tattler"] = Locked{Files: map[string]LockedFile{"plan9/386": l.Plugins["tattler"].Files[Platform()]}}
			rewrite(t, dir, l)
		}, `has it for "plan9/386" only`},
		{"a file of the bundle", func(t *testing.T, dir string, _ *Lock) {
			putFile(t, filepath.Join(dir, "pager/rows.sh"), "#!/bin/sh\nevil\n", 0o755)
		}, "is not that of the lock file"},
		{"another bridge", func(t *testing.T, dir string, l *Lock) {
			f := l.Plugins["pager"].Files[AnyPlatform]
			f.Bridge = "python"
			l.Plugins["pager"].Files[AnyPlatform] = f
			rewrite(t, dir, l)
		}, `its bridge is exec, that of the lock file`},
		{"no JSON", lockText(`{"schema":1`), "unexpected end of JSON input"},
		{"empty", lockText(``), "end of JSON input"},
		{"another schema", lockText(`{"schema":2,"plugins":{}}`), "its schema is 2, this dwmon reads 1"},
		{"no schema", lockText(`{"plugins":{}}`), "its schema is 0"},
		{"an unknown key", lockText(`{"schema":1,"plugins":{},"plugin":{}}`), "unknown field"},
		{"a key twice", lockText(`{"schema":1,"plugins":{},"Plugins":{}}`), ".Plugins stands twice"},
		{"more behind it", lockText(`{"schema":1,"plugins":{}} {}`), "after top-level value"},
		{"no digest", lockText(`{"schema":1,"plugins":{"x":{"version":"","kinds":[],"protocol":1,"files":{"any":{"file":"x","sha256":"abc","size":1}}}}}`), `"abc" is no SHA-256`},
		{"a digest in capitals", lockText(`{"schema":1,"plugins":{"x":{"files":{"any":{"sha256":"` + strings.ToUpper(strings.Repeat("a", 64)) + `"}}}}}`), "is no SHA-256"},
		{"a bad name", lockText(`{"schema":1,"plugins":{"../x":{"files":{"any":{"sha256":"` + digest + `"}}}}}`), "no name of a plugin"},
		{"no files", lockText(`{"schema":1,"plugins":{"x":{}}}`), "plugin x has no files"},
		{"a folder", func(t *testing.T, dir string, _ *Lock) {
			os.Remove(filepath.Join(dir, LockFile))
			if err := os.Mkdir(filepath.Join(dir, LockFile), 0o755); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
		{"a link to nothing", func(t *testing.T, dir string, _ *Lock) {
			os.Remove(filepath.Join(dir, LockFile))
			symlink(t, "nowhere", filepath.Join(dir, LockFile))
		}, "no such file"},
		{"too large", lockText(strings.Repeat(" ", maxLockBytes+1)), "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "plugins")
			path := putFile(t, filepath.Join(dir, "dwmon-plugin-tattler"), tattler, 0o755)
			bridge := putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), tattler, 0o755)
			putBundle(t, dir, "pager")
			tt.spoil(t, dir, lockFolder(t, dir))
			r := newRig(t, Options{Dir: dir})
			ps, err := r.Plugins(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, p := range ps {
				if p.State == StateRejected && strings.Contains(p.Err, tt.says) {
					refused++
					if p.Refusal == nil || p.Refusal.Check != CheckLock || p.Refusal.Remedy == "" {
						t.Errorf("%s has no remedy: %+v", p.Name, p.Refusal)
					}
				}
			}
			whole := strings.Contains(tt.says, "lock file") || strings.Contains(tt.says, "has it") // one plugin's matter
			if refused == 0 || !whole && refused != 3 {
				t.Errorf("%d of %+v are refused with %q", refused, ps, tt.says)
			}
			if !whole && (ran(path) || ran(bridge)) {
				t.Error("a plugin was executed under a faulty lock file")
			}
			for _, p := range ps {
				if p.State != StateRejected {
					continue
				}
				if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: p.Name}), "rows 1"); err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("a refused plugin was called: %v", err)
				}
				if p.Name == "tattler" && ran(path) {
					t.Error("a refused plugin was executed")
				}
			}
		})
	}
}

func lockText(text string) func(*testing.T, string, *Lock) {
	return func(t *testing.T, dir string, _ *Lock) { putFile(t, filepath.Join(dir, LockFile), text, 0o644) }
}

func rewrite(t *testing.T, dir string, l *Lock) {
	t.Helper()
	if err := WriteLock(dir, l); err != nil {
		t.Fatal(err)
	}
}

// TestWriteLock: what is written is read back, and always written the same way.
func TestWriteLock(t *testing.T) {
	dir := t.TempDir()
	putBundle(t, dir, "pager")
	putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), "#!/bin/sh\n", 0o755)
	lockFolder(t, dir)
	path := filepath.Join(dir, LockFile)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ReadLock(dir)
	if err != nil || len(l.Plugins) != 2 || l.Plugins["pager"].Files[AnyPlatform].Bridge != "exec" {
		t.Fatalf("read back: %+v, %v", l, err)
	}
	rewrite(t, dir, l)
	if again, _ := os.ReadFile(path); string(again) != string(first) || !strings.HasSuffix(string(first), "}\n") {
		t.Errorf("written again:\n%s\nat first:\n%s", again, first)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("its mode is %v: %v", info.Mode(), err)
	}
	l.Plugins["broken"] = Locked{}
	if err := WriteLock(dir, l); err == nil {
		t.Error("a faulty lock was written")
	}
	if again, _ := os.ReadFile(path); string(again) != string(first) {
		t.Error("a lock that could not be written is half written")
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, ".*")); len(entries) > 0 {
		t.Errorf("left behind: %q", entries)
	}
	if l, err := ReadLock(t.TempDir()); l != nil || err != nil {
		t.Errorf("no lock file is %v, %v", l, err)
	}
}

// TestLockWhileRunning: a file that is replaced and not locked is refused, while the
// old process goes on; once that has ended nothing is started from it, and its work
// is still known to be its. Locked, it takes over.
func TestLockWhileRunning(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "good")
	lockFolder(t, dir)
	r := newRig(t, Options{Dir: dir}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	before, err := fetchKeys(t.Context(), g, "pid")
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, exe, filepath.Join(dir, "dwmon-plugin-good"), "not what was locked")
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	listed := func() Plugin {
		t.Helper()
		ps, err := r.Plugins(t.Context())
		if err != nil || len(ps) != 1 {
			t.Fatalf("plugins %+v, %v", ps, err)
		}
		return ps[0]
	}
	p := listed()
	if p.State != StateRejected || !strings.Contains(p.Err, "if you trust it, run `dwmon plugin lock good`") || !p.Serves(RowGetter) || len(p.Sources) != 1 {
		t.Errorf("the replaced plugin is %+v", p)
	}
	if len(p.Instances) != 1 || p.Instances[0].State != StateReady {
		t.Errorf("its instances are %+v", p.Instances)
	}
	if now, err := fetchKeys(t.Context(), g, "pid"); err != nil || now[0] != before[0] {
		t.Errorf("process %v, was %v: %v", now, before, err)
	}
	if _, err := fetchKeys(t.Context(), g, "crash 0"); err == nil {
		t.Fatal("it did not crash")
	}
	eventually(t, "the instance is refused", func() bool { return r.instance(InstanceSpec{Plugin: "good"}).info().State == StateRejected })
	_, err = fetchKeys(t.Context(), g, "pid")
	if err == nil || !strings.Contains(err.Error(), "is not that of the lock file") || dwmon.FaultOf(err) != dwmon.FaultSettings {
		t.Errorf("error %v", err)
	}
	if p := listed(); !p.Serves(RowGetter) {
		t.Errorf("its work is forgotten: %+v", p)
	}
	lockFolder(t, dir)
	if !r.Changed() {
		t.Error("a changed lock file was not noticed")
	}
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new file", func() bool { now, err := fetchKeys(t.Context(), g, "pid"); return err == nil && now[0] != before[0] })
}

// TestLockComesAndGoes: a lock file is obeyed from the next look on, and no longer
// when it is gone.
func TestLockComesAndGoes(t *testing.T) {
	r := newRig(t, Options{}, "good", "other")
	state := func(name string) State {
		t.Helper()
		if err := r.Rescan(); err != nil {
			t.Fatal(err)
		}
		p, _ := r.Plugin(t.Context(), name)
		return p.State
	}
	l := lockFolder(t, r.dir)
	delete(l.Plugins, "other")
	rewrite(t, r.dir, l)
	if a, b := state("good"), state("other"); a != StateVerified || b != StateRejected {
		t.Errorf("with a lock file: good is %s, other is %s", a, b)
	}
	if err := os.Remove(filepath.Join(r.dir, LockFile)); err != nil {
		t.Fatal(err)
	}
	if !r.Changed() {
		t.Error("that the lock file is gone was not noticed")
	}
	if a, b := state("good"), state("other"); a != StateVerified || b != StateVerified {
		t.Errorf("without: good is %s, other is %s", a, b)
	}
}

// TestChangedSinceLook: a program that is not what was looked at is not executed,
// though nothing that can be told without reading it has changed.
func TestChangedSinceLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	path := putFile(t, filepath.Join(dir, "dwmon-plugin-tattler"), tattler, 0o755)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Options{Dir: dir})
	if _, err := r.Plugin(t.Context(), "tattler"); err == nil || !ran(path) {
		t.Fatalf("a script that is no plugin: %v", err)
	}
	if err := os.Remove(path + ".ran"); err != nil {
		t.Fatal(err)
	}
	found := r.Found()[0]
	putFile(t, path, strings.Replace(tattler, "ran", "RAN", 1), 0o755)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if r.Changed() {
		t.Skip("this file system tells the change by itself")
	}
	_, err = r.startFound(t.Context(), found, launch{})
	if err == nil || !strings.Contains(err.Error(), "has changed since it was looked at") || ran(path) {
		t.Errorf("error %v", err)
	}
	if !r.Changed() {
		t.Error("it is not looked at again")
	}
}
