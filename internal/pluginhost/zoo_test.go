package pluginhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// TestBrokenPlugins starts every kind of plugin that does not start, all at once
// and beside a healthy one, and wants each to say what is wrong with it.
func TestBrokenPlugins(t *testing.T) {
	leakCheck(t)
	tests := []struct {
		name  string
		state State
		says  string
	}{
		{"silent", StateBroken, "crashed (exit status 0: it ended by itself; its main must call pluginsdk.Serve"},
		{"dies", StateBroken, `crashed (exit status 7); it last wrote: "panic: cannot go on"`},
		{"junk", StateBroken, `no handshake but "Loading configuration...\n"`},
		{"long-junk", StateBroken, `no handshake but "xxx`},
		{"hang", StateBroken, "did not say anything on standard output within 4s"},
		{"deaf", StateBroken, "did not answer Describe within 4s"},
		{"hang-describe", StateBroken, "did not answer Describe within 4s"},
		{"protocol2", StateIncompatible, `it speaks protocol "2"`},
		{"netrpc", StateIncompatible, `"netrpc"`},
		{"elsewhere", StateBroken, "outside the folder that it was given"},
		{"crash-describe", StateBroken, `crashed (exit status 4); it last wrote: "fatal error: describe is too hard"`},
		{"not-ours", StateIncompatible, "does not serve dwmon.plugin.v1"},
		{"no-kind", StateIncompatible, "neither row getter nor check handler nor purger"},
		{"bad-semver", StateIncompatible, `"one" is no semantic version`},
		{"liar", StateIncompatible, `calls itself "somebody-else"`},
	}
	names := []string{"good"}
	for _, tt := range tests {
		names = append(names, tt.name)
	}
	timings := quick
	timings.Start = 4 * time.Second
	r := newRig(t, Options{Timings: timings}, names...)
	if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "rows 3"); err != nil {
		t.Errorf("the healthy plugin beside them: %v", err)
	}
	ps, err := r.Plugins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Plugin{}
	for _, p := range ps {
		byName[p.Name] = p
	}
	for _, tt := range tests {
		p := byName[tt.name]
		if p.State != tt.state || !strings.Contains(p.Err, tt.says) {
			t.Errorf("%s is shown as %s %q, want %s … %s", tt.name, p.State, p.Err, tt.state, tt.says)
		}
	}
	if p := byName["good"]; p.State != StateReady {
		t.Errorf("the healthy one is shown as %+v", p)
	}
}

// TestProtocolViolations: whatever is not a whole result is a failed fetch that
// names the plugin, and the plugin goes on.
func TestProtocolViolations(t *testing.T) {
	r := newRig(t, Options{}, "raw")
	g := r.RowGetter(InstanceSpec{Plugin: "raw"})
	tests := []struct{ query, says string }{
		{"no summary", "without a summary"},
		{"nothing", "without a summary"},
		{"lying summary", "speaks of 3 rows, but 2 came"},
		{"two summaries", "more after the summary"},
		{"rows after", "more after the summary"},
		{"few timestamps", "2 key lengths but 1 timestamps"},
		{"few lengths", "1 key lengths but 2 timestamps"},
		{"short keys", "add up to 2 bytes but its keys are 1"},
		{"long keys", "add up to 2 bytes but its keys are 3"},
		{"huge length", "4294967295 bytes long"},
		{"empty event", "neither rows nor remark nor summary"},
		{"too many rows", "holds 1025 rows"},
		{"too many bytes", "bytes of keys"},
		{"too large", "larger than max"},
		{"half and failed", "the source went away"},
		{"endless", "more than 5000 rows: narrow the query"},
	}
	for _, tt := range tests {
		_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker(tt.query), MaxRows: 5000, Timeout: 10 * time.Second},
			func(*dwmon.Batch) error { return nil })
		var fe *dwmon.FetchError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "plugin raw: GetRows") {
			t.Errorf("%s: error %v, want one that says %q", tt.query, err, tt.says)
			continue
		}
		want := dwmon.FaultUnavailable
		if tt.query == "endless" || tt.query == "too large" {
			want = dwmon.FaultChecker
		}
		if fe.Fault != want {
			t.Errorf("%s: fault %v, want %v", tt.query, fe.Fault, want)
		}
	}
	for query, n := range map[string]int{"right": 4, "empty": 0} {
		if keys, err := fetchKeys(t.Context(), g, query); err != nil || len(keys) != n {
			t.Errorf("%s: %d rows, %v", query, len(keys), err)
		}
	}
	if in := r.instance(InstanceSpec{Plugin: "raw"}).info(); in.Restarts != 0 {
		t.Errorf("the plugin was restarted %d times for what its results were", in.Restarts)
	}
}

