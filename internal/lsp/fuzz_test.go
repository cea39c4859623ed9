package lsp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
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
			if m, refused := parseMessage(body); (m == nil) == (refused == nil) {
				t.Fatalf("%q is neither taken nor refused, or both", body)
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

// FuzzRequests asks everything at every kind of place in every kind of text: the
// server has an answer, and never falls over.
func FuzzRequests(f *testing.F) {
	f.Add("__OPTIONS__\nalert: {after: 2, [", uint16(1), uint16(9))
	f.Add("__REQUIREMENTS__\nMINNUM CHECKHORS0-9\n", uint16(1), uint16(7))
	f.Add("__SOURCE__\r\nA\r__QUERY_\n", uint16(1), uint16(0))
	f.Fuzz(func(t *testing.T, text string, line, character uint16) {
		var out bytes.Buffer
		s := newServer(&out, Options{Now: func() time.Time { return noon }})
		s.initialized, s.snippets = true, true
		send := func(method, id, params string) {
			a := arrival{msg: &message{Method: method, Params: []byte(params)}}
			if id != "" {
				a.msg.ID = []byte(id)
			}
			if end, err := s.take(a); end || err != nil {
				t.Fatalf("%s ends the session: %v", method, err)
			}
			s.publishDirty()
		}
		send("textDocument/didOpen", "", fmt.Sprintf(`{"textDocument":{"uri":"untitled:a.dwmon","version":1,"text":%s}}`, quote(text)))
		place := fmt.Sprintf(`{"line":%d,"character":%d}`, line, character)
		all := fmt.Sprintf(`{"textDocument":{"uri":"untitled:a.dwmon"},"position":%s,"range":{"start":%s,"end":%s}}`, place, place, place)
		for _, method := range []string{"hover", "completion", "codeAction", "formatting", "documentSymbol", "foldingRange"} {
			send("textDocument/"+method, "1", all)
		}
		send("textDocument/didChange", "", fmt.Sprintf(`{"textDocument":{"uri":"untitled:a.dwmon","version":2},"contentChanges":[{"range":{"start":%s,"end":{"line":0,"character":0}},"text":"x"}]}`, place))
		if n := strings.Count(out.String(), `"result":`); n != 6 || strings.Contains(out.String(), `"error":`) {
			t.Fatalf("%d answers to 6 questions: %s", n, out.String())
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
