package pluginhost

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// strictDir is a folder that nobody else may write, with the plugin good in it.
func strictDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "good")
	os.Remove(filepath.Join(dir, "dwmon-plugin-good"))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, exe, filepath.Join(dir, "dwmon-plugin-good"), "")
	for _, at := range []string{filepath.Join(dir, "dwmon-plugin-good"), dir, filepath.Dir(dir)} {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestStrictRefuses: what others may write is not run, and what to do is said.
func TestStrictRefuses(t *testing.T) {
	asRoot := os.Getuid() == 0
	tests := []struct {
		name  string
		root  bool
		spoil func(dir, plugin, bundle string) error
		who   []string // refused
		says  string
	}{
		{name: "nothing", spoil: func(string, string, string) error { return nil }},
		{name: "no lock file", spoil: func(dir, _, _ string) error { return os.Remove(filepath.Join(dir, LockFile)) }, who: []string{"good", "exec", "pager"}, says: "which strict mode demands"},
		{name: "everybody may write the plugin", spoil: func(_, p, _ string) error { return os.Chmod(p, 0o757) }, who: []string{"good"}, says: "may be written by everybody (mode -rwxr-xrwx): chmod go-w it"},
		{name: "its group may write the plugin", spoil: func(_, p, _ string) error { return os.Chmod(p, 0o775) }, who: []string{"good"}, says: "may be written by its group"},
		{name: "the folder", spoil: func(d, _, _ string) error { return os.Chmod(d, 0o775) }, who: []string{"good", "exec", "pager"}, says: "may be written by its group"},
		{name: "the folder, sticky", spoil: func(d, _, _ string) error { return os.Chmod(d, 0o777|os.ModeSticky) }, who: []string{"good", "exec", "pager"}, says: "may be written by everybody"},
		{name: "a folder above", spoil: func(d, _, _ string) error { return os.Chmod(filepath.Dir(d), 0o777) }, who: []string{"good", "exec", "pager"}, says: "may be written by everybody"},
		{name: "a folder above, sticky: as /tmp is", spoil: func(d, _, _ string) error { return os.Chmod(filepath.Dir(d), 0o777|os.ModeSticky) }},
		{name: "the sidecar", spoil: func(d, _, _ string) error { return os.Chmod(filepath.Join(d, "good.json"), 0o666) }, who: []string{"good"}, says: "good.json may be written by everybody"},
		{name: "the lock file", spoil: func(d, _, _ string) error { return os.Chmod(filepath.Join(d, LockFile), 0o664) }, who: []string{"good", "exec", "pager"}, says: "may be written by its group"},
		{name: "a file of a bundle", spoil: func(_, _, b string) error { return os.Chmod(filepath.Join(b, "lib/rows.sh"), 0o777) }, who: []string{"pager"}, says: "may be written by everybody"},
		{name: "a folder of a bundle", spoil: func(_, _, b string) error { return os.Chmod(filepath.Join(b, "lib"), 0o777) }, who: []string{"pager"}, says: "may be written by everybody"},
		{name: "the bridge", spoil: func(d, _, _ string) error { return os.Chmod(filepath.Join(d, "dwmon-plugin-exec"), 0o777) }, who: []string{"exec", "pager"}, says: "may be written by everybody"},
		{name: "a stranger's plugin", root: true, spoil: func(_, p, _ string) error { return os.Chown(p, 12345, 0) }, who: []string{"good"}, says: "belongs to uid 12345, who may write it: chown it to root"},
		{name: "a stranger's folder", root: true, spoil: func(d, _, _ string) error { return os.Chown(d, 12345, 0) }, who: []string{"good", "exec", "pager"}, says: "belongs to uid 12345"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && !asRoot {
				if os.Getenv("DWMON_TEST_ALL") == "1" {
					t.Fatal("only root can give files away: run the tests as root once")
				}
				t.Skip("NOT TESTED: only root can give files away")
			}
			dir := strictDir(t)
			plugin := filepath.Join(dir, "dwmon-plugin-good")
			bundle := putBundle(t, dir, "pager")
			putFile(t, filepath.Join(bundle, "lib/rows.sh"), "#!/bin/sh\n", 0o755)
			putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), "#!/bin/sh\n", 0o755)
			putFile(t, filepath.Join(dir, "good.json"), "{}", 0o644)
			lockFolder(t, dir)
			if err := tt.spoil(dir, plugin, bundle); err != nil {
				t.Fatal(err)
			}
			found, err := Folder{Dir: dir, Strict: true}.Discover()
			if err != nil || len(found) != 3 {
				t.Fatalf("found %+v, %v", found, err)
			}
			refused := ""
			for _, f := range found {
				if f.Err == nil {
					continue
				}
				refused += " " + f.Name
				if !strings.Contains(f.Err.Error(), tt.says) {
					t.Errorf("%s: %v, want %q", f.Name, f.Err, tt.says)
				}
			}
			for _, name := range tt.who {
				if !strings.Contains(refused, " "+name) {
					t.Errorf("%s was not refused", name)
				}
			}
			if n := len(strings.Fields(refused)); n != len(tt.who) {
				t.Errorf("refused are%s, want %v", refused, tt.who)
			}
			// Without strict mode it is at most a warning.
			found, _ = Folder{Dir: dir}.Discover()
			for _, f := range found {
				if f.Err != nil {
					t.Errorf("without strict mode: %s: %v", f.Name, f.Err)
				}
			}
		})
	}
}

