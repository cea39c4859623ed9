package main

import (
	"errors"
	"strings"
)

// singleStatement refuses a query of several statements: the driver would run them
// all and give the rows of the last. It knows SQLite's tokens as far as they can
// hide a semicolon: comments, and four kinds of quotes.
func singleStatement(query string) error {
	ended := false
	for i := 0; i < len(query); {
		rest := query[i:]
		switch c := query[i]; {
		case strings.HasPrefix(rest, "--"):
			i += upTo(rest, 2, "\n")
			continue
		case strings.HasPrefix(rest, "/*"):
			i += upTo(rest, 2, "*/")
			continue
		case strings.IndexByte(" \t\r\n\f", c) >= 0:
		case c == ';':
			ended = true
		case ended:
			return errors.New("the query has several statements; one is wanted")
		case c == '\'' || c == '"' || c == '`':
			// A doubled quote is two quoted pieces side by side: the same end.
			i += upTo(rest, 1, string(c))
			continue
		case c == '[':
			i += upTo(rest, 1, "]")
			continue
		}
		i++
	}
	return nil
}

// upTo is the length of s up to and with the first end behind from; all of s where
// there is none.
func upTo(s string, from int, end string) int {
	at := strings.Index(s[from:], end)
	if at < 0 {
		return len(s)
	}
	return from + at + len(end)
}
