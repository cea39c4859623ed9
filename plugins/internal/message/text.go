package message

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxItems bounds the items that a text lists.
const maxItems = 50

// Text is the message without its title, for receivers that show plain text. Its
// lines are "Label: value" rather than columns: a phone breaks lines.
func (m *Message) Text() string {
	var parts []string
	add := func(part string) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	add(m.Note)
	add(m.Since)
	add(m.itemLines())
	add(m.Body)
	add(m.factLines())
	add(m.Chart())
	return strings.Join(parts, "\n\n")
}

func (m *Message) factLines() string {
	var lines []string
	for _, f := range m.Facts {
		lines = append(lines, f.Label+": "+f.Value)
	}
	return strings.Join(lines, "\n")
}

func (m *Message) itemLines() string {
	shown, more := m.FirstItems(maxItems)
	var lines []string
	for _, i := range shown {
		line := "- " + i.Title()
		if i.Owner != "" {
			line += " (owner " + i.Owner + ")"
		}
		lines = append(lines, line)
	}
	if more != "" {
		lines = append(lines, more)
	}
	return strings.Join(lines, "\n")
}

// FirstItems are the first n items, and a line about the others, empty where there
// are none.
func (m *Message) FirstItems(n int) (shown []Item, more string) {
	if len(m.Items) <= n {
		return m.Items, ""
	}
	return m.Items[:n], fmt.Sprintf("and %d more: see dwmon status", len(m.Items)-n)
}

// Shorten cuts a text to at most n bytes, between characters, and marks the cut.
func Shorten(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	if n < len(mark) {
		return ""
	}
	text = text[:n-len(mark)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + mark
}

// IsURL says that a text is a link that a browser opens, and nothing else.
func IsURL(text string) bool {
	return (strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")) && !strings.ContainsAny(text, " \"'<>|\\")
}
