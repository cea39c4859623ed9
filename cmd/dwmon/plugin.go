package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

func pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugin",
		Short:   "the plugins of the plugins folder",
		Example: "  dwmon plugin list",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(pluginListCommand())
	return cmd
}

func pluginListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "plugins found, what they do, and what is wrong with the broken ones",
		Long: `Lists the plugins of the plugins folder. Each is started once, in an empty
environment, to ask what it is; one that hangs or crashes is shown with the reason.
While a daemon runs on the database, its live plugins are shown.`,
		Example: "  dwmon plugin list --plugins ./plugins",
		Args:    noArgs,
	}
	settings(cmd, "plugins", "db")
	logFlags(cmd, "error", "text")
	lines := asJSON(cmd, "print one JSON object for each plugin")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		log, level, err := logger(cmd, cfg.Redact)
		if err != nil {
			return err
		}
		plugins, err := daemon.Plugins(cmd.Context(), daemon.Options{Config: cfg, Log: log, LogLevel: level})
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
		printPlugins(cmd, cfg.Plugins, plugins)
		return nil
	}
	return cmd
}

func printPlugins(cmd *cobra.Command, dir string, plugins []pluginhost.Plugin) {
	out := cmd.OutOrStdout()
	if len(plugins) == 0 {
		fmt.Fprintf(out, "there are no plugins in %s: files that are called dwmon-plugin-NAME and can be executed\n", dir)
		return
	}
	t := newTable(out, "name", "version", "kinds", "state", "sha256", "path", "note")
	for _, p := range plugins {
		var kinds []string
		for _, k := range p.Kinds {
			kinds = append(kinds, strings.ReplaceAll(string(k), "_", " "))
		}
		var notes []string
		if p.Err != "" {
			notes = append(notes, p.Err)
		}
		notes = append(notes, p.Warnings...)
		for _, in := range p.Instances {
			pid := "not running"
			if in.Pid != 0 {
				pid = fmt.Sprintf("pid %d", in.Pid)
			}
			notes = append(notes, fmt.Sprintf("%s: %s, %s, %d in flight, %s", in.ID, pid, count(int(in.Calls), "call"), in.InFlight, count(int(in.Restarts), "restart")))
		}
		t.AppendRow([]any{p.Name, p.Version, strings.Join(kinds, ", "), p.State, fmt.Sprintf("%.12s", p.SHA256), p.Path, strings.Join(notes, "\n")})
	}
	t.Render()
}
