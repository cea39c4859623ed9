package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// postToHook posts to the webhook.
func (h *handler) postToHook(ctx context.Context, p post) error {
	body, err := json.Marshal(p)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	_, err = h.client.Do(ctx, provider.Request{URL: h.hook, Body: body})
	var refused *provider.Refusal
	if errors.As(err, &refused) && slices.Contains(deadHooks, strings.TrimSpace(string(refused.Body))) {
		// The next message would fare no better: all wait until the url is mended.
		return pluginsdk.ConfigError(fmt.Errorf("%w; the webhook is gone, or its channel is: mend the url", err))
	}
	return err
}

// deadHooks are Slack's words for a webhook that no longer works, whatever is sent.
var deadHooks = []string{"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "channel_not_found", "channel_is_archived"}

// answer is how Slack answers every call: with 200, whether it went well or not.
type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Needed  string `json:"needed"` // the scope that is missing
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// call calls a method as the bot. own says that the channel is the checker's own.
func (h *handler) call(ctx context.Context, method string, arguments any, own bool) (*answer, error) {
	body, err := json.Marshal(arguments)
	if err != nil {
		return nil, pluginsdk.Permanent(err)
	}
	u := h.api.JoinPath(method)
	got, err := h.client.Do(ctx, provider.Request{URL: u, Body: body, Header: http.Header{
		"Authorization": {"Bearer " + h.settings.Token},
		"Content-Type":  {"application/json; charset=utf-8"},
	}})
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(got.Body, &a); err != nil {
		return nil, pluginsdk.Retryable(fmt.Errorf("Slack at %s: %s: the answer is no JSON; is this Slack's API?", provider.Where(u), method), 0)
	}
	if !a.OK {
		return nil, h.fault(fmt.Errorf("Slack at %s: %s: %s", provider.Where(u), method, provider.Cut(h.client.Redact(provider.OneLine(a.Error)), 100)), &a, got.Header, own)
	}
	return &a, nil
}

// Slack's words for what is wrong, by what it means to us.
var (
	refusedTokens = []string{
		"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope", "no_permission",
		"not_allowed_token_type", "ekm_access_denied", "enterprise_is_restricted", "access_denied", "two_factor_setup_required",
	}
	wrongChannels = []string{"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "restricted_action_read_only_channel", "messages_tab_disabled"}
	passing       = []string{
		"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org",
		"accesslimited", "org_login_required",
	}
)

// errNoThread is that a message cannot be posted below the one that was named.
var errNoThread = errors.New("there is no such thread")

// fault makes an error of the SDK's of an answer that is not ok.
func (h *handler) fault(err error, a *answer, header http.Header, own bool) error {
	switch {
	case slices.Contains([]string{"thread_not_found", "invalid_thread_ts", "cannot_reply_to_message"}, a.Error):
		return fmt.Errorf("%w: %w", err, errNoThread)
	case a.Error == "missing_scope":
		return pluginsdk.CredentialsError(fmt.Errorf("%w: give the bot the scope %s", err, provider.Cut(a.Needed, 100)))
	case slices.Contains(refusedTokens, a.Error):
		return pluginsdk.CredentialsError(fmt.Errorf("%w; look at the setting token", err))
	case slices.Contains(wrongChannels, a.Error) && own:
		return pluginsdk.Permanent(fmt.Errorf("%w: mend slack_channel in the checker's EXTRA section, or invite the bot to that channel", err))
	case slices.Contains(wrongChannels, a.Error):
		return pluginsdk.ConfigError(fmt.Errorf("%w: mend the setting channel, or invite the bot to that channel", err))
	case slices.Contains(passing, a.Error), a.Error == "":
		return pluginsdk.Retryable(err, retryAfter(header))
	default:
		// invalid_blocks, msg_too_long and their like: the same message fares no
		// better.
		return pluginsdk.Permanent(err)
	}
}

// retryAfter is for an answer that is a 200 all the same; the client reads that of all
// others.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}
