package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func ackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ack NAME|INCIDENT",
		Short: "acknowledge open incidents: they are not told again",
		Long: `Says that somebody knows of the open incidents of a checker, of source:NAME, or of one
incident by its number or the id that a notice shows. They are not told again until
they end, or --for so long. That an incident is over is told all the same.`,
		Example: `  dwmon ack billing/new_orders --for 2h --comment 'the shop is closed'
  dwmon ack 17
  dwmon ack source:AWS
  dwmon ack billing/new_orders --remove`,
		Args: asUsed,
	}
	settings(cmd, "db", "timezone")
	remove := cmd.Flags().Bool("remove", false, "take the acknowledgement back")
	length := cmd.Flags().String("for", "", "a duration: how long it holds (default as long as the trouble lasts)")
	comment := cmd.Flags().String("comment", "", "what is being done")
	by := cmd.Flags().String("by", "", "who (default $USER)")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := ackRequest(args[0], *remove, *length, *comment, *by)
		if err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		acked, err := daemon.Acknowledge(cmd.Context(), cfg, r)
		if err != nil {
			return err
		}
		if *object {
			return newJSONLines(cmd.OutOrStdout()).write(acked)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), acked.Message)
		return err
	}
	return cmd
}

func ackRequest(target string, remove bool, length, comment, by string) (r daemon.AckRequest, err error) {
	if remove && (length != "" || comment != "") {
		return r, errors.New("--remove takes an acknowledgement back: it has no duration and no comment")
	}
	r = daemon.AckRequest{Target: target, Remove: remove, Comment: comment}
	if length != "" {
		d, err := dwmon.ParseDuration(length)
		if err != nil {
			return r, fmt.Errorf("--for: %w", err)
		}
		if r.For = d.Microseconds(); r.For == 0 {
			return r, errors.New("--for 0s is no time at all; --remove takes an acknowledgement back")
		}
	}
	r.By, err = whoAsks(by)
	return r, err
}
