package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	RoutingKey string `json:"routing_key" required:"true" secret:"true" doc:"integration key of an integration of the kind Events API v2"`
	URL        string `json:"url" doc:"where the Events API is; https://events.eu.pagerduty.com for accounts in the EU"`
	Severity   string `json:"severity" doc:"critical, error, warning or info; a checker's label severity goes first"`
	provider.Settings
}

type handler struct {
	settings settings
	endpoint *url.URL
	client   *provider.Client
	progress progress
}

func (h *handler) setup(context.Context) error {
	s := &h.settings
	base, err := provider.ParseURL(s.URL)
	if err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("url: %w", err))
	}
	if !slices.Contains(severities, s.Severity) {
		return pluginsdk.ConfigError(fmt.Errorf("severity is %q; want %s", s.Severity, strings.Join(severities, ", ")))
	}
	if err := checkRoutingKey(s.RoutingKey, base); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("routing_key: %w", err))
	}
	base.Path = strings.TrimSuffix(strings.TrimRight(base.Path, "/"), "/v2/enqueue") + "/"
	h.endpoint = base.JoinPath("v2", "enqueue")
	h.client, err = provider.New(provider.Options{
		Provider: "PagerDuty", Plugin: "pagerduty", Version: version, Settings: s.Settings,
		Secrets: append(provider.UserSecrets(base), s.RoutingKey),
	})
	return err
}

// checkRoutingKey finds what PagerDuty would refuse. What speaks its protocol
// elsewhere has keys of other lengths.
func checkRoutingKey(key string, base *url.URL) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("it holds a space or another character that no key has")
	}
	if host := strings.ToLower(base.Hostname()); strings.HasSuffix("."+host, ".pagerduty.com") && len(key) != 32 {
		return fmt.Errorf("it has %d characters, and an integration key of the Events API v2 has 32", len(key))
	}
	return nil
}

func (h *handler) shutdown(context.Context) error {
	h.client.Close()
	return nil
}

// health says whether PagerDuty can be reached. Whether it takes the key is seen
// with an event only.
func (h *handler) health(ctx context.Context) error { return h.client.Probe(ctx, h.endpoint) }

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.enqueueAll(ctx, ev.IdempotencyKey, h.eventsOfResult(&ev))
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.enqueueAll(ctx, n.IdempotencyKey, h.eventsOfNotice(&n))
}

// accepted is the code of the one answer that says that an event was taken.
const accepted = http.StatusAccepted

// enqueue tells one event.
func (h *handler) enqueue(ctx context.Context, e event) error {
	e.RoutingKey = h.settings.RoutingKey
	body, err := json.Marshal(e)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	answer, err := h.client.Do(ctx, provider.Request{URL: h.endpoint, Body: body, Idempotent: true})
	switch {
	case err != nil:
		return refusedKey(err)
	case answer.Code != accepted:
		return pluginsdk.ConfigError(fmt.Errorf("the server at %s answered %d, and PagerDuty answers %d: is the url right?", provider.Where(h.endpoint), answer.Code, accepted))
	}
	pluginsdk.Receipt(ctx, e.Action+" "+e.DedupKey)
	return nil
}

// refusedKey finds an answer that says that the routing key is wrong. PagerDuty says
// so with 400, as it does of a bad event; but a key can be mended, and what waits
// for it is told then.
func refusedKey(err error) error {
	var r *provider.Refusal
	if !errors.As(err, &r) || r.Code != http.StatusBadRequest {
		return err
	}
	var said struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	if json.Unmarshal(r.Body, &said) != nil {
		return err
	}
	text := strings.ToLower(said.Message + " " + strings.Join(said.Errors, " "))
	if strings.Contains(text, "routing_key") || strings.Contains(text, "routing key") {
		return pluginsdk.CredentialsError(fmt.Errorf("%w; look at the setting routing_key", err))
	}
	return err
}
