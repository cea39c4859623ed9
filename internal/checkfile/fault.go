package checkfile

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Fault is one thing that is wrong in a checker file.
type Fault = dwmon.FileFault

// source is a text with its lines, in which places are byte offsets.
type source struct {
	file string
	text string
	// starts are the offsets of the lines, lines their texts without line ends.
	starts []int
	lines  []string
	faults []Fault
	// code is that of errors found from now on.
	code string
	// errors and warnings count what was found, errors beyond maxErrors included.
	errors, warnings int
	// template is as in Parser.
	template func(text string, extra []byte) []dwmon.TextFault
}

// A file that is no checker at all would drown its reader in faults, and cost
// the daemon the time to place them.
const (
	maxErrors   = 100
	maxWarnings = 20
)

// full says that looking for more errors is of no use.
func (s *source) full() bool { return s.errors >= maxErrors }

const bom = "\ufeff"

func newSource(file, text string) *source {
	s := &source{file: file, text: text}
	at := 0
	if strings.HasPrefix(text, bom) {
		at = len(bom)
	}
	for {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		s.addLine(at, at+end)
		at += end + 1
	}
	if at < len(text) || len(s.lines) == 0 {
		s.addLine(at, len(text))
	}
	return s
}

func (s *source) addLine(from, to int) {
	s.starts = append(s.starts, from)
	s.lines = append(s.lines, strings.TrimSuffix(s.text[from:to], "\r"))
}

// at reports an error at the given line (from 0) and byte of it. What it returns
// may be amended.
func (s *source) at(line, offset int, message, hint string) *Fault {
	if s.errors++; s.errors > maxErrors {
		return new(Fault)
	}
	return s.add(dwmon.SeverityError, line, offset, message, hint)
}

// warn reports a warning. What it returns may be amended.
func (s *source) warn(code string, line, offset int, message, hint string) *Fault {
	if s.warnings++; s.warnings > maxWarnings {
		return new(Fault)
	}
	f := s.add(dwmon.SeverityWarning, line, offset, message, hint)
	f.Code = code
	return f
}

// replace says that a fault is mended by other text in place of the one at fault,
// which stands at the fault's place.
func replace(f *Fault, old, with string) {
	f.Edit = dwmon.TextEdit{Until: f.Column + utf8.RuneCountInString(old), With: with}
}

func (s *source) add(severity dwmon.Severity, line, offset int, message, hint string) *Fault {
	text := s.lines[line]
	s.faults = append(s.faults, Fault{
		File: s.file, Line: line + 1, Column: utf8.RuneCountInString(text[:min(offset, len(text))]) + 1,
		Severity: severity, Message: message, Hint: hint, LineText: text, Code: s.code,
	})
	return &s.faults[len(s.faults)-1]
}

// word makes a piece of the text fit for a message: as it stands where that is
// plain and short, else quoted.
func word(text string) string {
	const most = 60
	count := 0
	for i := range text {
		if count++; count > most {
			text = text[:i] + "…"
			break
		}
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return strconv.Quote(text)
		}
	}
	return text
}