// exeOf is the file that a process executes.
func exeOf(t *testing.T, pid string) string {
	t.Helper()
	exe, err := os.Readlink("/proc/" + pid + "/exe")
	if err != nil {
		t.Skip("NOT TESTED: there is no /proc here")
	}
	return exe
}

// TestPrivateCopies: strict mode executes copies that nobody else may enter, checks
// them before each start, mends them, and removes those that nobody wants any more.
func TestPrivateCopies(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := strictDir(t)
	install(t, dir, "exec")
	os.Remove(filepath.Join(dir, "dwmon-plugin-exec"))
	copyFile(t, exe, filepath.Join(dir, "dwmon-plugin-exec"), "bridge")
	bundle := putBundle(t, dir, "pager")
	symlink(t, "rows.sh", filepath.Join(bundle, "again.sh"))
	l := lockFolder(t, dir)
	cache := filepath.Join(t.TempDir(), "plugin-cache")
	r := newRig(t, Options{Dir: dir, Strict: true, CacheDir: cache})
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	pid, err := fetchKeys(t.Context(), g, "pid")
	if err != nil {
		t.Fatal(err)
	}
	first := l.Plugins["good"].Files[Platform()].SHA256
	copied := filepath.Join(cache, first, "dwmon-plugin-good")
	if got := exeOf(t, pid[0]); got != copied {
		t.Errorf("it executes %s, want %s", got, copied)
	}
	for path, want := range map[string]os.FileMode{copied: 0o500, filepath.Dir(copied): 0o700, cache: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}

	// A bundle is copied as a whole, and told of the copy.
	p := r.RowGetter(InstanceSpec{Plugin: "pager"})
	env, err := fetchKeys(t.Context(), p, "env")
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(cache, l.Plugins["pager"].Files[AnyPlatform].SHA256, "pager")
	if !strings.Contains(strings.Join(env, "\n")+"\n", ManifestEnv+"="+filepath.Join(tree, ManifestFile)+"\n") {
		t.Errorf("the bridge's environment is %q", env)
	}
	if t1, err := readTree(tree, nil); err != nil || t1.digest() != l.Plugins["pager"].Files[AnyPlatform].SHA256 {
		t.Errorf("the copy of the bundle: %v", err)
	}

	// A copy that somebody has changed is mended before it is executed again.
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	putFile(t, copied, tattler, 0o755)
	if _, err := fetchKeys(t.Context(), g, "crash 0"); err == nil {
		t.Fatal("it did not crash")
	}
	again, err := fetchKeys(t.Context(), g, "pid")
	if err != nil || again[0] == pid[0] || exeOf(t, again[0]) != copied || ran(copied) {
		t.Fatalf("process %v after %v: %v", again, pid, err)
	}
	if sum, err := hashFile(copied); err != nil || sum != first {
		t.Errorf("the copy is %s, %v", sum, err)
	}

	// The file in the plugins folder may be overwritten where it lies, as the copy
	// runs. The old copy goes when the old process has.
	if err := os.WriteFile(filepath.Join(dir, "dwmon-plugin-good"), append(mustRead(t, exe), "next"...), 0o755); err != nil {
		t.Fatal(err)
	}
	l2 := lockFolder(t, dir)
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(cache, l2.Plugins["good"].Files[Platform()].SHA256, "dwmon-plugin-good")
	eventually(t, "the new copy takes over", func() bool {
		now, err := fetchKeys(t.Context(), g, "pid")
		return err == nil && exeOf(t, now[0]) == second
	})
	old, _ := strconv.Atoi(again[0])
	eventually(t, "the old process is gone", func() bool { return !runs(old) })
	eventually(t, "the old copy is gone", func() bool {
		if err := r.Rescan(); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(copied)
		return os.IsNotExist(err)
	})
	if _, err := os.Stat(second); err != nil {
		t.Errorf("the copy that runs is gone: %v", err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTemporaryCopies: without a folder for them, copies leave nothing behind.
func TestTemporaryCopies(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dir := strictDir(t)
	lockFolder(t, dir)
	h, err := New(Options{Dir: dir, Strict: true, RunDir: shortDir(t), Timings: quick})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := h.Plugin(t.Context(), "good"); err != nil {
		t.Errorf("plugin %+v: %v", p, err)
	}
	if made, _ := filepath.Glob(filepath.Join(tmp, "dwmon-cache-*", "*", "dwmon-plugin-good")); len(made) != 1 {
		t.Errorf("copies: %q", made)
	}
	h.Close(t.Context())
	if left, _ := filepath.Glob(filepath.Join(tmp, "dwmon-cache-*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestCopiesOfOthers: a folder for copies that others may enter is not used.
func TestCopiesOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openCopies(dir, nil); err == nil || !strings.Contains(err.Error(), "nobody else may enter") {
		t.Errorf("error %v", err)
	}
}
