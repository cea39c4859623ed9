package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "the state of every checker, and why",
		Long: "The state of every checker, and why; of those that are named, also how late their\n" +
			"rows were: how long after their timestamps they were first seen.",
		Example: "  dwmon status\n  dwmon status new_orders\n  dwmon status --json",
		Args:    cobra.ArbitraryArgs,
	}
	settings(cmd, "checks", "db", "timezone")
	lines := asJSON(cmd, "print one JSON object for each checker")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return reading(cmd, func(r *daemon.Reader, cfg *config.Config) error {
			now := time.Now()
			statuses, folder, err := r.Statuses(cmd.Context(), now, names...)
			if err != nil {
				return err
			}
			if *lines {
				j := newJSONLines(cmd.OutOrStdout())
				for _, s := range statuses {
					if err := j.write(s); err != nil {
						return err
					}
				}
				return nil
			}
			printStatuses(cmd, statuses, now, cfg)
			printLateness(cmd, statuses)
			fmt.Fprint(cmd.ErrOrStderr(), dwmon.FileFaults(folder).Text())
			if cfg.LocalIsUTC {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: the time zone is UTC for want of TZ and /etc/localtime; set timezone where that is not meant")
			}
			return nil
		})
	}
	return cmd
}

func printStatuses(cmd *cobra.Command, statuses []dwmon.CheckerStatus, now time.Time, cfg *config.Config) {
	out := cmd.OutOrStdout()
	if len(statuses) == 0 {
		fmt.Fprintln(out, "there are no checkers yet")
		return
	}
	t := newTable(out, "checker", "state", "since", "settled", "pending", "owner", "cause")
	for _, s := range statuses {
		since, settled, pending := "", "", ""
		if s.Since != nil {
			since = ago(now, time.Unix(*s.Since, 0))
		}
		if s.Settled != nil {
			settled = time.Unix(*s.Settled, 0).In(cfg.Timezone).Format("2006-01-02 15:04")
		}
		if s.Pending > 0 {
			pending = fmt.Sprint(s.Pending)
		}
		t.AppendRow([]any{dwmon.Printable(s.CheckerName), painted(out, string(s.State)), since, settled, pending, s.Owner, statusCause(&s, now, cfg.Timezone)})
	}
	t.Render()
}

// statusCause is the cause, and why it is not told.
func statusCause(s *dwmon.CheckerStatus, now time.Time, zone *time.Location) string {
	var parts []string
	if s.Silenced != nil {
		parts = append(parts, s.Silenced.Text(now, zone))
	}
	if s.Acknowledged != nil {
		parts = append(parts, s.Acknowledged.Text(now, zone))
	}
	if s.Cause != "" {
		parts = append(parts, s.Cause)
	}
	return strings.Join(parts, "; ")
}

// printLateness writes what was measured of the checkers that were named.
func printLateness(cmd *cobra.Command, statuses []dwmon.CheckerStatus) {
	for _, s := range statuses {
		if s.Lateness != nil {
			fmt.Fprintf(cmd.OutOrStdout(), "lateness of %s: %s\n", s.CheckerName, s.Lateness.Text(s.Lateness.Set))
		}
	}
}
