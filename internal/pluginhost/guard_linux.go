package pluginhost

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const guardWorks = true

// guardEnviron is what the guard is started with: nothing, or what its command
// needs to know itself by.
func guardEnviron() []string { return []string{"DWMON_GUARD=1"} }

// guardAttributes put the guard into a session of its own, where neither Ctrl-C
// nor the end of a terminal reaches it.
func guardAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// guardTime is how long the guard fights a process that forks faster than it is
// killed.
const guardTime = 30 * time.Second

// GuardMain is the guard process: `dwmon guard`. It reads the mark, waits for the
// end of its standard input, which is the end of the daemon, kills every process
// whose environment holds the mark until none is left, and exits.
func GuardMain() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	in := bufio.NewReader(os.Stdin)
	mark, err := in.ReadString('\n')
	mark = strings.TrimSuffix(mark, "\n")
	if err != nil || len(mark) < 32 {
		_, _ = io.WriteString(os.Stderr, "dwmon guard is started by the daemon and by nobody else\n")
		os.Exit(2)
	}
	_, _ = io.Copy(io.Discard, in)
	for end := time.Now().Add(guardTime); time.Now().Before(end); {
		if killMarked(mark) == 0 {
			os.Exit(0)
		}
		time.Sleep(5 * time.Millisecond)
	}
	os.Exit(1)
}

// killMarked kills every process whose environment holds the mark and says how
// many there were.
func killMarked(mark string) int { return killBearing(MarkEnv + "=" + mark) }

// killBearing kills every process whose environment holds an entry, save
// ourselves.
func killBearing(entry string) int {
	entries, _ := os.ReadDir("/proc")
	killed := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && killIfMarked(pid, []byte(entry)) {
			killed++
		}
	}
	return killed
}

// killIfMarked looks and kills through one descriptor, so that the number cannot
// become another process's in between.
func killIfMarked(pid int, entry []byte) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
	} else if err != unix.ENOSYS && err != unix.EPERM {
		return false
	}
	environ, readErr := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if readErr != nil || !holds(environ, entry) {
		return false
	}
	if err != nil { // a kernel, or a sandbox, without descriptors of processes
		return unix.Kill(pid, unix.SIGKILL) == nil
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// holds looks for a whole entry of an environment.
func holds(environ, entry []byte) bool {
	for e := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(e, entry) {
			return true
		}
	}
	return false
}
