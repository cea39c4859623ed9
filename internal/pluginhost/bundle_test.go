package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// find gives what discovery says of one name.
func find(t testing.TB, d Folder, name string) Found {
	t.Helper()
	all, err := d.Discover()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("%s was not found among %+v", name, all)
	return Found{}
}

// TestBundlesThatAreNone: each way of being no bundle is told with what to do.
func TestBundlesThatAreNone(t *testing.T) {
	const good = `{"schema":1,"name":"pager","bridge":"exec"}`
	tests := []struct {
		name, manifest string
		also           func(t *testing.T, dir, at string)
		called         string // the name it is found under
		check          Check
		says           string
	}{
		{name: "no JSON", manifest: `{"schema":1,`, called: "pager", check: CheckBundle, says: "it is no manifest: unexpected end"},
		{name: "no object", manifest: `[]`, called: "pager", check: CheckBundle, says: "it is no manifest"},
		{name: "no schema", manifest: `{"name":"pager","bridge":"exec"}`, called: "pager", check: CheckBundle, says: `write "schema": 1`},
		{name: "a schema of tomorrow", manifest: `{"schema":2,"name":"pager","bridge":"exec"}`, called: "pager", check: CheckBundle, says: "its schema is 2, this dwmon reads 1: a newer dwmon may be needed"},
		{name: "no name", manifest: `{"schema":1,"bridge":"exec"}`, called: "pager", check: CheckBundle, says: `its name is "": want lower-case letters`},
		{name: "a bad name", manifest: `{"schema":1,"name":"../x","bridge":"exec"}`, called: "pager", check: CheckBundle, says: `its name is "../x"`},
		{name: "no bridge", manifest: `{"schema":1,"name":"pager"}`, called: "pager", check: CheckBundle, says: `it names no bridge: write "bridge": "exec"`},
		{name: "a bridge that is a path", manifest: `{"schema":1,"name":"pager","bridge":"/bin/sh"}`, called: "pager", check: CheckBundle, says: "which is no name of a plugin"},
		{name: "named like its bridge", manifest: `{"schema":1,"name":"exec","bridge":"exec"}`, called: "pager", check: CheckBundle, says: "give it a name of its own"},
		{name: "too large", manifest: good + strings.Repeat(" ", maxManifestBytes), called: "pager", check: CheckBundle, says: "larger than"},
		{name: "the bridge is missing", manifest: `{"schema":1,"name":"pager","bridge":"python"}`, called: "pager", check: CheckBridge, says: "its bridge python is not there: put dwmon-plugin-python beside it"},
		{name: "the bridge cannot run", manifest: good, called: "pager", check: CheckFile, says: "its bridge exec: ", also: func(t *testing.T, dir, _ string) {
			putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), "#!/bin/sh\n", 0o644)
		}},
		{name: "two bridges", manifest: good, called: "pager", check: CheckBridge, says: "2 files claim the name exec", also: func(t *testing.T, dir, _ string) {
			putFile(t, filepath.Join(dir, "dwmon-plugin-exec.exe"), "#!/bin/sh\n", 0o755)
		}},
		{name: "an executable of the same name", manifest: good, called: "pager", check: CheckFile, says: "2 files claim the name pager: remove all but one", also: func(t *testing.T, dir, _ string) {
			putFile(t, filepath.Join(dir, "dwmon-plugin-pager"), "#!/bin/sh\n", 0o755)
		}},
		{name: "broken, beside a plugin named as its folder", manifest: `{`, called: "pager/", check: CheckBundle, says: "it is no manifest", also: func(t *testing.T, dir, _ string) {
			putFile(t, filepath.Join(dir, "dwmon-plugin-pager"), "#!/bin/sh\n", 0o755)
		}},
		{name: "a link away", manifest: good, called: "pager", check: CheckBundle, says: "x is a link to ../dwmon-plugin-exec, outside the bundle", also: func(t *testing.T, _, at string) {
			symlink(t, "../dwmon-plugin-exec", filepath.Join(at, "x"))
		}},
		{name: "an absolute link, though it leads back", manifest: good, called: "pager", check: CheckBundle, says: "outside the bundle", also: func(t *testing.T, _, at string) {
			symlink(t, filepath.Join(at, "rows.sh"), filepath.Join(at, "x"))
		}},
		{name: "a link by way of a link", manifest: good, called: "pager", check: CheckBundle, says: "outside the bundle", also: func(t *testing.T, _, at string) {
			putFile(t, filepath.Join(at, "a/b/f"), "", 0o644)
			symlink(t, "a/b", filepath.Join(at, "short"))
			symlink(t, "../..", filepath.Join(at, "a/up"))
			symlink(t, "a/up/../exec", filepath.Join(at, "x"))
		}},
		{name: "a dangling link", manifest: good, called: "pager", check: CheckBundle, says: "which is not there", also: func(t *testing.T, _, at string) {
			symlink(t, "nothing", filepath.Join(at, "x"))
		}},
		{name: "a pipe", manifest: good, called: "pager", check: CheckBundle, says: "pipe is neither file nor folder nor link", also: func(t *testing.T, _, at string) {
			if err := syscall.Mkfifo(filepath.Join(at, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "too many files", manifest: good, called: "pager", check: CheckBundle, says: "more than 10000 files", also: func(t *testing.T, _, at string) {
			for i := range maxBundleFiles {
				putFile(t, filepath.Join(at, "many", fmt.Sprint(i)), "", 0o644)
			}
		}},
		{name: "too many bytes", manifest: good, called: "pager", check: CheckBundle, says: "more than 256 MiB", also: func(t *testing.T, _, at string) {
			if err := os.Truncate(putFile(t, filepath.Join(at, "big"), "", 0o644), maxBundleBytes); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			at := putBundle(t, dir, "pager")
			putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), "#!/bin/sh\n", 0o755)
			if f := find(t, Folder{Dir: dir}, "pager"); f.Err != nil || f.SHA256 == "" || f.Bundle.Bridge != "exec" {
				t.Fatalf("before anything was wrong: %+v", f)
			}
			putFile(t, filepath.Join(at, ManifestFile), tt.manifest, 0o644)
			if tt.also != nil {
				tt.also(t, dir, at)
			}
			f := find(t, Folder{Dir: dir}, tt.called)
			r, ok := f.Err.(*Refusal)
			if !ok || r.Check != tt.check || !strings.Contains(r.Error(), tt.says) {
				t.Errorf("found %+v, want %s: %q", f, tt.check, tt.says)
			}
		})
	}
}

