package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// acts are the reserved words of T-SQL that begin a statement which is no SELECT, or
// make a SELECT write. Reserved: none of them can be the name of a table or column
// without brackets or quotes, and none has a place within a SELECT. MERGE has, as a
// kind of join.
var acts = map[string]bool{
	"ALTER": true, "BACKUP": true, "BEGIN": true, "BREAK": true, "CHECKPOINT": true, "CLOSE": true, "COMMIT": true,
	"CONTINUE": true, "CREATE": true, "DBCC": true, "DEALLOCATE": true, "DECLARE": true, "DELETE": true, "DENY": true,
	"DROP": true, "DUMP": true, "EXEC": true, "EXECUTE": true, "EXIT": true, "GOTO": true, "GRANT": true, "IF": true,
	"INSERT": true, "INTO": true, "KILL": true, "LOAD": true, "OPEN": true, "PRINT": true, "RAISERROR": true,
	"RECONFIGURE": true, "RESTORE": true, "RETURN": true, "REVERT": true, "REVOKE": true, "ROLLBACK": true, "SAVE": true,
	"SET": true, "SETUSER": true, "SHUTDOWN": true, "TRUNCATE": true, "UPDATE": true, "UPDATETEXT": true, "USE": true,
	"WAITFOR": true, "WHILE": true, "WRITETEXT": true,
}

// onlyReads refuses every batch that is not one SELECT. SQL Server has no read-only
// transactions, and statements need no semicolon between them: the words are looked
// at. What it mistakes is refused, never let through: where its idea of a comment or
// a string differs from the server's, it sees more words.
func onlyReads(query string) error {
	s := scan{rest: query}
	depth, selects, sets := 0, 0, 0
	first, ended := "", false
	for s.next() {
		word := strings.ToUpper(s.token)
		if ended {
			return errSeveral
		}
		if first == "" && word != "(" {
			if first = word; word != "SELECT" && word != "WITH" {
				return fmt.Errorf("the query begins with %s; a checker's query may only read, and begins with SELECT or WITH", s.token)
			}
		}
		switch {
		case word == "(":
			depth++
		case word == ")":
			depth--
		case word == ";":
			ended = true
		case word == "UNION", word == "EXCEPT", word == "INTERSECT":
			if depth == 0 {
				sets++
			}
		case word == "SELECT" && depth == 0:
			selects++
		case acts[word], word == "MERGE" && !s.joins():
			return fmt.Errorf("the query holds the word %s; a checker's query is one SELECT that only reads (a column of that name goes in brackets: [%s])", s.token, s.token)
		}
	}
	switch {
	case first == "":
		return errors.New("the query is empty")
	case selects > sets+1:
		return errSeveral
	}
	return nil
}

var errSeveral = errors.New("the query has several statements; one is wanted")

// scan walks over the tokens of a batch: words, and characters of any other kind.
// Comments, strings and quoted names are passed over.
type scan struct{ rest, token string }

// next goes to the next token.
func (s *scan) next() bool {
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case strings.HasPrefix(s.rest, "--"):
			s.skip(strings.IndexAny(s.rest, "\r\n"), 1)
			continue
		case strings.HasPrefix(s.rest, "/*"):
			s.skip(strings.Index(s.rest[2:], "*/"), 4)
			continue
		case c == '\'', c == '"':
			// A doubled quote is two quoted pieces side by side: the same end.
			s.skip(strings.IndexByte(s.rest[1:], c), 2)
			continue
		case c == '[':
			s.skip(strings.IndexByte(s.rest[1:], ']'), 2)
			continue
		}
		r, size := utf8.DecodeRuneInString(s.rest)
		if unicode.IsSpace(r) {
			s.rest = s.rest[size:]
			continue
		}
		if isWord(r) {
			if size = strings.IndexFunc(s.rest, func(r rune) bool { return !isWord(r) }); size < 0 {
				size = len(s.rest)
			}
		}
		s.token, s.rest = s.rest[:size], s.rest[size:]
		return true
	}
	return false
}

// skip passes over what ends at a place, and so many bytes more; all where there is
// no such place.
func (s *scan) skip(at, more int) {
	if at < 0 {
		s.rest = ""
		return
	}
	s.rest = s.rest[at+more:]
}

// joins says that a word, JOIN or UNION, follows, as after MERGE in a hint.
func (s *scan) joins() bool {
	ahead := scan{rest: s.rest}
	return ahead.next() && (strings.EqualFold(ahead.token, "JOIN") || strings.EqualFold(ahead.token, "UNION"))
}

// isWord holds for what a T-SQL word is made of: @variables and #temporary tables
// are words that begin with another character than a keyword.
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '@' || r == '#' || r == '$'
}
