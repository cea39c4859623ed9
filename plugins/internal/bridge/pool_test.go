//go:build unix

package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dwmon/dwmon/pluginsdk"
)

// workerEnv makes the test's own binary a worker.
const workerEnv = "DWMON_BRIDGE_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		workerMain()
		return
	}
	// The spawner is there to stay.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/dwmon/dwmon/plugins/internal/bridge.init.func1.1"))
}

// workerMain does what each request says.
func workerMain() {
	in := bufio.NewReaderSize(os.Stdin, MaxLine)
	calls := 0
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		var r struct {
			ID  int64
			Op  string
			Arg string
		}
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		calls++
		obey(r.ID, r.Op, r.Arg, calls)
	}
}

func obey(id int64, op, arg string, calls int) {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	switch op {
	case "ok", "ping":
		say(`{"id":%d,"ok":true,"count":%d}`, id, calls)
	case "pid":
		say(`{"id":%d,"ok":true,"count":%d}`, id, os.Getpid())
	case "length":
		say(`{"id":%d,"ok":true,"count":%d}`, id, len(arg))
	case "error":
		say(`{"id":%d,"error":{"type":"Oops","message":"it broke","code":%q,"traceback":"line 1\nline 2\n"}}`, id, arg)
	case "wrong id":
		say(`{"id":%d,"ok":true}`, id+1)
	case "say":
		say("%s", arg)
	case "half":
		fmt.Printf(`{"id":%d,"ok"`, id)
		os.Exit(3)
	case "frames":
		for {
			say(`{"id":%d,"keys":["a"],"ts":[1]}`, id)
		}
	case "rows then error":
		say(`{"id":%d,"keys":["a","b"],"ts":[1,2]}`, id)
		say(`{"id":%d,"error":{"type":"Oops"}}`, id)
	case "bad rows":
		say(`{"id":%d,"keys":["a",null],"ts":[1,2]}`, id)
		say(`{"id":%d,"done":true,"count":2}`, id)
	case "long line":
		say("%s", strings.Repeat("x", MaxLine+2))
	case "exit":
		fmt.Fprintln(os.Stderr, "my last words")
		os.Exit(3)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "close":
		os.Stdout.Close()
		fallthrough
	case "hang":
		time.Sleep(time.Hour)
	}
}

type request struct {
	Op  string `json:"op"`
	Arg string `json:"arg"`
}

