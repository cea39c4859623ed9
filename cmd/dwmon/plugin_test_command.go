package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// testFlags are the flags of `plugin test`.
type testFlags struct {
	getter, handler, purger, conformance bool
	checker, status, settings, as        string
	rows                                 int
}

func pluginTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test NAME|PATH",
		Short: "one real call of a plugin, or the conformance kit",
		Long: `Starts a plugin, of the plugins folder or of any path, and makes one real call of each
kind of work asked for, the way that a daemon does: rows as they come, a result told, a
cut-off named. Nothing is stored. A check handler really tells its receiver; what it is
told is marked as a test in its checker's name and labels.

Without --getter, --handler and --purger it asks for what tells nobody anything. The
settings are those that dwmon.yaml has for the plugin. An error is shown with whose
fault it is and what a daemon would do about it; the exit code is then 1.

--conformance runs the kit of pluginsdk/plugintest on the executable instead: what every
plugin must do, in sixteen cases. It asks for rows where there is a --checker, and
gives a check handler results only with --handler.`,
		Example: `  dwmon plugin test ./build/pulse --checker checks/pulse.dwmon
  dwmon plugin test slack --handler --status BAD --settings '{"url":"http://127.0.0.1:8080"}'
  dwmon plugin test ./build/pulse --conformance`,
		Args:              asUsed,
		ValidArgsFunction: completePlugins,
	}
	settings(cmd, "plugins", "timezone", "strict")
	logFlags(cmd, "info", "text")
	object := asJSON(cmd, "print one JSON object; with --conformance one for each case")
	var f testFlags
	flags := cmd.Flags()
	flags.BoolVar(&f.getter, "getter", false, "ask the row getter for the rows of --checker")
	flags.BoolVar(&f.handler, "handler", false, "tell the check handler a result; its receiver really is told")
	flags.BoolVar(&f.purger, "purger", false, "ask the purger for a cut-off")
	flags.StringVar(&f.checker, "checker", "", "the checker file on whose behalf the plugin is asked")
	flags.StringVar(&f.status, "status", "BAD", "what the check handler is told: GOOD, BAD or UNKNOWN")
	flags.StringVar(&f.settings, "settings", "", "the plugin's settings, a JSON object, or @FILE that holds one (default: those of dwmon.yaml)")
	flags.StringVar(&f.as, "as", "", "the source or handler of dwmon.yaml whose settings are meant")
	flags.IntVar(&f.rows, "rows", 10, "how many of the first rows are shown")
	flags.BoolVar(&f.conformance, "conformance", false, "run the conformance kit")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"GOOD", "BAD", "UNKNOWN"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagFilename("checker", "dwmon")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts, err := f.options(args[0])
		if err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		if f.conformance {
			return conformance(cmd, o, opts, *object)
		}
		trial, err := daemon.TryPlugin(cmd.Context(), o, opts)
		if err != nil {
			return aboutPlugin(cmd, err)
		}
		if *object {
			err = newJSONLines(cmd.OutOrStdout()).write(trial)
		} else {
			printTrial(cmd.OutOrStdout(), trial)
		}
		if err == nil && trial.Failed() {
			err = errFault
		}
		return err
	}
	return cmd
}

// options reads the flags.
func (f *testFlags) options(target string) (daemon.TrialOptions, error) {
	o := daemon.TrialOptions{Target: target, CheckerFile: f.checker, As: f.as, Rows: f.rows}
	for _, k := range []struct {
		wanted bool
		kind   pluginhost.Kind
	}{{f.getter, pluginhost.RowGetter}, {f.handler, pluginhost.CheckHandler}, {f.purger, pluginhost.Purger}} {
		if k.wanted {
			o.Kinds = append(o.Kinds, k.kind)
		}
	}
	if f.rows < 0 {
		return o, errors.New("--rows must not be negative")
	}
	if f.conformance && (f.getter || f.purger) {
		return o, errors.New("--conformance tries every kind of work that it is given the means for: leave out --getter and --purger")
	}
	var err error
	if o.Status, err = dwmon.ParseStatus(strings.ToUpper(f.status)); err != nil || o.Status == dwmon.NoStatus {
		return o, fmt.Errorf("--status %q is none of GOOD, BAD, UNKNOWN", f.status)
	}
	if f.settings != "" {
		o.Settings, err = readSettings(f.settings)
	}
	return o, err
}

