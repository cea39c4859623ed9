//go:build !linux

package hostbench

import "time"

func ProcessCPU(int) (time.Duration, error) { return 0, ErrNoCPU }
