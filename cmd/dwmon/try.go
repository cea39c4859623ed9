package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/chart"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dryrun"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// Most of what may be asked for: what nobody could read.
const (
	mostTryRows    = 1000
	mostTryWindows = 1000
)

func tryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "try FILE",
		Short: "ask for a checker's rows once, and show what its lines would say",
		Long: `Reads a checker file, asks its source once, the way that a daemon does, and shows what
came: the first rows and how their timestamps were understood, repeated keys, how old
the newest row is, and what looks wrong. For each requirement line it shows the last
windows that were due, with their counts and verdicts.

Nothing is stored and nobody is told. The verdicts are those of a first pass: rows that
the query does not give any more, an older database may still have. Exit code 1 says
that the file is bad or that the fetch failed; BAD verdicts do not change it.`,
		Example: `  dwmon try checks/billing/new_invoices.dwmon
  dwmon try new_orders.dwmon --rows 3 --windows 48
  dwmon try new_orders.dwmon --json | jq '.result.lines[].windows[-1]'`,
		Args: asUsed,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"dwmon"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	settings(cmd, "checks", "plugins", "db", "timezone", "strict")
	logFlags(cmd, "error", "text")
	object := asJSON(cmd, "print one JSON object")
	var opts daemon.TryOptions
	cmd.Flags().IntVar(&opts.Rows, "rows", 10, "how many of the first rows are shown")
	cmd.Flags().IntVar(&opts.Windows, "windows", 20, "how many of the last due windows of each line are judged")
	now := cmd.Flags().String("now", "", "a time that stands for the clock, but for that of plugins")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkTry(&opts); err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		if err := standIn(&o, *now); err != nil {
			return err
		}
		return tryFile(cmd, o, args[0], opts, *object)
	}
	return cmd
}

func checkTry(opts *daemon.TryOptions) error {
	switch {
	case opts.Rows < 0 || opts.Rows > mostTryRows:
		return fmt.Errorf("--rows %d is not a number from 0 to %d", opts.Rows, mostTryRows)
	case opts.Windows < 1 || opts.Windows > mostTryWindows:
		return fmt.Errorf("--windows %d is not a number from 1 to %d", opts.Windows, mostTryWindows)
	}
	return nil
}

// tryFile tries the checker of a file, and prints what came of it: as an object, or for
// people. errFault: the file is bad, or the fetch failed, and that is printed.
func tryFile(cmd *cobra.Command, o daemon.Options, path string, opts daemon.TryOptions, object bool) error {
	opts.Progress = tryLine(cmd.ErrOrStderr())
	tried, err := daemon.TryFile(cmd.Context(), o, path, opts)
	var asked *daemon.ErrTrial
	switch {
	case errors.As(err, &asked):
		return &usageError{err, ""} // it says what to do
	case err != nil:
		return aboutPlugin(cmd, err)
	}
	return showTried(cmd, tried, object)
}

// showTried prints what came of a try; errFault where it failed.
func showTried(cmd *cobra.Command, t *daemon.Tried, object bool) error {
	if object {
		if err := newJSONLines(cmd.OutOrStdout()).write(t); err != nil {
			return err
		}
	} else {
		fmt.Fprint(cmd.ErrOrStderr(), dwmon.FileFaults(t.Faults).Text())
		if !dwmon.AnyError(t.Faults) || t.Plugin != "" {
			p := &page{out: cmd.OutOrStdout()}
			if printTried(p, t); p.err != nil {
				return p.err
			}
		}
	}
	if t.Failed() {
		return errFault
	}
	return nil
}

func printTried(out io.Writer, t *daemon.Tried) {
	served := t.Plugin
	if t.Version != "" {
		served += " " + t.Version
	}
	list := [][2]string{{"checker", t.CheckerName}, {"served by", fmt.Sprintf("%s, for SOURCE %s", served, oneLine(t.Source))}}
	if t.Failure != nil {
		printTryFailure(out, t, list)
		return
	}
	r := t.Result
	took := "in " + short3(t.Seconds)
	if t.SourceSeconds != nil {
		took += ", " + short3(*t.SourceSeconds) + " of it at the source"
	}
	list = append(list, [2]string{"rows", words.Count(r.Rows, "row", "rows") + " " + took})
	pairs(out, append(list, rowFindings(r, t.Zone)...))
	printTryRows(out, r, t.Zone)
	if len(r.Warnings) > 0 {
		fmt.Fprintln(out)
	}
	for i := range r.Warnings {
		printTryWarning(out, &r.Warnings[i])
	}
	for i := range r.Lines {
		printTryLine(out, &r.Lines[i], t.Zone)
	}
}