// readSettings reads a JSON object, or @FILE. What it holds is never repeated: it may
// be a password.
func readSettings(text string) ([]byte, error) {
	raw, from := []byte(text), "--settings"
	if path, ok := strings.CutPrefix(text, "@"); ok {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("--settings: %w", err)
		}
		from = path
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, fmt.Errorf("%s is no JSON object such as {\"url\": \"http://127.0.0.1:8080\"}", from)
	}
	return bytes.TrimSpace(raw), nil
}

func printTrial(out io.Writer, t *daemon.Trial) {
	fmt.Fprintf(out, "%s %s (%s), started in %s\n", t.Plugin, t.Version, daemon.KindNames(t.Kinds), short3(t.StartupSeconds))
	if t.Ready != nil {
		fmt.Fprintln(out)
		pairs(out, readiness(t.Ready))
	}
	if t.RowGetter != nil {
		printGetter(out, t)
	}
	if t.CheckHandler != nil {
		printHandler(out, t.CheckHandler)
	}
	if t.Purger != nil {
		printPurger(out, t.Purger)
	}
	for i, n := range t.Notes {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprint(out, strings.TrimPrefix(indented(n, columnsOf(out)), "    "))
	}
}

// readiness is what came before the call, and what went wrong.
func readiness(r *daemon.Readiness) [][2]string {
	list := [][2]string{{"settings", r.SettingsOf}}
	if r.Failure == nil || r.Health != nil {
		list = append(list, [2]string{"configured", "in " + short3(r.ConfigureSeconds)})
	}
	if h := r.Health; h != nil {
		text := h.Status
		if h.Message != "" {
			text += ": " + h.Message
		}
		list = append(list, [2]string{"health", text})
		list = append(list, remarks("  remark", h.Remarks)...)
	}
	if r.Validated && len(r.Remarks) == 0 {
		list = append(list, [2]string{"checker", "it finds nothing wrong with it"})
	}
	list = append(list, remarks("checker", r.Remarks)...)
	return list
}

func remarks(name string, all []pluginhost.Remark) [][2]string {
	var list [][2]string
	for _, m := range all {
		text := m.Severity + ": " + m.Summary
		if m.Pointer != "" {
			text += " (" + m.Pointer + ")"
		}
		if m.Detail != "" {
			text += ": " + m.Detail
		}
		list = append(list, [2]string{name, text})
	}
	return list
}

func failure(f *pluginhost.Failure) [][2]string {
	if f == nil {
		return nil
	}
	class := f.Code
	if f.Reason != "" {
		class += ", " + f.Reason
	}
	list := [][2]string{{"FAILED", f.Text}, {"class", class}, {"whose fault", faultNames[f.Fault]}}
	if f.RetryAfterSeconds > 0 {
		list = append(list, [2]string{"not before", short3(f.RetryAfterSeconds)})
	}
	if f.Then != "" {
		list = append(list, [2]string{"a daemon", f.Then})
	}
	return list
}

var faultNames = map[string]string{
	"checker":  "the checker's: its query, source or EXTRA",
	"settings": "the settings', the environment's or the credentials'",
	"source":   "the source's or the receiver's, or that of the way to it",
	"plugin":   "the plugin's",
	"nobody":   "nobody's: it was given up",
}

