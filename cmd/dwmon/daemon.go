package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/heaproom"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

func daemonCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "run until told to stop: every minute, every checker",
		Long: `Runs until told to stop. Checker files are picked up, changed and dropped while it
runs. SIGHUP reloads configuration and plugins (with a controlling terminal it
stops); SIGTERM stops within seconds, and nothing is lost.`,
		Example: "  dwmon daemon --plugins ./plugins --checks ./checks --db ./dwmon.db",
		Args:    asUsed,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			// The newest configuration knows all secrets, those of its forerunners too.
			var newest atomic.Pointer[config.Config]
			newest.Store(cfg)
			log, level, err := logger(cmd, func(text string) string { return newest.Load().Redact(text) })
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				log.Warn("the configuration", "warning", w.Error(), "hint", w.Hint)
			}
			if cfg.LocalIsUTC {
				log.Warn("the time zone is UTC for want of TZ and /etc/localtime; set --timezone where that is not meant")
			}
			o := daemon.Options{Config: cfg, Reload: reloader(cmd, &newest), Log: log, LogLevel: level}
			if o.Attach, err = attachments(); err != nil {
				return err
			}
			if !controllingTerminal() {
				hup := make(chan os.Signal, 1)
				signal.Notify(hup, syscall.SIGHUP)
				defer signal.Stop(hup)
				o.HangUp = hup
			}
			heaproom.Tend()
			return daemon.Run(cmd.Context(), o)
		},
	}
	settings(cmd, "checks", "plugins", "db", "listen", "timezone", "catch-up", "spread", "strict")
	logFlags(cmd, "info", "auto")
	return cmd
}

// reloader loads the configuration anew, and has the log heed its secrets from then on.
func reloader(cmd *cobra.Command, newest *atomic.Pointer[config.Config]) func() (*config.Config, error) {
	return func() (*config.Config, error) {
		cfg, err := load(cmd)
		if err != nil {
			return nil, err
		}
		cfg.ConcealAllOf(newest.Load())
		newest.Store(cfg)
		return cfg, nil
	}
}

// controllingTerminal says whether a closed terminal would send SIGHUP: then it
// means to stop, as for any program.
func controllingTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// guardCommand is the process that ends plugins whose daemon was killed.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Short:  "end the plugins of a daemon that was killed; started by the daemon itself",
		Hidden: true,
		Args:   asUsed,
		Run:    func(*cobra.Command, []string) { pluginhost.GuardMain() },
	}
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "print the version", Example: "  dwmon version --json", Args: asUsed,
	}
	asObject := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asObject {
			return newJSONLines(cmd.OutOrStdout()).write(map[string]string{"version": daemon.Version})
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "dwmon", daemon.Version)
		return err
	}
	return cmd
}
