package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func deliveriesRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry [KEY…]",
		Short: "make dead deliveries wait again, and waiting ones due at once",
		Long: `Makes deliveries that are dead wait again, with the number of their tries kept and
72 hours before they are given up once more, and those that wait due at once, whatever
their back-off says. KEY is the key that ` + "`dwmon deliveries --json`" + ` shows; the
installation in front may be left out. A key may have a delivery for each of several
handlers.

A dead delivery has held up nobody: what came behind it was told meanwhile, so it
is now told out of order. Its handler knows it by its key, which stays the same.`,
		Example: "  dwmon deliveries retry --dead --handler payments\n  dwmon deliveries retry --now\n  dwmon deliveries retry billing/orders/1780315200/0",
		Args:    cobra.ArbitraryArgs,
	}
	settings(cmd, "db")
	handler := cmd.Flags().String("handler", "", "only those of a handler")
	dead := cmd.Flags().Bool("dead", false, "only those that are dead")
	now := cmd.Flags().Bool("now", false, "only those that wait: try them at once")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		c := dwmon.DeliveryChoice{Keys: keys, Handler: *handler}
		if *dead || !*now {
			c.States = append(c.States, dwmon.DeliveryDead)
		}
		if *now || !*dead {
			c.States = append(c.States, dwmon.DeliveryWaiting)
		}
		if len(keys) == 0 && *handler == "" && !*dead && !*now {
			return &usageError{errors.New("say which deliveries: KEY…, --handler, --dead or --now"), cmd.CommandPath() + " --help"}
		}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			return daemon.RetryDeliveries(cmd.Context(), cfg, c)
		})
	}
	return cmd
}

func deliveriesDropCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop [KEY…]",
		Short: "give up deliveries that wait",
		Long: `Gives up deliveries that wait: nobody is told of them. They are shown as dead, "dropped
by hand", and ` + "`dwmon deliveries retry`" + ` takes that back. KEY is the key that
` + "`dwmon deliveries --json`" + ` shows; the installation in front may be left out.`,
		Example: "  dwmon deliveries drop --handler old_pager\n  dwmon deliveries drop billing/orders/1780315200/0 --handler payments",
		Args:    cobra.ArbitraryArgs,
	}
	settings(cmd, "db")
	handler := cmd.Flags().String("handler", "", "only those of a handler")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		if len(keys) == 0 && *handler == "" {
			return &usageError{errors.New("say which deliveries: KEY… or --handler"), cmd.CommandPath() + " --help"}
		}
		c := dwmon.DeliveryChoice{Keys: keys, Handler: *handler, States: []dwmon.DeliveryState{dwmon.DeliveryWaiting}}
		return changing(cmd, *object, func(cfg *config.Config) (daemon.Outcome, error) {
			return daemon.DropDeliveries(cmd.Context(), cfg, c)
		})
	}
	return cmd
}
