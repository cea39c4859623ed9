package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/words"
)

func pluginDescribeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe NAME|PATH",
		Short: "everything that a plugin says of itself: kinds, settings, environment",
		Long: `Starts a plugin, of the plugins folder or of any path, asks it what it is, and stops
it again. Of the environment it shows whether a variable would reach the plugin if a
daemon were started here, never a value.`,
		Example:           "  dwmon plugin describe postgres\n  dwmon plugin describe ./build/pulse --json",
		Args:              asUsed,
		ValidArgsFunction: completePlugins,
	}
	settings(cmd, "plugins", "strict")
	logFlags(cmd, "error", "text")
	object := asJSON(cmd, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		d, err := daemon.DescribePlugin(cmd.Context(), o, args[0])
		if err != nil {
			return aboutPlugin(cmd, err)
		}
		if *object {
			return newJSONLines(cmd.OutOrStdout()).write(d)
		}
		printDescription(cmd.OutOrStdout(), d)
		return nil
	}
	return cmd
}

func printDescription(out io.Writer, d *pluginhost.Description) {
	fmt.Fprintf(out, "%s %s", d.Name, d.Version)
	if d.Summary != "" {
		fmt.Fprintf(out, ": %s", d.Summary)
	}
	fmt.Fprint(out, "\n\n")
	var list [][2]string
	add := func(name, value string) {
		if value != "" {
			list = append(list, [2]string{name, value})
		}
	}
	add("kinds", daemon.KindNames(d.Kinds))
	if g := d.RowGetter; g != nil {
		add("row getter", strings.Join(getterPhrases(g), "; "))
	}
	if h := d.CheckHandler; h != nil {
		add("check handler", strings.Join(handlerPhrases(h), "; "))
	}
	if p := d.Purger; p != nil {
		add("purger", concurrency(p.MaxConcurrency))
	}
	add("protocol", fmt.Sprintf("%d (%s)", d.Protocol, d.SDK))
	add("needs", minHost(d.MinHostVersion))
	add("built from", revision(d))
	add("homepage", d.Homepage)
	add("limits", limits(d.Limits))
	add("path", d.Path)
	add("bridge", d.Bridge)
	add("sha256", d.SHA256)
	add("started in", short3(d.StartupSeconds))
	for _, w := range d.Warnings {
		add("warning", w)
	}
	pairs(out, list)
	printSettings(out, d)
	printEnv(out, d.Env)
	if len(d.ExtraSchema) > 0 {
		fmt.Fprintln(out, "\nEXTRA, as a JSON schema")
		printSchema(out, d.ExtraSchema)
	}
}

func getterPhrases(g *pluginhost.RowGetterDescription) []string {
	phrases := []string{"claims no SOURCE: name it in dwmon.yaml under sources"}
	if len(g.Sources) > 0 {
		phrases[0] = "claims SOURCE " + strings.Join(g.Sources, ", ") + " (a name, or the scheme of a URL)"
	}
	if g.HonoursSince {
		phrases = append(phrases, "leaves out rows that are too old to matter")
	}
	if g.CatalogQuery != "" {
		phrases = append(phrases, "lists what can be counted, for `dwmon new`")
	}
	return append(phrases, concurrency(g.MaxConcurrency))
}

func handlerPhrases(h *pluginhost.CheckHandlerDescription) []string {
	phrases := []string{"takes " + strings.Join(h.Statuses, ", "), "told on " + string(h.DefaultOn) + " unless dwmon.yaml says otherwise"}
	if h.Notices {
		phrases = append(phrases, "takes notices")
	}
	return append(phrases, concurrency(h.MaxConcurrency))
}

func concurrency(n int) string {
	if n == 0 {
		return "no limit of its own on calls at the same time"
	}
	return "at most " + words.Count(n, "call", "calls") + " at the same time"
}

func minHost(version string) string {
	if version == "" {
		return "any dwmon"
	}
	return "dwmon " + version + " or newer"
}

func revision(d *pluginhost.Description) string {
	if d.BuildModified {
		return d.BuildRevision + ", with changes that are not in it"
	}
	return d.BuildRevision
}

func limits(l *pluginhost.LimitsDescription) string {
	if l == nil {
		return ""
	}
	var parts []string
	add := func(name, value string, set bool) {
		if set {
			parts = append(parts, name+" "+value)
		}
	}
	add("concurrency", strconv.Itoa(l.Concurrency), l.Concurrency > 0)
	add("get_rows_timeout", short3(l.GetRowsSeconds), l.GetRowsSeconds > 0)
	add("handle_timeout", short3(l.HandleSeconds), l.HandleSeconds > 0)
	add("purge_timeout", short3(l.PurgeSeconds), l.PurgeSeconds > 0)
	add("max_rows", strconv.FormatInt(l.MaxRows, 10), l.MaxRows > 0)
	add("memory_mb", strconv.FormatInt(l.MemoryMiB, 10), l.MemoryMiB > 0)
	return strings.Join(parts, ", ") + " (its sidecar)"
}

// short3 writes seconds as a duration of at most three digits after the point.
func short3(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}

func printSettings(out io.Writer, d *pluginhost.Description) {
	fmt.Fprintln(out, "\nsettings")
	if len(d.Settings) == 0 {
		if strings.Contains(string(d.SettingsSchema), `"properties"`) {
			printSchema(out, d.SettingsSchema)
			return
		}
		fmt.Fprintln(out, "  none")
		return
	}
	t := newNoted(out, "  name", "type", "", "default")
	for _, s := range d.Settings {
		var notes []string
		if s.Description != "" {
			notes = append(notes, s.Description)
		}
		t.row(notes, "  "+s.Name, s.Type, flags(s.Required, s.Secret), string(s.Default))
	}
	_ = t.print() // the stream has gone
}

func flags(required, secret bool) string {
	switch {
	case required && secret:
		return "required, secret"
	case required:
		return "required"
	case secret:
		return "secret"
	default:
		return ""
	}
}

func printEnv(out io.Writer, env []pluginhost.EnvVar) {
	if len(env) == 0 {
		return
	}
	fmt.Fprintln(out, "\nenvironment")
	t := newNoted(out, "  name", "state", "", "what it is")
	for _, e := range env {
		var notes []string
		state := "missing"
		switch {
		case e.Set:
			state = "set"
		case e.Withheld:
			state = "withheld"
			notes = append(notes, "it is set here, but a plugin is given only what its sidecar names: \"env\": [\""+e.Name+"\"]")
		}
		t.row(notes, "  "+e.Name, state, flags(e.Required, e.Secret), e.Description)
	}
	_ = t.print() // the stream has gone
}

func printSchema(out io.Writer, schema json.RawMessage) {
	var v any
	if json.Unmarshal(schema, &v) == nil {
		if text, err := json.MarshalIndent(v, "  ", "  "); err == nil {
			fmt.Fprintf(out, "  %s\n", text)
		}
	}
}
