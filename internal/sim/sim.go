// Package sim lives months of dwmon in seconds: the real engine, the real stores, the
// real code of deliveries and incidents, in one process under a clock of its own, with
// checkers, sources, purgers and handlers that are drawn, and fail in every way that
// their seams allow.
//
// Everything follows from a seed, and nothing waits: passes are made one after the
// other, or one within another's fetch, so that a life repeats exactly. After each
// commit the oracle, which shares no rule with the engine, says what it should have
// been.
package sim

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Options of a life.
type Options struct {
	// Seed decides everything.
	Seed uint64
	// Store is "model" or "sqlite".
	Store string
	// Dir is the folder for the databases of the latter; empty: a temporary one, in
	// memory where the system has such a folder.
	Dir string
	// Steps is how many steps are lived, mostly of a minute each; 0: some days.
	Steps int
	// Trace is told of every event; nil: nobody.
	Trace io.Writer
}

// Stores are the values of Options.Store.
var Stores = []string{"model", "sqlite"}

// Stats say what was lived.
type Stats struct {
	Lives, Steps int64
	// Lived is how far the clock went, outages included.
	Lived time.Duration
	// Minutes is how many minutes dwmon ran.
	Minutes                                              int64
	Passes, Fetches, FailedFetches, Verdicts, GapMinutes int64
	Unknown, Corrections, Purges, Edits, Restarts, Kills int64
	StoreFailures, Jumps, Settles                        int64
	Incidents, Notices, Delivered, Again, Refused, Dead  int64
}

// Add adds those of another life.
func (s *Stats) Add(o Stats) {
	s.Lives, s.Steps, s.Lived, s.Minutes = s.Lives+o.Lives, s.Steps+o.Steps, s.Lived+o.Lived, s.Minutes+o.Minutes
	s.Passes, s.Fetches, s.FailedFetches = s.Passes+o.Passes, s.Fetches+o.Fetches, s.FailedFetches+o.FailedFetches
	s.Verdicts, s.GapMinutes, s.Unknown = s.Verdicts+o.Verdicts, s.GapMinutes+o.GapMinutes, s.Unknown+o.Unknown
	s.Corrections, s.Purges, s.Edits = s.Corrections+o.Corrections, s.Purges+o.Purges, s.Edits+o.Edits
	s.Restarts, s.Kills, s.StoreFailures = s.Restarts+o.Restarts, s.Kills+o.Kills, s.StoreFailures+o.StoreFailures
	s.Jumps, s.Settles, s.Incidents, s.Notices = s.Jumps+o.Jumps, s.Settles+o.Settles, s.Incidents+o.Incidents, s.Notices+o.Notices
	s.Delivered, s.Again, s.Refused, s.Dead = s.Delivered+o.Delivered, s.Again+o.Again, s.Refused+o.Refused, s.Dead+o.Dead
}

// Failure is a life in which something was not as it should be.
type Failure struct {
	Options Options
	// Step is the one at which it was seen.
	Step int
	// At is the clock.
	At   time.Time
	What string
	// Events are the last ones before it, oldest first.
	Events []string
}

func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, store %s, step %d, %s: %s\n", f.Options.Seed, f.Options.Store, f.Step, f.At.UTC().Format(time.RFC3339Nano), f.What)
	fmt.Fprintf(&b, "the last events:\n")
	for _, e := range f.Events {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	fmt.Fprintf(&b, "it happens again with: make sim SIMARGS='--store %s --seed %d --runs 1%s'", f.Options.Store, f.Options.Seed, f.stepsFlag())
	return b.String()
}

func (f *Failure) stepsFlag() string {
	if f.Options.Steps == 0 {
		return ""
	}
	return fmt.Sprintf(" --steps %d", f.Options.Steps)
}

// Live lives one life. Its error is a *Failure, or says that the simulation itself
// could not go on.
func Live(ctx context.Context, o Options) (Stats, error) {
	l, err := newLife(o)
	if err != nil {
		return Stats{}, err
	}
	defer l.close()
	return l.live(ctx)
}

// workDir makes a folder for databases, in memory if it can be: what is simulated
// survives a process, and no power cut.
func workDir(parent string) (string, error) {
	if parent == "" {
		if dir, err := os.MkdirTemp("/dev/shm", "dwmon-sim"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp(parent, "dwmon-sim")
}
