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
)

const (
	// Most is Go's own setting, in percent of what lives; it is never exceeded.
	most = 100
	// least is the smallest setting, in percent.
	least = 5
	// small is the room that a heap is given in any case, bytes: below it
	// collections would be too many for what they free.
	small = 8 << 20
)

// Tend sees to it, until the process ends, that the heap's room is as large as the
// part of it that is looked through for pointers, or 8 MiB. Where the environment says
// how the collector should work (GOGC, GOMEMLIMIT), Tend does nothing. It is called once.
func Tend() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	arm(&tender{percent: most})
}

// tender is the setting in use; only the cleanup of the last bell uses it.
type tender struct{ percent int }

// bell rings when the collector finds that nobody holds it: once in each cycle.
// The pointer keeps it out of the blocks in which small objects live together.
type bell struct{ _ *tender }

func arm(t *tender) {
	runtime.AddCleanup(&bell{}, func(t *tender) {
		t.adjust()
		arm(t)
	}, t)
}

func (t *tender) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/total:bytes"}}
	metrics.Read(sample)
	if next := percent(sample[0].Value.Uint64(), sample[1].Value.Uint64()); next != t.percent {
		t.percent = next
		debug.SetGCPercent(next)
	}
}

// percent is the setting for a heap of which so many bytes live, and so many are
// looked through; in steps, so that it does not change with every cycle.
func percent(live, scanned uint64) int {
	if live == 0 {
		return most
	}
	p := 100 * max(scanned, small) / live
	return max(least, int(min(p, most))/5*5)
}
