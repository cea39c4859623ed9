package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "parse checker files and configuration: all faults at once",
		Long: `Parses checker files (those of the checks folder, or the files and folders named)
and the configuration, and prints every fault with its place and how to mend it.
Exit code 1 says that there are errors; warnings do not change it.`,
		Example: "  dwmon validate\n  dwmon validate checks/billing/new_invoices.dwmon --json",
	}
	settings(cmd, "checks", "db")
	lines := asJSON(cmd, "print one JSON object for each fault")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var faults []dwmon.FileFault
		cfg, err := load(cmd)
		var configFaults dwmon.FileFaults
		switch {
		case errors.As(err, &configFaults):
			// The files named on the command line can be judged all the same.
			faults = configFaults
			cfg = &config.Config{}
		case err != nil:
			return err
		default:
			faults = append(faults, cfg.Warnings...)
		}
		files := 0
		if len(args) > 0 || cfg.Checks != "" {
			found, n, err := daemon.Validate(cmd.Context(), cfg, args)
			if err != nil {
				return err
			}
			faults, files = append(faults, found...), n
		}
		if err := printFaults(cmd, faults, files, *lines); err != nil {
			return err
		}
		if dwmon.AnyError(faults) {
			return errFault
		}
		return nil
	}
	return cmd
}

func printFaults(cmd *cobra.Command, faults []dwmon.FileFault, files int, lines bool) error {
	out := cmd.OutOrStdout()
	if lines {
		j := newJSONLines(out)
		for _, f := range faults {
			if err := j.write(f); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprint(out, dwmon.FileFaults(faults).Text())
	errs, warnings := 0, 0
	for _, f := range faults {
		if f.Severity == dwmon.SeverityError {
			errs++
		} else {
			warnings++
		}
	}
	_, err := fmt.Fprintf(out, "%s read: %s, %s\n", count(files, "checker file"), count(errs, "error"), count(warnings, "warning"))
	return err
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
