package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// goroutineLabel is the label of what runs on behalf of a plugin in process.
const goroutineLabel = "dwmon-plugintest"

// stack is goroutines at the same place.
type stack struct {
	count int
	text  string
}

// goroutines lists those with a label, most of a stack first; all where the label
// is empty.
func goroutines(label string) (total int, stacks []stack) {
	var b bytes.Buffer
	// A line of heading, then blocks: "3 @ 0x…", "# labels: {…}", "#	0x…	function…".
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	_, text, _ := strings.Cut(b.String(), "\n")
	want := fmt.Sprintf("%q:%q", goroutineLabel, label)
	for block := range strings.SplitSeq(text, "\n\n") {
		var n int
		if _, err := fmt.Sscanf(block, "%d @", &n); err != nil {
			continue
		}
		if label != "" && !strings.Contains(block, want) {
			continue
		}
		total += n
		stacks = append(stacks, stack{n, functions(block)})
	}
	slices.SortStableFunc(stacks, func(a, b stack) int { return b.count - a.count })
	return total, stacks
}

// functions are the names in a block, innermost first.
func functions(block string) string {
	var names []string
	for line := range strings.Lines(block) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "#" && strings.HasPrefix(f[1], "0x") {
			name, _, _ := strings.Cut(f[2], "+0x")
			names = append(names, name)
		}
	}
	return strings.Join(names, " < ")
}

// settled waits until a number is at most the wanted one: what has ended takes a
// moment to be gone.
func settled(ctx context.Context, count func() int, most int) (n int, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if n = count(); n <= most {
			return n, true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n, false
		}
	}
}

// steady is a number once it has not changed for a while.
func steady(ctx context.Context, count func() int) int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	n := count()
	for same := 0; same < 5; same++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n
		}
		if now := count(); now != n {
			n, same = now, 0
		}
	}
	return n
}

// descriptors is the number of open file descriptors of this process; -1 where it
// cannot be read.
func descriptors() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	return -1
}

// mostOf shows the stacks that there are most of.
func mostOf(stacks []stack) string {
	var b strings.Builder
	for _, s := range stacks[:min(len(stacks), 3)] {
		fmt.Fprintf(&b, "\n%d x %s", s.count, s.text)
	}
	return b.String()
}
