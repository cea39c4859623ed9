package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// TestHostKilled: kill -9 of a daemon leaves neither its plugins nor what they
// started, and the next daemon finds a clean folder. Without a guard the plugin
// itself ends all the same.
func TestHostKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the guard needs /proc")
	}
	processes := []string{"the plugin", "its grandchild", "its grandchild in a session of its own"}
	for guard, gone := range map[string]int{"1": len(processes), "0": 1} {
		t.Run("guard "+guard, func(t *testing.T) {
			dir := shortDir(t)
			install(t, filepath.Join(dir, "plugins"), "good")
			pids := killHost(t, dir, guard)
			if len(pids) != len(processes) {
				t.Fatalf("the host started %d processes", len(pids))
			}
			killed := time.Now()
			for i, pid := range pids {
				if i < gone {
					eventually(t, processes[i]+" is gone", func() bool { return !runs(pid) })
				} else {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if took := time.Since(killed); took > 5*time.Second {
				t.Errorf("they were gone after %v", took)
			}
			r := newRig(t, Options{Dir: filepath.Join(dir, "plugins"), RunDir: filepath.Join(dir, "run")})
			if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "rows 1"); err != nil {
				t.Error(err)
			}
			r.Close(t.Context())
			if left, _ := filepath.Glob(filepath.Join(dir, "run", "plugins", "*")); len(left) != 0 {
				t.Errorf("left in the run folder: %q", left)
			}
		})
	}
}

// killHost starts a host in a process of its own, kills it, and says which
// processes it had started.
func killHost(t *testing.T, dir, guard string) []int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "DWMON_TEST_HOST="+dir, "DWMON_TEST_GUARD="+guard)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var pids []int
	for in := bufio.NewScanner(stdout); in.Scan() && in.Text() != "up"; {
		pid, err := strconv.Atoi(in.Text())
		if err != nil {
			t.Fatalf("the host says %q", in.Text())
		}
		if !runs(pid) {
			t.Fatalf("process %d does not run", pid)
		}
		pids = append(pids, pid)
	}
	return pids
}

// TestCloseAtAnyTime: Close in the middle of starts and calls leaves nothing behind.
func TestCloseAtAnyTime(t *testing.T) {
	leakCheck(t)
	dir, run := filepath.Join(t.TempDir(), "plugins"), shortDir(t)
	patient := quick // a busy machine may take its time over what cannot be interrupted
	patient.Leave = time.Minute
	for i := range 12 {
		r := newRig(t, Options{Dir: dir, RunDir: run, Timings: patient}, []string{"good", "hang", "deaf"}[:1+i%3]...)
		var calls sync.WaitGroup
		for _, name := range []string{"good", "hang", "deaf"} {
			calls.Go(func() { _, _ = fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: name}), "sleep 10000") })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Millisecond)
		<-ctx.Done()
		start := time.Now()
		r.Close(ctx)
		cancel()
		calls.Wait()
		if took := time.Since(start); took > patient.Leave {
			t.Errorf("Close after %d ms took %v", i*20, took)
		}
		if left, _ := filepath.Glob(filepath.Join(run, "plugins", "*")); len(left) != 0 {
			t.Errorf("left in the run folder: %q", left)
		}
	}
}

// TestGuardIsReplaced: a guard that is killed is started again, and Close ends it.
func TestGuardIsReplaced(t *testing.T) {
	if !guardWorks {
		t.Skip("the guard needs /proc")
	}
	leakCheck(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Options{GuardCommand: []string{exe}})
	guards := func() (pids []int) {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || !childOfOurs(pid) {
				continue
			}
			if env, err := os.ReadFile("/proc/" + e.Name() + "/environ"); err == nil && strings.Contains(string(env), "DWMON_GUARD=1") {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	eventually(t, "a guard runs", func() bool { return len(guards()) == 1 })
	first := guards()[0]
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another guard runs", func() bool { g := guards(); return len(g) == 1 && g[0] != first })
	r.Close(t.Context())
	if g := guards(); len(g) != 0 {
		t.Errorf("guards %v outlive the host", g)
	}
}

func childOfOurs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	return len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) && fields[0] != "Z"
}

