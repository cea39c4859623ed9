package notice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes, in characters. Whatever is longer is cut with an ellipsis.
const (
	maxSummary = 200
	maxFact    = 1000
	maxName    = 80
	maxKey     = 120
	maxKeys    = 10
	maxNames   = 20
	maxWindows = 200
	maxLabels  = 100
)

// clean makes a text fit for any screen: what is not UTF-8, and characters that
// move the cursor, begin a line or turn the direction of reading, are written out.
// Two texts that differ stay different.
func clean(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02X`, text[i])
		case !hostile(r):
			b.WriteString(text[i : i+size])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
		i += size
	}
	return b.String()
}

func isClean(text string) bool {
	for i, r := range text {
		if hostile(r) || r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return false
		}
	}
	return true
}

// hostile are control and format characters, but for the two that join and part
// the letters of some scripts.
func hostile(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	if r == zeroWidthNonJoiner || r == zeroWidthJoiner {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// longest bounds what is looked at of a text of which at most maxFact characters
// are shown.
const longest = 64 << 10

// oneLine joins the lines of a text, and cleans it. It gives at most a fact.
func oneLine(text string) string {
	text = text[:min(len(text), longest)]
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")); line != "" {
			kept = append(kept, line)
		}
	}
	text = strings.ReplaceAll(strings.Join(kept, "; "), ":; ", ": ")
	return clip(clean(text), maxFact)
}

// key is a key as it is shown.
func key(text string) string { return clip(clean(text[:min(len(text), longest)]), maxKey) }

// name is a name within a summary. Names are paths, of which the last part tells
// most: they are cut in the middle.
func name(text string) string {
	text = clean(text[:min(len(text), longest)])
	if utf8.RuneCountInString(text) <= maxName {
		return text
	}
	chars := []rune(text)
	const head = maxName / 3
	return string(chars[:head]) + "…" + string(chars[len(chars)-(maxName-head-1):])
}

// clip cuts a text to so many characters.
func clip(text string, most int) string {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	if most < 1 {
		return ""
	}
	n := 0
	for i := range text {
		if n++; n == most {
			return strings.TrimRight(text[:i], " ") + "…"
		}
	}
	return text
}

// fit puts a text between a head and a tail, and cuts it so that all of it is no
// longer than a summary. The head and the tail are kept where they can be.
func fit(head, text, tail string) string {
	room := maxSummary - utf8.RuneCountInString(head) - utf8.RuneCountInString(tail)
	return clip(strings.TrimRight(head+clip(text, max(room, 1))+tail, " "), maxSummary)
}

// mask takes the passwords of the checker's source out of a text.
func (d *Data) mask(text string) string {
	if d.Checker == nil || text == "" {
		return text
	}
	const shortest = 4 // a user named db must not blot out every text about databases
	text = strings.ReplaceAll(text, d.Checker.Source, d.Checker.ShownSource())
	secrets := d.Checker.SourceSecrets()
	// One may be a part of another: the longest goes first.
	slices.SortStableFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range secrets {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
