package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/faultreport"
)

// faultFormats are the forms in which faults are printed.
var faultFormats = []string{"text", "editor", "json", "sarif", "github"}

// validation is what `dwmon validate` is asked for.
type validation struct {
	daemon.ValidateRequest
	format string
	json   bool
	diff   bool
}

func validateCommand() *cobra.Command {
	v := &validation{}
	cmd := &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "parse checker files and configuration: all faults at once",
		Long: `Parses checker files (those of the checks folder, or the files and folders named;
- is the standard input) and the configuration, and prints every fault with its place
and how to mend it. Warnings are about what is right in form and surprises all the same:
windows that leave rows out, lines that are never due, a LIMIT that is too small.
Exit code 1 says that there are errors; warnings do not change it.

With --fix the files are mended where that can be done in one way only, and brought
into one layout; comments stay. --diff and --dry-run show what that would do, change
nothing, and exit with 1 where something would change. Of the standard input --fix
prints the result, and faults go to standard error.`,
		Example: `  dwmon validate
  dwmon validate checks/billing/new_invoices.dwmon --json
  dwmon validate --format editor
  dwmon validate --fix --diff
  dwmon validate --fix --stdin-name checks/a.dwmon - < checks/a.dwmon`,
	}
	settings(cmd, "checks", "db", "plugins", "timezone")
	flags := cmd.Flags()
	flags.StringVar(&v.format, "format", "text", "how faults are printed: "+strings.Join(faultFormats, ", "))
	flags.BoolVar(&v.json, "json", false, "print one JSON object for each fault; the same as --format json")
	flags.BoolVar(&v.Fix, "fix", false, "mend and tidy the files")
	flags.BoolVar(&v.DryRun, "dry-run", false, "with --fix: name the files that would change, and change none")
	flags.BoolVar(&v.diff, "diff", false, "with --fix: show what would change, and change nothing")
	flags.StringVar(&v.StdinName, "stdin-name", "<stdin>", "what the standard input is called in messages")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := v.settle(args); err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		v.Stdin = cmd.InOrStdin()
		return v.run(cmd)
	}
	return cmd
}

// settle judges the command line.
func (v *validation) settle(args []string) error {
	v.Paths = args
	if v.json {
		if v.format != "text" && v.format != "json" {
			return errors.New("--json is --format json, and stands beside no other format")
		}
		v.format = "json"
	}
	if !slices.Contains(faultFormats, v.format) {
		return fmt.Errorf("there is no format %q: %s", v.format, strings.Join(faultFormats, ", "))
	}
	if (v.DryRun || v.diff) && !v.Fix {
		return errors.New("--diff and --dry-run show what --fix would do; add --fix")
	}
	if slices.Contains(args, "-") && len(args) > 1 {
		return errors.New("- is the standard input, and stands alone")
	}
	v.DryRun = v.DryRun || v.diff
	return nil
}

func (v *validation) run(cmd *cobra.Command) error {
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
	found := &daemon.Validation{}
	if len(v.Paths) > 0 || cfg.Checks != "" {
		if found, err = daemon.Validate(cmd.Context(), daemon.Options{Config: cfg}, v.ValidateRequest); err != nil {
			return err
		}
	}
	faults = append(faults, found.Faults...)
	if err := v.print(cmd, found, faults); err != nil {
		return err
	}
	if dwmon.AnyError(faults) || v.DryRun && len(found.Changes) > 0 {
		return errFault
	}
	return nil
}

// print says what was found. What has a form that programs read stands alone on
// standard output.
func (v *validation) print(cmd *cobra.Command, found *daemon.Validation, faults []dwmon.FileFault) error {
	out, aside := cmd.OutOrStdout(), cmd.OutOrStdout()
	filter := v.Fix && !v.DryRun && slices.Contains(v.Paths, "-")
	if filter {
		if _, err := out.Write(found.Stdin); err != nil {
			return err
		}
		out = cmd.ErrOrStderr()
	}
	switch {
	case filter, v.format != "text":
		aside = cmd.ErrOrStderr()
	case v.diff: // fit for patch
		out = cmd.ErrOrStderr()
	}
	if err := v.printChanges(aside, found.Changes); err != nil {
		return err
	}
	switch v.format {
	case "json":
		return printFaultsJSON(out, faults)
	case "editor":
		return faultreport.Editor(out, faults)
	case "github":
		return faultreport.GitHub(out, faults)
	case "sarif":
		return faultreport.SARIF(out, faults, daemon.Version)
	default:
		return printFaults(out, faults, found.Files)
	}
}

// printChanges says what --fix did, or would do.
func (v *validation) printChanges(out io.Writer, changes []daemon.FileChange) error {
	for _, c := range changes {
		if v.diff {
			if _, err := io.WriteString(out, udiff.Unified(c.File+".orig", c.File, string(c.Before), string(c.After))); err != nil {
				return err
			}
			continue
		}
		did := "tidied"
		if len(c.Mended) > 0 {
			did = count(len(c.Mended), "fault") + " mended, tidied"
		}
		if v.DryRun {
			did = "would be changed: " + did
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", c.File, did); err != nil {
			return err
		}
		for i := range c.Mended {
			f := &c.Mended[i]
			if _, err := fmt.Fprintf(out, "    line %d: %s (%s)\n", f.Line, f.Message, f.Hint); err != nil {
				return err
			}
		}
	}
	return nil
}

func printFaultsJSON(out io.Writer, faults []dwmon.FileFault) error {
	j := newJSONLines(out)
	for _, f := range faults {
		if err := j.write(f); err != nil {
			return err
		}
	}
	return nil
}

func printFaults(out io.Writer, faults []dwmon.FileFault, files int) error {
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
