package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/pluginsdk"
)

func TestAMailIsHandedIn(t *testing.T) {
	for _, c := range []struct {
		name     string
		implicit bool
		changes  []any
	}{
		{"STARTTLS", false, nil},
		{"TLS from the first byte on", true, []any{"tls", "implicit"}},
		{"opportunistic", false, []any{"tls", "opportunistic"}},
		{"LOGIN", false, []any{"auth", "login"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, func(f *fake) { f.implicit = c.implicit })
			h := mustStart(t, with(f.settings(), append(c.changes, "cc", "boss@example.com, ORDERS@example.com")...))
			if err := h.health(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.HandleNotice(t.Context(), noticetest.OpenedLow()); err != nil {
				t.Fatal(err)
			}
			mails := f.taken()
			if len(mails) != 1 || mails[0].from != "dwmon@example.com" || fmt.Sprint(mails[0].to) != "[orders@example.com boss@example.com]" {
				t.Fatalf("%+v", mails)
			}
			header, text, html := parts(t, mails[0].text)
			if header.Get("Cc") == "" || !strings.Contains(text, "4 rows") || !strings.Contains(html, "4 rows") {
				t.Error(mails[0].text)
			}
			if !slices.Contains(f.heard, "EHLO mon.example.com") {
				t.Error(f.heard)
			}
		})
	}
}

func TestResultsAreTold(t *testing.T) {
	f := newFake(t, nil)
	h := mustStart(t, with(f.settings(), "to", "ops@example.com"))
	n := noticetest.OpenedLow()
	if err := h.HandleCheck(t.Context(), pluginsdk.CheckEvent{Result: n.Results[0], IdempotencyKey: "k"}); err != nil {
		t.Fatal(err)
	}
	if header, _, _ := parts(t, f.taken()[0].text); decoded(t, header, "Subject") != "[BAD] shop/orders: 4 rows in the 3 min before 14:10, fewer than 5" {
		t.Error(header)
	}
}

func TestWhoseFaultItIs(t *testing.T) {
	for _, c := range []struct {
		name    string
		fake    func(*fake)
		changes []any
		class   pluginsdk.Class
		text    string
	}{
		{"too many connections", func(f *fake) { f.say["GREETING"] = "421 4.3.2 too many" }, nil, pluginsdk.ClassRetryable, "wait for the greeting: 421 4.3.2 too many"},
		{"not welcome", func(f *fake) { f.say["GREETING"] = "554 no service" }, nil, pluginsdk.ClassConfig, "wait for the greeting: 554 no service"},
		{"no SMTP", func(f *fake) { f.say["GREETING"] = "HTTP/1.1 400 Bad Request" }, nil, pluginsdk.ClassRetryable, "is this an SMTP server"},
		{"hangs up", func(f *fake) { f.say["GREETING"] = "-" }, nil, pluginsdk.ClassRetryable, "the server closed the connection"},
		{"says nothing", func(f *fake) { f.say["GREETING"] = "…" }, []any{"timeout", "1s"}, pluginsdk.ClassRetryable, "no answer within 1s"},
		{"no STARTTLS", func(f *fake) { f.offers = []string{"AUTH PLAIN"} }, nil, pluginsdk.ClassConfig, "the server does not offer STARTTLS; set tls"},
		{"no STARTTLS, and none wanted", func(f *fake) { f.offers = []string{"AUTH PLAIN"} }, []any{"tls", "opportunistic"}, "", ""},
		{"STARTTLS not now", func(f *fake) { f.say["STARTTLS"] = "454 4.7.0 not now" }, nil, pluginsdk.ClassRetryable, "begin TLS: 454"},
		{"a foreign certificate", nil, []any{"ca_file", ""}, pluginsdk.ClassConfig, "certificate is not trusted"},
		{"a certificate for another", nil, []any{"server_name", "other.example.com"}, pluginsdk.ClassConfig, "certificate is for another name"},
		{"TLS where there is none", nil, []any{"tls", "implicit"}, pluginsdk.ClassConfig, "does not speak TLS at this port"},
		{"a wrong password", nil, []any{"password", "wr0ng-pass"}, pluginsdk.ClassCredentials, "authenticate by PLAIN: 535"},
		{"authentication not now", func(f *fake) { f.say["AUTH"] = "454 4.7.0 later" }, nil, pluginsdk.ClassRetryable, "454 4.7.0 later"},
		{"authentication forbidden", func(f *fake) { f.say["AUTH"] = "550 5.7.0 locked" }, nil, pluginsdk.ClassCredentials, "550 5.7.0 locked; look at username"},
		{"no authentication offered", func(f *fake) { f.offers = []string{"STARTTLS"} }, nil, pluginsdk.ClassConfig, "it offers none"},
		{"only foreign ones", func(f *fake) { f.offers = []string{"STARTTLS", "AUTH NTLM GSSAPI"} }, nil, pluginsdk.ClassConfig, "it offers NTLM, GSSAPI"},
		{"not the one wanted", nil, []any{"auth", "scram-sha-256"}, pluginsdk.ClassConfig, "auth: scram-sha-256"},
		{"authentication wanted", nil, []any{"username", "", "password", ""}, pluginsdk.ClassCredentials, "name the sender dwmon@example.com: 530"},
		{"sender, later", func(f *fake) { f.say["MAIL"] = "452 4.3.1 disk full" }, nil, pluginsdk.ClassRetryable, "452 4.3.1 disk full"},
		{"sender, never", func(f *fake) { f.say["MAIL"] = "553 5.7.1 not yours" }, nil, pluginsdk.ClassPermanent, "name the sender dwmon@example.com: 553"},
		{"recipient, later", func(f *fake) { f.say["RCPT"] = "451 4.7.1 greylisted" }, nil, pluginsdk.ClassRetryable, "name the recipient orders@example.com: 451"},
		{"recipient, never", func(f *fake) { f.say["RCPT"] = "550 5.1.1 unknown" }, nil, pluginsdk.ClassPermanent, "name the recipient orders@example.com: 550"},
		{"hangs up at a recipient", func(f *fake) { f.say["RCPT"] = "-" }, nil, pluginsdk.ClassRetryable, "closed the connection"},
		{"no data", func(f *fake) { f.say["DATA"] = "451 4.3.0 no" }, nil, pluginsdk.ClassRetryable, "begin the mail: 451"},
		{"spam", func(f *fake) { f.say["END"] = "554 5.7.1 spam" }, nil, pluginsdk.ClassPermanent, "end the mail: 554 5.7.1 spam"},
		{"mail, later", func(f *fake) { f.say["END"] = "452 4.2.2 full" }, nil, pluginsdk.ClassRetryable, "end the mail: 452"},
		{"hangs up at the end", func(f *fake) { f.say["END"] = "-" }, nil, pluginsdk.ClassRetryable, "end the mail: the server closed the connection"},
		{"what follows a yes is of no account", func(f *fake) { f.say["QUIT"] = "-" }, nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.fake)
			h := mustStart(t, with(f.settings(), c.changes...))
			err := h.HandleNotice(t.Context(), noticetest.OpenedLow())
			if got := pluginsdk.ClassOf(err); got != c.class {
				t.Errorf("%q, want %q: %v", got, c.class, err)
			}
			if text := fmt.Sprint(err); !strings.Contains(text, c.text) && c.text != "" || strings.Contains(text, password) || strings.Contains(text, "wr0ng-pass") || strings.Contains(text, "AGR3bW9u") {
				t.Errorf("%s\nwant %s", text, c.text)
			}
		})
	}
}

