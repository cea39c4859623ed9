package config

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/internal/strictyaml"
)

// FuzzRedact: whatever text a secret is put into, in whatever form a program would write
// it, and whatever other secrets there are, it does not come out.
func FuzzRedact(f *testing.F) {
	f.Add("hunter2", "hunt", "hunter22", "it said ", " at once", uint8(0))
	f.Add("p@ss/w:rd", "a", "ss/w", "dial ", "", uint8(3))
	f.Add("line one\nline two", "two", "one", "", "", uint8(1))
	f.Add("päß wörd&<>", "ß", "x", "\u00e9", "\xff", uint8(5))
	f.Add("ab\"c\\d", "\"c", "d", "\\", "\"", uint8(4))
	forms := []func(string) string{
		func(s string) string { return s },
		url.QueryEscape,
		url.PathEscape,
		func(s string) string { return url.UserPassword("u", s).String() },
		strconv.Quote,
		func(s string) string { text, _ := json.Marshal(s); return string(text) },
		strconv.QuoteToASCII,
	}
	f.Fuzz(func(t *testing.T, secret, other, third, before, after string, form uint8) {
		s := &secrets{}
		s.keep([]string{other, secret, third})
		written := forms[int(form)%len(forms)](secret)
		shown := s.redact(before + written + after)
		if len(secret) < shortest || !utf8.ValidString(secret) || strings.Contains(Redacted+before+after, secret) {
			return // a short one is replaced as a word only; no program escapes what is no text alike
		}
		if strings.Contains(shown, secret) || len(written) > len(secret) && strings.Contains(shown, written) {
			t.Fatalf("%q of %q, written as %q, was shown: %q", secret, s.values, written, shown)
		}
	})
}

// FuzzReference holds ${…} in settings against a reader that looks at one character
// after the other.
func FuzzReference(f *testing.F) {
	for _, text := range []string{"${A}", "$${A}", "$$${A}", "x${A}y${B}", "${", "${}", "${A", "${file:x}", "${C}", "$A", "${A${B}}", "$$${", "postgres://u:${A}@h"} {
		f.Add(text)
	}
	env := map[string]string{"A": "hunter2", "B": "${A}", "D": ""}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file:") {
			t.Skip("files are another matter")
		}
		l := &loader{opts: LoadOptions{Env: environ(env)}, c: &Config{secrets: &secrets{}}, r: &strictyaml.Reader{File: "a", Lines: []string{text}, Hide: true}}
		got := l.resolve(&yaml.Node{Kind: yaml.ScalarNode, Line: 1, Column: 1, Value: text}, "settings")
		want, ok := naiveReferences(text, env)
		if (len(l.r.Faults) == 0) != ok || ok && got != want {
			t.Fatalf("%q was read as %q (%v), and is %q (%t)", text, got, l.r.Faults, want, ok)
		}
		for _, fault := range l.r.Faults {
			if fault.Line != 1 || fault.Column < 1 || fault.LineText != "" || strings.Contains(fault.Message, "hunter2") && !strings.Contains(text, "hunter2") {
				t.Fatalf("%q: the fault is %+v", text, fault)
			}
		}
	})
}

func naiveReferences(text string, env map[string]string) (out string, ok bool) {
	ok = true
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			out += "${"
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", false
			}
			value, set := env[text[i+2:i+end]]
			ok = ok && set
			out += value
			i += end + 1
		default:
			out += text[i : i+1]
			i++
		}
	}
	return out, ok
}

// TestShortSecretsOfAnyBytes: two bytes of a file that is no text once ended the program.
func TestShortSecretsOfAnyBytes(t *testing.T) {
	for _, tt := range []struct{ name, secret, text, want string }{
		{"no text", "\xb0", "a\xb0b", "a[redacted]b"},
		{"half a character", "é"[:1], "x " + "é"[:1] + " y", "x [redacted] y"},
		{"a word", "db", "db: dbx", "[redacted]: dbx"},
	} {
		s := &secrets{}
		s.keep([]string{tt.secret})
		if got := s.redact(tt.text); got != tt.want {
			t.Errorf("%s: %q became %q, not %q", tt.name, tt.text, got, tt.want)
		}
	}
}
