//go:build !linux

package hostbench

import "time"

func processCPU(int) (time.Duration, error) { return 0, ErrNoCPU }
