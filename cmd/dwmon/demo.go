package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/demo"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the fastest look: fake records, sample checkers, the daemon on them",
		Long: `Makes a fresh folder with a SQLite database in which fake records keep arriving, puts
the sample checkers beside it and runs the daemon on them. Verdicts appear as they
fall. Ctrl-C ends it; the folder stays, for looking around.`,
		Example: "  dwmon demo\n  dwmon demo --dir /tmp/look --for 5m",
		Args:    asUsed,
	}
	dir := cmd.Flags().String("dir", "", "a folder that is empty or does not exist (default: a new one for temporary files)")
	plugins := cmd.Flags().String("plugins", "", "folder of plugins (default: ./plugins, else the one beside this program's folder)")
	length := cmd.Flags().String("for", "", "how long; then it ends by itself (default: until Ctrl-C)")
	listen := cmd.Flags().String("listen", "127.0.0.1:0", `address for health and metrics; "off" for none`)
	logFlags(cmd, "info", "text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		if *length != "" {
			d, err := dwmon.ParseDuration(*length)
			if err != nil {
				return &usageError{fmt.Errorf("--for: %w", err), ""}
			}
			timed, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			ctx = timed
		}
		return runDemo(ctx, cmd, *dir, *plugins, *listen)
	}
	return cmd
}

// demoPlugins finds the plugins folder of a clone or an installation.
func demoPlugins(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	candidates := []string{"plugins", filepath.Join(filepath.Dir(self), "..", "plugins"), filepath.Join(filepath.Dir(self), "plugins")}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "dwmon-plugin-sqlite")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", &daemon.EnvironmentError{Err: errors.New("the plugin sqlite is not there: run `make build` first, or name the folder with --plugins")}
}

func runDemo(ctx context.Context, cmd *cobra.Command, dir, plugins, listen string) (err error) {
	if plugins, err = demoPlugins(plugins); err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "dwmon-demo-"); err != nil {
			return &daemon.EnvironmentError{Err: fmt.Errorf("make a folder for the demo: %w", err)}
		}
	}
	if err := demo.Create(dir, plugins); err != nil {
		return &daemon.EnvironmentError{Err: err}
	}
	world, err := demo.Open(ctx, dir, uint64(time.Now().UnixNano()), time.Now())
	if err != nil {
		return &daemon.EnvironmentError{Err: err}
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	// The checkers' source is sqlite:demo.db, below the working directory.
	if err := os.Chdir(dir); err != nil {
		return &daemon.EnvironmentError{Err: err}
	}
	cfg, err := config.Load(config.LoadOptions{Path: demo.ConfigFile, Flags: map[string]string{"listen": listen}, Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		return err
	}
	log, level, err := logger(cmd, cfg.Redact)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "The demo lives in %s. Records keep arriving in demo.db; the checkers are in checks/.\n", dir)
	fmt.Fprintln(out, "Edit one of them and watch. In another terminal, in that folder: dwmon status; dwmon history. Ctrl-C ends it.")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	arriving := make(chan error, 1)
	go func() { arriving <- world.Run(ctx) }()
	err = daemon.Run(ctx, daemon.Options{Config: cfg, Log: log, LogLevel: level, Started: func(address string) {
		if address != "" {
			fmt.Fprintf(out, "Health and metrics: http://%s/\n", address)
		}
		fmt.Fprintln(out)
	}})
	stop()
	return errors.Join(err, <-arriving)
}