// TestCrashCycles: a hundred crashes leave neither goroutines nor descriptors nor
// files.
func TestCrashCycles(t *testing.T) {
	leakCheck(t)
	cycles := 100
	if testing.Short() {
		cycles = 10
	}
	run := shortDir(t)
	r := newRig(t, Options{RunDir: run}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	var goroutines, descriptors int
	for i := range cycles {
		keys, err := fetchKeys(t.Context(), g, "pid")
		if err != nil {
			t.Fatalf("cycle %d: %v", i, err)
		}
		if i == 5 {
			goroutines, descriptors = runtime.NumGoroutine(), openFiles(t)
		}
		pid, err := strconv.Atoi(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is noticed", func() bool { return r.instance(InstanceSpec{Plugin: "good"}).info().Pid != pid })
	}
	if _, err := fetchKeys(t.Context(), g, "pid"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines+3 })
	eventually(t, "no more descriptors than before", func() bool { return openFiles(t) <= descriptors+2 })
	if left, _ := filepath.Glob(filepath.Join(run, "plugins", "*")); len(left) > 2 {
		t.Errorf("left in the run folder: %q", left)
	}
	r.Close(t.Context())
	if left, _ := filepath.Glob(filepath.Join(run, "plugins", "*")); len(left) > 0 {
		t.Errorf("left in the run folder after Close: %q", left)
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(entries)
}

// TestQuarantine: too many crashes, and the plugin is only probed; when it has been
// mended, the probe finds it.
func TestQuarantine(t *testing.T) {
	die := filepath.Join(t.TempDir(), "die")
	if err := os.WriteFile(die, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	timings := quick
	timings.CrashLimit, timings.Probe = 3, 200*time.Millisecond
	r := newRig(t, Options{Timings: timings}, "good")
	settings, _ := json.Marshal(goodSettings{DieFile: die})
	spec := InstanceSpec{Plugin: "good", Settings: settings}
	g := r.RowGetter(spec)
	_, err := fetchKeys(t.Context(), g, "rows 1")
	if err == nil || !strings.Contains(err.Error(), "crashed (exit status 9)") || dwmon.FaultOf(err) != dwmon.FaultUnavailable {
		t.Fatalf("error %v", err)
	}
	if in := r.instance(spec).info(); in.State != StateQuarantined && in.State != StateStarting {
		t.Errorf("the instance is %+v", in)
	}
	if err := os.Remove(die); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a probe", func() bool { _, err := fetchKeys(t.Context(), g, "rows 1"); return err == nil })
}

// TestRefusedSettings: calls fail at once, and a reload tries again at once.
func TestRefusedSettings(t *testing.T) {
	r := newRig(t, Options{Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }}, "good")
	spec := InstanceSpec{Plugin: "good", Settings: []byte(`{"refuse":"the password hunter2 is too short"}`)}
	g := r.RowGetter(spec)
	for range 2 {
		_, err := fetchKeys(t.Context(), g, "rows 1")
		if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), "the password *** is too short") {
			t.Errorf("error %v", err)
		}
	}
	if in := r.instance(spec).info(); in.Restarts != 0 || in.State != StateConfigError {
		t.Errorf("the instance is %+v", in)
	}
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another try", func() bool { return r.instance(spec).info().Restarts == 1 })
	_, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good", Settings: []byte(`{"wrod":"x"}`)}), "rows 1")
	if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), "wrod") {
		t.Errorf("an unknown setting: %v", err)
	}
}

