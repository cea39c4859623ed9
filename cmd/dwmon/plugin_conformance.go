package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// conformance runs the kit and prints a line for each case.
func conformance(cmd *cobra.Command, o daemon.Options, opts daemon.TrialOptions, lines bool) error {
	out := cmd.OutOrStdout()
	tally := map[plugintest.Status]int{}
	j := newJSONLines(out)
	err := daemon.Conform(cmd.Context(), o, opts, func(r plugintest.Result) {
		tally[r.Status]++
		if lines {
			_ = j.write(caseObject(r)) // the stream has gone
			return
		}
		fmt.Fprintf(out, "%-4s  %2d %-18s %s\n", painted(out, strings.ToUpper(string(r.Status))), r.ID, r.Name, short3(r.Took.Seconds()))
		if r.Detail != "" {
			fmt.Fprint(out, indented(r.Detail, columnsOf(out)))
		}
	})
	if err != nil {
		return aboutPlugin(cmd, err)
	}
	if !lines {
		fmt.Fprintf(out, "\n%d passed, %d failed, %d skipped\n", tally[plugintest.Pass], tally[plugintest.Fail], tally[plugintest.Skip])
		if tally[plugintest.Skip] > 0 {
			fmt.Fprintln(out, "What is skipped is not shown to work: --checker FILE gives a row getter a query, --handler lets a check handler be told.")
		}
	}
	if tally[plugintest.Fail] > 0 {
		return errFault
	}
	return nil
}

// caseObject is a line of `plugin test --conformance --json`.
func caseObject(r plugintest.Result) any {
	return struct {
		ID      int     `json:"id"`
		Name    string  `json:"name"`
		Status  string  `json:"status"`
		Detail  string  `json:"detail"`
		Seconds float64 `json:"seconds"`
	}{r.ID, r.Name, string(r.Status), r.Detail, r.Took.Seconds()}
}
