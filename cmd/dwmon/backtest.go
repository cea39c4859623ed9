package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// gates are the limits of a backtest as a test; -1: none.
type gates struct{ maxAlerts, maxNew int64 }

func backtestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backtest NAME|FILE",
		Short: "replay requirement lines over the recorded past",
		Long: `Replays the requirement lines of a checker over its recorded rows, by the very code that
judges them: when it would have been BAD, how often and for how long. What counts is what
was known at the time; --hindsight counts all rows, however late they came.

NAME replays the checker's file as it stands. FILE replays an edited file over the past of
the checker that its path below the checks folder names, or --name. Where the text is
another than the one in use, both are replayed and compared. Nothing is written.`,
		Example: `  dwmon backtest new_orders --since 30d
  dwmon backtest checks/new_orders.dwmon --max-new 0
  dwmon backtest /tmp/edited.dwmon --name new_orders --against checks/new_orders.dwmon`,
		Args: asUsed,
	}
	settings(cmd, "checks", "db", "timezone", "catch-up")
	q := daemon.BacktestRequest{}
	cmd.Flags().StringVar(&q.Name, "name", "", "whose past a file is replayed over")
	cmd.Flags().StringVar(&q.Against, "against", "", "a file to compare with (default the text in use)")
	since := cmd.Flags().String("since", "", "a duration such as 30d, or a time (default all that is recorded)")
	cmd.Flags().BoolVar(&q.Hindsight, "hindsight", false, "count all rows, also those that came late")
	all := cmd.Flags().Bool("all", false, "list all incidents (default the last ten of each kind)")
	limits := gates{}
	cmd.Flags().Int64Var(&limits.maxAlerts, "max-alerts", -1, "exit 1 where there are more incidents")
	cmd.Flags().Int64Var(&limits.maxNew, "max-new", -1, "exit 1 where more incidents are new against the text compared with")
	lines := asJSON(cmd, "print a JSON object for each result and incident, and for the summary")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.Target = args[0]
		for flag, n := range map[string]int64{"--max-alerts": limits.maxAlerts, "--max-new": limits.maxNew} {
			if n < -1 {
				return &usageError{fmt.Errorf("%s %d: it must not be below 0", flag, n), ""}
			}
		}
		from, err := bound(cmd, "--since", *since)
		if err != nil {
			return err
		}
		if from != nil {
			minute := dwmon.FloorMinute(*from + 59)
			q.Since = &minute
		}
		// Little is kept, much is made and dropped: to collect it less often is a tenth of
		// the work.
		debug.SetGCPercent(400)
		return reading(cmd, func(r *daemon.Reader, _ *config.Config) error {
			out := newJSONLines(cmd.OutOrStdout())
			if *lines {
				q.Yield = func(r dwmon.Result) error { return out.write(r) }
			}
			bar := newProgressLine(cmd.ErrOrStderr())
			q.Progress = func(done, total int64) {
				bar.say("%s of about %s replayed (%d %%)", words.Number(done), words.Count(total, "minute", "minutes"), 100*done/max(total, 1))
			}
			b, err := r.Backtest(cmd.Context(), q)
			bar.clear()
			var wrong *daemon.ErrBacktest
			if errors.As(err, &wrong) {
				return &usageError{err, ""}
			}
			if err != nil {
				return err
			}
			if *lines {
				err = writeBacktest(out, b)
			} else {
				err = printBacktest(cmd.OutOrStdout(), b, *all)
			}
			if err != nil {
				return err
			}
			return limits.check(cmd.ErrOrStderr(), b)
		})
	}
	return cmd
}

