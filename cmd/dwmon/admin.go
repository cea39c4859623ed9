package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// changing runs a command that writes, and prints what it did.
func changing(cmd *cobra.Command, asObject bool, f func(*config.Config) (daemon.Outcome, error)) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	out, err := f(cfg)
	if err != nil {
		return err
	}
	if asObject {
		return newJSONLines(cmd.OutOrStdout()).write(out)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), out.Message)
	return err
}

func settleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settle NAME --to TIME",
		Short: "settle a checker's walk through a minute",
		Long: `Moves the minute through which a checker's walk counts as settled. Forward: the
minutes passed over become a gap and are never judged. Back: the remedy where the
walk lies ahead of the clock; minutes that have a result already keep it.`,
		Example: "  dwmon settle new_orders --to '2026-06-01 12:00'",
		Args:    asUsed,
	}
	settings(cmd, "db", "timezone")
	to := cmd.Flags().String("to", "", "the minute: a time")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *to == "" {
			return &usageError{errors.New("say the minute: --to TIME"), cmd.CommandPath() + " --help"}
		}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			at, err := parseTime(*to, cfg.Timezone)
			if err != nil {
				return daemon.Outcome{}, &usageError{fmt.Errorf("--to: %w", err), cmd.CommandPath() + " --help"}
			}
			return daemon.Settle(cmd.Context(), cfg, daemon.SettleRequest{Name: args[0], To: dwmon.FloorMinute(at.Unix())})
		})
	}
	return cmd
}

func renameCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "give a checker's history another name",
		Long: `Gives everything that is recorded of a checker another name. Renaming the file alone
makes a new checker. Where the file was renamed first, the daemon has begun a checker
of the new name: --replace drops what little that one has.`,
		Example: "  mv checks/orders.dwmon checks/billing/orders.dwmon\n  dwmon rename orders billing/orders --replace",
		Args:    asUsed,
	}
	settings(cmd, "db")
	replace := cmd.Flags().Bool("replace", false, "drop what is recorded of NEW")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkfile.CheckName(args[1]); err != nil {
			return &usageError{err, ""}
		}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			return daemon.Rename(cmd.Context(), cfg, daemon.RenameRequest{Old: args[0], New: args[1], Replace: *replace})
		})
	}
	return cmd
}

func forgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "remove a checker, or one of its keys, for good",
		Long: `Removes everything that is recorded of a checker; or, with --key, one key and its row,
as requests for erasure ask. Erase the key at the source first: what the source
returns afterwards is new.`,
		Example: "  dwmon forget old_orders\n  dwmon forget new_orders --key customer-4711",
		Args:    asUsed,
	}
	settings(cmd, "db")
	key := cmd.Flags().String("key", "", "the key, as history and results show it")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := daemon.ForgetRequest{Name: args[0]}
		if cmd.Flags().Changed("key") {
			r.Key = append([]byte{}, *key...)
		}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			return daemon.Forget(cmd.Context(), cfg, r)
		})
	}
	return cmd
}

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "a consistent copy of the database, while the daemon runs",
		Long: `Writes a consistent copy of the database to a file that does not exist yet, while the
daemon goes on. To restore it, stop the daemon and put the copy in the database's
place, without the files that end in -wal and -shm.`,
		Example: "  dwmon backup /var/backups/dwmon-$(date +%F).db",
		Args:    asUsed,
	}
	settings(cmd, "db")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return reading(cmd, func(r *daemon.Reader, _ *config.Config) error {
			if err := r.Backup(cmd.Context(), args[0]); err != nil {
				return err
			}
			if *object {
				return newJSONLines(cmd.OutOrStdout()).write(map[string]string{"backup": args[0]})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the database was copied to", args[0])
			return err
		})
	}
	return cmd
}
