package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestBreaker(t *testing.T) {
	const never = -1
	type step struct {
		after time.Duration // since the last step
		ready time.Duration // how long it had been ready; never: it was not
		f     failure
		state State
		wait  time.Duration
	}
	s, m := time.Second, time.Minute
	tests := []struct {
		name  string
		steps []step
	}{
		{"the wait doubles up to a minute", []step{
			{0, never, failedSetup, StateBackoff, 250 * time.Millisecond},
			{s, never, failedSetup, StateBackoff, 500 * time.Millisecond},
			{s, never, failedSetup, StateBackoff, s},
			{s, never, failedSetup, StateBackoff, 2 * s},
			{s, never, failedSetup, StateBackoff, 4 * s},
			{s, never, failedSetup, StateBackoff, 8 * s},
			{s, never, failedSetup, StateBackoff, 16 * s},
			{s, never, failedSetup, StateBackoff, 32 * s},
			{s, never, failedSetup, StateBackoff, m},
			{s, never, failedSetup, StateBackoff, m},
		}},
		{"a minute of work forgets it", []step{
			{0, never, failedCrash, StateBackoff, 250 * time.Millisecond},
			{s, 59 * s, failedCrash, StateBackoff, 500 * time.Millisecond},
			{s, m, failedCrash, StateBackoff, 250 * time.Millisecond},
		}},
		{"five crashes within ten minutes quarantine, and so does each one after that", []step{
			{0, never, failedCrash, StateBackoff, 250 * time.Millisecond},
			{m, never, failedCrash, StateBackoff, 500 * time.Millisecond},
			{m, never, failedCrash, StateBackoff, s},
			{m, never, failedCrash, StateBackoff, 2 * s},
			{m, never, failedCrash, StateQuarantined, 5 * m},
			{5 * m, never, failedCrash, StateQuarantined, 5 * m},
			{5 * m, never, failedCrash, StateQuarantined, 5 * m},
			{5 * m, 30 * s, failedCrash, StateQuarantined, 5 * m},
			{5 * m, 2 * m, failedCrash, StateBackoff, 250 * time.Millisecond},
		}},
		{"a file that is replaced while it is started is tried again soon, however often, and is no crash", []step{
			{0, never, failedChanged, StateBackoff, 250 * time.Millisecond},
			{s, never, failedChanged, StateBackoff, 250 * time.Millisecond},
			{s, never, failedChanged, StateBackoff, 250 * time.Millisecond},
			{s, never, failedChanged, StateBackoff, 250 * time.Millisecond},
			{s, never, failedChanged, StateBackoff, 250 * time.Millisecond},
			{s, never, failedCrash, StateBackoff, 250 * time.Millisecond},
		}},
		{"a machine that has no descriptor left for it is no crash of the plugin", []step{
			{0, never, failedMachine, StateBackoff, 250 * time.Millisecond},
			{s, never, failedMachine, StateBackoff, 500 * time.Millisecond},
			{s, never, failedMachine, StateBackoff, s},
			{s, never, failedMachine, StateBackoff, 2 * s},
			{s, never, failedMachine, StateBackoff, 4 * s},
			{s, never, failedCrash, StateBackoff, 8 * s},
		}},
		{"five crashes in more than ten minutes do not", []step{
			{0, never, failedCrash, StateBackoff, 250 * time.Millisecond},
			{3 * m, never, failedCrash, StateBackoff, 500 * time.Millisecond},
			{3 * m, never, failedCrash, StateBackoff, s},
			{3 * m, never, failedCrash, StateBackoff, 2 * s},
			{3 * m, never, failedCrash, StateBackoff, 4 * s},
		}},
		{"refused settings are tried after 1, 2, 4, 5, 5 minutes, and are no crash", []step{
			{0, never, failedConfig, StateConfigError, m},
			{m, never, failedConfig, StateConfigError, 2 * m},
			{m, never, failedConfig, StateConfigError, 4 * m},
			{m, never, failedConfig, StateConfigError, 5 * m},
			{m, never, failedConfig, StateConfigError, 5 * m},
			{m, s, failedConfig, StateConfigError, m},
		}},
		{"a file that cannot work is looked at again", []step{
			{0, never, failedIncompatible, StateIncompatible, 15 * s},
			{0, never, failedRejected, StateRejected, 15 * s},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := breaker{t: Timings{}.withDefaults(), rand: func() float64 { return 1 }}
			now := time.Unix(0, 0)
			for i, st := range tt.steps {
				now = now.Add(st.after)
				if st.ready != never {
					b.ready(now)
					now = now.Add(st.ready)
				}
				if state, wait := b.failed(now, st.f); state != st.state || wait != st.wait {
					t.Errorf("step %d: %s for %v, want %s for %v", i+1, state, wait, st.state, st.wait)
				}
			}
		})
	}
	b := breaker{t: Timings{}.withDefaults(), rand: func() float64 { return 0.5 }}
	if _, wait := b.failed(time.Unix(0, 0), failedSetup); wait != 125*time.Millisecond {
		t.Errorf("half of the jitter is %v", wait)
	}
}

