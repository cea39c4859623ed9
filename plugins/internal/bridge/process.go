package bridge

import (
	"os"
	"os/exec"
	"sync"
)

// Process is a program in a process group of its own. What it starts is in the
// group too, unless it takes pains to leave it, and dies with it. On Linux the
// program is also killed when this process ends, however that happens.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}

	mu     sync.Mutex
	reaped bool
	state  *os.ProcessState
}

// StartProcess starts a command. Its Stdin, Stdout and Stderr must be files or
// nil: anything else would have to be copied until the last process of the group
// lets go of it.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = groupAttributes()
	if err := spawn(cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		p.await()
	}()
	return p, nil
}

// Exited is closed when the process has ended, and its group with it.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State is how the process ended; nil while it lives.
func (p *Process) State() *os.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Exit is how the process ended, as people say it: "exit status 3", "signal
// segmentation fault".
func (p *Process) Exit() string {
	s := p.State()
	if s == nil {
		return "not ended"
	}
	return exitText(s)
}

// Kill ends the process and its group. It may be called at any time.
func (p *Process) Kill() { p.unlessReaped(p.killGroup) }

// Interrupt asks the process and its group to stop what they are doing.
func (p *Process) Interrupt() { p.unlessReaped(p.interruptGroup) }

// unlessReaped keeps signals from whoever has got the group's number next.
func (p *Process) unlessReaped(signal func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		signal()
	}
}

// reap notes how the process ended. From now on its number may be another's.
func (p *Process) reap() {
	_ = p.cmd.Wait()
	p.state, p.reaped = p.cmd.ProcessState, true
}
