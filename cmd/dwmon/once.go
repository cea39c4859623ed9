package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

func onceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "once",
		Short: "one pass of every checker, at once, then exit",
		Long: `Does one pass of every checker at once and exits: for cron, systemd timers and
tests. The walk makes up for the minutes since the last pass. Exit code 1 says that
a checker could not be evaluated, or that a file is bad; BAD results and deliveries
that wait do not change it.`,
		Example: "  dwmon once\n  dwmon once --now 2026-06-01T12:00:00Z --json",
		Args:    asUsed,
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "catch-up", "strict")
	logFlags(cmd, "warn", "text")
	now := cmd.Flags().String("now", "", "a time that stands for the clock, but for that of plugins")
	force := cmd.Flags().Bool("force", false, "let --now lie ahead of the clock on a database that has seen the real one")
	deliverFor := cmd.Flags().String("deliver-for", "30s", "how long waiting deliveries are tried")
	ifFree := cmd.Flags().Bool("if-free", false, "exit 0 where another dwmon holds the database")
	lines := asJSON(cmd, "print one JSON object for each checker")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		once := daemon.OnceOptions{Force: *force}
		var err error
		if once.DeliverFor, err = dwmon.ParseDuration(*deliverFor); err != nil {
			return &usageError{fmt.Errorf("--deliver-for: %w", err), ""}
		}
		o, err := passOptions(cmd, *now)
		if err != nil {
			return err
		}
		once.Stands = *now != ""
		report, err := daemon.Once(cmd.Context(), o, once)
		var held *sqlite.ErrLocked
		switch {
		case *ifFree && errors.As(err, &held):
			return nil
		case errors.Is(err, daemon.ErrAhead):
			return &usageError{err, ""}
		case report == nil:
			return err
		}
		return errors.Join(err, printOnce(cmd.OutOrStdout(), cmd.ErrOrStderr(), report, *lines))
	}
	return cmd
}

// printOnce shows what became of the passes, and of what was wrong with files.
func printOnce(out, errs io.Writer, r *daemon.OnceReport, lines bool) error {
	slices.SortFunc(r.Passes, func(a, b engine.Report) int { return cmp.Compare(a.Checker.Name, b.Checker.Name) })
	fmt.Fprint(errs, dwmon.FileFaults(r.Faults).Text())
	if lines {
		j := newJSONLines(out)
		for i := range r.Passes {
			if err := j.write(passObject(&r.Passes[i])); err != nil {
				return err
			}
		}
	} else {
		printPasses(out, r)
	}
	if r.Failed() {
		return errFault
	}
	return nil
}

func printPasses(out io.Writer, r *daemon.OnceReport) {
	t := newTable(out, "checker", "checked", "good", "bad", "unknown", "rows", "new", "note")
	for i := range r.Passes {
		p := &r.Passes[i]
		var checked int64
		for _, n := range p.Judged {
			checked += n
		}
		note := ""
		switch {
		case p.Err != nil:
			note = "UNKNOWN: " + p.Err.Error()
		case p.Gap > 0:
			note = fmt.Sprintf("a gap of %d minutes was recorded", p.Gap)
		case checked == 0 && !p.Fetched:
			note = "nothing was due"
		}
		t.AppendRow([]any{p.Checker.Name, checked, p.Judged[dwmon.Good], p.Judged[dwmon.Bad], p.Judged[dwmon.Unknown], p.Fetch.Tally.Rows, p.Fetch.Ingested.Fresh, note})
	}
	if len(r.Passes) > 0 {
		t.Render()
	} else {
		fmt.Fprintln(out, "there are no checkers")
	}
	if r.Undelivered > 0 {
		fmt.Fprintf(out, "%d deliveries wait; see dwmon deliveries\n", r.Undelivered)
	}
}

// passObject is a line of `once --json`.
func passObject(p *engine.Report) any {
	object := struct {
		CheckerName string           `json:"checker_name"`
		Minute      int64            `json:"minute_epoch"`
		Checks      map[string]int64 `json:"checks"`
		Rows        int64            `json:"rows"`
		Fresh       int64            `json:"new"`
		GapMinutes  int64            `json:"gap_minutes"`
		Error       *string          `json:"error"`
	}{p.Checker.Name, p.Slot, map[string]int64{}, p.Fetch.Tally.Rows, p.Fetch.Ingested.Fresh, p.Gap, nil}
	for _, s := range []dwmon.Status{dwmon.Good, dwmon.Bad, dwmon.Unknown} {
		object.Checks[s.String()] = p.Judged[s]
	}
	if p.Err != nil {
		text := p.Err.Error()
		object.Error = &text
	}
	return object
}
