package main

import (
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

func pluginListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "plugins found, what they do, and what is wrong with the broken ones",
		Long: `Lists the plugins of the plugins folder. Each is started once, in an empty
environment, to ask what it is; one that hangs or crashes is shown with the reason.
While a daemon runs on the database, its live plugins are shown.

CHECKERS is how many checkers of the checks folder the plugin serves, in whatever
kind of work. The exit code is 0 even if some plugins cannot be used.`,
		Example: "  dwmon plugin list --plugins ./plugins\n  dwmon plugin list --all --no-launch\n  dwmon plugin list --json | jq -r 'select(.error != \"\") | .path'",
		Args:    asUsed,
	}
	settings(cmd, "plugins", "db", "checks", "strict")
	logFlags(cmd, "error", "text")
	lines := asJSON(cmd, "print one JSON object for each plugin")
	var opts daemon.ListOptions
	cmd.Flags().BoolVar(&opts.All, "all", false, "list what else lies in the folder, too, and why it is no plugin")
	cmd.Flags().BoolVar(&opts.NoLaunch, "no-launch", false, "start nothing: show what the files say, and what the database remembers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		opts.Waiting = waitingLine(cmd.ErrOrStderr())
		plugins, err := daemon.ListPlugins(cmd.Context(), o, opts)
		if err != nil {
			return err
		}
		if *lines {
			j := newJSONLines(cmd.OutOrStdout())
			for _, p := range plugins {
				if err := j.write(p); err != nil {
					return err
				}
			}
			return nil
		}
		return printPlugins(cmd.OutOrStdout(), o.Config.Plugins, plugins)
	}
	return cmd
}

func printPlugins(out io.Writer, dir string, plugins []daemon.ListedPlugin) error {
	if len(plugins) == 0 {
		_, err := fmt.Fprintf(out, "there are no plugins in %s: files that are called dwmon-plugin-NAME and can be executed\n", dir)
		return err
	}
	t := newNoted(out, "name", "version", "kinds", "proto", "state", "sha256", "checkers", "path")
	t.optional = []string{"path", "sha256", "kinds"}
	for i := range plugins {
		p := &plugins[i]
		checkers, proto := "", ""
		if p.Checkers != nil && p.State != pluginhost.StateIgnored {
			checkers = strconv.Itoa(*p.Checkers)
		}
		if p.Protocol > 0 {
			proto = strconv.Itoa(p.Protocol)
		}
		kinds := ""
		if len(p.Kinds) > 0 {
			kinds = daemon.KindNames(p.Kinds)
		}
		t.row(pluginNotes(p), p.Name, p.Version, kinds, proto, string(p.State), fmt.Sprintf("%.12s", p.SHA256), checkers, p.Path)
	}
	return t.print()
}

// pluginNotes is what stands below a plugin's row.
func pluginNotes(p *daemon.ListedPlugin) []string {
	var notes []string
	if p.Err != "" {
		notes = append(notes, p.Err)
	}
	if p.Remedy != "" {
		notes = append(notes, "→ "+p.Remedy)
	}
	notes = append(notes, p.Warnings...)
	for i := range p.Instances {
		notes = append(notes, instanceNote(&p.Instances[i], p.Err))
	}
	return notes
}

// instanceNote is the life of an instance in a line. What the plugin's own line says
// already is not said again.
func instanceNote(in *pluginhost.InstanceInfo, said string) string {
	parts := []string{string(in.State)}
	if in.SinceEpoch > 0 {
		parts[0] += " since " + time.Unix(in.SinceEpoch, 0).UTC().Format("2006-01-02 15:04:05Z")
	}
	if in.Pid != 0 {
		parts = append(parts, fmt.Sprintf("pid %d", in.Pid))
	}
	if in.Attached {
		parts = append(parts, "attached")
	}
	if in.MemoryBytes > 0 {
		memory := fmt.Sprintf("%.1f MiB", float64(in.MemoryBytes)/(1<<20))
		if in.MemoryLimitBytes > 0 {
			memory += fmt.Sprintf(" of %d", in.MemoryLimitBytes>>20)
		}
		parts = append(parts, memory)
	}
	parts = append(parts, words.Count(in.Calls, "call", "calls")+fmt.Sprintf(" (%d failed)", in.Failed), fmt.Sprintf("%d in flight", in.InFlight), words.Count(in.Restarts, "restart", "restarts"))
	if in.LastError != "" && in.LastError != said {
		parts = append(parts, "last trouble: "+in.LastError)
	}
	return in.ID + ": " + strings.Join(parts, ", ")
}
