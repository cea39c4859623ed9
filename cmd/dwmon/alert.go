package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
)

func alertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "alert",
		Short:   "look at a notice before it is needed, and try a handler",
		Long:    "Shows what handlers would be told of a checker, and tries whether a handler reaches its receiver.",
		Example: "  dwmon alert preview billing/new_orders\n  dwmon alert test mail",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(alertPreviewCommand(), alertTestCommand())
	return cmd
}

func alertPreviewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preview NAME",
		Short: "the notice that would be told of a checker now",
		Long: `Prints a notice about a checker as it would be told now: of its file as it stands, with
the results, windows, former weeks and keys that the database has of it. What is missing
there is made up, and a note on standard error says what. Nobody is told anything.

Without --kind it is about what is open, else an incident that the last check might have
opened. --handler words it with that handler's template.`,
		Example: `  dwmon alert preview billing/new_orders
  dwmon alert preview billing/new_orders --kind recovered --handler mail`,
		Args: asUsed,
	}
	settings(cmd, "checks", "db", "timezone")
	kind := cmd.Flags().String("kind", "", strings.Join(daemon.PreviewKinds, ", ")+" (it cannot be evaluated)")
	handler := cmd.Flags().String("handler", "", "the handler of dwmon.yaml whose template is meant")
	object := asJSON(cmd, "print the notice as a JSON object")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(daemon.PreviewKinds, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd)
		if err != nil {
			return err
		}
		q := daemon.PreviewRequest{Checker: args[0], Kind: *kind, Handler: *handler}
		p, err := daemon.PreviewNotice(cmd.Context(), cfg, q, time.Now())
		var asked *daemon.ErrPreview
		switch {
		case errors.As(err, &asked):
			return &usageError{err, cmd.CommandPath() + " --help"}
		case err != nil:
			return err
		case *object:
			return newJSONLines(cmd.OutOrStdout()).write(p)
		}
		for _, note := range p.Notes {
			fmt.Fprintln(cmd.ErrOrStderr(), "note:", note)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", p.Notice.Summary, p.Notice.Detail)
		return err
	}
	return cmd
}

func alertTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test HANDLER",
		Short: "tell a handler that it is tried",
		Long: `Tells a handler of dwmon.yaml a notice that says that it is a test, with the handler's
own settings, at once and past the queue of deliveries: its receiver really is told. It
prints what the receiver answered, or why it was not told and what to do. The exit code
is 1 then. A handler whose plugin takes no notices is told a result that is marked as a
test. It works beside a running daemon, in a process of its own.`,
		Example: "  dwmon alert test mail\n  dwmon alert test on-call --json",
		Args:    asUsed,
	}
	settings(cmd, "plugins", "timezone", "strict")
	logFlags(cmd, "info", "text")
	object := asJSON(cmd, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		test, err := daemon.TryHandler(cmd.Context(), o, args[0])
		if err != nil {
			return aboutPlugin(cmd, err)
		}
		if *object {
			err = newJSONLines(cmd.OutOrStdout()).write(test)
		} else {
			printHandlerTest(cmd.OutOrStdout(), test)
		}
		if err == nil && !test.Taken {
			err = errFault
		}
		return err
	}
	return cmd
}

func printHandlerTest(out io.Writer, t *daemon.HandlerTest) {
	list := [][2]string{{"handler", fmt.Sprintf("%s, plugin %s %s", t.Handler, t.Plugin, t.Version)}}
	if t.Notice {
		list = append(list, [2]string{"notice", t.Summary})
	} else {
		list = append(list, [2]string{"result", t.Summary + " (the plugin takes no notices)"})
	}
	list = append(list, [2]string{"key", t.Key})
	if t.Taken {
		list = append(list, [2]string{"taken", "in " + short3(t.Seconds) + ": this was no rehearsal, its receiver has been told"})
	}
	for _, r := range t.Receipts {
		list = append(list, [2]string{"receipt", r})
	}
	pairs(out, append(list, failure(t.Failure)...))
}
