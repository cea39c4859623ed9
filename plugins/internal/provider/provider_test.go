package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/pluginsdk"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name, retryAfter, date string
		want                   time.Duration
	}{
		{"none", "", "", 0},
		{"seconds", "7", "", 7 * time.Second},
		{"seconds with spaces", " 7 ", "", 7 * time.Second},
		{"more than an hour", "86400", "", time.Hour},
		{"more than fits", "99999999999999999999", "", 0},
		{"a negative number", "-5", "", 0},
		{"a word", "soon", "", 0},
		{"a date", at(90 * time.Second), "", 90 * time.Second},
		{"a date long ago", at(-time.Hour), "", 0},
		{"a date next year", at(400 * 24 * time.Hour), "", time.Hour},
		{"a date by the server's clock, which is an hour fast", at(time.Hour + time.Minute), at(time.Hour), time.Minute},
	} {
		h := http.Header{"Retry-After": {c.retryAfter}, "Date": {c.date}}
		if got := retryAfter(h, now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com/s3cr3t?x=1": "",
		"HTTP://127.0.0.1:8080":          "",
		"https://me:s3cr3t@example.com":  "",
		"example.com/s3cr3t":             "want a URL such as",
		"ftp://example.com/s3cr3t":       "want a URL such as",
		"https:///s3cr3t":                "no valid URL",
		"https://exa mple.com/s3cr3t":    "no valid URL",
		"https://example.com/%zz/s3cr3t": "no valid URL",
		"https://example.com/#s3cr3t":    "fragment",
		"":                               "want a URL such as",
		"https://example.com/\ns3cr3t":   "no valid URL",
	} {
		_, err := ParseURL(raw)
		if text := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(text, want) || strings.Contains(text, "s3cr3t") {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

func TestSecretsOfAURLAreHidden(t *testing.T) {
	u, err := ParseURL("https://me:pa%2Fss@hooks.example.com/services/T0/k9dJ3mQ0xLw1/send?sig=a%20b%2Fc&v=1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Secrets: SecretsOf(u)})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Cannot POST /services/T0/k9dJ3mQ0xLw1/send":         "Cannot POST xxxxx",
		"no hook k9dJ3mQ0xLw1":                               "no hook xxxxx",
		"/services/T0/k9dJ3mQ0xLw1/send?sig=a%20b%2Fc&v=1 ?": "xxxxx ?",
		`{"sig": "a b/c"}`:                                   `{"sig": "xxxxx"}`,
		"sig a%20b%2Fc":                                      "sig xxxxx",
		"you are me with pa/ss":                              "you are me with xxxxx",
		"Basic bWU6cGEvc3M=":                                 "Basic xxxxx",
		"the service is away":                                "the service is away",
	} {
		if got := c.Redact(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := Where(u); got != "https://hooks.example.com" {
		t.Error(got)
	}
}

func TestSourceName(t *testing.T) {
	for source, want := range map[string]string{
		"AWS":                          "AWS",
		"sqlite:demo.db":               "sqlite:demo.db",
		"two\nlines":                   "two lines",
		"postgres://me:s3cr3t@db:5432": "postgres://me:xxxxx@db:5432",
		"mysql://me:@db/x":             "mysql://me:xxxxx@db/x",
		"https://api.example.com/a@b":  "https://api.example.com/a@b",
		"https://example.com:443/a@b":  "https://example.com:443/a@b",
	} {
		if got := SourceName(source); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

func TestNoFormOfASecretIsShown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9"\\/+= <>&é]{4,20}`).Draw(rt, "secret")
		c, err := New(Options{Secrets: []string{secret, secret[:len(secret)/2]}})
		if err != nil {
			rt.Fatal(err)
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if got := c.excerpt([]byte("< " + form + " >")); strings.Contains(got, form) && !strings.Contains(hidden, form) {
				rt.Fatalf("%q is shown: %s", form, got)
			}
		}
	})
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"äöüß", 4, "äöüß"},
		{"äöüßx", 4, "äöü…"},
		{"abcd", 1, "…"},
	} {
		if got := Cut(c.text, c.most); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

func TestHeadersOfOnesOwn(t *testing.T) {
	for name, c := range map[string]struct {
		name, value, want string
	}{
		"one":              {"X-Team", "billing", ""},
		"an authorization": {"Authorization", "Bearer s3cr3t", ""},
		"no name":          {"X Team: s3cr3t", "", "no name of a header"},
		"net/http's":       {"content-length", "5", "Content-Length is set by the plugin itself"},
		"the handler's":    {"Webhook-ID", "5", "Webhook-Id is set by the plugin itself"},
		"a second line":    {"X-Team", "s3cr3t\r\nX: y", "the value of X-Team holds a line break"},
	} {
		err := CheckHeaders(map[string]string{c.name: c.value}, "webhook-id")
		if text := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(text, c.want) || strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestWorst: a delivery of several requests is given up only where none of those
// that failed may be taken yet.
func TestWorst(t *testing.T) {
	var (
		never = pluginsdk.Permanent(&Refusal{Code: 400})
		later = pluginsdk.Retryable(errors.New("down"), 0)
		wait  = pluginsdk.Retryable(&Refusal{Code: 429}, 30*time.Second)
		key   = pluginsdk.CredentialsError(&Refusal{Code: 403})
	)
	for _, c := range []struct {
		name  string
		errs  []error
		class pluginsdk.Class
		after time.Duration
	}{
		{"all taken", []error{nil, nil}, "", 0},
		{"one refused", []error{nil, never}, pluginsdk.ClassPermanent, 0},
		{"one refused, one down", []error{never, nil, later}, pluginsdk.ClassRetryable, 0},
		{"one down, one refused", []error{later, never}, pluginsdk.ClassRetryable, 0},
		{"one down, one too many", []error{later, wait}, pluginsdk.ClassRetryable, 30 * time.Second},
		{"credentials and a refusal", []error{never, key}, pluginsdk.ClassCredentials, 0},
	} {
		err := Worst(c.errs...)
		if got, after := pluginsdk.ClassOf(err), pluginsdk.RetryAfter(err); got != c.class || after != c.after {
			t.Errorf("%s: %q after %v, want %q after %v", c.name, got, after, c.class, c.after)
		}
		for _, e := range c.errs {
			if e != nil && !strings.Contains(err.Error(), e.Error()) {
				t.Errorf("%s: %v does not say %v", c.name, err, e)
			}
		}
	}
}
