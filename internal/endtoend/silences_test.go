package endtoend

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestSilencesBesideDaemon: silences and acknowledgements go through a running
// daemon, whose time zone counts.
func TestSilencesBesideDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.write("dwmon.yaml", "timezone: Asia/Tokyo\nlisten: 127.0.0.1:0\nspread: 0s\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.checker("low", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", strings.Replace(every, "MAXNUM1000", "MINNUM1", 1), "sqlite:source.db")
	before := time.Now().Add(-5 * time.Minute)
	w.once(0, before)
	w.once(0, before.Add(time.Minute))
	s := w.start()
	s.up()

	o := w.want(0, "silence", "add", "--name", "lo?", "--every", "02:00-04:00", "--comment", "night", "--json", "--timezone", "UTC")
	var added struct {
		ID      int64
		Covers  []string
		Message string
	}
	if err := json.Unmarshal([]byte(o.out), &added); err != nil {
		t.Fatalf("%v: %s", err, o)
	}
	if added.ID != 1 || len(added.Covers) != 1 || added.Covers[0] != "low" || !inOrder(added.Message, "silence 1 holds MON-SUN 02:00-04:00 Asia/Tokyo; ", " JST") {
		t.Errorf("the daemon made %+v", added)
	}
	if o := w.want(0, "silence", "list"); !inOrder(o.out, "name=lo?", "MON-SUN 02:00-04:00 Asia/Tokyo", "night") {
		t.Errorf("silence list: %s", o)
	}
	if o := w.want(0, "silence", "end", "1"); o.out != "silence 1 has ended\n" {
		t.Errorf("silence end: %s", o)
	}
	if o := w.want(1, "silence", "end", "1"); o.err != "dwmon: nothing was ended: silence 1: it is over already\n" {
		t.Errorf("silence end, once more: %s", o)
	}

	if o := w.want(0, "ack", "low", "--by", "ann", "--comment", "known"); !inOrder(o.out, "incident 1 (low, line 1, since ", " JST) is acknowledged: ") {
		t.Errorf("ack: %s", o)
	}
	if o := w.want(0, "ack", "1", "--remove"); !inOrder(o.out, "incident 1 (low, line 1, since ", "no longer acknowledged") {
		t.Errorf("ack --remove: %s", o)
	}
	if o := w.want(1, "ack", "lwo"); o.err != "dwmon: lwo has no open incident; did you mean low?\n" {
		t.Errorf("ack of a name that is not there: %s", o)
	}
	s.stop()
}
