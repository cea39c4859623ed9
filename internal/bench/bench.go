package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
)

// bench is what the measures share: the size of the work, a folder, and what is
// dear to make.
type bench struct {
	quick    bool
	scale    bool // large databases are as large as they are said to be, not a tenth
	dir      string
	progress io.Writer // nil where nobody looks
	began    time.Time

	rig       *hostbench.Rig
	histories map[historyKey]*history
	year      *year
	trials    []trial
	fleet     *fleet
	fleetErr  error
	past      *past
	undo      []func()
}

func newBench(parent string, quick bool, stderr io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp(parent, "dwmon-bench")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the databases: %w; --dir names a folder that is there and can be written", err)
	}
	if dir, err = filepath.Abs(dir); err != nil { // programs are run in folders of their own
		return nil, err
	}
	b := &bench{quick: quick, dir: dir, began: time.Now(), histories: map[historyKey]*history{}}
	if f, is := stderr.(*os.File); is {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			b.progress = stderr
		}
	}
	return b, nil
}

// onClose has f called at the end, before what was there earlier goes.
func (b *bench) onClose(f func()) { b.undo = append(b.undo, f) }

func (b *bench) close() {
	for _, f := range slices.Backward(b.undo) {
		f()
	}
	_ = os.RemoveAll(b.dir)
}

// say shows on a terminal what is going on.
func (b *bench) say(format string, args ...any) {
	if b.progress != nil {
		fmt.Fprint(b.progress, "\r\x1b[K", fmt.Sprintf(format, args...))
	}
}

// size is n, or a tenth of it where only the working is to be seen.
func (b *bench) size(n int) int {
	if b.quick {
		return max(n/10, 1)
	}
	return n
}

// turns is how often the sides of a comparison take turns.
func (b *bench) turns(n int) int {
	if b.quick {
		return 3
	}
	return n
}

// transport is the rig, started when it is first needed.
func (b *bench) transport() (*hostbench.Rig, error) {
	if b.rig == nil {
		b.say("starting the plugin")
		rig, err := hostbench.NewRig()
		if err != nil {
			return nil, err
		}
		b.rig = rig
		b.onClose(rig.Close)
	}
	return b.rig, nil
}

// side is one side of a comparison: it does its work some times and gives how
// long once took.
type side func(ctx context.Context) (time.Duration, error)

// repeat is the side that does something n times.
func repeat(n int, do func(context.Context) error) side {
	return func(ctx context.Context) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := do(ctx); err != nil {
				return 0, err
			}
		}
		return time.Since(start) / time.Duration(n), nil
	}
}

// compare lets two sides take turns. ratio is the median of x over y within a turn: what
// else the machine does in that moment slows both. x and y are medians too.
func compare(ctx context.Context, turns int, x, y side) (ratio float64, mx, my time.Duration, err error) {
	took, err := takeTurns(ctx, turns, x, y)
	if err != nil {
		return 0, 0, 0, err
	}
	var ratios []float64
	for i := range turns {
		ratios = append(ratios, float64(took[0][i])/float64(took[1][i]))
	}
	return median(ratios), median(took[0]), median(took[1]), nil
}

// takeTurns lets sides take turns, once each without counting, and gives what each took in
// every turn.
func takeTurns(ctx context.Context, turns int, sides ...side) (took [][]time.Duration, err error) {
	took = make([][]time.Duration, len(sides))
	for i := range turns + 1 {
		for n, s := range sides {
			t, err := s(ctx)
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return nil, err
			}
			if i > 0 {
				took[n] = append(took[n], t)
			}
		}
	}
	return took, nil
}

// median is the middle value; of two, their mean.
func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ms writes a time in milliseconds.
func ms(d time.Duration) string { return number(float64(d)/1e6) + " ms" }
