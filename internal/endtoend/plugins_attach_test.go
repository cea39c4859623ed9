package endtoend

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// TestAttachToDebuggedPlugin: the line that a plugin prints at --debug, given to
// dwmon as it stands, makes dwmon use that process, again and again, and leave it
// running. What is no such line is wrong usage.
func TestAttachToDebuggedPlugin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("dwmon.yaml", "timezone: UTC\nhandlers: []\nsources:\n  S: {getter: steady}\n")
	w.checker("c", w.path("calls")+" 1ms", every, "S", "__OPTIONS__", "timeout: 3s")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	install(t, self, w.path("elsewhere/"+pluginsdk.FilePrefix+"steady"))
	tmp, err := os.MkdirTemp("/tmp", "dwa") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	debugged := exec.Command(w.path("elsewhere/"+pluginsdk.FilePrefix+"steady"), "--debug")
	debugged.Env = []string{"TMPDIR=" + tmp}
	out, err := debugged.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := debugged.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = debugged.Process.Kill(); _ = debugged.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	variable := strings.ReplaceAll(strings.TrimSpace(line), "'", "") // as a shell reads it
	once := func(code int, variable string, args ...string) string {
		cmd := w.command(append([]string{"once"}, args...)...)
		cmd.Env = append(cmd.Env, variable)
		var both bytes.Buffer
		cmd.Stdout, cmd.Stderr = &both, &both
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("once with %s: exit %d, want %d\n%s", variable, got, code, both.String())
		}
		return both.String()
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for range 3 {
		said := once(0, variable, "--now", now.Format(time.RFC3339))
		if !inOrder(said, "ATTACHED: ", "steady") {
			t.Errorf("once does not warn: %s", said)
		}
		now = now.Add(time.Minute)
	}
	words, pids := w.ends("calls")
	if words["end"] != 3 || pids != 1 || !strings.Contains(w.read("calls"), "begin "+strconv.Itoa(debugged.Process.Pid)+" ") {
		t.Errorf("the attached process %d was called %v by %d processes", debugged.Process.Pid, words, pids)
	}
	if err := debugged.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("dwmon has ended it: %v", err)
	}
	if said := once(2, "DWMON_ATTACH_PLUGINS=nonsense"); !inOrder(said, "DWMON_ATTACH_PLUGINS: ", `want {"NAME":{"network":"unix"`) {
		t.Errorf("nonsense in the variable: %s", said)
	}
	_ = debugged.Process.Signal(os.Interrupt)
	_ = debugged.Wait()
	if said := once(1, variable, "--now", now.Format(time.RFC3339)); !inOrder(said, "plugin steady", "no connection to the process that DWMON_ATTACH_PLUGINS names", "start it with --debug, or unset the variable") {
		t.Errorf("without the process: %s", said)
	}
	w.gone(5 * time.Second)
}

// TestSecondSignal: the first SIGTERM is polite to a call that does not end; the
// second one ends everything at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "hanger")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nhandlers: []\n")
	w.checker("c", `{"hang": true}`, every, "hanger", "__OPTIONS__", "timeout: 55m")
	s := w.start()
	s.up()
	w.await("the call hangs", func() bool {
		in := w.instances("hanger")
		return len(in) == 1 && in[0].InFlight == 1
	})
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// On a busy machine the first signal may not have been taken when the next comes,
	// and two are one then: somebody at a terminal presses the key again, too.
	again := time.NewTicker(300 * time.Millisecond)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case <-s.done:
			ended = true
		case <-again.C:
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		case <-time.After(5 * time.Second):
		}
		if time.Since(began) > 8*time.Second {
			t.Fatal("the second signal did not end it")
		}
	}
	w.gone(3 * time.Second)
	if took := time.Since(began); took > 9*time.Second { // a polite end waits for ten
		t.Errorf("everything was gone after %s", took)
	}
}
