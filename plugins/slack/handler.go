package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	provider.Settings
	URL     string `json:"url" secret:"true" doc:"of an incoming webhook, https://hooks.slack.com/services/…"`
	Token   string `json:"token" secret:"true" doc:"of a bot, xoxb-…, with the scope chat:write; instead of url"`
	Channel string `json:"channel" doc:"where the bot posts: a name such as #ops, or an id; a checker's EXTRA may name another under slack_channel"`
	API     string `json:"api" doc:"where the bot calls Slack; for GovSlack https://slack-gov.com/api"`
}

type handler struct {
	settings settings
	client   *provider.Client
	hook     *url.URL // nil: a bot
	api      *url.URL
	threads  *threads
}

func (h *handler) setup(ctx context.Context) (err error) {
	s := &h.settings
	if h.threads, err = openThreads(pluginsdk.StateDir(ctx)); err != nil {
		pluginsdk.Logger(ctx).Warn(err.Error())
	}
	o := provider.Options{Provider: "Slack", Plugin: "slack", Version: version, Settings: s.Settings}
	switch {
	case (s.URL == "") == (s.Token == ""):
		return pluginsdk.ConfigError(errors.New("set url, of an incoming webhook, or token, of a bot: one of them"))
	case s.URL != "" && s.Channel != "":
		return pluginsdk.ConfigError(errors.New("channel goes with token only: a webhook has its own channel"))
	case s.URL != "":
		if h.hook, err = provider.ParseURL(s.URL); err != nil {
			return pluginsdk.ConfigError(fmt.Errorf("url: %w", err))
		}
		o.Secrets = provider.SecretsOf(h.hook)
	default:
		if !provider.ValidHeaderValue(s.Token) {
			return pluginsdk.ConfigError(errors.New("token holds a line break or another control character"))
		}
		if h.api, err = provider.ParseURL(s.API); err != nil {
			return pluginsdk.ConfigError(fmt.Errorf("api: %w", err))
		}
		o.Secrets = []string{s.Token}
	}
	h.client, err = provider.New(o)
	return err
}

func (h *handler) shutdown(context.Context) error {
	h.client.Close()
	return nil
}

func (h *handler) health(ctx context.Context) error {
	if h.hook != nil {
		return h.client.Probe(ctx, h.hook)
	}
	_, err := h.call(ctx, "auth.test", struct{}{}, false)
	return err
}

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.post(ctx, message.OfResult(&ev), ev.ExtraJSON)
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.post(ctx, message.OfNotice(&n), n.ExtraJSON)
}

// post is what is sent: to a webhook as it stands, to a bot's channel with the members
// below. Slack knows no repetition by itself; the key in the metadata is for whoever
// looks for one.
type post struct {
	content
	Channel  string    `json:"channel,omitempty"`
	Metadata *metadata `json:"metadata,omitempty"`
	// ThreadTS is the message below which this one stands; with ReplyBroadcast the
	// channel sees it all the same.
	ThreadTS       string `json:"thread_ts,omitempty"`
	ReplyBroadcast bool   `json:"reply_broadcast,omitempty"`
}

type metadata struct {
	EventType    string            `json:"event_type"`
	EventPayload map[string]string `json:"event_payload"`
}

func (h *handler) post(ctx context.Context, m *message.Message, extra []byte) error {
	if h.hook != nil {
		return h.postToHook(ctx, post{content: contentOf(m)})
	}
	channel, own := channelOf(extra)
	if !own {
		channel = h.settings.Channel
	}
	if channel == "" {
		return pluginsdk.Permanent(errors.New(
			`no channel to post to: set channel in the handler's settings, or {"slack_channel": "#ops"} in the checker's EXTRA section; notices about several checkers or a source want the setting`))
	}
	return h.postAsBot(ctx, m, channel, own)
}

// postAsBot posts to a channel, below the first message of the incident.
func (h *handler) postAsBot(ctx context.Context, m *message.Message, channel string, own bool) error {
	p := post{
		content: contentOf(m), Channel: channel,
		Metadata: &metadata{"dwmon_notice", map[string]string{
			"idempotency_key": m.Key, "notice": string(m.Kind), "state": m.Word, "checker": m.Checker, "incident": m.Incident,
		}},
	}
	if m.Incident != "" && m.Kind != pluginsdk.NoticeOpened {
		p.ThreadTS = h.threads.find(m.Incident, channel)
		p.ReplyBroadcast = p.ThreadTS != ""
	}
	a, err := h.call(ctx, "chat.postMessage", p, own)
	if errors.Is(err, errNoThread) {
		// Somebody has deleted it, or closed the thread.
		p.ThreadTS, p.ReplyBroadcast = "", false
		a, err = h.call(ctx, "chat.postMessage", p, own)
	}
	if err != nil {
		return err
	}
	pluginsdk.Receipt(ctx, strings.TrimSpace(a.Channel+" "+a.TS))
	h.remember(ctx, m, channel, a.TS, p.ThreadTS != "")
	return nil
}

// remember notes the first message of an incident, and forgets it at the end.
func (h *handler) remember(ctx context.Context, m *message.Message, channel, ts string, below bool) {
	var err error
	switch {
	case m.Incident == "":
	case m.Kind == pluginsdk.NoticeRecovered:
		err = h.threads.end(m.Incident, channel)
	case !below && ts != "":
		err = h.threads.begin(m.Incident, channel, ts)
	}
	if err != nil {
		pluginsdk.Logger(ctx).Warn("where an incident was told is not remembered over a restart", "error", err)
	}
}

// channelOf is the channel that a checker's EXTRA names. EXTRA need not be an object.
func channelOf(extra []byte) (channel string, own bool) {
	var all struct {
		Channel string `json:"slack_channel"`
	}
	if json.Unmarshal(extra, &all) != nil {
		return "", false
	}
	channel = strings.TrimSpace(all.Channel)
	return channel, channel != ""
}

// ValidateChecker finds a slack_channel that is no text before the first alert.
func (h *handler) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	var all map[string]json.RawMessage
	var channel string
	if json.Unmarshal(c.ExtraJSON, &all) != nil || len(all["slack_channel"]) == 0 || json.Unmarshal(all["slack_channel"], &channel) == nil {
		return nil
	}
	return []pluginsdk.Diagnostic{{
		Severity: pluginsdk.SeverityError, Code: "CHANNEL", Pointer: "/slack_channel", Summary: `the EXTRA section: slack_channel: want a text such as "#ops"`,
	}}
}

var (
	_ pluginsdk.NoticeHandler = (*handler)(nil)
	_ pluginsdk.Validator     = (*handler)(nil)
)
