//go:build unix

package bridge

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// killGroup and interruptGroup reach the process and what it has started.
func (p *Process) killGroup()      { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
func (p *Process) interruptGroup() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT) }

// exitText is an exit as people say it.
func exitText(s *os.ProcessState) string {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return "signal " + ws.Signal().String()
	}
	return s.String()
}

func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed)
}

// Memory is the process's resident size in bytes; 0 where it cannot be found out.
func (p *Process) Memory() int64 {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	if statm, err := os.ReadFile("/proc/" + pid + "/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			return pages * int64(os.Getpagesize())
		}
	}
	text, err := exec.Command("ps", "-o", "rss=", "-p", pid).Output()
	if err != nil {
		return 0
	}
	kib, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return kib << 10
}
