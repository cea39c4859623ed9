package pluginhost

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// processEnv is set in every plugin's environment to a random text of that one
// process's. Descendants inherit it, so that what they use and what they leave
// behind is known to be this plugin's and no other's, wherever they put themselves.
const processEnv = "DWMON_PLUGIN_PROCESS"

func newProcessMark() string { return rand.Text() }

// Of the memory limit: a warning is due at warnShare, and again once the use has
// been below calmShare.
const (
	warnShare = 0.8
	calmShare = 0.7
)

// usage is what a plugin and its descendants hold.
type usage struct {
	bytes     int64 // resident
	processes int
	limit     int64 // bytes; 0: none
}

// memoryWatch looks at the memory of all processes of a host, in one reading of
// the system's process table whatever their number. It has a goroutine while there
// is a process.
type memoryWatch struct {
	every time.Duration
	limit func(plugin string) int64 // bytes; 0: none

	reading sync.Mutex // held while the table is read
	table   processTable

	mu        sync.Mutex
	processes map[string]*process // by mark
	cancel    context.CancelFunc  // of the goroutine; nil: there is none
	running   sync.WaitGroup
	read      time.Time       // when the table was last read
	unwatched map[string]bool // plugins of which it was said
}

func newMemoryWatch(every time.Duration, limit func(string) int64) *memoryWatch {
	return &memoryWatch{every: every, limit: limit, processes: map[string]*process{}, unwatched: map[string]bool{}}
}

// add watches a process until remove.
func (w *memoryWatch) add(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !memoryWorks {
		w.sayUnwatched(p)
		return
	}
	w.processes[p.mark] = p
	if w.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel = cancel
		w.running.Go(func() { w.run(ctx) })
	}
}

// sayUnwatched says once of each plugin that its limit means nothing here. The
// lock is held.
func (w *memoryWatch) sayUnwatched(p *process) {
	if w.limit(p.child.name) == 0 || w.unwatched[p.child.name] {
		return
	}
	w.unwatched[p.child.name] = true
	p.log.Warn("limits.memory_mb is not watched on this system: only Go plugins heed it, by GOMEMLIMIT")
}

func (w *memoryWatch) remove(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.processes, p.mark)
	if len(w.processes) == 0 && w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
}

// wait waits for the goroutine, once no process is watched any more.
func (w *memoryWatch) wait() { w.running.Wait() }

// run reads the table now and then: more often while a plugin is close to its
// limit.
func (w *memoryWatch) run(ctx context.Context) {
	timer := time.NewTimer(w.every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := w.every
		if w.look() {
			wait = max(w.every/8, time.Millisecond)
		}
		timer.Reset(wait)
	}
}

// look compares uses and limits. It says whether a plugin is close to its own.
func (w *memoryWatch) look() bool {
	limits := map[*process]int64{}
	for _, p := range w.all() {
		if limit := w.limit(p.child.name); limit > 0 {
			limits[p] = limit
		}
	}
	if len(limits) == 0 {
		return false
	}
	w.measure()
	close := false
	for p, limit := range limits {
		close = p.weigh(limit) || close
	}
	return close
}

func (w *memoryWatch) all() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*process, 0, len(w.processes))
	for _, p := range w.processes {
		all = append(all, p)
	}
	return all
}

// refresh has the uses no older than a second, for people to look at.
func (w *memoryWatch) refresh() {
	w.mu.Lock()
	fresh := time.Since(w.read) < time.Second || len(w.processes) == 0
	w.mu.Unlock()
	if !fresh {
		w.measure()
	}
}

// measure notes in each process what it uses.
func (w *memoryWatch) measure() {
	w.reading.Lock()
	defer w.reading.Unlock()
	all := w.all()
	uses := w.table.read(all, func(p *process) int64 { return int64(warnShare * float64(w.limit(p.child.name))) })
	for _, p := range all {
		if u, ok := uses[p]; ok {
			u.limit = w.limit(p.child.name)
			p.memory.Store(&u)
		}
	}
	w.mu.Lock()
	w.read = time.Now()
	w.mu.Unlock()
}

// weigh warns of a use near the limit and ends the process at the limit. It says
// whether the use is near.
func (p *process) weigh(limit int64) bool {
	u := p.used()
	share := float64(u.bytes) / float64(limit)
	switch {
	case u.bytes >= limit:
		p.endFor(WhyMemory, fmt.Sprintf("%s of the %d MiB that limits.memory_mb in %s.json allows: narrow what its checkers fetch, lower limits.concurrency there, or raise the limit",
			usedText(u), limit>>20, p.child.name))
	case share >= warnShare && !p.memoryWarned.Swap(true):
		p.log.Warn(fmt.Sprintf("a plugin is close to its memory limit: %s of the %d MiB that limits.memory_mb in %s.json allows; at the limit it is killed",
			usedText(u), limit>>20, p.child.name), "used_bytes", u.bytes, "limit_bytes", limit)
	case share < calmShare:
		p.memoryWarned.Store(false)
	}
	return share >= warnShare
}

// used is what the process and its descendants held when they were last measured.
func (p *process) used() usage {
	if u := p.memory.Load(); u != nil {
		return *u
	}
	return usage{}
}

func usedText(u usage) string {
	text := fmt.Sprintf("it used %d MiB", (u.bytes+1<<20-1)>>20)
	if u.processes > 1 {
		text += fmt.Sprintf(" in %d processes", u.processes)
	}
	return text
}
