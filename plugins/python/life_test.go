//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/pluginsdk"
)

// eventually polls a condition.
func eventually(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}

// alive says that a process runs, and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// noted waits for a number that a module writes to a file.
func noted(t *testing.T, path string) (pid int) {
	t.Helper()
	eventually(t, path+" is written", 10*time.Second, func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

// TestOutputDisturbsNothing prints in every way, a megabyte each.
func TestOutputDisturbsNothing(t *testing.T) {
	p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": `
import os, subprocess, sys
def get_rows_from_query(q):
    for i in range(2000):
        yield ("a%d" % i, i)
        if i % 500 == 0:
            print("printed " + "x" * 250000)
            sys.stderr.write("more\n" * 50000)
            os.write(1, b"{\"id\":1,\"done\":true,\"count\":0}\n" * 5000)
            subprocess.check_call(["sh", "-c", "echo '{\"id\":1,\"ok\":true}'; cat; head -c 200000 /dev/zero | tr '\\0' y"])
    assert sys.stdin.read() == ""
`}), nil)
	got, err := fetch(t, p, "q")
	if err != nil || len(got.rows) != 2000 {
		t.Errorf("%d rows, %v", len(got.rows), err)
	}
}

// counting is a row getter that keeps state, and does what the query says.
const counting = `
import ctypes, os, signal, subprocess, time
calls = 0
def get_rows_from_query(q):
    global calls
    calls += 1
    exec(q["query"])
    return [("calls", calls), ("pid", os.getpid())]
`

// state is what counting returns.
func state(t *testing.T, p *bridged, query string) (calls, pid int) {
	t.Helper()
	got, err := fetch(t, p, query)
	if err != nil {
		t.Fatal(err)
	}
	return int(got.rows[0].Micros / 1e6), int(got.rows[1].Micros / 1e6)
}

func TestStateSurvives(t *testing.T) {
	p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": counting}), nil)
	_, first := state(t, p, "pass")
	if _, err := fetch(t, p, "raise ValueError()"); err == nil {
		t.Error("no error")
	}
	if calls, pid := state(t, p, "pass"); calls != 3 || pid != first {
		t.Errorf("%d calls in process %d, after one in %d", calls, pid, first)
	}
}

func TestWorkersMakeWay(t *testing.T) {
	dir := org(t, map[string]string{"your_orgs_row_getter.py": counting})
	t.Run("after max_calls", func(t *testing.T) {
		p := instance(t, dir, func(s *settings) { s.MaxCalls = 2 })
		var got []int
		for range 5 {
			calls, _ := state(t, p, "pass")
			got = append(got, calls)
		}
		if diff := cmp.Diff([]int{1, 2, 1, 2, 1}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("beyond max_memory_mb", func(t *testing.T) {
		p := instance(t, dir, func(s *settings) { s.MaxMemoryMB = 100 })
		state(t, p, "pass")
		if calls, _ := state(t, p, "globals()['kept'] = b'x' * (150 << 20)"); calls != 2 {
			t.Errorf("%d calls", calls)
		}
		if calls, _ := state(t, p, "pass"); calls != 1 {
			t.Errorf("a worker with 150 MiB went on to call %d", calls)
		}
	})
	t.Run("when a module changes", func(t *testing.T) {
		dir := org(t, map[string]string{"your_orgs_row_getter.py": counting})
		p := instance(t, dir, func(s *settings) { s.Reload = true })
		state(t, p, "pass")
		if calls, _ := state(t, p, "pass"); calls != 2 {
			t.Errorf("%d calls", calls)
		}
		changed := strings.Replace(counting, "calls = 0", "calls = 40", 1)
		path := filepath.Join(dir, "your_org", "your_orgs_row_getter.py")
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if calls, _ := state(t, p, "pass"); calls != 41 {
			t.Errorf("call %d", calls)
		}
	})
}

func TestACrashCostsOneCall(t *testing.T) {
	p := instance(t, org(t, map[string]string{"your_orgs_row_getter.py": counting}), nil)
	for query, want := range map[string][]string{
		"os._exit(3)":                          {"the python worker (row_getter) crashed during a call: exit status 3"},
		"print('my last words'); os._exit(0)":  {"crashed during a call: exit status 0", "it last wrote: my last words"},
		"os.kill(os.getpid(), signal.SIGKILL)": {"crashed during a call: signal killed"},
		"ctypes.string_at(0)":                  {"crashed during a call: signal segmentation fault", "Fatal Python error: Segmentation fault"},
	} {
		_, err := fetch(t, p, query)
		for _, part := range want {
			if part == "Fatal Python error: Segmentation fault" && strings.Contains(interpreterUnderTest(t), "2.7") {
				continue // has no faulthandler
			}
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want %q", query, err, part)
			}
		}
		if calls, _ := state(t, p, "pass"); calls != 1 {
			t.Errorf("after %s: call %d", query, calls)
		}
	}
}

// TestDeadlines bounds calls that sleep, that ignore SIGINT, and that are deep in C.
func TestDeadlines(t *testing.T) {
	sleep := "open('begun', 'w').close(); time.sleep(60)"
	for name, c := range map[string]struct {
		query    string
		survives bool
	}{
		"in Python code":                {"open('begun', 'w').close()\nwhile True: pass", true},
		"in a call that listens":        {sleep, true},
		"swallowing the interrupt":      {"open('begun', 'w').close()\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass", false},
		"with the signal masked":        {"ctypes.CDLL(None).signal(2, ctypes.c_void_p(1))\n" + sleep, false},
		"in C code that holds the lock": {"signal.siginterrupt(2, False)\nreading, _ = os.pipe()\nopen('begun', 'w').close()\nctypes.PyDLL(None).read(reading, ctypes.create_string_buffer(1), 1)", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := org(t, map[string]string{"your_orgs_row_getter.py": counting})
			p := instance(t, dir, nil)
			_, before := state(t, p, "pass")
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				ended <- rowGetter{p}.GetRows(ctx, pluginsdk.Query{Text: c.query}, &sink{})
			}()
			eventually(t, "the call has begun", 10*time.Second, func() bool {
				_, err := os.Stat(filepath.Join(dir, "begun"))
				return err == nil
			})
			cancel()
			began := time.Now()
			if err := <-ended; !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
			_, after := state(t, p, "pass")
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("the next call had to wait for %v", took)
			}
			if survived := before == after; survived != c.survives {
				t.Errorf("the worker's survival: %t", survived)
			}
			if !c.survives {
				eventually(t, "the old worker is gone", time.Second, func() bool { return !alive(before) })
			}
		})
	}
}

// TestGrandchildrenDie starts a program that lives for long, and ends the worker in
// every way.
func TestGrandchildrenDie(t *testing.T) {
	const start = "open('child', 'w').write(str(subprocess.Popen(['sleep', '300']).pid)); "
	for name, end := range map[string]struct {
		query string
		end   func(t *testing.T, p *bridged, cancel func())
	}{
		"crash":    {start + "os._exit(1)", func(*testing.T, *bridged, func()) {}},
		"deadline": {start + "\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass", func(_ *testing.T, _ *bridged, cancel func()) { cancel() }},
		"shutdown": {start, func(t *testing.T, p *bridged, _ func()) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := p.shutdown(ctx); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := org(t, map[string]string{"your_orgs_row_getter.py": counting})
			p := instance(t, dir, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = rowGetter{p}.GetRows(ctx, pluginsdk.Query{Text: end.query}, &sink{})
			}()
			child := noted(t, filepath.Join(dir, "child"))
			if name == "shutdown" {
				<-ended
				if !alive(child) {
					t.Fatal("the child does not live")
				}
			}
			end.end(t, p, cancel)
			eventually(t, "the child is gone", 5*time.Second, func() bool { return !alive(child) })
			<-ended
		})
	}
}

// TestKindsDoNotWaitForEachOther hands over a result while a query hangs.
func TestKindsDoNotWaitForEachOther(t *testing.T) {
	dir := org(t, map[string]string{
		"your_orgs_row_getter.py":    counting,
		"your_orgs_check_handler.py": "def handle_check(details, extra): pass\n",
	})
	p := instance(t, dir, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = rowGetter{p}.GetRows(ctx, pluginsdk.Query{Text: "time.sleep(60)"}, &sink{})
	}()
	if err := (checkHandler{p}).HandleCheck(t.Context(), event); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
}

func TestInterpreterIsFound(t *testing.T) {
	script := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	find := func(t *testing.T, setting string, prepare func(dir, bin string)) (interpreter, error) {
		dir, bin := t.TempDir(), t.TempDir()
		t.Setenv("PATH", bin)
		prepare(dir, bin)
		return findInterpreter(t.Context(), setting, dir)
	}
	t.Run("in a virtual environment first", func(t *testing.T) {
		got, err := find(t, "", func(dir, bin string) {
			script(t, filepath.Join(dir, ".venv/bin/python"), "echo dwmon 3 9 3.9.18")
			script(t, filepath.Join(bin, "python3"), "exit 1")
		})
		if err != nil || !strings.HasSuffix(got.path, "/.venv/bin/python") {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("python3 before python", func(t *testing.T) {
		got, err := find(t, "", func(_, bin string) {
			script(t, filepath.Join(bin, "python3"), "echo dwmon 3 9 3.9.18")
			script(t, filepath.Join(bin, "python"), "exit 1")
		})
		if err != nil || filepath.Base(got.path) != "python3" || got.version != "3.9.18" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("2.7 only where it is set", func(t *testing.T) {
		old := func(_, bin string) { script(t, filepath.Join(bin, "python"), "echo dwmon 2 7 2.7.18") }
		if got, err := find(t, "", old); err == nil || !strings.Contains(err.Error(), "is Python 2.7.18; 3.6 or later is wanted") {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := find(t, "python", old); err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("too old", func(t *testing.T) {
		_, err := find(t, "python", func(_, bin string) { script(t, filepath.Join(bin, "python"), "echo dwmon 3 5 3.5.2") })
		if err == nil || !strings.Contains(err.Error(), "is Python 3.5.2; 3.6 or later is wanted") {
			t.Error(err)
		}
	})
	t.Run("broken", func(t *testing.T) {
		_, err := find(t, "", func(_, bin string) { script(t, filepath.Join(bin, "python3"), "echo no such library >&2; exit 127") })
		if err == nil || !strings.Contains(err.Error(), "does not run as Python: exit status 127: no such library") {
			t.Error(err)
		}
	})
	t.Run("none", func(t *testing.T) {
		_, err := find(t, "", func(_, _ string) {})
		if err == nil || !strings.Contains(err.Error(), "there is no Python") {
			t.Error(err)
		}
	})
}
