package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// newRoot is the table of commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "dwmon",
		Short: "monitors counts of things in datastores",
		Long: `dwmon watches counts of things in datastores: how many orders, executions or
rows arrived in the last minutes. A check is a small text file; every minute dwmon
asks the source, counts, and tells GOOD or BAD to the check handlers.`,
		Example:       "  dwmon demo\n  dwmon new billing/new_invoices\n  dwmon daemon --plugins ./plugins --checks ./checks",
		Version:       daemon.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetVersionTemplate("dwmon {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{err, cmd.CommandPath() + " --help"} })
	for _, g := range groups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(guardCommand())
	cobra.EnableCommandSorting = false // the order of groups is that of work
	root.SetHelpCommandGroupID(lastGroup)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	polish(root)
	walk(root, checkArgs)
	return root
}

// group is a part of the list of commands that --help shows.
type group struct {
	title    string
	commands []*cobra.Command
}

// lastGroup takes cobra's own commands, too.
const lastGroup = "Editors, shells, help"

// groups are the commands as people come to need them.
func groups() []group {
	return []group{
		{"Start", []*cobra.Command{demoCommand(), daemonCommand(), onceCommand()}},
		{"Write checks", []*cobra.Command{
			newCommand(), tryCommand(), validateCommand(), unitTestCommand(), backfillCommand(), suggestCommand(), backtestCommand(),
		}},
		{"Look", []*cobra.Command{
			statusCommand(), incidentsCommand(), historyCommand(), explainCommand(), histogramCommand(), slowCommand(), deliveriesCommand(),
		}},
		{"Act", []*cobra.Command{ackCommand(), silenceCommand(), settleCommand(), alertCommand()}},
		{"Plugins and data", []*cobra.Command{
			pluginCommand(), doctorCommand(), backupCommand(), renameCommand(), forgetCommand(), importCommand(),
		}},
		{lastGroup, []*cobra.Command{lspCommand(), schemaCommand(), versionCommand()}},
	}
}

// polish makes cobra's own commands speak as ours do.
func polish(root *cobra.Command) {
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Short = "what a command does, with its flags and an example"
		}
		if c.Name() != "completion" {
			continue
		}
		c.GroupID = lastGroup
		c.Short = "completion of commands and flags for a shell"
		c.Long = "Prints a script that makes a shell complete dwmon's commands and flags."
		c.Example = "  source <(dwmon completion bash)\n  dwmon completion zsh > \"${fpath[1]}/_dwmon\""
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		}
		for _, shell := range c.Commands() {
			shell.Short = "the script for " + shell.Name()
			shell.Example = "  dwmon completion " + shell.Name()
		}
	}
}

func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walk(sub, f)
	}
}

// checkArgs makes wrong numbers of arguments an error of usage.
func checkArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err, cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	err := fmt.Errorf("%s has no command %q", cmd.CommandPath(), name)
	cmd.SuggestionsMinimumDistance = 2
	if near := nearest(name, cmd.SuggestionsFor(name)); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return &usageError{err, cmd.CommandPath() + " --help"}
}

// nearest leaves of suggestions those that are completions of a name, or fewest
// letters away from it.
func nearest(name string, suggested []string) (near []string) {
	least := len(name)
	for _, s := range suggested {
		least = min(least, dwmon.Distance(name, s))
	}
	for _, s := range suggested {
		if strings.HasPrefix(s, name) || dwmon.Distance(name, s) == least {
			near = append(near, s)
		}
	}
	return near
}

// settings adds --config and the flags of the settings named to a command.
func settings(cmd *cobra.Command, names ...string) {
	cmd.Flags().String("config", "", "configuration file (default ./dwmon.yaml where it exists)")
	for _, s := range config.Overrides {
		switch {
		case !slices.Contains(names, s.Flag):
		case s.Bool:
			cmd.Flags().Bool(s.Flag, false, s.Usage)
		default:
			cmd.Flags().String(s.Flag, "", s.Usage)
		}
	}
}

// load reads the configuration as the command's flags say.
func load(cmd *cobra.Command) (*config.Config, error) {
	opts := config.LoadOptions{Flags: map[string]string{}, Template: notice.Faults}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "config":
			opts.Path = f.Value.String()
		case slices.ContainsFunc(config.Overrides, func(s config.Override) bool { return s.Flag == f.Name }):
			opts.Flags[f.Name] = f.Value.String()
		}
	})
	return config.Load(opts)
}

// reading opens the configured database for a command that reads.
func reading(cmd *cobra.Command, f func(*daemon.Reader, *config.Config) error) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	r, err := daemon.OpenReader(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	return errors.Join(f(r, cfg), r.Close())
}

// asJSON adds --json.
func asJSON(cmd *cobra.Command, help string) *bool {
	return cmd.Flags().Bool("json", false, help)
}

// asUsed wants the arguments that a command's Use names: NAME once, [NAME] once at
// most, NAME… once at least, [NAME…] as often as you like.
func asUsed(cmd *cobra.Command, args []string) error {
	_, use, _ := strings.Cut(cmd.Use, " ")
	words, _, _ := strings.Cut(use, "--")
	wanted, most := []string(nil), 0
	for word := range strings.FieldsSeq(words) {
		if most++; !strings.HasPrefix(word, "[") {
			wanted = append(wanted, strings.TrimSuffix(word, "…"))
		}
	}
	path, tooMany := cmd.CommandPath(), len(args) > most && !strings.Contains(words, "…")
	switch {
	case tooMany && most == 0:
		return fmt.Errorf("%s takes no arguments, but got %q", path, args[0])
	case tooMany:
		return fmt.Errorf("%q is one too many for `%s %s`", args[most], path, use)
	case len(args) < len(wanted):
		return fmt.Errorf("%s is missing in `%s %s`", wanted[len(args)], path, use)
	}
	return nil
}
