package engine

import (
	"container/heap"
	"context"
	"sync"
)

// places bounds how many passes ask one source at a time. Who waits is served in
// the order of how far behind its walk is.
type places struct {
	mu      sync.Mutex
	sources map[string]*source
}

type source struct {
	busy    int
	waiting waiters
}

// waiter is a pass that waits for a place. It is owned by places until granted
// is closed.
type waiter struct {
	settled int64 // the earlier, the sooner
	turn    int64 // tells equals apart
	granted chan struct{}
	index   int // in the heap; -1 once it has left
}

// acquire waits for one of limit places of a source. settled is the minute
// through which the pass's walk has settled. The function returned gives the
// place back.
func (p *places) acquire(ctx context.Context, key string, limit int, settled int64) (release func(), err error) {
	p.mu.Lock()
	if p.sources == nil {
		p.sources = make(map[string]*source)
	}
	s := p.sources[key]
	if s == nil {
		s = &source{}
		p.sources[key] = s
	}
	if s.busy < limit && len(s.waiting.heap) == 0 {
		s.busy++
		p.mu.Unlock()
		return func() { p.release(key, limit) }, nil
	}
	w := &waiter{settled: settled, turn: s.waiting.turns, granted: make(chan struct{})}
	s.waiting.turns++
	heap.Push(&s.waiting, w)
	p.mu.Unlock()

	select {
	case <-w.granted:
		return func() { p.release(key, limit) }, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.index < 0 { // granted in the same instant: pass it on
		p.giveBack(key, limit)
	} else {
		heap.Remove(&s.waiting, w.index)
	}
	return nil, ctx.Err()
}

func (p *places) release(key string, limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveBack(key, limit)
}

// giveBack frees a place and hands free places to those who wait. A limit that
// was lowered by a reload takes hold as places come back.
func (p *places) giveBack(key string, limit int) {
	s := p.sources[key]
	s.busy--
	for s.busy < limit && len(s.waiting.heap) > 0 {
		w := heap.Pop(&s.waiting).(*waiter)
		s.busy++
		close(w.granted)
	}
	if s.busy == 0 && len(s.waiting.heap) == 0 {
		delete(p.sources, key)
	}
}

// waiters is a heap by settled, then by turn.
type waiters struct {
	heap  []*waiter
	turns int64
}

func (w *waiters) Len() int { return len(w.heap) }

func (w *waiters) Less(i, j int) bool {
	a, b := w.heap[i], w.heap[j]
	if a.settled != b.settled {
		return a.settled < b.settled
	}
	return a.turn < b.turn
}

func (w *waiters) Swap(i, j int) {
	w.heap[i], w.heap[j] = w.heap[j], w.heap[i]
	w.heap[i].index, w.heap[j].index = i, j
}

func (w *waiters) Push(x any) {
	item := x.(*waiter)
	item.index = len(w.heap)
	w.heap = append(w.heap, item)
}

func (w *waiters) Pop() any {
	last := len(w.heap) - 1
	item := w.heap[last]
	w.heap[last] = nil
	w.heap = w.heap[:last]
	item.index = -1
	return item
}
