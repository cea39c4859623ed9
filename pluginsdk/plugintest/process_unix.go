//go:build unix

package plugintest

import (
	"os/exec"
	"syscall"
)

// setGroup gives the plugin a process group of its own, as the host does. offline
// takes the network away from it where that is possible.
func setGroup(cmd *exec.Cmd, offline bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if offline {
		takeNetwork(cmd.SysProcAttr)
	}
}

// kill kills the process and its group, unless it has been reaped.
func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// killGroup kills what a process that has ended left behind in its group. The
// number is nobody else's as long as there is such a process.
func (p *process) killGroup() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// groupGone says that nothing is left of the process's group.
func (p *process) groupGone() bool {
	return syscall.Kill(-p.cmd.Process.Pid, 0) == syscall.ESRCH
}

// terminate asks the process to end.
func (p *process) terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

const canTerminate = true
