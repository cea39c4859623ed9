package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/lsp"
	"github.com/dwmon/dwmon/internal/notice"
)

func lspCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "language server for editors: faults, help and completion while you type",
		Long: `Speaks the Language Server Protocol over standard input and output: editors start
it, people do not. It shows the faults of checker files and of dwmon.yaml as
"dwmon validate" does, says what tokens and options mean, proposes what can stand
at a place, offers quick fixes, and formats.

Sources, handlers, calendars and the time zone are those of the nearest dwmon.yaml
above each file. No plugin is started, and no source or database is asked.`,
		Example: "  dwmon lsp\n  # in Neovim:\n  #   vim.lsp.start({name = 'dwmon', cmd = {'dwmon', 'lsp'}})",
		Args:    asUsed,
	}
	path := cmd.Flags().String("config", "", "configuration for every file (default: the nearest dwmon.yaml above each)")
	cmd.Flags().Bool("stdio", true, "what it always does; for editors that say so")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isatty.IsTerminal(os.Stdin.Fd()) {
			return &usageError{errors.New("dwmon lsp is for editors, which talk to it over standard input; this is a terminal"), cmd.CommandPath() + " --help"}
		}
		opts := lsp.Options{
			Version: daemon.Version, Template: notice.Faults,
			UnitTests: func(file, text string, cfg *config.Config) []dwmon.FileFault {
				return daemon.UnitTestFaults(cfg, file, text)
			},
			Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
		}
		if *path != "" {
			abs, err := filepath.Abs(*path)
			if err != nil {
				return err
			}
			if _, err := os.Stat(abs); err != nil {
				return &usageError{fmt.Errorf("--config: %w", err), cmd.CommandPath() + " --help"}
			}
			opts.Config = abs
		}
		return lsp.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), opts)
	}
	return cmd
}
