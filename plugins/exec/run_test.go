//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// TestRowGetterRuns: what a program does, and what becomes of its rows.
func TestRowGetterRuns(t *testing.T) {
	needTool(t, "setsid")
	for _, c := range []struct {
		name, script string
		rows         int
		says         string // empty: the rows count
		class        pluginsdk.Class
	}{
		{"rows", `printf 'a\t1\nb\t2\n'`, 2, "", ""},
		{"none", "", 0, "", ""},
		{"reads nothing of a long request", `exec 0<&-; printf 'a\t1\n'`, 1, "", ""},
		{"prints much to standard error", `i=0; while [ $i -lt 3000 ]; do echo "a line that is long enough to fill a pipe some time $i" >&2; i=$((i+1)); done; printf 'a\t1\n'`, 1, "", ""},
		{"closes its output and lives on a little", `printf 'a\t1\n'; exec 1>&-; sleep 0.3`, 1, "", ""},
		{"closes its output, lives on and fails", `printf 'a\t1\n'; exec 1>&-; sleep 0.3; exit 9`, 0, "exit status 9", pluginsdk.ClassOther},
		{"fails after rows", `printf 'a\t1\n'; echo 'out of luck' >&2; exit 3`, 0, "program ./rows.sh ended with exit status 3; it last wrote: out of luck", pluginsdk.ClassOther},
		{"usage", "exit 64", 0, "exit status 64", pluginsdk.ClassChecker},
		{"data", "echo no such table >&2; exit 65", 0, "no such table", pluginsdk.ClassChecker},
		{"unavailable", "exit 69", 0, "exit status 69", pluginsdk.ClassRetryable},
		{"try again", "exit 75", 0, "exit status 75", pluginsdk.ClassRetryable},
		{"credentials", "exit 77", 0, "exit status 77", pluginsdk.ClassCredentials},
		{"configuration", "exit 78", 0, "exit status 78", pluginsdk.ClassConfig},
		{"another code", "exit 66", 0, "exit status 66", pluginsdk.ClassOther},
		{"killed", `printf 'a\t1\n'; kill -9 $$`, 0, "signal killed (was memory short?)", pluginsdk.ClassOther},
		{"half a last line", `printf 'a\t1\nb\t17'`, 0, "line 2 of its output has no end", pluginsdk.ClassOther},
		{"half a last line and a code", `printf 'a\t1\nb\t17'; exit 75`, 0, "exit status 75; line 2 of its output has no end", pluginsdk.ClassRetryable},
		{"a bad line", `printf 'a\t1\nb 2\nc\t3\n'; sleep 60`, 0, `line 2 of its output: "b 2" holds no tab`, pluginsdk.ClassChecker},
		{"a bad line that its code explains", `echo 'no route to host'; sleep 0.05; exit 69`, 0, "exit status 69; line 1 of its output", pluginsdk.ClassRetryable},
		{"endless rows of no use", `while :; do echo bad; done`, 0, "line 1 of its output", pluginsdk.ClassChecker},
		{"leaves somebody who writes", `(sleep 60; printf 'late\t1\n') & printf 'a\t1\n'`, 0, "left something running that held its output", pluginsdk.ClassOther},
		{"leaves somebody out of reach", `setsid sleep 30 & printf 'a\t1\n'`, 0, "left something running that held its output", pluginsdk.ClassOther},
		{"leaves somebody who is quick", `(sleep 0.05; printf 'b\t2\n') & printf 'a\t1\n'`, 2, "", ""},
		{"leaves somebody who does not hold it", `sleep 60 >/dev/null 2>&1 & printf 'a\t1\n'`, 1, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _ := getter(t, c.script+"\n")
			out := &sink{}
			began := time.Now()
			err := rowGetter{s}.GetRows(t.Context(), query(strings.Repeat("SELECT ", 50_000)), out)
			switch {
			case c.says == "" && err == nil && len(out.rows) == c.rows:
			case c.says != "" && err != nil && strings.Contains(err.Error(), c.says) && pluginsdk.ClassOf(err) == c.class:
			default:
				t.Errorf("%d rows, %v (%s); want %d, %q (%s)", len(out.rows), err, pluginsdk.ClassOf(err), c.rows, c.says, c.class)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestRowGetterWaitsForTheHost: rows that are still in the pipe when the program
// has ended are not lost, however slow the host is.
func TestRowGetterWaitsForTheHost(t *testing.T) {
	s, _ := getter(t, `i=0; while [ $i -lt 400 ]; do printf '%d\t1\n' $i; i=$((i+1)); done`)
	out := &sink{busy: func() { time.Sleep(2 * time.Millisecond) }}
	if err := (rowGetter{s}).GetRows(t.Context(), query(""), out); err != nil || len(out.rows) != 400 {
		t.Errorf("%d rows, %v", len(out.rows), err)
	}
	s, _ = getter(t, `while :; do printf 'a\t1\n'; done`)
	if err := (rowGetter{s}).GetRows(t.Context(), query(""), &sink{full: 1000}); !errors.Is(err, errFull) {
		t.Errorf("a host that takes no more: %v", err)
	}
}

// TestRequest: what a program is told, on its standard input and in its environment.
func TestRequest(t *testing.T) {
	t.Setenv("DWMON_PLUGIN_MANIFEST", "/nowhere")
	t.Setenv("DWMON_PLUGIN_MARK", "keep me")
	t.Setenv("PLUGIN_MIN_PORT", "1")
	dir := t.TempDir()
	const tell = "#!/bin/sh\ncat > request.json\nenv > environ\nprintf '%s' \"$1\" > argument\npwd > folder\n"
	script(t, dir, "tell.sh", tell)
	w := func() *work {
		return &work{Command: []string{"./tell.sh", "an argument; $(rm -rf x)"}, Env: map[string]string{"OWN": "mine", "DWMON_CHECKER": "not mine"}}
	}
	s := serve(t, dir, kinds{RowGetter: w(), CheckHandler: w(), Purger: w()})
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	env := func(name string) (string, bool) {
		for _, line := range strings.Split(read("environ"), "\n") {
			if n, v, _ := strings.Cut(line, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
	wantEnv := func(want map[string]string) {
		t.Helper()
		for name, v := range want {
			if got, _ := env(name); got != v {
				t.Errorf("%s is %q, want %q", name, got, v)
			}
		}
	}
	wantMember := func(text, path string, want any) {
		t.Helper()
		var v any = mustJSON(t, text)
		for _, name := range strings.Split(path, ".") {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if fmt.Sprint(v) != fmt.Sprint(want) {
			t.Errorf("the request's %s is %v, want %v", path, v, want)
		}
	}
	const extra = `{"big": 12345678901234567890.10,
  "html": "<&>", "nested": {"a": {}}}`

	q := query("SELECT 'é' <&>")
	q.ExtraJSON, q.Since, q.MaxRows = []byte(extra), time.Unix(1780315229, 5e8), 77
	if err := (rowGetter{s}).GetRows(t.Context(), q, &sink{}); err != nil {
		t.Fatal(err)
	}
	request := read("request.json")
	if !strings.HasSuffix(request, `,"extra":`+extra+"}\n") || !strings.Contains(request, `"query":"SELECT 'é' <&>"`) {
		t.Errorf("EXTRA and QUERY are not as they were: %s", request)
	}
	for path, want := range map[string]any{
		"op": "get_rows", "source": "there", "checker.name": "billing/orders", "checker.file": "checks/billing/orders.dwmon", "checker.revision": "abc",
		"since_epoch": 1780315229, "max_rows": 77, "settings.token": "s3cret", "extra.big": "12345678901234567890.10", "request_id": "",
	} {
		wantMember(request, path, want)
	}
	wantEnv(map[string]string{
		"DWMON_OP": "get_rows", "DWMON_QUERY": "SELECT 'é' <&>", "DWMON_SOURCE": "there", "DWMON_CHECKER": "billing/orders",
		"DWMON_SINCE": "1780315229", "DWMON_MAX_ROWS": "77", "OWN": "mine", "DWMON_PLUGIN_MARK": "keep me", "PATH": os.Getenv("PATH"),
	})
	for _, name := range []string{"DWMON_PLUGIN_MANIFEST", "PLUGIN_MIN_PORT"} {
		if v, ok := env(name); ok {
			t.Errorf("%s=%s was handed on", name, v)
		}
	}
	if got := read("argument"); got != "an argument; $(rm -rf x)" {
		t.Errorf("the argument is %q", got)
	}
	real, err := filepath.EvalSymlinks(dir)
	if got := strings.TrimSpace(read("folder")); err != nil || got != real {
		t.Errorf("it ran in %s, want %s, %v", got, real, err)
	}

	// What is too long for a variable is in the request only.
	if err := (rowGetter{s}).GetRows(t.Context(), query(strings.Repeat("x", 500_000)), &sink{}); err != nil {
		t.Fatal(err)
	}
	if v, ok := env("DWMON_QUERY"); ok || len(mustJSON(t, read("request.json"))["query"].(string)) != 500_000 {
		t.Errorf("a long query: a variable of %d bytes", len(v))
	}

	low := int64(5)
	ev := pluginsdk.CheckEvent{
		Result: pluginsdk.Result{
			CheckerName: "billing/orders", EventCount: 3, MinRequired: &low, CheckStatus: pluginsdk.Bad, MinuteEpoch: 1780315200,
			MinuteLocalTime: "2026-06-01 12:00:00", LookbackSeconds: 60, Reason: "low", Source: "there", Owner: "team", PreviousStatus: pluginsdk.Good, ConsecutiveBad: 1,
			EvaluatedAt: time.Unix(1780315201, 0), Labels: map[string]string{"a": "b"}, TimeZone: "UTC", Requirement: "MINNUM5",
		},
		IdempotencyKey: "i/billing/orders/1780315200/0", Checker: q.Checker, ExtraJSON: nil,
	}
	if err := (checkHandler{s}).HandleCheck(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	request = read("request.json")
	for path, want := range map[string]any{
		"op": "handle_check", "idempotency_key": ev.IdempotencyKey, "result.check_status": "BAD", "result.event_count": 3, "result.max_allowed": "<nil>",
		"result.labels.a": "b", "result.minute_local_time": "2026-06-01 12:00:00", "extra": "map[]", "settings.token": "s3cret",
	} {
		wantMember(request, path, want)
	}
	wantEnv(map[string]string{
		"DWMON_OP": "handle_check", "DWMON_STATUS": "BAD", "DWMON_IDEMPOTENCY_KEY": ev.IdempotencyKey, "DWMON_REASON": "low", "DWMON_PREVIOUS_STATUS": "GOOD",
		"DWMON_EVENT_COUNT": "3", "DWMON_MINUTE_EPOCH": "1780315200", "DWMON_MINUTE_LOCAL_TIME": "2026-06-01 12:00:00", "DWMON_OWNER": "team", "DWMON_QUERY": "",
	})

	in := pluginsdk.PurgeInput{Checker: q.Checker, Now: time.Unix(1780315229, 0), Oldest: time.Unix(100, 0)}
	if _, err := (purger{s}).IdentifyOld(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{"op": "identify_old", "now_epoch": 1780315229, "oldest_epoch": 100, "newest_epoch": "<nil>", "keep_from_epoch": "<nil>"} {
		wantMember(read("request.json"), path, want)
	}
	wantEnv(map[string]string{"DWMON_OP": "identify_old", "DWMON_NOW": "1780315229"})
}

func TestCheckHandlerExits(t *testing.T) {
	for _, c := range []struct {
		script string
		class  pluginsdk.Class
	}{
		{"echo told", ""},
		{"sleep 60 & echo told", ""}, // it is ended, and the log says so
		{"exit 65", pluginsdk.ClassPermanent},
		{"exit 75", pluginsdk.ClassRetryable},
		{"exit 1", pluginsdk.ClassOther},
	} {
		dir := t.TempDir()
		script(t, dir, "page.sh", "#!/bin/sh\n"+c.script+"\n")
		s := serve(t, dir, kinds{CheckHandler: &work{Command: []string{"./page.sh"}}})
		if err := (checkHandler{s}).HandleCheck(t.Context(), pluginsdk.CheckEvent{}); pluginsdk.ClassOf(err) != c.class {
			t.Errorf("%s: %v (%s), want %s", c.script, err, pluginsdk.ClassOf(err), c.class)
		}
	}
}

func TestPurgerAnswers(t *testing.T) {
	for _, c := range []struct {
		script, says string
		want         int64 // 0: keeps everything
	}{
		{"", "", 0},
		{"echo", "", 0},
		{"echo 1340000000", "", 1340000000},
		{"printf ' 1340000000'", "", 1340000000},
		{"echo null", "", 0},
		{"echo yesterday", `is yesterday; want whole seconds`, 0},
		{"echo 1340000000; echo 1340000001", "want whole seconds", 0},
		{"echo 1340000000.5", "want whole seconds", 0},
		{"echo 1340000000000", "divide by 1000", 0},
		{"echo 1340000000; exit 75", "exit status 75", 0},
		{"(sleep 60; echo 1) & echo 1340000000", "left something running", 0},
		{"while :; do echo 1340000000; done", "its answer is longer than 4096 bytes", 0},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			script(t, dir, "old.sh", "#!/bin/sh\n"+c.script+"\n")
			s := serve(t, dir, kinds{Purger: &work{Command: []string{"./old.sh"}}})
			cut, err := (purger{s}).IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: time.Now()})
			at, set := cut.OlderThan()
			switch {
			case c.says != "" && err != nil && strings.Contains(err.Error(), c.says) && !set:
			case c.says == "" && err == nil && set == (c.want != 0) && (!set || at.Unix() == c.want):
			default:
				t.Errorf("%v %v, %v", at, set, err)
			}
		})
	}
}

// alive says whether a process whose number a script has written lives.
func alive(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return syscall.Kill(pid, 0) == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestCancel: the call returns at once; the program and what it has started get
// SIGTERM, and two seconds later SIGKILL.
func TestCancel(t *testing.T) {
	for _, c := range []struct {
		name, script string
		polite       bool
	}{
		{"ends at SIGTERM", `trap 'echo bye > polite; exit 0' TERM; sleep 600 & echo $! > child; echo $$ > parent; wait`, true},
		{"ignores SIGTERM", `trap '' TERM; (trap '' TERM; echo $$ > /dev/null; exec sleep 600) & echo $! > child; echo $$ > parent; while :; do sleep 1; done`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, dir := getter(t, c.script+"\n")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			done := make(chan error, 1)
			go func() { done <- (rowGetter{s}).GetRows(ctx, query(""), &sink{}) }()
			parent, child := filepath.Join(dir, "parent"), filepath.Join(dir, "child")
			eventually(t, "the program runs", func() bool { return exists(parent) && exists(child) && alive(t, parent) })
			began := time.Now()
			why := errors.New("the host has gone away")
			cancel(why)
			if err := <-done; !errors.Is(err, why) || time.Since(began) > time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
			eventually(t, "both are gone", func() bool { return !alive(t, parent) && !alive(t, child) })
			if polite := exists(filepath.Join(dir, "polite")); polite != c.polite {
				t.Errorf("it ended politely: %v", polite)
			}
			if took := time.Since(began); !c.polite && took < patience {
				t.Errorf("it was killed after %v", took)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	s, _ := getter(t, "printf 'a\\t1\\n'; sleep 600\n", func(w *work) { w.Timeout = pluginsdk.Duration(200 * time.Millisecond) })
	err := rowGetter{s}.GetRows(t.Context(), query(""), &sink{})
	if pluginsdk.ClassOf(err) != pluginsdk.ClassTime || !strings.Contains(err.Error(), "program ./rows.sh took longer than its timeout of 200ms and was ended") {
		t.Errorf("%v (%s)", err, pluginsdk.ClassOf(err))
	}
}

// TestShutdownEndsWhatRuns: also what was given up a moment before.
func TestShutdownEndsWhatRuns(t *testing.T) {
	s, dir := getter(t, "trap '' TERM; echo $$ > parent; while :; do sleep 1; done\n")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (rowGetter{s}).GetRows(ctx, query(""), &sink{}) }()
	parent := filepath.Join(dir, "parent")
	eventually(t, "the program runs", func() bool { return exists(parent) && alive(t, parent) })
	cancel()
	<-done
	began := time.Now()
	if err := s.shutdown(t.Context()); err != nil || alive(t, parent) || time.Since(began) > patience {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestOutputIsLogged: what a program prints for people arrives in the log, and its
// settings do not.
func TestOutputIsLogged(t *testing.T) {
	var log safeBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	dir := t.TempDir()
	script(t, dir, "page.sh", "#!/bin/sh\ncat > /dev/null\necho told the pager\necho 'WARNING: it is slow' >&2\nsleep 600 &\n")
	s := serve(t, dir, kinds{CheckHandler: &work{Command: []string{"./page.sh"}}})
	if err := (checkHandler{s}).HandleCheck(t.Context(), pluginsdk.CheckEvent{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`level=INFO msg="told the pager"`, `level=WARN msg="WARNING: it is slow"`, "left something running that held its output"} {
		eventually(t, "the log says "+want, func() bool { return strings.Contains(log.String(), want) })
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Error("the log holds a setting")
	}
}

func TestSetupNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "ok.sh", "#!/bin/sh\n")
	if err := os.WriteFile(filepath.Join(dir, "plain.sh"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		k    kinds
		says []string
	}{
		{"nothing", kinds{}, []string{"no kind of work is set"}},
		{"a missing file", kinds{RowGetter: &work{Command: []string{"./none.sh"}}}, []string{"kinds.row_getter: command ./none.sh: " + filepath.Join(dir, "none.sh"), "no such file"}},
		{"not executable", kinds{Purger: &work{Command: []string{"./plain.sh"}}}, []string{"kinds.purger: command ./plain.sh: ", "is not executable: chmod +x"}},
		{"a folder", kinds{Purger: &work{Command: []string{dir}}}, []string{"kinds.purger: command " + dir}},
		{"not on the PATH", kinds{Purger: &work{Command: []string{"no-such-program-anywhere"}}}, []string{"no-such-program-anywhere: it is not on the PATH"}},
		{"without ./", kinds{Purger: &work{Command: []string{"ok.sh"}}}, []string{"write ./ok.sh"}},
		{"no name", kinds{Purger: &work{Command: []string{""}}}, []string{"the program's name is empty"}},
		{"no folder", kinds{Purger: &work{Command: []string{"./ok.sh"}, Workdir: "plain.sh"}}, []string{"workdir ", "it is no folder"}},
		{"two at once", kinds{RowGetter: &work{Command: []string{"./none.sh"}}, Purger: &work{Command: []string{"./ok.sh"}, Format: "tsv"}}, []string{"kinds.row_getter", "kinds.purger: format is for row getters"}},
		{"a format that is none", kinds{RowGetter: &work{Command: []string{"./ok.sh"}, Format: "xml"}}, []string{`format is "xml"; want csv, ndjson, tsv`}},
		{"a zone that is none", kinds{RowGetter: &work{Command: []string{"./ok.sh"}, Timezone: "Mars/North"}}, []string{"timezone", "Mars/North"}},
		{"workers that run once", kinds{RowGetter: &work{Command: []string{"./ok.sh"}, Workers: 2}}, []string{"for persistent programs"}},
		{"a persistent one with a format", kinds{RowGetter: &work{Command: []string{"./ok.sh"}, Persistent: true, Format: "csv", Workers: 9}}, []string{"answers in lines of JSON", "workers is 9"}},
		{"a variable that is none", kinds{RowGetter: &work{Command: []string{"./ok.sh"}, Env: map[string]string{"A=B": "c"}}}, []string{`env: "A=B"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newServer(dir, c.k).setup(t.Context())
			if pluginsdk.ClassOf(err) != pluginsdk.ClassConfig {
				t.Fatalf("%v (%s)", err, pluginsdk.ClassOf(err))
			}
			if i := slices.IndexFunc(c.says, func(s string) bool { return !strings.Contains(err.Error(), s) }); i >= 0 {
				t.Errorf("%q does not say %q", err, c.says[i])
			}
		})
	}
	s := serve(t, dir, kinds{Purger: &work{Command: []string{"./ok.sh"}}})
	if err := (rowGetter{s}).GetRows(t.Context(), query(""), &sink{}); pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || !strings.Contains(err.Error(), "kinds.row_getter.command") {
		t.Errorf("a kind without a command: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ok.sh")); err != nil {
		t.Fatal(err)
	}
	if err := s.health(t.Context()); err == nil {
		t.Error("the program is gone, and health says nothing")
	}
	if err := (purger{s}).callOnce(t); pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || !strings.Contains(err.Error(), "start program ./ok.sh") {
		t.Errorf("a program that has gone: %v (%s)", err, pluginsdk.ClassOf(err))
	}
}

func (u purger) callOnce(t *testing.T) error {
	_, err := u.IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: time.Now()})
	return err
}
