package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

func backfillCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill NAME",
		Short: "fill a checker's history from the source",
		Long: `Asks the source once for the past of a checker and stores it as history, so that
suggest, backtest and histogram have something to stand on from the first day. Only rows
older than everything that may still be judged are stored: nothing is judged by them,
nobody is told. Keys that are known stay as they are.

The checker's QUERY is asked with its LIMIT raised. Where QUERY has a condition on the
time, write another query for the same keys to a file, and name it with --query.`,
		Example: `  dwmon backfill new_orders --dry-run
  dwmon backfill new_orders --since 90d
  dwmon backfill new_orders --query past.sql --limit 5000000`,
		Args: asUsed,
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "strict")
	logFlags(cmd, "warn", "text")
	limit := cmd.Flags().Int64("limit", 0, "ask for at most so many rows (default as many as the source allows, 2000000)")
	query := cmd.Flags().String("query", "", "a file with another query for the same keys")
	since := cmd.Flags().String("since", "", "leave out older rows: a duration such as 90d, or a time")
	timeout := cmd.Flags().String("timeout", "10m", "how long the fetch may take")
	now := cmd.Flags().String("now", "", "a time that stands for the clock, as for `dwmon once`")
	dryRun := cmd.Flags().Bool("dry-run", false, "fetch and count, and store nothing")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := backfillRequest(cmd, args[0], *limit, *query, *since, *timeout)
		if err != nil {
			return err
		}
		r.DryRun = *dryRun
		o, err := passOptions(cmd, *now)
		if err != nil {
			return err
		}
		bar := newProgressLine(cmd.ErrOrStderr())
		out, err := daemon.Backfill(cmd.Context(), o, r, func(s daemon.BackfillStage) { bar.say("%s", stageText(s)) })
		bar.clear()
		if err != nil {
			return err
		}
		if *object {
			return newJSONLines(cmd.OutOrStdout()).write(backfillObject(out))
		}
		return printBackfill(cmd.OutOrStdout(), out)
	}
	return cmd
}

func backfillRequest(cmd *cobra.Command, name string, limit int64, query, since, timeout string) (r daemon.BackfillRequest, err error) {
	r = daemon.BackfillRequest{Name: name, Limit: limit}
	if limit < 0 {
		return r, &usageError{fmt.Errorf("--limit %d: it must be above 0", limit), ""}
	}
	from, err := bound(cmd, "--since", since)
	if err != nil {
		return r, err
	}
	if from != nil {
		micros := *from * 1e6
		r.Since = &micros
	}
	if r.Timeout, err = dwmon.ParseDuration(timeout); err == nil && r.Timeout == 0 {
		err = errors.New("a fetch needs some time")
	}
	if err != nil {
		return r, &usageError{fmt.Errorf("--timeout: %w", err), ""}
	}
	if query != "" {
		if r.Query, err = daemon.QueryOfFile(query); err != nil {
			var env *daemon.EnvironmentError
			if !errors.As(err, &env) {
				err = &usageError{fmt.Errorf("--query: %w", err), ""}
			}
			return r, err
		}
	}
	return r, nil
}

func stageText(s daemon.BackfillStage) string {
	if !s.Storing {
		return words.Count(s.Done, "row", "rows") + " fetched"
	}
	return fmt.Sprintf("%s of %s stored (%d %%)", words.Number(s.Done), words.Count(s.Total, "row", "rows"), 100*s.Done/max(s.Total, 1))
}

// printBackfill says what became of a backfill, and what to do next.
func printBackfill(w io.Writer, b *daemon.Backfilled) error {
	zone, err := time.LoadLocation(b.Zone)
	if err != nil {
		zone = time.Local
	}
	at := func(micros int64) string { return time.UnixMicro(micros).In(zone).Format("2006-01-02 15:04:05") }
	lines := [][2]string{{"fetched", words.Count(b.Tally.Rows, "row", "rows")}, {"new", newText(b)}}
	if b.Oldest != nil {
		lines = append(lines, [2]string{"from", at(*b.Oldest)}, [2]string{"to", fmt.Sprintf("%s (%s)", at(*b.Newest), zone)})
	}
	lines = append(lines, [2]string{"whole", wholeText(b, at)})
	if text := leftText(b, at); text != "" {
		lines = append(lines, [2]string{"left out", text})
	}
	if b.RaisedFrom > 0 {
		lines = append(lines, [2]string{"asked", fmt.Sprintf("QUERY, its LIMIT %d raised to %d", b.RaisedFrom, b.RaisedTo)})
	}
	for _, n := range b.Notes {
		lines = append(lines, [2]string{"note", n})
	}
	fmt.Fprintf(w, "history of %s\n", b.Name)
	pairs(w, lines)
	switch {
	case b.DryRun:
		_, err = fmt.Fprintln(w, "nothing was stored: this was a dry run")
	case b.Fresh > 0:
		_, err = fmt.Fprintf(w, "nothing was judged, and nobody is told of it\nnext: dwmon suggest %[1]s, dwmon backtest %[1]s\n", shellWord(b.Name))
	}
	return err
}

