package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const gotifyToken = "Az-s3cr3t-Token"

// services plays ntfy, Gotify and any other, for the library's clients.
type services struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string][]string // by the first part of the path
	say map[string]int      // a status other than 200
}

func newServices(t *testing.T) *services {
	s := &services{got: map[string][]string{}, say: map[string]int{}}
	s.Server = providertest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		s.mu.Lock()
		defer s.mu.Unlock()
		if code := s.say[name]; code != 0 {
			w.WriteHeader(code)
			if code == 400 || code == 401 {
				_, _ = io.WriteString(w, "no") // of a JSON answer the library keeps the words only
				return
			}
			// A careless server repeats what it was sent.
			_, _ = fmt.Fprintf(w, `{"error":"no","errorDescription":"cannot post to http://%s%s %s","code":%d,"http":%d}`, r.Host, r.RequestURI, r.Header, code, code)
			return
		}
		title := r.Header.Get("Title")
		s.got[name] = append(s.got[name], title+"|"+string(body))
		_, _ = io.WriteString(w, `{"id":1,"appid":1}`)
	})
	return s
}

func (s *services) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *services) ntfy() string { return "ntfy://" + s.host() + "/s3cr3t-topic?scheme=http" }
func (s *services) gotify() string {
	return "gotify://" + s.host() + "/" + gotifyToken + "?disabletls=yes"
}

func (s *services) generic() string {
	return "generic://" + s.host() + "/hook/s3cr3t?disabletls=yes&template=json"
}

func TestConformance(t *testing.T) {
	o := plugintest.Options{Settings: map[string]any{"url": newServices(t).generic()}}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "notify"), o) })
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings map[string]any
		want     string
	}{
		{"none", map[string]any{}, "set url, or urls"},
		{"no URL", map[string]any{"url": "s3cr3t"}, "url: want a URL such as ntfy://"},
		{"no such service", map[string]any{"urls": []string{"ntfy://ntfy.sh/ok", "nosuch://s3cr3t@host"}}, `urls[1] (nosuch): there is no service "nosuch"; there are bark, discord`},
		{"mail", map[string]any{"url": "smtp://user:s3cr3t@host/?from=a@b.de&to=c@d.de"}, "url (smtp): mail has a plugin of its own"},
		{"the log", map[string]any{"url": "logger://"}, "the log has a plugin of its own"},
		{"a part is missing", map[string]any{"url": "discord://s3cr3tsecret"}, "url (discord): "},
		{"a custom URL of a service without", map[string]any{"url": "ntfy+https://s3cr3t.example.com/x"}, "url (ntfy): "},
		{"no time", map[string]any{"url": "ntfy://ntfy.sh/x", "timeout": 0}, "timeout must be above 0"},
		{"right", map[string]any{"urls": []string{"ntfy://ntfy.sh/topic", "discord://token@1", "matrix://u:p@host/?rooms=x"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlugin()
			h := p.CheckHandler.(*handler)
			if n, ok := c.settings["timeout"]; ok {
				h.settings.Timeout = pluginsdk.Duration(n.(int))
				delete(c.settings, "timeout")
			}
			_, err := providertest.Start(t, p, c.settings)
			if text := fmt.Sprint(err); (c.want == "") != (err == nil) || err != nil && !strings.Contains(text, c.want) || strings.Contains(text, "s3cr3t") {
				t.Error(err)
			}
			if class := pluginsdk.ClassOf(err); err != nil && class != pluginsdk.ClassConfig {
				t.Error(class)
			}
		})
	}
}

func TestEveryServiceIsTold(t *testing.T) {
	s := newServices(t)
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": s.ntfy(), "urls": []string{s.gotify(), s.generic()}})
	if err := h.Notice(t.Context(), noticetest.OpenedLow()); err != nil {
		t.Fatal(err)
	}
	if err := h.Check(t.Context(), providertest.Bad()); err != nil {
		t.Fatal(err)
	}
	const title = "[BAD] shop/orders: 4 rows in the 3 min before 14:10, fewer than 5"
	if got := s.got["s3cr3t-topic"]; len(got) != 2 || !strings.HasPrefix(got[0], title+"|") || !strings.Contains(got[0], "since 2026-03-02 14:10 Europe/Berlin") || strings.HasPrefix(got[1], title) {
		t.Errorf("ntfy: %q", got)
	}
	var gotify, hook struct{ Title, Message string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(s.got["message"][0], "|")), &gotify); err != nil || gotify.Title != title || !strings.HasPrefix(gotify.Message, "since ") {
		t.Errorf("Gotify: %v %q", err, s.got)
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(s.got["hook"][0], "|")), &hook); err != nil || hook.Title != title || !strings.HasPrefix(hook.Message, title+"\n\nsince ") {
		t.Errorf("generic: %v %q", err, s.got)
	}
}

