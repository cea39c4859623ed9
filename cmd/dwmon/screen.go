package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
)

// screen is a terminal that shows what is written to it and does nothing else: names,
// keys and errors come from files and sources, and may hold what moves its cursor, sets
// its title or asks it to type. Colours pass, for they are ours. A stream that is no
// terminal gets what is written as it is. Several goroutines may write to it.
type screen struct {
	file *os.File
	mu   sync.Mutex
	tail []byte // the beginning of a character whose end has not been written yet
}

// onScreen is the stream by which to write to a file: a screen if it is a terminal.
func onScreen(f *os.File) io.Writer {
	if isatty.IsTerminal(f.Fd()) {
		return &screen{file: f}
	}
	return f
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.tail, b...)
	whole := len(text)
	for whole > 0 && len(text)-whole < utf8.UTFMax && !utf8.RuneStart(text[whole-1]) {
		whole--
	}
	if whole > 0 && !utf8.FullRune(text[whole-1:]) {
		whole--
	} else {
		whole = len(text)
	}
	s.tail = append([]byte(nil), text[whole:]...)
	if _, err := s.file.WriteString(harmless(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// colourCodes are what colours, bold and faint letters are set by, and set back.
var colourCodes = regexp.MustCompile(`\x1b\[(?:[0-2]|22|39|[39][0-7])?(?:;(?:[0-2]|22|39|[39][0-7]))*m`)

// harmless is a text without what drives a terminal, colours apart, or turns the order
// of its letters round.
func harmless(text string) string {
	if strings.IndexFunc(text, drives) < 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, code := range colourCodes.FindAllStringIndex(text, -1) {
		b.WriteString(strings.Map(replaced, text[at:code[0]]))
		b.WriteString(text[code[0]:code[1]])
		at = code[1]
	}
	b.WriteString(strings.Map(replaced, text[at:]))
	return b.String()
}

func replaced(r rune) rune {
	if drives(r) {
		return utf8.RuneError
	}
	return r
}

func drives(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}
