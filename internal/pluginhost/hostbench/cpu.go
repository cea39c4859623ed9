package hostbench

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/procfs"
)

// CPU is processor time, in user and system mode, of the process that holds the
// rig and of one at the other end.
type CPU struct {
	Host, Other time.Duration
}

// FetchCPU is what a fetch costs this process and the plugin's, the mean of n. On
// systems other than Linux the error is procfs.ErrUnsupported.
func (r *Rig) FetchCPU(ctx context.Context, n int) (CPU, error) {
	pid, err := r.pluginPid(ctx)
	if err != nil {
		return CPU{}, err
	}
	return spent(pid, n, func() error { return r.Fetch(ctx) })
}

// RawCPU is what a RawFrame costs this process and the other end of the plain
// socket, as FetchCPU.
func (r *Rig) RawCPU(n int) (CPU, error) { return spent(r.other.Process.Pid, n, r.RawFrame) }

// spent is what doing something costs this process and another, the mean of n.
func spent(pid, n int, do func() error) (CPU, error) {
	before, err := cpuOf(pid)
	if err != nil {
		return CPU{}, err
	}
	for range n {
		if err := do(); err != nil {
			return CPU{}, err
		}
	}
	after, err := cpuOf(pid)
	if err != nil {
		return CPU{}, err
	}
	return CPU{
		Host:  (after.Host - before.Host) / time.Duration(n),
		Other: (after.Other - before.Other) / time.Duration(n),
	}, nil
}

func cpuOf(pid int) (c CPU, err error) {
	if c.Host, err = procfs.CPU(os.Getpid()); err != nil {
		return CPU{}, err
	}
	c.Other, err = procfs.CPU(pid)
	return c, err
}

// pluginPid is the process that serves Fetch; it is started where it does not run.
func (r *Rig) pluginPid(ctx context.Context) (int, error) {
	if err := r.Fetch(ctx); err != nil {
		return 0, err
	}
	for _, p := range r.host.PluginsNow() {
		for _, in := range p.Instances {
			if in.State == pluginhost.StateReady {
				return in.Pid, nil
			}
		}
	}
	return 0, errors.New("the plugin has ended")
}
