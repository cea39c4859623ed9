package bridge

import (
	"errors"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttributes puts a process into a process group of its own, and has the
// kernel kill it when this process ends, however that happens.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// spawner is one goroutine on one thread that lasts as long as the process: the
// kernel sends the parent-death signal when the thread that forked ends, and Go's
// threads come and go.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// spawn calls start on the spawner's thread.
func spawn(start func() error) error {
	done := make(chan error, 1)
	spawner() <- func() { done <- start() }
	return <-done
}

// await waits for the process to end, kills what is left of its group while the
// zombie still reserves the group's number, and reaps it.
func (p *Process) await() {
	pid := p.cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reap()
}
