package provider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// FuzzAnswer: whatever a service answers, a delivery has an outcome that says when it is
// to be tried again, and an error of one line without what is secret. In the body \x01
// stands for the secret: services repeat what they were sent.
func FuzzAnswer(f *testing.F) {
	f.Add(uint16(200), "", []byte(`{"ok": true}`))
	f.Add(uint16(429), "120", []byte("slow down \x01"))
	f.Add(uint16(503), "Sat, 28 Nov 2026 12:00:00 GMT", []byte(strings.Repeat("x", 280)+"\x01"))
	f.Add(uint16(400), "-1", []byte("\xff\x1b[2J\r\n\u2028"))
	f.Add(uint16(301), "99999999999999999999", []byte(""))
	f.Add(uint16(403), "1e9", []byte("\x01"))
	const secret = "s3cr3t-0123456789-0123456789-t3rc3s"
	type answer struct {
		code  int
		after string
		body  []byte
	}
	var says atomic.Pointer[answer]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := says.Load()
		if a.after != "" {
			w.Header().Set("Retry-After", a.after)
		}
		w.WriteHeader(a.code)
		_, _ = w.Write(a.body)
	}))
	f.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/hook/" + secret)
	if err != nil {
		f.Fatal(err)
	}
	c, err := New(Options{Provider: "A", Plugin: "a", Version: "1", Secrets: SecretsOf(u)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	f.Fuzz(func(t *testing.T, code uint16, after string, body []byte) {
		status := 200 + int(code)%400
		if !ValidHeaderValue(after) || status == http.StatusNoContent || status == http.StatusNotModified {
			t.Skip("no answer is like this")
		}
		says.Store(&answer{status, after, []byte(strings.ReplaceAll(string(body), "\x01", secret))})
		got, err := c.Do(t.Context(), Request{URL: u, Body: []byte("{}"), Idempotent: true})
		if (err == nil) != (status < 300) {
			t.Fatalf("%d is %v, %v", status, got, err)
		}
		if err == nil {
			return
		}
		if text := err.Error(); strings.Contains(text, "s3cr3t") || strings.Contains(text, "t3rc3s") || len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
			t.Fatalf("%d is told as %q", status, text)
		}
		if wait := pluginsdk.RetryAfter(err); wait < 0 || wait > maxRetryAfter {
			t.Fatalf("%q puts us off for %v", after, wait)
		}
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != status {
			t.Fatalf("%d is %v", status, err)
		}
	})
}

// FuzzURL: of a URL that cannot be read nothing is told; of one that can, whatever is said
// behind the host is kept out of texts in any form that a library may give it.
func FuzzURL(f *testing.F) {
	f.Add("https://hooks.example.com/services/T0001/B0002/abcdefghijkl?key=va%6Cue", uint8(0))
	f.Add("http://user:p%40ss@h/a", uint8(1))
	f.Add("HTTP://[::1]:1/\x7f#x", uint8(2))
	f.Add("https://h/"+strings.Repeat("abcdefghij/", 5)+"?a=abcdefghijk&b=abcdefghijkl", uint8(3))
	f.Fuzz(func(t *testing.T, raw string, form uint8) {
		u, err := ParseURL(raw)
		if err != nil {
			_, rest, _ := strings.Cut(raw, "://")
			if rest != "" && len(rest) > 12 && strings.Contains(err.Error(), rest) {
				t.Fatalf("the error of %q tells of it: %v", raw, err)
			}
			return
		}
		secrets := SecretsOf(u)
		hide := redactor(secrets)
		for _, secret := range secrets {
			if len(secret) < shortestSecret || !utf8.ValidString(secret) || strings.Contains(hidden, secret) || strings.Contains(secret, hidden) {
				continue
			}
			quoted, _ := json.Marshal(secret)
			written := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted)}[form%4]
			if shown := hide.Replace("| " + written + " |"); strings.Contains(shown, secret) || strings.Contains(shown, written) {
				t.Fatalf("%q of %q, written as %q, is shown: %q", secret, raw, written, shown)
			}
		}
		if password, ok := u.User.Password(); ok && len(password) >= shortestSecret && password != hidden {
			basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
			if shown := hide.Replace(basic); strings.Contains(shown, basic) {
				t.Fatalf("the password of %q is shown: %s", raw, shown)
			}
		}
	})
}

// FuzzRetryAfter: whatever a server asks for, it puts us off for no more than an hour, and
// not into the past.
func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sat, 28 Nov 2026 12:00:00 GMT", "Sat, 28 Nov 2026 11:59:00 GMT")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		got := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, time.Unix(1_800_000_000, 0))
		if got < 0 || got > maxRetryAfter {
			t.Fatalf("%q at %q is %v", after, date, got)
		}
	})
}
