package sqlgetter

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDSN: whatever a DSN looks like, no error, no name and no text of a driver shows its
// password.
func FuzzDSN(f *testing.F) {
	f.Add("postgres://reader:hunter2@db.example.com:5432/shop?sslmode=disable&timezone=Europe/Berlin", "hunter2")
	f.Add("pg://u:p%40ss%2Fw%3Ard@h/d?options=-c%20x", "p@ss/w:rd")
	f.Add("mysql://u:secret@h/d?token=secretmore", "secretmore")
	f.Add("postgres://u:pass word@h", "pass word")
	f.Add("file:x?password=abc&timezone=Nowhere", "abc")
	f.Add("postgres:u:p@ss@h:x/y", "p@ss")
	f.Fuzz(func(t *testing.T, raw, secret string) {
		g := testGetter(nil)
		g.product.Schemes = []string{"postgres", "pg", "mysql", "file"}
		d, err := g.parse(raw)
		if err != nil {
			// What cannot be read is not told of: with another word in its place, the
			// error is the same.
			_, rest, _ := strings.Cut(raw, "://")
			other := strings.ReplaceAll(raw, secret, strings.Repeat("q", len(secret)))
			_, otherErr := g.parse(other)
			if wordForm.MatchString(secret) && strings.Count(raw, secret) == strings.Count(rest, secret) && otherErr != nil && otherErr.Error() != err.Error() && !strings.HasPrefix(err.Error(), "timezone: ") {
				t.Fatalf("the error of %q tells of it: %v", raw, err)
			}
			return
		}
		secrets := []string{}
		if password, ok := d.User.Password(); ok {
			secrets = append(secrets, password)
		}
		for name, values := range d.Query() {
			if regexp.MustCompile(`(?i)pass|secret|token`).MatchString(name) {
				secrets = append(secrets, values...)
			}
		}
		for _, secret := range secrets {
			if len(secret) < 6 || !utf8.ValidString(secret) || strings.Contains(hidden, secret) || strings.Contains(secret, hidden) {
				continue
			}
			for _, said := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("u", secret).String(), strconv.Quote(secret)} {
				if shown := d.redact("dial: " + said + ": refused"); strings.Contains(shown, secret) || strings.Contains(shown, said) && len(said) != len(secret) {
					t.Fatalf("%q of %q, said as %q, is shown: %q", secret, raw, said, shown)
				}
			}
			if at := d.Host + d.Path + d.Opaque + d.User.Username(); !strings.Contains(at, secret) && strings.Contains(d.Name(), secret) && !strings.Contains(g.product.Name, secret) {
				t.Fatalf("the name of %q is %q", raw, d.Name())
			}
		}
	})
}

var wordForm = regexp.MustCompile(`^[a-z0-9]{4,}$`)

// FuzzReading holds the reader of statements against one that looks at one character
// after the other.
func FuzzReading(f *testing.F) {
	for _, query := range []string{
		"SELECT 1;", "(select ';' -- ;\n);", "WITH a AS (SELECT \"x;\"\"y\") SELECT 1 ; -- end", "SELECT 1; DROP TABLE x", "/* ; */ select `a;b`", "INSERT INTO x", ";SELECT 1", "SELECT 'open; ", "", "é SELECT",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := Reading(query, "SELECT", "WITH")
		bare, ok := naiveBare(query)
		statement, rest, _ := strings.Cut(bare, ";")
		first := strings.TrimLeft(strings.TrimSpace(statement), "( \t\r\n")
		single := ok && strings.TrimSpace(rest) == ""
		begins := regexp.MustCompile(`(?i)^(SELECT|WITH)($|[^\pL\pN_])`).MatchString(first)
		if err == nil && (!single || !begins) {
			t.Fatalf("%q was taken as %q; it is %q without what cannot count", query, got, bare)
		}
		if err == nil && !strings.HasPrefix(query, got) {
			t.Fatalf("%q became %q", query, got)
		}
	})
}

// naiveBare puts x in the place of all that stands in quotes, and a space in that of
// comments.
func naiveBare(query string) (bare string, ok bool) {
	ends := map[string]string{"--": "\n", "/*": "*/", "'": "'", `"`: `"`, "`": "`"}
	for len(query) > 0 {
		opened := ""
		for begin := range ends {
			if strings.HasPrefix(query, begin) {
				opened = begin
			}
		}
		if opened == "" {
			bare, query = bare+query[:1], query[1:]
			continue
		}
		_, rest, closed := strings.Cut(query[len(opened):], ends[opened])
		if query = rest; !closed {
			query = ""
		}
		if len(opened) == 2 {
			bare += " "
		} else {
			bare += " x " // a quote ends the word before it
		}
	}
	return bare, true
}

func TestSecretsOfADSN(t *testing.T) {
	for _, tt := range []struct{ name, raw, said, want string }{
		{"one is the beginning of another", "postgres://u:secret@h/d?token=secretmore", "secretmore and secret", "xxxxx and xxxxx"},
		{"in quotes, as Go writes it", `postgres://u:a%22b%5Cc@h/d`, `dial "u:a\"b\\c@h"`, `dial "u:xxxxx@h"`},
		{"escaped", "postgres://u:p%40ss@h/d", "p%40ss p@ss", "xxxxx xxxxx"},
	} {
		d, err := testGetter(nil).parse(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.redact(tt.said); got != tt.want {
			t.Errorf("%s: %q became %q, not %q", tt.name, tt.said, got, tt.want)
		}
	}
}
