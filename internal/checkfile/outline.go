package checkfile

import (
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Span is a part of a text in bytes: from From up to and without To.
type Span struct{ From, To int }

// Holds says whether an offset lies within the span or at one of its ends, as a
// cursor does.
func (s Span) Holds(offset int) bool { return s.From <= offset && offset <= s.To }

// Outline is where the parts of a checker file are, also of a text that has
// faults: for editors.
type Outline struct {
	text     string
	Sections []Section
}

// Section is a section of a file, in the order of the text. One that stands a
// second time is there too.
type Section struct {
	// Mark is the marker, such as __QUERY__; of a misspelt one that which is meant.
	Mark string
	// Marker is where it stands, Body what follows up to the next section or the end
	// of the text.
	Marker, Body Span
	// Lines are the requirement lines, those at fault included; nil in other sections.
	Lines []OutlineLine
}

// OutlineLine is a requirement line.
type OutlineLine struct {
	// Number counts from 1.
	Number int
	Span   Span
	Tokens []Token
}

// Token is a token of a requirement line.
type Token struct {
	// Name is such as CHECKHOURS; empty where it is none of ours. Value is what
	// follows it, which may be wrong.
	Name, Value string
	Span        Span
}

// NewOutline finds the parts of a text. Texts of any size and kind are taken.
func NewOutline(text []byte) *Outline {
	s := newSource("", string(text))
	o := &Outline{text: s.text}
	var open *section
	closeAt := func(offset int) {
		if open != nil {
			open.end = offset
			o.Sections = append(o.Sections, s.outlined(*open))
		}
	}
	for i := range s.lines {
		if sec, ok := s.marker(i, open); ok {
			closeAt(s.starts[i])
			open = &sec
		}
	}
	closeAt(len(s.text))
	return o
}

func (s *source) outlined(sec section) Section {
	from := s.starts[sec.line] + sec.column
	marker := Span{from, from + len(strings.TrimSpace(s.lines[sec.line]))}
	if sec.start < marker.To { // something stands behind the marker
		marker.To = sec.start
	}
	out := Section{Mark: sec.mark, Marker: marker, Body: Span{sec.start, sec.end}}
	if sec.mark != markRequirements {
		return out
	}
	for i := sec.line; i < len(s.lines) && s.starts[i] < sec.end; i++ {
		offset := max(sec.start-s.starts[i], 0)
		if offset > len(s.lines[i]) || skipped(s.lines[i][offset:]) {
			continue
		}
		out.Lines = append(out.Lines, s.outlinedLine(i, offset))
	}
	return out
}

func (s *source) outlinedLine(i, offset int) OutlineLine {
	at := s.starts[i]
	line := OutlineLine{Number: i + 1, Span: Span{at + offset, at + len(s.lines[i])}}
	for _, p := range fields(s.lines[i], offset) {
		name, value := split(p.text)
		line.Tokens = append(line.Tokens, Token{Name: name, Value: value, Span: Span{at + p.offset, at + p.offset + len(p.text)}})
	}
	return line
}

// Requirement reads a line of the outline by itself; false where it has a fault.
func (o *Outline) Requirement(line OutlineLine) (dwmon.Requirement, bool) {
	s := newSource("", o.text[line.Span.From:line.Span.To])
	l := &lineReader{s: s, at: map[string]int{}, req: dwmon.Requirement{FileLine: line.Number}}
	l.read(fields(s.lines[0], 0))
	return l.req, s.errors == 0
}

// At gives the section that an offset lies in, its marker included; nil before
// the first.
func (o *Outline) At(offset int) *Section {
	for i := len(o.Sections) - 1; i >= 0; i-- {
		if o.Sections[i].Marker.From <= offset {
			return &o.Sections[i]
		}
	}
	return nil
}

// Has says whether a section of that marker is there.
func (o *Outline) Has(mark string) bool {
	for i := range o.Sections {
		if o.Sections[i].Mark == mark {
			return true
		}
	}
	return false
}

// Text is what stands in a span.
func (o *Outline) Text(s Span) string { return o.text[s.From:s.To] }

// Markers are the markers of all sections in their usual order, and how many of
// them, the first ones, must be there.
func Markers() (all []string, required int) { return append([]string(nil), marks...), needed }

// TokenNames are the names of all tokens of requirement lines.
func TokenNames() []string { return append([]string(nil), tokenNames...) }

// TokenSample is a token of that name as it may stand in a file, such as
// CHECKHOURS0-23; the name itself where it takes no value.
func TokenSample(name string) string {
	if sample, ok := samples[name]; ok {
		return sample
	}
	return name
}
