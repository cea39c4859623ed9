package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/scaffold"
)

func pluginInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "begin a plugin: sources that build, with tests",
		Long: `Writes the sources of a new plugin into a folder of their own: a Go module, or for
python and shell a bundle, a folder that is dropped into the plugins folder as it is.
What is written works and is meant to be changed. No network is needed, but for what Go
has not in its module cache.

A Go plugin is built and tested at once. A development build of dwmon needs the sources
of its SDK: --sdk, else ` + scaffold.SDKEnv + `, else the clone in which this program lies.
Where there is no Go the files stay, and the exit code is 3.`,
		Example: `  dwmon plugin init pager --kinds handler
  dwmon plugin init shop --kinds getter,handler,purger --lang python --dir plugins/shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(cmd.CommandPath() + " needs one name for the plugin, such as pager")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := scaffold.Options{Version: daemon.Version}
	var sdk string
	cmd.Flags().StringSliceVar(&o.Kinds, "kinds", []string{"getter"}, "the kinds of work: getter, handler, purger")
	cmd.Flags().StringVar(&o.Lang, "lang", "go", "the language: go, python or shell")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "the folder to make (default ./dwmon-plugin-NAME for go, else ./NAME)")
	cmd.Flags().StringVar(&sdk, "sdk", "", "the folder of dwmon's sources, for go")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(scaffold.Languages, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("kinds", cobra.FixedCompletions(scaffold.Kinds, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("sdk")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Name = args[0]
		err := initPlugin(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o, sdk)
		var input *scaffold.InputError
		var tools *scaffold.ToolchainError
		switch {
		case errors.As(err, &input):
			return &usageError{err, cmd.CommandPath() + " --help"}
		case errors.As(err, &tools) && tools.Missing, errors.Is(err, os.ErrPermission):
			return &daemon.EnvironmentError{Err: err}
		}
		return err
	}
	return cmd
}

func initPlugin(ctx context.Context, out, errs io.Writer, o scaffold.Options, sdk string) (err error) {
	if err := o.Check(); err != nil {
		return err
	}
	if o.Lang == "go" {
		if o.SDK, err = scaffold.FindSDK(sdk, o.Version); err != nil {
			return err
		}
	}
	made, err := scaffold.Make(o)
	if err != nil {
		return err
	}
	dir := shortPath(made.Dir)
	fmt.Fprintf(out, "%s: %s\n", dir, strings.Join(made.Files, ", "))
	if o.Lang == "go" {
		if err := scaffold.Build(ctx, made, o.Name, func(step string) { fmt.Fprintln(out, "  "+step) }); err != nil {
			var tools *scaffold.ToolchainError
			if errors.As(err, &tools) && tools.Output != "" {
				fmt.Fprint(errs, tools.Output)
			}
			return fmt.Errorf("the files are in %s: %w", dir, err)
		}
	}
	fmt.Fprint(out, "\nNext:\n")
	for _, step := range nextSteps(o, dir) {
		fmt.Fprintln(out, "  "+step)
	}
	return nil
}

// nextSteps are command lines, each with what it is for.
func nextSteps(o scaffold.Options, dir string) []string {
	lines := [][2]string{{"$EDITOR " + filepath.Join(dir, "README.md"), "what is where"}}
	target := dir
	if o.Lang == "go" {
		target = filepath.Join(dir, "dwmon-plugin-"+o.Name)
		if !strings.HasPrefix(target, string(filepath.Separator)) {
			target = "." + string(filepath.Separator) + target
		}
		lines = append(lines, [2]string{"dwmon plugin test " + target, "one real call; its help tells how to give it a checker"})
		lines = append(lines, [2]string{"mv " + target + " " + config.DefaultPlugins + "/", "into the plugins folder: a daemon takes it over within half a minute"})
	} else {
		bridge := map[string]string{"python": "python", "shell": "exec"}[o.Lang]
		if filepath.Dir(dir) != config.DefaultPlugins { // else it lies there already
			lines = append(lines, [2]string{"mv " + dir + " " + config.DefaultPlugins + "/", "beside the bridge that runs it, dwmon-plugin-" + bridge})
		}
		lines = append(lines, [2]string{"dwmon plugin test " + o.Name, "one real call; its help tells how to give it a checker"})
	}
	lines = append(lines, [2]string{"dwmon plugin list", "what dwmon makes of it"})
	widest := 0
	for _, l := range lines {
		widest = max(widest, len(l[0]))
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = fmt.Sprintf("%-*s  # %s", widest, l[0], l[1])
	}
	return out
}

// shortPath is a path as seen from here, where that is shorter.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
