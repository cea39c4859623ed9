//go:build unix

package pluginhost

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestParseAttach(t *testing.T) {
	tests := []struct{ text, says string }{
		{``, ""},
		{`{}`, ""},
		{`{"a":{"network":"unix","addr":"/tmp/a.sock","pid":12,"protocol":1},"b-2":{"network":"tcp","addr":"127.0.0.1:4000","pid":1,"protocol":1}}`, ""},
		{`{"a":{"network":"tcp","addr":"[::1]:4000","pid":1,"protocol":1}}`, ""},
		{`nonsense`, `want {"NAME":{"network":"unix"`},
		{`{"a":{"network":"unix","adr":"/a","pid":1,"protocol":1}}`, `unknown field "adr"`},
		{`{"a":{"network":"unix","addr":"/a","pid":1,"protocol":1}}{}`, "more after the object"},
		{`{"A b":{"network":"unix","addr":"/a","pid":1,"protocol":1}}`, `plugin "A b": that is no name of a plugin`},
		{`{"a":{"network":"unix","addr":"a.sock","pid":1,"protocol":1}}`, `plugin "a": "a.sock" is no absolute path`},
		{`{"a":{"network":"tcp","addr":"10.0.0.1:4000","pid":1,"protocol":1}}`, `is no loopback address such as 127.0.0.1:4000: its settings, secrets too, would cross the network`},
		{`{"a":{"network":"tcp","addr":"localhost:4000","pid":1,"protocol":1}}`, `no loopback address`},
		{`{"a":{"network":"tcp","addr":"127.0.0.1:0","pid":1,"protocol":1}}`, `no loopback address`},
		{`{"a":{"network":"udp","addr":"127.0.0.1:1","pid":1,"protocol":1}}`, `network "udp": want unix or tcp`},
		{`{"a":{"network":"unix","addr":"/a","pid":1,"protocol":2}}`, `it speaks protocol 2, this dwmon speaks protocol 1`},
		{`{"a":{"network":"unix","addr":"/a","protocol":1}}`, `"pid" is missing`},
	}
	for _, tt := range tests {
		_, err := ParseAttach(tt.text)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: error %v, want %q", tt.text, err, tt.says)
		}
	}
}

// debugged is a plugin that was started with --debug.
type debugged struct {
	cmd    *exec.Cmd
	attach map[string]Attachment
}

// debug starts a fixture with --debug. tmp is where its socket lies.
func debug(t *testing.T, tmp, name string) debugged {
	t.Helper()
	cmd := exec.Command(install(t, filepath.Join(tmp, "elsewhere"), name), "--debug")
	cmd.Env = []string{"TMPDIR=" + tmp, "WORD_OF_ITS_OWN=1"}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "DWMON_ATTACH_PLUGINS='")
	if !ok {
		t.Fatalf("it prints %q", line)
	}
	attach, err := ParseAttach(strings.TrimSuffix(text, "'"))
	if err != nil {
		t.Fatal(err)
	}
	return debugged{cmd, attach}
}

// TestAttach: dwmon attaches to a plugin that runs under --debug, whether or not
// there is a file of its name, lets go, attaches again, and finds it again when it
// was started anew. It never ends it.
func TestAttach(t *testing.T) {
	leakCheck(t)
	tmp := shortDir(t)
	d := debug(t, tmp, "good")
	pid := strconv.Itoa(d.cmd.Process.Pid)
	spec := InstanceSpec{Plugin: "good", Settings: []byte(`{"word":"tell"}`)}
	for round, files := range [][]string{nil, {"good"}, nil} {
		r := newRig(t, Options{Attach: d.attach}, files...)
		g := r.RowGetter(spec)
		for query, want := range map[string]string{"pid": pid, "word": "tell"} {
			if keys, err := fetchKeys(t.Context(), g, query); err != nil || keys[0] != want {
				t.Fatalf("round %d, %s: %v, %v, want %s", round, query, keys, err, want)
			}
		}
		if keys, err := fetchKeys(t.Context(), g, "rows 5000"); err != nil || len(keys) != 5000 {
			t.Errorf("round %d: %d rows, %v", round, len(keys), err)
		}
		ps, err := r.Plugins(t.Context())
		if err != nil || len(ps) != 1 {
			t.Fatalf("plugins %+v, %v", ps, err)
		}
		p := ps[0]
		if p.State != StateReady || p.SHA256 != "" || len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "attached, pid "+pid) ||
			len(p.Instances) != 1 || !p.Instances[0].Attached || strconv.Itoa(p.Instances[0].Pid) != pid {
			t.Errorf("plugin list shows %+v", p)
		}
		if log := r.logs.String(); !strings.Contains(log, "level=WARN msg=\"ATTACHED: ") {
			t.Error("the log does not warn")
		}
		r.Close(t.Context())
		if !runs(d.cmd.Process.Pid) {
			t.Fatalf("round %d: Close has ended the attached plugin", round)
		}
	}
}

