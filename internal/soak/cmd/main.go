// Command soak lets a real daemon live a day in an hour, while everything around it
// changes, and says whether what it holds stays flat: `make soak`. docs/reliability.md
// says what is done, and what is measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/mattn/go-isatty"

	"github.com/dwmon/dwmon/internal/soak"
	"github.com/dwmon/dwmon/internal/soak/timelapse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// rate of the daemon's time: a day in an hour.
const rate = 24

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	span := flags.Duration("for", time.Hour, "how long it takes, without building; 5.5m are warm-up, 10.5m enough to judge all but rows and database, which take 21m")
	seed := flags.Uint64("seed", 0, "the seed of the order in which things happen; drawn where it is 0")
	asObject := flags.Bool("json", false, "print a JSON object")
	keep := flags.Bool("keep", false, "keep the folder of the daemon, its log and its profiles, also where all was well")
	flags.Usage = func() {
		fmt.Fprint(stderr, "soak lets a real daemon live a day in an hour, while everything around it changes, and says\n"+
			"whether what it holds stays flat. Exit code 1: something grows, or something else was wrong.\n\n"+
			"  soak --for 30m --seed 7\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "soak: %q is no flag; see --help\n", flags.Arg(0))
		return 2
	}
	o := soak.Options{For: *span, Rate: rate, Seed: *seed, Progress: progress(stderr)}
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 3
	}
	o.Dir = dir
	report, err := soak.Run(ctx, o)
	if o.Progress != nil {
		o.Progress("")
	}
	if *keep || err == nil && !report.OK || err != nil && !errors.Is(err, soak.ErrTooShort) && !errors.Is(err, timelapse.ErrUnsupported) {
		fmt.Fprintf(stderr, "the daemon's folder is kept: %s (daemon.log; build/first.* and build/last.* are its goroutines and heap after the warm-up and at the end)\n", dir)
	} else if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(stderr, "soak:", err)
	}
	switch {
	case errors.Is(err, soak.ErrTooShort):
		fmt.Fprintln(stderr, "soak:", err)
		return 2
	case errors.Is(err, timelapse.ErrUnsupported):
		fmt.Fprintln(stderr, "soak:", err)
		return 3
	case err != nil:
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	if *asObject {
		if err := json.NewEncoder(stdout).Encode(report); err != nil {
			fmt.Fprintln(stderr, "soak:", err)
			return 1
		}
	} else {
		show(stdout, report)
	}
	if !report.OK {
		return 1
	}
	return 0
}

// progress shows on a terminal what is going on, on one line; nil where it is none.
func progress(w io.Writer) func(string) {
	if f, ok := w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return nil
	}
	return func(text string) { fmt.Fprint(w, "\r\x1b[K", text) }
}

// show writes a report for people.
func show(w io.Writer, r *soak.Report) {
	fmt.Fprintf(w, "seed %d: %s lived at %d times the speed, %s of it warm-up; %d samples\n\n",
		r.Seed, r.Lived.Round(time.Minute), r.Rate, r.WarmUp.Round(time.Minute), r.Samples)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"measure", "first quarter", "last quarter", "change", "allowed", ""})
	for _, f := range r.Findings {
		t.AppendRow(table.Row{f.Name, amount(f.First, f.Unit), amount(f.Last, f.Unit), signed(f.Change, f.Unit), amount(f.Allowed, f.Unit), f.Verdict})
	}
	fmt.Fprintln(w, t.Render())
	fmt.Fprintln(w, "\nchange: the median slope over the whole run. allowed: 5 % of the median, and at least what is said in docs/reliability.md")
	n := 0
	for _, times := range r.Acts {
		n += times
	}
	fmt.Fprintf(w, "%d acts of %d kinds\n", n, len(r.Acts))
	for _, fault := range r.Faults {
		fmt.Fprintln(w, "fault:", fault)
	}
	grows := slices.ContainsFunc(r.Findings, func(f soak.Finding) bool { return f.Verdict == soak.Grows })
	switch {
	case grows:
		fmt.Fprintln(w, "verdict: something GROWS")
	case !r.OK:
		fmt.Fprintln(w, "verdict: all is flat, but there were faults")
	default:
		fmt.Fprintln(w, "verdict: all is flat")
	}
}

func amount(v float64, unit string) string {
	if unit == "bytes" {
		return fmt.Sprintf("%.2f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.4g", v)
}

func signed(v float64, unit string) string {
	if v > 0 {
		return "+" + amount(v, unit)
	}
	return amount(v, unit)
}
