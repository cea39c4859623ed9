package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func (s *slack) byHook() map[string]any { return map[string]any{"url": s.URL + hookPath} }

func (s *slack) byBot() map[string]any {
	return map[string]any{"token": botToken, "channel": "#ops", "api": s.URL + "/api"}
}

func TestConformance(t *testing.T) {
	s := newSlack(t)
	for name, o := range map[string]plugintest.Options{"webhook": {Settings: s.byHook()}, "bot": {Settings: s.byBot()}} {
		t.Run(name+" in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
		t.Run(name+" executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "slack"), o) })
	}
}

func TestWhatEveryServerMaySay(t *testing.T) {
	t.Run("webhook", providertest.Suite{
		New:      newPlugin,
		Settings: func(base string) map[string]any { return map[string]any{"url": base + hookPath} },
		Taken:    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
	}.Run)
	t.Run("bot", providertest.Suite{
		New: newPlugin,
		Settings: func(base string) map[string]any {
			return map[string]any{"token": botToken, "channel": "#ops", "api": base + "/api"}
		},
		Taken: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) },
	}.Run)
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{}, "set url, of an incoming webhook, or token, of a bot"},
		{map[string]any{"url": "https://x/s3cr3t", "token": "s3cr3t"}, "set url, of an incoming webhook, or token, of a bot"},
		{map[string]any{"url": "https://x/s3cr3t", "channel": "#ops"}, "channel goes with token only"},
		{map[string]any{"url": "hooks.slack.com/s3cr3t"}, "url: want a URL"},
		{map[string]any{"token": "s3cr3t\nX: y"}, "token holds a line break"},
		{map[string]any{"token": "s3cr3t", "api": "slack.com"}, "api: want a URL"},
		{map[string]any{"token": "s3cr3t"}, ""},
	} {
		_, err := providertest.Start(t, newPlugin(), c.settings)
		if text := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(text, c.want) && err != nil || strings.Contains(text, "s3cr3t") {
			t.Errorf("%v: %v", c.settings, err)
		}
	}
}

func TestTheMessageAsItsReaderSeesIt(t *testing.T) {
	s := newSlack(t)
	h := providertest.MustStart(t, newPlugin(), s.byHook())
	for i, sample := range noticetest.All() {
		if err := h.Notice(t.Context(), sample.Notice); err != nil {
			t.Fatal(sample.Name, err)
		}
		text, err := json.MarshalIndent(s.posts[i], "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		noticetest.Golden(t, sample.Name+".json", string(text)+"\n")
	}
}

func TestSlacksLimitsAreKept(t *testing.T) {
	s := newSlack(t)
	for _, settings := range []map[string]any{s.byHook(), s.byBot()} {
		h := providertest.MustStart(t, newPlugin(), settings)
		for _, n := range []pluginsdk.Notice{noticetest.Hostile(), noticetest.Huge(), noticetest.Grouped(500)} {
			if err := h.Notice(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
	}
	if last := s.raw[2]; !strings.Contains(last, "and 470 more: see dwmon status") {
		t.Errorf("nothing tells that there are more: %s", last)
	}
}

// TestWhatIsEscapedCountsAsWritten: "&" is five characters to Slack.
func TestWhatIsEscapedCountsAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("&<>aé🔴")), 0, 400, -1).Draw(t, "text")
		most := rapid.IntRange(10, 200).Draw(t, "most")
		got := shorten(s, most)
		if utf8.RuneCountInString(got) > most || escape(s) != got && !strings.HasSuffix(got, "…") || strings.ContainsAny(got, "<>") {
			t.Fatalf("%q", got)
		}
		if rest := strings.TrimSuffix(got, "…"); !strings.HasPrefix(escape(s), rest) {
			t.Fatalf("%q is no beginning of %q", got, s)
		}
	})
}

func TestABotPosts(t *testing.T) {
	s := newSlack(t)
	h := providertest.MustStart(t, newPlugin(), s.byBot())
	if err := h.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Notice(t.Context(), noticetest.OpenedLow()); err != nil { // its EXTRA names #orders
		t.Fatal(err)
	}
	if err := h.Notice(t.Context(), noticetest.SourceDown()); err != nil {
		t.Fatal(err)
	}
	if s.posts[0]["channel"] != "#orders" || s.posts[1]["channel"] != "#ops" {
		t.Error(s.raw)
	}
	payload := s.posts[0]["metadata"].(map[string]any)["event_payload"].(map[string]any)
	if payload["idempotency_key"] != noticetest.OpenedLow().IdempotencyKey || payload["incident"] != "inc-01" {
		t.Error(payload)
	}
	if err := h.Check(t.Context(), providertest.Bad()); err != nil || !strings.Contains(s.raw[2], "[BAD] billing/new_invoices: 4 rows in the 3 min before 10:01, fewer than 5") {
		t.Error(err, s.raw[2])
	}
}

