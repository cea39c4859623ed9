package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain NAME|FILE",
		Short: "a checker in words: when it is due, what it wants, who serves it, who is told",
		Long: `Says in words what a checker does: what each of its lines demands and when, the next
minutes at which they are due, what changes of the clocks do to them, when incidents
open and close, which plugin serves its source, and who is told. Where the database
knows the checker, last results, state and lateness are shown too.

It works for a file that is not loaded yet, and without a database. Nothing is fetched
and nothing is written; a plugin that is not known yet is started once, in an empty
environment, to ask what it is.`,
		Example: `  dwmon explain billing/new_orders
  dwmon explain drafts/orders.dwmon --json`,
		Args: asUsed,
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "strict")
	logFlags(cmd, "error", "text")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		e, err := daemon.Explain(cmd.Context(), o, args[0])
		switch {
		case err != nil:
			return err
		case *object:
			return newJSONLines(cmd.OutOrStdout()).write(e)
		}
		return printExplanation(cmd.OutOrStdout(), e)
	}
	return cmd
}

// sheet is text under headings, with names at the left.
type sheet struct {
	out   io.Writer
	width int
	b     strings.Builder
}

// sheetNames is how many cells names have, their indentation included.
const sheetNames = 14

func (s *sheet) heading(format string, args ...any) {
	s.gap()
	s.plain(2, fmt.Sprintf(format, args...))
}

// gap is the empty line before a heading.
func (s *sheet) gap() {
	if s.b.Len() > 0 {
		s.b.WriteByte('\n')
	}
}

// item writes a sentence below a heading.
func (s *sheet) item(format string, args ...any) { s.plain(4, "  "+fmt.Sprintf(format, args...)) }

// row writes a text behind a name; none where the text is empty.
func (s *sheet) row(name, what string) {
	if what != "" {
		s.plain(sheetNames, fmt.Sprintf("  %-*s%s", sheetNames-2, name, what))
	}
}