// TestAttachComesAndGoes: a plugin that is not there yet is found when it is; one
// that goes is waited for, and is no crash; the next one is configured anew.
func TestAttachComesAndGoes(t *testing.T) {
	leakCheck(t)
	tmp := shortDir(t)
	d := debug(t, tmp, "good")
	_ = d.cmd.Process.Signal(os.Interrupt)
	if err := d.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	timings := quick
	timings.CrashLimit = 1
	r := newRig(t, Options{Attach: d.attach, Timings: timings})
	ps, err := r.Plugins(t.Context())
	if err != nil || len(ps) != 1 || ps[0].State != StateBroken || !strings.Contains(ps[0].Err, "no connection to the process that DWMON_ATTACH_PLUGINS names") || !strings.Contains(ps[0].Err, "start it with --debug, or unset the variable") {
		t.Fatalf("plugins %+v, %v", ps, err)
	}
	if !r.Changed() {
		t.Error("nobody would ask again")
	}
	spec := InstanceSpec{Plugin: "good", Settings: []byte(`{"word":"tell"}`)}
	g := r.RowGetter(spec)
	var pids []string
	for range 3 {
		d = debug(t, tmp, "good")
		if err := r.Rescan(); err != nil {
			t.Fatal(err)
		}
		if p, err := r.Plugin(t.Context(), "good"); err != nil || len(p.Kinds) != 3 {
			t.Fatalf("plugin %+v, %v", p, err)
		}
		keys, err := fetchKeys(t.Context(), g, "pid")
		if err != nil || keys[0] != strconv.Itoa(d.cmd.Process.Pid) {
			t.Fatalf("process %v, want %d: %v", keys, d.cmd.Process.Pid, err)
		}
		pids = append(pids, keys[0])
		if word, err := fetchKeys(t.Context(), g, "word"); err != nil || word[0] != "tell" {
			t.Errorf("the new process was not configured: %v, %v", word, err)
		}
		in := r.instance(spec)
		failed := make(chan error, 1)
		go func() {
			_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("wait"), Timeout: 500 * time.Millisecond}, func(*dwmon.Batch) error { return nil })
			failed <- err
		}()
		eventually(t, "a call is in flight", func() bool { return in.info().InFlight == 1 })
		if err := d.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.cmd.Wait()
		if err := <-failed; err == nil || !strings.HasPrefix(err.Error(), "plugin good: the process that dwmon was attached to (pid "+keys[0]+") has gone: start it again with --debug") {
			t.Errorf("a call in flight: %v", err)
		}
		eventually(t, "it is waited for", func() bool {
			i := in.info()
			return (i.State == StateBackoff || i.State == StateStarting) && strings.Contains(i.LastError, "--debug")
		})
	}
	if pids[0] == pids[1] || pids[1] == pids[2] {
		t.Errorf("processes %v", pids)
	}
}

// TestAttachAtBreakpoint: a process that a debugger holds is not taken for frozen,
// and its number is sent no signal.
func TestAttachAtBreakpoint(t *testing.T) {
	d := debug(t, shortDir(t), "good")
	timings := quick
	timings.HealthEvery, timings.HealthTimeout = 10*time.Millisecond, 10*time.Millisecond
	timings.DrainCalls, timings.Drain, timings.Exit = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	r := newRig(t, Options{Attach: d.attach, Timings: timings})
	g := r.RowGetter(InstanceSpec{Plugin: "good"})
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		eventually(t, "it is stopped", func() bool {
			stat, _ := os.ReadFile("/proc/" + strconv.Itoa(d.cmd.Process.Pid) + "/stat")
			return strings.Contains(string(stat), ") T ")
		})
	}
	_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("rows 1"), Timeout: 300 * time.Millisecond}, func(*dwmon.Batch) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "no answer within 300ms") {
		t.Errorf("at a breakpoint: %v", err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil {
		t.Errorf("after the breakpoint: %v", err)
	}
	if in := r.instance(InstanceSpec{Plugin: "good"}).info(); in.Restarts != 0 {
		t.Errorf("the instance is %+v", in)
	}
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	if !runs(d.cmd.Process.Pid) {
		t.Error("Close has ended it")
	}
}

// TestAttachRefuses: another name, and other settings than it runs with.
func TestAttachRefuses(t *testing.T) {
	d := debug(t, shortDir(t), "good")
	r := newRig(t, Options{Attach: map[string]Attachment{"other": d.attach["good"], "good": d.attach["good"]}})
	_, err := fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "other"}), "rows 1")
	if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), `it calls itself "good", but its file is named for "other"`) {
		t.Errorf("another plugin: %v", err)
	}
	first := r.RowGetter(InstanceSpec{Plugin: "good", Settings: []byte(`{"word":"a"}`)})
	if _, err := fetchKeys(t.Context(), first, "word"); err != nil {
		t.Fatal(err)
	}
	_, err = fetchKeys(t.Context(), r.RowGetter(InstanceSpec{Plugin: "good", Settings: []byte(`{"word":"b"}`)}), "word")
	if dwmon.FaultOf(err) != dwmon.FaultSettings || !strings.Contains(err.Error(), "runs with other settings already; start another process for these") {
		t.Errorf("other settings: %v", err)
	}
	if word, err := fetchKeys(t.Context(), first, "word"); err != nil || word[0] != "a" {
		t.Errorf("the first instance: %v, %v", word, err)
	}
}
