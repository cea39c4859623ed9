package dwmon

import (
	"strconv"
	"strings"
)

// RowLimit is the most rows that a query asks for: the number of its outermost
// LIMIT n, FETCH FIRST n ROWS or TOP n; false where it has none, or none that can
// be told from the text. What is within parentheses, strings, quoted names and
// comments does not count.
//
// Databases disagree on whether a backslash escapes a quote. Both readings are
// tried, and the first that is whole and has a limit is believed: a limit seen by
// mistake matters only to a result of exactly so many rows.
func RowLimit(query string) (rows int64, ok bool) {
	l, ok := limitIn(query)
	return l.rows, ok
}

// WithRowLimit is a query whose outermost limit, as RowLimit finds it, is another
// number; false where it has none. Nothing else of it changes.
func WithRowLimit(query string, rows int64) (string, bool) {
	l, ok := limitIn(query)
	if !ok {
		return query, false
	}
	number := strconv.FormatInt(rows, 10)
	if l.until == l.from { // FETCH FIRST ROW ONLY
		number += " "
	}
	return query[:l.from] + number + query[l.until:], true
}

// limitIn finds the limit of the first reading that has one.
func limitIn(query string) (l limit, ok bool) {
	readings(query, func(words []sqlWord) bool {
		l, ok = limitOf(words)
		return ok
	})
	return l, ok
}

// NewestFirst says whether a query's outermost ORDER BY has a descending first
// column, which for want of knowing better is taken for the timestamp.
func NewestFirst(query string) (ok bool) {
	readings(query, func(words []sqlWord) bool {
		ok = descends(words)
		return ok
	})
	return ok
}

// readings gives the words of the outermost query in the readings that are whole,
// until one is taken.
func readings(query string, take func([]sqlWord) bool) {
	for _, escapes := range []bool{false, true} {
		if words, whole := sqlWords(query, escapes); whole {
			if words = outermost(words); len(words) > 0 && take(words) {
				return
			}
		}
	}
}

// sqlWord is a word of a query: a name or keyword in upper case, a number, or a
// single character of punctuation.
type sqlWord struct {
	text string
	// depth is how many parentheses are open around it; those themselves count as
	// outside.
	depth int
	// at is its place in the query, in bytes.
	at int
}

// quotedWord stands for a string or a quoted name.
const quotedWord = "'"

// sqlWords splits a query. whole is false where a string, a name or a parenthesis
// does not end.
func sqlWords(query string, escapes bool) (words []sqlWord, whole bool) {
	depth := 0
	for i := 0; i < len(query); {
		n, kind := sqlToken(query, i, escapes)
		if n == 0 {
			return nil, false
		}
		at, text := i, query[i:i+n]
		i += n
		switch kind {
		case tokenSpace:
			continue
		case tokenQuoted:
			text = quotedWord
		case tokenWord:
			text = strings.ToUpper(text)
		}
		switch text {
		case ")", "]":
			if depth--; depth < 0 {
				return nil, false
			}
		}
		words = append(words, sqlWord{text, depth, at})
		switch text {
		case "(", "[":
			depth++
		}
	}
	return words, depth == 0
}

type tokenKind int

const (
	tokenSpace tokenKind = iota // comments too
	tokenQuoted
	tokenWord
	tokenMark
)

// sqlToken gives the length and kind of the token that begins at a place; a length
// of 0: it does not end.
func sqlToken(s string, at int, escapes bool) (int, tokenKind) {
	rest := s[at:]
	switch c := rest[0]; {
	case isSpace(c):
		return 1, tokenSpace
	case strings.HasPrefix(rest, "--"), c == '#' && hashComments(s, at):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return end + 1, tokenSpace
		}
		return len(rest), tokenSpace
	case strings.HasPrefix(rest, "/*"):
		return blockComment(rest), tokenSpace
	case c == '\'' || c == '"' || c == '`':
		return quoted(rest, c, escapes && c != '`'), tokenQuoted
	case c == '$':
		if n := dollarQuoted(rest); n >= 0 {
			return n, tokenQuoted
		}
		return 1, tokenMark
	case isWordByte(c):
		n := 1
		for n < len(rest) && (isWordByte(rest[n]) || rest[n] == '$') {
			n++
		}
		return n, tokenWord
	}
	return 1, tokenMark
}