// TestInstances: equal settings are one process, others another, and those that are
// no longer named end without failing their calls.
func TestInstances(t *testing.T) {
	r := newRig(t, Options{StateDir: t.TempDir()}, "good")
	spec := func(settings string) InstanceSpec { return InstanceSpec{Plugin: "good", Settings: []byte(settings)} }
	fetch := func(s InstanceSpec, query string) string {
		t.Helper()
		keys, err := fetchKeys(t.Context(), r.RowGetter(s), query)
		if err != nil {
			t.Fatal(err)
		}
		return keys[0]
	}
	a, b := spec(`{"word":"a","refuse":""}`), spec(`{"word":"b"}`)
	if fetch(a, "word") != "a" || fetch(b, "word") != "b" {
		t.Error("settings are mixed up")
	}
	if fetch(a, "pid") != fetch(spec(` {"refuse":"", "word":"a"}`), "pid") {
		t.Error("equal settings in another order are another process")
	}
	if fetch(a, "pid") == fetch(b, "pid") {
		t.Error("other settings are the same process")
	}
	old := r.RowGetter(b)
	slow := make(chan error, 1)
	go func() {
		_, err := fetchKeys(t.Context(), old, "sleep 300")
		slow <- err
	}()
	eventually(t, "a call is in flight", func() bool { return r.instance(b).info().InFlight == 1 })
	r.Keep(t.Context(), []InstanceSpec{a})
	if err := <-slow; err != nil {
		t.Errorf("a call in flight when its instance was dropped: %v", err)
	}
	if _, err := fetchKeys(t.Context(), old, "word"); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("a call of a dropped instance: %v", err)
	}
	if fetch(a, "word") != "a" {
		t.Error("the instance that was kept is gone")
	}
}

// TestNewFile: a changed file takes over when it is ready; the old process finishes
// its calls, however long they take.
func TestNewFile(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	timings := quick
	timings.DrainCalls = 20 * time.Millisecond // holds for a stop, not for a change
	r := newRig(t, Options{Timings: timings}, "good")
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	before, err := fetchKeys(t.Context(), g, "pid")
	if err != nil {
		t.Fatal(err)
	}
	slow := make(chan error, 1)
	go func() {
		_, err := fetchKeys(t.Context(), g, "sleep 1500")
		slow <- err
	}()
	in := r.instance(InstanceSpec{Plugin: "good"})
	eventually(t, "a call is in flight", func() bool { return in.info().InFlight == 1 })
	if r.Changed() {
		t.Error("the folder counts as changed before it was")
	}
	copyFile(t, exe, filepath.Join(r.dir, "dwmon-plugin-good"), "another build")
	if !r.Changed() {
		t.Error("a replaced file was not noticed")
	}
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second generation", func() bool { i := in.info(); return i.Generation == 2 && i.State == StateReady })
	after, err := fetchKeys(t.Context(), g, "pid")
	if err != nil || after[0] == before[0] {
		t.Errorf("process %v after %v: %v", after, before, err)
	}
	if err := <-slow; err != nil {
		t.Errorf("a call in flight at the change: %v", err)
	}
	pid, _ := strconv.Atoi(before[0])
	eventually(t, "the old process is gone", func() bool { return !runs(pid) })
	ps, err := r.Plugins(t.Context())
	if err != nil || len(ps) != 1 || ps[0].SHA256 != in.key {
		t.Errorf("plugins %+v, %v", ps, err)
	}

	// A new file that does not work changes nothing.
	if err := os.WriteFile(filepath.Join(r.dir, "dwmon-plugin-good.new"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(r.dir, "dwmon-plugin-good.new"), filepath.Join(r.dir, "dwmon-plugin-good")); err != nil {
		t.Fatal(err)
	}
	if err := r.Rescan(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new file is refused", func() bool { return strings.Contains(r.logs.String(), "the old one goes on") })
	if still, err := fetchKeys(t.Context(), g, "pid"); err != nil || still[0] != after[0] {
		t.Errorf("process %v after a broken file, was %v: %v", still, after, err)
	}
}

// TestFileAppears: an instance whose plugin is not there finds it when it comes.
func TestFileAppears(t *testing.T) {
	r := newRig(t, Options{Dir: t.TempDir()})
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Fatalf("error %v", err)
	}
	install(t, r.dir, "good")
	eventually(t, "it is found", func() bool { _, err := fetchKeys(t.Context(), g, "rows 1"); return err == nil })
	if ps, err := r.Plugins(t.Context()); err != nil || len(ps) != 1 || ps[0].State != StateReady {
		t.Errorf("plugins %+v, %v", ps, err)
	}
}

// TestCloseLetsCallsEnd: Close waits for calls in flight, and not when it is told to
// hurry.
func TestCloseLetsCallsEnd(t *testing.T) {
	leakCheck(t)
	for _, hurry := range []bool{false, true} {
		r := newRig(t, Options{}, "good")
		g := r.RowGetter(InstanceSpec{Plugin: "good"})
		result := make(chan error, 1)
		query := "sleep 400"
		if hurry {
			query = "sleep 20000"
		}
		go func() {
			_, err := fetchKeys(t.Context(), g, query)
			result <- err
		}()
		in := r.instance(InstanceSpec{Plugin: "good"})
		eventually(t, "a call is in flight", func() bool { return in.info().InFlight == 1 })
		ctx, cancel := context.WithCancel(t.Context())
		if hurry {
			cancel()
		}
		start := time.Now()
		r.Close(ctx)
		cancel()
		err := <-result
		if !hurry && err != nil {
			t.Errorf("a call in flight at Close: %v", err)
		}
		if hurry && (err == nil || time.Since(start) > 5*time.Second) {
			t.Errorf("a hurried Close took %v; its call: %v", time.Since(start), err)
		}
		if _, err := fetchKeys(t.Context(), g, "rows 1"); err == nil {
			t.Error("a call after Close succeeded")
		}
		if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "rows 1"); err == nil {
			t.Error("a new getter after Close works")
		}
	}
}

