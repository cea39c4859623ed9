package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/draft"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/textfile"
)

// newFlags are what may be said in advance.
type newFlags struct {
	draft.Answers
	queryFile, min, max, lookback, every string
	yes, force, noTry                    bool
}

func newCommand() *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "write a new checker file: asks, or takes flags, and tries it",
		Long: `Writes NAME.dwmon into the checks folder. On a terminal it asks for what the flags do
not say: the source, what to count there, and how much of it is fine. Of a database that
can be reached it lists the tables, and proposes the key and the column with the time.
Elsewhere, or with --yes, what has a default takes it, and what has none is an error.

The file is checked before it is written, then tried as ` + "`dwmon try`" + ` does. An existing one is
left alone unless --force is given. Exit code 1 says that the try failed; the file stays.`,
		Example: `  dwmon new billing/new_invoices
  dwmon new new_orders --source shop --table orders --expect 5..20 --lookback 1h --every 20m
  dwmon new night_batch --source shop --query-file batch.sql --min 1 --lookback 24h --every 24h --hours 6`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(cmd.CommandPath() + " takes the name of the new checker, such as billing/new_invoices")
			}
			return nil
		},
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "strict")
	logFlags(cmd, "error", "text")
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.Name = args[0]
		if err := f.read(); err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		return aboutPlugin(cmd, newChecker(cmd, o, &f))
	}
	return cmd
}

func (f *newFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Source, "source", "", "SOURCE: a name from the configuration, or a URL")
	flags.StringVar(&f.Query, "query", "", "QUERY, with the columns dwmon_unique_key and dwmon_timestamp")
	flags.StringVar(&f.queryFile, "query-file", "", "file with the QUERY; - is standard input")
	flags.StringVar(&f.Table, "table", "", "the table whose rows are counted, instead of a query")
	flags.StringVar(&f.Key, "key", "", "the column of the table that tells rows apart; several with commas")
	flags.StringVar(&f.Time, "time", "", "the column of the table that says when a row came to be")
	flags.StringVar(&f.Expect, "expect", "", "how many rows are fine: 5..20, 5.., ..20 (default 1..)")
	flags.StringVar(&f.min, "min", "", "the least that is fine; instead of --expect")
	flags.StringVar(&f.max, "max", "", "the most that is fine; instead of --expect")
	flags.StringVar(&f.lookback, "lookback", "", "how long the window is that is counted (default 1h)")
	flags.StringVar(&f.every, "every", "", "how often it is checked: 1m, 5m, 20m, 1h, … (default: a third of the look-back or less)")
	flags.StringVar(&f.Hours, "hours", "", "on what hours: 9-17, 0-5,22-23, … (default 0-23)")
	flags.StringVar(&f.Days, "days", "", "every, weekdays, weekends, or a list such as MON,WED-FRI (default every)")
	flags.StringVar(&f.Owner, "owner", "", "whom it belongs to")
	flags.StringVar(&f.Description, "description", "", "what it is about, for people who are told of it")
	flags.BoolVar(&f.yes, "yes", false, "ask nothing that has a default")
	flags.BoolVar(&f.force, "force", false, "replace an existing file")
	flags.BoolVar(&f.noTry, "no-try", false, "write the file only")
}

// read makes answers of the flags that are texts.
func (f *newFlags) read() (err error) {
	if f.Query != "" && f.queryFile != "" || (f.Query != "" || f.queryFile != "") && f.Table != "" {
		return errors.New("--query, --query-file and --table each say what is counted: only one of them can")
	}
	if f.min != "" || f.max != "" {
		if f.Expect != "" {
			return errors.New("--expect has both bounds: leave --min and --max out")
		}
		f.Expect = f.min + ".." + f.max
	}
	if f.Expect != "" {
		if _, err := draft.ParseRange(f.Expect); err != nil {
			return err
		}
	}
	if f.lookback != "" {
		if f.Lookback, err = dwmon.ParseDuration(f.lookback); err != nil {
			return fmt.Errorf("--lookback: %w", err)
		}
	}
	if f.every != "" {
		if f.Every, err = dwmon.ParseDuration(f.every); err != nil {
			return fmt.Errorf("--every: %w", err)
		}
	}
	switch f.queryFile {
	case "":
		return nil
	case "-":
		f.yes = true // who gives the query there cannot answer there
		return f.readQuery(textfile.From(os.Stdin, checkfile.MaxBytes))
	default:
		return f.readQuery(textfile.Read(f.queryFile, checkfile.MaxBytes))
	}
}

