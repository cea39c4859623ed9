package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/suggest"
	"github.com/dwmon/dwmon/internal/words"
)

func suggestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "suggest NAME|FILE",
		Short: "requirement lines made from the checker's recorded history",
		Long: `Proposes requirement lines for a checker from the rows that are recorded of it: what
is usual at each hour of the week, merged into few lines, with MINNUM and MAXNUM for a
number of false alarms a week. Closed days, incidents, holes and hours far from the
usual are left out, a trend is followed. Each line stands below the reason for it, and
the present lines are tried on the same history beside the proposed ones.

The minutes and look-backs of the present lines are kept; where too few rows come in a
look-back, a longer one is proposed. Where the history carries no lines, the command
says why and what to do, and ends with exit code 1.

It only reads, and works beside a running daemon. --write puts the lines into the file;
a running daemon takes them over.`,
		Example: `  dwmon suggest billing/new_orders
  dwmon suggest billing/new_orders --every 15m --lookback 1h --false-alarms 0.5
  dwmon suggest billing/new_orders --write`,
		Args: asUsed,
	}
	settings(cmd, "checks", "db", "timezone")
	object := asJSON(cmd, "print a JSON object")
	every := cmd.Flags().String("every", "", "check every so often within the present lines' hours, such as 20m or 2h (default: as they do)")
	lookback := cmd.Flags().String("lookback", "", "the look-back of all lines, such as 1h (default: the present lines', or longer)")
	falseAlarms := cmd.Flags().Float64("false-alarms", 1, "how many incidents a week are accepted in ordinary weeks, of all lines together")
	since := cmd.Flags().String("since", "", "use only the history since then: a duration such as 90d, or a time (default a year)")
	write := cmd.Flags().Bool("write", false, "put the lines into the checker's file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := daemon.SuggestQuery{Checker: args[0], FalseAlarms: *falseAlarms, Progress: percentLine(cmd.ErrOrStderr(), "reading history")}
		var err error
		if q.Every, err = everyMinutes(*every); err != nil {
			return err
		}
		if q.Lookback, err = lookbackSeconds(*lookback); err != nil {
			return err
		}
		if q.FalseAlarms < 0.001 || q.FalseAlarms > 1000 || math.IsNaN(q.FalseAlarms) {
			return &usageError{fmt.Errorf("--false-alarms %v: want a number from 0.001, which is one in twenty years, to 1000", q.FalseAlarms), ""}
		}
		if q.Since, err = bound(cmd, "--since", *since); err != nil {
			return err
		}
		return runSuggest(cmd, q, *object, *write)
	}
	return cmd
}

func runSuggest(cmd *cobra.Command, q daemon.SuggestQuery, object, write bool) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	s, err := daemon.Suggest(cmd.Context(), cfg, q, time.Now())
	q.Progress(1)
	var refusal *suggest.Refusal
	switch {
	case errors.As(err, &refusal) && object:
		if err := newJSONLines(cmd.OutOrStdout()).write(refusalObject(q.Checker, refusal)); err != nil {
			return err
		}
		return errFault
	case errors.As(err, &refusal):
		return fmt.Errorf("no lines can be suggested for %s: %s.\nTry: %s", q.Checker, refusal.Why, refusal.Do)
	case err != nil:
		return err
	}
	if write {
		if err := s.Write(); err != nil {
			return err
		}
	}
	if object {
		return newJSONLines(cmd.OutOrStdout()).write(suggestionObject(s, write))
	}
	for _, note := range s.Notes {
		fmt.Fprintln(cmd.ErrOrStderr(), wrappedTo(cmd.ErrOrStderr(), "note: "+note))
	}
	printSuggestion(cmd.OutOrStdout(), s)
	if write {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s: %s where %s\n", s.Checker.File, words.Count(int64(len(s.Lines)), "line", "lines"), wereText(len(s.Checker.Lines)))
	}
	return nil
}

func wereText(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}

// everyMinutes reads how often is checked: what divides an hour, or hours that divide
// a day; 0 for nothing said.
func everyMinutes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := dwmon.ParseDuration(text)
	n := int64(d / time.Minute)
	switch {
	case err != nil || d <= 0 || d%time.Minute != 0,
		n < 60 && 60%n != 0, n >= 60 && (n%60 != 0 || n > 1440 || 24%(n/60) != 0):
		return 0, &usageError{fmt.Errorf("--every %q: want whole minutes that divide an hour, such as 5m, 15m or 20m, or hours that divide a day, such as 1h, 2h or 6h", text), ""}
	}
	return n, nil
}