func TestMaxBytes(t *testing.T) {
	r := newRig(t, Options{}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("rows 5000"), MaxBytes: 100_000}, func(*dwmon.Batch) error { return nil })
	if dwmon.FaultOf(err) != dwmon.FaultChecker || !strings.Contains(err.Error(), "larger than 100000 bytes: narrow the query") {
		t.Errorf("error %v", err)
	}
}

// TestCrash: the process ends in the middle of a result. The call says how, nothing
// is tried again since rows have been handed on, and the next call works.
func TestCrash(t *testing.T) {
	leakCheck(t)
	r := newRig(t, Options{}, "good", "other")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	rows := 0
	_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("crash 3000")}, func(b *dwmon.Batch) error {
		rows += b.Rows()
		return nil
	})
	var crash *CrashError
	if !errors.As(err, &crash) || crash.Exit != "exit status 2" || !strings.Contains(err.Error(), "panic: kaboom") {
		t.Fatalf("error %v", err)
	}
	if dwmon.FaultOf(err) != dwmon.FaultUnavailable || rows == 0 || rows > 3000 {
		t.Errorf("fault %v after %d rows", dwmon.FaultOf(err), rows)
	}
	if keys, err := fetchKeys(t.Context(), g, "rows 2"); err != nil || len(keys) != 2 {
		t.Errorf("after the crash: %v, %v", keys, err)
	}
	if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "other"}), "rows 2"); err != nil {
		t.Errorf("the plugin beside it: %v", err)
	}
	if in := r.instance(InstanceSpec{Plugin: "good"}).info(); in.Restarts != 1 || !strings.Contains(in.LastError, "kaboom") {
		t.Errorf("the instance is %+v", in)
	}
}

// TestCrashBeforeRows: nothing was handed on, so the call is made again, on a new
// process, until its tries are used up.
func TestCrashBeforeRows(t *testing.T) {
	r := newRig(t, Options{}, "good")
	_, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "crash 0")
	var crash *CrashError
	if !errors.As(err, &crash) {
		t.Fatalf("error %v", err)
	}
	eventually(t, "third restart", func() bool { return r.instance(InstanceSpec{Plugin: "good"}).info().Restarts == 3 })
}

func TestUnavailableIsTriedAgain(t *testing.T) {
	r := newRig(t, Options{}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	if keys, err := fetchKeys(t.Context(), g, "busy 2"); err != nil || len(keys) != 1 {
		t.Errorf("unavailable twice: %v, %v", keys, err)
	}
	if _, err := fetchKeys(t.Context(), g, "busy 3"); dwmon.FaultOf(err) != dwmon.FaultUnavailable || !strings.Contains(err.Error(), "come again") {
		t.Errorf("unavailable three times: %v", err)
	}
}

func TestFaults(t *testing.T) {
	r := newRig(t, Options{Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }}, "good", "handler")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	tests := []struct {
		query string
		fault dwmon.Fault
		says  string
	}{
		{"fail plain", dwmon.FaultUnavailable, "it did not work"},
		{"fail config", dwmon.FaultSettings, "no database is set"},
		{"fail checker", dwmon.FaultChecker, "syntax error at ***"},
		{"fail credentials", dwmon.FaultSettings, "wrong password"},
		{"fail network", dwmon.FaultUnavailable, "connection refused"},
		{"panic", dwmon.FaultUnavailable, ""},
		{"nonsense", dwmon.FaultUnavailable, "nonsense"},
	}
	for _, tt := range tests {
		_, err := fetchKeys(t.Context(), g, tt.query)
		if err == nil || dwmon.FaultOf(err) != tt.fault || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v error %v, want %v … %s", tt.query, dwmon.FaultOf(err), err, tt.fault, tt.says)
		}
	}
	_, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "handler"}), "rows 1")
	if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), "it is no row_getter: it serves [check_handler]") {
		t.Errorf("a handler asked for rows: %v", err)
	}
	_, err = fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "absent"}), "rows 1")
	if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), "there is no plugin absent: want the file") || !strings.Contains(err.Error(), "there are good, handler") {
		t.Errorf("a plugin that is not there: %v", err)
	}
}

func TestSummary(t *testing.T) {
	r := newRig(t, Options{}, "good")
	s, err := r.RowGetter(InstanceSpec{Plugin: "good"}).GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("cut")}, func(*dwmon.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if s.Rows != 3 || !s.Cut || s.SkippedNull != 1 || s.DataAsOf == nil || *s.DataAsOf != 77 || s.SourceNow != nil || len(s.Warnings) != 1 || s.Warnings[0] != "only a part" {
		t.Errorf("the summary is %+v", s)
	}
}

