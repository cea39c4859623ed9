package endtoend

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// resultKey is the fence: no two results have the same.
type resultKey struct {
	Checker string
	Line    int
	Minute  int64
}

// resultsBy are the results of a history; two of one minute are a fault.
func resultsBy(t testing.TB, entries []entry) map[resultKey]string {
	t.Helper()
	all := map[resultKey]string{}
	for _, e := range entries {
		if e.Gap || e.Off {
			continue
		}
		k := resultKey{e.CheckerName, e.Line, e.Minute}
		if all[k] != "" {
			t.Errorf("%+v has two results", k)
		}
		all[k] = fmt.Sprint(e.Status, " ", e.Count)
	}
	return all
}

// TestRestoredBackupGoesOn takes backups of a daemon that is at work, restores one, and
// has a daemon go on with it: what the copy holds is what the original held then, nothing
// is damaged, no minute is judged twice or lost, and no key comes back as new.
func TestRestoredBackupGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 5s\nhandlers:\n  - {plugin: log, settings: {file: log.jsonl}}\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)",
		"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999) INSERT INTO events SELECT 'key-' || i, unixepoch() - i FROM n")
	const checkers = 30
	for i := range checkers {
		w.checker(fmt.Sprintf("c%02d", i), "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every+"\n"+strings.Replace(every, "MAXNUM1000", "MINNUM1", 1), "sqlite:source.db")
	}
	s := w.start()
	s.up()
	copies := 0
	for done := false; !done; { // one more once all have been judged
		done = len(w.status()) == checkers && !slices.ContainsFunc(slices.Collect(maps.Values(w.status())), func(c state) bool { return c.State == "PENDING" })
		copies++
		file := fmt.Sprintf("copy%d.db", copies)
		w.want(0, "backup", file)
		o := w.want(0, "doctor", "--full", "--db", file, "--all")
		if !strings.Contains(o.out, "whole: integrity_check, references and records agree") {
			t.Errorf("copy %d: %s", copies, o)
		}
	}
	copied := resultsBy(t, w.history("--db", fmt.Sprintf("copy%d.db", copies)))
	s.stop()
	original := resultsBy(t, w.history())
	for k, r := range copied {
		if original[k] != r {
			t.Errorf("%+v is %s in the copy and %s in the original", k, r, original[k])
		}
	}
	if len(copied) < checkers*2 {
		t.Fatalf("%d copies, the last with %d results: that shows nothing", copies, len(copied))
	}

	// The database is lost. The copy takes its place.
	for _, file := range []string{"dwmon.db", "dwmon.db-wal", "dwmon.db-shm"} {
		w.remove(file)
	}
	if err := os.Rename(w.path(fmt.Sprintf("copy%d.db", copies)), w.path("dwmon.db")); err != nil {
		t.Fatal(err)
	}
	newest := int64(0)
	for k := range copied {
		newest = max(newest, k.Minute)
	}
	s = w.start()
	s.up()
	w.await("the walk goes on", func() bool {
		all := w.status()
		return len(all) == checkers && !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(c state) bool { return c.Settled == nil || *c.Settled <= newest })
	})
	s.stop()
	after := resultsBy(t, w.history())
	for k, r := range copied {
		if after[k] != r {
			t.Errorf("%+v was %s and is %s", k, r, after[k])
		}
	}
	minutes := map[string][]int64{}
	for k := range after {
		minutes[fmt.Sprint(k.Checker, "/", k.Line)] = append(minutes[fmt.Sprint(k.Checker, "/", k.Line)], k.Minute)
	}
	for line, all := range minutes {
		slices.Sort(all)
		for i := range all[1:] {
			if all[i+1] != all[i]+60 {
				t.Errorf("%s: after minute %d comes %d", line, all[i], all[i+1])
			}
		}
	}
	db := w.open("dwmon.db", "mode=ro")
	defer db.Close()
	var rows int64
	if err := db.QueryRow("SELECT count(*) FROM seen").Scan(&rows); err != nil || rows != checkers*3000 {
		t.Errorf("%d rows, %v: a key came back as new, or went", rows, err)
	}
	w.want(0, "doctor", "--full")
}

