package pluginhost

import (
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func spawn(start func() error) error { return start() }

func (c *child) await() (*os.ProcessState, error) {
	state, err := c.process.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	return state, err
}

func (c *child) killGroup() { _ = c.process.Kill() }

func statusOf(state *os.ProcessState) exitStatus { return exitStatus{code: state.ExitCode()} }
