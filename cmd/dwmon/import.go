package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
	"github.com/dwmon/dwmon/internal/words"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import OLD.db",
		Short: "take over an original program's database",
		Long: `Takes over what the original Python program has in its database: of each checker the
rows, so that keys which return are not counted as new and windows that reach back are
counted right, and the checks, after the newest of which the walk goes on. The original
kept no verdicts; history begins with dwmon's own.

OLD.db is only read. Everything becomes known in one step at the end: an import that is
broken off has taken nothing over. What an earlier import has brought is left as it is.
No daemon may run meanwhile.`,
		Example: "  dwmon import /srv/dwmon/dwmon.db --db new.db --dry-run\n  dwmon import /srv/dwmon/dwmon.db --db new.db\n  dwmon import old.db --only new_orders --replace",
		Args:    asUsed,
	}
	settings(cmd, "db", "checks")
	r := daemon.ImportRequest{}
	cmd.Flags().StringArrayVar(&r.Only, "only", nil, "take over only this checker; may be given several times")
	cmd.Flags().BoolVar(&r.Replace, "replace", false, "drop what is recorded of the checkers that are taken over")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "say what would be taken over, and write nothing")
	object := asJSON(cmd, "print a JSON object for each checker")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		r.Path = args[0]
		bar := newProgressLine(cmd.ErrOrStderr())
		r.Progress = func(done, total int64) {
			bar.say("%s of about %s read (%d %%)", words.Number(done), words.Count(total, "row", "rows"), 100*done/max(total, 1))
		}
		checkers, err := daemon.Import(cmd.Context(), cfg, r)
		bar.clear()
		if err != nil {
			return err
		}
		if *object {
			err = printImportJSON(cmd.OutOrStdout(), checkers)
		} else {
			printImport(cmd.OutOrStdout(), checkers, r.DryRun, cfg.Checks)
		}
		if err != nil {
			return err
		}
		for i := range checkers {
			if checkers[i].State == sqlite.ImportBadName {
				return errFault
			}
		}
		return nil
	}
	return cmd
}

func printImportJSON(w io.Writer, checkers []sqlite.ImportedChecker) error {
	out := newJSONLines(w)
	for i := range checkers {
		if err := out.write(&checkers[i]); err != nil {
			return err
		}
	}
	return nil
}

// printImport shows a checker a line, and below what needs a sentence.
func printImport(w io.Writer, checkers []sqlite.ImportedChecker, dryRun bool, checks string) {
	if len(checkers) == 0 {
		fmt.Fprintln(w, "the original's database holds no checkers")
		return
	}
	t := newTable(w, "checker", "rows", "checks", "settled through", "")
	var taken, rows int
	for i := range checkers {
		c := &checkers[i]
		switch c.State {
		case sqlite.ImportTaken:
			taken++
			rows += int(c.Results)
			t.AppendRow([]any{shownName(c.Name), c.Results, c.Checks, settledText(c, time.Now()), leftOut(c)})
		default:
			t.AppendRow([]any{shownName(c.Name), "", "", "", "left out: " + c.Reason})
		}
	}
	t.Render()
	if dryRun {
		fmt.Fprintf(w, "to be taken over: %s, %s; nothing was written\n", words.Count(taken, "checker", "checkers"), words.Count(rows, "row", "rows"))
	} else {
		fmt.Fprintf(w, "taken over: %s, %s\n", words.Count(taken, "checker", "checkers"), words.Count(rows, "row", "rows"))
	}
	if names := withoutFile(checkers); names != "" {
		fmt.Fprintf(w, "without a file in %s yet, and not checked until there is one: %s\n", checks, names)
	}
}

// shownName is a name as it was, or quoted where it would spoil the table.
func shownName(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// withoutFile names the checkers without a file, a few of many.
func withoutFile(checkers []sqlite.ImportedChecker) string {
	var names []string
	for i := range checkers {
		if c := &checkers[i]; c.NoFile && c.State == sqlite.ImportTaken {
			names = append(names, c.Name)
		}
	}
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func settledText(c *sqlite.ImportedChecker, now time.Time) string {
	if c.Settled == nil {
		return "never checked"
	}
	text := time.Unix(*c.Settled, 0).UTC().Format(time.RFC3339)
	if *c.Settled > now.Unix() {
		text += " (in the future!)"
	}
	return text
}

// leftOut says which rows were not taken over, and why.
func leftOut(c *sqlite.ImportedChecker) string {
	var parts []string
	for _, p := range []struct {
		n   int64
		why string
	}{
		{c.Duplicates, "a key that was there already"},
		{c.BadKeys, "no key or one beyond 1 MiB"},
		{c.WithoutTime, "no time"},
		{c.UnreadableTime, "a time that is no number of seconds"},
		{c.FarFuture, "a time in the far future"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d with %s", p.n, p.why))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "left out: " + strings.Join(parts, ", ")
}
