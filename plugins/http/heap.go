package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// heapGuard ends jq programs that build values without end: they have no bound of
// their own, and would take the machine's memory within seconds. It looks at the
// whole process, which is why all programs that run at that moment end.
type heapGuard struct {
	most uint64

	mu      sync.Mutex
	running map[*context.CancelCauseFunc]struct{}
	looping bool
}

// look is how often the heap is looked at: a program makes some MiB in between.
const look = 10 * time.Millisecond

func newHeapGuard(most int64) *heapGuard {
	if os.Getenv("GOMEMLIMIT") == "" {
		// The collector tries harder beyond the bound, not before: programs that stay
		// below it should not pay for it.
		debug.SetMemoryLimit(most + most/4)
	}
	return &heapGuard{most: uint64(most), running: map[*context.CancelCauseFunc]struct{}{}}
}

// watch gives a context that ends when the heap is too large. stop must be called.
func (h *heapGuard) watch(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[&cancel] = struct{}{}
	if !h.looping {
		h.looping = true
		go h.loop()
	}
	return watched, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.running, &cancel)
		cancel(nil)
	}
}

var errOutOfMemory = errors.New("out of memory")

// loop looks at the heap until nothing runs.
func (h *heapGuard) loop() {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for range tick.C {
		over := heapInUse() > h.most
		if over {
			runtime.GC() // not all of it need be in use
			over = heapInUse() > h.most
		}
		if !h.turn(over) {
			return
		}
	}
}

// turn ends what runs, if there is too much, and says whether to go on looking.
func (h *heapGuard) turn(over bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if over {
		err := fmt.Errorf("%w: the jq programs that run at this moment use more than %d MiB; make the page smaller or the program simpler, or raise max_memory",
			errOutOfMemory, h.most>>20)
		for cancel := range h.running {
			(*cancel)(err)
		}
	}
	h.looping = len(h.running) > 0
	return h.looping
}

// heapInUse is the heap's objects in bytes, the dead ones that were not collected
// yet among them.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
