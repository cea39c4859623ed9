// Command dwmon-plugin-mail is a check handler that sends mail over SMTP: one mail for
// each notice, as text and as HTML. A mail is the same, byte for byte, each time that
// its notice is delivered.
package main

import (
	"context"
	"errors"
	"strings"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(newPlugin()) }

const version = "0.1.0"

// maxConnections bounds the connections at the same time: servers count them.
const maxConnections = 4

func newPlugin() pluginsdk.Plugin {
	h := &handler{settings: defaults}
	return pluginsdk.Plugin{
		Name:         "mail",
		Version:      version,
		Summary:      "sends mail over SMTP",
		Settings:     &h.settings,
		Setup:        h.setup,
		Health:       h.health,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnChange,
		Limits:       pluginsdk.Limits{HandleCheck: maxConnections},
		ExtraSchema: []byte(`{"type": "object", "properties": {"alert": {"description": "mail addresses, where the handler's setting to is empty",
			"type": ["string", "array"], "items": {"type": "string"}}}}`),
	}
}

type handler struct {
	settings settings
	server   *server
	told     message.Told
}

func (h *handler) setup(context.Context) (err error) {
	if err := h.settings.check(); err != nil {
		return pluginsdk.ConfigError(err)
	}
	h.server, err = newServer(&h.settings)
	return pluginsdk.ConfigError(err)
}

func (h *handler) health(ctx context.Context) error { return h.server.try(ctx) }

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.send(ctx, message.OfResult(&ev), ev.ExtraJSON)
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.send(ctx, message.OfNotice(&n), n.ExtraJSON)
}

// send sends a message to all its recipients but those that had it at an earlier try.
func (h *handler) send(ctx context.Context, m *message.Message, extra []byte) error {
	to, err := h.settings.recipients(extra)
	if err != nil {
		return err
	}
	msg, err := h.settings.compose(m, to)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	wanted := h.told.Left(m.Key, envelope(to, h.settings.Cc))
	if len(wanted) == 0 {
		return nil
	}
	d, err := h.server.deliver(ctx, msg, h.settings.From.address().Address, wanted)
	if err != nil {
		return err
	}
	pluginsdk.Receipt(ctx, d.receipt)
	h.told.Add(m.Key, d.taken)
	if len(d.later) > 0 {
		return pluginsdk.Retryable(errors.New("the mail was taken for others, but not yet for "+strings.Join(d.later, "; ")), 0)
	}
	if len(d.refused) > 0 {
		// Others were told; to give up the whole would help nobody.
		text := "refused for good: " + strings.Join(d.refused, "; ")
		pluginsdk.Receipt(ctx, text)
		pluginsdk.Logger(ctx).Warn("some recipients were refused; take them out of the addresses", "refused", text)
	}
	return nil
}

// ValidateChecker finds an address in EXTRA that is none before the first alert.
func (h *handler) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	_, err := h.settings.recipients(c.ExtraJSON)
	if err == nil {
		return nil
	}
	return []pluginsdk.Diagnostic{{Severity: pluginsdk.SeverityWarning, Code: "RECIPIENT", Pointer: "/alert", Summary: err.Error()}}
}

var (
	_ pluginsdk.NoticeHandler = (*handler)(nil)
	_ pluginsdk.Validator     = (*handler)(nil)
)
