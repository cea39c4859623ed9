package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// noted is a table with notes below its rows, for texts that are too long for a
// column. In a narrow terminal its optional columns become notes, too.
type noted struct {
	out     io.Writer
	columns []string
	// optional are the columns that may go, the first one first.
	optional []string
	rows     []notedRow
}

type notedRow struct{ cells, notes []string }

func newNoted(out io.Writer, columns ...string) *noted { return &noted{out: out, columns: columns} }

func (t *noted) row(notes []string, cells ...string) {
	t.rows = append(t.rows, notedRow{cells, notes})
}

const (
	notedGap    = 2
	notedIndent = 4
	// narrowest is the least width that notes are wrapped to.
	narrowest = 30
)

func (t *noted) print() error {
	width := columnsOf(t.out)
	shown := t.fit(width)
	var b strings.Builder
	line := func(cells []string) {
		var l strings.Builder
		for _, at := range shown {
			l.WriteString(text.Pad(cells[at], t.width(at)+notedGap, ' '))
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = strings.ToUpper(c)
	}
	line(head)
	for _, r := range t.rows {
		line(r.cells)
		for at, cell := range r.cells {
			if !slices.Contains(shown, at) && cell != "" {
				b.WriteString(indented(t.columns[at]+" "+cell, 0))
			}
		}
		for _, note := range r.notes {
			b.WriteString(indented(note, width))
		}
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// fit chooses the columns that a width has room for; 0 has room for all.
func (t *noted) fit(width int) []int {
	shown := make([]int, len(t.columns))
	for i := range shown {
		shown[i] = i
	}
	for _, name := range t.optional {
		total := -notedGap
		for _, at := range shown {
			total += t.width(at) + notedGap
		}
		if width == 0 || total <= width {
			break
		}
		shown = slices.DeleteFunc(shown, func(at int) bool { return t.columns[at] == name })
	}
	return shown
}

func (t *noted) width(at int) int {
	most := text.StringWidthWithoutEscSequences(t.columns[at])
	for _, r := range t.rows {
		most = max(most, text.StringWidthWithoutEscSequences(r.cells[at]))
	}
	return most
}

// indented is a note, wrapped to a width; 0: not at all.
func indented(note string, width int) string {
	note = strings.TrimRight(note, "\n")
	if width > 0 {
		note = wrapped(note, max(width-notedIndent, narrowest))
	}
	var b strings.Builder
	for line := range strings.SplitSeq(note, "\n") {
		b.WriteString(strings.TrimRight(strings.Repeat(" ", notedIndent)+line, " ") + "\n")
	}
	return b.String()
}

// wrapped breaks lines at spaces. A word that is longer than a line, such as a path,
// stays whole, so that it can be copied.
func wrapped(s string, width int) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if text.StringWidthWithoutEscSequences(line) <= width {
			out = append(out, line)
			continue
		}
		current := ""
		for word := range strings.FieldsSeq(line) {
			switch longer := current + " " + word; {
			case current == "":
				current = word
			case text.StringWidthWithoutEscSequences(longer) <= width:
				current = longer
			default:
				out, current = append(out, current), word
			}
		}
		out = append(out, current)
	}
	return strings.Join(out, "\n")
}

// columnsOf is how many cells a line of the stream has: of a terminal, or as COLUMNS
// says; 0 where lines have no end.
func columnsOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	f, ok := fileOf(w)
	if !ok {
		return 0
	}
	return terminalWidth(f)
}

// cutCells shortens a text to some cells.
func cutCells(s string, cells int) string {
	if text.StringWidthWithoutEscSequences(s) <= cells {
		return s
	}
	return text.Trim(s, max(cells-1, 0)) + "…"
}

// pairs prints names and values in two columns, values wrapped.
func pairs(out io.Writer, list [][2]string) {
	widest := 0
	for _, p := range list {
		widest = max(widest, text.StringWidthWithoutEscSequences(p[0]))
	}
	width := columnsOf(out)
	for _, p := range list {
		value := p[1]
		if width > 0 {
			value = wrapped(value, max(width-widest-notedGap, narrowest))
		}
		for i, line := range strings.Split(value, "\n") {
			name := ""
			if i == 0 {
				name = p[0]
			}
			fmt.Fprintln(out, strings.TrimRight(text.Pad(name, widest+notedGap, ' ')+line, " "))
		}
	}
}
