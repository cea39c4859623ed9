//go:build unix && !linux

package bridge

import "syscall"

// groupAttributes puts a process into a process group of its own.
func groupAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func spawn(start func() error) error { return start() }

// await waits for the process to end, and kills what is left of its group.
func (p *Process) await() {
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reap()
}
