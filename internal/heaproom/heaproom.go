// Package heaproom keeps the garbage collector's room small where most of the heap
// costs nothing to collect.
//
// Go lets a heap grow to twice what lives in it before it collects again, so that
// the work of a collection, which grows with what lives, is done seldom enough. That work
// is looking for pointers. A daemon's heap is mostly keys that it remembers, blocks of
// bytes without one: for them the room would be given and nothing saved.
package heaproom

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// most is Go's own setting, in percent of what lives; it is never exceeded.
	most = 100
	// least is the smallest setting, in percent.
	least = 5

	// calmRoom is the room that a heap is given in any case, bytes, and busyRoom while
	// collections follow each other within busyGap: then room saves work. busyFor
	// after the last one nothing is left to be saved.
	calmRoom = 4 << 20
	busyRoom = 16 << 20
	busyGap  = time.Second
	busyFor  = 10 * time.Second
)

// Tend sees to it, until the process ends, that the heap's room is as large as the
// part of it that is looked through for pointers, or 4 MiB, 16 MiB while much is going
// on. Where the environment says how the collector should work (GOGC, GOMEMLIMIT), Tend
// does nothing. It is called once.
func Tend() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	t := &tender{percent: most}
	t.calm = time.AfterFunc(busyFor, func() { t.adjust(calmRoom) })
	arm(t)
}

// tender is the setting in use.
type tender struct {
	calm *time.Timer
	last time.Time // the cycle before; the bells' own

	mu      sync.Mutex
	percent int
}

// bell rings when the collector finds that nobody holds it: once in each cycle.
// The pointer keeps it out of the blocks in which small objects live together.
type bell struct{ _ *tender }

func arm(t *tender) {
	runtime.AddCleanup(&bell{}, func(t *tender) {
		t.adjust(t.cycle(time.Now()))
		t.calm.Reset(busyFor)
		arm(t)
	}, t)
}

// cycle is told of a collection, and says how much room there should be from now on.
func (t *tender) cycle(now time.Time) (room uint64) {
	gap := now.Sub(t.last)
	t.last = now
	if gap < busyGap {
		return busyRoom
	}
	return calmRoom
}

func (t *tender) adjust(room uint64) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/total:bytes"}}
	metrics.Read(sample)
	next := percent(sample[0].Value.Uint64(), sample[1].Value.Uint64(), room)
	t.mu.Lock()
	defer t.mu.Unlock()
	if next != t.percent {
		t.percent = next
		debug.SetGCPercent(next)
	}
}

// percent is the setting for a heap of which so many bytes live, so many are looked
// through, and which should have so much room at least; in steps, so that it does not
// change with every cycle.
func percent(live, scanned, room uint64) int {
	if live == 0 {
		return most
	}
	p := 100 * max(scanned, room) / live
	return max(least, int(min(p, most))/5*5)
}