// newTestPool is a pool of test workers.
func newTestPool(t *testing.T, o Options) *Pool {
	t.Helper()
	o.Name = "test worker"
	if o.Command == nil {
		o.Command = func(context.Context) (*exec.Cmd, error) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), workerEnv+"=1")
			return cmd, nil
		}
	}
	if o.Patience == 0 {
		o.Patience = 500 * time.Millisecond
	}
	p := NewPool(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

func ask(t *testing.T, p *Pool, op, arg string) (int64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	f, err := p.Call(ctx, pluginsdk.KindRowGetter, request{op, arg}, (&rowReader{out: &kept{}}).take)
	if err != nil || f.Count == nil {
		return 0, err
	}
	return *f.Count, nil
}

func TestWorkersAreUsedAgain(t *testing.T) {
	p := newTestPool(t, Options{})
	for want := int64(1); want < 4; want++ {
		if n, err := ask(t, p, "ok", ""); n != want || err != nil {
			t.Errorf("call %d, %v; want %d", n, err, want)
		}
	}
	if n, err := ask(t, p, "length", strings.Repeat("x", 3<<20)); n != 3<<20 || err != nil {
		t.Errorf("%d of 3 MiB arrived, %v", n, err)
	}
}

func TestErrorsOfWorkers(t *testing.T) {
	p := newTestPool(t, Options{})
	before, err := ask(t, p, "pid", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"", "UNAVAILABLE", "INVALID_ARGUMENT", "NONSENSE"} {
		_, err := ask(t, p, "error", code)
		var f *Fault
		if !errors.As(err, &f) || f.Traceback != "line 1\nline 2\n" || !strings.HasPrefix(err.Error(), "Oops: it broke") {
			t.Errorf("%s: %v", code, err)
		}
		if code == "NONSENSE" && !strings.Contains(err.Error(), `its code "NONSENSE" is none`) {
			t.Error(err)
		}
	}
	if _, err := ask(t, p, "rows then error", ""); err == nil || err.Error() != "Oops" {
		t.Error(err)
	}
	if after, err := ask(t, p, "pid", ""); after != before || err != nil {
		t.Errorf("process %d became %d: errors are answers; %v", before, after, err)
	}
	if _, err := ask(t, p, "bad rows", ""); err == nil || !strings.Contains(err.Error(), "row 2: its key is null") {
		t.Error(err)
	}
}

// TestWorkersThatMisbehave: each costs its call, names itself, and is replaced.
func TestWorkersThatMisbehave(t *testing.T) {
	p := newTestPool(t, Options{})
	for op, want := range map[string]string{
		"wrong id":           "the worker answered request",
		"say:hello":          `broke the protocol during a call and was ended: the worker wrote "hello" to its protocol`,
		"say:{}":             "it has no id",
		"say:{\"id\":\"x\"}": "it is no frame",
		"half":               "the test worker crashed during a call: exit status 3",
		"long line":          "a line is longer than 16 MiB",
		"exit":               "the test worker crashed during a call: exit status 3; it last wrote: my last words",
		"die":                "the test worker crashed during a call: signal killed",
		"close":              "the test worker closed its output during a call, and was ended",
	} {
		op, arg, _ := strings.Cut(op, ":")
		before, err := ask(t, p, "pid", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t, p, op, arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", op, err, want)
		}
		if after, err := ask(t, p, "pid", ""); after == before || err != nil {
			t.Errorf("after %s: process %d, %v", op, after, err)
		}
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	for _, op := range []string{"hang", "frames", "close"} {
		p := newTestPool(t, Options{})
		before, err := ask(t, p, "pid", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		_, err = p.Call(ctx, pluginsdk.KindRowGetter, request{Op: op}, func(*Frame) error { return nil })
		cancel()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
			t.Errorf("%s: %v after %v", op, err, took)
		}
		if after, err := ask(t, p, "pid", ""); after == before || err != nil {
			t.Errorf("%s: process %d, %v", op, after, err)
		}
	}
}

func TestCallsWaitForAWorker(t *testing.T) {
	p := newTestPool(t, Options{Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	for range 2 {
		hanging.Go(func() { _, _ = p.Call(ctx, pluginsdk.KindPurger, request{Op: "hang"}, nil) })
	}
	for len(p.slots) < 2 {
		time.Sleep(time.Millisecond)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := p.Call(short, pluginsdk.KindPurger, request{Op: "ok"}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cancel()
	hanging.Wait()
	if _, err := ask(t, p, "ok", ""); err != nil {
		t.Error(err)
	}
}

func TestAWorkerThatDiesIdle(t *testing.T) {
	p := newTestPool(t, Options{})
	pid, err := ask(t, p, "pid", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w := p.idle[0]
	<-w.Exited()
	if n, err := ask(t, p, "ok", ""); n != 1 || err != nil {
		t.Errorf("call %d, %v", n, err)
	}
}

func TestHello(t *testing.T) {
	p := newTestPool(t, Options{Hello: request{Op: "error", Arg: "FAILED_PRECONDITION"}})
	if _, err := ask(t, p, "ok", ""); err == nil || err.Error() != "Oops: it broke" {
		t.Error(err)
	}
	p = newTestPool(t, Options{Hello: request{Op: "exit"}})
	if _, err := ask(t, p, "ok", ""); err == nil || !strings.Contains(err.Error(), "crashed during its start: exit status 3") {
		t.Error(err)
	}
	p = newTestPool(t, Options{Hello: request{Op: "ok"}})
	if n, err := ask(t, p, "ok", ""); n != 2 || err != nil {
		t.Errorf("call %d, %v", n, err)
	}
	p = newTestPool(t, Options{Command: func(context.Context) (*exec.Cmd, error) { return exec.Command("/no/such/program"), nil }})
	if _, err := ask(t, p, "ok", ""); err == nil || !strings.Contains(err.Error(), "start the test worker: ") {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	p := newTestPool(t, Options{Workers: 2})
	if _, err := ask(t, p, "ok", ""); err != nil {
		t.Fatal(err)
	}
	var ended atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := ask(t, p, "hang", "")
		if err == nil {
			t.Error("a call that hung has succeeded")
		}
		ended.Store(true)
	}()
	for {
		p.mu.Lock()
		busy := len(p.idle) == 0
		p.mu.Unlock()
		if busy {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
	if _, err := ask(t, p, "ok", ""); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}