// newText says how many rows are history now, or would be.
func newText(b *daemon.Backfilled) string {
	switch {
	case b.Fresh == 0:
		return "none"
	case b.DryRun:
		return words.Number(b.Fresh) + ", would be stored"
	default:
		return words.Number(b.Fresh) + ", stored"
	}
}

// wholeText says of what span all rows are there.
func wholeText(b *daemon.Backfilled, at func(int64) string) string {
	switch {
	case b.CompleteFrom == nil && b.Cut:
		return "no: the result was cut, and its rows are not in the order of their times, newest first"
	case b.CompleteFrom == nil && b.Tally.Rows > b.Tally.Skipped:
		return "not known: no row was of the time before " + at(b.Before)
	case b.CompleteFrom == nil:
		return "not known: there were no rows"
	case b.Cut:
		return fmt.Sprintf("from %s on; the result was cut there", at(*b.CompleteFrom))
	default:
		return fmt.Sprintf("from %s on", at(*b.CompleteFrom))
	}
}

// leftText says which rows were not stored, and why.
func leftText(b *daemon.Backfilled, at func(int64) string) string {
	text := ""
	for _, part := range []struct {
		n   int64
		why string
	}{
		{b.Known, "known already"},
		{b.Recent, "from " + at(b.Before) + " on, which ordinary fetches bring"},
		{b.Early, "older than --since"},
		{b.Purged, "older than the purge mark"},
		{b.Tally.Skipped, "more than a day in the future"},
		{b.SkippedNull, "without a time"},
	} {
		if part.n > 0 {
			if text != "" {
				text += "\n"
			}
			text += words.Number(part.n) + " " + part.why
		}
	}
	return text
}

// backfillObject is the object of `backfill --json`.
func backfillObject(b *daemon.Backfilled) any {
	notes := b.Notes
	if notes == nil {
		notes = []string{}
	}
	return struct {
		CheckerName   string       `json:"checker_name"`
		Rows          int64        `json:"rows"`
		New           int64        `json:"new"`
		Known         int64        `json:"known"`
		Recent        int64        `json:"recent"`
		Early         int64        `json:"early"`
		Purged        int64        `json:"purged"`
		SkippedFuture int64        `json:"skipped_future"`
		SkippedNull   int64        `json:"skipped_null"`
		Oldest        *json.Number `json:"oldest_epoch"`
		Newest        *json.Number `json:"newest_epoch"`
		CompleteFrom  *json.Number `json:"complete_from_epoch"`
		CompleteUntil *json.Number `json:"complete_until_epoch"`
		Before        json.Number  `json:"before_epoch"`
		Started       json.Number  `json:"started_epoch"`
		Cut           bool         `json:"cut"`
		DryRun        bool         `json:"dry_run"`
		Notes         []string     `json:"notes"`
	}{
		b.Name, b.Tally.Rows, b.Fresh, b.Known, b.Recent, b.Early, b.Purged, b.Tally.Skipped, b.SkippedNull,
		secondsOf(b.Oldest), secondsOf(b.Newest), secondsOf(b.CompleteFrom), secondsOf(b.CompleteUntil),
		dwmon.Seconds(b.Before), dwmon.Seconds(b.Started), b.Cut, b.DryRun, notes,
	}
}

// secondsOf writes microseconds since the epoch for programs; null for nil.
func secondsOf(micros *int64) *json.Number {
	if micros == nil {
		return nil
	}
	n := dwmon.Seconds(*micros)
	return &n
}
