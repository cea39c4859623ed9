//go:build linux

// Package torture does to real processes of dwmon what happens to processes, disks,
// clocks and networks, and then asks the database and the handlers, by SQL and by
// what they were told, whether every promise was kept.
//
// Each fault has a world of its own: a folder with the real program, real plugins, a
// source whose rows follow from a seed, and a clock. Package interpose gives it the
// clock, and the moment at which a process ends: before a certain write, in the middle
// of it, or before the disk has it. The seed decides all that is drawn. When the
// goroutines and processes of dwmon run is the machine's to say, so that a seed repeats
// the same attempt, and mostly the same failure.
package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// Fault is something that is done to dwmon.
type Fault struct {
	Name string
	// Done is what is done, Expected what is expected of dwmon, for people.
	Done, Expected string
	// run does it, so many rounds of it, and recovers.
	run func(w *world, rounds int) error
	// short and long are how many rounds a short run has and a long one.
	short, long int
}

// errSkipped says that the machine does not allow a fault.
var errSkipped = errors.New("this machine does not allow it")

// Options of a run.
type Options struct {
	// Seed decides what is drawn; further worlds count it up.
	Seed uint64
	// Long has as many rounds of each fault as take a while.
	Long bool
	// Dir is where worlds are made; Keep keeps them.
	Dir  string
	Keep bool // those of faults that failed
}

// Outcome is what became of one fault.
type Outcome struct {
	Fault string
	Seed  uint64
	Took  time.Duration
	// Checked says how much was there to be wrong.
	Checked Tally
	// Skipped is why it was not tried; empty: it was.
	Skipped string
	// Wrong is what was not as it should be; Events are what was done before, Log is
	// what dwmon said, Dir where the world lies if it was kept.
	Wrong  []string
	Events []string
	Log    string
	Dir    string

	again string // the arguments that try the same once more
}

// Tally counts what was checked at the end of a world.
type Tally struct{ Verdicts, GapMinutes, Rows, Told, Again, Incidents int64 }

// Failed says whether something was wrong.
func (o *Outcome) Failed() bool { return len(o.Wrong) > 0 }

// Report tells of a failure whole.
func (o *Outcome) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fault %s, seed %d:\n", o.Fault, o.Seed)
	for _, text := range o.Wrong {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	fmt.Fprintln(&b, "what was done:")
	for _, text := range o.Events {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	const most = 30
	log := strings.Split(strings.TrimSpace(o.Log), "\n")
	fmt.Fprintf(&b, "the last lines of dwmon's log:\n  %s\n", strings.Join(log[max(0, len(log)-most):], "\n  "))
	if o.Dir != "" {
		fmt.Fprintf(&b, "the world lies in %s\n", o.Dir)
	}
	fmt.Fprintf(&b, "once more: make torture TORTUREARGS='%s'\n", o.again)
	return b.String()
}

// Select gives the faults of those names, or says which there are.
func Select(names []string) ([]Fault, error) {
	if len(names) == 0 {
		return Faults, nil
	}
	var some []Fault
	for _, name := range names {
		i := slices.IndexFunc(Faults, func(f Fault) bool { return f.Name == name })
		if i < 0 {
			var all []string
			for _, f := range Faults {
				all = append(all, f.Name)
			}
			return nil, fmt.Errorf("there is no fault %q; there are %s", name, strings.Join(all, ", "))
		}
		some = append(some, Faults[i])
	}
	return some, nil
}

// Try tries one fault in a world of its own. An error means that the suite itself could
// not go on.
func (f Fault) Try(ctx context.Context, p Programs, o Options) (*Outcome, error) {
	began := time.Now()
	w, err := newWorld(ctx, p, o.Dir, f.Name, o.Seed)
	if err != nil {
		return nil, err
	}
	defer w.close()
	rounds, again := f.short, fmt.Sprintf("--only %s --seed %d --short --keep", f.Name, o.Seed)
	if o.Long {
		rounds, again = f.long, fmt.Sprintf("--only %s --seed %d --keep", f.Name, o.Seed)
	}
	err = f.run(w, rounds)
	out := &Outcome{Fault: f.Name, Seed: o.Seed, Took: time.Since(began), Dir: w.dir, again: again}
	switch {
	case errors.Is(err, errSkipped), errors.Is(err, interpose.ErrUnsupported):
		out.Skipped = err.Error()
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		w.fault("%v", err)
	}
	if out.Skipped == "" && len(w.wrong) == 0 {
		if out.Checked, err = w.tally(); err != nil {
			w.fault("%v", err)
		}
	}
	w.close()
	out.Wrong, out.Events, out.Log = w.wrong, w.events, w.log.String()
	if !o.Keep || !out.Failed() {
		out.Dir = ""
		return out, os.RemoveAll(w.dir)
	}
	return out, nil
}

// tally counts what was checked.
func (w *world) tally() (Tally, error) {
	var t Tally
	s, err := w.read()
	if err != nil || s == nil {
		return t, err
	}
	for _, c := range s.checkers {
		t.Verdicts += int64(len(c.verdicts))
		t.Rows += int64(len(c.seen))
		for _, g := range c.gaps {
			t.GapMinutes += g.minutes
		}
	}
	t.Incidents = int64(len(s.incidents))
	list, err := w.readLedger(ledgerFile)
	keys := map[string]bool{}
	for _, one := range list {
		if keys[one.Key] {
			t.Again++
		}
		keys[one.Key] = true
	}
	t.Told = int64(len(keys))
	return t, err
}
