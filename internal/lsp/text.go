package lsp

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/checkfile"
)

// document is a text as the editor has it. It does not change: an edit makes
// another one.
type document struct {
	uri     string
	version int
	text    string
	// starts are the offsets of the lines as the protocol counts them: they end in
	// LF, CRLF or CR.
	starts []int
	// parts is the outline, once it was asked for.
	parts *checkfile.Outline
}

func (d *document) outline() *checkfile.Outline {
	if d.parts == nil {
		d.parts = checkfile.NewOutline([]byte(d.text))
	}
	return d.parts
}

func newDocument(uri string, version int, text string) *document {
	d := &document{uri: uri, version: version, text: text, starts: []int{0}}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\n', text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			d.starts = append(d.starts, i+1)
		}
	}
	return d
}

// position is where an offset lies, in lines and UTF-16 units.
func (d *document) position(offset int) Position {
	offset = min(max(offset, 0), len(d.text))
	line := sort.Search(len(d.starts), func(i int) bool { return d.starts[i] > offset }) - 1
	return Position{Line: line, Character: utf16Len(d.text[d.starts[line]:offset])}
}

func utf16Len(s string) (units int) {
	for _, r := range s {
		if units++; r >= 0x10000 {
			units++
		}
	}
	return units
}

// offset is where a position lies in the text. One behind the end of its line is
// that end, one behind the last line the end of the text, and one within a
// character its beginning.
func (d *document) offset(p Position) int {
	if p.Line < 0 || p.Character < 0 {
		return d.offset(Position{max(p.Line, 0), max(p.Character, 0)})
	}
	if p.Line >= len(d.starts) {
		return len(d.text)
	}
	from, to := d.starts[p.Line], len(d.text)
	if p.Line+1 < len(d.starts) {
		to = d.starts[p.Line+1]
	}
	line := strings.TrimRight(d.text[from:to], "\r\n")
	units := 0
	for i, r := range line {
		width := 1
		if r >= 0x10000 {
			width = 2
		}
		if units+width > p.Character {
			return from + i
		}
		units += width
	}
	return from + len(line)
}

func (d *document) rangeOf(from, to int) Range {
	return Range{d.position(from), d.position(max(from, to))}
}

// change gives the text with a change made.
func (d *document) change(c contentChange) string {
	if c.Range == nil {
		return c.Text
	}
	from, to := d.offset(c.Range.Start), d.offset(c.Range.End)
	to = max(from, to)
	return d.text[:from] + c.Text + d.text[to:]
}

// place is the offset of a fault's line and column, as package dwmon counts them:
// lines end in LF, columns are characters from 1, and a byte order mark is none.
func (d *document) place(line, column int) int {
	at := 0
	for ; line > 1; line-- {
		end := strings.IndexByte(d.text[at:], '\n')
		if end < 0 {
			return len(d.text)
		}
		at += end + 1
	}
	if at == 0 {
		at = len(d.text) - len(strings.TrimPrefix(d.text, "\ufeff"))
	}
	for ; column > 1 && at < len(d.text) && d.text[at] != '\n'; column-- {
		_, size := utf8.DecodeRuneInString(d.text[at:])
		at += size
	}
	return at
}

// wordEnd is the end of what stands at an offset up to white space; the offset
// itself where nothing does.
func (d *document) wordEnd(offset int) int {
	if n := strings.IndexAny(d.text[offset:], " \t\r\n"); n >= 0 {
		return offset + n
	}
	return len(d.text)
}

// lineAt is the span of the line that an offset lies in, without its end.
func (d *document) lineAt(offset int) (from, to int) {
	from = strings.LastIndexByte(d.text[:offset], '\n') + 1
	to = len(d.text)
	if n := strings.IndexByte(d.text[offset:], '\n'); n >= 0 {
		to = offset + n
	}
	if to > from && d.text[to-1] == '\r' {
		to--
	}
	return from, max(to, from)
}
