package endtoend

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// badPlugins are checkers on plugins that misbehave, and what their readers are
// told.
var badPlugins = []faulty{
	{
		name: "bad/leaks", query: "-", source: "leaker",
		cause: []string{"plugin leaker was ended: it used ", " MiB of the 120 MiB that limits.memory_mb in leaker.json allows: narrow what its checkers fetch"},
	},
	{name: "bad/frozen", query: "-", source: "frozen", sections: []string{"__OPTIONS__", "timeout: 5s"}, cause: []string{"plugin frozen: GetRows: no answer within 5s", "raise the timeout"}},
	{name: "bad/orphan", query: "-", source: "orphaner", cause: []string{"plugin orphaner crashed (exit status 2)", "left a process behind"}},
	{name: "bad/crash", query: `{"crash": true}`, source: "crasher", cause: []string{"plugin crasher crashed (exit status 2)", "no memory left for rows"}},
	{name: "bad/flood", query: "-", source: "flooder", state: "GOOD"},
}

// TestBadPluginsCostNobodyAMinute: beside plugins that leak, freeze, crash, flood
// and leave processes behind, a healthy checker has every minute judged, once and
// in time, and each bad one says what is wrong with it.
func TestBadPluginsCostNobodyAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "leaker", "frozen", "orphaner", "crasher", "flooder")
	w.write("plugins/leaker.json", `{"limits":{"memory_mb":120}}`)
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nhandlers: []\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)", "INSERT INTO events VALUES ('a', unixepoch())")
	healthy := []string{"healthy/one", "healthy/two"}
	for _, name := range healthy {
		w.simple(name)
	}
	for _, f := range badPlugins {
		w.checker(f.name, f.query, every, f.source, f.sections...)
	}
	began := time.Now().Unix() / 60 * 60
	s := w.start()
	s.up()
	slots := int64(2)
	if everything() {
		slots = 3
	}
	last := time.Now().Unix()/60*60 + 60*slots
	if !eventually(time.Duration(slots)*time.Minute+patience, func() bool {
		all := w.status()
		return !slices.ContainsFunc(healthy, func(name string) bool { c := all[name]; return c.Settled == nil || *c.Settled < last })
	}) {
		t.Fatalf("the healthy checkers do not reach %d: %+v", last, w.status())
	}
	all := w.status()
	for _, f := range badPlugins {
		c := all[f.name]
		want := f.state
		if want == "" {
			want = "UNKNOWN"
		}
		if c.State != want || !inOrder(c.Cause, f.cause...) {
			t.Errorf("%s is %s: %q, want %s %q", f.name, c.State, c.Cause, want, f.cause)
		}
	}
	for _, name := range healthy {
		w.everyMinute(name, began, last, 20)
	}
	s.stop()
	w.gone(5 * time.Second)
	if left := orphansOf(w); len(left) > 0 {
		t.Errorf("processes %v outlive the plugin that started them", left)
	}
	if _, ok := s.logged("lines of a plugin were dropped", "flooder"); !ok {
		t.Error("the log does not say that lines of the flood were dropped")
	}
}

// everyMinute insists that each minute from one to another was judged, once, and
// within so many seconds; minutes before the first are the walk's own.
func (w *world) everyMinute(name string, from, to, seconds int64) {
	w.Helper()
	judged := map[int64]int{}
	for _, e := range w.history(name) {
		if e.Gap || e.Off {
			w.Errorf("%s: a gap or an off span: %+v", name, e)
			continue
		}
		judged[e.Minute]++
		at, err := e.Evaluated.Float64()
		if err != nil {
			w.Fatal(err)
		}
		if late := int64(at) - e.Minute; e.Minute > from && late > seconds {
			w.Errorf("%s: minute %d was judged %d seconds late", name, e.Minute, late)
		}
	}
	for m := from; m <= to; m += 60 {
		if judged[m] != 1 {
			w.Errorf("%s: minute %d was judged %d times", name, m, judged[m])
		}
	}
}

// orphansOf lists processes that a plugin of the world has started and that are no
// programs of the world: by their environment.
func orphansOf(w *world) (pids []string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && strings.Contains(string(environ), "HOME="+w.dir+"\x00") && strings.Contains(string(environ), "DWMON_PLUGIN_MARK=") {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
