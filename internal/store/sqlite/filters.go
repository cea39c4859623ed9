package sqlite

import (
	"cmp"
	"slices"
	"sync"
)

// idleFilter is after how long without use a filter may give way to another
// checker's, microseconds. Checkers are fetched in turn, each as often as the
// others: were the one used longest ago to go first, as in other caches, none
// would live until its next turn once they do not all fit.
const idleFilter = 10 * 60 * 1e6

// lookForIdleEvery lies between two looks for such filters, microseconds.
const lookForIdleEvery = 60 * 1e6

// filters are the checkers' filters, bounded together.
type filters struct {
	budget int64

	mu      sync.Mutex
	used    int64
	foreign int64 // how often everything was dropped for a foreign commit
	held    map[int64]*heldFilter
	idle    []*heldFilter // those found by the last look that were not dropped yet, the oldest first
	looked  int64         // start of the fetch that looked for them
}

// heldFilter is a checker's place; turn counts what was dropped from it: a
// filter that was built on an older one must not take its place.
type heldFilter struct {
	filter *filter
	turn   int64
	last   int64 // start of the last fetch that used it
}

// ticket is what a fetch must show to put its filter in place.
type ticket struct{ turn, foreign int64 }

func newFilters(budget int64) *filters {
	return &filters{budget: budget, held: make(map[int64]*heldFilter)}
}

// get gives the filter of a checker, nil for none, to a fetch that starts then.
func (fs *filters) get(checkerID, started int64) (*filter, ticket) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	h := fs.place(checkerID)
	h.last = started
	return h.filter, ticket{h.turn, fs.foreign}
}

func (fs *filters) place(checkerID int64) *heldFilter {
	h := fs.held[checkerID]
	if h == nil {
		h = &heldFilter{}
		fs.held[checkerID] = h
	}
	return h
}

// put keeps the filter of a fetch that was committed, if there is room and
// nothing was dropped since the fetch began.
func (fs *filters) put(checkerID, started int64, t ticket, f *filter) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	h := fs.place(checkerID)
	if t != (ticket{h.turn, fs.foreign}) {
		return
	}
	fs.remove(h)
	if fs.used+f.size() > fs.budget {
		fs.makeRoom(f.size(), started)
	}
	if fs.used+f.size() <= fs.budget {
		h.filter = f
		fs.used += f.size()
	}
}

func (fs *filters) remove(h *heldFilter) {
	if h.filter != nil {
		fs.used -= h.filter.size()
		h.filter = nil
	}
}

// makeRoom drops filters that were not used for long, the oldest first.
func (fs *filters) makeRoom(size, now int64) {
	for fs.used+size > fs.budget {
		if len(fs.idle) == 0 && !fs.lookForIdle(now) {
			return
		}
		h := fs.idle[0]
		fs.idle = fs.idle[1:]
		if h.isIdle(now) { // still
			fs.remove(h)
		}
	}
}

func (h *heldFilter) isIdle(now int64) bool {
	return h.filter != nil && (h.last < now-idleFilter || h.last > now+idleFilter)
}

// lookForIdle looks through all filters for those that may give way. Where ten thousand
// checkers are in want of room, each at every fetch, it is done once a minute.
func (fs *filters) lookForIdle(now int64) (found bool) {
	if age := now - fs.looked; age >= 0 && age < lookForIdleEvery {
		return false
	}
	fs.looked = now
	for _, h := range fs.held {
		if h.isIdle(now) {
			fs.idle = append(fs.idle, h)
		}
	}
	slices.SortFunc(fs.idle, func(a, b *heldFilter) int { return cmp.Compare(a.last, b.last) })
	return len(fs.idle) > 0
}

// drop forgets a checker's filter, and the one of a fetch that is under way.
func (fs *filters) drop(checkerID int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	h := fs.place(checkerID)
	fs.remove(h)
	h.turn++
}

// dropAll is for a foreign commit: keys may be gone.
func (fs *filters) dropAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.foreign++
	for _, h := range fs.held {
		fs.remove(h)
	}
}

// isForeign says whether somebody else has committed since a fetch began.
func (fs *filters) isForeign(t ticket) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.foreign != t.foreign
}

// dropFilter drops the checker's filter once the transaction is committed.
// Whoever deletes keys calls it.
func (tx *Tx) dropFilter(checkerID int64) {
	tx.afterCommit(func() { tx.db.filters.drop(checkerID) })
}