// check says which limit is exceeded.
func (g gates) check(errs io.Writer, b *daemon.Backtest) error {
	var exceeded error
	if n := daemon.Alerts(b.Summary); g.maxAlerts >= 0 && n > g.maxAlerts {
		fmt.Fprintf(errs, "dwmon: %s, but --max-alerts allows %d\n", words.Count(n, "alert", "alerts"), g.maxAlerts)
		exceeded = errFault
	}
	if n := int64(len(b.New)); g.maxNew >= 0 && n > g.maxNew {
		fmt.Fprintf(errs, "dwmon: %s against %s, but --max-new allows %d\n", words.Count(n, "new alert", "new alerts"), b.Against, g.maxNew)
		exceeded = errFault
	}
	return exceeded
}

// incidentsShown is how many incidents of a kind are listed unless all are asked for.
const incidentsShown = 10

// printBacktest says for people what came of a replay.
func printBacktest(w io.Writer, b *daemon.Backtest, all bool) error {
	p := &backtestPage{w: w, b: b, all: all}
	p.head()
	if err := p.lines(); err != nil {
		return err
	}
	p.verdict()
	p.late()
	p.notes()
	return p.err
}

// backtestPage is a backtest on its way to people.
type backtestPage struct {
	w   io.Writer
	b   *daemon.Backtest
	all bool
	err error
}

func (p *backtestPage) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// at writes a minute in the checker's zone.
func (p *backtestPage) at(minute int64) string {
	return time.Unix(minute, 0).In(p.b.Zone).Format("2006-01-02 15:04")
}

// head says what was replayed, over what, and by which knowledge.
func (p *backtestPage) head() {
	b := p.b
	text := fmt.Sprintf("backtest of %s: %s", b.Name, b.Text)
	if b.Against != "" {
		text += ", against " + b.Against
	}
	p.paragraph(text)
	mode := "as known then"
	if b.Hindsight {
		mode = "in hindsight: rows count whenever they came"
	}
	p.paragraph(fmt.Sprintf("%s to %s (%s), %s, %s", p.at(b.From), p.at(b.Until), b.Zone, inMinutes(p.span()), mode))
	p.printf("\n")
}

// inMinutes is a duration of whole minutes, in its two largest units.
func inMinutes(d time.Duration) string {
	m := int(d / time.Minute)
	switch {
	case m < 60:
		return fmt.Sprintf("%dm", m)
	case m < 24*60 && m%60 == 0:
		return fmt.Sprintf("%dh", m/60)
	case m < 24*60:
		return fmt.Sprintf("%dh%02dm", m/60, m%60)
	case m%(24*60) < 60:
		return words.Count(m/(24*60), "day", "days")
	default:
		return fmt.Sprintf("%dd%02dh", m/(24*60), m/60%24)
	}
}

// span is how long the time is that was replayed.
func (p *backtestPage) span() time.Duration {
	return time.Duration(max(p.b.Until-p.b.From, 0)+60) * time.Second
}

// lines is a table of the requirement lines.
func (p *backtestPage) lines() error {
	if p.err != nil {
		return p.err
	}
	t := newNoted(p.w, "line", "checks", "good", "bad", "unknown", "not judged", "alerts", "a week")
	t.optional = []string{"not judged", "good"}
	for i := range p.b.Lines {
		l := &p.b.Lines[i]
		alerts := l.Incidents + l.UnknownIncidents
		t.row([]string{l.Requirement}, words.Number(int64(l.LineIndex)+1), words.Number(l.Good+l.Bad+l.Unknown), words.Number(l.Good), words.Number(l.Bad),
			words.Number(l.Unknown), words.Number(l.GapMinutes), words.Number(alerts), p.weekly(alerts))
	}
	return t.print()
}

// weekly is a rate in a week, to a tenth; of less than a day it would say too much.
func (p *backtestPage) weekly(n int64) string {
	if p.span() < 24*time.Hour {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(n)*7*24/p.span().Hours())
}

