package pluginhost

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
)

// rig is a host on a folder of fixtures.
type rig struct {
	*Host
	t    testing.TB
	dir  string
	logs *logBuffer
}

// logBuffer collects log lines and can be waited on.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// quick are timings for tests: everything that only waits is short.
var quick = Timings{
	Start: 5 * time.Second, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond, CrashLimit: 1000,
	Recheck: 20 * time.Millisecond, CrashWait: 3 * time.Second, Exit: 5 * time.Second,
}

// newRig starts a host on the named fixtures. It is closed at the end of the test,
// and must then have left nothing behind.
func newRig(t testing.TB, opt Options, names ...string) *rig {
	t.Helper()
	r := &rig{t: t, logs: &logBuffer{}}
	if opt.Dir == "" {
		opt.Dir = filepath.Join(t.TempDir(), "plugins")
	}
	r.dir = opt.Dir
	for _, name := range names {
		install(t, r.dir, name)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	}
	if opt.Timings.Start == 0 {
		opt.Timings = quick
	}
	if opt.RunDir == "" {
		opt.RunDir = shortDir(t)
	}
	h, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = h
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", tail(r.logs.String(), 8000))
		}
	})
	t.Cleanup(func() { h.Close(context.Background()) })
	return r
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// shortDir is a folder whose path is short enough for sockets.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/tmp", "dwh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// install puts the test binary into the folder under a plugin's name.
func install(t testing.TB, dir, name string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, pluginsdk.FilePrefix+name)
	_ = os.Remove(path)
	if os.Link(exe, path) != nil {
		copyFile(t, exe, path, "")
	}
	return path
}

// copyFile installs by rename, with something appended so that the digest differs.
func copyFile(t testing.TB, from, to, suffix string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, io.MultiReader(in, strings.NewReader(suffix))); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".tmp", to); err != nil {
		t.Fatal(err)
	}
}

// everything says that all tests are to run at length.
func everything() bool { return os.Getenv("DWMON_TEST_ALL") == "1" }

// sidecar writes NAME.json beside a plugin.
func sidecar(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checker(query string) *dwmon.Checker {
	return &dwmon.Checker{Name: "billing/new", File: "checks/billing/new.dwmon", Revision: "abc", Query: query, Source: "told", Extra: []byte("{}")}
}

func fetchKeys(ctx context.Context, g dwmon.RowGetter, query string) ([]string, error) {
	var keys []string
	_, err := g.GetRows(ctx, dwmon.FetchRequest{RequestID: "r1", Checker: checker(query)}, func(b *dwmon.Batch) error {
		at := uint32(0)
		for _, n := range b.Lengths {
			keys = append(keys, string(b.Keys[at:at+n]))
			at += n
		}
		return nil
	})
	return keys, err
}

// eventually waits for a condition that other processes bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 15 s", what)
		}
	}
}

func leakCheck(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, before,
			goleak.IgnoreAnyFunction("github.com/dwmon/dwmon/internal/pluginhost.init.func1.1"), // the spawner
			goleak.IgnoreAnyFunction("github.com/dwmon/dwmon/internal/pluginhost.init.OnceValue[...].func1.1"))
	})
}

func TestFetch(t *testing.T) {
	leakCheck(t)
	r := newRig(t, Options{}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	for _, n := range []int{0, 1, 1023, 1024, 1025, 10_000} {
		keys, err := fetchKeys(t.Context(), g, "rows "+itoa(n))
		if err != nil {
			t.Fatalf("%d rows: %v", n, err)
		}
		if len(keys) != n {
			t.Errorf("%d rows came, want %d", len(keys), n)
		}
		if n > 0 && keys[n-1] != "key-"+pad(n-1) {
			t.Errorf("the last of %d keys is %q", n, keys[n-1])
		}
	}
	ps, err := r.Plugins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := ps[0]
	if len(ps) != 1 || p.Name != "good" || p.Version != "1.2.3" || p.State != StateReady || p.Err != "" || len(p.SHA256) != 64 ||
		!slices.Equal(p.Kinds, []Kind{RowGetter, CheckHandler, Purger}) || !slices.Equal(p.Sources, []string{"told"}) || p.DefaultOn != dwmon.OnChange || len(p.Statuses) != 3 {
		t.Errorf("plugin list shows %+v", ps)
	}
	if in := p.Instances; len(in) != 1 || in[0].Calls != 6 || in[0].Failed != 0 || in[0].Restarts != 0 || in[0].Pid == 0 || in[0].Generation != 1 {
		t.Errorf("the instance is %+v", in)
	}
}

func itoa(n int) string { return strings.TrimLeft(pad(n), "0") + map[bool]string{true: "0"}[n == 0] }

func pad(n int) string {
	s := ""
	for range 20 {
		s = string(rune('0'+n%10)) + s
		n /= 10
	}
	return s
}