// oneLine is the start of a SOURCE of several lines.
func oneLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if line = strings.TrimSpace(line); more {
		line += " …"
	}
	return line
}

func printTryFailure(out io.Writer, t *daemon.Tried, list [][2]string) {
	if t.Seconds > 0 {
		list = append(list, [2]string{"gave up", fmt.Sprintf("after %s; %s had come", short3(t.Seconds), words.Count(t.RowsBefore, "row", "rows"))})
	}
	pairs(out, append(list, failure(t.Failure)...))
}

// rowFindings are what is to be said of the rows as a whole.
func rowFindings(r *dryrun.Report, zone *time.Location) [][2]string {
	var list [][2]string
	add := func(name, format string, args ...any) {
		list = append(list, [2]string{name, fmt.Sprintf(format, args...)})
	}
	if r.SkippedNull > 0 {
		add("skipped", "%s without a timestamp: no events yet", words.Count(r.SkippedNull, "row", "rows"))
	}
	if r.SkippedFuture > 0 {
		add("skipped", "%s more than a day ahead of the clock: no events yet", words.Count(r.SkippedFuture, "row", "rows"))
	}
	keys := words.Count(r.Keys, "key", "keys")
	if r.RepeatedRows > 0 {
		keys += fmt.Sprintf("; %s came more than once: %s", words.Count(r.RepeatedKeys, "key", "keys"), repeats(r))
	}
	add("counted", "%s", keys)
	if r.Oldest != nil {
		add("oldest", "%s", localStamp(*r.Oldest, zone))
		add("newest", "%s, %s", localStamp(*r.Newest, zone), agedText(*r.NewestAge))
	}
	switch {
	case r.Cut && r.WholeFrom != nil:
		add("cut", "the source may have more rows; those after %s are all here", localStamp(*r.WholeFrom, zone))
	case r.Cut:
		add("cut", "the source may have more rows, and any may be missing")
	}
	return list
}

// repeats shows some keys that came more than once.
func repeats(r *dryrun.Report) string {
	var parts []string
	for _, e := range r.Repeated {
		parts = append(parts, fmt.Sprintf("%s (%d times)", cutCells(e.Key, 40), e.Rows))
	}
	text := strings.Join(parts, ", ")
	if int64(len(parts)) < r.RepeatedKeys {
		text += ", …"
	}
	return text
}

// localStamp is a time to the second, with its distance from UTC.
func localStamp(at dryrun.Stamp, zone *time.Location) string {
	return at.In(zone).Format(dwmon.LocalTimeLayout + " -07:00")
}

func agedText(seconds float64) string {
	if seconds < 0 {
		return "ahead of the clock by " + tryAge(-seconds)
	}
	return tryAge(seconds) + " ago"
}

// tryAge is a number of seconds for people.
func tryAge(seconds float64) string { return short(time.Duration(seconds * float64(time.Second))) }

func printTryRows(out io.Writer, r *dryrun.Report, zone *time.Location) {
	if len(r.FirstRows) == 0 {
		return
	}
	fmt.Fprintln(out)
	local := "in " + words.Zone(zone)
	t := newNoted(out, "key", "timestamp (UTC)", local, "age")
	t.optional = []string{"age", local}
	width := columnsOf(out)
	for _, row := range r.FirstRows {
		key := row.Key
		if width > 0 {
			key = cutCells(key, max(width-64, 16))
		}
		var notes []string
		if row.Future {
			notes = []string{"more than a day ahead of the clock: no event yet"}
		}
		t.row(notes, key, strings.Replace(row.Time, "T", " ", 1), row.LocalTime, rowAge(row.Age))
	}
	_ = t.print() // out knows of its errors
	if more := r.Rows - int64(len(r.FirstRows)); more > 0 {
		fmt.Fprintf(out, "… and %s more\n", words.Number(more))
	}
}

