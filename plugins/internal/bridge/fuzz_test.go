package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRequest: whatever is asked, a request is one line of ASCII that says the same.
func FuzzRequest(f *testing.F) {
	f.Add(int64(7), "query\n\u2028😀\x00", []byte(`{"a": [1, 2.50, "\ud83d\ude00\ud800"]}`))
	f.Add(int64(-1), "<&>", []byte(`12345678901234567890`))
	f.Fuzz(func(t *testing.T, id int64, text string, extra []byte) {
		if !json.Valid(extra) || !utf8.ValidString(text) {
			t.Skip("no EXTRA, no text")
		}
		type request struct {
			Text  string          `json:"text"`
			Extra json.RawMessage `json:"extra"`
		}
		line, err := encodeRequest(id, request{text, extra})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(line, '\n') != len(line)-1 || bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Fatalf("%q is no line of ASCII", line)
		}
		var got struct {
			ID int64 `json:"id"`
			request
		}
		if err := json.Unmarshal(line, &got); err != nil || got.ID != id || got.Text != text || !sameValue(got.Extra, extra) {
			t.Fatalf("%q with %s became %s: %v", text, extra, line, err)
		}
	})
}

// sameValue compares JSON, numbers digit for digit.
func sameValue(a, b []byte) bool {
	decode := func(text []byte) (v any) {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		_ = dec.Decode(&v)
		return v
	}
	return reflect.DeepEqual(decode(a), decode(b))
}

// words are what output has logged.
type words struct{ said []string }

func (*words) Enabled(context.Context, slog.Level) bool { return true }
func (w *words) WithAttrs([]slog.Attr) slog.Handler     { return w }
func (w *words) WithGroup(string) slog.Handler          { return w }
func (w *words) Handle(_ context.Context, r slog.Record) error {
	w.said = append(w.said, r.Message)
	return nil
}

// FuzzOutput: of whatever a worker prints, no part of a secret is shown, nothing that is
// shown is long, and of lines that are not long none is lost. In the text, \x01 stands for
// the secret, \x02 for another one that begins like it, \x03 for much of nothing.
func FuzzOutput(f *testing.F) {
	secret := "s3cr3t-" + strings.Repeat("0123456789", 9) + "-t3rc3s"
	longer := secret + "-and-more-m0r3"
	f.Add([]byte("a \x01\nTraceback \x02\r\n\nERROR x\x01"))
	f.Add([]byte(strings.Repeat("\x03", 16) + "......\x01\x01\n"))
	f.Add([]byte(strings.Repeat("\x01", 170) + "\x02\nb"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2048 || bytes.Count(text, []byte("\x03")) > 40 || bytes.Contains(text, []byte("s3cr")) || bytes.Contains(text, []byte("rc3s")) || bytes.Contains(text, []byte("m0r")) {
			t.Skip("too long, or a part of the secret by itself")
		}
		text = bytes.ReplaceAll(text, []byte("\x01"), []byte(secret))
		text = bytes.ReplaceAll(text, []byte("\x02"), []byte(longer))
		text = bytes.ReplaceAll(text, []byte("\x03"), bytes.Repeat([]byte("."), 1000))
		seen := &words{}
		hide := RedactEnvironment([]string{"A_TOKEN=" + secret, "B_SECRET=" + longer, "HOME=/root"})
		o := &output{log: func() *slog.Logger { return slog.New(seen) }, redact: hide}
		o.read(io.NopCloser(bytes.NewReader(text)))
		var want []string
		for line := range bytes.Lines(text) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
				want = append(want, hide(string(line)))
			}
		}
		if len(want) != len(seen.said) {
			t.Fatalf("%d lines were logged as %d", len(want), len(seen.said))
		}
		for i, said := range append(seen.said, o.lastWords()) {
			if strings.Contains(said, "s3cr") || strings.Contains(said, "rc3s") || strings.Contains(said, "m0r") {
				t.Fatalf("a part of a secret is shown: %.200q … %.200q", said, said[max(0, len(said)-200):])
			}
			if len(said) > 3*longestWord {
				t.Fatalf("a line of %d bytes", len(said))
			}
			if i < len(want) && said != want[i] && !strings.HasPrefix(want[i], strings.TrimSuffix(said, " … (cut)")) {
				t.Fatalf("%q was logged as %q", want[i], said)
			}
		}
	})
}

// FuzzManifest: a bundle's manifest is read as it says, or refused with the reason; nothing
// unknown is taken.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		`{"schema": 1, "name": "pager", "bridge": "exec", "sources": ["a"], "default_on": "bad"}`, `{"schema": 2, "name": "a", "bridge": "exec"}`, `{"schema": 1, "name": "a", "bridge": "python"}`,
		`{"schema": 1, "name": "a", "bridge": "exec", "nmae": 1}`, `[]`, `{"schema": 1.0, "name": "a", "bridge": "exec", "default_on": "now"}`, `{}{}`, ``, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, strconv.Itoa(os.Getpid()))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var m, same struct{ Header }
		err := readManifest(path, "exec", &m)
		if err != nil {
			if len(err.Error()) > 400*(len(text)+1) {
				t.Fatalf("%d bytes are told of in %d", len(text), len(err.Error()))
			}
			return
		}
		if err := json.Unmarshal(text, &same); err != nil || m.Name != same.Name || m.Bridge != "exec" || m.Schema != 1 || !reflect.DeepEqual(m.Sources, same.Sources) {
			t.Fatalf("%s was read as %+v, encoding/json says %+v, %v", text, m, same, err)
		}
	})
}

func TestOfTwoSecretsTheLongerGoesFirst(t *testing.T) {
	hide := RedactEnvironment([]string{"A_TOKEN=abcdef", "B_TOKEN=abcdefghij", "C_TOKEN=xabcdef"})
	if got, want := hide("abcdefghij xabcdef abcdef"), "[redacted] [redacted] [redacted]"; got != want {
		t.Errorf("shown is %q, not %q", got, want)
	}
}
