package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	URL     string            `json:"url" required:"true" secret:"true" doc:"where results are posted to"`
	Secret  secrets           `json:"secret" secret:"true" doc:"signs what is posted: whsec_ and base64, or any text; several, as a list or with spaces between, while one takes the place of another"`
	Headers map[string]string `json:"headers" secret:"true" doc:"headers sent as well, such as Authorization"`
	provider.Settings
}

// secrets are given as a text or as a list of texts.
type secrets []string

// UnmarshalJSON takes a text or a list; the error holds nothing of either.
func (s *secrets) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*s = secrets{one}
		return nil
	}
	var list []string
	if json.Unmarshal(text, &list) != nil {
		return errors.New("want a text or a list of texts")
	}
	*s = list
	return nil
}

type handler struct {
	settings settings
	url      *url.URL
	keys     []signingKey
	client   *provider.Client
}

// ownHeaders are those that say what was posted.
var ownHeaders = []string{headerID, headerTimestamp, headerSignature, "Content-Type", "User-Agent"}

func (h *handler) setup(context.Context) (err error) {
	s := &h.settings
	if h.url, err = provider.ParseURL(s.URL); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("url: %w", err))
	}
	if err := provider.CheckHeaders(s.Headers, ownHeaders...); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("headers: %w", err))
	}
	if h.keys, err = signingKeys(s.Secret); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("secret: %w", err))
	}
	h.client, err = provider.New(provider.Options{
		Provider: "the webhook", Plugin: "webhook", Version: version, Settings: s.Settings, Secrets: h.hidden(),
	})
	return err
}

// hidden is what must not be in any text.
func (h *handler) hidden() []string {
	hidden := provider.SecretsOf(h.url)
	for _, value := range h.settings.Headers {
		hidden = append(hidden, value)
	}
	for _, key := range h.keys {
		hidden = append(hidden, key.text)
	}
	return hidden
}

func (h *handler) shutdown(context.Context) error {
	h.client.Close()
	return nil
}

// health says whether the server can be reached: whether it would take a result is
// seen with one only.
func (h *handler) health(ctx context.Context) error { return h.client.Probe(ctx, h.url) }

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.post(ctx, ev.IdempotencyKey, ev.Result)
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.post(ctx, n.IdempotencyKey, n)
}

// post sends one message. id is the same at each attempt.
func (h *handler) post(ctx context.Context, id string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	header := http.Header{}
	for name, value := range h.settings.Headers {
		header.Set(name, value)
	}
	id = messageID(id)
	at := time.Now().Unix()
	header.Set(headerID, id)
	header.Set(headerTimestamp, strconv.FormatInt(at, 10))
	if len(h.keys) > 0 {
		header.Set(headerSignature, sign(h.keys, id, at, body))
	}
	answer, err := h.client.Do(ctx, provider.Request{URL: h.url, Header: header, Body: body, Idempotent: true})
	if err != nil {
		return err
	}
	pluginsdk.Receipt(ctx, strconv.Itoa(answer.Code)+" "+http.StatusText(answer.Code))
	return nil
}