func printTryWarning(out io.Writer, w *dryrun.Warning) {
	width := columnsOf(out)
	message := "warning: " + w.Message
	if width > 0 {
		message = wrapped(message, width)
	}
	fmt.Fprintln(out, message)
	if w.Hint != "" {
		fmt.Fprint(out, indented("→ "+w.Hint, width))
	}
}

func rowAge(seconds float64) string {
	if seconds < 0 {
		return "in " + tryAge(-seconds)
	}
	return tryAge(seconds)
}

// printTryLine shows the last windows of a line, and what it would say now.
func printTryLine(out io.Writer, l *dryrun.Line, zone *time.Location) {
	width := columnsOf(out)
	head := fmt.Sprintf("line %d: %s", l.Index+1, l.Words)
	if width > 0 {
		head = wrapped(head, width)
	}
	fmt.Fprintf(out, "\n%s\n", head)
	if len(l.Windows) > 0 {
		for _, row := range tryChart(out, l, zone) {
			fmt.Fprintln(out, strings.Repeat(" ", notedIndent)+row)
		}
	}
	fmt.Fprint(out, indented(verdictText(out, l, zone), width))
}

// tryChart draws the counts of the windows with the range that is wanted.
func tryChart(out io.Writer, l *dryrun.Line, zone *time.Location) []string {
	width := columnsOf(out)
	if width == 0 {
		width = plainWidth
	}
	layout := words.MinuteLayout
	if n := len(l.Windows); n > 1 && l.Windows[n-1].Minute-l.Windows[0].Minute >= int64(n-1)*dailySeconds {
		layout = "01-02"
	}
	points := make([]chart.Point, len(l.Windows))
	for i, w := range l.Windows {
		points[i] = chart.Point{Label: time.Unix(w.Minute, 0).In(zone).Format(layout), Count: w.Count, Status: w.Status}
	}
	var paint chart.Paint
	if colours(out) {
		paint = func(s dwmon.Status, cells string) string { return statusColours[s].Sprint(cells) }
	}
	return chart.PaintedBand(points, l.Rule.Min, l.Rule.Max, width-notedIndent, paint)
}

// statusColours are those of painted.
var statusColours = map[dwmon.Status]text.Colors{
	dwmon.Good: {text.FgGreen}, dwmon.Bad: {text.FgRed, text.Bold}, dwmon.Unknown: {text.FgYellow},
}

// plainWidth is that of charts that go to no terminal. Windows that lie dailySeconds
// apart, or nearly, are told apart by their days.
const (
	plainWidth   = 80
	dailySeconds = 20 * 3600
)

// verdictText is the last verdict in words, and when the next is due.
func verdictText(out io.Writer, l *dryrun.Line, zone *time.Location) string {
	text := "it has not been due yet"
	if w, ok := l.Last(); ok {
		text = fmt.Sprintf("%s at %s: %s", painted(out, w.Status.String()), w.LocalTime, words.Count(w.Count, "row", "rows"))
		if why := whyText(w.Reason, l); why != "" {
			text += ", " + why
		}
		if bad := notGood(l.Windows); bad != "" && len(l.Windows) > 1 {
			text += fmt.Sprintf("; of the last %d windows %s", len(l.Windows), bad)
		}
	}
	if l.NextDue != nil {
		text += "; next due at " + dwmon.LocalTime(*l.NextDue, zone)
	}
	return text
}

// whyText says why a verdict is not GOOD.
func whyText(reason dwmon.Reason, l *dryrun.Line) string {
	switch reason {
	case dwmon.Low:
		return "fewer than " + words.Number(*l.Min)
	case dwmon.High:
		return "more than " + words.Number(*l.Max)
	case dwmon.Truncated:
		return "fewer than " + words.Number(*l.Min) + ", but the result is cut, and rows of this window may be missing"
	case dwmon.AssumedTime:
		return "nothing is known of the time before the first fetch"
	default:
		return ""
	}
}

// notGood says how many windows are not GOOD; empty where all are.
func notGood(windows []dryrun.Window) string {
	many := map[dwmon.Status]int64{}
	for _, w := range windows {
		many[w.Status]++
	}
	var parts []string
	for _, s := range []dwmon.Status{dwmon.Bad, dwmon.Unknown} {
		if many[s] > 0 {
			parts = append(parts, words.Count(many[s], "was", "were")+" "+s.String())
		}
	}
	return words.And(parts)
}
