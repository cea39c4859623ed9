package checkfile

import (
	"strings"
	"unicode/utf8"
)

// fixRounds bounds how often a text is mended and read again: behind one fault
// there may be another.
const fixRounds = 10

// Fix mends the faults that can be mended in one way only, and tidies the text.
// mended are these faults, each with its Edit. A text that has other errors too is
// given back as it is, and so is one that would become another checker.
func (p Parser) Fix(text []byte) (fixed []byte, mended []Fault) {
	before, faults := p.Parse("", "", text)
	after, fixed := before, text
	for range fixRounds {
		var done []Fault
		if fixed, done = applyEdits(fixed, faults); len(done) == 0 {
			break
		}
		mended = append(mended, done...)
		after, faults = p.Parse("", "", fixed)
	}
	if after == nil || before != nil && !Same(before, after) {
		return text, nil
	}
	return Tidy(fixed), mended
}

// applyEdits gives the text with the faults' edits made, and the faults that are
// mended by that. Of edits that overlap the first is made.
func applyEdits(text []byte, faults []Fault) (edited []byte, done []Fault) {
	s := newSource("", string(text))
	var b strings.Builder
	copied := 0 // how much of the text is written
	for _, f := range faults {
		if !f.Edit.Mends() || f.Line < 1 || f.Line > len(s.lines) {
			continue
		}
		line, start := s.lines[f.Line-1], s.starts[f.Line-1]
		from, until := start+byteOf(line, f.Column), start+byteOf(line, f.Edit.Until)
		if from < copied {
			continue
		}
		b.WriteString(s.text[copied:from] + f.Edit.With)
		copied = until
		done = append(done, f)
	}
	if len(done) == 0 {
		return text, nil
	}
	b.WriteString(s.text[copied:])
	return []byte(b.String()), done
}

// byteOf is where the character in a column, counted from 1, begins; the line's end
// for one behind it.
func byteOf(line string, column int) int {
	at := 0
	for ; column > 1 && at < len(line); column-- {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at
}
