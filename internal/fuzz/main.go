// Command fuzz finds every fuzz target of the repository, those of modules within it
// too, and tries one after the other for a set time: `make fuzz`. docs/reliability.md
// says what each target promises.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// campaign is what was asked for.
type campaign struct {
	root     string
	only     *regexp.Regexp
	span     time.Duration
	parallel int
	list     bool
	out      printer
}

// run gives the exit code: 0 all held, 1 a target failed, 2 wrong usage, 3 there is
// no repository here, or no go command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, code := parseFlags(args, stdout, stderr)
	if c == nil {
		return code
	}
	targets, err := find(c.root)
	if err == nil && len(targets) == 0 {
		err = fmt.Errorf("there is no fuzz target below %s: run it from the root of the repository, or name it with --root", c.root)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fuzz:", err)
		return 3
	}
	targets = matching(targets, c.only)
	if len(targets) == 0 {
		fmt.Fprintf(stderr, "fuzz: no target matches %s; --list shows all\n", c.only)
		return 2
	}
	if c.list {
		for _, t := range targets {
			c.out.listed(t)
		}
		return 0
	}
	return c.tryAll(ctx, targets, stderr)
}

func parseFlags(args []string, stdout, stderr io.Writer) (c *campaign, code int) {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c = &campaign{}
	flags.StringVar(&c.root, "root", ".", "the root of the repository")
	flags.DurationVar(&c.span, "for", 10*time.Second, "how long each target is tried")
	flags.IntVar(&c.parallel, "parallel", 0, "how many processes try a target at a time; 0: as many as there are cores")
	flags.BoolVar(&c.list, "list", false, "list the targets, and try none")
	only := flags.String("only", "", "a regular expression over PACKAGE.TARGET; all where it is empty")
	asJSON := flags.Bool("json", false, "print one JSON object a target")
	flags.Usage = func() {
		fmt.Fprint(stderr, "fuzz tries every fuzz target of the repository for a set time, and says where the input lies that one fails with.\n\n"+
			"  fuzz --for 1m\n  fuzz --only 'checkfile|FuzzRedact' --for 10m --parallel 1\n  fuzz --list\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, 0
		}
		return nil, 2
	}
	err := error(nil)
	switch c.only, err = regexp.Compile(*only); {
	case err != nil:
		err = fmt.Errorf("--only: %w", err)
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag; see --help", flags.Arg(0))
	case c.span <= 0 || c.parallel < 0:
		err = errors.New("--for must be more than nothing, and --parallel no less")
	}
	if err != nil {
		fmt.Fprintln(stderr, "fuzz:", err)
		return nil, 2
	}
	c.out = printer{w: stdout}
	if *asJSON {
		c.out.json = json.NewEncoder(stdout)
	}
	return c, 0
}

// matching are the targets that are to be tried.
func matching(all []target, only *regexp.Regexp) []target {
	var kept []target
	for _, t := range all {
		if only.MatchString(t.String()) {
			kept = append(kept, t)
		}
	}
	return kept
}

// tryAll goes on behind a target that fails: one finding must not hide another.
func (c *campaign) tryAll(ctx context.Context, targets []target, stderr io.Writer) int {
	var failed []finding
	for _, t := range targets {
		f, err := c.try(ctx, t)
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "fuzz: interrupted at", t)
			return 1
		}
		if err != nil {
			fmt.Fprintln(stderr, "fuzz:", err)
			return 3
		}
		c.out.tried(f)
		if !f.OK {
			failed = append(failed, f)
		}
	}
	if len(failed) == 0 {
		return 0
	}
	fmt.Fprintf(stderr, "\n%d of %d targets failed:\n", len(failed), len(targets))
	for _, f := range failed {
		f.explain(stderr)
	}
	return 1
}
