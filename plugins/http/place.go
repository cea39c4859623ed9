package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fault is one thing that is wrong in a request, with its place in the QUERY
// section: lines and columns from 1, columns in characters.
type fault struct {
	line, column int
	text         string
	lineText     string
}

// Error gives QUERY:LINE:COLUMN: what is wrong.
func (f fault) Error() string {
	return fmt.Sprintf("QUERY:%d:%d: %s", f.line, f.column, f.text)
}

// excerpt is the line and, below it, a caret at the column.
func (f fault) excerpt() string {
	const indent, before, after = "    ", 60, 40
	chars := []rune(f.lineText)
	column := min(f.column-1, len(chars))
	from, to := 0, len(chars)
	if to > before+after {
		from, to = max(0, column-before), min(to, column+after)
	}
	var line, caret strings.Builder
	for i := from; i < to; i++ {
		r := chars[i]
		if r != '\t' && !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		line.WriteRune(r)
		switch {
		case i >= column:
		case r == '\t': // so that the caret is right whatever a tab's width is
			caret.WriteRune(r)
		default:
			caret.WriteByte(' ')
		}
	}
	return indent + strings.TrimRight(line.String(), " \t") + "\n" + indent + caret.String() + "^"
}

// faults are all that is wrong in one request.
type faults []fault

// Error gives each fault with its excerpt.
func (fs faults) Error() string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Error() + "\n" + f.excerpt()
	}
	return strings.Join(parts, "\n")
}

// maxFaults bounds what a text that is no request at all can say.
const maxFaults = 20

// value is a directive's value: a text that was put together from lines of the
// QUERY section and knows where each of its bytes came from.
type value struct {
	text string
	from []origin
}

// origin says that the bytes of a value from offset on stand at a byte of a line.
type origin struct {
	offset, line, at int // line counts from 0
}

// add puts a line's piece behind what is there.
func (v *value) add(line, at int, piece string) {
	if len(v.from) > 0 {
		v.text += "\n"
	}
	v.from = append(v.from, origin{len(v.text), line, at})
	v.text += piece
}

// slice is a part of a value.
func (v value) slice(from, to int) value {
	part := value{text: v.text[from:to]}
	for _, o := range v.from {
		switch {
		case o.offset <= from:
			part.from = []origin{{0, o.line, o.at + from - o.offset}}
		case o.offset < to:
			part.from = append(part.from, origin{o.offset - from, o.line, o.at})
		}
	}
	return part
}

// place finds the line, from 0, and the byte in it where a byte of the value
// stands.
func (v value) place(offset int) (line, at int) {
	found := v.from[0]
	for _, o := range v.from {
		if o.offset <= offset {
			found = o
		}
	}
	return found.line, found.at + max(offset-found.offset, 0)
}

// report gathers the faults of one QUERY section.
type report struct {
	lines  []string
	faults faults
}

// at notes a fault at a line, from 0, and a byte of it.
func (r *report) at(line, at int, format string, args ...any) {
	if len(r.faults) >= maxFaults {
		return
	}
	text := r.lines[line]
	at = min(max(at, 0), len(text))
	r.faults = append(r.faults, fault{
		line: line + 1, column: utf8.RuneCountInString(text[:at]) + 1,
		text: fmt.Sprintf(format, args...), lineText: text,
	})
}

// in notes a fault at a byte of a value.
func (r *report) in(v value, offset int, format string, args ...any) {
	line, at := v.place(offset)
	r.at(line, at, format, args...)
}

// placed is an error that knows the byte of the text it is about.
type placed struct {
	offset int
	err    error
}

func (p placed) Error() string { return p.err.Error() }

func faultAt(offset int, format string, args ...any) error {
	return placed{offset, fmt.Errorf(format, args...)}
}

// inPlace notes an error at its byte where it knows one, else at the value's first.
func (r *report) inPlace(v value, err error) {
	var p placed
	if errors.As(err, &p) {
		r.in(v, p.offset, "%s", p.err)
		return
	}
	r.in(v, 0, "%s", err)
}
