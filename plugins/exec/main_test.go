package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// sink keeps rows as text: the key in Go's quotes and microseconds.
type sink struct {
	mu    sync.Mutex
	rows  []string
	nulls int
	// busy is how long each row takes the host.
	busy func()
	// full is the error of the row after so many; 0: never.
	full int
}

func (s *sink) Append(key string, at time.Time) error  { return s.AppendMicros(key, at.UnixMicro()) }
func (s *sink) AppendBytes(key []byte, us int64) error { return s.AppendMicros(string(key), us) }
func (s *sink) SkipNull()                              { s.nulls++ }
func (s *sink) MarkTruncated()                         {}
func (s *sink) Warn(string)                            {}
func (s *sink) SourceNow(time.Time)                    {}
func (s *sink) DataAsOf(time.Time)                     {}
func (s *sink) AppendMicros(key string, us int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy != nil {
		s.busy()
	}
	if s.full > 0 && len(s.rows) == s.full {
		return errFull
	}
	s.rows = append(s.rows, fmt.Sprintf("%q %d", key, us))
	return nil
}

var errFull = fmt.Errorf("the host takes no more rows")

// needTool insists on a program that the machine may lack.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		t.Fatalf("%s is missing, and DWMON_TEST_ALL=1 forbids to skip: install it", name)
	}
	t.Skipf("SKIPPED: %s is missing; install it to run this test", name)
	return ""
}

// script writes an executable file into a folder.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// serve makes an instance that does the work in a folder, ready for calls.
func serve(t *testing.T, dir string, k kinds) *server {
	t.Helper()
	s := newServer(dir, k)
	if err := s.setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newServer(dir string, k kinds) *server {
	return &server{
		kinds: &k, folder: dir, programs: map[pluginsdk.Kind]*program{},
		shared: func() ([]byte, error) { return []byte(`{"token":"s3cret"}`), nil },
	}
}

// getter is an instance whose row getter is a shell script.
func getter(t *testing.T, text string, change ...func(*work)) (*server, string) {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "rows.sh", "#!/bin/sh\n"+text)
	w := &work{Command: []string{"./rows.sh", "an argument"}}
	for _, f := range change {
		f(w)
	}
	return serve(t, dir, kinds{RowGetter: w}), dir
}

func query(text string) pluginsdk.Query {
	return pluginsdk.Query{Text: text, Source: "there", Checker: pluginsdk.Checker{Name: "billing/orders", Path: "checks/billing/orders.dwmon", Revision: "abc"}}
}

func mustJSON(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after half a minute still not: %s", what)
		}
	}
}