// verdict tells of the incidents, and beside which others.
func (p *backtestPage) verdict() {
	b := p.b
	alerts := daemon.Alerts(b.Summary)
	if b.Before == nil {
		p.printf("\n%s\n", alertsWord(alerts))
		p.list("", b.Incidents)
		return
	}
	p.printf("\n%s\n", comparedText(daemon.Alerts(b.Before), alerts, len(b.New), len(b.Gone), len(b.Kept)))
	p.list("new", b.New)
	p.list("gone", b.Gone)
	p.list("in both", b.Kept)
}

// list lists incidents under a heading.
func (p *backtestPage) list(heading string, incidents []backtest.Incident) {
	if len(incidents) == 0 {
		return
	}
	if heading != "" {
		p.printf("%s:\n", heading)
	}
	if earlier := len(incidents) - incidentsShown; earlier > 0 && !p.all {
		p.printf("  %d earlier ones: --all lists them\n", earlier)
		incidents = incidents[earlier:]
	}
	for _, in := range incidents {
		p.printf("  %s\n", p.incident(in))
	}
}

// incident is an incident in a line.
func (p *backtestPage) incident(i backtest.Incident) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s  ", p.at(i.Opened))
	if i.Closed == nil {
		text.WriteString("still open")
	} else {
		fmt.Fprintf(&text, "%-10s", inMinutes(time.Duration(*i.Closed-i.Opened)*time.Second))
	}
	fmt.Fprintf(&text, "  line %d  ", i.LineIndex+1)
	what := "BAD"
	if i.Subject != dwmon.SubjectCount {
		what = "UNKNOWN"
	}
	if i.Reason != "" {
		what += " " + string(i.Reason)
	}
	counts := words.Number(i.Lowest)
	if i.Highest != i.Lowest {
		counts += " to " + words.Number(i.Highest)
	}
	fmt.Fprintf(&text, "%s: %s in %s", what, counts, words.Count(i.Bad, "check", "checks"))
	if i.Late {
		text.WriteString("; of late rows alone")
	}
	return text.String()
}

// late says what late rows have done, and what there is to do.
func (p *backtestPage) late() {
	var late int64
	for i := range p.b.Lines {
		late += p.b.Lines[i].Late
	}
	if late == 0 {
		return
	}
	p.printf("\n")
	p.paragraph(fmt.Sprintf("%s would not have been with all rows there in time: `dwmon status %s` says how late they are and proposes a `grace`; --hindsight counts them all",
		words.Count(late, "alert", "alerts"), shellWord(p.b.Name)))
}

func (p *backtestPage) notes() {
	notes := append(append([]string{}, p.b.Doubts...), p.b.Notes...)
	if len(notes) == 0 {
		return
	}
	p.printf("\n")
	for _, n := range notes {
		p.paragraph("note: " + n)
	}
}

// paragraph is a text, wrapped to the terminal.
func (p *backtestPage) paragraph(text string) {
	if width := columnsOf(p.w); width > 0 {
		text = wrapped(text, max(width, narrowest))
	}
	p.printf("%s\n", text)
}