// TestAllThatPeopleGetToSee: every sample arrives, as does what is too much for any
// service.
func TestAllThatPeopleGetToSee(t *testing.T) {
	s := newServices(t)
	h := providertest.MustStart(t, newPlugin(), map[string]any{"urls": []string{s.ntfy()}})
	n := 0
	for _, sample := range append(noticetest.All(), noticetest.Sample{Name: "hostile", Notice: noticetest.Hostile()}, noticetest.Sample{Name: "huge", Notice: noticetest.Huge()}) {
		if err := h.Notice(t.Context(), sample.Notice); err != nil {
			t.Error(sample.Name, err)
			continue
		}
		if n++; len(s.got["s3cr3t-topic"][n-1]) > maxLength+1 {
			t.Errorf("%s: %d bytes", sample.Name, len(s.got["s3cr3t-topic"][n-1]))
		}
	}
}

func TestWhoseFaultItIs(t *testing.T) {
	for _, c := range []struct {
		code          int
		ntfy, generic pluginsdk.Class
	}{
		{500, pluginsdk.ClassRetryable, pluginsdk.ClassRetryable},
		{429, pluginsdk.ClassRetryable, pluginsdk.ClassRetryable},
		{401, pluginsdk.ClassCredentials, pluginsdk.ClassRetryable},
		{400, pluginsdk.ClassPermanent, pluginsdk.ClassRetryable},
	} {
		s := newServices(t)
		s.say["s3cr3t-topic"], s.say["hook"], s.say["message"] = c.code, c.code, c.code
		for raw, class := range map[string]pluginsdk.Class{s.ntfy(): c.ntfy, s.generic(): c.generic, s.gotify(): ""} {
			h := providertest.MustStart(t, newPlugin(), map[string]any{"url": raw})
			err := h.Notice(t.Context(), noticetest.OpenedLow())
			if got := pluginsdk.ClassOf(err); class != "" && got != class {
				t.Errorf("%d of %s: %s, want %s: %v", c.code, raw, got, class, err)
			}
			if text := fmt.Sprint(err); err == nil || strings.Contains(text, "s3cr3t") || strings.Contains(text, s.host()) {
				t.Errorf("%d of %s: %v", c.code, raw, err)
			}
		}
	}
}

func TestNobodyThere(t *testing.T) {
	s := newServices(t)
	s.Close()
	h := providertest.MustStart(t, newPlugin(), map[string]any{"urls": []string{s.ntfy(), s.gotify(), s.generic()}})
	err := h.Notice(t.Context(), noticetest.OpenedLow())
	if text := fmt.Sprint(err); pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || strings.Count(text, "connection refused") != 3 || strings.Contains(text, "s3cr3t") || !strings.Contains(text, "urls[1] (gotify)") {
		t.Error(err)
	}
}

func TestOnlyThoseWhoFailedAreToldAgain(t *testing.T) {
	s := newServices(t)
	s.say["message"] = 500
	h := providertest.MustStart(t, newPlugin(), map[string]any{"urls": []string{s.ntfy(), s.gotify()}})
	if err := h.Notice(t.Context(), noticetest.OpenedLow()); err == nil {
		t.Fatal("nobody noticed")
	}
	s.mu.Lock()
	s.say["message"] = 0
	s.mu.Unlock()
	for range 2 {
		if err := h.Notice(t.Context(), noticetest.OpenedLow()); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.got["s3cr3t-topic"]) != 1 || len(s.got["message"]) != 1 {
		t.Errorf("%d, %d", len(s.got["s3cr3t-topic"]), len(s.got["message"]))
	}
}

// TestAServiceThatHangs costs its own time only.
func TestAServiceThatHangs(t *testing.T) {
	release := make(chan struct{})
	hanging := providertest.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server is closed
	s := newServices(t)
	url := "generic://" + strings.TrimPrefix(hanging.URL, "http://") + "/x?disabletls=yes"
	h := providertest.MustStart(t, newPlugin(), map[string]any{"urls": []string{url, s.ntfy()}, "timeout": "1s"})
	err := h.Notice(t.Context(), noticetest.OpenedLow())
	if pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || !strings.Contains(err.Error(), "urls[0] (generic): ") || strings.Contains(err.Error(), "urls[1]") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Notice(ctx, noticetest.Recovered()); err == nil {
		t.Error("a call that was given up went well")
	}
}

func TestWorst(t *testing.T) {
	never, later := pluginsdk.Permanent(errors.New("a")), pluginsdk.Retryable(errors.New("b"), 0)
	for _, c := range []struct {
		errs  []error
		class pluginsdk.Class
		text  string
	}{
		{[]error{nil, nil}, "", "<nil>"},
		{[]error{nil, never}, pluginsdk.ClassPermanent, "a"},
		{[]error{never, later}, pluginsdk.ClassRetryable, "a; b"},
		{[]error{later, never}, pluginsdk.ClassRetryable, "b; a"},
	} {
		if err := worst(c.errs); pluginsdk.ClassOf(err) != c.class || fmt.Sprint(err) != c.text {
			t.Errorf("%v: %v", c.errs, err)
		}
	}
}
