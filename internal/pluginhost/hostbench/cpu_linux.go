package hostbench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU is what a process has used so far, in user and system mode, to the
// nanosecond; on systems other than Linux the error is ErrNoCPU. /proc counts in steps of 10 ms, which is longer than ten fetches.
func ProcessCPU(pid int) (time.Duration, error) {
	const ofProcess = 2 // CPUCLOCK_SCHED, of all threads: see clock_getcpuclockid(3)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &ts); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
