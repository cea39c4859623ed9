package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// actAs makes the test binary act as the plugin.
const actAs = "MAIL_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if os.Getenv(actAs) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestTheExecutableDescribesItself(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "describe", "--json")
	cmd.Env = append(os.Environ(), actAs+"=1")
	out, err := cmd.Output()
	var d struct {
		Name     string   `json:"name"`
		Kinds    []string `json:"kinds"`
		Statuses []string `json:"statuses"`
		On       string   `json:"default_on"`
		Notices  bool     `json:"notices"`
	}
	if err != nil || json.Unmarshal(out, &d) != nil {
		t.Fatal(err, string(out))
	}
	if got := fmt.Sprint(d); got != "{mail [check_handler] [GOOD BAD UNKNOWN] change true}" {
		t.Error(got)
	}
}

// start is the handler with settings as the host gives them.
func start(t *testing.T, values map[string]any) (*handler, error) {
	t.Helper()
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	h := &handler{settings: defaults}
	if err := pluginsdk.DecodeSettings(raw, &h.settings); err != nil {
		return nil, err
	}
	return h, h.setup(t.Context())
}

func mustStart(t *testing.T, values map[string]any) *handler {
	t.Helper()
	h, err := start(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// with is settings with some changed; nil takes one out.
func with(values map[string]any, changes ...any) map[string]any {
	values = maps.Clone(values)
	for i := 0; i < len(changes); i += 2 {
		values[changes[i].(string)] = changes[i+1]
	}
	return values
}

var plainSettings = map[string]any{"host": "smtp.example.com", "from": "dwmon@example.com", "to": "ops@example.com"}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []any
		want    string // of the error; empty: none
	}{
		{"the least", nil, ""},
		{"a list of recipients", []any{"to", []string{"a@example.com", "B <b@example.com>, c@example.com"}, "cc", "d@example.com,"}, ""},
		{"no host", []any{"host", ""}, `setting "host" is missing`},
		{"a host with a port", []any{"host", "smtp.example.com:25"}, "host: smtp.example.com:25 holds a port"},
		{"a URL", []any{"host", "smtp://x"}, "host: want a name"},
		{"no sender", []any{"from", ""}, `setting "from" is missing`},
		{"two senders", []any{"from", "a@x.de, b@x.de"}, "want one address"},
		{"no address", []any{"to", "ops"}, `"ops" is no mail address: want name@example.com`},
		{"a number", []any{"to", 7}, "want an address, several with commas between, or a list"},
		{"a header in an address", []any{"to", "a@x.de\r\nBcc: b@x.de"}, "is no mail address"},
		{"no such tls", []any{"tls", "ssl"}, "tls: want starttls, implicit, opportunistic or none"},
		{"no such auth", []any{"auth", "ntlm"}, "auth: want auto, plain"},
		{"a user without a password", []any{"username", "x"}, "username and password belong together"},
		{"a password in the open", []any{"username", "x", "password", "y", "auth", "plain", "tls", "none"}, "auth plain without TLS would send the password"},
		{"a challenge in the open", []any{"username", "x", "password", "y", "auth", "cram-md5", "tls", "none"}, ""},
		{"no port", []any{"port", 70000}, "port is 70000"},
		{"no time", []any{"timeout", "0s"}, "timeout must be above 0"},
		{"no name", []any{"hello", "a b"}, "hello: want a host's name"},
		{"no such file", []any{"ca_file", "/nowhere/ca.pem"}, "ca_file: open /nowhere/ca.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := start(t, with(plainSettings, c.changes...))
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	for mode, want := range map[string]int{"starttls": 587, "implicit": 465, "opportunistic": 25, "none": 25} {
		if h := mustStart(t, with(plainSettings, "tls", mode)); h.settings.Port != want {
			t.Errorf("%s: %d", mode, h.settings.Port)
		}
	}
}

func TestRecipients(t *testing.T) {
	for _, c := range []struct {
		name         string
		to, fallback string
		extra        string
		want         string
		fault        string
	}{
		{"the setting", "ops@x.de", "f@x.de", `{"alert": "team@x.de"}`, "[ops@x.de]", ""},
		{"EXTRA, a text", "", "", `{"alert": "team@x.de"}`, "[team@x.de]", ""},
		{"EXTRA, several", "", "f@x.de", `{"alert": "team@x.de, Zoë <zoe@x.de>"}`, "[team@x.de zoe@x.de]", ""},
		{"EXTRA, a list", "", "", `{"alert": ["a@x.de", "b@x.de"]}`, "[a@x.de b@x.de]", ""},
		{"the fallback", "", "f@x.de", `{}`, "[f@x.de]", ""},
		{"the fallback, of a source", "", "f@x.de", ``, "[f@x.de]", ""},
		{"nobody", "", "", `{"alert": null}`, "", "nobody to write to: set to in the handler's settings, or"},
		{"nobody, an EXTRA for somebody else", "", "", `["x"]`, "", "nobody to write to"},
		{"an empty text", "", "", `{"alert": " , "}`, "", "nobody to write to"},
		{"no address", "", "f@x.de", `{"alert": "#ops"}`, "", `the EXTRA section: alert: "#ops" is no mail address`},
		{"no text", "", "f@x.de", `{"alert": {"mail": "x"}}`, "", "the EXTRA section: alert: want an address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := mustStart(t, with(plainSettings, "to", c.to, "fallback", c.fallback))
			got, err := h.settings.recipients([]byte(c.extra))
			diags := h.ValidateChecker(t.Context(), pluginsdk.CheckerText{ExtraJSON: []byte(c.extra)})
			if c.fault != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.fault) || pluginsdk.ClassOf(err) != pluginsdk.ClassPermanent {
					t.Errorf("%v", err)
				}
				if len(diags) != 1 || diags[0].Summary != err.Error() {
					t.Error(diags)
				}
				return
			}
			if err != nil || fmt.Sprint(envelope(got)) != c.want || len(diags) != 0 {
				t.Error(envelope(got), err, diags)
			}
		})
	}
}

