package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func silenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence",
		Short: "tell nobody of some checkers' trouble for a while",
		Long: `A silence keeps handlers from being told of trouble, once or in a maintenance window
that comes again each week. Checks go on, and whoever was told of trouble before is
still told when it is over.`,
		Example: "  dwmon silence add --name 'billing/**' --for 2h --comment 'database move'\n  dwmon silence list",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(silenceAddCommand(), silenceListCommand(), silenceEndCommand())
	return cmd
}

// silenceFlags are the flags of `silence add`.
type silenceFlags struct {
	name, owner, source, from, length, until, every, zone, comment, by string
	labels, matches                                                    []string
	all                                                                bool
}

func silenceAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add",
		Short: "make a silence, and say which checkers it covers",
		Long: `Makes a silence of the checkers that match all of --name, --owner, --source, --label
and --match. In names * stands for any characters within a folder, ** also across
folders, ? for one character. It lasts --for a duration or --until a time; --every
makes it a window that comes again, until it is ended.`,
		Example: `  dwmon silence add --name 'billing/**' --for 2h --comment 'database move'
  dwmon silence add --source AWS --every 'SUN 02:00-04:00' --zone Europe/Berlin --comment maintenance
  dwmon silence add --match 'owner!=payments' --label tier=2 --until '2026-06-01 12:00' --comment 'load test'`,
		Args: asUsed,
	}
	settings(cmd, "db", "timezone")
	var f silenceFlags
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "checkers' names: a pattern")
	flags.StringVar(&f.owner, "owner", "", "checkers' owner")
	flags.StringVar(&f.source, "source", "", "checkers' source, as status shows it; and the source as a whole")
	flags.StringArrayVar(&f.labels, "label", nil, "KEY=VALUE: checkers with that label; several times")
	flags.StringArrayVar(&f.matches, "match", nil, "KEY=VALUE or KEY!=VALUE, KEY being name, owner, source or label.KEY; several times")
	flags.BoolVar(&f.all, "all", false, "everything")
	flags.StringVar(&f.from, "from", "", "a time: when it begins (default now)")
	flags.StringVar(&f.length, "for", "", "a duration: how long it lasts")
	flags.StringVar(&f.until, "until", "", "a time: when it ends")
	flags.StringVar(&f.every, "every", "", "days and times of a window that comes again, such as 'SUN 02:00-04:00'")
	flags.StringVar(&f.zone, "zone", "", "time zone of --every (default the daemon's)")
	flags.StringVar(&f.comment, "comment", "", "why")
	flags.StringVar(&f.by, "by", "", "who (default $USER)")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		now := time.Now()
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		r, err := f.request(cmd, now, cfg.Timezone)
		if err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		if _, err := r.Silence(now, cfg.Timezone); err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		added, err := daemon.AddSilence(cmd.Context(), cfg, r)
		if err != nil {
			return err
		}
		if added.Warning != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", added.Warning)
		}
		if *object {
			return newJSONLines(cmd.OutOrStdout()).write(added)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), added.Message)
		return err
	}
	return cmd
}

// request is what the flags ask for; the error is one of usage.
func (f *silenceFlags) request(cmd *cobra.Command, now time.Time, zone *time.Location) (r daemon.SilenceRequest, err error) {
	r = daemon.SilenceRequest{Matchers: f.matchers(cmd), Every: f.every, Zone: f.zone, Comment: f.comment}
	switch {
	case len(r.Matchers) == 0 && !f.all:
		return r, errors.New("say of which checkers: --name, --owner, --source, --label or --match; --all for everything")
	case len(r.Matchers) > 0 && f.all:
		return r, fmt.Errorf("--all is everything, and %s is not", r.Matchers[0])
	case f.zone != "" && f.every == "":
		return r, errors.New("--zone is that of --every; other times are in the daemon's, or say their own")
	case f.every != "" && f.length != "":
		return r, errors.New("--every says how long each window is; --until says when the last one ends, and --for is for what does not come again")
	case f.length != "" && f.until != "":
		return r, errors.New("--for and --until both say when it ends: one of them")
	}
	if r.Starts, err = timeFlag("--from", f.from, zone, now.UnixMicro()); err != nil {
		return r, err
	}
	if r.Ends, err = timeFlag("--until", f.until, zone, 0); err != nil {
		return r, err
	}
	if f.length != "" {
		length, err := dwmon.ParseDuration(f.length)
		if err != nil {
			return r, fmt.Errorf("--for: %w", err)
		}
		r.Ends = r.Starts + length.Microseconds()
	}
	r.By, err = whoAsks(f.by)
	return r, err
}

