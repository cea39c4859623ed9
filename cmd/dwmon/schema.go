package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/schema"
)

func schemaCommand() *cobra.Command {
	names := schema.Names()
	last := len(names) - 1
	oneOf := strings.Join(names[:last], ", ") + " or " + names[last]
	return &cobra.Command{
		Use:   "schema " + strings.Join(names, "|"),
		Short: "the JSON Schema of OPTIONS, dwmon.yaml or unit tests, for editors",
		Long: `Prints a JSON Schema (draft 2020-12), by which editors check and complete YAML:
options is that of the OPTIONS section of checker files, config that of dwmon.yaml,
test that of files of unit tests (*.dwmontest.yaml).
"dwmon validate" is the judge: a schema knows neither time zones nor the environment.`,
		Example:   "  dwmon schema config > dwmon.schema.json\n  # then, as the first line of dwmon.yaml:\n  # yaml-language-server: $schema=dwmon.schema.json",
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s wants one name: %s", cmd.CommandPath(), oneOf)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, ok := schema.Text(args[0])
			if !ok {
				err := fmt.Errorf("there is no schema %q: %s", args[0], oneOf)
				if near, found := dwmon.Nearest(args[0], names); found {
					err = fmt.Errorf("there is no schema %q; did you mean %s?", args[0], near)
				}
				return &usageError{err, cmd.CommandPath() + " --help"}
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