func (f *newFlags) readQuery(text []byte, err error) error {
	if err != nil {
		return fmt.Errorf("--query-file: %s: %w", f.queryFile, err)
	}
	if f.Query = strings.TrimSpace(string(text)); f.Query == "" {
		return fmt.Errorf("--query-file: %s is empty", f.queryFile)
	}
	return nil
}

// newChecker asks, writes and tries.
func newChecker(cmd *cobra.Command, o daemon.Options, f *newFlags) error {
	out, ctx := cmd.OutOrStdout(), cmd.Context()
	path, err := daemon.CheckNewChecker(o.Config, f.Name, f.force)
	if err != nil {
		return err
	}
	progress := tryLine(cmd.ErrOrStderr())
	world := draft.World{
		Sources: daemon.ConfiguredSources(o.Config), Defaults: f.yes, Check: daemon.CheckLine,
		Catalog: func(ctx context.Context, source string) (string, []draft.Table, error) {
			getter, tables, err := daemon.Catalog(ctx, o, source, progress)
			return getter, tables, redactedError(o, err)
		},
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && isatty.IsTerminal(in.Fd()) && f.queryFile != "-" {
		world.Ask = draft.NewAsker(in, out)
	}
	d, err := draft.Interview(ctx, f.Answers, world)
	var missing *draft.MissingError
	var answer *draft.AnswerError
	switch {
	case errors.As(err, &missing), errors.As(err, &answer):
		return &usageError{err, cmd.CommandPath() + " --help"}
	case err != nil:
		return err
	}
	text, faults, err := daemon.DraftText(o.Config, d, path)
	if err != nil {
		return err
	}
	if dwmon.AnyError(faults) {
		fmt.Fprint(cmd.ErrOrStderr(), dwmon.FileFaults(faults).Text())
		return &usageError{errors.New("this would be no checker: nothing was written"), ""}
	}
	if err := daemon.WriteChecker(path, text, f.force); err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %s\n", path)
	if !f.noTry {
		fmt.Fprintln(out)
		if err := tryNew(cmd, o, path, progress); err != nil {
			return err
		}
	}
	return newSteps(out, f.Name, path, d)
}

// tryNew tries the new file. That it fails does not take the file away.
func tryNew(cmd *cobra.Command, o daemon.Options, path string, progress func(daemon.TryProgress)) error {
	tried, err := daemon.TryFile(cmd.Context(), o, path, daemon.TryOptions{Rows: 5, Windows: 20, Progress: progress})
	if err == nil {
		err = showTried(cmd, tried, false)
	}
	var asked *daemon.ErrTrial
	stays := fmt.Sprintf("%s stays as it is: edit it, and `dwmon try %s`", path, shellWord(path))
	switch {
	case errors.Is(err, errFault): // that is said already
		fmt.Fprintln(cmd.ErrOrStderr(), stays)
	case errors.As(err, &asked): // the file was written: what was asked for was right
		return fmt.Errorf("%w\n%s", redactedError(o, err), stays)
	case err != nil:
		return fmt.Errorf("%w\n%s", err, stays)
	}
	return err
}

func newSteps(out io.Writer, name, path string, d *draft.Draft) error {
	steps := [][2]string{
		{"dwmon backfill " + shellWord(name), "fill its history from the source, once"},
		{"dwmon suggest " + shellWord(name), "better bounds from that history; --write puts them in"},
		{"dwmon try " + shellWord(path), "again, when you have edited it"},
		{"dwmon test", "unit tests, in " + strings.TrimSuffix(path, ".dwmon") + ".dwmontest.yaml"},
	}
	if !d.Expect.Guessed {
		steps[1][1] = "what bounds its history speaks for"
	}
	width := 0
	for _, s := range steps {
		width = max(width, len(s[0]))
	}
	fmt.Fprintln(out, "\nnext:")
	for _, s := range steps {
		fmt.Fprintf(out, "  %-*s  %s\n", width, s[0], s[1])
	}
	return nil
}

// redactedError takes secrets out of an error's text.
func redactedError(o daemon.Options, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(cmp.Or(o.Config.Redact(err.Error()), "it did not say why"))
}
