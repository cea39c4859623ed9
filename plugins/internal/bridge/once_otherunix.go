//go:build unix && !linux

package bridge

// awaitSettled is await with a pause between the end of the process and that of
// its group.
func (p *Process) awaitSettled(settled func()) {
	_ = p.cmd.Wait()
	settled()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reap()
}
