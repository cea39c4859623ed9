package notice

import (
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// columns is how wide a detail is, where its words allow it.
const columns = 80

// layOut writes facts below one another, the values aligned.
func layOut(facts []dwmon.Fact) string {
	indent := 0
	for _, f := range facts {
		indent = max(indent, utf8.RuneCountInString(f.Label))
	}
	indent += 2
	var b strings.Builder
	for _, f := range facts {
		b.WriteString(f.Label + strings.Repeat(" ", indent-utf8.RuneCountInString(f.Label)))
		if isCommand(f) {
			b.WriteString(f.Value) // it is copied, and must stay on one line
		} else {
			wrap(&b, f.Value, indent)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func isCommand(f dwmon.Fact) bool { return strings.HasPrefix(f.Value, "dwmon ") }

// wrap breaks a text at spaces; a word that is longer than a line stays whole.
func wrap(b *strings.Builder, text string, indent int) {
	at := indent
	for i, word := range strings.Split(text, " ") {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+width > columns && word != "":
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += width
	}
}
