package engine

// SlotReport is what became of the passes of one minute slot of Run. The passes
// that are done at the start of Run, or of a job, are of no slot.
type SlotReport struct {
	// Slot is its begin, seconds since the epoch.
	Slot int64
	// Passes is how many it had, Undone how many of them did not do their work in
	// time: not started at all, still running when the next was to start, cut off,
	// or refused by the store. A pass whose fetch failed has done its work.
	Passes, Undone int
}

// slotTally counts the passes of a slot. Engine.mu guards it.
type slotTally struct {
	report SlotReport
	open   int // not ended yet
}

// newTally begins to count the passes of a slot; nil, with its report, where there
// are none.
func (e *Engine) newTally(slot int64, passes int) *slotTally {
	t := &slotTally{report: SlotReport{Slot: slot, Passes: passes}, open: passes}
	if passes == 0 {
		e.observeSlot(t.report)
	}
	return t
}

// endPass counts the end of a pass, which may be of no slot, and reports the slot
// with its last one.
func (e *Engine) endPass(t *slotTally, done bool) {
	if t == nil {
		return
	}
	e.mu.Lock()
	t.open--
	if !done {
		t.report.Undone++
	}
	report, last := t.report, t.open == 0
	e.mu.Unlock()
	if last {
		e.observeSlot(report)
	}
}
