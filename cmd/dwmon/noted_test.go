package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"
)

// TestWrapped: no line is too long but for a word that is, and no word is lost.
func TestWrapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-zé→日/.]{1,30}`)).Draw(t, "words")
		width := rapid.IntRange(1, 80).Draw(t, "width")
		s := strings.Join(words, " ")
		got := wrapped(s, width)
		if strings.Join(strings.Fields(got), " ") != s {
			t.Fatalf("words are lost: %q", got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if text.StringWidthWithoutEscSequences(line) > width && len(strings.Fields(line)) > 1 {
				t.Fatalf("%q is longer than %d", line, width)
			}
		}
	})
}

// TestNotedDropsColumns: what a narrow terminal has no room for stands below.
func TestNotedDropsColumns(t *testing.T) {
	var out bytes.Buffer
	table := newNoted(&out, "name", "kinds", "path")
	table.optional = []string{"path", "kinds"}
	table.row([]string{"a remark of some length, in words that can be wrapped"}, "pulse", "row getter", "/a/very/long/path/of/a/plugin")
	table.row(nil, "日本", "", "")
	for _, c := range []struct{ columns, want string }{
		{"", `
NAME   KINDS       PATH
pulse  row getter  /a/very/long/path/of/a/plugin
    a remark of some length, in words that can be wrapped
日本
`},
		{"40", `
NAME   KINDS
pulse  row getter
    path /a/very/long/path/of/a/plugin
    a remark of some length, in words
    that can be wrapped
日本
`},
		{"16", `
NAME
pulse
    kinds row getter
    path /a/very/long/path/of/a/plugin
    a remark of some length, in
    words that can be wrapped
日本
`},
	} {
		t.Setenv("COLUMNS", c.columns)
		out.Reset()
		if err := table.print(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want[1:] {
			t.Errorf("COLUMNS=%s:\n%s\nwant\n%s", c.columns, out.String(), c.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"billing/new_invoices": "billing/new_invoices", "night batch": "'night batch'", "": "''", "a'b": `'a'\''b'`, "a$b": "'a$b'", "größe": "'größe'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
