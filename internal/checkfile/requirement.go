package checkfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Names of the tokens.
const (
	tokHours    = "CHECKHOURS"
	tokMinutes  = "CHECKMINUTES"
	tokDays     = "CHECKDAYS"
	tokWeekends = "WEEKENDS"
	tokWeekdays = "WEEKDAYS"
	tokMin      = "MINNUM"
	tokMax      = "MAXNUM"
	tokLookback = "LOOKBACKSECONDS"
	tokHalfOpen = "HALFOPEN"
)

// flags are the tokens that stand for themselves; valued are those that end in a
// value, with what reads it.
var (
	flags  = []string{tokWeekends, tokWeekdays, tokHalfOpen}
	valued = map[string]func(l *lineReader, value string) (message, hint string){
		tokHours:    (*lineReader).hours,
		tokMinutes:  (*lineReader).minutes,
		tokDays:     (*lineReader).days,
		tokMin:      (*lineReader).min,
		tokMax:      (*lineReader).max,
		tokLookback: (*lineReader).lookback,
	}
	tokenNames = []string{tokHours, tokMinutes, tokWeekends, tokWeekdays, tokDays, tokMin, tokMax, tokLookback, tokHalfOpen}
)

// requirements reads the requirement lines.
func (s *source) requirements(c *dwmon.Checker, sections map[string]section) {
	sec, ok := sections[markRequirements]
	if !ok {
		return
	}
	first, offset := s.place(sec.start)
	if sec.start == len(s.text) {
		first = len(s.lines)
	}
	seen := map[string]int{}
	count := 0
	for i := first; i < len(s.lines) && s.starts[i] < sec.end && !s.full(); i++ {
		text := s.lines[i]
		if i > first || offset == 0 || offset > len(text) {
			offset = 0
		}
		if skipped(text[offset:]) {
			continue
		}
		if count++; count > MaxLines {
			s.at(i, leading(text), fmt.Sprintf("more than %d requirement lines", MaxLines), "share them among several checkers")
			return
		}
		s.requirement(c, i, offset, seen)
	}
	if count == 0 {
		s.at(sec.line, sec.column, "the section "+sec.mark+" holds no requirement line", "add "+contents[markRequirements])
	}
}

// requirement reads one line and adds it to the checker where it is right. seen
// holds the lines by identity.
func (s *source) requirement(c *dwmon.Checker, line, from int, seen map[string]int) {
	l := &lineReader{s: s, line: line, at: map[string]int{}, req: dwmon.Requirement{FileLine: line + 1}}
	known := s.errors
	l.read(fields(s.lines[line], from))
	if s.errors > known {
		return
	}
	identity := l.req.Identity()
	if before, twice := seen[identity]; twice {
		s.at(line, leading(s.lines[line]), fmt.Sprintf("the same requirement as in line %d", before), "remove one of the lines, or let them differ")
		return
	}
	seen[identity] = line + 1
	c.Lines = append(c.Lines, l.req)
}

// piece is a token with its place in the line, in bytes.
type piece struct {
	text   string
	offset int
}

func fields(line string, from int) []piece {
	var pieces []piece
	begin := -1
	for i, r := range line[from:] {
		switch space := unicode.IsSpace(r); {
		case space && begin >= 0:
			pieces = append(pieces, piece{line[begin : from+i], begin})
			begin = -1
		case !space && begin < 0:
			begin = from + i
		}
	}
	if begin >= 0 {
		pieces = append(pieces, piece{line[begin:], begin})
	}
	return pieces
}

// lineReader reads one requirement line.
type lineReader struct {
	s    *source
	line int
	req  dwmon.Requirement
	// at holds the places of the tokens by name, misspelt ones under the name
	// that was meant: what is misspelt is not missing as well.
	at map[string]int
	// offset is the place of the token that is being read, text the token.
	offset int
	text   string
	// mended is what the token's value can only mean; empty: it may mean several
	// things, or nothing.
	mended string
}

func (l *lineReader) fault(message, hint string) *Fault {
	return l.s.at(l.line, l.offset, message, hint)
}

func (l *lineReader) warn(code, message, hint string) *Fault {
	return l.s.warn(code, l.line, l.offset, message, hint)
}

func (l *lineReader) read(pieces []piece) {
	for i := 0; i < len(pieces) && !l.s.full(); i++ {
		l.offset, l.text = pieces[i].offset, pieces[i].text
		if i+1 < len(pieces) && l.torn(pieces[i].text, pieces[i+1].text) {
			i++
			continue
		}
		l.token(pieces[i].text)
	}
	l.missing()
	l.bounds()
}

