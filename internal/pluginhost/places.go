package pluginhost

import (
	"container/list"
	"context"
	"sync"
)

// places bounds the calls of one kind to one instance. Those who wait are served
// in their order. The number of places may change.
type places struct {
	mu      sync.Mutex
	limit   int
	taken   int
	waiters list.List // of chan struct{}
}

func newPlaces(limit int) *places { return &places{limit: limit} }

// take waits for a place.
func (p *places) take(ctx context.Context) error {
	p.mu.Lock()
	if p.taken < p.limit && p.waiters.Len() == 0 {
		p.taken++
		p.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	at := p.waiters.PushBack(granted)
	p.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-granted: // at the same moment: pass it on
		p.taken--
		p.grant()
	default:
		p.waiters.Remove(at)
	}
	return ctx.Err()
}

func (p *places) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.grant()
}

func (p *places) resize(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.grant()
}

func (p *places) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// grant hands free places to those who wait. The lock is held.
func (p *places) grant() {
	for p.taken < p.limit && p.waiters.Len() > 0 {
		p.taken++
		close(p.waiters.Remove(p.waiters.Front()).(chan struct{}))
	}
}