// matchers are the flags as matchers.
func (f *silenceFlags) matchers(cmd *cobra.Command) (matchers []string) {
	for _, flag := range []struct{ name, value string }{{"name", f.name}, {"owner", f.owner}, {"source", f.source}} {
		if cmd.Flags().Changed(flag.name) {
			matchers = append(matchers, flag.name+"="+flag.value)
		}
	}
	for _, label := range f.labels {
		matchers = append(matchers, "label."+label)
	}
	return append(matchers, f.matches...)
}

// whoAsks is who runs the command.
func whoAsks(by string) (string, error) {
	by = cmp.Or(strings.TrimSpace(by), os.Getenv("USER"))
	if by == "" {
		if u, err := user.Current(); err == nil {
			by = u.Username
		}
	}
	if by == "" {
		return "", errors.New("say who you are: --by NAME")
	}
	return by, nil
}

func silenceListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "silences that hold, or will",
		Example: "  dwmon silence list\n  dwmon silence list --all --json",
		Args:    asUsed,
	}
	settings(cmd, "db", "timezone")
	all := cmd.Flags().Bool("all", false, "those that are over too")
	lines := asJSON(cmd, "print one JSON object for each silence")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return reading(cmd, func(r *daemon.Reader, cfg *config.Config) error {
			silences, err := r.SilenceViews(cmd.Context(), *all, time.Now())
			if err != nil {
				return err
			}
			if !*lines {
				printSilences(cmd, silences, cfg.Timezone)
				return nil
			}
			j := newJSONLines(cmd.OutOrStdout())
			for _, s := range silences {
				if err := j.write(s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func printSilences(cmd *cobra.Command, silences []dwmon.SilenceView, zone *time.Location) {
	out := cmd.OutOrStdout()
	if len(silences) == 0 {
		fmt.Fprintln(out, "there are no silences")
		return
	}
	t := newTable(out, "id", "state", "matches", "checkers", "when", "change", "by", "comment")
	for i := range silences {
		s := &silences[i]
		t.AppendRow([]any{s.ID, s.State(s.Now), s.Matchers.String(), len(s.Checkers), silenceWhen(s, zone), silenceChange(s), s.By, s.Comment})
	}
	t.Render()
}

// silenceWhen is the span of a silence, and its window.
func silenceWhen(s *dwmon.SilenceView, zone *time.Location) string {
	at := func(micros int64) string { return time.UnixMicro(micros).In(zone).Format("2006-01-02 15:04") }
	var parts []string
	if s.Recurrence != nil {
		parts = append(parts, s.Recurrence.String())
	}
	if s.Recurrence == nil || s.Starts > s.Now {
		parts = append(parts, "from "+at(s.Starts))
	}
	switch {
	case s.Ended != nil:
		parts = append(parts, "ended "+at(*s.Ended))
	case s.Ends != 0:
		parts = append(parts, "until "+at(s.Ends))
	}
	return strings.Join(parts, " ")
}

// silenceChange says when it begins or ends to hold next.
func silenceChange(s *dwmon.SilenceView) string {
	next := s.Next(s.Now)
	if next == 0 {
		return ""
	}
	when := ago(time.UnixMicro(s.Now), time.UnixMicro(next))
	if s.Covers(s.Now) {
		return "ends " + when
	}
	return "begins " + when
}

func silenceEndCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "end ID…",
		Short: "end silences now",
		Long: `Ends silences now, recurring ones for good; all of those named, or none where one is
over already. What is still wrong is told then.`,
		Example: "  dwmon silence end 3\n  dwmon silence end 3 4",
		Args:    asUsed,
	}
	settings(cmd, "db")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var r daemon.EndSilencesRequest
		for _, text := range args {
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return &usageError{fmt.Errorf("%q is no silence's id, which is a number", text), "dwmon silence list"}
			}
			r.IDs = append(r.IDs, id)
		}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			return daemon.EndSilences(cmd.Context(), cfg, r)
		})
	}
	return cmd
}
