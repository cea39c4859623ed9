//go:build unix

package pluginhost

import (
	"os"
	"syscall"
)

func (c *child) killGroup() { _ = syscall.Kill(-c.pid, syscall.SIGKILL) }

func statusOf(state *os.ProcessState) exitStatus {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return exitStatus{code: -1, signal: ws.Signal().String()}
	}
	return exitStatus{code: state.ExitCode()}
}
