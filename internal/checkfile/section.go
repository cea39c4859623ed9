package checkfile

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	markQuery        = "__QUERY__"
	markRequirements = "__REQUIREMENTS__"
	markSource       = "__SOURCE__"
	markExtra        = "__EXTRA__"
	markOptions      = "__OPTIONS__"
)

// marks are the sections' markers; the first three must be there.
var marks = []string{markQuery, markRequirements, markSource, markExtra, markOptions}

const needed = 3

// section is one section of a file: the lines below its marker up to the next.
type section struct {
	mark string
	// line and column (in bytes), both from 0, are the marker's place.
	line, column int
	// start and end are offsets of the body in the text.
	start, end int
}

// split finds the sections by their markers, each once, and reports whatever
// stands before the first. A marker that is misspelt or not alone begins its
// section all the same, so that one slip makes one fault.
func (s *source) split() map[string]section {
	sections := map[string]section{}
	var open *section
	closeAt := func(offset int) {
		if open == nil {
			return
		}
		open.end = offset
		if before, twice := sections[open.mark]; twice {
			s.at(open.line, open.column, fmt.Sprintf("a second section %s; the first begins in line %d", open.mark, before.line+1), "remove one of them")
		} else {
			sections[open.mark] = *open
		}
	}
	stray := false
	for i := range s.lines {
		known := len(s.faults)
		if sec, ok := s.marker(i, open); ok {
			closeAt(s.starts[i])
			open = &sec
			continue
		}
		stray = stray || len(s.faults) > known
		if open == nil && !stray && !skipped(s.lines[i]) {
			stray = true
			s.at(i, leading(s.lines[i]), "text before the first section", "begin with "+markQuery+" on a line of its own; only blank lines and lines that begin with # may stand before it")
		}
	}
	closeAt(len(s.text))
	s.missingSections(sections)
	return sections
}

func (s *source) missingSections(sections map[string]section) {
	for _, mark := range marks[:needed] {
		if _, ok := sections[mark]; !ok {
			f := s.at(len(s.lines)-1, 0, "the section "+mark+" is missing", "add a line "+mark+" and below it "+contents[mark])
			f.LineText = ""
		}
	}
}

var contents = map[string]string{
	markQuery:        "the query",
	markRequirements: "at least one requirement line, such as CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS3600",
	markSource:       "the name of a source",
}

// skipped says whether a line is blank or a comment.
func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// leading is the length of a line's leading white space in bytes.
func leading(line string) int {
	return len(line) - len(strings.TrimLeft(line, " \t\v\f\r\u00a0"))
}

// marker says whether a line begins a section, and reports a marker that is not
// written as it should be. Inside a section only what can hardly be anything but
// a slip is taken for a marker: a query need not be SQL.
func (s *source) marker(i int, open *section) (section, bool) {
	line := s.lines[i]
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "_") {
		return section{}, false
	}
	sec := section{line: i, column: strings.Index(line, text), start: s.after(i)}
	if slices.Contains(marks, text) {
		sec.mark = text
		return sec, true
	}
	for _, mark := range marks {
		rest, ok := strings.CutPrefix(text, mark)
		if !ok || isWord(rest[0]) {
			continue
		}
		sec.mark = mark
		sec.start = s.starts[i] + sec.column + len(mark)
		hint := "put the marker on a line of its own"
		if rest = strings.TrimSpace(strings.TrimLeft(rest, ":= \t")); rest != "" {
			hint = "put " + word(rest) + " on the next line"
		} else { // what follows is no part of the section: one slip is one fault
			sec.start = s.after(i)
		}
		s.at(i, sec.column, mark+" does not stand alone on its line", hint)
		return sec, true
	}
	return s.misspelt(sec, text, open)
}

func (s *source) misspelt(sec section, text string, open *section) (section, bool) {
	name, ok := markerLike(text)
	if !ok {
		return section{}, false
	}
	sec.mark = nearestMark(name, open == nil || open.mark == markRequirements)
	switch {
	case sec.mark != "":
		replace(s.at(sec.line, sec.column, "unknown section "+word(text), "did you mean "+sec.mark+"?"), text, sec.mark)
		return sec, true
	case open == nil:
		s.at(sec.line, sec.column, "unknown section "+word(text), "sections are "+strings.Join(marks, ", "))
		return section{}, false
	default:
		return section{}, false
	}
}

// markerLike gives the letters of a line that has the shape of a marker.
func markerLike(text string) (name string, ok bool) {
	text = strings.TrimRight(text, ": ")
	name = strings.Trim(text, "_")
	if name == "" || strings.ContainsAny(name, " \t(){}.,;'\"") || !strings.HasSuffix(text, "_") && strings.ToUpper(name) != name {
		return "", false
	}
	return name, true
}

// nearestMark gives the marker that is meant by a misspelt name; "" for none.
// Where the text around is free, a name must be nearer to be taken for a slip.
func nearestMark(name string, lenient bool) string {
	best, least := "", 0
	for _, mark := range marks {
		word := strings.Trim(mark, "_")
		limit := 1 + len(word)/10
		if lenient {
			limit = 2
		}
		d := dwmon.Distance(strings.ToUpper(name), word)
		if d <= limit && (best == "" || d < least) {
			best, least = mark, d
		}
	}
	return best
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// after is the offset at which the line below line i begins.
func (s *source) after(i int) int {
	if i+1 < len(s.starts) {
		return s.starts[i+1]
	}
	return len(s.text)
}

// body is a section's text, marker excluded.
func (s *source) body(sec section) string {
	return s.text[sec.start:sec.end]
}

// place gives the line (from 0) and the byte of it of an offset in the text.
func (s *source) place(offset int) (line, at int) {
	line = sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > offset }) - 1
	line = max(line, 0)
	return line, max(offset-s.starts[line], 0)
}