// parts are a mail's text and HTML, decoded.
func parts(t *testing.T, raw string) (header mail.Header, text, html string) {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatal(kind, err)
	}
	all := map[string]string{}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		all[kind] = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	return msg.Header, all["text/plain"], all["text/html"]
}

// written is a notice's mail as it is sent.
func written(t *testing.T, h *handler, n pluginsdk.Notice) string {
	t.Helper()
	to, err := h.settings.recipients(n.ExtraJSON)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := h.settings.compose(message.OfNotice(&n), to)
	if err != nil {
		t.Fatal(err)
	}
	var raw strings.Builder
	if _, err := msg.WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	return raw.String()
}

func decoded(t *testing.T, h mail.Header, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(h.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheMailAsItsReaderSeesIt(t *testing.T) {
	h := mustStart(t, with(plainSettings, "from", "dwmon <dwmon@example.com>"))
	for _, s := range noticetest.All() {
		t.Run(s.Name, func(t *testing.T) {
			header, text, html := parts(t, written(t, h, s.Notice))
			var top strings.Builder
			for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "X-Dwmon-State", "X-Dwmon-Notice", "X-Dwmon-Checker", "X-Dwmon-Incident"} {
				if header.Get(name) != "" {
					fmt.Fprintf(&top, "%s: %s\n", name, decoded(t, header, name))
				}
			}
			noticetest.Golden(t, s.Name+".txt", top.String()+"\n"+text)
			noticetest.Golden(t, s.Name+".html", html)
		})
	}
}

func TestARedeliveryIsTheSameMail(t *testing.T) {
	h := mustStart(t, plainSettings)
	for _, s := range noticetest.All() {
		if a, b := written(t, h, s.Notice), written(t, h, s.Notice); a != b {
			t.Errorf("%s differs from itself:\n%s\n%s", s.Name, a, b)
		}
	}
}

func TestARecoveryStandsBelowItsAlert(t *testing.T) {
	h := mustStart(t, plainSettings)
	alert, _, _ := parts(t, written(t, h, noticetest.OpenedLow()))
	recovery, _, _ := parts(t, written(t, h, noticetest.Recovered()))
	other, _, _ := parts(t, written(t, h, noticetest.SourceDown()))
	root := alert.Get("References")
	if root == "" || recovery.Get("References") != root || recovery.Get("In-Reply-To") != root || other.Get("References") == root {
		t.Errorf("%v\n%v\n%v", alert, recovery, other)
	}
	if alert.Get("In-Reply-To") != "" {
		t.Error("an alert is no answer to anything")
	}
	if alert.Get("Message-Id") == recovery.Get("Message-Id") {
		t.Error("two mails have the same name")
	}
}

func TestAHostileNotice(t *testing.T) {
	h := mustStart(t, with(plainSettings, "subject_prefix", "[größte\r\nX-Evil: 1]"))
	for _, n := range []pluginsdk.Notice{noticetest.Hostile(), noticetest.Huge()} {
		raw := written(t, h, n)
		header, _, html := parts(t, raw)
		for _, name := range []string{"Bcc", "X-Evil"} {
			if header.Get(name) != "" {
				t.Errorf("a header was smuggled in:\n%s", raw)
			}
		}
		if strings.Contains(html, "<script") || strings.Contains(html, `href="javascript`) {
			t.Error(html)
		}
		if subject := decoded(t, header, "Subject"); len(subject) > maxSubject || !strings.HasPrefix(subject, "[größte X-Evil: 1] [BAD] ") {
			t.Errorf("%d bytes: %s", len(subject), subject)
		}
		for line := range strings.Lines(raw) {
			if len(line) > 1000 {
				t.Fatalf("a line of %d bytes: %.80s", len(line), line)
			}
		}
	}
}

func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	h := mustStart(t, plainSettings)
	for _, s := range noticetest.All() {
		_, _, html := parts(t, written(t, h, s.Notice))
		for _, forbidden := range []string{"<img", "<link", "<style", "<script", "url(", "@import", " src="} {
			if strings.Contains(html, forbidden) {
				t.Errorf("%s holds %s", s.Name, forbidden)
			}
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
