//go:build unix && !openbsd

package main

import (
	"math"
	"syscall"
)

// addressSlack is what a process maps beside its heap: the runtime's tables,
// stacks, the executable.
const addressSlack = 3 << 30

// limitAddressSpace is the last line against a jq program that builds a huge
// value in one step, where no guard can come between: the process dies, and only
// its own calls with it.
func limitAddressSpace(heap int64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &now); err != nil {
		return nil // a system without such a limit has no last line
	}
	most := uint64(min(heap, math.MaxInt64/4)*2 + addressSlack)
	if now.Cur > most {
		now.Cur = min(most, now.Max)
		_ = syscall.Setrlimit(syscall.RLIMIT_AS, &now)
	}
	return nil
}
