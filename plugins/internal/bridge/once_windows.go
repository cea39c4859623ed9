package bridge

func (p *Process) awaitSettled(settled func()) {
	_ = p.cmd.Wait()
	settled()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
}

// terminateGroup does nothing: there is no signal that asks a process to end.
func (p *Process) terminateGroup() {}
