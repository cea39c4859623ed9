package checkfile

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Tidy gives a checker file in canonical layout: a blank line between sections and
// none at their ends, at most one in a row elsewhere, tokens of requirement lines in
// one order with one space between, no byte order mark, a line end behind the last
// line. Comments, the order of sections and lines, and how values are spelt stay;
// within QUERY, SOURCE, EXTRA and OPTIONS no byte changes but line ends in OPTIONS.
//
// The result parses to the same checker, and Tidy of it is the result again. A text
// that has errors is given back as it is.
func Tidy(text []byte) []byte {
	c, _ := Parse("", "", text)
	if c == nil {
		return text
	}
	for _, wholeOptions := range []bool{false, true} {
		tidied := tidy(string(text), wholeOptions)
		if again, _ := Parse("", "", tidied); again != nil && Same(c, again) {
			return tidied
		}
	}
	return text
}

// Same says whether two checkers mean the same, wherever they stand and however
// they are written.
func Same(a, b *dwmon.Checker) bool { return bytes.Equal(Format(a), Format(b)) }

// part is a section as it is written anew, or what stands before the first.
type part struct {
	text string
	// whole says that not even a blank line may be added behind it.
	whole bool
}

// tidy writes the text anew. In OPTIONS blank lines at the end may belong to a text:
// with wholeOptions none is taken away or added there.
func tidy(text string, wholeOptions bool) []byte {
	s := newSource("", text)
	sections := s.split()
	ordered := make([]section, 0, len(sections))
	for _, sec := range sections {
		ordered = append(ordered, sec)
	}
	slices.SortFunc(ordered, func(a, b section) int { return cmp.Compare(a.line, b.line) })

	var parts []part
	if head := tidyLines(s.lines[:ordered[0].line], strings.TrimSpace); head != "" {
		parts = append(parts, part{text: head})
	}
	foreign := false // CRLF stands where no byte may change
	for _, sec := range ordered {
		body := s.body(sec)
		switch sec.mark {
		case markRequirements:
			body = tidyLines(strings.Split(body, "\n"), tidyRequirement)
		case markOptions:
			body = strings.ReplaceAll(body, "\r\n", "\n")
			if !wholeOptions {
				body = trimBlankLines(body)
			}
		default:
			body = trimAround(body)
			foreign = foreign || strings.Contains(body, "\r\n")
		}
		parts = append(parts, part{text: sec.mark + "\n" + body, whole: wholeOptions && sec.mark == markOptions})
	}
	return []byte(join(parts, foreign))
}

// join puts a blank line between the parts and a line end behind the last. A file
// of CRLF lines whose QUERY, SOURCE or EXTRA has several of them stays one: its
// lines must not end in two ways.
func join(parts []part, crlf bool) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 && !parts[i-1].whole {
			b.WriteByte('\n')
		}
		b.WriteString(p.text)
		if !strings.HasSuffix(p.text, "\n") {
			b.WriteByte('\n')
		}
	}
	if !crlf {
		return b.String()
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "\r\n", "\n"), "\n", "\r\n")
}

// tidyLines writes lines anew, runs of blank ones as one, none at begin and end.
func tidyLines(lines []string, tidy func(string) string) string {
	var out []string
	for _, line := range lines {
		line = tidy(line)
		if line != "" || len(out) > 0 && out[len(out)-1] != "" {
			out = append(out, line)
		}
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

// tokenOrder is the order in which Requirement.Identity writes them.
var tokenOrder = []string{tokHours, tokMinutes, tokWeekends, tokWeekdays, tokDays, tokMin, tokMax, tokLookback, tokHalfOpen}

// tidyRequirement writes one line of REQUIREMENTS anew; values stay as they are
// spelt, for */45 may be shorter than 0,45, but is harder to read.
func tidyRequirement(line string) string {
	if skipped(line) {
		return strings.TrimSpace(line)
	}
	tokens := strings.Fields(line)
	slices.SortStableFunc(tokens, func(a, b string) int {
		nameA, _ := split(a)
		nameB, _ := split(b)
		return cmp.Compare(slices.Index(tokenOrder, nameA), slices.Index(tokenOrder, nameB))
	})
	return strings.Join(tokens, " ")
}

// trimAround removes blank lines before a text and white space behind it, but not
// the indentation of its first line: the lines below are indented like it.
func trimAround(body string) string {
	text := strings.TrimSpace(body)
	before := body[:strings.Index(body, text)]
	indent := before[strings.LastIndexByte(before, '\n')+1:]
	if strings.Trim(indent, " \t") != "" || !strings.Contains(text, "\n") {
		return text
	}
	return indent + text
}

// trimBlankLines removes blank lines at both ends.
func trimBlankLines(body string) string {
	lines := strings.Split(body, "\n")
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// WithRequirements gives a checker file in which the lines of the REQUIREMENTS
// section, comments among them, are the given ones; whatever else there is stays
// byte for byte, blank lines at the section's ends too, and the lines end as the
// file's do. Each line is a requirement line, a comment or blank. A text without
// that section is given back as it is.
func WithRequirements(text []byte, lines []string) []byte {
	s := newSource("", string(text))
	sec, ok := s.split()[markRequirements]
	if !ok {
		return text
	}
	eol := "\n"
	if strings.HasSuffix(s.text[:s.after(sec.line)], "\r\n") {
		eol = "\r\n"
	}
	body := s.body(sec)
	content := strings.TrimSpace(body)
	if content == "" {
		return []byte(withFirstLines(s.text, sec, lines, eol))
	}
	from := sec.start + strings.Index(body, content)
	until := from + len(content)
	// The first line goes whole, indentation too.
	from = max(sec.start, strings.LastIndexByte(s.text[:from], '\n')+1)
	return []byte(s.text[:from] + strings.Join(lines, eol) + s.text[until:])
}

// withFirstLines puts lines into a section that holds none.
func withFirstLines(text string, sec section, lines []string, eol string) string {
	var b strings.Builder
	b.WriteString(text[:sec.start])
	if !strings.HasSuffix(text[:sec.start], "\n") {
		b.WriteString(eol)
	}
	for _, line := range lines {
		b.WriteString(line + eol)
	}
	b.WriteString(text[sec.start:])
	return b.String()
}