// hashComments says whether a # begins a comment, as in MySQL: at the start of its
// line, or with space on both sides. Elsewhere it is an operator, or the name of a
// temporary table.
func hashComments(s string, at int) bool {
	line := s[strings.LastIndexByte(s[:at], '\n')+1 : at]
	if strings.TrimSpace(line) == "" {
		return true
	}
	return isSpace(s[at-1]) && (at+1 == len(s) || isSpace(s[at+1]))
}

// blockComment is the length of a comment. Where comments nest in it, it ends with
// the outermost, if that ends at all.
func blockComment(s string) int {
	first, depth := 0, 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if first == 0 {
				first = i + 1
			}
			if depth == 0 {
				return i + 1
			}
		}
	}
	return first
}

// quoted is the length of a string or name in quotes; a quote that is written
// twice stands for itself.
func quoted(s string, quote byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// dollarQuoted is the length of PostgreSQL's $tag$ … $tag$; 0 where it does not
// end, -1 where the $ begins something else.
func dollarQuoted(s string) int {
	n := 1
	for n < len(s) && isWordByte(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '$' || n > 1 && isDigitByte(s[1]) {
		return -1
	}
	tag := s[:n+1]
	end := strings.Index(s[len(tag):], tag)
	if end < 0 {
		return 0
	}
	return 2*len(tag) + end
}

func isSpace(c byte) bool     { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigitByte(c byte) bool { return '0' <= c && c <= '9' }

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || isDigitByte(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// outermost takes off what encloses a query; empty where it is none.
func outermost(words []sqlWord) []sqlWord {
	for len(words) > 0 && words[len(words)-1].text == ";" {
		words = words[:len(words)-1]
	}
	words = unwrapped(words)
	if len(words) == 0 || !startsQuery(words[0].text) {
		return nil
	}
	return words
}

// descends finds the last ORDER BY and says whether its first column has DESC.
func descends(words []sqlWord) (found bool) {
	base := words[0].depth
	within := false
	for i, w := range words {
		if w.depth != base {
			continue
		}
		switch w.text {
		case "BY":
			if within = textAt(words, i-1) == "ORDER"; within {
				found = false
			}
		case ",", "LIMIT", "OFFSET", "FETCH":
			within = false
		case "DESC":
			found = found || within
		}
	}
	return found
}

// limitOf finds the limit among the words of a query.
func limitOf(words []sqlWord) (limit, bool) {
	base := words[0].depth
	var found []limit
	joined := false // by UNION and the like
	joinedAt := 0
	for i, w := range words {
		if w.depth != base {
			continue
		}
		switch w.text {
		case ";":
			return limit{}, false // two statements
		case "UNION", "INTERSECT", "EXCEPT", "MINUS":
			if !isName(words, i) {
				joined, joinedAt = true, i
			}
		case "LIMIT", "FETCH", "TOP":
			if l, ok := limitAt(words, i); ok {
				found = append(found, l)
			}
		}
	}
	if len(found) != 1 {
		return limit{}, false
	}
	// A limit before the last UNION, and every TOP, is that of one of the parts.
	if joined && (found[0].top || found[0].at < joinedAt) {
		return limit{}, false
	}
	return found[0], true
}

// limit is a limit at a place among the words.
type limit struct {
	at   int
	rows int64
	top  bool
	// from and until are the place of its number in the query, in bytes; the same
	// where it says none.
	from, until int
}

// unwrapped takes off parentheses that hold all of the words.
func unwrapped(words []sqlWord) []sqlWord {
	for len(words) >= 2 && words[0].text == "(" {
		for i, w := range words[1:] {
			if w.text == ")" && w.depth == words[0].depth {
				if i+2 < len(words) {
					return words
				}
				break
			}
		}
		words = words[1 : len(words)-1]
	}
	return words
}

// startsQuery says whether a text is SQL that gives rows, by its first word.
func startsQuery(word string) bool {
	switch word {
	case "SELECT", "WITH", "FROM", "VALUES", "TABLE", "(":
		return true
	}
	return false
}

// isName says that a word is not a keyword where it stands: t.limit, AS limit.
func isName(words []sqlWord, i int) bool {
	return i > 0 && (words[i-1].text == "." || words[i-1].text == "AS") || i+1 < len(words) && words[i+1].text == "."
}

// limitAt reads LIMIT, FETCH or TOP.
func limitAt(words []sqlWord, i int) (limit, bool) {
	if isName(words, i) {
		return limit{}, false
	}
	switch words[i].text {
	case "LIMIT":
		return limitClause(words, i)
	case "FETCH":
		return fetchClause(words, i)
	default:
		return topClause(words, i)
	}
}

// limitClause reads LIMIT n, LIMIT n OFFSET k, LIMIT k, n and LIMIT n WITH TIES.
// LIMIT n BY, of ClickHouse, is a limit for each group.
func limitClause(words []sqlWord, i int) (limit, bool) {
	n, next, ok := number(words, i+1)
	if ok && textAt(words, next) == "," {
		n, next, ok = number(words, next+1)
	}
	switch textAt(words, next) {
	case "", ";", ")", "OFFSET", "WITH", "FOR", "LOCK", "INTO", "FORMAT", "SETTINGS", "OPTION", "ALLOW", "UNION", "INTERSECT", "EXCEPT", "MINUS":
		return n.limit(i, false), ok
	}
	return limit{}, false
}

// fetchClause reads FETCH FIRST n ROWS ONLY, with its variants.
func fetchClause(words []sqlWord, i int) (limit, bool) {
	if w := textAt(words, i+1); w != "FIRST" && w != "NEXT" {
		return limit{}, false
	}
	n, next, ok := number(words, i+2)
	if !ok {
		n, next = sqlNumber{value: 1}, i+2
		if next < len(words) {
			n.from, n.until = words[next].at, words[next].at
		}
	}
	if w := textAt(words, next); w != "ROW" && w != "ROWS" {
		return limit{}, false
	}
	return n.limit(i, false), true
}

// topClause reads SELECT TOP n.
func topClause(words []sqlWord, i int) (limit, bool) {
	before := i - 1
	if w := textAt(words, before); w == "DISTINCT" || w == "ALL" {
		before--
	}
	if textAt(words, before) != "SELECT" {
		return limit{}, false
	}
	n, next, ok := number(words, i+1)
	// TOP 5 * is all columns of five rows; what follows TOP (5) may be anything.
	switch w := textAt(words, next); w {
	case "PERCENT", "", ",", ".", "FROM":
		return limit{}, false
	default:
		return n.limit(i, true), ok
	}
}

// sqlNumber is a whole number and its place in the query, in bytes.
type sqlNumber struct {
	value       int64
	from, until int
}

// limit is the number as the limit whose keyword is at a place among the words.
func (n sqlNumber) limit(at int, top bool) limit {
	return limit{at: at, rows: n.value, top: top, from: n.from, until: n.until}
}

// number reads a whole number, in parentheses perhaps, and gives the word after it.
func number(words []sqlWord, i int) (n sqlNumber, next int, ok bool) {
	if textAt(words, i) == "(" && textAt(words, i+2) == ")" {
		n, _, ok = number(words, i+1)
		return n, i + 3, ok
	}
	text := textAt(words, i)
	if text == "" || !isDigitByte(text[0]) {
		return sqlNumber{}, i, false
	}
	value, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	return sqlNumber{value, words[i].at, words[i].at + len(text)}, i + 1, err == nil
}

// textAt is the word at a place; empty beyond the ends.
func textAt(words []sqlWord, i int) string {
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i].text
}