// split gives the name of a token and its value; "" where it is none of ours.
func split(text string) (name, value string) {
	if slices.Contains(flags, text) {
		return text, ""
	}
	for name := range valued {
		if value, ok := strings.CutPrefix(text, name); ok {
			return name, value
		}
	}
	return "", ""
}

// torn reports a token that white space separates from its value, or in the
// middle of its list.
func (l *lineReader) torn(text, next string) bool {
	name, value := split(text)
	if valued[name] == nil || value != "" && !strings.HasSuffix(value, ",") {
		return false
	}
	day := name == tokDays && len(next) >= 3 && slices.Contains(dwmon.DayNames[:], strings.ToUpper(next[:3]))
	if !day && next[0] != '*' && (next[0] < '0' || next[0] > '9') {
		return false
	}
	l.at[name] = l.offset
	f := l.fault(name+" is torn from its value by white space", "write "+word(text+next))
	line := l.s.lines[l.line]
	gap := strings.Index(line[l.offset+len(text):], next)
	replace(f, line[l.offset:l.offset+len(text)+gap+len(next)], text+next)
	return true
}

func (l *lineReader) token(text string) {
	name, value := split(text)
	if name == "" {
		l.unknown(text)
		return
	}
	if before, twice := l.at[name]; twice {
		column := utf8.RuneCountInString(l.s.lines[l.line][:before]) + 1
		l.fault(fmt.Sprintf("a second %s in one line; the first is in column %d", name, column), "write two lines, or remove one")
		return
	}
	l.at[name] = l.offset
	if read := valued[name]; read != nil {
		l.value(name, value, read)
		return
	}
	switch name {
	case tokWeekends:
		l.req.Days |= dwmon.Weekends
	case tokWeekdays:
		l.req.Days |= dwmon.Weekdays
	case tokHalfOpen:
		l.req.HalfOpen = true
	}
}

func (l *lineReader) value(name, value string, read func(*lineReader, string) (string, string)) {
	if value == "" {
		l.fault(name+" has no value", "write it without white space, such as "+samples[name])
		return
	}
	if rest := strings.TrimLeft(value, "=:"); rest != value {
		replace(l.fault(word(name+value)+": the value follows the name at once", "did you mean "+word(name+rest)+"?"), name+value, name+rest)
		return
	}
	l.mended = ""
	if message, hint := read(l, value); message != "" {
		if hint == "" {
			hint = "write it as in " + samples[name]
		}
		if f := l.fault(word(name+value)+": "+message, hint); l.mended != "" {
			replace(f, name+value, name+l.mended)
		}
	}
}

var samples = map[string]string{
	tokHours: "CHECKHOURS0-23", tokMinutes: "CHECKMINUTES0-59", tokDays: "CHECKDAYSMON,WED-FRI",
	tokMin: "MINNUM5", tokMax: "MAXNUM20", tokLookback: "LOOKBACKSECONDS180",
}

// unknown reports a token that is none, with the one that may be meant.
func (l *lineReader) unknown(text string) {
	hint := "tokens are " + strings.Join(tokenNames, ", ")
	name, rest, near := nearestToken(text)
	switch {
	case text[0] == '#':
		hint = "a comment stands on a line of its own"
	case near:
		if _, there := l.at[name]; !there {
			l.at[name] = l.offset
		}
		hint = "did you mean " + word(name+rest) + "?"
		if upper := strings.ToUpper(text); text != upper && strings.HasPrefix(upper, name) {
			hint = "tokens are upper case: " + hint
		}
	case strings.ContainsAny(text[:1], "0123456789-*,/"):
		hint = "a token holds no white space, such as CHECKHOURS0-23"
	}
	f := l.fault("unknown token "+word(text), hint)
	if near && only(strings.TrimSuffix(strings.ToUpper(text), rest), name) {
		replace(f, text, name+rest)
	}
}

// only says that a misspelt name is one slip from a token's, and from no other's:
// MIXNUM may be either of two.
func only(misspelt, name string) bool {
	return !slices.ContainsFunc(tokenNames, func(other string) bool {
		return (dwmon.Distance(misspelt, other) <= 1) != (other == name)
	})
}

