package main

import (
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
)

func pluginRunCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run NAME|PATH",
		Short: "run a plugin in the foreground, for a debugger or to watch its log",
		Long: `Runs a plugin by itself, in the environment that a daemon would give it, and prints
the line that makes a dwmon attach to it instead of starting one: put it in front of
dwmon daemon or dwmon once. The plugin's log is shown as it comes. Ctrl-C ends it.`,
		Example:           "  dwmon plugin run ./build/pulse",
		Args:              asUsed,
		ValidArgsFunction: completePlugins,
	}
	settings(cmd, "plugins", "strict")
	logFlags(cmd, "debug", "text")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		return aboutPlugin(cmd, daemon.RunPlugin(cmd.Context(), o, args[0], cmd.OutOrStdout()))
	}
	return cmd
}
