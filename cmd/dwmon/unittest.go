package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/checktest"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func unitTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [PATH…]",
		Short: "unit tests of checkers: rows in, verdicts out, no source needed",
		Long: `Runs the unit tests of checkers: files that end in ` + checktest.Ending + `, those of the
checks folder or the files and folders named; of a checker file those beside it that
have its name. Each test says which rows come when, and what is expected of which
minutes; it is lived through by the code of the daemon itself, on a clock of its own.
No source is asked, nothing is stored, nobody is told.
Exit code 1 says that a test failed or that a file has faults.`,
		Example: "  dwmon test\n  dwmon test checks/billing --run 'night'\n  dwmon test checks/billing/new_invoices.dwmon --json",
	}
	settings(cmd, "checks", "timezone")
	pattern := cmd.Flags().String("run", "", "run only tests whose names match this regular expression")
	lines := asJSON(cmd, "print one JSON object for each test, and for each file that cannot be run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		opts := daemon.UnitTestOptions{Paths: args}
		if *pattern != "" {
			if opts.Run, err = regexp.Compile(*pattern); err != nil {
				return &usageError{fmt.Errorf("--run: %w", err), cmd.CommandPath() + " --help"}
			}
		}
		printer := unitTestPrinter{out: cmd.OutOrStdout()}
		if *lines {
			printer.lines = newJSONLines(printer.out)
		}
		line := unitTestLine(cmd.ErrOrStderr())
		opts.Progress = line
		opts.Tell = func(t daemon.UnitTest) error {
			if line != nil {
				line("", 0, 0)
			}
			return printer.tell(t)
		}
		if err := daemon.UnitTests(cmd.Context(), cfg, opts); err != nil {
			return err
		}
		switch {
		case printer.tests+printer.bad > 0:
		case opts.Run != nil:
			return &usageError{fmt.Errorf("no test has a name that matches --run %q", *pattern), cmd.CommandPath() + " --help"}
		default:
			return &usageError{fmt.Errorf("there are no unit tests: no file ends in %s", checktest.Ending), cmd.CommandPath() + " --help"}
		}
		return printer.end()
	}
	return cmd
}

// unitTestLine shows on a terminal how far a test is that takes long, and takes that
// away again when all is 0.
func unitTestLine(w io.Writer) func(name string, done, all int) {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return nil
	}
	began, shown := time.Now(), false
	return func(name string, done, all int) {
		switch {
		case all == 0:
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
			began, shown = time.Now(), false
		case time.Since(began) > quietFor:
			shown = true
			text := fmt.Sprintf("%s: %d %%", name, 100*done/all)
			if width := columnsOf(w); width > 0 {
				text = cutCells(text, width-1)
			}
			fmt.Fprint(w, "\r\x1b[K"+text)
		}
	}
}

// unitTestPrinter prints tests as they end.
type unitTestPrinter struct {
	out   io.Writer
	lines *jsonLines // nil: for people
	// tests, failed and bad count tests and files.
	tests, failed, bad int
}

func (p *unitTestPrinter) tell(t daemon.UnitTest) error {
	switch {
	case t.Checker == nil:
		p.bad++
	default:
		p.tests++
		if len(t.Failures) > 0 {
			p.failed++
		}
	}
	if p.lines != nil {
		return p.lines.write(unitTestJSON(t))
	}
	if t.Checker == nil {
		_, err := fmt.Fprint(p.out, dwmon.FileFaults(t.Faults).Text())
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s  %s: %s\n", p.mark(len(t.Failures) == 0), t.File, t.Name)
	for i := 0; i < len(t.Failures) && err == nil; i++ {
		_, err = fmt.Fprint(p.out, t.Failures[i].Text())
	}
	return err
}

func (p *unitTestPrinter) mark(passed bool) string {
	mark, colour := "ok  ", text.Colors{text.FgGreen}
	if !passed {
		mark, colour = "FAIL", text.Colors{text.FgRed, text.Bold}
	}
	if colours(p.out) {
		return colour.Sprint(mark)
	}
	return mark
}

func (p *unitTestPrinter) end() error {
	if p.lines == nil {
		summary := count(p.tests, "test")
		switch {
		case p.failed > 0:
			summary += fmt.Sprintf(", %d failed", p.failed)
		case p.tests > 0:
			summary += ", all passed"
		}
		if p.bad > 0 {
			summary += "; " + count(p.bad, "file") + " with faults"
		}
		fmt.Fprintln(p.out, summary)
	}
	if p.failed+p.bad > 0 {
		return errFault
	}
	return nil
}

// testJSON is a test, or a file that cannot be run, as --json prints it.
type testJSON struct {
	File        string            `json:"file"`
	Test        *string           `json:"test"`
	CheckerName *string           `json:"checker_name"`
	Status      string            `json:"status"` // pass, fail, or error of a file
	Failures    []failureJSON     `json:"failures"`
	Faults      []dwmon.FileFault `json:"faults"`
}

type failureJSON struct {
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Message  string   `json:"message"`
	Expected string   `json:"expected"`
	Got      string   `json:"got"`
	Details  []string `json:"details"`
	Hint     string   `json:"hint"`
}

func unitTestJSON(t daemon.UnitTest) testJSON {
	j := testJSON{File: t.File, Status: "error", Failures: []failureJSON{}, Faults: append([]dwmon.FileFault{}, t.Faults...)}
	if t.Checker == nil {
		return j
	}
	j.Test, j.CheckerName, j.Status = &t.Name, &t.Checker.Name, "pass"
	for _, f := range t.Failures {
		j.Status = "fail"
		j.Failures = append(j.Failures, failureJSON{f.Line, f.Column, f.Message, f.Expected, f.Got, append([]string{}, f.Details...), f.Hint})
	}
	return j
}