func symlink(t *testing.T, target, at string) {
	t.Helper()
	if err := os.Symlink(target, at); err != nil {
		t.Fatal(err)
	}
}

// naiveDigest is the digest of a bundle as its documentation tells it.
func naiveDigest(t *rapid.T, dir string) string {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		info, _ := e.Info()
		kind, contents := "-", []byte(nil)
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			kind, contents = "l", []byte(target)
		default:
			contents, _ = os.ReadFile(path)
			if info.Mode()&0o111 != 0 {
				kind = "x"
			}
		}
		sum := sha256.Sum256(contents)
		lines = append(lines, rel+"\x00"+fmt.Sprintf("%s %s %q\n", kind, hex.EncodeToString(sum[:]), rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	text := "dwmon bundle 1\n"
	for _, l := range lines {
		text += l[strings.IndexByte(l, 0)+1:]
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestBundleDigest: it is the documented one, a copy has the same, and every change
// of name, contents or executable bit makes it another.
func TestBundleDigest(t *testing.T) {
	names := []string{"a", "b.sh", "A", "lib/a", "lib/a b", "lib/deep/x", "lib-2", ".hidden", "ü\n"}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		files := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID).Draw(rt, "files")
		for _, name := range files {
			mode := rapid.SampledFrom([]os.FileMode{0o644, 0o755, 0o600, 0o711}).Draw(rt, "mode")
			putFile(t, filepath.Join(dir, name), rapid.StringN(0, 20, 40).Draw(rt, "text"), mode)
		}
		if rapid.Bool().Draw(rt, "link") {
			symlink(t, files[0], filepath.Join(dir, "link"))
		}
		before := treeDigest(rt, dir)
		if want := naiveDigest(rt, dir); before != want {
			rt.Fatalf("digest %s, want %s", before, want)
		}
		to := filepath.Join(t.TempDir(), "copy")
		os.RemoveAll(to)
		if err := os.Mkdir(to, 0o700); err != nil {
			rt.Fatal(err)
		}
		if _, err := readTree(dir, treeCopy(to)); err != nil {
			rt.Fatal(err)
		}
		if got := treeDigest(rt, to); got != before {
			rt.Fatalf("the copy's digest is %s, want %s", got, before)
		}
		victim := filepath.Join(dir, rapid.SampledFrom(files).Draw(rt, "victim"))
		if err := os.Chtimes(victim, time.Now(), time.Unix(1, 0)); err != nil {
			rt.Fatal(err)
		}
		if treeDigest(rt, dir) != before {
			rt.Fatal("a time is part of the digest")
		}
		switch rapid.IntRange(0, 3).Draw(rt, "change") {
		case 0:
			text, _ := os.ReadFile(victim)
			err = os.WriteFile(victim, append(text, '!'), 0o644)
		case 1:
			info, _ := os.Stat(victim)
			mode := os.FileMode(0o755)
			if info.Mode()&0o111 != 0 {
				mode = 0o644
			}
			err = os.Chmod(victim, mode)
		case 2:
			err = os.Rename(victim, victim+"2")
			os.Remove(filepath.Join(dir, "link"))
		case 3:
			putFile(t, filepath.Join(dir, "new/empty"), "", 0o644)
		}
		if err != nil {
			rt.Fatal(err)
		}
		if treeDigest(rt, dir) == before {
			rt.Fatal("a change is not seen")
		}
	})
}