// TestFailureOf: what a start failed by, and whose fault that is.
func TestFailureOf(t *testing.T) {
	short := &os.PathError{Op: "fork/exec", Path: "dwmon-plugin-a", Err: syscall.EMFILE}
	for name, tt := range map[string]struct {
		err  error
		want failure
	}{
		"a crash":                        {&startError{failedCrash, errors.New("exit status 2")}, failedCrash},
		"no descriptor to execute it":    {&startError{failedCrash, fmt.Errorf("plugin a: execute: %w", short)}, failedMachine},
		"no descriptor to read its file": {&startError{failedRejected, fmt.Errorf("plugin a: %w", short)}, failedMachine},
		"a file that may not be run":     {&startError{failedRejected, fmt.Errorf("plugin a: %w", os.ErrPermission)}, failedRejected},
		"a file that was replaced":       {&startError{failedCrash, fmt.Errorf("plugin a: %w", &changedError{})}, failedChanged},
	} {
		if got := failureOf(tt.err); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestPlaces: never more than the limit, first come first served, and one who gives
// up loses no place.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		var mu sync.Mutex
		var order []int
		for i := range 5 {
			time.Sleep(time.Millisecond)
			go func() {
				if p.take(t.Context()) != nil {
					t.Error("not served")
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				p.give()
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := p.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a place was given: %v", err)
		}
		if p.inUse() != 2 {
			t.Errorf("%d places in use", p.inUse())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) || p.inUse() != 0 {
			t.Errorf("served in the order %v, %d in use", order, p.inUse())
		}
		p.resize(0)
		var served atomic.Bool
		go func() { served.Store(p.take(t.Context()) == nil) }()
		synctest.Wait()
		if served.Load() {
			t.Error("served without a place")
		}
		p.resize(1)
		synctest.Wait()
		if !served.Load() {
			t.Error("a new place was not given")
		}
	})
}

func TestDiscover(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	if found, err := Discover(dir); err != nil || len(found) != 0 {
		t.Errorf("no folder: %v, %v", found, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "dwmon-plugin-folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\n"
	write("dwmon-plugin-script", script, 0o755)
	write("dwmon-plugin-open", script, 0o757)
	write("dwmon-plugin-plain", script, 0o644)
	write("dwmon-plugin-Upper", script, 0o755)
	write("dwmon-plugin-empty", "", 0o755)
	write("dwmon-plugin-mac", "\xcf\xfa\xed\xfe....", 0o755)
	write("dwmon-plugin-win", "MZ....", 0o755)
	write("dwmon-plugin-arm", strangeELF(t), 0o755)
	write("dwmon-plugin-twice", script, 0o755)
	write("dwmon-plugin-twice.exe", script, 0o755)
	write("dwmon-plugin-side", script, 0o755)
	write("side.json", `{"limits":{"max_rows":"many"}}`, 0o644)
	write("dwmon-plugin-off", script, 0o755)
	write("off.json", `{"enabled":false,"limits":{"concurrency":2,"get_rows_timeout":"90s"}}`, 0o644)
	write("other-program", script, 0o755)
	write("dwmon-plugin-script.sha256", "…", 0o644)
	write("../outside", script, 0o755)
	if err := os.Symlink("dwmon-plugin-script", filepath.Join(dir, "dwmon-plugin-link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside", filepath.Join(dir, "dwmon-plugin-away")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"script": "", "link": "", "open": "", "off": "",
		"plain":  "not executable: chmod +x it",
		"Upper":  "is no name of a plugin",
		"empty":  "is empty",
		"mac":    "built for macOS",
		"win":    "built for Windows",
		"arm":    "built for another processor",
		"twice":  "2 files claim the name twice",
		"side":   "side.json",
		"folder": "is a folder",
		"away":   "outside the plugins folder",
	}
	found, err := Discover(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range found {
		seen[f.Name] = true
		says, known := want[f.Name]
		switch {
		case !known:
			t.Errorf("%s was found", f.Path)
		case says == "" && f.Err != nil, says != "" && (f.Err == nil || !strings.Contains(f.Err.Error(), says)):
			t.Errorf("%s: error %v, want %q", f.Name, f.Err, says)
		}
		if (f.Name == "open") != (len(f.Warnings) == 1) {
			t.Errorf("%s: warnings %q", f.Name, f.Warnings)
		}
		if f.Name == "off" && (!f.Sidecar.disabled() || f.Sidecar.Limits != (Limits{Concurrency: 2, GetRows: Duration(90 * time.Second)})) {
			t.Errorf("the sidecar is %+v", f.Sidecar)
		}
	}
	if len(found) != len(want)+1 || len(seen) != len(want) {
		t.Errorf("found %v, want %v", seen, want)
	}
}

// strangeELF is the head of the test's own file, made to be for another processor.
func strangeELF(t *testing.T) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	raw[18], raw[19] = 0xF7, 0 // e_machine: BPF, which runs nowhere
	return string(raw)
}

func TestEnviron(t *testing.T) {
	host := []string{"PATH=/bin", "SECRET=1", "LC_ALL=C", "LCX=1", "DWMON_DB_USER=u", "DWMON_PLUGIN_MARK=old", "PLUGIN_CLIENT_CERT=old", "A=B=C"}
	got := environ(host, []string{"DWMON_*", "A", "NEW=1"})
	want := []string{"PATH=/bin", "LC_ALL=C", "DWMON_DB_USER=u", "A=B=C", "NEW=1"}
	if !slices.Equal(got, want) {
		t.Errorf("environ is %q, want %q", got, want)
	}
}

func TestHandshakeFault(t *testing.T) {
	tests := []struct {
		line         string
		ok           bool
		incompatible bool
	}{
		{"1|1|unix|/x|grpc|cert\n", true, false},
		{"1|1|unix|/x|grpc\n", true, false},
		{"1|2|unix|/x|grpc|\n", false, true},
		{"2|1|unix|/x|grpc|\n", false, true},
		{"1|1|unix|/x|netrpc|\n", false, true},
		{"1|1|unix|/x\n", false, false},
		{"hello | world | | | |\n", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		fault := handshakeFault(tt.line)
		if (fault == nil) != tt.ok || fault != nil && fault.incompatible != tt.incompatible {
			t.Errorf("%q: %v", tt.line, fault)
		}
	}
}

func TestParseJSONLine(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		line  string
		ok    bool
		level slog.Level
		msg   string
		attrs string
		timed bool
	}{
		{`{"time":"2024-01-02T03:04:05Z","level":"WARN","msg":"m","b":1,"a":"x"}`, true, slog.LevelWarn, "m", "[b=1 a=x]", true},
		{`{"@timestamp":"2024-01-02T03:04:05Z","@level":"trace","@message":"m","@module":"p"}`, true, slog.LevelDebug - 4, "m", "[@module=p]", true},
		{`{"level":"INFO+2","msg":"m"}`, true, slog.LevelInfo + 2, "m", "[]", false},
		{`{"level":7,"msg":null,"time":"soon","o":{"k":[1, 2]}}`, true, slog.LevelInfo, "null", `[level=7 o={"k":[1, 2]}]`, false},
		{`{"@message":1}`, true, slog.LevelInfo, "1", "[]", false},
		{`{}`, true, slog.LevelInfo, "", "[]", false},
		{`{"msg":"cut`, false, 0, "", "", false},
		{`[1]`, false, 0, "", "", false},
		{``, false, 0, "", "", false},
	}
	for _, tt := range tests {
		e, ok := parseJSONLine([]byte(tt.line), nil)
		if ok != tt.ok {
			t.Errorf("%s: %v", tt.line, ok)
			continue
		}
		if ok && (e.level != tt.level || e.msg != tt.msg || fmt.Sprint(e.attrs) != tt.attrs || e.time.Equal(at) != tt.timed) {
			t.Errorf("%s: %+v", tt.line, e)
		}
	}
}

// TestReadLines: whatever is written, in whatever pieces, comes out line by line,
// cut where it is too long.
func TestReadLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 5, maxLine, maxLine + longestSecret - 1, maxLine + longestSecret, 3 * maxLine}), 0, 6).Draw(t, "lengths")
		text := ""
		var want []int
		for _, n := range lengths {
			text += strings.Repeat("x", n) + "\n"
			if n >= maxLine+longestSecret {
				n = maxLine + len(" … (cut)")
			}
			want = append(want, n)
		}
		var got []int
		readLines(strings.NewReader(text), func(s string) string { return s }, func(line []byte) { got = append(got, len(line)) })
		if !slices.Equal(got, want) {
			t.Fatalf("lines of %v came as %v", lengths, got)
		}
	})
}

