package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

func pluginLockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lock [NAME…]",
		Short: "trust the plugins as they lie there, and run nothing else",
		Long: `Writes ` + pluginhost.LockFile + ` into the plugins folder: the version, kinds and
SHA-256 of each plugin. Where that file is, dwmon runs nothing that it does not name
with that very digest. With names only these plugins are locked anew, and the others
stay as they are; without, all that say what they are. Entries for other platforms
stay. Each plugin is started once. Exit code 1 says that a plugin could not be locked.`,
		Example: "  dwmon plugin lock --plugins ./plugins\n  dwmon plugin lock postgres",
		Args:    cobra.ArbitraryArgs,
	}
	settings(cmd, "plugins")
	logFlags(cmd, "error", "text")
	lines := asJSON(cmd, "print one JSON object for each entry")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := pluginOptions(cmd)
		if err != nil {
			return err
		}
		changes, err := daemon.LockPlugins(cmd.Context(), o, args)
		if err != nil {
			return err
		}
		return printLock(cmd, o.Config.Plugins, changes, *lines)
	}
	return cmd
}

func printLock(cmd *cobra.Command, dir string, changes []daemon.LockChange, lines bool) error {
	out := cmd.OutOrStdout()
	j := newJSONLines(out)
	refused := false
	for _, c := range changes {
		refused = refused || c.Change == daemon.LockRefused
		if lines {
			if err := j.write(c); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%-9s  %s%s\n", c.Change, c.Plugin, lockNote(c))
	}
	if len(changes) == 0 && !lines {
		fmt.Fprintf(out, "there are no plugins in %s\n", dir)
	}
	if refused {
		return errFault
	}
	return nil
}

func lockNote(c daemon.LockChange) string {
	switch c.Change {
	case daemon.LockRefused:
		return ": " + strings.ReplaceAll(c.Error, "\n", " ")
	case daemon.LockChanged:
		if c.OldSHA256 != c.SHA256 {
			return fmt.Sprintf(" (%s): sha256 %.12s → %.12s", c.Platform, c.OldSHA256, c.SHA256)
		}
		return fmt.Sprintf(" (%s): what it says of itself; sha256 %.12s as before", c.Platform, c.SHA256)
	case daemon.LockRemoved:
		return fmt.Sprintf(" (%s): sha256 %.12s", c.Platform, c.OldSHA256)
	default:
		return fmt.Sprintf(" (%s): sha256 %.12s", c.Platform, c.SHA256)
	}
}
