package endtoend

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faulty is a checker that cannot be evaluated, and what its reader is told.
type faulty struct {
	name, query, source string
	sections            []string
	// state is UNKNOWN unless set.
	state string
	// cause are texts that `status` says, in this order.
	cause []string
}

var faultyCheckers = []faulty{
	{
		name: "bad/sql", query: "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM event", source: "sqlite:source.db",
		cause: []string{"fetches fail since ", "plugin sqlite", "source.db", "no such table: event"},
	},
	{
		name: "bad/columns", query: "SELECT id, at FROM events", source: "sqlite:source.db",
		cause: []string{"no column dwmon_unique_key; name one with AS dwmon_unique_key (its columns are id, at)", "no column dwmon_timestamp"},
	},
	{
		name: "bad/missing", query: "SELECT 1", source: "sqlite:missing.db",
		cause: []string{"there is no file ", "missing.db"},
	},
	{
		name: "bad/password", query: "SELECT 1", source: "PAYROLL",
		cause: []string{"plugin refused", "password authentication failed for user dwmon with [redacted]"},
	},
	{
		name: "bad/hang", query: `{"hang": true}`, source: "hanger", sections: []string{"__OPTIONS__", "timeout: 55m"}, state: "PENDING",
		cause: []string{"not checked since ", "its source or plugin has not answered yet"},
	},
	{
		name: "bad/crash", query: `{"crash": true}`, source: "crasher",
		cause: []string{"plugin crasher crashed (exit status 2)", "no memory left for rows"},
	},
	{
		name: "bad/junk", query: "SELECT 1", source: "JUNK",
		cause: []string{"plugin junk did not say anything on standard output", "Welcome to junk 3.1!"},
	},
	{
		name: "bad/nobody", query: "SELECT 1", source: "Snowflake",
		cause: []string{"no row getter serves SOURCE Snowflake; add it to `sources` in dwmon.yaml (sources there: JUNK, PAYROLL; row getters: ", "junk (BROKEN)"},
	},
	{name: "bad/file", cause: []string{"never checked", "checks/bad/file.dwmon:4:16: unknown token CHECKMINUTE0-59", "did you mean CHECKMINUTES0-59?"}},
}

// inOrder says whether a text holds all the others, one behind the other.
func inOrder(text string, parts ...string) bool {
	for _, p := range parts {
		_, after, ok := strings.Cut(text, p)
		if !ok {
			return false
		}
		text = after
	}
	return true
}

// TestFaultsBesideHealthy: what is wrong with one checker costs the others nothing,
// and is said plainly.
func TestFaultsBesideHealthy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log", "told", "hanger", "crasher", "refused", "junk")
	const password = "tr0ub4dor&3"
	w.write("password", password+"\n")
	w.write("dwmon.yaml", `timezone: UTC
listen: 127.0.0.1:0
spread: 0s
sources:
  PAYROLL: {getter: refused, settings: {password: "${file:password}"}}
  JUNK: {getter: junk}
`)
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)", "INSERT INTO events VALUES ('a', unixepoch())")
	healthy := []string{"healthy/one", "healthy/two"}
	for _, name := range healthy {
		w.checker(name, "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db")
	}
	for _, f := range faultyCheckers {
		w.checker(f.name, f.query, every, f.source, f.sections...)
	}
	w.write("checks/bad/file.dwmon", checkText("SELECT 1", strings.Replace(every, "CHECKMINUTES", "CHECKMINUTE", 1), "sqlite:source.db"))
	s := w.start()
	address := s.up()
	w.want(0, "plugin", "list") // by then the daemon knows what each plugin is, or that it will not say
	// The minute after the next is one that all of them live through.
	minute := time.Now().Unix()/60*60 + 60
	w.await("the healthy checkers keep their minute", func() bool {
		all := w.status()
		return !slices.ContainsFunc(healthy, func(name string) bool { c := all[name]; return c.Settled == nil || *c.Settled < minute })
	})
	if late := time.Now().Unix() - minute; late > 30 {
		t.Errorf("the healthy checkers were %d seconds late", late)
	}
	w.await("the plugin that says nothing is given up", func() bool { return w.status()["bad/junk"].State == "UNKNOWN" })
	all := w.status()
	text := w.want(0, "status").out
	for _, f := range faultyCheckers {
		c := all[f.name]
		if c.State != cmp.Or(f.state, "UNKNOWN") {
			t.Errorf("%s is %s", f.name, c.State)
		}
		if !inOrder(c.Cause, f.cause...) {
			t.Errorf("%s: the cause %q does not say %q", f.name, c.Cause, f.cause)
		}
		if row := rowOf(text, f.name); !inOrder(row, append([]string{f.name}, f.cause...)...) {
			t.Errorf("%s: status shows %q", f.name, row)
		}
	}
	for _, name := range healthy {
		if c := all[name]; c.State != "GOOD" || c.Cause != "" {
			t.Errorf("%s is %s: %s", name, c.State, c.Cause)
		}
	}
	code, body := get(t.Context(), t, "http://"+address+"/readyz")
	var ready struct {
		Ready   bool
		Faults  []struct{ File, Message, Hint string }
		Plugins map[string]string
	}
	if err := json.Unmarshal([]byte(body), &ready); err != nil {
		t.Fatal(err)
	}
	if code != 200 || !ready.Ready || len(ready.Faults) != 1 || ready.Faults[0].Hint != "did you mean CHECKMINUTES0-59?" ||
		!inOrder(ready.Plugins["junk"], "did not say anything on standard output", "Welcome to junk 3.1!") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	list := w.want(0, "plugin", "list").out
	if row := rowOf(list, "junk"); !inOrder(row, "Welcome to junk 3.1!") {
		t.Errorf("plugin list shows %q", list)
	}
	if took := s.stop(); took > 15*time.Second {
		t.Errorf("with a source that hangs the daemon took %s to stop", took)
	}
	w.gone(5 * time.Second)
	for _, shown := range append(s.lines(), text, body, list, w.want(0, "status", "--json").out) {
		if strings.Contains(shown, password) {
			t.Errorf("the password was shown: %s", shown)
		}
	}
}

