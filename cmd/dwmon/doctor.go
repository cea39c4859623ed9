package main

import (
	"fmt"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/words"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look at the installation: database, disk, clock, permissions, plugins, sources",
		Long: `Looks at the database (damage, records that disagree), free space, the clock, who else
may read or write what dwmon rests on, plugins against the lock file, what an earlier
dwmon has left behind, deliveries that are stuck, and retention. It changes nothing, and
may run beside a daemon. --full reads every index entry and reference of the database.
--sources tries to write to each configured source, through its row getter, which must be
refused; what is not refused is undone. Exit code 1 says that there is a fault; warnings
do not change it.`,
		Example: "  dwmon doctor\n  dwmon doctor --full --sources\n  dwmon doctor --json | jq 'select(.result != \"ok\")'",
		Args:    asUsed,
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "strict")
	logFlags(cmd, "error", "text")
	full := cmd.Flags().Bool("full", false, "read every index entry and reference of the database; takes several times as long")
	sources := cmd.Flags().Bool("sources", false, "try to write to each configured source, which must be refused")
	all := cmd.Flags().Bool("all", false, "show what is in order too")
	lines := asJSON(cmd, "print one JSON object for each thing that was looked at")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		e := daemon.ExamineOptions{Full: *full, Sources: *sources, Step: examining(cmd)}
		found, err := daemon.Examine(cmd.Context(), o, e)
		e.Step("")
		if err != nil {
			return err
		}
		return printDiagnoses(cmd, found, *all, *lines)
	}
	return cmd
}

// examining shows on a terminal what is being looked at; the empty text clears it.
func examining(cmd *cobra.Command) func(string) {
	f, ok := fileOf(cmd.ErrOrStderr())
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return func(string) {}
	}
	began := time.Now()
	return func(what string) {
		switch {
		case what == "":
			fmt.Fprint(f, "\r\033[K")
		default:
			fmt.Fprintf(f, "\r\033[Klooking at %s (%s)", what, time.Since(began).Round(time.Second))
		}
	}
}

func printDiagnoses(cmd *cobra.Command, found []daemon.Diagnosis, all, lines bool) error {
	out := cmd.OutOrStdout()
	j := newJSONLines(out)
	tally := map[string]int{}
	for _, d := range found {
		tally[d.Result]++
		switch {
		case lines:
			if err := j.write(d); err != nil {
				return err
			}
		case d.Result != daemon.FindingOK || all:
			fmt.Fprintf(out, "%-7s  %-11s  %s: %s\n", d.Result, d.Check, d.Where, d.Message)
			if d.Remedy != "" {
				fmt.Fprintf(out, "%22s→ %s\n", "", d.Remedy)
			}
		}
	}
	if !lines {
		fmt.Fprintf(out, "%s, %s, %d in order\n", words.Count(int64(tally[daemon.FindingFault]), "fault", "faults"), words.Count(int64(tally[daemon.FindingWarning]), "warning", "warnings"), tally[daemon.FindingOK])
	}
	if tally[daemon.FindingFault] > 0 {
		return errFault
	}
	return nil
}
