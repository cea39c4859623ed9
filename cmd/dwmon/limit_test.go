package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
)

// TestLimitNotes: what a usual limit cuts is said; what somebody asked for is not.
func TestLimitNotes(t *testing.T) {
	for _, c := range []struct {
		usually int
		args    []string
		says    string
	}{
		{20, nil, "note: only the newest 20 are shown; --limit 0 shows all\n"},
		{20, []string{"--limit", "3"}, ""},
		{20, []string{"--limit", "0"}, ""},
		{0, nil, ""},
	} {
		var said bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetErr(&said)
		l := limitFlag(cmd, c.usually, "")
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		l.noteCut(cmd, "newest")
		if said.String() != c.says {
			t.Errorf("usually %d, %q: it says %q", c.usually, c.args, said.String())
		}
	}
}
