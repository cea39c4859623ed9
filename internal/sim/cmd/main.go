// Command sim lives simulated months of dwmon: `make sim`. docs/reliability.md says
// what is simulated, and what is not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/dwmon/dwmon/internal/sim"
)

func main() {
	debug.SetGCPercent(800) // histories are short
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	store := flags.String("store", "", "the store to live on: model or sqlite; both in turn where it is empty")
	seed := flags.Uint64("seed", 0, "the seed of the first life, counted up for those after it; drawn where it is 0")
	runs := flags.Int("runs", 0, "how many lives; 0: as many as the time allows")
	span := flags.Duration("for", time.Minute, "how long to go on, where --runs does not say how many lives")
	steps := flags.Int("steps", 0, "how many steps each life has; drawn where it is 0")
	trace := flags.Bool("trace", false, "print every event")
	dir := flags.String("dir", "", "the folder for databases; in memory where it is empty and the system has such a folder")
	flags.Usage = func() {
		fmt.Fprint(stderr, "sim lives simulated months of dwmon, in which everything fails that can.\n\n"+
			"  sim --store sqlite --for 10m\n  sim --store model --seed 42 --runs 1 --trace    the same life again, event by event\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "sim: %q is no flag; see --help\n", flags.Arg(0))
		return 2
	}
	c := campaign{stores: sim.Stores, seed: *seed, runs: *runs, until: time.Now().Add(*span)}
	c.options = sim.Options{Steps: *steps, Dir: *dir}
	if *store != "" {
		c.stores = []string{*store}
	}
	if c.seed == 0 {
		c.seed = uint64(rand.Uint32())
	}
	if *trace {
		c.options.Trace = stderr
	}
	return c.run(ctx, stdout, stderr)
}

// campaign is many lives.
type campaign struct {
	options sim.Options
	stores  []string
	seed    uint64
	runs    int
	until   time.Time
}

func (c *campaign) run(ctx context.Context, stdout, stderr io.Writer) int {
	totals := make([]sim.Stats, len(c.stores))
	took := make([]time.Duration, len(c.stores))
	for n := 0; ctx.Err() == nil && (n < c.runs || c.runs == 0 && time.Now().Before(c.until)); n++ {
		for i, store := range c.stores {
			o := c.options
			o.Store, o.Seed = store, c.seed+uint64(n)
			began := time.Now()
			lived, err := sim.Live(ctx, o)
			took[i] += time.Since(began)
			totals[i].Add(lived)
			if err != nil {
				fmt.Fprintln(stderr, err)
				return 1
			}
		}
	}
	for i, store := range c.stores {
		report(stdout, store, totals[i], took[i])
	}
	return 0
}

func report(w io.Writer, store string, s sim.Stats, took time.Duration) {
	const year = 365.25 * 24 * float64(time.Hour)
	fmt.Fprintf(w, "store %s: %d lives, %.2f years in %s; dwmon ran for %d minutes of them: %.0f minutes a second\n",
		store, s.Lives, float64(s.Lived)/year, took.Round(time.Second/10), s.Minutes, float64(s.Minutes)/took.Seconds())
	fmt.Fprintf(w, "  %d passes, %d fetches (%d failed), %d verdicts (%d UNKNOWN), %d minutes in gaps, %d corrections, %d purges\n",
		s.Passes, s.Fetches, s.FailedFetches, s.Verdicts, s.Unknown, s.GapMinutes, s.Corrections, s.Purges)
	fmt.Fprintf(w, "  %d passes in which the store failed, %d restarts (%d by force), %d clock jumps, %d edits, %d walks settled by hand, %d incidents\n",
		s.StoreFailures, s.Restarts, s.Kills, s.Jumps, s.Edits, s.Settles, s.Incidents)
	if s.Delivered+s.Notices > 0 {
		fmt.Fprintf(w, "  %d deliveries taken (%d of them notices), %d of them again, %d refused for now, %d for good\n", s.Delivered, s.Notices, s.Again, s.Refused, s.Dead)
	}
}
