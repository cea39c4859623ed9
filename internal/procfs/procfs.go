// Package procfs reads what Linux tells of processes, for the programs and tests that
// look at dwmon from outside. On other systems there are no processes to be seen.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrUnsupported says that the system does not tell of other processes.
var ErrUnsupported = errors.New("what other processes use is read on Linux only")

// Descendants are the processes below one that run now.
func Descendants(root int) (pids []int) {
	children := map[int][]int{}
	for _, pid := range all() {
		if parent, runs := parentOf(pid); runs {
			children[parent] = append(children[parent], pid)
		}
	}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		pids = append(pids, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return pids
}

// Below are the processes that run an executable below a folder.
func Below(dir string) (pids []int) {
	for _, pid := range all() {
		if strings.HasPrefix(Program(pid), dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func all() (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		if pid, err := strconv.Atoi(filepath.Base(e)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Runs says whether there is a process that has not ended: one that has, and was not
// waited for yet, does not run.
func Runs(pid int) bool {
	_, runs := parentOf(pid)
	return runs
}

func parentOf(pid int) (parent int, runs bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// Program is the path of a process's executable, also of one that was deleted or replaced
// since; empty where the process is gone.
func Program(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.TrimSuffix(path, " (deleted)")
}

// Descriptors is how many files and sockets a process has open.
func Descriptors(pid int) (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(open), err
}

// Memory reads a line of /proc/PID/status, in bytes: VmRSS is what a process holds,
// RssAnon what of it is no file's, VmHWM the most it ever held.
func Memory(pid int, name string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}
