package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// limit is the value of --limit: how many are shown, 0 for all.
type limit int

// limitFlag adds --limit with what it usually is.
func limitFlag(cmd *cobra.Command, usually int, help string) *limit {
	l := limit(usually)
	cmd.Flags().Var(&l, "limit", help)
	return &l
}

// Set is pflag's.
func (l *limit) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return errors.New("it wants a whole number, 0 for all")
	}
	*l = limit(n)
	return nil
}

func (l *limit) String() string { return strconv.Itoa(int(*l)) }

// Type is pflag's, for the help.
func (l *limit) Type() string { return "int" }

// noteCut says that the limit has cut what is shown, where nobody has asked for so few.
func (l *limit) noteCut(cmd *cobra.Command, which string) {
	if *l > 0 && !cmd.Flags().Changed("limit") {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: only the %s %d are shown; --limit 0 shows all\n", which, *l)
	}
}
