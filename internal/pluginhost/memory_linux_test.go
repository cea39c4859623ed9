package pluginhost

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func memoryRig(t *testing.T, limitMiB int, crashLimit int) *rig {
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "leaky")
	install(t, dir, "good")
	sidecar(t, dir, "leaky", `{"limits":{"memory_mb":`+strconv.Itoa(limitMiB)+`}}`)
	timings := quick
	timings.MemoryEvery, timings.CrashLimit, timings.Probe = 40*time.Millisecond, crashLimit, time.Minute
	return newRig(t, Options{Dir: dir, Timings: timings})
}

func instanceOf(t *testing.T, r *rig, name string) InstanceInfo {
	t.Helper()
	ps, err := r.Plugins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		if p.Name == name && len(p.Instances) == 1 {
			return p.Instances[0]
		}
	}
	t.Fatalf("plugin %s has not one instance: %+v", name, ps)
	return InstanceInfo{}
}

// TestMemoryLimit: a warning at four fifths, the end at the limit; the call is told
// why and is not made again, the breaker counts a crash, and the neighbour notices
// nothing.
func TestMemoryLimit(t *testing.T) {
	leakCheck(t)
	r := memoryRig(t, 128, 2)
	spec := InstanceSpec{Plugin: "leaky"}
	g, neighbour := r.RowGetter(spec), r.RowGetter(InstanceSpec{Plugin: "good"})
	before, err := fetchKeys(t.Context(), neighbour, "pid")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		_, err := fetchKeys(t.Context(), g, "leak 400")
		var crash *CrashError
		if !errors.As(err, &crash) || crash.Why != WhyMemory || dwmon.FaultOf(err) != dwmon.FaultUnavailable {
			t.Fatalf("error %v", err)
		}
		for _, want := range []string{"plugin leaky was ended: it used 1", " MiB of the 128 MiB that limits.memory_mb in leaky.json allows: narrow", "raise the limit"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
		if i == 0 {
			eventually(t, "it is started again, once", func() bool { in := r.instance(spec).info(); return in.State == StateReady && in.Restarts == 1 })
		}
	}
	eventually(t, "it is quarantined as for crashes", func() bool { return r.instance(spec).info().State == StateQuarantined })
	log := r.logs.String()
	if n := strings.Count(log, "a plugin is close to its memory limit: it used 1"); n < 1 || n > 2 { // a look may come too late
		t.Errorf("%d warnings for two processes", n)
	}
	if after, err := fetchKeys(t.Context(), neighbour, "pid"); err != nil || after[0] != before[0] {
		t.Errorf("the neighbour: process %v, was %v: %v", after, before, err)
	}
	if in := instanceOf(t, r, "good"); in.MemoryBytes < 5<<20 || in.MemoryBytes > 100<<20 || in.MemoryLimitBytes != 0 {
		t.Errorf("the neighbour is shown with %d bytes of %d", in.MemoryBytes, in.MemoryLimitBytes)
	}
}

// TestMemoryWarnsAgain: one warning while the use stays high, another one when it
// has been low in between.
func TestMemoryWarnsAgain(t *testing.T) {
	r := memoryRig(t, 128, 2)
	spec := InstanceSpec{Plugin: "leaky"}
	if _, err := fetchKeys(t.Context(), r.RowGetter(spec), "pid"); err != nil {
		t.Fatal(err)
	}
	in := r.instance(spec)
	in.mu.Lock()
	p := in.proc
	in.mu.Unlock()
	const limit = 1000 << 20
	for _, step := range []struct {
		share int64
		warns int
		near  bool
	}{{50, 0, false}, {79, 0, false}, {80, 1, true}, {99, 1, true}, {75, 1, false}, {90, 1, true}, {60, 1, false}, {81, 2, true}} {
		p.memory.Store(&usage{bytes: limit / 100 * step.share, processes: 1})
		if near := p.weigh(limit); near != step.near {
			t.Errorf("at %d%% near is %v", step.share, near)
		}
		if n := strings.Count(r.logs.String(), "a plugin is close to its memory limit"); n != step.warns {
			t.Errorf("at %d%%: %d warnings, want %d", step.share, n, step.warns)
		}
	}
	if p.exited() {
		t.Error("it was ended below the limit")
	}
}