// plain writes a text; what does not fit goes on in further lines, indented.
func (s *sheet) plain(indent int, what string) {
	line, empty := "", true
	for i, word := range strings.SplitAfter(what, " ") {
		if i > 0 && !empty && s.width > 0 && cellsOf(line)+cellsOf(strings.TrimRight(word, " ")) > s.width {
			s.b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = strings.Repeat(" ", indent), true
		}
		line += word
		empty = empty && strings.TrimSpace(word) == ""
	}
	s.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// cellsOf is how many cells of a terminal a text takes.
func cellsOf(s string) int { return text.StringWidthWithoutEscSequences(s) }

func (s *sheet) print() error {
	_, err := io.WriteString(s.out, s.b.String())
	return err
}

// printExplanation writes an explanation for people.
func printExplanation(out io.Writer, e *daemon.Explanation) error {
	s := &sheet{out: out, width: columnsOf(out)}
	explainHead(s, e)
	for i := range e.Lines {
		explainLine(s, e, &e.Lines[i])
	}
	explainNext(s, e)
	s.heading("incidents (%s)", e.Alert.From)
	for _, text := range e.Alert.Words {
		s.item("%s", text)
	}
	explainWiring(s, e)
	s.heading("settings")
	for _, set := range e.Settings {
		s.row(set.Name, fmt.Sprintf("%s (%s)", set.Value, set.From))
	}
	if l := e.Lateness; l != nil {
		s.row("lateness", l.Text(l.Set))
	}
	return s.print()
}

func explainHead(s *sheet, e *daemon.Explanation) {
	s.heading("%s", e.CheckerName)
	s.row("about", dwmon.Printable(e.Description))
	s.row("file", e.File)
	s.row("owner", dwmon.Printable(e.Owner))
	s.row("runbook", dwmon.Printable(e.Runbook))
	if st := e.State; st != nil {
		text := painted(s.out, string(st.State))
		if st.Since != nil {
			text += " since " + words.Stamp(time.Unix(*st.Since, 0).In(e.Now().Location()))
		}
		if st.Cause != "" {
			text += ": " + st.Cause
		}
		s.row("state", text)
		if st.PendingMinutes > 0 {
			s.row("pending", words.Count(st.PendingMinutes, "check is owed", "checks are owed"))
		}
	}
	for _, n := range e.Notes {
		s.row("note", n)
	}
}

func explainLine(s *sheet, e *daemon.Explanation, l *daemon.ExplainedLine) {
	name := fmt.Sprintf("line %d  ", l.Index+1)
	s.gap()
	s.plain(len(name), name+l.Words)
	s.row("window", l.Window)
	for _, text := range l.Remarks {
		s.row("mind", text)
	}
	switch {
	case l.Last != nil:
		s.row("last", lastWords(s.out, l.Last, e.Now()))
	case e.State != nil:
		s.row("last", "not checked yet")
	}
	if l.Chart != "" {
		s.row("last "+fmt.Sprint(len(l.Recent)), fmt.Sprintf("%s  %s", l.Chart, spread(l.Recent)))
	}
	s.row("catches up", "after an outage, minutes up to "+words.Duration(l.RewindMinutes*60)+" back are made up for")
}

// lastWords is a result in words.
func lastWords(out io.Writer, r *dwmon.Result, now time.Time) string {
	text := fmt.Sprintf("%s for %s: %s", painted(out, r.Status.String()), words.Stamp(time.Unix(r.Minute, 0).In(now.Location())), words.Count(r.EventCount, "row", "rows"))
	if r.Reason != "" {
		text += ", " + strings.ReplaceAll(string(r.Reason), "_", " ")
	}
	if r.ConsecutiveBad > 1 {
		text += fmt.Sprintf(", %d BAD in a row", r.ConsecutiveBad)
	}
	if r.CatchUp {
		text += ", caught up"
	}
	return text
}

// spread is the lowest and the highest of some counts.
func spread(recent []daemon.ExplainedCount) string {
	low, high := recent[0].Count, recent[0].Count
	for _, r := range recent {
		low, high = min(low, r.Count), max(high, r.Count)
	}
	if low == high {
		return words.Number(low)
	}
	return words.Number(low) + " to " + words.Number(high)
}

func explainNext(s *sheet, e *daemon.Explanation) {
	heading := "next due"
	if e.GraceSeconds > 0 {
		heading += ", each judged " + words.Duration(e.GraceSeconds) + " later (grace)"
	}
	s.heading("%s", heading)
	switch {
	case !e.Enabled:
		s.item("nothing: it is switched off")
	case len(e.Next) == 0:
		s.item("never: no line has a minute in the next five years")
	}
	for _, n := range e.Next {
		lines := make([]string, len(n.Lines))
		for i, at := range n.Lines {
			lines[i] = fmt.Sprint(at + 1)
		}
		at := time.Unix(n.Minute, 0).In(e.Now().Location()).Format("Mon 2006-01-02 15:04")
		text := fmt.Sprintf("%-18s %s", words.FromNow(e.Now(), time.Unix(n.Minute, 0)), lineWords(lines))
		if n.Twice {
			text += fmt.Sprintf(" (%s: the clock shows this time twice)", n.Offset)
		}
		s.plain(sheetNames, fmt.Sprintf("  %s  %s", at, text))
	}
	for _, c := range e.ClockChanges {
		s.item("%s; %s", c.Words, strings.Join(c.Effects, "; "))
	}
	if len(e.Calendars) > 0 {
		var days []string
		for _, d := range e.ClosedDays {
			days = append(days, fmt.Sprintf("%s (%s)", d.Day, d.Name))
		}
		text := "no day is closed within a year"
		if len(days) > 0 {
			text = "closed, nothing is due: " + strings.Join(days, ", ")
		}
		s.item("calendar %s: %s", strings.Join(e.Calendars, ", "), text)
	}
}

func lineWords(lines []string) string {
	if len(lines) == 1 {
		return "line " + lines[0]
	}
	return "lines " + words.And(lines)
}

func explainWiring(s *sheet, e *daemon.Explanation) {
	s.heading("served by")
	served := &e.Served
	s.row("source", served.Source)
	if served.Plugin != "" {
		text := served.Plugin + ": " + served.Why
		if served.Path != "" {
			text += " (" + served.Path + ")"
		}
		s.row("plugin", text)
	}
	s.row("fault", served.Error)
	s.heading("told")
	switch {
	case len(e.Handlers) == 0:
		s.item("nobody: no handler is configured")
	case !slices.ContainsFunc(e.Handlers, func(h daemon.ExplainedHandler) bool { return h.Told }):
		s.item("nobody")
	}
	for _, h := range e.Handlers {
		s.row(h.Name, h.Words)
		s.row("", h.Error)
	}
}
