package bridge

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitSettled is await with a pause between the end of the process and that of
// its group.
func (p *Process) awaitSettled(settled func()) {
	pid := p.cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	settled()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reap()
}
