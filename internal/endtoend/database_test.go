package endtoend

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDatabaseThatCannotBeUsed: each is refused with the reason and a remedy, exit
// code 3, and left as it was.
func TestDatabaseThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		make func(w *world)
		// says is what `once` and `status` say; status only, where it differs.
		says, status []string
	}{
		{
			"none", func(*world) {}, nil,
			[]string{"dwmon: there is no database dwmon.db yet: start `dwmon daemon` or run `dwmon once`, or name another one with --db\n"},
		},
		{
			"a folder", func(w *world) { w.write("dwmon.db/x", "") },
			[]string{"dwmon: database ", "dwmon.db: ", "folder", "--db"},
			nil,
		},
		{
			"no SQLite", func(w *world) { w.write("dwmon.db", strings.Repeat("Dear diary, ", 100)) },
			[]string{"dwmon: database ", "dwmon.db: it is no SQLite database", "name another file with --db, or move this one away"},
			nil,
		},
		{
			"an original's", func(w *world) {
				w.sql("dwmon.db", "CREATE TABLE results (unique_id TEXT, checker TEXT, timestamp INTEGER)", "CREATE TABLE checks (checker TEXT, timestamp INTEGER)")
			},
			[]string{"dwmon: database ", "it belongs to the original dwmon program and was left alone", "`dwmon import ", "dwmon.db --db NEW` takes this one's data over"},
			nil,
		},
		{
			"another program's", func(w *world) { w.sql("dwmon.db", "CREATE TABLE songs (name TEXT)") },
			[]string{"it belongs to another program and was left alone", "--db"},
			nil,
		},
		{
			"a newer dwmon's", func(w *world) {
				w.once(0, noon)
				w.sql("dwmon.db", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
			},
			[]string{"a newer dwmon has written it (its version is 999, this dwmon knows ", "use the newer dwmon"},
			nil,
		},
		{
			"in no folder", func(w *world) { w.write("dwmon.yaml", "db: nowhere/dwmon.db\ntimezone: UTC\n") },
			[]string{"nowhere", "create its folder or mend the path"},
			[]string{"there is no database nowhere/dwmon.db yet"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite", "log")
			w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
			w.simple("a")
			c.make(w)
			before := contents(w, "dwmon.db")
			if c.says != nil {
				for _, o := range []outcome{w.once(3, noon.Add(time.Minute)), w.want(3, "daemon", "--listen", "off")} {
					if !inOrder(o.err, c.says...) {
						t.Errorf("it says %q, want %q", o.err, c.says)
					}
				}
			}
			says := c.status
			if says == nil {
				says = c.says
			}
			o := w.want(3, "status")
			if !inOrder(o.err, says...) {
				t.Errorf("status says %q, want %q", o.err, says)
			}
			t.Logf("%s", o.err)
			if after := contents(w, "dwmon.db"); after != before {
				t.Error("the file was changed")
			}
			w.gone(5 * time.Second)
		})
	}
}

// contents is what a file holds; empty where there is none.
func contents(w *world, name string) string {
	text, _ := os.ReadFile(w.path(name))
	return string(text)
}

// unprivileged is a user to whom permissions apply, even when the tests are root's.
const unprivileged = 65534

// TestReadOnlyDatabase: a database that must not be written is refused; reading
// commands say why where they cannot read it.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("a")
	w.once(0, noon)
	for _, name := range []string{"dwmon.db", "dwmon.db.lock"} {
		if err := os.Chmod(w.path(name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(w.dir, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(w.dir, 0o755) })
	} else if err := os.Chmod(filepath.Dir(w.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"once", "--now", "1780315260"}, {"daemon"}} {
		cmd := w.command(args...)
		if os.Getuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
		}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 3 || !inOrder(string(out), "dwmon.db", "permission denied", "the user that runs dwmon must be able to read and write the file and its folder") {
			t.Errorf("%s: exit %d %s", args[0], code, out)
		}
		t.Logf("%s", out)
	}
}