// TestNobodyElseMayReadOrReach: with an umask that forbids nothing, whatever dwmon makes is
// its owner's alone, and it listens on the loopback only.
func TestNobodyElseMayReadOrReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)", "INSERT INTO events VALUES ('a', unixepoch())")
	w.simple("a")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nstrict: false\n")
	w.program("bin/open", "#!/bin/sh\numask 000\nexec \"$(dirname \"$0\")/dwmon\" \"$@\"\n")
	w.through = "bin/open"
	s := w.start()
	s.up()
	w.await("it is judged", func() bool { return w.status()["a"].State == "GOOD" })
	w.want(0, "backup", "copy.db")
	made := map[string]bool{}
	ours := []string{"dwmon.db", "dwmon.db-wal", "dwmon.db-shm", "dwmon.db.lock", "copy.db", "dwmon.db.run", "plugin-state", "tmp"}
	for _, name := range ours {
		err := filepath.WalkDir(w.path(name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == w.path("tmp") {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			made[name] = true
			// What lies in a folder of ours is reached through it; a plugin makes its socket itself.
			top := filepath.Dir(path) == w.dir || filepath.Dir(path) == w.path("tmp") || strings.HasSuffix(path, "control.sock") || strings.HasSuffix(path, ".run.json")
			if top && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has the mode %v", path, info.Mode())
			}
			return nil
		})
		if err != nil && name != "dwmon.db.run" { // it may lie in the folder for temporary files
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range ours[:5] {
		if !made[name] {
			t.Errorf("%s was not looked at", name)
		}
	}
	sockets := w.unixListeners()
	if len(sockets) < 3 {
		t.Errorf("sockets were found at %v, want those of the control and of two plugins", sockets)
	}
	for _, path := range sockets {
		if !w.closed(path) {
			t.Errorf("the socket %s can be reached by others", path)
		}
	}
	listeners := w.listeners()
	if len(listeners) != 1 || !strings.HasPrefix(listeners[0], "0100007F:") {
		t.Errorf("dwmon and its plugins listen on %v, want one port of 127.0.0.1", listeners)
	}
	o := w.run("doctor", "--json")
	for _, d := range lines[struct{ Check, Result, Where, Message string }](t, o.out) {
		if d.Check == "permissions" && d.Result != "ok" && !strings.Contains(d.Where, "plugins") {
			t.Errorf("the doctor says %+v", d)
		}
	}
	s.stop()
}

// listeners are the local addresses, as the kernel writes them, on which the world's
// processes take TCP connections.
func (w *world) listeners() (addresses []string) {
	w.Helper()
	inodes := w.sockets()
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // a kernel without that protocol
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && inodes[f[9]] {
				addresses = append(addresses, f[1])
			}
		}
	}
	return addresses
}

// unixListeners are the paths of the sockets on which they take local connections.
func (w *world) unixListeners() (paths []string) {
	w.Helper()
	inodes := w.sockets()
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		w.Fatal(err)
	}
	const accepts = "00010000"
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 7 && f[3] == accepts && inodes[f[6]] {
			paths = append(paths, f[7])
		}
	}
	return paths
}

// sockets are the inodes of the sockets of the world's processes.
func (w *world) sockets() map[string]bool {
	inodes := map[string]bool{}
	for _, pid := range w.processes() {
		files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		for _, f := range files {
			link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, f.Name()))
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	return inodes
}

// closed says that nobody else can open a path: it, or a folder above it that dwmon has
// made, is its owner's alone.
func (w *world) closed(path string) bool {
	for at := path; at != filepath.Dir(at) && at != w.dir; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil && info.Mode().Perm()&0o077 == 0 {
			return true
		}
	}
	return false
}