// rowOf is the row of a table that begins with a name.
func rowOf(table, name string) string {
	var row []string
	for line := range strings.SplitSeq(table, "\n") {
		switch {
		case strings.HasPrefix(line, name+" "):
			row = append(row, line)
		case len(row) > 0 && strings.HasPrefix(line, "    "):
			row = append(row, line)
		case len(row) > 0:
			return strings.Join(row, "\n")
		}
	}
	return strings.Join(row, "\n")
}

// simple is a checker on the events of source.db that is due each minute.
func (w *world) simple(name string, sections ...string) {
	w.Helper()
	w.checker(name, "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db", sections...)
}

// TestFilesChangeBesideDaemon: files are taken over while the daemon runs, a file
// that goes bad goes on as it last was, and SIGHUP reloads.
func TestFilesChangeBesideDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "recorder", "log")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nhandlers: [{plugin: recorder, settings: {file: told.jsonl}}]\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("first")
	s := w.start()
	s.up()
	judged := func(name string) func() bool {
		return func() bool { c := w.status()[name]; return c.Settled != nil && c.State == "GOOD" }
	}
	w.await("the first checker is judged", judged("first"))
	w.simple("deep/second")
	w.await("a new file in a new folder is judged at once", judged("deep/second"))
	w.write("checks/first.dwmon", checkText("SELECT", "MINNUM", "sqlite:source.db"))
	bad := func() bool { return strings.Contains(w.status()["first"].Cause, "checks/first.dwmon:4:1: ") }
	w.await("the fault of a file that went bad is shown", bad)
	if c := w.status()["first"]; c.State != "GOOD" {
		t.Errorf("a checker whose file went bad is %s: %s", c.State, c.Cause)
	}
	settled := *w.status()["first"].Settled

	// The configuration: a bad one changes nothing, a good one is taken over.
	w.write("dwmon.yaml", "timezone: Nowhere/Land\n")
	hup := func() {
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	hup()
	w.await("a bad configuration is refused", func() bool { _, ok := s.logged("the old one goes on", "Nowhere/Land"); return ok })
	w.write("dwmon.yaml", "timezone: Europe/Berlin\nspread: 0s\nlisten: 127.0.0.1:0\nhandlers: [{plugin: recorder, settings: {file: told2.jsonl}}]\n")
	hup()
	w.await("the configuration is taken over", func() bool { _, ok := s.logged("dwmon has reloaded"); return ok })
	w.simple("third")
	w.await("a checker is judged after the reload", judged("third"))
	w.await("the handler's new settings count", func() bool { _, err := os.Stat(w.path("told2.jsonl")); return err == nil })

	// The folder becomes unreadable: last good versions go on, and it is said.
	if err := os.Rename(w.path("checks"), w.path("away")); err != nil {
		t.Fatal(err)
	}
	w.write("checks", "not a folder")
	w.await("an unreadable folder is shown", func() bool { return strings.Contains(w.run("status").err, "checks: ") })
	s.kill()
	w.gone(10 * time.Second)

	// After a restart, still without a folder, everything goes on.
	s = w.start()
	s.up()
	for _, name := range []string{"first", "deep/second", "third"} {
		w.await(name+" goes on after a restart without its file", func() bool { c := w.status()[name]; return c.Settled != nil && *c.Settled > settled })
	}
	if took := s.stop(); took > 10*time.Second {
		t.Errorf("the daemon took %s to stop", took)
	}
	w.gone(5 * time.Second)
}
