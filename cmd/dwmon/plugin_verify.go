package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/words"
)

func pluginVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [NAME…]",
		Short: "check that plugins may run, do run, and serve what is asked of them",
		Long: `Checks the plugins of the plugins folder, or those named: lock file, permissions,
processor, handshake, what they say of themselves against what they serve, the settings
that dwmon.yaml has for them; and, where no names are given, that every SOURCE of the
checks folder is served, and by whom. It needs neither a daemon nor a database, asks
no source, and writes nothing there. Exit code 1 says that there is a fault.`,
		Example: "  dwmon plugin verify\n  dwmon plugin verify postgres --strict --json",
		Args:    cobra.ArbitraryArgs,
	}
	settings(cmd, "plugins", "checks", "strict")
	logFlags(cmd, "error", "text")
	lines := asJSON(cmd, "print one JSON object for each finding")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		findings, err := daemon.VerifyPlugins(cmd.Context(), o, args)
		if err != nil {
			return err
		}
		return printFindings(cmd, findings, *lines)
	}
	return cmd
}

func printFindings(cmd *cobra.Command, findings []daemon.Finding, lines bool) error {
	out := cmd.OutOrStdout()
	j := newJSONLines(out)
	tally := map[string]int{}
	for _, f := range findings {
		tally[f.Result]++
		if lines {
			if err := j.write(f); err != nil {
				return err
			}
			continue
		}
		text := f.Message
		if f.Remedy != "" {
			text += ": " + f.Remedy
		}
		fmt.Fprintf(out, "%-7s  %-12s  %-12s  %s\n", f.Result, cmp.Or(f.Plugin, "-"), f.Check, strings.ReplaceAll(text, "\n", " "))
	}
	if !lines {
		fmt.Fprintf(out, "%s, %s\n", words.Count(tally[daemon.FindingFault], "fault", "faults"), words.Count(tally[daemon.FindingWarning], "warning", "warnings"))
	}
	if tally[daemon.FindingFault] > 0 {
		return errFault
	}
	return nil
}