// TestNoPieceOfASecretIsLogged: wherever a stream is cut into pieces, and wherever a line
// is cut because it is too long, a secret in it is taken out whole.
func TestNoPieceOfASecretIsLogged(t *testing.T) {
	const secret = "swordfish-0123456789"
	redact := func(s string) string { return strings.ReplaceAll(s, secret, "[redacted]") }
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SampledFrom([]int{0, 10, keptLine - 7, maxText - 7, maxLine - 7, maxLine + longestSecret - 7}).Draw(t, "before")
		text := strings.Repeat("x", before) + secret + " and " + secret + rapid.SampledFrom([]string{"", "\n", "\nmore"}).Draw(t, "after")
		var out bytes.Buffer
		l := newLineLog(slog.New(slog.NewTextHandler(&out, nil)), redact)
		for rest := text; rest != ""; {
			n := min(len(rest), rapid.SampledFrom([]int{1, 3, 1024, 1 << 20}).Draw(t, "piece"))
			if before > maxText {
				n = min(len(rest), max(n, 1000)) // bytes one by one would take for ever
			}
			_, _ = l.out.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		l.readStderr(strings.NewReader(text))
		l.finish()
		shown := out.String() + strings.Join(l.lastLines(10), "\n") + l.shown(text)
		if strings.Contains(shown, secret[:6]) || strings.Contains(shown, secret[13:]) {
			t.Fatalf("with %d bytes before it, some of the secret is shown", before)
		}
		if !strings.Contains(out.String(), "xxxx") && !strings.Contains(out.String(), "[redacted]") {
			t.Fatal("nothing was logged")
		}
	})
}