// TestSinkError: an error of the sink ends the plugin's work and is returned as it is.
func TestSinkError(t *testing.T) {
	r := newRig(t, Options{}, "good")
	full := errors.New("the disk is full")
	calls := 0
	_, err := r.RowGetter(InstanceSpec{Plugin: "good"}).GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("rows 100000")}, func(*dwmon.Batch) error {
		calls++
		return full
	})
	if err != full || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// TestCancel: the caller gives up, and the plugin hears of it.
func TestCancel(t *testing.T) {
	r := newRig(t, Options{}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "heard")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := fetchKeys(ctx, g, "wait "+file)
	if err == nil {
		t.Fatal("a fetch that was cancelled succeeded")
	}
	gaveUp := time.Now()
	eventually(t, "the plugin hears of it", func() bool { _, err := os.Stat(file); return err == nil })
	if late := time.Since(gaveUp); late > 2*time.Second {
		t.Errorf("the plugin heard of it after %v", late)
	}
	_, err = g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("wait"), Timeout: 50 * time.Millisecond}, func(*dwmon.Batch) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("a fetch that takes too long: %v", err)
	}
}

// TestFrozen: a process that does not run is found by its health probes.
func TestFrozen(t *testing.T) {
	timings := quick
	timings.HealthEvery, timings.HealthTimeout = 50*time.Millisecond, 300*time.Millisecond
	r := newRig(t, Options{Timings: timings}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	_, err := fetchKeys(t.Context(), g, "freeze")
	if err == nil || !strings.Contains(err.Error(), "did not answer 3 health probes") {
		t.Errorf("error %v", err)
	}
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestCloseFrozen: Close does not wait for a process that does not run.
func TestCloseFrozen(t *testing.T) {
	timings := quick
	timings.DrainCalls, timings.Drain, timings.Exit = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	r := newRig(t, Options{Timings: timings}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	keys, err := fetchKeys(t.Context(), g, "pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(keys[0])
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r.Close(t.Context())
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}

// TestGrandchild: one that holds the plugin's standard error keeps nobody waiting,
// and each ends with the plugin, one that left its group and its session too.
func TestGrandchild(t *testing.T) {
	leakCheck(t)
	r := newRig(t, Options{}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	var pids []int
	for _, query := range []string{"grandchild group", "grandchild setsid", "pid"} {
		keys, err := fetchKeys(t.Context(), g, query)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	defer syscall.Kill(pids[1], syscall.SIGKILL)
	if err := syscall.Kill(pids[2], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	eventually(t, "restart", func() bool {
		in := r.instance(InstanceSpec{Plugin: "good"}).info()
		return in.State == StateReady && in.Restarts == 1
	})
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the exit was noticed after %v", took)
	}
	eventually(t, "the grandchild of the group is gone", func() bool { return !runs(pids[0]) })
	eventually(t, "the grandchild in a session of its own is gone", func() bool { return !runs(pids[1]) })
}

// runs says whether a process is there and is no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func TestPluginLogs(t *testing.T) {
	r := newRig(t, Options{Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	for _, query := range []string{"log long", "log odd", "log secret", "print"} {
		if _, err := fetchKeys(t.Context(), g, query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, want := range []string{
		`level=INFO msg="yyyy`, `y … (cut)" plugin=good`, "level=INFO msg=1 plugin=good", `level=WARN msg="from hclog" plugin=good`, "n=1 a=b",
		`level=ERROR msg="[ERROR] plain"`, "\uFFFD raw", "password is ***", `level=WARN msg="printed by mistake"`,
	} {
		eventually(t, "the log holds "+want, func() bool { return strings.Contains(r.logs.String(), want) })
	}
	if strings.Contains(r.logs.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
	if _, err := fetchKeys(t.Context(), g, "log flood"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the flood is read", func() bool { return strings.Count(r.logs.String(), "msg=again") >= maxLineRate*9/10 })
	eventually(t, "the drops are told", func() bool {
		if _, err := fetchKeys(t.Context(), g, "log odd"); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(r.logs.String(), "dropped=")
	})
	if n := strings.Count(r.logs.String(), "msg=again"); n > 3*maxLineRate {
		t.Errorf("%d of 5000 lines were logged", n)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	t.Setenv("LC_TIME", "C")
	t.Setenv("DWMON_DB_USER", "joe")
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "good")
	if err := os.WriteFile(filepath.Join(dir, "good.json"), []byte(`{"env":["DWMON_DB_*","COLOUR=red"],"limits":{"memory_mb":100}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Options{Dir: dir})
	env, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "env")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, kv := range env {
		has[kv] = true
		if strings.Contains(kv, "s3cret") {
			t.Error("a secret of the daemon's environment reached the plugin")
		}
	}
	for _, want := range []string{"LC_TIME=C", "DWMON_DB_USER=joe", "COLOUR=red", "GOMEMLIMIT=75MiB"} {
		if !has[want] {
			t.Errorf("%s is missing: %q", want, env)
		}
	}
}