// TestConcurrency: no more calls at a time than the plugin and the configuration
// allow, and waiting for a place does not use up a call's time.
func TestConcurrency(t *testing.T) {
	r := newRig(t, Options{}, "good")
	spec := InstanceSpec{Plugin: "good", Concurrency: 2}
	g := r.RowGetter(spec)
	in := r.instance(spec)
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil { // a start is part of the time of the call that waits for it
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("sleep 1000"), Timeout: 2900 * time.Millisecond}, func(*dwmon.Batch) error { return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	most := 0
	for running := true; running; {
		select {
		case <-finished:
			running = false
		case <-time.After(5 * time.Millisecond):
			most = max(most, in.info().InFlight)
		}
	}
	if most != 2 {
		t.Errorf("%d calls at a time, want 2", most)
	}
	r.RowGetter(InstanceSpec{Plugin: "good", Concurrency: 100})
	if in.places[RowGetter].limit != 4 { // the plugin's own limit
		t.Errorf("the limit is %d, want the plugin's 4", in.places[RowGetter].limit)
	}
}

func TestHandle(t *testing.T) {
	r := newRig(t, Options{}, "good")
	h := r.CheckHandler(InstanceSpec{Plugin: "good"})
	result := dwmon.Result{
		CheckerName: "billing/new", EventCount: 3, Min: dwmon.Bound{Set: true, N: 5}, Status: dwmon.Bad, Reason: dwmon.Low,
		Minute: 1_700_000_040, LookbackSeconds: 60, Requirement: "X", RequirementIndex: 2, TimeZone: "UTC", Source: "AWS", Owner: "me",
		Labels: map[string]string{"a": "b"}, CatchUp: true, EvaluatedAt: 1_700_000_041_500_000, Previous: dwmon.Good, ConsecutiveBad: 1,
		LocalTime: "2023-11-14 22:14:00",
	}
	file := filepath.Join(t.TempDir(), "told")
	handle := func(extra string) error {
		return h.HandleCheck(t.Context(), dwmon.HandleRequest{RequestID: "r", IdempotencyKey: "k", Result: result, Extra: []byte(extra)})
	}
	if err := handle(`{"file":` + strconv.Quote(file) + `}`); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := asTold(result)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the handler was told\n%s, want\n%s", got, want)
	}
	tests := []struct {
		extra string
		want  dwmon.HandleError
	}{
		{`{"fail":"never"}`, dwmon.HandleError{Fault: dwmon.HandleNever}},
		{`not json`, dwmon.HandleError{Fault: dwmon.HandleNever}},
		{`{"fail":"later"}`, dwmon.HandleError{RetryAfter: 7 * time.Second, Down: true}},
		{`{"fail":"credentials"}`, dwmon.HandleError{Down: true}},
		{`{"fail":"crash"}`, dwmon.HandleError{}},
		{`{"fail":"plain"}`, dwmon.HandleError{}},
	}
	for _, tt := range tests {
		var he *dwmon.HandleError
		if err := handle(tt.extra); !errors.As(err, &he) || he.Fault != tt.want.Fault || he.Down != tt.want.Down || he.RetryAfter != tt.want.RetryAfter {
			t.Errorf("%s: %+v, want %+v", tt.extra, he, tt.want)
		}
	}
	var he *dwmon.HandleError
	if err := h.HandleNotice(t.Context(), dwmon.NoticeRequest{Notice: dwmon.Notice{Kind: dwmon.NoticeDigest, Summary: "much"}}); !errors.As(err, &he) || he.Fault != dwmon.HandleNever {
		t.Errorf("a notice to a handler without notices: %v", err)
	}
	absent := r.CheckHandler(InstanceSpec{Plugin: "absent"})
	if err := absent.HandleCheck(t.Context(), dwmon.HandleRequest{Result: result}); !errors.As(err, &he) || !he.Down || he.Fault != dwmon.HandleRetry {
		t.Errorf("a handler that is not there: %+v", he)
	}
	slow := r.CheckHandler(InstanceSpec{Plugin: "good", Timeout: 100 * time.Millisecond})
	if err := slow.HandleCheck(t.Context(), dwmon.HandleRequest{Result: result, Extra: []byte(`{"fail":"wait"}`)}); err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("a handler that does not answer: %v", err)
	}
}

