package pluginhost

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

const memoryWorks = true

// processTable reads /proc. It remembers of each process whose environment it had
// to read what it found, as that is the expensive part.
type processTable struct {
	marks map[processID]string
}

// processID names a process beyond doubt: numbers are used again.
type processID struct {
	pid   int
	start string
}

// processEntry is one process of the table.
type processEntry struct {
	processID
	parent, group int
	resident      int64 // bytes
}

var pageSize = int64(os.Getpagesize())

// read adds up what each process and its descendants hold. Pages that several of
// its processes share count for each of them, unless the sum reaches exactFrom:
// then they are counted once, which costs the kernel a walk of their page tables.
func (t *processTable) read(roots []*process, exactFrom func(*process) int64) map[*process]usage {
	members := t.members(roots)
	uses := make(map[*process]usage, len(members))
	for p, entries := range members {
		u := usage{processes: len(entries)}
		for _, e := range entries {
			u.bytes += e.resident
		}
		if from := exactFrom(p); from > 0 && u.bytes >= from && len(entries) > 1 {
			u.bytes = proportional(entries)
		}
		uses[p] = u
	}
	return uses
}

// members finds the processes that belong to each root: those of its group, its
// descendants by birth, and those that left both but bear its mark.
func (t *processTable) members(roots []*process) map[*process][]processEntry {
	byPid, byMark := map[int]*process{}, map[string]*process{}
	for _, p := range roots {
		byMark[p.mark] = p
		if pid := p.child.number(); pid != 0 {
			byPid[pid] = p
		}
	}
	table := processEntries()
	known := t.marks
	t.marks = make(map[processID]string, len(known))
	members := make(map[*process][]processEntry, len(roots))
	for _, e := range table {
		owner := byPid[e.group]
		if owner == nil {
			owner = ancestor(table, e.pid, byPid)
		}
		if owner == nil {
			mark, ok := known[e.processID]
			if !ok {
				mark = markOf(e.pid)
			}
			t.marks[e.processID] = mark
			owner = byMark[mark]
		}
		if owner != nil {
			members[owner] = append(members[owner], e)
		}
	}
	return members
}

// ancestor is the root that a process descends from; nil: from none.
func ancestor(table map[int]processEntry, pid int, roots map[int]*process) *process {
	for range 1000 { // parents may change while the table is read
		if p := roots[pid]; p != nil {
			return p
		}
		e, ok := table[pid]
		if !ok || e.parent <= 1 {
			return nil
		}
		pid = e.parent
	}
	return nil
}

// processEntries lists the processes that hold memory, by number.
func processEntries() map[int]processEntry {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	table := make(map[int]processEntry, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if e, ok := readProcess(pid); ok {
				table[pid] = e
			}
		}
	}
	return table
}

// readProcess reads a stat file, from behind the name, which may hold anything.
// false: the process is gone, a zombie, or one of the kernel's.
func readProcess(pid int) (processEntry, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return processEntry{}, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return processEntry{}, false
	}
	e := processEntry{processID: processID{pid, fields[19]}}
	e.parent, _ = strconv.Atoi(fields[1])
	e.group, _ = strconv.Atoi(fields[2])
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	e.resident = pages * pageSize
	return e, pages > 0
}

// markOf is the value of processEnv that a process was started with; empty: none,
// or not for us to see.
func markOf(pid int) string {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	for e := range bytes.SplitSeq(environ, []byte{0}) {
		if mark, ok := bytes.CutPrefix(e, []byte(processEnv+"=")); ok {
			return string(mark)
		}
	}
	return ""
}

// proportional adds up resident memory in which a page that n processes share
// counts 1/n for each.
func proportional(entries []processEntry) (bytes int64) {
	for _, e := range entries {
		if own, ok := proportionalOf(e.pid); ok {
			bytes += own
		} else {
			bytes += e.resident
		}
	}
	return bytes
}

func proportionalOf(pid int) (int64, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, false
	}
	_, after, ok := strings.Cut(string(text), "\nPss:")
	fields := strings.Fields(after)
	if !ok || len(fields) == 0 {
		return 0, false
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err == nil
}

// killDescendants kills every process that bears the mark of a plugin's process
// and says how many there were.
func killDescendants(mark string) int { return killBearing(processEnv + "=" + mark) }
