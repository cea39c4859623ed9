// Package engine decides when each checker's pass is done, and does it.
//
// A pass is one function, Pass in pass.go, readable from top to bottom: due,
// fetch, store, count, judge, hand over, purge. It takes the time as an argument,
// and so does Tick, which does one pass of every checker: neither needs a clock
// or a goroutine of its own, so that a simulation repeats exactly. Run is the
// only part that waits: it starts the passes of each minute slot, one at a time
// for a checker, as many side by side as their sources allow.
package engine

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Options of an Engine.
type Options struct {
	Store dwmon.Store
	// Zone is the zone of checkers without their own; nil: time.Local.
	Zone *time.Location
	// CatchUp is how long an outage may last without gaps; 0: 24 h.
	CatchUp time.Duration
	// Spread is the span over which the passes of a slot start; negative: none,
	// 0: 10 s.
	Spread time.Duration
	// Now is the clock that stamps fetches; nil: time.Now.
	Now func() time.Time
	// Stands says that Now is not the real clock: what sources say of theirs is not
	// compared with it.
	Stands bool
	// Observe is told of every pass that has ended; it is called from the pass's
	// goroutine. nil: nobody.
	Observe func(Report)
	// ObserveSlot is told of every slot of Run whose passes have all ended, from the
	// goroutine of the last or of Run. nil: nobody.
	ObserveSlot func(SlotReport)
	Log         *slog.Logger
}

// Engine runs the passes.
type Engine struct {
	store   dwmon.Store
	zone    *time.Location
	catchUp time.Duration
	spread  time.Duration
	now     func() time.Time
	stands  bool
	observe func(Report)
	log     *slog.Logger
	places  places

	observeSlot func(SlotReport)

	mu      sync.Mutex
	jobs    map[string]*Job
	running map[string]*runningPass
	tried   map[string]*Job // whose pass was begun last, by checker name
	untried map[string]*Job // those of jobs of which no pass was begun
	changed chan struct{}   // has room for one: jobs were replaced
	slot    int64           // begun last
	missed  int64
	skipped int64
	passes  sync.WaitGroup
}

// New makes an engine without jobs.
func New(o Options) (*Engine, error) {
	if o.Store == nil {
		return nil, errors.New("engine: no store")
	}
	e := &Engine{
		store:   o.Store,
		zone:    cmp.Or(o.Zone, time.Local),
		catchUp: cmp.Or(o.CatchUp, 24*time.Hour),
		spread:  cmp.Or(o.Spread, 10*time.Second),
		now:     o.Now,
		stands:  o.Stands,
		observe: o.Observe,
		log:     o.Log,
		jobs:    map[string]*Job{},
		running: map[string]*runningPass{},
		tried:   map[string]*Job{},
		untried: map[string]*Job{},
		changed: make(chan struct{}, 1),

		observeSlot: o.ObserveSlot,
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.observe == nil {
		e.observe = func(Report) {}
	}
	if e.observeSlot == nil {
		e.observeSlot = func(SlotReport) {}
	}
	if e.log == nil {
		e.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return e, nil
}

// SetJobs replaces the jobs, by checker name. Passes on their way go on as they
// began. While Run runs, jobs that are not the same pointer as before have a pass
// at once.
func (e *Engine) SetJobs(jobs []*Job) {
	byName := make(map[string]*Job, len(jobs))
	for _, j := range jobs {
		byName[j.Checker.Name] = j
	}
	e.mu.Lock()
	e.jobs = byName
	for name := range e.tried {
		if byName[name] == nil {
			delete(e.tried, name)
		}
	}
	clear(e.untried)
	for name, j := range byName {
		if e.tried[name] != j {
			e.untried[name] = j
		}
	}
	e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// Tick does one pass of every job, as they would be at the time now, side by
// side as their sources allow, and waits for all of them. Every source is asked,
// whatever back-off its last error asks for.
func (e *Engine) Tick(ctx context.Context, now time.Time) []Report {
	jobs := e.sorted()
	reports := make([]Report, len(jobs))
	var group sync.WaitGroup
	for i, job := range jobs {
		group.Go(func() {
			reports[i] = e.Pass(ctx, job, now, true)
			e.observe(reports[i])
		})
	}
	group.Wait()
	return reports
}

// sorted gives the jobs in the order of their names.
func (e *Engine) sorted() []*Job {
	e.mu.Lock()
	defer e.mu.Unlock()
	jobs := make([]*Job, 0, len(e.jobs))
	for _, j := range e.jobs {
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(a, b *Job) int { return cmp.Compare(a.Checker.Name, b.Checker.Name) })
	return jobs
}

// startsApart is how far apart passes start that do not start together: those that do
// share commits, which with thousands of checkers are dearer than the passes.
const startsApart = 50 * time.Millisecond

// Offset is how long after the first second of a slot a checker's pass starts:
// always the same for a name, and below spread.
func Offset(name string, spread time.Duration) time.Duration {
	if spread <= 0 {
		return 0
	}
	h := fnv.New64a()
	io.WriteString(h, name)
	return time.Duration(h.Sum64() % uint64(spread)).Truncate(startsApart)
}

// Stats tells how the minute grid is kept.
type Stats struct {
	// Slot is the slot begun last, seconds since the epoch; 0 before Run.
	Slot int64
	// MissedSlots were never begun, because the process or the machine stood still.
	MissedSlots int64
	// SkippedPasses were not started because the checker's pass before was still
	// running; the walk makes up for them.
	SkippedPasses int64
	// Running is how many passes are on their way, waiting for a place included.
	Running int
}

// Stats gives the present figures.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{Slot: e.slot, MissedSlots: e.missed, SkippedPasses: e.skipped, Running: len(e.running)}
}