// nearestToken gives the token's name that is nearest to the beginning of text,
// and what follows there as its value.
func nearestToken(text string) (name, rest string, ok bool) {
	const longest = 100
	if len(text) > longest {
		return "", "", false
	}
	upper := strings.ToUpper(text)
	least := 0
	for _, candidate := range tokenNames {
		limit := max(1, len(candidate)/4)
		for cut := max(1, len(candidate)-limit); cut <= min(len(upper), len(candidate)+limit); cut++ {
			if !utf8.ValidString(upper[:cut]) || !fits(candidate, upper[cut:]) {
				continue
			}
			if d := dwmon.Distance(upper[:cut], candidate); d <= limit && (!ok || d < least) {
				name, rest, ok, least = candidate, upper[cut:], true, d
			}
		}
	}
	return name, rest, ok
}

// fits says whether rest can be the value of a token: nothing for a flag.
func fits(name, rest string) bool {
	if valued[name] == nil {
		return rest == ""
	}
	if name == tokDays {
		return rest == "" || len(rest) >= 3 && slices.Contains(dwmon.DayNames[:], rest[:3])
	}
	return rest == "" || strings.ContainsAny(rest[:1], "0123456789*")
}

// missing reports the tokens that a line must have.
func (l *lineReader) missing() {
	for _, need := range [][]string{
		{tokHours}, {tokMinutes}, {tokWeekends, tokWeekdays, tokDays}, {tokMin, tokMax}, {tokLookback},
	} {
		if slices.ContainsFunc(need, func(name string) bool { _, ok := l.at[name]; return ok }) {
			continue
		}
		what := need[0]
		if len(need) > 1 {
			what = strings.Join(need[:len(need)-1], ", ") + " or " + need[len(need)-1]
		}
		l.offset = 0
		l.fault(what+" is missing", needHints[need[0]])
	}
}

var needHints = map[string]string{
	tokHours:    "add CHECKHOURS0-23 for every hour",
	tokMinutes:  "add CHECKMINUTES0-59 for every minute",
	tokWeekends: "add WEEKENDS WEEKDAYS for every day",
	tokMin:      "add MINNUM1 for at least one, or MAXNUM0 for none at all",
	tokLookback: "add LOOKBACKSECONDS3600 to count the last hour",
}

// bounds reports tokens that do not go together.
func (l *lineReader) bounds() {
	if days, ok := l.at[tokDays]; ok {
		for _, name := range []string{tokWeekends, tokWeekdays} {
			if at, ok := l.at[name]; ok {
				l.offset = max(days, at)
				l.fault("CHECKDAYS stands beside "+name, "name all days in CHECKDAYS, or use WEEKENDS and WEEKDAYS alone")
				break
			}
		}
	}
	lo, hi := l.req.Min, l.req.Max
	l.offset = l.at[tokMin]
	switch {
	case lo.Set && hi.Set && lo.N > hi.N:
		l.fault(fmt.Sprintf("MINNUM%d is greater than MAXNUM%d", lo.N, hi.N), fmt.Sprintf("did you mean MINNUM%d MAXNUM%d?", hi.N, lo.N))
	case lo.Set && lo.N == 0 && !hasKey(l.at, tokMax):
		l.warn(dwmon.CodeNeverBad, "this line can never be BAD: no count is below 0", "add MAXNUM, or raise MINNUM")
	}
}

func hasKey(m map[string]int, key string) bool {
	_, ok := m[key]
	return ok
}

func (l *lineReader) min(value string) (message, hint string) {
	return bound(value, &l.req.Min)
}

func (l *lineReader) max(value string) (message, hint string) {
	return bound(value, &l.req.Max)
}

func bound(value string, b *dwmon.Bound) (message, hint string) {
	n, message := number(value)
	if message == "" {
		*b = dwmon.At(n)
	}
	return message, ""
}

func (l *lineReader) lookback(value string) (message, hint string) {
	n, message := number(value)
	switch {
	case message != "":
		return message, ""
	case n == 0:
		return "a look-back of no seconds counts nothing", "write at least LOOKBACKSECONDS1"
	case n > dwmon.MaxLookback:
		return fmt.Sprintf("a look-back is at most %d seconds (366 days)", dwmon.MaxLookback), fmt.Sprintf("the longest is LOOKBACKSECONDS%d", dwmon.MaxLookback)
	}
	l.req.Lookback = n
	return "", ""
}

// number reads a whole number of at most 63 bits; leading zeros are accepted.
func number(text string) (n int64, message string) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, word(text) + " is no whole number from 0 on"
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text == "":
		return 0, "a number is missing"
	case err != nil:
		return 0, "the number does not fit 64 bits: at most 9223372036854775807"
	}
	return n, ""
}
