package procfs

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time that a process has used so far, in user and system mode,
// to the nanosecond: /proc counts in steps of 10 ms, in which much can happen.
func CPU(pid int) (time.Duration, error) {
	const ofProcess = 2 // CPUCLOCK_SCHED, of all threads: see clock_getcpuclockid(3)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &ts); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