func TestRing(t *testing.T) {
	var r ring
	for i := range 3*keptLines + 7 {
		r.add(fmt.Sprint(i))
	}
	if got := r.last(3); !slices.Equal(got, []string{"604", "605", "606"}) {
		t.Errorf("the last lines are %q", got)
	}
	if got := r.last(1000); len(got) != keptLines || got[0] != "407" {
		t.Errorf("%d lines from %q", len(got), got[0])
	}
	r.add(strings.Repeat("x", 1<<20))
	if got := r.last(1)[0]; len(got) != keptLine {
		t.Errorf("a line of %d bytes is kept", len(got))
	}
}

func TestRate(t *testing.T) {
	var r rate
	now := time.Unix(100, 0)
	logged := 0
	for range 2500 {
		if ok, dropped := r.take(now); ok {
			logged++
		} else if dropped != 0 {
			t.Fatal("told too early")
		}
	}
	ok, dropped := r.take(now.Add(time.Second))
	if logged != maxLineRate || !ok || dropped != 1500 {
		t.Errorf("%d logged, then %v with %d dropped", logged, ok, dropped)
	}
	if _, dropped := r.take(now.Add(time.Second)); dropped != 0 {
		t.Error("told twice")
	}
}

func TestLastWords(t *testing.T) {
	tests := []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{"a", "b", "c", "d"}, `"b" / "c" / "d"`},
		{[]string{"a", "panic: x", "", "goroutine 1", "stack", "stack"}, `"panic: x" / "goroutine 1"`},
	}
	for _, tt := range tests {
		if got := lastWords(tt.lines); got != tt.want {
			t.Errorf("last words of %q are %s, want %s", tt.lines, got, tt.want)
		}
	}
}