func TestWhatSlackSays(t *testing.T) {
	for _, c := range []struct {
		answer, retryAfter string
		class              pluginsdk.Class
		after              time.Duration
		text               string
	}{
		{`{"ok":false,"error":"ratelimited"}`, "30", pluginsdk.ClassRetryable, 30 * time.Second, "chat.postMessage: ratelimited"},
		{`{"ok":false,"error":"internal_error"}`, "", pluginsdk.ClassRetryable, 0, "internal_error"},
		{`{"ok":false,"error":"token_revoked"}`, "", pluginsdk.ClassCredentials, 0, "token_revoked; look at the setting token"},
		{`{"ok":false,"error":"missing_scope","needed":"chat:write"}`, "", pluginsdk.ClassCredentials, 0, "give the bot the scope chat:write"},
		{`{"ok":false,"error":"invalid_blocks"}`, "", pluginsdk.ClassPermanent, 0, "invalid_blocks"},
		{`{"ok":false,"error":"not_in_channel"}`, "", pluginsdk.ClassConfig, 0, "mend the setting channel, or invite the bot"},
		{`<html>`, "", pluginsdk.ClassRetryable, 0, "the answer is no JSON"},
		{`{"ok":false,"error":"` + botToken + `"}`, "", pluginsdk.ClassPermanent, 0, "xxxxx"},
	} {
		s := newSlack(t)
		s.answer = c.answer
		if c.retryAfter != "" {
			s.header.Set("Retry-After", c.retryAfter)
		}
		h := providertest.MustStart(t, newPlugin(), s.byBot())
		err := h.Notice(t.Context(), noticetest.SourceDown())
		if pluginsdk.ClassOf(err) != c.class || pluginsdk.RetryAfter(err) != c.after || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), botToken) {
			t.Errorf("%s: %s, %v", c.answer, pluginsdk.ClassOf(err), err)
		}
	}
}

func TestWrongChannels(t *testing.T) {
	s := newSlack(t)
	n := noticetest.OpenedLow()
	for _, c := range []struct {
		channel, extra string
		class          pluginsdk.Class
		text           string
	}{
		{"", `{}`, pluginsdk.ClassPermanent, "no channel to post to: set channel"},
		{"#nowhere", `{}`, pluginsdk.ClassConfig, "channel_not_found: mend the setting channel"},
		{"#old", `["x"]`, pluginsdk.ClassConfig, "is_archived: mend the setting channel"},
		{"#ops", `{"slack_channel": "#nowhere"}`, pluginsdk.ClassPermanent, "channel_not_found: mend slack_channel in the checker's EXTRA"},
	} {
		settings := s.byBot()
		settings["channel"] = c.channel
		h := providertest.MustStart(t, newPlugin(), settings)
		n.ExtraJSON = []byte(c.extra)
		if err := h.Notice(t.Context(), n); pluginsdk.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestADeadWebhookHoldsAllBack(t *testing.T) {
	for word, class := range map[string]pluginsdk.Class{"no_service": pluginsdk.ClassConfig, "channel_is_archived": pluginsdk.ClassConfig, "invalid_payload": pluginsdk.ClassPermanent} {
		s := providertest.Serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, word, http.StatusNotFound) })
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": s.URL + hookPath})
		if err := h.Notice(t.Context(), noticetest.OpenedLow()); pluginsdk.ClassOf(err) != class || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %s, %v", word, pluginsdk.ClassOf(err), err)
		}
	}
}

func TestValidateChecker(t *testing.T) {
	h := newPlugin().CheckHandler.(*handler)
	for extra, want := range map[string]int{``: 0, `{}`: 0, `[]`: 0, `{"slack_channel": "#ops"}`: 0, `{"slack_channel": 7}`: 1} {
		if got := h.ValidateChecker(t.Context(), pluginsdk.CheckerText{ExtraJSON: []byte(extra)}); len(got) != want {
			t.Errorf("%s: %v", extra, got)
		}
	}
}
