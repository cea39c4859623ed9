// Command bench measures dwmon against the numbers that it means to reach, and
// prints them as a table: `make bench`. docs/performance.md explains the rows.
//
// Every row is a comparison of things that are done in turns within one run, so
// that a slow or busy machine slows both sides. Every measurement checks its
// answer: something that computes nothing is fast.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
)

func main() {
	hostbench.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v; see --help\n", err)
		return 2
	}
	b, err := newBench(o.dir, o.quick, stderr)
	if err == nil && o.plots != "" {
		err = plotFolder(o.plots)
	}
	if b != nil {
		defer b.close()
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 3
	}
	b.scale = o.scale
	out := newPrinter(stdout, o.json)
	out.begin(o.quick, len(o.rows) > 0)
	measureAll(ctx, b, o.rows, out)
	if o.plots != "" {
		drawAll(ctx, b, o.plots, out)
	}
	return out.end(time.Since(b.began), ctx.Err())
}

// measureAll measures and prints rows.
func measureAll(ctx context.Context, b *bench, rows []int, out *printer) {
	for _, m := range measures {
		if !slices.Contains(rows, m.row) || ctx.Err() != nil {
			continue
		}
		figures, err := m.measure(ctx, b)
		b.say("")
		if err != nil {
			figures = m.withoutFigures(err)
		}
		for _, f := range figures {
			out.print(m, f)
		}
	}
}

// options are what the flags say.
type options struct {
	rows               []int
	json, quick, scale bool
	dir, plots         string
}

const usage = `bench measures dwmon against the numbers that it means to reach.

  make bench                                           all rows, as a table
  make bench BENCHARGS='--rows 1,3,7-9 --quick'        some, to see that they work
  make bench BENCHARGS='--plots docs/plots'            no rows, but the plots of docs/performance.md

docs/performance.md explains the rows and the plots. Exit code: 0 measured, 1 an answer was wrong or
measuring failed, 2 wrong use, 3 a folder cannot be written.

`

// parseOptions reads the flags; flag.ErrHelp: help was asked for, and printed to stdout.
func parseOptions(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error says what is wrong, without all of the help
	rows := flags.String("rows", "", "the `rows` to measure, such as 1,3,7-9 (default all, with --plots none)")
	flags.BoolVar(&o.json, "json", false, "print JSON objects, one a figure or point, instead of tables")
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the data and few repetitions: to see that it works, not to judge")
	flags.BoolVar(&o.scale, "scale", false, "measure the rows about 100 million rows and a year of history on all of them, which takes most of an hour and 15 GB of disk, not on a tenth")
	flags.StringVar(&o.dir, "dir", "", "the `folder` for databases, on the kind of disk that is to be judged (default the system's for temporary files)")
	flags.StringVar(&o.plots, "plots", "", "measure the plots, and write them as SVG files into this `folder`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q: there are flags only", flags.Arg(0))
	case given["plots"] && o.plots == "":
		return o, errors.New("--plots names no folder")
	case given["rows"] || !given["plots"]:
		o.rows, err = parseRows(*rows)
	}
	return o, err
}

// parseRows reads numbers and spans of numbers.
func parseRows(text string) (rows []int, err error) {
	if text == "" {
		for _, m := range measures {
			rows = append(rows, m.row)
		}
		return rows, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, span := strings.Cut(strings.TrimSpace(part), "-")
		first, err1 := strconv.Atoi(from)
		last, err2 := first, error(nil)
		if span {
			last, err2 = strconv.Atoi(to)
		}
		if errors.Join(err1, err2) != nil || first > last || !isRow(first) || !isRow(last) {
			return nil, fmt.Errorf("--rows %q: want numbers of rows and spans of them, from %d to %d, such as 1,3,7-9",
				text, measures[0].row, measures[len(measures)-1].row)
		}
		for r := first; r <= last; r++ {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func isRow(n int) bool {
	return slices.ContainsFunc(measures, func(m measure) bool { return m.row == n })
}
