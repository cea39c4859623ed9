package main

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// FuzzRecipients: whom a checker's EXTRA names gets the mail, and nobody else; nothing of
// it can become a header or a command of its own.
func FuzzRecipients(f *testing.F) {
	for _, extra := range []string{
		`{"alert": "a@example.com"}`, `{"alert": ["A <a@example.com>, b@example.com", "A@EXAMPLE.com"]}`, `{"alert": "x\r\nBcc: c@example.com"}`, `{"alert": "\"a\\\" b\"@example.com"}`, `{"alert": 1}`, `{"alert": null}`, `[]`, `{"alert": "=?utf-8?q?=0d=0aRCPT?= <a@b>"}`, `{"alert": "group: a@b, c@d;"}`, `{"alert": "a@[127.0.0.1]"}`,
	} {
		f.Add([]byte(extra))
	}
	f.Fuzz(func(t *testing.T, extra []byte) {
		all, err := (&settings{}).recipients(extra)
		if err != nil {
			if pluginsdk.ClassOf(err) != pluginsdk.ClassPermanent || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%s: %v (%s)", extra, err, pluginsdk.ClassOf(err))
			}
			return
		}
		if len(all) == 0 {
			t.Fatalf("%s names nobody, and that is no error", extra)
		}
		for _, to := range envelope(all) {
			if strings.ContainsAny(to, "\r\n\x00") || !strings.Contains(to, "@") {
				t.Fatalf("%s: the mail goes to %q", extra, to)
			}
		}
		for _, a := range all {
			if strings.ContainsAny(a.String(), "\r\n") {
				t.Fatalf("%s: the header has %q", extra, a.String())
			}
			if again, err := mail.ParseAddress(a.String()); err != nil || again.Address != a.Address {
				t.Fatalf("%s: %q is written as %q, and that is %v, %v", extra, a.Address, a.String(), again, err)
			}
		}
	})
}

// FuzzWhatServersSay: whatever a mail server says, what is told of it is one line without
// the password. In it, \x01 stands for the password.
func FuzzWhatServersSay(f *testing.F) {
	const password = "s3cr3t-0123456789-0123456789-t3rc3s"
	f.Add("535 no, \x01\r\n\x1b[2J")
	f.Add(strings.Repeat("x", 290) + "\x01")
	f.Add("\xff\u2028")
	f.Fuzz(func(t *testing.T, said string) {
		if strings.Contains(said, "s3cr") || strings.Contains(said, "rc3s") {
			t.Skip("a part of the password by itself")
		}
		s := &server{secrets: redactor("ann", password)}
		text := s.quote(strings.ReplaceAll(said, "\x01", password))
		if strings.Contains(text, "s3cr") || strings.Contains(text, "rc3s") || strings.ContainsAny(text, "\r\n\x1b") || len(text) > 4096 {
			t.Fatalf("%q is told as %q", said, text)
		}
	})
}
