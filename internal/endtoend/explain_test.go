package endtoend

import (
	"testing"
	"time"
)

// TestExplainBesideDaemon: a running daemon is asked about its plugins, and what
// handlers want is said as it is without one.
func TestExplainBesideDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.checker("one", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db")
	wired := []string{"served by", "plugin      sqlite: it claims URLs of that scheme", "told", "log         is told every result and what is UNKNOWN"}
	if o := w.want(0, "explain", "one"); !inOrder(o.out, append([]string{"nothing was checked"}, wired...)...) {
		t.Errorf("without a daemon: %s", o)
	}
	w.once(0, time.Now().Add(-5*time.Minute))
	s := w.start()
	s.up()
	if o := w.want(0, "explain", "one"); !inOrder(o.out, append([]string{"state       ", "next due"}, wired...)...) {
		t.Errorf("beside a daemon: %s", o)
	}
	s.stop()
}