// smallDisk gives a folder with little room. grow gives it more.
func smallDisk(t *testing.T, dir string) (grow func()) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if everything() {
			t.Fatalf("a small disk must be mounted: %v", err)
		}
		t.Skipf("NOT TESTED: a full disk, for want of the right to mount a small one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return func() {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk: what cannot be stored is not claimed, it is said, and once there is
// room everything is made up for.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	grow := smallDisk(t, w.path("disk"))
	w.write("dwmon.yaml", "timezone: UTC\ndb: disk/dwmon.db\nhandlers: [{plugin: log, settings: {file: log.jsonl}}]\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("a")
	w.once(0, noon)
	w.sql("source.db", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) INSERT INTO events SELECT printf('%0100d', x), 1780315210 FROM c")
	for m := 1; m <= 3; m++ {
		o := w.once(1, noon.Add(time.Duration(m)*time.Minute))
		if !inOrder(o.out, "a ", "the disk is full", "free some space; nothing was lost, and dwmon goes on by itself") {
			t.Errorf("on a full disk: %s", o)
		}
		if m == 1 {
			t.Logf("%s", o)
		}
	}
	grow()
	w.once(0, noon.Add(4*time.Minute))
	history := w.history("--since", noon.Format(time.RFC3339))
	if got := minutesOf(history, "a"); !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
		t.Errorf("judged at %v", got)
	}
	for _, e := range history {
		if want := map[int64]int64{1: 20000}[(e.Minute-noon.Unix())/60]; e.Count != want {
			t.Errorf("minute %d: %d rows, want %d", e.Minute, e.Count, want)
		}
	}
}

// TestOneDaemonPerDatabase: the second one is refused and told who is first; so is
// a port in use.
func TestOneDaemonPerDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("a")
	s := w.start()
	address := s.up()
	w.await("the first pass is done", func() bool { return w.status()["a"].State == "GOOD" })
	host, _ := os.Hostname()
	holder := fmt.Sprintf("process %d on %s, started ", s.cmd.Process.Pid, host)
	for _, args := range [][]string{{"daemon", "--listen", "off"}, {"once"}} {
		o := w.want(3, args...)
		if !inOrder(o.err, "dwmon.db.lock is locked: ", holder, "uses the database; stop it, or name another database with --db") {
			t.Errorf("%s says %s", args[0], o)
		}
	}
	if o := w.want(0, "once", "--if-free"); o.out != "" || o.err != "" {
		t.Errorf("once --if-free says %s", o)
	}
	o := w.want(3, "daemon", "--db", "other.db", "--listen", address)
	if want := "listen on " + address + " for health and metrics: address already in use; choose another address with --listen, or --listen off"; !strings.Contains(o.err, want) {
		t.Errorf("a port in use: %s", o)
	}

	// Commands that write go through the daemon.
	if o := w.want(0, "rename", "a", "b"); !inOrder(o.out, "a is now b, history included", "b.dwmon") {
		t.Errorf("rename: %s", o)
	}
	w.want(0, "settle", "b", "--to", time.Now().Add(-2*time.Minute).Format(time.RFC3339))
	if o := w.want(1, "settle", "nobody", "--to", "1780315200"); !strings.Contains(o.err, "nobody: no checker of that name was ever seen") {
		t.Errorf("settle: %s", o)
	}
	w.want(0, "forget", "b")
	if o := w.want(1, "forget", "b", "--key", "x"); !strings.Contains(o.err, "b") {
		t.Errorf("forget: %s", o)
	}
	if o := w.want(1, "history", "b"); !strings.Contains(o.err, "b: no checker of that name was ever seen") {
		t.Errorf("history of a forgotten checker: %s", o)
	}
	s.stop()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the listener outlives the daemon")
	}

	// A holder that was killed holds nothing.
	s = w.start()
	s.up()
	s.kill()
	w.want(0, "once")
}
