package lsp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func FuzzMessageReader(f *testing.F) {
	f.Add([]byte("Content-Length: 2\r\n\r\n{}Content-Length: 0\r\n\r\n"))
	f.Add([]byte("content-type: x\ncontent-length:3\n\nabc"))
	f.Add([]byte("Content-Length: 99999999999999999999\r\n\r\n"))
	f.Add([]byte("Content-Length: 5\r\n\r\n{"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := newMessageReader(bytes.NewReader(stream))
		total := 0
		for {
			body, err := r.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errFraming) {
					t.Fatalf("an error of another kind: %v", err)
				}
				return
			}
			if total += len(body); total > len(stream) {
				t.Fatalf("%d bytes came out of %d", total, len(stream))
			}
			var again bytes.Buffer
			if err := writeMessage(&again, body); err != nil {
				t.Fatal(err)
			}
			if back, err := newMessageReader(&again).next(); err != nil || !bytes.Equal(back, body) {
				t.Fatalf("%q is written and read as %q: %v", body, back, err)
			}
		}
	})
}

// FuzzSession sends messages that a fuzzer made of a good session: the server
// answers every request or ends, and never falls over.
func FuzzSession(f *testing.F) {
	const open = `{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a.dwmon","version":1,"text":%s}}}`
	for _, method := range []string{"hover", "completion", "codeAction", "formatting", "documentSymbol", "foldingRange"} {
		f.Add(fmt.Sprintf(open, quote(good)), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"textDocument/%s","params":{"textDocument":{"uri":"file:///a.dwmon"},"position":{"line":5,"character":16},"range":{"start":{"line":5,"character":0},"end":{"line":5,"character":9}}}}`, method))
	}
	f.Add(fmt.Sprintf(open, quote("__OPTIONS__\nalert: {after: 2, [")), `{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///a.dwmon","version":2},"contentChanges":[{"range":{"start":{"line":9,"character":9},"end":{"line":0,"character":0}},"text":"😀"}]}}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		// Without the goroutine that reads: what a fuzzer tries must run the same twice.
		var out bytes.Buffer
		s := newServer(&out, Options{})
		for _, body := range []string{`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}`, first, second} {
			var a arrival
			a.msg, a.refused = parseMessage([]byte(body))
			if end, err := s.take(a); err != nil && !errors.Is(err, ErrNoShutdown) {
				t.Fatal(err)
			} else if end {
				break
			}
			s.publishDirty()
		}
		if strings.Contains(out.String(), "failed within dwmon") {
			t.Fatal(out.String())
		}
	})
}

func FuzzYAMLPlace(f *testing.F) {
	f.Add("alert:\n  after: 1\n  of: ")
	f.Add("handlers: [a, 'b', {c: d}]\n# x\nlabels: {a: \"b\", c")
	f.Add("description: |\n  a: b\n\n  c\nowner: x\r\n- a\n-\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, place := scanYAML(text)
		for _, e := range entries {
			if e.from < 0 || e.to < e.from || e.valueTo < e.to || e.valueTo > len(text) || !strings.Contains(text[e.from:e.to], e.key) {
				t.Fatalf("%q: the entry %+v is out of place", text, e)
			}
		}
		if place.from < 0 || place.from > len(text) {
			t.Fatalf("%q: the place %+v is out of the text", text, place)
		}
	})
}

// TestPositionsAreThoseOfUTF16 compares places with a naive count over UTF-16.
func TestPositionsAreThoseOfUTF16(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'é', '€', '😀', '\n', '\r', '\ufeff', '\u2028'}), 0, 30, -1).Draw(t, "text")
		d := newDocument("", 1, text)
		line, character := 0, 0
		runes := []rune(text)
		offset := 0
		for i, r := range runes {
			if got := d.position(offset); got != (Position{line, character}) {
				t.Fatalf("offset %d of %q is at %+v, not %d:%d", offset, text, got, line, character)
			}
			inEnd := r == '\n' && i > 0 && runes[i-1] == '\r'
			if got := d.offset(Position{line, character}); got != offset && !inEnd {
				t.Fatalf("%d:%d of %q is at %d, not %d", line, character, text, got, offset)
			}
			offset += len(string(r))
			character += len(utf16.Encode([]rune{r}))
			if r == '\n' || r == '\r' && (i+1 == len(runes) || runes[i+1] != '\n') {
				line, character = line+1, 0
			}
		}
		if got := d.offset(Position{line + 5, 3}); got != len(text) {
			t.Fatalf("behind the end of %q is %d", text, got)
		}
	})
}

// TestEditsAreThoseOfTheModel makes random edits in a document as a client would,
// by its own count of UTF-16 units.
func TestEditsAreThoseOfTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`[a😀é]{0,6}`), 1, 5).Draw(t, "lines")
		d := newDocument("", 1, strings.Join(lines, "\r\n"))
		for range rapid.IntRange(1, 4).Draw(t, "edits") {
			units := utf16.Encode([]rune(lines[0]))
			cut := rapid.IntRange(0, len(units)).Draw(t, "cut")
			if cut > 0 && utf16.IsSurrogate(rune(units[cut-1])) && cut < len(units) && units[cut] >= 0xdc00 && units[cut] < 0xe000 {
				cut--
			}
			text := rapid.StringMatching(`[b😀]{0,3}`).Draw(t, "text")
			d = newDocument("", 1, d.change(contentChange{Range: &Range{Position{0, 0}, Position{0, cut}}, Text: text}))
			lines[0] = text + string(utf16.Decode(units[cut:]))
			if want := strings.Join(lines, "\r\n"); d.text != want {
				t.Fatalf("the text is %q, not %q", d.text, want)
			}
		}
	})
}
