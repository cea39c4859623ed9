package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
)

// family is this process and all below it that run now.
func family() []int { return append([]int{os.Getpid()}, descendants(os.Getpid())...) }

// cpuOf is the CPU time that processes have used so far, to the nanosecond.
func cpuOf(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		used, err := hostbench.ProcessCPU(pid)
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

// stat is what is wanted of /proc/PID/stat.
type stat struct {
	parent int
	ended  bool // and not waited for yet
	cpu    time.Duration
}

// clockTick is the unit of times in /proc, on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return stat{}, err
		}
	}
	return stat{parent, fields[0] == "Z", time.Duration(user+system) * clockTick}, nil
}

// descendants are the processes below one.
func descendants(root int) (pids []int) {
	children := map[int][]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		if pid, err := strconv.Atoi(filepath.Base(e)); err == nil {
			if s, err := readStat(pid); err == nil {
				children[s.parent] = append(children[s.parent], pid)
			}
		}
	}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		pids = append(pids, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return pids
}

// memory reads a line of /proc/PID/status, in bytes: VmRSS is what a process holds,
// RssAnon what of it is no file's, VmHWM the most it ever held.
func memory(pid int, name string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("%w: the memory of a process cannot be read on this system: %w", errMissing, err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}

// mib writes a size.
func mib(bytes int64) string { return number(float64(bytes)/(1<<20)) + " MiB" }
