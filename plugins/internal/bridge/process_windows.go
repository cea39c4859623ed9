package bridge

import (
	"errors"
	"os"
	"syscall"
)

// Without process groups a worker is killed alone, and there is no signal that
// asks it to stop first.

func groupAttributes() *syscall.SysProcAttr { return nil }
func spawn(start func() error) error        { return start() }
func (p *Process) killGroup()               { _ = p.cmd.Process.Kill() }
func (p *Process) interruptGroup()          { _ = p.cmd.Process.Kill() }
func (p *Process) Memory() int64            { return 0 }
func exitText(s *os.ProcessState) string    { return s.String() }
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, os.ErrClosed)
}

func (p *Process) await() {
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
}
