package sqlgetter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reading returns the one statement of a query without the semicolon at its end. It
// must begin with one of the keywords given, which are in upper case; a parenthesis
// before them does not count. It is for products in which no statement that begins
// so can write, and which have no transaction that would see to it.
//
// It knows the tokens of standard SQL as far as they can hide a semicolon: comments,
// strings, quoted names, and those in the backticks of others.
func Reading(query string, keywords ...string) (string, error) {
	end, first := len(query), ""
	for i, ended := 0, false; i < len(query); {
		n, blank := token(query[i:])
		switch {
		case blank:
		case ended:
			return "", errors.New("the query has several statements; one is wanted")
		case query[i] == ';':
			end, ended = i, true
		case first == "" && query[i] != '(':
			first = query[i : i+n]
		}
		i += n
	}
	if first == "" {
		return "", errors.New("the query is empty")
	}
	if !slices.Contains(keywords, strings.ToUpper(first)) {
		return "", fmt.Errorf("the query begins with %s; a checker's query may only read, and begins with %s", first, strings.Join(keywords, ", "))
	}
	return query[:end], nil
}

// token is the length of what s begins with: a comment, a run of white space, a
// string, a quoted name, a word, or one character of any other kind. blank is said
// of the first two.
func token(s string) (n int, blank bool) {
	switch c := s[0]; {
	case strings.HasPrefix(s, "--"):
		return upTo(s, 2, "\n"), true
	case strings.HasPrefix(s, "/*"):
		return upTo(s, 2, "*/"), true
	case c == '\'', c == '"', c == '`':
		// A doubled quote is two quoted pieces side by side: the same end.
		return upTo(s, 1, string(c)), false
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case unicode.IsSpace(r):
		return size, true
	case !isWord(r):
		return size, false
	}
	if end := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }); end > 0 {
		return end, false
	}
	return len(s), false
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// upTo is the length of s up to and with the first end behind from; all of s where
// there is none.
func upTo(s string, from int, end string) int {
	at := strings.Index(s[from:], end)
	if at < 0 {
		return len(s)
	}
	return from + at + len(end)
}
