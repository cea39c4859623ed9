package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// startDelay is how long after the begin of a slot its first pass starts, so that
// the rows of the last second have arrived.
const startDelay = time.Second

// longestNap bounds how long Run sleeps: timers stand still with a suspended
// machine and do not follow a clock that is set, so the wall clock is looked at
// again.
const longestNap = time.Second

// start is a pass that is to be started at a time.
type start struct {
	at    time.Time
	job   *Job
	tally *slotTally
}

// Run starts one pass of every job at once, then those of each minute slot, until
// ctx ends. It returns when every pass has ended.
func (e *Engine) Run(ctx context.Context) {
	defer e.passes.Wait()
	var queue []start
	for {
		now := time.Now().Round(0) // wall clock
		if slot, begun := e.beginSlot(now); begun {
			for _, s := range queue { // the time for them is over
				e.endPass(s.tally, false)
			}
			queue = e.schedule(slot)
		}
		e.startChanged(ctx, now)
		for len(queue) > 0 && !queue[0].at.After(now) {
			e.start(ctx, queue[0])
			queue = queue[1:]
		}
		nap := min(longestNap, time.Unix(dwmon.FloorMinute(now.Add(-startDelay).Unix())+60, 0).Add(startDelay).Sub(now))
		if len(queue) > 0 {
			nap = min(nap, queue[0].at.Sub(now))
		}
		timer := time.NewTimer(nap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-e.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// beginSlot says whether a slot has begun since it was last called, and counts
// those that were missed. The slot in which Run starts has no passes but those
// that are done at once. After a clock was set back the present slot begins anew:
// its passes find nothing due, or that the walk is ahead of the clock.
func (e *Engine) beginSlot(now time.Time) (slot int64, begun bool) {
	slot = dwmon.FloorMinute(now.Add(-startDelay).Unix())
	e.mu.Lock()
	defer e.mu.Unlock()
	if slot == e.slot || e.slot == 0 {
		e.slot = slot
		return slot, false
	}
	if missed := (slot-e.slot)/60 - 1; missed > 0 {
		e.missed += missed
		e.log.Warn("minute slots were missed; the walk makes up for them", "slots", missed)
	}
	e.slot = slot
	return slot, true
}

// schedule lists the passes of a slot in the order of their start.
func (e *Engine) schedule(slot int64) []start {
	jobs := e.sorted()
	queue := make([]start, len(jobs))
	tally := e.newTally(slot, len(jobs))
	for i, j := range jobs {
		queue[i] = start{at: time.Unix(slot, 0).Add(startDelay + Offset(j.Checker.Name, e.spread)), job: j, tally: tally}
	}
	slices.SortStableFunc(queue, func(a, b start) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return queue
}

// startChanged starts a pass at once for jobs that have had none: all of them at
// the start, later those that a reload brought or changed. Run asks at each of its
// steps, of which a slot has as many as passes: it looks at no other job.
func (e *Engine) startChanged(ctx context.Context, now time.Time) {
	e.mu.Lock()
	fresh := slices.Collect(maps.Values(e.untried))
	e.mu.Unlock()
	slices.SortFunc(fresh, func(a, b *Job) int { return cmp.Compare(a.Checker.Name, b.Checker.Name) })
	for _, j := range fresh {
		e.start(ctx, start{at: now, job: j})
	}
}

// start begins a pass in a goroutine of its own, unless the checker's last one is
// still running. The job may have been replaced or dropped since it was queued.
func (e *Engine) start(ctx context.Context, s start) {
	name := s.job.Checker.Name
	e.mu.Lock()
	job := e.jobs[name]
	if job == nil {
		e.mu.Unlock()
		e.endPass(s.tally, true) // it is not owed any more
		return
	}
	retry := e.tried[name] != job
	if before, running := e.running[name]; running {
		if !retry {
			e.skipped++
		}
		if s.tally != nil {
			before.late = true
		}
		e.mu.Unlock()
		e.endPass(s.tally, false)
		return
	}
	run := &runningPass{}
	e.running[name] = run
	e.tried[name] = job
	delete(e.untried, name)
	e.mu.Unlock()

	e.passes.Go(func() {
		report := e.Pass(ctx, job, s.at, retry)
		e.observe(report)
		e.mu.Lock()
		delete(e.running, name)
		inTime := !run.late
		e.mu.Unlock()
		e.endPass(s.tally, report.Done && inTime)
	})
}

// runningPass is a pass on its way.
type runningPass struct {
	// late: the checker's next pass was to start meanwhile.
	late bool
}
