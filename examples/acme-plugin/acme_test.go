package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const token = "s3cret"

// service is an event service for tests.
type service struct {
	*httptest.Server

	mu     sync.Mutex
	asked  []string          // the queries for events, as they came
	alerts map[string]string // the body by its idempotency key
	// answer, where set, is given to every request instead.
	answer func(http.ResponseWriter)
}

func newService(t *testing.T) *service {
	s := &service{alerts: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ping", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/alerts", s.alert)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		switch {
		case answer != nil:
			answer(w)
		case r.Header.Get("Authorization") != "Bearer "+token:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// events answers with as many pages as the type of event asks for: "pages/3".
func (s *service) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.RawQuery)
	s.mu.Unlock()
	const perPage = 1000
	count, ok := strings.CutPrefix(r.URL.Query().Get("type"), "pages/")
	pages, err := strconv.Atoi(count)
	switch {
	case r.URL.Query().Get("type") == "slow":
		<-r.Context().Done()
		return
	case !ok || err != nil:
		http.Error(w, "there is no such type of event", http.StatusNotFound)
		return
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	var p page
	for i := range perPage {
		p.Events = append(p.Events, struct {
			ID string    `json:"id"`
			At time.Time `json:"at"`
		}{fmt.Sprintf("event-%06d", number*perPage+i), time.Unix(1_700_000_000, 500_000_000).UTC()})
	}
	if number+1 < pages {
		p.Next = strconv.Itoa(number + 1)
	}
	_ = json.NewEncoder(w).Encode(p)
}

func (s *service) alert(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if _, twice := s.alerts[key]; twice {
		http.Error(w, "I have that one", http.StatusConflict)
		return
	}
	var body json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || key == "" {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	s.alerts[key] = string(body)
	fmt.Fprintf(w, `{"id": "%d"}`, len(s.alerts))
}

// start makes the plugin as dwmon does, but for the wire.
func start(t *testing.T, s *service, change func(*settings)) pluginsdk.Plugin {
	t.Helper()
	p := newPlugin()
	cfg := p.Settings.(*settings)
	cfg.URL, cfg.Token = s.URL, token
	if change != nil {
		change(cfg)
	}
	if err := p.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return p
}

func TestGetRowsReadsAllPages(t *testing.T) {
	s := newService(t)
	p := start(t, s, nil)
	var out plugintest.Sink
	err := p.RowGetter.GetRows(t.Context(), pluginsdk.Query{
		Text: "pages/3", Since: time.Unix(1_600_000_000, 0), ExtraJSON: []byte(`{"acme": {"region": "eu"}, "pager": 7}`),
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Rows) != 3000 || out.Rows[2999].Key != "event-002999" || out.Rows[0].At.UnixMicro() != 1_700_000_000_500_000 {
		t.Errorf("%d rows", len(out.Rows))
	}
	if want := "cursor=1&region=eu&since=2020-09-13T12%3A26%3A40Z&type=pages%2F3"; s.asked[1] != want {
		t.Errorf("the second page was asked for with %s\nwant %s", s.asked[1], want)
	}
}

func TestGetRowsStopsWhenTheHostHasGone(t *testing.T) {
	s := newService(t)
	gone := errors.New("gone")
	out := plugintest.Sink{Refuse: func(n int) error {
		if n > 10 {
			return gone
		}
		return nil
	}}
	err := start(t, s, nil).RowGetter.GetRows(t.Context(), pluginsdk.Query{Text: "pages/3"}, &out)
	if !errors.Is(err, gone) || len(s.asked) != 1 {
		t.Errorf("%v after %d pages", err, len(s.asked))
	}
}

func TestFaultsSayWhoseTheyAre(t *testing.T) {
	s := newService(t)
	p := start(t, s, nil)
	status := func(code int, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			http.Error(w, "no", code)
		}
	}
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		class  pluginsdk.Class
		after  time.Duration
	}{
		"busy":          {status(429, "Retry-After", "7"), pluginsdk.ClassRetryable, 7 * time.Second},
		"down":          {status(503), pluginsdk.ClassRetryable, 0},
		"no such event": {status(404), pluginsdk.ClassChecker, 0},
		"refused":       {status(401), pluginsdk.ClassCredentials, 0},
		"a bug":         {status(500), pluginsdk.ClassOther, 0},
		"no JSON":       {func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }, pluginsdk.ClassOther, 0},
		"cut off":       {func(w http.ResponseWriter) { fmt.Fprint(w, `{"events": [`) }, pluginsdk.ClassNetwork, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.mu.Lock()
			s.answer = tc.answer
			s.mu.Unlock()
			err := p.RowGetter.GetRows(t.Context(), pluginsdk.Query{Text: "pages/1"}, &plugintest.Sink{})
			if pluginsdk.ClassOf(err) != tc.class || pluginsdk.RetryAfter(err) != tc.after {
				t.Errorf("%s, after %v: %v", pluginsdk.ClassOf(err), pluginsdk.RetryAfter(err), err)
			}
			if strings.Contains(fmt.Sprint(err), token) {
				t.Errorf("the token is in the error: %v", err)
			}
		})
	}
	s.Close()
	if err := p.Health(t.Context()); pluginsdk.ClassOf(err) != pluginsdk.ClassNetwork {
		t.Errorf("nobody there is %s: %v", pluginsdk.ClassOf(err), err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "7": 7 * time.Second, "Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

func TestAnAlertArrivesOnce(t *testing.T) {
	s := newService(t)
	p := start(t, s, nil)
	ev := pluginsdk.CheckEvent{
		Result:         pluginsdk.Result{CheckerName: "billing/invoices", EventCount: 2, CheckStatus: pluginsdk.Bad, Reason: "low"},
		IdempotencyKey: "db/billing/invoices/1700000040/0",
		ExtraJSON:      []byte(`{"acme": {"team": "billing"}}`),
	}
	for range 2 {
		if err := p.CheckHandler.HandleCheck(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	body := s.alerts[ev.IdempotencyKey]
	if len(s.alerts) != 1 || !strings.Contains(body, `"team":"billing"`) || !strings.Contains(body, `"check_status":"BAD"`) {
		t.Errorf("%v", s.alerts)
	}
	ev.ExtraJSON = []byte(`{"acme": {"taem": "billing"}}`)
	if err := p.CheckHandler.HandleCheck(t.Context(), ev); pluginsdk.ClassOf(err) != pluginsdk.ClassPermanent {
		t.Errorf("what can never be delivered is %s: %v", pluginsdk.ClassOf(err), err)
	}
}

func TestPurger(t *testing.T) {
	p := start(t, newService(t), func(cfg *settings) { cfg.Keep = "90d" })
	now := time.Unix(1_700_000_000, 0)
	for extra, days := range map[string]int{`{}`: 90, ``: 90, `[1]`: 90, `{"acme": {"keep": "30d"}}`: 30} {
		cut, err := p.Purger.IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: now, ExtraJSON: []byte(extra)})
		if at, set := cut.OlderThan(); err != nil || !set || !at.Equal(now.AddDate(0, 0, -days)) {
			t.Errorf("%s: %v %v %v", extra, at, set, err)
		}
	}
	for _, extra := range []string{`{"acme": {"keep": "0d"}}`, `{"acme": {"keep": "soon"}}`, `{"acme": {"kept": "1d"}}`} {
		cut, err := p.Purger.IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: now, ExtraJSON: []byte(extra)})
		if _, set := cut.OlderThan(); set || pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
			t.Errorf("%s: %v", extra, err)
		}
		found := p.RowGetter.(pluginsdk.Validator).ValidateChecker(t.Context(), pluginsdk.CheckerText{ExtraJSON: []byte(extra)})
		if len(found) != 1 || found[0].Summary == "" {
			t.Errorf("%s: %v", extra, found)
		}
	}
	forever := start(t, newService(t), nil)
	if cut, err := forever.Purger.IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: now}); err != nil || cut != pluginsdk.Keep() {
		t.Errorf("%v %v", cut, err)
	}
}

func TestWrongSettings(t *testing.T) {
	for name, change := range map[string]func(*settings){
		"url":     func(cfg *settings) { cfg.URL = "events.acme.example" },
		"timeout": func(cfg *settings) { cfg.Timeout = 0 },
		"keep":    func(cfg *settings) { cfg.Keep = "long" },
	} {
		p := newPlugin()
		cfg := p.Settings.(*settings)
		cfg.URL = "https://events.acme.example"
		change(cfg)
		err := p.Setup(t.Context())
		if pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || !strings.Contains(err.Error(), "setting "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
