package main

import (
	"fmt"
	"os"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
)

// family is this process and all below it that run now.
func family() []int { return append([]int{os.Getpid()}, procfs.Descendants(os.Getpid())...) }

// cpuOf is the CPU time that processes have used so far, to the nanosecond.
func cpuOf(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		used, err := procfs.CPU(pid)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errMissing, err)
		}
		total += used
	}
	return total, nil
}

// cpuDuring is the CPU time that processes use while something is done.
func cpuDuring(pids []int, do func() error) (time.Duration, error) {
	before, err := cpuOf(pids)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := cpuOf(pids)
	return after - before, err
}

// memory is procfs.Memory, of a system that may not tell of it.
func memory(pid int, name string) (int64, error) {
	n, err := procfs.Memory(pid, name)
	if err != nil {
		err = fmt.Errorf("%w: the memory of a process cannot be read on this system: %w", errMissing, err)
	}
	return n, err
}

// mib writes a size.
func mib(bytes int64) string { return number(float64(bytes)/(1<<20)) + " MiB" }
