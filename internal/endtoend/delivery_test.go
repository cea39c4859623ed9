package endtoend

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// waits is one object of `deliveries --json`.
type waits struct {
	Key      string `json:"key"`
	Handler  string `json:"handler"`
	State    string `json:"state"`
	Attempts int64  `json:"attempts"`
	Orphaned bool   `json:"orphaned"`
}

func (w *world) deliveries(args ...string) []waits {
	w.Helper()
	return lines[waits](w, w.want(0, append([]string{"deliveries", "--limit", "0", "--json"}, args...)...).out)
}

// toldKeys are the keys that the recorder has written down, in order.
func (w *world) toldKeys() (keys []string) {
	w.Helper()
	for _, t := range untorn[told](w, "told.jsonl") {
		keys = append(keys, t.Key)
	}
	return keys
}

// answeredSent is the metric of deliveries whose answer the daemon has.
var answeredSent = regexp.MustCompile(`(?m)^dwmon_deliveries_total\{handler="recorder",state="sent"\} [1-9]`)

// TestKillBetweenAnswerAndCommit kills the daemon when the receiver has what it was
// told and the database does not say so yet: while the answer is on its way, and when
// it has come but cannot be committed. The receiver is told again under the same key,
// of nothing else, and in order.
func TestKillBetweenAnswerAndCommit(t *testing.T) {
	for _, tt := range []struct {
		name string
		// arrived: the answer reaches the daemon.
		arrived bool
	}{{"BeforeTheAnswerArrives", false}, {"BeforeItIsCommitted", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite", "recorder")
			w.write("dwmon.yaml", strings.Replace(crashConfig, "  - {plugin: log, settings: {file: log.jsonl}}\n", "", 1))
			w.write("dwmon.yaml", strings.Replace(w.read("dwmon.yaml"), "file: told.jsonl", "file: told.jsonl, hold_while: hold", 1))
			w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
			w.checker("orders", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db")
			w.write("hold", "")
			w.write("told.jsonl", "")
			s := w.start()
			address := s.up()
			w.await("the receiver has a delivery", func() bool { return len(w.toldKeys()) > 0 })
			release := func() { w.remove("hold") }
			if tt.arrived {
				release = w.lockDatabase()
				w.remove("hold")
				w.await("the daemon has the answer", func() bool {
					_, page := get(t.Context(), t, "http://"+address+"/metrics")
					return answeredSent.MatchString(page)
				})
			}
			if !s.kill() {
				t.Fatal("the daemon had ended by itself")
			}
			w.gone(10 * time.Second)
			release()
			before := w.toldKeys()
			all := w.deliveries()
			if slices.ContainsFunc(all, func(d waits) bool { return d.State != "waiting" }) {
				t.Fatalf("after the kill of a daemon whose receiver has %v: %+v", before, all)
			}
			if !tt.arrived && len(slices.Compact(slices.Clone(before))) != 1 {
				t.Errorf("%v were told though the first was not answered", before)
			}

			w.start().up()
			w.await("everything is delivered", func() bool {
				all = w.deliveries()
				return !slices.ContainsFunc(all, func(d waits) bool { return d.State != "sent" })
			})
			var keys []string
			for _, d := range all {
				keys = append(keys, d.Key)
			}
			// A call that took too long was repeated at once, and minutes go by meanwhile.
			if got := slices.Compact(slices.Clone(before)); !slices.Equal(got, keys[:min(len(got), len(keys))]) {
				t.Errorf("told before the kill:\n%v, want the first of\n%v", got, keys)
			}
			if got := slices.Compact(w.toldKeys()[len(before):]); !slices.Equal(got[:min(len(got), len(keys))], keys) {
				t.Errorf("told after the kill:\n%v, want\n%v", got, keys)
			}
		})
	}
}

// TestDeliveriesByHand drops and retries what waits while the daemon runs: it does so
// itself, and tells the handler at once.
func TestDeliveriesByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "recorder")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: off\nspread: 0s\nhandlers: [{plugin: recorder, settings: {file: told.jsonl, fail_while: fail}}]\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.checker("orders", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db")
	w.write("fail", "")
	w.write("told.jsonl", "")
	w.start().up()
	w.await("a delivery has failed", func() bool {
		return slices.ContainsFunc(w.deliveries(), func(d waits) bool { return d.State == "waiting" && d.Attempts > 0 })
	})
	out := w.want(0, "deliveries", "drop", "--handler", "recorder").out
	if !regexp.MustCompile(`^\d+ waiting deliveries were dropped\n$`).MatchString(out) {
		t.Errorf("drop says %q", out)
	}
	dead := w.deliveries("--state", "dead")
	if len(dead) < 10 || len(w.toldKeys()) > 0 {
		t.Fatalf("%d are dead, %d were told", len(dead), len(w.toldKeys()))
	}
	w.remove("fail")
	w.want(0, "deliveries", "retry", "--dead")
	var keys []string
	for _, d := range dead {
		keys = append(keys, d.Key)
	}
	w.await("what was dead is told", func() bool {
		return len(w.deliveries("--state", "dead")) == 0 && len(w.deliveries("--state", "waiting")) == 0
	})
	// A minute that came between the two commands was told before.
	got := slices.DeleteFunc(w.toldKeys(), func(k string) bool { return !slices.Contains(keys, k) })
	if !slices.Equal(got, keys) {
		t.Errorf("told %v, want %v", got, keys)
	}
}

// lockDatabase keeps everybody from writing to dwmon's database until it is released.
func (w *world) lockDatabase() (release func()) {
	w.Helper()
	db := w.open("dwmon.db", "_txlock=immediate")
	tx, err := db.Begin()
	if err != nil {
		w.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			w.Fatal(err)
		}
	}
}

// page is a service that heartbeats go to.
type page struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newPage(t *testing.T) *page {
	p := &page{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, r.Method+" "+r.URL.Path)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *page) beats() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// TestHeartbeat: a beat after each minute whose passes were done, one of a source that
// is down among them; none from a clock that stands; the secret is nowhere to be seen.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	service := newPage(t)
	w := newWorld(t, "sqlite", "log")
	const secret = "9f1c-uuid-4711"
	w.write("hc", secret+"\n")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nheartbeat: {url: \""+service.URL+"/ping/${file:hc}\"}\n")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	query := "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events"
	w.checker("orders", query, every, "sqlite:source.db")
	w.checker("down", query, every, "sqlite:missing.db")

	w.once(1, time.Now())
	if got := service.beats(); len(got) != 0 {
		t.Errorf("a clock that stands sent %v", got)
	}
	w.want(1, "once")
	want := "GET /ping/" + secret
	if got := service.beats(); !slices.Equal(got, []string{want}) {
		t.Errorf("once sent %v, want %q", got, want)
	}
	s := w.start()
	address := s.up()
	w.await("the daemon sends a heartbeat", func() bool { return len(service.beats()) > 1 })
	metrics := func() string {
		_, text := get(context.WithoutCancel(t.Context()), t, "http://"+address+"/metrics")
		return text
	}
	w.await("it is counted", func() bool { return strings.Contains(metrics(), `dwmon_heartbeat_total{outcome="sent"} 1`) })
	service.Close()
	w.await("a heartbeat that nobody takes is logged", func() bool {
		_, ok := s.logged("the heartbeat failed", "connection refused")
		return ok
	})
	text, err := json.Marshal(s.lines())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text)+metrics(), secret) {
		t.Error("the heartbeat's secret is in the log or in the metrics")
	}
	s.stop()
}
