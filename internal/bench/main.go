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
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
)

func main() {
	hostbench.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print one JSON object a figure instead of a table")
	only := flags.String("rows", "", "the rows to measure, such as 1,3,7-9; all where it is empty")
	quick := flags.Bool("quick", false, "smaller databases and fewer repetitions: to see that it works, not to judge")
	scale := flags.Bool("scale", false, "measure the rows about 100 million rows and a year of history on all of them, which takes most of an hour and 15 GB, not on a tenth")
	dir := flags.String("dir", "", "the folder for databases, on the kind of disk that is to be judged; the system's for temporary files where it is empty")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	wanted, err := parseRows(*only)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q: there are flags only", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	b, err := newBench(*dir, *quick, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	b.scale = *scale
	defer b.close()
	out := newPrinter(stdout, *asJSON)
	out.begin(*quick)
	for _, m := range measures {
		if !slices.Contains(wanted, m.row) || ctx.Err() != nil {
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
	return out.end(time.Since(b.began), ctx.Err())
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
			return nil, fmt.Errorf("-rows %q: want numbers of rows and spans of them, from %d to %d, such as 1,3,7-9",
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
