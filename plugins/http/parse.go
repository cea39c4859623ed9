package main

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// directive is one `name: value` of a QUERY section.
type directive struct {
	name string
	line int // from 0
	at   int // byte of the name
	value
}

// parser reads a QUERY section.
type parser struct {
	report
	// first is the first line where it is a request line.
	first      value
	directives []directive
	headers    []directive
	// misspelt: a name is unknown, so that another may not really be missing.
	misspelt bool
}

// parse reads a QUERY section. Its error is of type faults: everything that can be
// seen without asking the server.
func parse(text string) (*request, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	p := &parser{report: report{lines: strings.Split(text, "\n")}}
	p.split()
	r := p.build()
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b fault) int {
			return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
		})
		return nil, p.faults
	}
	return r, nil
}

// split cuts the section into the request line, headers and directives.
func (p *parser) split() {
	var open *directive // the one that indented lines belong to
	var body []int      // its lines below the first
	end := func() {
		if open == nil {
			return
		}
		p.indented(&open.value, body)
		if c := open.name[0]; 'A' <= c && c <= 'Z' {
			p.headers = append(p.headers, *open)
		} else {
			p.directives = append(p.directives, *open)
		}
		open, body = nil, nil
	}
	started := false
	for i, line := range p.lines {
		switch {
		case strings.TrimSpace(line) == "":
			if open != nil {
				body = append(body, i)
			}
		case started && (line[0] == ' ' || line[0] == '\t'):
			if open == nil {
				p.at(i, 0, "this line is indented, and there is no value above that it could belong to")
				continue
			}
			body = append(body, i)
		case line[0] == '#':
			// A comment ends no value: it may stand between its lines.
		case !started:
			started = true
			open = p.begin(i, line)
		default:
			end()
			if open = p.directive(i, line); open == nil {
				p.at(i, 0, "want `name: value`; a line that belongs to the value above is indented")
			}
		}
	}
	end()
	if !started {
		p.at(0, 0, "the request is empty; begin with a line such as GET /v1/orders")
	}
}

// begin reads the first line: a request line, or a directive.
func (p *parser) begin(i int, line string) *directive {
	if d := p.directive(i, line); d != nil {
		return d
	}
	at := len(line) - len(strings.TrimLeft(line, " \t"))
	p.first.add(i, at, strings.TrimSpace(line))
	return nil
}

// directive reads `name: value`; nil where the line is none. A URL is none, and
// neither is a target with a colon.
func (p *parser) directive(i int, line string) *directive {
	at := len(line) - len(strings.TrimLeft(line, " \t"))
	name, rest, ok := strings.Cut(line[at:], ":")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r == '-' || r == '_' || unicode.IsDigit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		return nil
	}
	d := &directive{name: name, line: i, at: at}
	piece := strings.TrimSpace(rest)
	from := at + len(name) + 1 + len(rest) - len(strings.TrimLeft(rest, " \t"))
	if piece == "" {
		from = len(strings.TrimRight(line, " \t"))
	}
	d.add(i, from, piece)
	return d
}

// indented adds the lines below a directive without their common indentation.
// Blank lines at the end belong to nothing.
func (p *parser) indented(v *value, lines []int) {
	for len(lines) > 0 && strings.TrimSpace(p.lines[lines[len(lines)-1]]) == "" {
		lines = lines[:len(lines)-1]
	}
	common := -1
	for _, i := range lines {
		line := p.lines[i]
		if strings.TrimSpace(line) == "" {
			continue
		}
		if n := len(line) - len(strings.TrimLeft(line, " \t")); common < 0 || n < common {
			common = n
		}
	}
	if v.text == "" && len(lines) > 0 {
		v.from = nil // the value begins below its name
	}
	for _, i := range lines {
		line := strings.TrimRight(p.lines[i], " \t")
		n := min(common, len(line))
		v.add(i, n, line[n:])
	}
}