func TestPurge(t *testing.T) {
	r := newRig(t, Options{}, "good", "handler")
	p := r.Purger(InstanceSpec{Plugin: "good"})
	cut, err := p.IdentifyOld(t.Context(), dwmon.PurgeRequest{Checker: checker("x"), Now: 10_000, Oldest: 1, Newest: 9000})
	if err != nil || cut != (dwmon.Cutoff{Set: true, OlderThan: 5400, Reason: "an hour is enough"}) {
		t.Errorf("cut-off %+v, %v", cut, err)
	}
	cut, err = p.IdentifyOld(t.Context(), dwmon.PurgeRequest{Checker: checker("x"), Now: 10_000})
	if err != nil || cut.Set {
		t.Errorf("nothing stored: cut-off %+v, %v", cut, err)
	}
	if _, err := r.Purger(InstanceSpec{Plugin: "handler"}).IdentifyOld(t.Context(), dwmon.PurgeRequest{Checker: checker("x")}); err == nil {
		t.Error("a plugin that is no purger answered")
	}
}

// TestSweep: a process that an earlier host left is ended when its run file still
// names it, and not when its number has become another's.
func TestSweep(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("start times of processes are not known on this system")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := exec.Command(exe, "sleeper")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	left, other := start(), start()
	base := shortDir(t)
	run := &runDir{path: filepath.Join(base, "plugins")}
	if err := os.MkdirAll(filepath.Join(run.path, "plugin-dir123"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := run.record("a", left.Process.Pid, exe); err != nil {
		t.Fatal(err)
	}
	if err := run.record("b", other.Process.Pid, exe); err != nil {
		t.Fatal(err)
	}
	file := run.file("b", other.Process.Pid)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"start":"`, `"start":"9`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run.path, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newRig(t, Options{RunDir: base})
	eventually(t, "the leftover is gone", func() bool { return !runs(left.Process.Pid) })
	if !runs(other.Process.Pid) {
		t.Error("a process that only has the number was killed")
	}
	entries, err := os.ReadDir(run.path)
	if err != nil || len(entries) != 1 || entries[0].Name() != "precious" {
		t.Errorf("the run folder holds %v, %v", entries, err)
	}
}

// TestLongRunDir: sockets go to a short folder where the run folder is too long.
func TestLongRunDir(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	r := newRig(t, Options{RunDir: long}, "good")
	if len(r.run.path) > runBaseMax {
		t.Errorf("the run folder %s has %d bytes", r.run.path, len(r.run.path))
	}
	if info, err := os.Stat(r.run.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the run folder: %v, %v", info, err)
	}
	if _, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good"}), "rows 1"); err != nil {
		t.Error(err)
	}
	r.Close(t.Context())
	if _, err := os.Stat(r.run.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the short folder is left: %v", err)
	}
}

// asTold is the object of `history --json` as handlers know it: what became of the
// result later is not there.
func asTold(r dwmon.Result) ([]byte, error) {
	text, err := json.Marshal(r)
	return bytes.Replace(text, []byte(`,"corrected":null`), nil, 1), err
}
