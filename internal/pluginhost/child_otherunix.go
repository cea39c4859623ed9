//go:build unix && !linux

package pluginhost

import (
	"os"
	"syscall"
)

// childAttributes puts a plugin into a process group of its own. There is no
// parent-death signal here: the end of its standard input tells the plugin.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func spawn(start func() error) error { return start() }

// await blocks until the process has ended and kills what is left of its group.
// Without a way to wait that does not reap there is a moment in which an empty
// group's number could be given away.
func (c *child) await() (*os.ProcessState, error) {
	state, err := c.process.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killGroup()
	c.reaped = true
	return state, err
}
