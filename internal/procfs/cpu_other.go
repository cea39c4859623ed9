//go:build !linux

package procfs

import "time"

// CPU is the processor time that a process has used so far, where it can be read.
func CPU(int) (time.Duration, error) { return 0, ErrUnsupported }
