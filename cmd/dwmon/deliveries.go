package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func deliveriesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "what handlers were told, what waits, what failed",
		Long: `Shows what handlers were told, what waits, and what was given up. What waits for a
handler that is not configured any more is orphaned, and is given up after a week.`,
		Example: `  dwmon deliveries
  dwmon deliveries --state waiting --handler payments --json`,
		Args: asUsed,
	}
	cmd.AddCommand(deliveriesRetryCommand(), deliveriesDropCommand())
	settings(cmd, "db", "timezone")
	lines := asJSON(cmd, "print one JSON object for each delivery")
	handler := cmd.Flags().String("handler", "", "only those of a handler")
	checker := cmd.Flags().String("checker", "", "only those of a checker")
	states := cmd.Flags().StringSlice("state", nil, "only those waiting, sent, dead or collapsed")
	limit := limitFlag(cmd, 100, "only the newest so many; 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f := dwmon.DeliveryFilter{Handler: *handler, Checker: *checker, Limit: int(*limit)}
		for _, text := range *states {
			s, err := dwmon.ParseDeliveryState(text)
			if err != nil {
				return &usageError{fmt.Errorf("--state: %w", err), ""}
			}
			f.States = append(f.States, s)
		}
		return reading(cmd, func(r *daemon.Reader, cfg *config.Config) error {
			n := 0
			show, end := deliveriesTable(cmd, cfg.Timezone)
			if *lines {
				j := newJSONLines(cmd.OutOrStdout())
				show, end = func(d dwmon.DeliveryRecord) error { return j.write(d) }, func() {}
			}
			err := r.Deliveries(cmd.Context(), f, func(d dwmon.DeliveryRecord) error {
				n++
				return show(d)
			})
			if err != nil {
				return err
			}
			end()
			if n == int(*limit) {
				limit.noteCut(cmd, "newest")
			}
			return nil
		})
	}
	return cmd
}

// deliveriesTable shows deliveries to people: each, and in the end what has gathered.
func deliveriesTable(cmd *cobra.Command, zone *time.Location) (show func(dwmon.DeliveryRecord) error, end func()) {
	out := cmd.OutOrStdout()
	now := time.Now()
	t := newTable(out, "queued", "handler", "state", "checker", "minute", "tries", "next", "error")
	show = func(d dwmon.DeliveryRecord) error {
		minute, next := "", ""
		if d.Minute != 0 {
			minute = time.Unix(d.Minute, 0).In(zone).Format("2006-01-02 15:04")
		}
		if d.Summary != "" {
			minute = d.Summary
		}
		if d.State == dwmon.DeliveryWaiting && d.Next > 0 {
			next = ago(now, time.UnixMicro(d.Next))
		}
		state := d.State.String()
		if d.Orphaned {
			state = "orphaned"
		}
		t.AppendRow([]any{time.UnixMicro(d.Created).In(zone).Format("2006-01-02 15:04:05"), d.Handler, state, d.Checker, minute, d.Attempts, next, d.LastError})
		return nil
	}
	return show, func() {
		if t.Length() == 0 {
			fmt.Fprintln(out, "no such deliveries")
			return
		}
		t.Render()
	}
}
