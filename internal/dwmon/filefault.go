package dwmon

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severity says whether a fault stops its file from being used.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// FileFault is one thing that is wrong in a text that people write: a checker
// file or the configuration. It holds no secret.
type FileFault struct {
	// File is the file as its reader was told; a flag or a variable of the
	// environment stands here by its name.
	File string
	// Line and Column count from 1, Column in characters; both are 0 where the
	// fault has no place in the text (the file cannot be read).
	Line, Column int
	Severity     Severity
	// Message says what is wrong, Hint how to mend it; Hint may be empty.
	Message string
	Hint    string
	// LineText is the line without its end; empty where it is not to be shown.
	LineText string
	// Code is the kind of the fault, one of FaultRules; empty stands for syntax.
	Code string
	// Edit mends the fault where there is but one way to do so.
	Edit TextEdit
}

// TextFault is one thing that is wrong in a text that stands within a file, such
// as a template.
type TextFault struct {
	// Line and Column are its place in the text, counted from 1, Column in
	// characters; 0 where it is not known.
	Line, Column int
	// Message and Hint are as in FileFault.
	Message, Hint string
}

// Error gives FILE:LINE:COLUMN: what is wrong.
func (f FileFault) Error() string {
	var b strings.Builder
	b.WriteString(Printable(f.File))
	if f.Line > 0 {
		b.WriteString(":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(max(f.Column, 1)))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if f.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Text gives the fault as people are shown it, each line ended: the error, the
// line, a caret below the column, and the hint.
func (f FileFault) Text() string {
	const indent = "    "
	var b strings.Builder
	b.WriteString(f.Error() + "\n")
	if f.Line > 0 && strings.TrimSpace(f.LineText) != "" {
		line, caret := excerpt(f.shownLine())
		b.WriteString(indent + line + "\n" + indent + caret + "\n")
	}
	if f.Hint != "" {
		b.WriteString(indent + f.Hint + "\n")
	}
	return b.String()
}

// shownLine is the line, without the passwords of URLs: what is printed in a pull
// request is read by many. column counts from 0.
func (f FileFault) shownLine() (text string, column int) {
	column = max(f.Column, 1) - 1
	clean := withoutPassword(f.LineText)
	if clean == f.LineText {
		return clean, column
	}
	chars := []rune(f.LineText)
	before := string(chars[:min(column, len(chars))])
	return clean, utf8.RuneCountInString(withoutPassword(before))
}

// MarshalJSON writes the object that `validate --json` prints.
func (f FileFault) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Column   int      `json:"column"`
		Severity Severity `json:"severity"`
		Message  string   `json:"message"`
		Hint     string   `json:"hint"`
		Rule     string   `json:"rule"`
	}{f.File, f.Line, f.Column, f.Severity, f.Message, f.Hint, f.Rule()})
}

// SortFaults orders faults by file and place; faults of one place stay as they
// were found.
func SortFaults(faults []FileFault) {
	slices.SortStableFunc(faults, func(a, b FileFault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// AnyError says whether one of the faults is more than a warning.
func AnyError(faults []FileFault) bool {
	return slices.ContainsFunc(faults, func(f FileFault) bool { return f.Severity == SeverityError })
}

// FileFaults is the faults of one or more files as an error.
type FileFaults []FileFault

// Error gives one line for each fault.
func (f FileFaults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Text gives all faults as people are shown them.
func (f FileFaults) Text() string {
	var b strings.Builder
	for i := range f {
		b.WriteString(f[i].Text())
	}
	return b.String()
}

// Widths of an excerpt, in characters: queries and JSON are sometimes written in
// one line of many thousands.
const (
	excerptBefore = 60
	excerptAfter  = 40
)

// excerpt gives the part of a line around a column (from 0) and the line below
// it, with a caret under the column. Tabs are kept in both, so that the caret is
// right whatever a tab's width is.
func excerpt(text string, column int) (line, caret string) {
	chars := []rune(text)
	column = min(column, len(chars))
	from, to := 0, len(chars)
	if to > excerptBefore+excerptAfter {
		from = max(0, column-excerptBefore)
		to = min(to, column+excerptAfter)
	}
	var a, b strings.Builder
	if from > 0 {
		a.WriteString("…")
		b.WriteString(" ")
	}
	for i := from; i < to; i++ {
		r := shown(chars[i])
		a.WriteRune(r)
		if i >= column {
			continue
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteString("  "[:cells(r)])
		}
	}
	if to < len(chars) {
		a.WriteString("…")
	}
	return strings.TrimRightFunc(a.String(), unicode.IsSpace), b.String() + "^"
}

// shown keeps control characters of a file from reaching a terminal.
func shown(r rune) rune {
	if r != '\t' && !unicode.IsPrint(r) && !unicode.In(r, unicode.Mn, unicode.Me) {
		return utf8.RuneError
	}
	return r
}

// Printable is a text of one line without what would drive a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return utf8.RuneError
		}
		return shown(r)
	}, s)
}

// cells is how many columns of a terminal a character takes.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	default:
		return 1
	}
}

// wide is the characters that fill two columns: East Asian scripts, full-width
// forms and pictures.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x2e80, 0x303e, 1},
		{0x3041, 0x33ff, 1},
		{0x3400, 0x4dbf, 1},
		{0x4e00, 0xa4cf, 1},
		{0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff00, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1},
	},
}
