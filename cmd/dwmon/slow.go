package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func slowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "slow",
		Short:   "the slowest fetches, by checker and owner",
		Example: "  dwmon slow --since 7d --limit 20",
		Args:    asUsed,
	}
	settings(cmd, "db")
	lines := asJSON(cmd, "print one JSON object for each checker")
	since := cmd.Flags().String("since", "24h", "a duration, or a time")
	limit := limitFlag(cmd, 20, "how many checkers; 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, err := bound(cmd, "--since", *since)
		if err != nil {
			return err
		}
		if from == nil {
			from = new(int64)
		}
		return reading(cmd, func(r *daemon.Reader, _ *config.Config) error {
			slow, err := r.Slow(cmd.Context(), *from)
			if err != nil {
				return err
			}
			owners := dwmon.SlowByOwner(slow) // of all checkers, however few are shown
			if *limit > 0 && len(slow) > int(*limit) {
				slow = slow[:*limit]
				defer limit.noteCut(cmd, "slowest")
			}
			if *lines {
				j := newJSONLines(cmd.OutOrStdout())
				for _, s := range slow {
					if err := j.write(s); err != nil {
						return err
					}
				}
				return nil
			}
			printSlow(cmd, slow, owners)
			return nil
		})
	}
	return cmd
}

func printSlow(cmd *cobra.Command, slow []dwmon.SlowChecker, owners []dwmon.SlowOwner) {
	out := cmd.OutOrStdout()
	if len(slow) == 0 {
		fmt.Fprintln(out, "nothing was fetched in that time")
		return
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }
	t := newTable(out, "checker", "owner", "source", "fetches", "failed", "total", "max", "p95", "median", "last")
	for _, s := range slow {
		t.AppendRow([]any{s.CheckerName, s.Owner, s.Source, s.Count, s.Failures, ms(s.Total), ms(s.Max), ms(s.P95), ms(s.Median), ms(s.Last)})
	}
	t.Render()
	if len(owners) < 2 {
		return
	}
	fmt.Fprintln(out)
	t = newTable(out, "owner", "checkers", "fetches", "failed", "total", "max", "slowest")
	for _, o := range owners {
		name := o.Owner
		if name == "" {
			name = "(none)"
		}
		t.AppendRow([]any{name, o.Checkers, o.Count, o.Failures, ms(o.Total), ms(o.Max), o.Slowest})
	}
	t.Render()
}
