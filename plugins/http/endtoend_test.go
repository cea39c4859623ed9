package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is an API of orders in pages of two that wants a token.
type shop struct {
	mu     sync.Mutex
	orders []time.Time
	broken bool // the second page fails
	since  string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer s3cr3t-token" {
		http.Error(w, "who are you, "+r.Header.Get("Authorization")+"?", http.StatusUnauthorized)
		return
	}
	s.since = r.URL.Query().Get("since")
	var from int
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &from)
	if from > 0 && s.broken {
		http.Error(w, "too busy for s3cr3t-token", http.StatusServiceUnavailable)
		return
	}
	var page struct {
		Items []map[string]any `json:"items"`
		Next  any              `json:"next"`
	}
	for i := from; i < min(from+2, len(s.orders)); i++ {
		page.Items = append(page.Items, map[string]any{"id": 9007199254740993 + int64(i), "created_at": s.orders[i]})
	}
	if from+2 < len(s.orders) {
		page.Next = from + 2
	}
	_ = json.NewEncoder(w).Encode(page)
}

func (s *shop) set(broken bool, orders ...time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.orders = broken, orders
}

// installed is a folder with dwmon, this plugin and the handler log as their users
// build them.
type installed struct {
	testing.TB
	dir string
}

func install(t *testing.T) *installed {
	t.Helper()
	w := &installed{t, t.TempDir()}
	for to, from := range map[string]string{
		"dwmon": "../../cmd/dwmon", "plugins/dwmon-plugin-http": ".", "plugins/dwmon-plugin-log": "../log",
	} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(w.dir, to), from)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, out)
		}
	}
	return w
}

func (w *installed) write(name, text string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// dwmon runs a command and insists on its exit code.
func (w *installed) dwmon(code int, args ...string) string {
	w.Helper()
	cmd := exec.Command(filepath.Join(w.dir, "dwmon"), args...)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "NO_COLOR=1", "SHOP_TOKEN=s3cr3t-token"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cr3t") {
		w.Errorf("dwmon %s shows the token:\n%s", strings.Join(args, " "), &out)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		w.Fatalf("dwmon %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, &out)
	}
	return out.String()
}

// last is the latest verdict of a checker.
func (w *installed) last(checker string) (count int, status string) {
	w.Helper()
	for dec := json.NewDecoder(strings.NewReader(w.dwmon(0, "history", "--json", checker))); dec.More(); {
		var e struct {
			Count  int    `json:"event_count"`
			Status string `json:"check_status"`
		}
		if err := dec.Decode(&e); err != nil {
			w.Fatal(err)
		}
		count, status = e.Count, e.Status
	}
	return count, status
}

func checkerFile(query, requirement, source string) string {
	return "__QUERY__\n" + query + "\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS WEEKENDS " + requirement + "\n__SOURCE__\n" + source + "\n"
}

// TestChecker is a checker's whole way: the built plugin in the real dwmon, at
// minutes that are given.
func TestChecker(t *testing.T) {
	api := &shop{}
	server := serve(t, api.ServeHTTP)
	w := install(t)
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nsources:\n  SHOP: {getter: http, settings: {url: \""+server.URL+"\", bearer: \"${SHOP_TOKEN}\"}}\n")
	const query = "GET /orders?since={{since.epoch}}&cursor={{next}}\nrows: .items[] | {key: .id, time: .created_at}\nnext: .next"
	w.write("checks/orders.dwmon", checkerFile(query, "MINNUM3 LOOKBACKSECONDS600", "SHOP"))
	now := time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	pass := func(code, minute int) string {
		t.Helper()
		return w.dwmon(code, "once", "--now", now.Add(time.Duration(minute)*time.Minute+time.Second).Format(time.RFC3339))
	}
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

	api.set(false, at(-50), at(-40), at(-30), at(-20), at(-10))
	pass(0, 0)
	if n, status := w.last("orders"); n != 5 || status != "GOOD" {
		t.Errorf("five orders on three pages: %d, %s", n, status)
	}
	var since int64
	if _, err := fmt.Sscan(api.since, &since); err != nil || time.Since(time.Unix(since, 0)) < 24*time.Hour {
		t.Errorf("asked for orders since %q", api.since)
	}

	// A page that fails is no low count: the minute stays pending.
	api.set(true, at(-10), at(10), at(20), at(30))
	out := pass(1, 1)
	if !strings.Contains(out, "page 2 (GET "+server.URL+"/orders): the server answered 503") {
		t.Errorf("it says %s", out)
	}
	if n, _ := w.last("orders"); n != 5 {
		t.Errorf("after a failed fetch: %d", n)
	}
	api.set(false, at(10), at(20), at(30), at(40), at(50), at(55), at(70))
	pass(0, 2)
	if n, status := w.last("orders"); n != 7 || status != "GOOD" { // the first five ids are known, and count where they did
		t.Errorf("afterwards: %d, %s", n, status)
	}

	// A mistake in the form is the checker's, and shown with its place.
	w.write("checks/wrong.dwmon", checkerFile("GET /orders\nrow: .items[]", "MINNUM3 LOOKBACKSECONDS600", "SHOP"))
	w.write("checks/mine.dwmon", checkerFile("GET /orders\nrows: .items[]", "MINNUM3 LOOKBACKSECONDS600", server.URL))
	out = pass(1, 3)
	for _, words := range []string{`QUERY:2:1: "row" is unknown; did you mean "rows"?`, "401 Unauthorized: who are you, ?"} {
		if !strings.Contains(out, words) {
			t.Errorf("it does not say %q:\n%s", words, out)
		}
	}
	w.dwmon(0, "status")
	w.dwmon(0, "status", "--json")
	w.dwmon(0, "plugin", "list", "--json")
	for _, file := range []string{"dwmon.db", "dwmon.db-wal"} {
		if text, _ := os.ReadFile(filepath.Join(w.dir, file)); bytes.Contains(text, []byte("s3cr3t")) {
			t.Errorf("%s holds the token", file)
		}
	}
}