func TestFetchFault(t *testing.T) {
	tests := []struct {
		err  Error
		want dwmon.Fault
	}{
		{Error{Code: codes.InvalidArgument}, dwmon.FaultChecker},
		{Error{Code: codes.NotFound}, dwmon.FaultChecker},
		{Error{Code: codes.OutOfRange}, dwmon.FaultChecker},
		{Error{Code: codes.ResourceExhausted}, dwmon.FaultChecker},
		{Error{Code: codes.ResourceExhausted, RetryAfter: time.Second}, dwmon.FaultUnavailable},
		{Error{Code: codes.FailedPrecondition}, dwmon.FaultSettings},
		{Error{Code: codes.FailedPrecondition, Reason: "NOT_READY"}, dwmon.FaultUnavailable},
		{Error{Code: codes.Unauthenticated}, dwmon.FaultSettings},
		{Error{Code: codes.PermissionDenied}, dwmon.FaultSettings},
		{Error{Code: codes.Unimplemented}, dwmon.FaultSettings},
		{Error{Code: codes.Unavailable}, dwmon.FaultUnavailable},
		{Error{Code: codes.DeadlineExceeded}, dwmon.FaultUnavailable},
		{Error{Code: codes.Canceled}, dwmon.FaultUnavailable},
		{Error{Code: codes.Internal}, dwmon.FaultUnavailable},
		{Error{Code: codes.Unknown}, dwmon.FaultUnavailable},
		{Error{Code: codes.DataLoss}, dwmon.FaultUnavailable},
		{Error{State: StateConfigError}, dwmon.FaultSettings},
		{Error{State: StateRejected}, dwmon.FaultSettings},
		{Error{State: StateIncompatible}, dwmon.FaultSettings},
		{Error{State: StateQuarantined}, dwmon.FaultUnavailable},
		{Error{State: StateBackoff}, dwmon.FaultUnavailable},
	}
	for _, tt := range tests {
		if got := fetchFault(&tt.err); got != tt.want {
			t.Errorf("%v %s %v: %v, want %v", tt.err.Code, tt.err.Reason, tt.err.State, got, tt.want)
		}
	}
	if got := fetchFault(errors.New("x")); got != dwmon.FaultUnavailable {
		t.Errorf("any other error: %v", got)
	}
}

func TestCheckDescribe(t *testing.T) {
	tests := []struct {
		min, host string
		ok        bool
	}{
		{"", "1.0.0", true},
		{"1.0.0", "1.0.0", true},
		{"1.0.1", "1.0.0", false},
		{"1.10.0", "1.9.9", false},
		{"0.9.0", "1.0.0-rc1", true},
		{"2.0.0", "devel", true},
		{"junk", "1.0.0", true},
	}
	for _, tt := range tests {
		d := &pluginv1.DescribeResponse{Name: "x", Version: "1.0.0-rc.1+build", MinHostVersion: tt.min, Purger: &pluginv1.PurgerInfo{}}
		if err := checkDescribe("x", d, tt.host); (err == nil) != tt.ok {
			t.Errorf("needs %q, is %q: %v", tt.min, tt.host, err)
		}
	}
}

// TestDescribeCache: what a file said of itself is asked once.
func TestDescribeCache(t *testing.T) {
	cache := mapCache{}
	dir := filepath.Join(t.TempDir(), "plugins")
	first := newRig(t, Options{Dir: dir, Cache: cache}, "good")
	want, err := first.Plugin(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	if len(cache) != 1 || cache[want.SHA256] == nil {
		t.Fatalf("the cache holds %d answers", len(cache))
	}
	first.Close(t.Context())
	second := newRig(t, Options{Dir: dir, Cache: cache})
	got, err := second.Plugin(t.Context(), "good")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("from the cache: %+v, %v; want %+v", got, err, want)
	}
	if strings.Contains(second.logs.String(), "waiting for RPC address") {
		t.Error("the plugin was started all the same")
	}
	cache[want.SHA256] = []byte("\xff")
	third := newRig(t, Options{Dir: dir, Cache: cache})
	if got, err := third.Plugin(t.Context(), "good"); err != nil || got.Version != "1.2.3" {
		t.Errorf("from a broken cache: %+v, %v", got, err)
	}
}

type mapCache map[string][]byte

func (c mapCache) Described(sum string) ([]byte, bool) {
	raw, ok := c[sum]
	return raw, ok
}

func (c mapCache) SaveDescribed(sum string, raw []byte) { c[sum] = raw }

func TestHostLog(t *testing.T) {
	var b logBuffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	ending := false
	l := newHostLog(log, func() bool { return ending })
	named := l.With("a", 1).Named("x").Named("y")
	named.Error("bad", "k", "v", 7)
	l.Warn("careful", 5, 6)
	l.Info("chatter")
	ending = true
	l.Error("wanted")
	want := "level=ERROR msg=bad a=1 k=v 7=(missing)\nlevel=WARN msg=careful 5=6\n"
	if b.String() != want {
		t.Errorf("logged\n%s, want\n%s", b.String(), want)
	}
	if named.Name() != "x.y" || l.Name() != "" || l.IsDebug() || !l.IsWarn() {
		t.Error("names or levels are wrong")
	}
}