// TestAPasswordIsNotShown: where nobody has made the connection private, nothing is
// sent that shows the password, whatever the server offers.
func TestAPasswordIsNotShown(t *testing.T) {
	s := &settings{Host: "smtp.example.com", Auth: "auto", Username: account, Password: password}
	for _, c := range []struct {
		offered string
		private bool
		auth    string
		want    string // empty: an error
	}{
		{"PLAIN LOGIN", false, "auto", ""},
		{"PLAIN LOGIN", false, "plain", ""},
		{"XOAUTH2", false, "xoauth2", ""},
		{"PLAIN CRAM-MD5", false, "auto", "CRAM-MD5"},
		{"PLAIN SCRAM-SHA-256 CRAM-MD5", false, "auto", "SCRAM-SHA-256"},
		{"CRAM-MD5 LOGIN PLAIN", true, "auto", "PLAIN"},
		{"XOAUTH2", true, "auto", ""},
		{"XOAUTH2", true, "xoauth2", "XOAUTH2"},
	} {
		s.Auth = c.auth
		m, err := s.mechanism(strings.Fields(c.offered), c.private)
		if m.name != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %s, %v", c, m.name, err)
		}
	}
}

func TestOneOfSeveralIsRefused(t *testing.T) {
	f := newFake(t, func(f *fake) {
		f.say["RCPT gone@example.com"] = "550 5.1.1 unknown"
		f.say["RCPT later@example.com"] = "451 4.7.1 greylisted"
	})
	h := mustStart(t, with(f.settings(), "to", "a@example.com, gone@example.com, later@example.com, b@example.com"))
	n := noticetest.OpenedLow()
	err := h.HandleNotice(t.Context(), n)
	if pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || !strings.Contains(err.Error(), "not yet for later@example.com: 451 4.7.1 greylisted") {
		t.Fatal(err)
	}
	f.mu.Lock()
	delete(f.say, "RCPT later@example.com")
	f.mu.Unlock()
	for range 2 { // the second time there is nobody left who could be told
		if err := h.HandleNotice(t.Context(), n); err != nil && pluginsdk.ClassOf(err) != pluginsdk.ClassPermanent {
			t.Fatal(err)
		}
	}
	var told []string
	for _, m := range f.taken() {
		told = append(told, strings.Join(m.to, " "))
	}
	if got := strings.Join(told, "; "); got != "a@example.com b@example.com; later@example.com" {
		t.Error(got)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	h := mustStart(t, with(plainSettings, "host", "127.0.0.1", "port", port))
	if err := h.HandleNotice(t.Context(), noticetest.OpenedLow()); pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
	if err := h.health(t.Context()); err == nil {
		t.Error("a server that is not there is healthy")
	}
}

func TestACallThatIsGivenUpEndsAtOnce(t *testing.T) {
	f := newFake(t, func(f *fake) { f.say["DATA"] = "…" })
	h := mustStart(t, with(f.settings(), "timeout", "1m"))
	ctx, cancel := context.WithCancel(within(t, 30*time.Second))
	done := make(chan error, 1)
	go func() { done <- h.HandleNotice(ctx, noticetest.OpenedLow()) }()
	for {
		f.mu.Lock()
		reached := slices.Contains(f.heard, "DATA")
		f.mu.Unlock()
		if reached {
			break
		}
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err == nil || ctx.Err() != context.Canceled {
		t.Error(err, ctx.Err())
	}
}