func treeDigest(t *rapid.T, dir string) string {
	tree, err := readTree(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree.digest()
}

// TestBundleRuns: the bridge serves the bundle under the bundle's name, and a change
// deep inside of the folder takes over as that of an executable does.
func TestBundleRuns(t *testing.T) {
	cache := &memoryCache{}
	dir := filepath.Join(t.TempDir(), "plugins")
	at := putBundle(t, dir, "pager")
	r := newRig(t, Options{Dir: dir, Cache: cache}, "exec")
	p, err := r.Plugin(t.Context(), "pager")
	if err != nil || p.Bridge != "exec" || p.Path != filepath.Join(at, ManifestFile) || !p.Serves(RowGetter) {
		t.Fatalf("plugin %+v: %v", p, err)
	}
	if bridge, err := r.Plugin(t.Context(), "exec"); err != nil || bridge.Bridge != "" || bridge.SHA256 == p.SHA256 {
		t.Fatalf("the bridge itself is %+v: %v", bridge, err)
	}
	g := r.RowGetter(InstanceSpec{Plugin: "pager"})
	env, err := fetchKeys(t.Context(), g, "env")
	if err != nil || !slices.Contains(env, ManifestEnv+"="+filepath.Join(at, ManifestFile)) {
		t.Fatalf("its environment is %q: %v", env, err)
	}
	if r.Changed() {
		t.Error("the folder counts as changed before it was")
	}
	putFile(t, filepath.Join(at, "lib/deep/new.sh"), "", 0o644)
	if !r.Changed() {
		t.Error("a new file deep in the bundle was not noticed")
	}
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	in := r.instance(InstanceSpec{Plugin: "pager"})
	eventually(t, "the second generation", func() bool { i := in.info(); return i.Generation == 2 && i.State == StateReady })
	next, err := r.Plugin(t.Context(), "pager")
	if next.SHA256 == p.SHA256 || err != nil && next.State != StateReady {
		t.Errorf("plugin %+v: %v", next, err)
	}
	// Another bridge is another program, and what it said is asked anew.
	cache.mu.Lock()
	asked := len(cache.m)
	cache.mu.Unlock()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, exe, filepath.Join(dir, "dwmon-plugin-exec"), "another build")
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the third generation", func() bool { i := in.info(); return i.Generation == 3 && i.State == StateReady })
	if err := r.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if len(cache.m) != asked+2 {
		t.Errorf("the cache holds %d answers, want %d: of the bridge and of the bundle that it runs", len(cache.m), asked+2)
	}
}

func TestIgnored(t *testing.T) {
	dir := t.TempDir()
	putBundle(t, dir, "pager")
	putFile(t, filepath.Join(dir, "dwmon-plugin-exec"), "#!/bin/sh\n", 0o755)
	for _, used := range []string{"exec.json", "pager.json", LockFile} {
		putFile(t, filepath.Join(dir, used), "{}", 0o644)
	}
	want := map[string]string{
		"README.md":             "does not begin with dwmon-plugin-",
		".gitignore":            "begins with a dot",
		"dwmon-plugin-exec.bak": "its ending says",
		"dwmon-plugin-exec~":    "its ending says",
		"dwmon-plugin.json":     "belongs into a folder of its own",
		"gone.json":             "settings of a plugin gone that is not here",
		"src":                   "a folder without dwmon-plugin.json",
		"link":                  "a link to a bundle",
	}
	for name := range want {
		switch name {
		case "src":
			putFile(t, filepath.Join(dir, "src/main.go"), "", 0o644)
		case "link":
			symlink(t, "pager", filepath.Join(dir, "link"))
		default:
			putFile(t, filepath.Join(dir, name), "{}", 0o755)
		}
	}
	ignored, err := IgnoredIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ignored {
		if says, ok := want[f.Name]; !ok || !strings.Contains(f.Why, says) || f.Path != filepath.Join(dir, f.Name) {
			t.Errorf("%+v, want %q", f, says)
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
}

// TestPythonEnvironment: the bridge to the original's modules gets the variables that
// they read, unless the operator says otherwise.
func TestPythonEnvironment(t *testing.T) {
	host := []string{"DWMON_DB_USER=u", "DWMON_DB=x", "SECRET=s"}
	bundle := func(bridge string) *Bundle { return &Bundle{Bridge: bridge} }
	tests := []struct {
		f    Found
		want string
	}{
		{Found{Name: "python"}, "[DWMON_DB_USER=u]"},
		{Found{Name: "ours", Bundle: bundle("python")}, "[DWMON_DB_USER=u]"},
		{Found{Name: "ours", Bundle: bundle("exec")}, "[]"},
		{Found{Name: "postgres"}, "[]"},
		{Found{Name: "python", Sidecar: Sidecar{Env: []string{}}}, "[]"},
		{Found{Name: "python", Sidecar: Sidecar{Env: []string{"SECRET"}}}, "[SECRET=s]"},
		{Found{Name: "python", Sidecar: Sidecar{Limits: Limits{Concurrency: 5}}}, "[DWMON_DB_USER=u]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(environ(host, tt.f.environ())); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.f, got, tt.want)
		}
	}
}