// TestMemoryOfDescendants: what counts is what the plugin has started, in its
// group, by birth, or by its mark where it has left both; and the end of the plugin
// is the end of all of them.
func TestMemoryOfDescendants(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED, NOT PASSED: the race detector multiplies what processes hold")
	}
	r := memoryRig(t, 96, 2)
	_, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "leaky"}), "leak-apart")
	if err == nil || !strings.Contains(err.Error(), "MiB in 2 processes of the 96 MiB that limits.memory_mb in leaky.json allows") {
		t.Fatalf("error %v", err)
	}
	r.Close(t.Context())
	if left := bearing(MarkEnv + "=" + r.mark); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// TestSharedMemoryCountsOnce: many processes that share their pages are not taken
// for as many times the memory once it matters.
func TestSharedMemoryCountsOnce(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED, NOT PASSED: the race detector multiplies what processes hold")
	}
	own := os.Getpid()
	e, ok := readProcess(own)
	if !ok {
		t.Fatal("no entry of our own in /proc")
	}
	share, ok := proportionalOf(own)
	if !ok {
		t.Skip("SKIPPED, NOT PASSED: this kernel has no smaps_rollup")
	}
	if share <= 0 || share > e.resident+8<<20 {
		t.Errorf("our share is %d bytes of %d", share, e.resident)
	}
	var several []processEntry
	var sum int64
	for range 5 {
		cmd := startSleeper(t)
		eventually(t, "a sleeper sleeps", func() bool {
			e, ok := readProcess(cmd.Process.Pid)
			return ok && e.resident > 4<<20
		})
		e, _ := readProcess(cmd.Process.Pid)
		several, sum = append(several, e), sum+e.resident
	}
	if got := proportional(several); got <= 0 || got > sum*9/10 {
		t.Errorf("five processes of one program hold %d bytes, their sum is %d", got, sum)
	}
	if got := proportional([]processEntry{e, {processID: processID{pid: 1 << 30}, resident: 5 << 30}}); got < 5<<30 || got > 5<<30+e.resident+64<<20 {
		t.Errorf("one that cannot be asked counts as %d", got)
	}
}

// startSleeper starts a process that does nothing, with an environment of its own.
func startSleeper(t *testing.T, env ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "sleeper")
	cmd.Env = append([]string{}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// TestKillDescendants ends those that bear a mark and nobody else.
func TestKillDescendants(t *testing.T) {
	start := func(env ...string) *exec.Cmd { return startSleeper(t, env...) }
	mark := newProcessMark()
	ours := start("A=b", processEnv+"="+mark)
	others := []*exec.Cmd{start(processEnv + "=" + mark + "x"), start("X" + processEnv + "=" + mark), start(processEnv + "=" + newProcessMark()), start()}
	eventually(t, "it is found", func() bool { return markOf(ours.Process.Pid) == mark })
	if n := killDescendants(mark); n != 1 {
		t.Errorf("%d were ended, want 1", n)
	}
	eventually(t, "it is gone", func() bool { return !runs(ours.Process.Pid) })
	for i, cmd := range others {
		if !runs(cmd.Process.Pid) {
			t.Errorf("bystander %d was ended", i)
		}
	}
}

// TestMemoryWatchIsCheap: one reading serves fifty instances.
func TestMemoryWatchIsCheap(t *testing.T) {
	var table processTable
	roots := make([]*process, 50)
	for i := range roots {
		roots[i] = &process{mark: newProcessMark(), child: &child{name: "x", pid: 1<<22 + i}}
	}
	none := func(*process) int64 { return 0 }
	table.read(roots, none)
	best := time.Hour
	for range 20 {
		began := time.Now()
		table.read(roots, none)
		best = min(best, time.Since(began))
	}
	n := len(processEntries())
	t.Logf("a reading of %d processes for %d instances takes %v", n, len(roots), best)
	if best > time.Duration(n)*200*time.Microsecond+5*time.Millisecond {
		t.Errorf("a reading of %d processes takes %v", n, best)
	}
}
