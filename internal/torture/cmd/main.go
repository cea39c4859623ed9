//go:build linux

// Command torture tries faults on real processes of dwmon: `make torture`.
// docs/reliability.md says which, and what is expected.
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
	"strings"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/torture"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(stderr)
	seed := flags.Uint64("seed", 0, "the seed of the first round of all faults, counted up for those after it; drawn where it is 0")
	span := flags.Duration("for", 0, "begin another round of all faults until so much time has passed; 0: one round")
	only := flags.String("only", "", "faults to try, separated by commas; all where it is empty")
	short := flags.Bool("short", false, "do each fault a few times only, as the tests do")
	dir := flags.String("dir", "", "the folder for the worlds; a temporary one where it is empty")
	keep := flags.Bool("keep", false, "keep the worlds of faults that failed")
	list := flags.Bool("list", false, "print the faults and what is expected, and do nothing")
	flags.Usage = func() {
		fmt.Fprint(stderr, "torture does to real processes of dwmon what happens to them, and checks every promise afterwards.\n\n"+
			"  torture --for 30m\n  torture --only kill-daemon --seed 42 --keep    the same attempt again\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	faults, err := torture.Select(names)
	if flags.NArg() > 0 {
		err = fmt.Errorf("%q is no flag; see --help", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
		return 2
	}
	if *list {
		for _, f := range faults {
			fmt.Fprintf(stdout, "%s\n  done: %s\n  expected: %s\n", f.Name, f.Done, f.Expected)
		}
		return 0
	}
	o := torture.Options{Seed: *seed, Long: !*short, Dir: *dir, Keep: *keep}
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	return campaign(ctx, faults, o, *span, stdout, stderr)
}

// campaign tries all faults, again and again while there is time.
func campaign(ctx context.Context, faults []torture.Fault, o torture.Options, span time.Duration, stdout, stderr io.Writer) int {
	work, err := os.MkdirTemp(o.Dir, "dwmon-torture-")
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
		return 3
	}
	o.Dir = work
	kept := false
	defer func() {
		if !kept {
			os.RemoveAll(work)
		}
	}()
	programs, err := torture.Build(ctx, work)
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
		return 3
	}
	tried, skipped, failed := 0, 0, 0
	for end := time.Now().Add(span); ; o.Seed++ {
		for _, f := range faults {
			out, err := f.Try(ctx, programs, o)
			if err != nil {
				fmt.Fprintln(stderr, "torture:", err)
				return 3
			}
			tried++
			switch {
			case out.Skipped != "":
				skipped++
				fmt.Fprintf(stdout, "%-14s seed %d  SKIPPED: %s\n", f.Name, out.Seed, out.Skipped)
			case out.Failed():
				failed++
				kept = kept || o.Keep
				fmt.Fprintf(stdout, "%-14s seed %d  FAILED\n%s", f.Name, out.Seed, out.Report())
			default:
				c := out.Checked
				fmt.Fprintf(stdout, "%-14s seed %d  ok in %s: %d verdicts, %d minutes in gaps, %d rows, %d deliveries (%d of them repeated), %d incidents\n",
					f.Name, out.Seed, out.Took.Round(time.Second/10), c.Verdicts, c.GapMinutes, c.Rows, c.Told, c.Again, c.Incidents)
			}
		}
		if ctx.Err() != nil || !time.Now().Before(end) {
			break
		}
	}
	fmt.Fprintf(stdout, "%d tried, %d failed, %d skipped\n", tried, failed, skipped)
	if failed > 0 {
		return 1
	}
	return 0
}
