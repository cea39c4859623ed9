package pluginhost

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes puts a plugin into a process group of its own, and has the
// kernel kill it when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// spawner is one goroutine on one thread that lasts as long as the daemon. The
// kernel sends the parent-death signal when the *thread* that forked ends, and
// Go's threads come and go.
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

// await blocks until the process has ended, kills what is left of its group while
// the zombie still reserves the group's number, and reaps it.
func (c *child) await() (*os.ProcessState, error) {
	for errors.Is(unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killGroup()
	c.reaped = true
	return c.process.Wait()
}