// comparedText says how alerts before and after differ.
func comparedText(before, after int64, fresh, gone, kept int) string {
	if before == 0 && after == 0 {
		return "no alerts with either text"
	}
	to := "none"
	if after > 0 {
		to = words.Number(after)
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{fresh, "new"}, {gone, "gone"}, {kept, "in both"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return fmt.Sprintf("%s → %s: %s", alertsWord(before), to, strings.Join(parts, ", "))
}

// alertsWord counts alerts for people.
func alertsWord(n int64) string {
	if n == 0 {
		return "no alerts"
	}
	return words.Count(n, "alert", "alerts")
}

// writeBacktest writes what follows the results: gaps, incidents, the summary.
func writeBacktest(out *jsonLines, b *daemon.Backtest) error {
	for _, g := range b.Gaps {
		if err := out.write(g); err != nil {
			return err
		}
	}
	incidents := map[string][]backtest.Incident{"new": b.New, "gone": b.Gone, "kept": b.Kept}
	if b.Before == nil {
		incidents = map[string][]backtest.Incident{"": b.Incidents}
	}
	for _, change := range []string{"", "new", "gone", "kept"} {
		for _, i := range incidents[change] {
			if err := out.write(incidentObject(b, i, change)); err != nil {
				return err
			}
		}
	}
	return out.write(summaryObject(b))
}

// incidentObject is an incident in `backtest --json`. change is empty where nothing was
// compared.
func incidentObject(b *daemon.Backtest, i backtest.Incident, change string) any {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return struct {
		Incident    bool          `json:"incident"`
		CheckerName string        `json:"checker_name"`
		Change      *string       `json:"change"`
		Subject     dwmon.Subject `json:"subject"`
		Requirement string        `json:"requirement"`
		Index       int           `json:"requirement_index"`
		Opened      int64         `json:"opened_minute_epoch"`
		OpenedLocal string        `json:"opened_local_time"`
		Closed      *int64        `json:"closed_minute_epoch"`
		Ended       *string       `json:"ended"`
		OpenedAt    json.Number   `json:"opened_at"`
		CatchUp     bool          `json:"catch_up"`
		Reason      *string       `json:"reason"`
		Checks      int64         `json:"checks"`
		Lowest      int64         `json:"lowest"`
		Highest     int64         `json:"highest"`
		Late        bool          `json:"late"`
	}{
		true, b.Name, text(change), i.Subject, i.Requirement, i.LineIndex, i.Opened, dwmon.LocalTime(i.Opened, b.Zone), i.Closed, text(string(i.End)),
		dwmon.Seconds(i.OpenedAt), i.CatchUp, text(string(i.Reason)), i.Bad, i.Lowest, i.Highest, i.Late,
	}
}

// lineObject is a line in the summary of `backtest --json`.
type lineObject struct {
	Index       int    `json:"requirement_index"`
	Requirement string `json:"requirement"`
	Good        int64  `json:"good"`
	Bad         int64  `json:"bad"`
	Unknown     int64  `json:"unknown"`
	GapMinutes  int64  `json:"gap_minutes"`
	Incidents   int64  `json:"incidents"`
	Late        int64  `json:"late_incidents"`
}

// summaryObject is the last object of `backtest --json`.
func summaryObject(b *daemon.Backtest) any {
	s := struct {
		Summary     bool         `json:"summary"`
		CheckerName string       `json:"checker_name"`
		Text        string       `json:"text"`
		Against     *string      `json:"against"`
		Hindsight   bool         `json:"hindsight"`
		From        int64        `json:"from_minute_epoch"`
		Until       int64        `json:"until_minute_epoch"`
		Good        int64        `json:"good"`
		Bad         int64        `json:"bad"`
		Unknown     int64        `json:"unknown"`
		Incidents   int64        `json:"incidents"`
		Before      *int64       `json:"incidents_before"`
		New         *int         `json:"new"`
		Gone        *int         `json:"gone"`
		Kept        *int         `json:"kept"`
		Lines       []lineObject `json:"lines"`
		Notes       []string     `json:"notes"`
	}{
		Summary: true, CheckerName: b.Name, Text: b.Text, Hindsight: b.Hindsight, From: b.From, Until: b.Until,
		Good: b.Good, Bad: b.Bad, Unknown: b.Unknown, Incidents: daemon.Alerts(b.Summary), Lines: []lineObject{}, Notes: append(append([]string{}, b.Doubts...), b.Notes...),
	}
	if b.Before != nil {
		before, fresh, gone, kept := daemon.Alerts(b.Before), len(b.New), len(b.Gone), len(b.Kept)
		s.Against, s.Before, s.New, s.Gone, s.Kept = &b.Against, &before, &fresh, &gone, &kept
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		s.Lines = append(s.Lines, lineObject{l.LineIndex, l.Requirement, l.Good, l.Bad, l.Unknown, l.GapMinutes, l.Incidents + l.UnknownIncidents, l.Late})
	}
	return s
}