func lookbackSeconds(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := dwmon.ParseDuration(text)
	if err != nil || d <= 0 || d > 7*24*time.Hour {
		return 0, &usageError{fmt.Errorf("--lookback %q: want a duration such as 90s, 20m or 1h, at most 7d", text), ""}
	}
	return int64(d / time.Second), nil
}

func printSuggestion(out io.Writer, s *daemon.Suggestion) {
	at := func(second int64) string { return words.Stamp(time.Unix(second, 0).In(s.Zone)) }
	fmt.Fprintf(out, "%s: %s from %s to %s, %s\n", s.Checker.Name, words.Count(s.Rows, "row", "rows"), at(s.From), at(s.Until), words.Zone(s.Zone))
	for _, text := range suggestionRemarks(s) {
		fmt.Fprintln(out, wrappedTo(out, text))
	}
	fmt.Fprintln(out)
	for _, line := range s.Text {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
	t := newTable(out, "on the same history", "present", "proposed")
	add := func(what string, present, proposed any) { t.AppendRow([]any{what, present, proposed}) }
	add("lines", len(s.Checker.Lines), len(s.Lines))
	add("incidents a week in ordinary times", rate(s.Present.PerWeek()), rate(s.Proposed.PerWeek()))
	if n := s.Present.Unusual; n > 0 {
		add(fmt.Sprintf("found, of %s", words.Count(int64(n), "unusual time", "unusual times")), s.Present.Found, s.Proposed.Found)
	}
	if r := s.Replayed; r != nil {
		add(fmt.Sprintf("incidents since %s, as known then", at(r.From)), r.Present.Incidents, r.Proposed.Incidents)
		if r.Present.Late+r.Proposed.Late > 0 {
			add("  of these because rows came late", r.Present.Late, r.Proposed.Late)
		}
		if r.Present.Unknown+r.Proposed.Unknown > 0 {
			add("  results that would have been UNKNOWN", r.Present.Unknown, r.Proposed.Unknown)
		}
	}
	t.Render()
}

// rate writes incidents a week.
func rate(n float64) string { return fmt.Sprintf("%.1f", n) }

// wrappedTo wraps a text to a terminal.
func wrappedTo(out io.Writer, s string) string {
	if width := columnsOf(out); width > 0 {
		return wrapped(s, max(width, narrowest))
	}
	return s
}

// mostSpans is how many spans that are left out are named.
const mostSpans = 6

// suggestionRemarks say what of the history did not count as it was.
func suggestionRemarks(s *daemon.Suggestion) (texts []string) {
	stamp := func(second int64) string { return words.Stamp(time.Unix(second, 0).In(s.Zone)) }
	if s.Before != nil {
		texts = append(texts, fmt.Sprintf("left out: everything before %s, when the number of rows was another", stamp(s.Before.Until)))
	}
	by := map[suggest.Why][]suggest.Span{}
	for _, span := range s.Out {
		by[span.Why] = append(by[span.Why], span)
	}
	for _, why := range []suggest.Why{suggest.WhyClosed, suggest.WhyIncident, suggest.WhyHole, suggest.WhyOff, suggest.WhyUnusual} {
		if spans := by[why]; len(spans) > 0 {
			texts = append(texts, "left out: "+spansText(why, spans, stamp))
		}
	}
	if g := s.Growth; g != 0 {
		texts = append(texts, fmt.Sprintf("trend: %+.1f %% a week; the bounds are made for the %d weeks to come", 100*g, suggest.Horizon))
	}
	return texts
}

func spansText(why suggest.Why, spans []suggest.Span, stamp func(int64) string) string {
	names := map[suggest.Why][2]string{
		suggest.WhyClosed: {"closed day", "closed days"}, suggest.WhyIncident: {"recorded incident", "recorded incidents"},
		suggest.WhyHole: {"hole in the recorded rows", "holes in the recorded rows"}, suggest.WhyOff: {"time when the checker was off", "times when the checker was off"},
		suggest.WhyUnusual: {"time far from the usual", "times far from the usual"},
	}[why]
	var parts []string
	for _, s := range spans[:min(len(spans), mostSpans)] {
		part := stamp(s.From)
		switch {
		case why == suggest.WhyClosed:
			part = part[:len(time.DateOnly)] + " (" + s.Note + ")"
		case s.Until < math.MaxInt64:
			part += " for " + words.About(s.Until-s.From)
			if s.Note != "" {
				part += " (" + s.Note + ")"
			}
		}
		parts = append(parts, part)
	}
	if n := len(spans) - mostSpans; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return words.Count(int64(len(spans)), names[0], names[1]) + ": " + strings.Join(parts, ", ")
}

// Objects of --json. Times are seconds since the epoch.
type (
	suggestedObject struct {
		CheckerName string            `json:"checker_name"`
		File        string            `json:"file"`
		TimeZone    string            `json:"time_zone"`
		From        int64             `json:"from_epoch"`
		Until       int64             `json:"until_epoch"`
		Rows        int64             `json:"rows"`
		FalseAlarms float64           `json:"false_alarms_per_week"`
		Growth      float64           `json:"growth_per_week"`
		Lines       []suggestedLine   `json:"lines"`
		LeftOut     []suggestedSpan   `json:"left_out"`
		Present     suggestedOutcome  `json:"present"`
		Proposed    suggestedOutcome  `json:"proposed"`
		Replayed    *suggestedReplays `json:"as_known_then"`
		Text        []string          `json:"text"`
		Notes       []string          `json:"notes"`
		Written     bool              `json:"written"`
	}
	suggestedLine struct {
		Requirement string   `json:"requirement"`
		Min         *int64   `json:"min_required"`
		Max         *int64   `json:"max_allowed"`
		Lookback    int64    `json:"lookback_seconds"`
		Windows     int      `json:"windows"`
		Days        int      `json:"days"`
		Median      int64    `json:"median"`
		P1          int64    `json:"p1"`
		P99         int64    `json:"p99"`
		Why         []string `json:"why"`
	}
	suggestedSpan struct {
		From  int64       `json:"from_epoch"`
		Until *int64      `json:"until_epoch"`
		Why   suggest.Why `json:"why"`
		Note  string      `json:"note"`
	}
	suggestedOutcome struct {
		Lines            int     `json:"lines"`
		Checks           int     `json:"checks"`
		Incidents        int     `json:"incidents"`
		IncidentsPerWeek float64 `json:"incidents_per_week"`
		Unusual          int     `json:"unusual_times"`
		Found            int     `json:"unusual_times_found"`
	}
	suggestedReplays struct {
		From     int64              `json:"from_epoch"`
		Until    int64              `json:"until_epoch"`
		Present  suggestedReplayObj `json:"present"`
		Proposed suggestedReplayObj `json:"proposed"`
	}
	suggestedReplayObj struct {
		Good      int64 `json:"good"`
		Bad       int64 `json:"bad"`
		Unknown   int64 `json:"unknown"`
		Incidents int64 `json:"incidents"`
		Late      int64 `json:"late_incidents"`
	}
	refusedObject struct {
		CheckerName string                `json:"checker_name"`
		Refused     suggest.RefusalReason `json:"refused"`
		Why         string                `json:"why"`
		Do          string                `json:"do"`
	}
)

func refusalObject(name string, r *suggest.Refusal) refusedObject {
	return refusedObject{name, r.Reason, r.Why, r.Do}
}

func suggestionObject(s *daemon.Suggestion, written bool) suggestedObject {
	o := suggestedObject{
		CheckerName: s.Checker.Name, File: s.Checker.File, TimeZone: s.Zone.String(), From: s.From, Until: s.Until, Rows: s.Rows,
		FalseAlarms: s.FalseAlarms, Growth: s.Growth, LeftOut: []suggestedSpan{}, Text: s.Text, Notes: append([]string{}, s.Notes...), Written: written,
		Present: outcomeObject(s.Present, len(s.Checker.Lines)), Proposed: outcomeObject(s.Proposed, len(s.Lines)),
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		o.Lines = append(o.Lines, suggestedLine{
			l.Requirement.Identity(), l.Min.Ptr(), l.Max.Ptr(), l.Lookback, l.Windows, l.Days, l.Median, l.P1, l.P99, l.Why(),
		})
	}
	spans := s.Out
	if s.Before != nil {
		spans = append([]suggest.Span{*s.Before}, spans...)
	}
	for _, span := range spans {
		out := suggestedSpan{From: span.From, Why: span.Why, Note: span.Note}
		if span.Until < math.MaxInt64 {
			out.Until = &span.Until
		}
		o.LeftOut = append(o.LeftOut, out)
	}
	if r := s.Replayed; r != nil {
		o.Replayed = &suggestedReplays{r.From, r.Until, suggestedReplayObj(r.Present), suggestedReplayObj(r.Proposed)}
	}
	return o
}

func outcomeObject(c suggest.Comparison, lines int) suggestedOutcome {
	return suggestedOutcome{lines, c.Checks, c.Incidents, math.Round(c.PerWeek()*1000) / 1000, c.Unusual, c.Found}
}
