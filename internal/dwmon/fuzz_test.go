package dwmon

import (
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzParseDuration holds durations against whole numbers of any size.
func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"90s", "5m", "24h", "7d", "106751d", "106752d", "9223372036s", "-1s", "1.5h", "s", "", "0d", "٣s"} {
		f.Add(text)
	}
	units := map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400}
	form := regexp.MustCompile(`^([0-9]+)([smhd])$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseDuration(text)
		m := form.FindStringSubmatch(text)
		if m == nil {
			if err == nil {
				t.Fatalf("%q was read as %v", text, got)
			}
			return
		}
		n, _ := new(big.Int).SetString(m[1], 10)
		n.Mul(n, big.NewInt(units[m[2]]*1e9))
		if fits := n.IsInt64(); fits != (err == nil) || fits && got != time.Duration(n.Int64()) {
			t.Fatalf("%q is %v, %v; it is %s ns", text, got, err, n)
		}
		if err == nil {
			if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
				t.Fatalf("%q is written as %q, which is %v, %v", text, FormatDuration(got), again, err)
			}
		}
	})
}

// FuzzParseRecurrence: what is taken is written so that it is read as the same, and a
// window covers a minute of a week at least.
func FuzzParseRecurrence(f *testing.F) {
	for _, text := range []string{"SUN 02:00-04:00", "mon-fri 22:00-6:00", "02:00–02:30", "WEEKDAYS,SUN 00:00-24:00", "FRI-MON 1:00-2:00", "24:00-1:00", "MON", ":-:", "MON 1:00-2:00 x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRecurrence(text, time.UTC)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error is no line: %q", err)
			}
			return
		}
		if again, err := ParseRecurrence(r.Every(), time.UTC); err != nil || *again != *r {
			t.Fatalf("%q is %+v, written as %q, and that is %+v, %v", text, r, r.Every(), again, err)
		}
		open := 0
		for m := range int64(7 * dayMinutes) {
			if r.covers(m * 60e6) {
				open++
			}
		}
		if open == 0 || open < r.To-r.From {
			t.Fatalf("%q, %+v, is open for %d minutes of a week", text, r, open)
		}
	})
}

// FuzzParseMatcher: matchers are written so that they are read as the same; errors are
// one line and say how a matcher is written.
func FuzzParseMatcher(f *testing.F) {
	for _, text := range []string{"name=billing/**", "owner != data team", "source=postgres://u:secret@h/d", "label.team=", "name==x", "checker=a", "Label.x=y", "name=/a", "=", "source!=a=b"} {
		f.Add(text, "billing/new_invoices")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		m, err := ParseMatcher(text)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("the error is no line: %q", err)
			}
			return
		}
		again, err := ParseMatcher(m.String())
		if err != nil || again != m {
			t.Fatalf("%q is %+v, written as %q, and that is %+v, %v", text, m, m, again, err)
		}
		if len(name) > 200 || name == "" {
			return // no name is longer
		}
		subject := SilenceSubject{Checker: name, Owner: name, Source: name, Labels: map[string]string{"team": name}}
		not := m
		if not.Not = !m.Not; m.Match(subject) == not.Match(subject) {
			t.Fatalf("%s and %s agree on %q", m, not, name)
		}
	})
}

// FuzzGlob holds patterns of names against regular expressions.
func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{"**", "a/*/b", "**/x", "a/**/b", "?*?", "***", "a**/b", "**/**/**/a"} {
		f.Add(pattern, "a/x/b")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 100 || len(name) > 200 || strings.ContainsRune(pattern+name, unicode.ReplacementChar) || strings.ContainsFunc(pattern+name, unicode.IsControl) {
			t.Skip("no name is like this")
		}
		form := "(?s)^" + strings.NewReplacer(
			"\x00", "(?:.*/)?", "\x01", ".*", `\*`, "[^/]*", `\?`, "[^/]",
		).Replace(regexp.QuoteMeta(foldersMarked(pattern))) + "$"
		re, err := regexp.Compile(form)
		if err != nil {
			t.Skip("no pattern holds this")
		}
		if got, want := matchGlob(pattern, name), re.MatchString(name); got != want {
			t.Fatalf("%q matches %q: %t; the expression %s says %t", pattern, name, got, form, want)
		}
	})
}

// foldersMarked puts \x00 where **/ begins a part, and \x01 for any other **.
func foldersMarked(pattern string) string {
	var b strings.Builder
	for begins := true; pattern != ""; {
		switch {
		case begins && strings.HasPrefix(pattern, "**/"):
			b.WriteByte(0)
			pattern = pattern[3:]
		case strings.HasPrefix(pattern, "**"):
			b.WriteByte(1)
			pattern, begins = pattern[2:], false
		default:
			b.WriteByte(pattern[0])
			pattern, begins = pattern[1:], pattern[0] == '/'
		}
	}
	return b.String()
}

// FuzzShownSource: the password of a URL is never shown, however it is written, and is
// known as a secret.
func FuzzShownSource(f *testing.F) {
	f.Add("postgres", "reader", "hunter2/x@y:z", "db.example.com:5432/shop", "sslmode", true)
	f.Add("mysql", "", "päss wörd", "h/d?x=1", "password", false)
	f.Add("x+y", "a", "0123/4567", "[::1]:1/", "api_key", false)
	f.Fuzz(func(t *testing.T, scheme, user, secret, rest, parameter string, escaped bool) {
		if !regexp.MustCompile(`^[a-z+]{1,20}$`).MatchString(scheme) || len(secret) < 4 || strings.Contains(scheme+user+rest+parameter, secret) || strings.ContainsAny(user, ":/?#@[") ||
			strings.ContainsFunc(user+secret+rest+parameter, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
			t.Skip("no URL is like this, or the secret is in its other parts")
		}
		written := secret
		if escaped {
			written = url.QueryEscape(secret)
		} else if strings.ContainsAny(secret, "/?#@[]&;=%") {
			t.Skip("a secret that would be taken for another part of the URL")
		}
		for _, source := range []string{
			scheme + "://" + user + ":" + written + "@" + strings.ReplaceAll(rest, "@", ""),
			scheme + "://h/d?" + parameter + "_password=" + written,
		} {
			if strings.Contains(source, parameter+"_password") && strings.ContainsAny(parameter, "=&;#") {
				continue
			}
			c := &Checker{Source: source}
			if shown := c.ShownSource(); strings.Contains(shown, secret) || strings.Contains(shown, written) {
				t.Fatalf("%q is shown as %q", source, shown)
			}
			known := c.SourceSecrets()
			if !strings.Contains("\x00"+strings.Join(known, "\x00")+"\x00", "\x00"+secret+"\x00") {
				t.Fatalf("the secret of %q is not among %q", source, known)
			}
		}
	})
}

func TestMatchersThatAreRefusedDriveNoTerminal(t *testing.T) {
	for text, says := range map[string]string{
		"\x1b[2J=x":      "a label is label.\ufffd[2J",
		"nmae\x07=x":     "a label is label.nmae\ufffd",
		"lable.a\x1b=x":  "did you mean label.a\ufffd?",
		"name=/a\x1b[0m": "write a\ufffd[0m",
		"name==a\x1b":    "write name=a\ufffd",
	} {
		_, err := ParseMatcher(text)
		if err == nil || strings.ContainsFunc(err.Error(), unicode.IsControl) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", text, err, says)
		}
	}
}
