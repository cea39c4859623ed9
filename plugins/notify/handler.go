package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// defaultTimeout is below the ten seconds that dwmon gives a call.
const defaultTimeout = pluginsdk.Duration(8 * time.Second)

type settings struct {
	URLs    []string           `json:"urls" secret:"true" doc:"services, as https://shoutrrr.nickfedor.com describes them, such as ntfy://ntfy.sh/topic"`
	URL     string             `json:"url" secret:"true" doc:"the same for a single one"`
	Timeout pluginsdk.Duration `json:"timeout" doc:"for all services together, which are told side by side"`
}

type handler struct {
	settings settings
	targets  []target
	told     message.Told
}

// target is a service to tell.
type target struct {
	name   string // in errors: the setting and the scheme, nothing secret
	scheme string
	url    *url.URL
	redact func(string) string
}

func (h *handler) setup(context.Context) error {
	s := &h.settings
	if s.Timeout <= 0 {
		return pluginsdk.ConfigError(errors.New("timeout must be above 0"))
	}
	var faults []error
	add := func(setting, raw string) {
		t, err := newTarget(setting, raw)
		if err != nil {
			faults = append(faults, err)
		}
		h.targets = append(h.targets, t)
	}
	h.targets = nil
	if s.URL != "" {
		add("url", s.URL)
	}
	for i, raw := range s.URLs {
		add(fmt.Sprintf("urls[%d]", i), raw)
	}
	if len(h.targets) == 0 {
		faults = append(faults, errors.New("set url, or urls, a list: such as ntfy://ntfy.sh/topic"))
	}
	limitTime(s.Timeout.Std())
	return pluginsdk.ConfigError(errors.Join(faults...))
}

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9]*(\+https?)?://`)

func newTarget(setting, raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil || !schemeForm.MatchString(raw) {
		// There is no telling what of it is secret.
		return target{}, fmt.Errorf("%s: want a URL such as ntfy://ntfy.sh/topic", setting)
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	t := target{name: setting + " (" + scheme + ")", scheme: scheme, url: u}
	c, err := provider.New(provider.Options{Secrets: secretsOf(u)})
	if err != nil {
		return target{}, err
	}
	t.redact = func(text string) string { return provider.Cut(c.Redact(hideURLs(provider.OneLine(text))), 300) }
	if err := check(u); err != nil {
		return target{}, fmt.Errorf("%s: %s", t.name, t.redact(err.Error()))
	}
	return t, nil
}

// secretsOf gives what is secret in a service's URL: all but its scheme. A host may be
// a token, and a path the name of a topic to which whoever knows it may listen.
func secretsOf(u *url.URL) []string {
	secrets := append(provider.SecretsOf(u), u.String(), u.Host, u.Hostname())
	if u.User != nil {
		secrets = append(secrets, u.User.Username(), u.User.String())
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		secrets = append(secrets, segment)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			secrets = append(secrets, strings.Split(v, ",")...)
		}
	}
	// Words that are in every error are no secrets.
	var kept []string
	for _, s := range secrets {
		if s != "" && !commonWords.MatchString(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

var commonWords = regexp.MustCompile(`(?i)^(yes|no|true|false|post|get|json|http|https|send|message|messages|high|default|none|localhost|127\.0\.0\.1)$`)

var anyURL = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)

// hideURLs leaves no URL in a text: the library makes its own of what it was given.
func hideURLs(text string) string { return anyURL.ReplaceAllString(text, "xxxxx") }

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.tell(ctx, message.OfResult(&ev))
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.tell(ctx, message.OfNotice(&n))
}

// tell tells all services at once that were not told at an earlier try.
func (h *handler) tell(ctx context.Context, m *message.Message) error {
	ctx, cancel := context.WithTimeout(ctx, h.settings.Timeout.Std())
	defer cancel()
	var names []string
	byName := map[string]target{}
	for _, t := range h.targets {
		names = append(names, t.name)
		byName[t.name] = t
	}
	names = h.told.Left(m.Key, names)
	results := make([]chan error, len(names))
	for i, name := range names {
		results[i] = byName[name].start(m)
	}
	errs := make([]error, len(names))
	for i, name := range names {
		errs[i] = byName[name].wait(ctx, results[i])
		if errs[i] == nil {
			h.told.Add(m.Key, []string{name})
		}
	}
	return worst(errs)
}

// start sends a message in the background.
func (t target) start(m *message.Message) chan error {
	result := make(chan error, 1)
	title := message.Shorten(m.Title(), 250)
	text := message.Shorten(cmp.Or(m.Text(), m.Summary), cmp.Or(lengths[t.scheme], maxLength)-len(title))
	go func() { result <- send(t.url, title, text) }()
	return result
}

// wait waits for what comes of start. An answer that is there counts, however late it
// is looked at.
func (t target) wait(ctx context.Context, result chan error) error {
	select {
	case err := <-result:
		return t.fault(err)
	case <-ctx.Done():
	}
	select {
	case err := <-result:
		return t.fault(err)
	default:
		return pluginsdk.Retryable(fmt.Errorf("%s: no answer within the time limit", t.name), 0)
	}
}

// fault makes an error of the SDK's of one of the library's, most of which do not tell
// what kind they are: those are tried again.
func (t target) fault(err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Errorf("%s: %s", t.name, t.redact(err.Error()))
	switch code := statusOf(err); {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return pluginsdk.CredentialsError(text)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return pluginsdk.Retryable(text, 0)
	case code/100 == 4:
		return pluginsdk.Permanent(text)
	}
	return pluginsdk.Retryable(text, 0)
}

// worst makes one error of all. Its class is that of the first that may work yet: the
// notice is not given up for a service that refuses it for good.
func worst(errs []error) error {
	var first error
	var texts []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		texts = append(texts, err.Error())
		if first == nil || pluginsdk.ClassOf(first) == pluginsdk.ClassPermanent {
			first = err
		}
	}
	if len(texts) < 2 {
		return first
	}
	return &joined{strings.Join(texts, "; "), first}
}

// joined is an error with the texts of several and the class of one.
type joined struct {
	text string
	err  error
}

func (j *joined) Error() string { return j.text }
func (j *joined) Unwrap() error { return j.err }

var _ pluginsdk.NoticeHandler = (*handler)(nil)
