package checkfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Limits of a checker file.
const (
	MaxBytes = 1 << 20
	MaxLines = 1000
)

// Parser reads checker files. The zero value is ready.
type Parser struct {
	// Template finds fault with the text of OPTIONS `template`, given the EXTRA
	// section too; nil: any text will do.
	Template func(text string, extra []byte) []dwmon.TextFault
}

// Parse is Parser.Parse of the zero Parser.
func Parse(file, name string, text []byte) (*dwmon.Checker, []Fault) {
	return Parser{}.Parse(file, name, text)
}

// Parse reads the text of a checker file. file is where it was read, for
// people; name is the checker's name, which CheckName judges. It gives all
// faults, in the order of the file (the first hundred errors), and a Checker where none of them is an
// error. text is kept and must not be changed afterwards.
func (p Parser) Parse(file, name string, text []byte) (*dwmon.Checker, []Fault) {
	s := newSource(file, string(text))
	s.template = p.Template
	c := &dwmon.Checker{Name: name, File: file, Text: text, Revision: revision(text), Extra: []byte("{}")}
	if s.code = dwmon.CodeFile; s.readable() {
		s.code = dwmon.CodeSection
		sections := s.split()
		s.query(c, sections)
		s.sourceSection(c, sections)
		s.code = dwmon.CodeRequirement
		s.requirements(c, sections)
		s.code = dwmon.CodeExtra
		s.extra(c, sections)
		s.options(c, sections)
	}
	dwmon.SortFaults(s.faults)
	if s.errors > 0 {
		return nil, s.faults
	}
	return c, s.faults
}

func revision(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// readable reports what makes a file no text of ours at all, and says whether
// reading on can make sense.
func (s *source) readable() bool {
	switch {
	case len(s.text) > MaxBytes:
		s.at(0, 0, fmt.Sprintf("the file is larger than %d bytes", MaxBytes), "a checker file is a query and a few lines").LineText = ""
		return false
	case strings.HasPrefix(s.text, "\xff\xfe"), strings.HasPrefix(s.text, "\xfe\xff"):
		s.at(0, 0, "the file is UTF-16", "save it as UTF-8").LineText = ""
		return false
	case strings.Contains(s.text, "\r") && !strings.Contains(s.text, "\n"):
		s.at(0, 0, "the lines end in CR alone", "save the file with LF or CRLF line ends")
		return false
	}
	for i, line := range s.lines {
		if offset := invalidUTF8(line); offset >= 0 {
			s.at(i, offset, fmt.Sprintf("byte 0x%02x is not UTF-8", line[offset]), "save the file as UTF-8")
			return true
		}
	}
	return true
}

func invalidUTF8(line string) int {
	if utf8.ValidString(line) {
		return -1
	}
	for i, r := range line {
		if r == utf8.RuneError && !strings.HasPrefix(line[i:], "\ufffd") {
			return i
		}
	}
	return -1
}

func (s *source) query(c *dwmon.Checker, sections map[string]section) {
	if sec, ok := sections[markQuery]; ok {
		c.Query = s.whole(sec, "write the query below the marker")
	}
}

func (s *source) sourceSection(c *dwmon.Checker, sections map[string]section) {
	if sec, ok := sections[markSource]; ok {
		c.Source = s.whole(sec, "write the name of a source below the marker")
	}
}

// whole gives a section as it stands, trimmed; an empty one is a fault.
func (s *source) whole(sec section, hint string) string {
	text := strings.TrimSpace(s.body(sec))
	if text == "" {
		s.at(sec.line, sec.column, "the section "+sec.mark+" is empty", hint)
	}
	return text
}

// jsonSpace is the white space around a JSON value.
const jsonSpace = " \t\r\n"

func (s *source) extra(c *dwmon.Checker, sections map[string]section) {
	sec, ok := sections[markExtra]
	if !ok {
		return
	}
	body := s.body(sec)
	extra := strings.Trim(body, jsonSpace)
	if extra == "" {
		return
	}
	v := jsonChecker{text: extra}
	faults := v.check()
	begin := sec.start + len(body) - len(strings.TrimLeft(body, jsonSpace))
	for _, f := range faults {
		line, offset := s.place(begin + f.at)
		if f.warning {
			s.warn(dwmon.CodeExtraKeyTwice, line, offset, "EXTRA: "+f.message, f.hint)
			continue
		}
		fault := s.at(line, offset, "EXTRA is no JSON: "+f.message, f.hint)
		if f.old != "" {
			replace(fault, f.old, f.with)
		}
	}
	c.Extra = bytes.Clone([]byte(extra))
}
