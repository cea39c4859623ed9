package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	provider.Settings
	URL string `json:"url" required:"true" secret:"true" doc:"of the workflow, as Teams shows it once it is made"`
}

type handler struct {
	settings settings
	client   *provider.Client
	url      *url.URL
}

func (h *handler) setup(context.Context) (err error) {
	if h.url, err = provider.ParseURL(h.settings.URL); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("url: %w", err))
	}
	h.client, err = provider.New(provider.Options{
		Provider: "Teams", Plugin: "teams", Version: version, Settings: h.settings.Settings, Secrets: provider.SecretsOf(h.url),
	})
	return err
}

func (h *handler) shutdown(context.Context) error {
	h.client.Close()
	return nil
}

func (h *handler) health(ctx context.Context) error { return h.client.Probe(ctx, h.url) }

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.post(ctx, message.OfResult(&ev))
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.post(ctx, message.OfNotice(&n))
}

func (h *handler) post(ctx context.Context, m *message.Message) error {
	body, err := bodyOf(m)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	_, err = h.client.Do(ctx, provider.Request{URL: h.url, Body: body, Header: http.Header{"Idempotency-Key": {idOf(m.Key)}}})
	var refused *provider.Refusal
	if errors.As(err, &refused) && isDead(refused.Body) {
		// The next card would fare no better: all wait until the workflow is mended.
		return pluginsdk.ConfigError(fmt.Errorf("%w; the workflow is gone or switched off: switch it on, or mend the url", err))
	}
	return err
}

// isDead says that the answer is about the workflow and not about the card.
func isDead(answer []byte) bool {
	var a struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	return json.Unmarshal(answer, &a) == nil &&
		slices.Contains([]string{"WorkflowNotFound", "WorkflowTriggerNotFound", "WorkflowTriggerIsNotEnabled", "WorkflowDisabled"}, a.Error.Code)
}

var _ pluginsdk.NoticeHandler = (*handler)(nil)
