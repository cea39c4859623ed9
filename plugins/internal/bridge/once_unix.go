//go:build unix

package bridge

import "syscall"

func (p *Process) terminateGroup() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) }
