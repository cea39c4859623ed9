package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

func pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugin",
		Short:   "list, look at, try and begin plugins",
		Example: "  dwmon plugin list\n  dwmon plugin init pager --kinds handler",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(pluginListCommand(), pluginDescribeCommand(), pluginVerifyCommand(), pluginLockCommand(), pluginTestCommand(), pluginRunCommand(), pluginInitCommand())
	return cmd
}

// pluginOptions is what commands about plugins hand to the daemon's code.
func pluginOptions(cmd *cobra.Command) (daemon.Options, error) {
	cfg, err := load(cmd)
	if err != nil {
		return daemon.Options{}, err
	}
	log, level, err := logger(cmd, cfg.Redact)
	if err != nil {
		return daemon.Options{}, err
	}
	return daemon.Options{Config: cfg, Log: log, LogLevel: level}, nil
}

// passOptions are pluginOptions of a command that does passes, at a time given as --now
// or, where it is empty, at the clock's.
func passOptions(cmd *cobra.Command, now string) (daemon.Options, error) {
	o, err := pluginOptions(cmd)
	if err != nil {
		return o, err
	}
	if o.Attach, err = attachments(); err != nil {
		return o, err
	}
	return o, standIn(&o, now)
}

// standIn lets the time given as --now stand for the clock; empty: none does.
func standIn(o *daemon.Options, now string) error {
	if now == "" {
		return nil
	}
	at, err := parseTime(now, o.Config.Timezone)
	if err != nil {
		return &usageError{fmt.Errorf("--now: %w", err), ""}
	}
	o.Now = func() time.Time { return at }
	return nil
}

// completePlugins offers the names of the plugins folder to a shell, and files.
func completePlugins(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := load(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, name := range pluginhost.Names(cfg.Plugins) {
		if strings.HasPrefix(name, word) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

// aboutPlugin makes an error of usage of a plugin that is not there, or of a
// question that cannot be put to it.
func aboutPlugin(cmd *cobra.Command, err error) error {
	var target *pluginhost.TargetError
	var trial *daemon.ErrTrial
	switch {
	case errors.As(err, &target):
		return &usageError{err, "dwmon plugin list"}
	case errors.As(err, &trial):
		return &usageError{err, cmd.CommandPath() + " --help"}
	case errors.Is(err, os.ErrPermission):
		return &daemon.EnvironmentError{Err: err}
	}
	return err
}
