package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

func historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history [NAME]",
		Short: "recorded results, oldest first, gaps included",
		Example: `  dwmon history new_orders --since 24h
  dwmon history --json --since 2026-06-01T00:00:00Z`,
		Args: asUsed,
	}
	settings(cmd, "db", "timezone")
	lines := asJSON(cmd, "print one JSON object for each check, gap and off span")
	since := cmd.Flags().String("since", "", "a duration such as 24h, or a time")
	until := cmd.Flags().String("until", "", "a time; not included")
	limit := limitFlag(cmd, 0, "only the newest so many (default all)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := dwmon.HistoryQuery{Limit: int(*limit)}
		if len(args) > 0 {
			q.Name = args[0]
		}
		var err error
		if q.Since, err = bound(cmd, "--since", *since); err != nil {
			return err
		}
		if q.Until, err = bound(cmd, "--until", *until); err != nil {
			return err
		}
		return reading(cmd, func(r *daemon.Reader, cfg *config.Config) error {
			if *lines {
				j := newJSONLines(cmd.OutOrStdout())
				return r.History(cmd.Context(), q, func(e dwmon.Entry) error { return j.write(e) })
			}
			out := cmd.OutOrStdout()
			n := 0
			err := r.History(cmd.Context(), q, func(e dwmon.Entry) error {
				n++
				return printEntry(out, e, cfg.Timezone)
			})
			if err == nil && n == 0 {
				fmt.Fprintln(out, "nothing is recorded there")
			}
			return err
		})
	}
	return cmd
}

// printEntry writes a line of history for people.
func printEntry(out io.Writer, e dwmon.Entry, zone *time.Location) (err error) {
	at := func(minute int64) string { return time.Unix(minute, 0).In(zone).Format("2006-01-02 15:04") }
	switch {
	case e.Gap != nil:
		_, err = fmt.Fprintf(out, "%s  %-7s  %s  line %d: %d minutes until %s were never judged: %s\n",
			at(e.Gap.From), "GAP", e.Gap.CheckerName, e.Gap.RequirementIndex+1, e.Gap.Minutes, at(e.Gap.To), gapWords[e.Gap.Reason])
	case e.Off != nil:
		until := "now"
		if e.Off.To != nil {
			until = at(*e.Off.To)
		}
		_, err = fmt.Fprintf(out, "%s  %-7s  %s  until %s: %s\n", at(e.Off.From), "OFF", e.Off.CheckerName, until, e.Off.Reason)
	default:
		_, err = fmt.Fprintln(out, resultLine(out, e.Result))
	}
	return err
}

var gapWords = map[dwmon.GapReason]string{
	dwmon.GapNotRunning:  "dwmon did not run",
	dwmon.GapFetchFailed: "no fetch succeeded in time",
	dwmon.GapBaseline:    "before the first fetch of assumed timestamps",
	dwmon.GapOff:         "pending when the checker was switched off",
	dwmon.GapStale:       "the source's data did not reach them in time",
	dwmon.GapSettled:     "settled by hand",
}

func resultLine(out io.Writer, r *dwmon.Result) string {
	var notes []string
	if r.Reason != "" {
		notes = append(notes, string(r.Reason))
	}
	if r.ConsecutiveBad > 1 {
		notes = append(notes, fmt.Sprintf("%d in a row", r.ConsecutiveBad))
	}
	if r.CatchUp {
		notes = append(notes, "caught up")
	}
	if r.Corrected != nil {
		notes = append(notes, r.Corrected.Text(correctionZone(r)))
	}
	status := r.Status.String() + strings.Repeat(" ", 7-len(r.Status.String()))
	line := fmt.Sprintf("%s  %s  %s  %d in %s (%s)", strings.TrimSuffix(r.LocalTime, ":00"), strings.Replace(status, r.Status.String(), painted(out, r.Status.String()), 1),
		r.CheckerName, r.EventCount, dwmon.FormatDuration(time.Duration(r.LookbackSeconds)*time.Second), words.Range(r.Min, r.Max))
	if len(notes) > 0 {
		line += "  " + strings.Join(notes, ", ")
	}
	return line
}

// correctionZone is the result's own zone, in which its minute is shown; the
// machine's where this program does not know it.
func correctionZone(r *dwmon.Result) *time.Location {
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		return time.Local
	}
	return zone
}
