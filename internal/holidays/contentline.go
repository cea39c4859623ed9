package holidays

import (
	"bytes"
	"strings"
	"unicode"
)

// property is one content line: NAME;PARAM=VALUE:VALUE.
type property struct {
	name  string // in upper case
	value string
	// param is what stands between name and value.
	params string
	// line counts from 1; shown is its text up to where it is folded.
	line  int
	shown string
}

// notShown is white space and what a terminal should not be sent.
func notShown(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// unfold calls f with each content line: a line that begins with a blank goes on
// the one before. Lines end in LF or CRLF; empty ones are passed over.
func unfold(text []byte, f func(line int, first string, whole []byte) bool) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var whole []byte
	first, at := "", 0
	for number := 1; len(text) > 0; number++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && at > 0 {
			whole = append(whole, line[1:]...)
			continue
		}
		if len(whole) > 0 && !f(at, first, whole) {
			return
		}
		first, at = string(line), number
		whole = append(whole[:0], line...)
	}
	if len(whole) > 0 {
		f(at, first, whole)
	}
}

// wanted are the properties that are looked at; descriptions, attendees and the
// rest of what calendars hold may be long and odd.
var wanted = map[string]bool{
	"BEGIN": true, "END": true, "UID": true, "SUMMARY": true, "STATUS": true, "DTSTART": true, "DTEND": true, "DURATION": true,
	"RRULE": true, "EXRULE": true, "RDATE": true, "EXDATE": true, "RECURRENCE-ID": true,
}

// scan splits a content line. nil: it is none that is looked at, or it is none at
// all. A wanted one without its colon has ok false.
func scan(line int, first string, whole []byte) (p *property, ok bool) {
	end := bytes.IndexAny(whole, ":;")
	if end < 0 {
		end = len(whole)
	}
	name := strings.ToUpper(strings.TrimSpace(string(whole[:min(end, 40)])))
	if !wanted[name] {
		return nil, true
	}
	p = &property{name: name, line: line, shown: first}
	rest := string(whole[end:])
	quoted := false
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			p.params, p.value = strings.ToUpper(rest[:i]), strings.TrimSpace(rest[i+1:])
			return p, true
		}
	}
	return p, false
}

// dateTyped says that VALUE=DATE stands among the parameters.
func (p *property) dateTyped() bool {
	for param := range strings.SplitSeq(p.params, ";") {
		if strings.TrimSpace(param) == "VALUE=DATE" {
			return true
		}
	}
	return false
}