func printGetter(out io.Writer, t *daemon.Trial) {
	g := t.RowGetter
	fmt.Fprintf(out, "\nrow getter, for %s\n", t.Checker)
	list := readiness(&g.Readiness)
	if g.Batches > 0 || g.Failure == nil {
		list = append(list, [2]string{"rows", fmt.Sprintf("%d in %s (%.0f rows/s)", g.Rows, short3(g.Seconds), g.RowsPerSecond)})
	}
	if g.Batches > 0 {
		list = append(list, [2]string{"batches", fmt.Sprintf("%d of %d to %d rows, the first after %s", g.Batches, g.SmallestBatch, g.LargestBatch, short3(*g.FirstBatchSeconds))})
	}
	list = append(list, getterFindings(g)...)
	list = append(list, failure(g.Failure)...)
	pairs(out, list)
	if len(g.FirstRows) == 0 {
		return
	}
	fmt.Fprintln(out)
	rows := newNoted(out, "key", "time (UTC)", "age")
	width := columnsOf(out)
	for _, r := range g.FirstRows {
		key := r.Key
		if width > 0 {
			key = cutCells(key, max(width-50, 20))
		}
		rows.row(nil, key, r.Time, age(r.AgeSeconds))
	}
	_ = rows.print() // the stream has gone
	if more := g.Rows - int64(len(g.FirstRows)); more > 0 {
		fmt.Fprintf(out, "… and %d more\n", more)
	}
}

func getterFindings(g *daemon.GetterTrial) [][2]string {
	var list [][2]string
	add := func(name, format string, args ...any) {
		list = append(list, [2]string{name, fmt.Sprintf(format, args...)})
	}
	if g.SkippedNull > 0 {
		add("skipped", "%d without a time: no events yet", g.SkippedNull)
	}
	if g.SkippedFuture > 0 {
		add("skipped", "%d more than a day ahead of the clock: no events yet", g.SkippedFuture)
	}
	if g.Cut {
		add("cut", "the source gave only part of the result: windows that reach beyond it are UNKNOWN")
	}
	if g.SourceSeconds != nil {
		add("source", "took %s of it", short3(*g.SourceSeconds))
	}
	if a := g.ClockAheadSeconds; a != nil {
		where := "ahead of"
		if *a < 0 {
			where, *a = "behind", -*a
		}
		add("source clock", "%s %s ours", short3(*a), where)
	}
	if g.DataAsOf != nil {
		add("data as of", "%s (epoch)", *g.DataAsOf)
	}
	for _, w := range g.Warnings {
		add("warning", "%s", w)
	}
	return list
}

// age is that of a row.
func age(seconds float64) string {
	if seconds < 0 {
		return "in " + short3(-seconds)
	}
	return short3(seconds)
}

func printHandler(out io.Writer, h *daemon.HandlerTrial) {
	fmt.Fprintln(out, "\ncheck handler")
	list := readiness(&h.Readiness)
	if r := h.Result; r != nil {
		list = append(list,
			[2]string{"result", fmt.Sprintf("%s %s: count %d, %s", r.CheckerName, r.Status, r.EventCount, r.Requirement)},
			[2]string{"key", h.IdempotencyKey})
	}
	if h.Told {
		list = append(list, [2]string{"told", fmt.Sprintf("in %s: this was no rehearsal, its receiver has been told", short3(h.Seconds))})
	}
	pairs(out, append(list, failure(h.Failure)...))
}

func printPurger(out io.Writer, p *daemon.PurgerTrial) {
	fmt.Fprintln(out, "\npurger")
	list := append(readiness(&p.Readiness), [2]string{"asked", fmt.Sprintf("rows from %s to %s, the windows need those from %s",
		utc(p.Asked.Oldest), utc(p.Asked.Newest), utc(p.Asked.KeepFrom))})
	switch {
	case p.Failure != nil:
	case p.OlderThan == nil:
		list = append(list, [2]string{"cut-off", "none: everything is kept"})
	default:
		list = append(list, [2]string{"cut-off", fmt.Sprintf("rows before %s go (%s), answered in %s", utc(*p.OlderThan), cmp.Or(p.Reason, "no reason given"), short3(p.Seconds))})
	}
	if p.Named != nil {
		list = append(list, [2]string{"clamped", "it named " + utc(*p.Named) + ", inside of a window that is still needed"})
	}
	pairs(out, append(list, failure(p.Failure)...))
}

func utc(epoch int64) string { return time.Unix(epoch, 0).UTC().Format(time.RFC3339) }
