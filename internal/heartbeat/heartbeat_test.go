package heartbeat

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	for _, tt := range []struct {
		what       string
		last, slot int64
		every      time.Duration
		want       bool
	}{
		{"the first", 0, 6000, time.Hour, true},
		{"the next minute", 6000, 6060, time.Minute, true},
		{"the same minute again", 6000, 6000, time.Minute, false},
		{"within five minutes", 6000, 6240, 5 * time.Minute, false},
		{"after five minutes", 6000, 6300, 5 * time.Minute, true},
		{"after an outage", 6000, 9000, 5 * time.Minute, true},
		{"the clock was set back", 6000, 3000, 5 * time.Minute, true},
	} {
		if got := due(tt.last, tt.slot, tt.every); got != tt.want {
			t.Errorf("%s: due is %v", tt.what, got)
		}
	}
}

// service is an HTTP server that writes down what it was asked.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	conns int
}

func serve(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *service) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func mustNew(t *testing.T, o Options) *Heart {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.client.CloseIdleConnections)
	return h
}

const secret = "4711-0815"

func TestSend(t *testing.T) {
	elsewhere := serve(t, status(http.StatusOK))
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/there" {
				http.Redirect(w, r, to, http.StatusFound)
			}
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := []struct {
		name   string
		answer http.HandlerFunc
		method string
		// timeout is so long that it does not matter unless set.
		timeout time.Duration
		asked   []string
		err     string
	}{
		{name: "taken", answer: status(http.StatusOK), asked: []string{"GET /ping/" + secret}},
		{name: "taken without a word", answer: status(http.StatusNoContent), method: "POST", asked: []string{"POST /ping/" + secret}},
		{name: "unknown", answer: status(http.StatusNotFound), asked: []string{"GET /ping/" + secret}, err: "it answered 404 Not Found"},
		{name: "broken", answer: status(http.StatusBadGateway), asked: []string{"GET /ping/" + secret}, err: "it answered 502 Bad Gateway"},
		{name: "a redirect within the host", answer: redirect("/there"), asked: []string{"GET /ping/" + secret, "GET /there"}},
		{name: "a redirect to another host", answer: redirect(elsewhere.URL + "/" + secret), asked: []string{"GET /ping/" + secret}, err: "it redirects to another host"},
		{
			name: "a redirect without an end", answer: redirect("/ping/" + secret),
			asked: slices.Repeat([]string{"GET /ping/" + secret}, mostRedirects+1), err: "it redirects more than 5 times",
		},
		{name: "no answer", answer: hang, timeout: 50 * time.Millisecond, asked: []string{"GET /ping/" + secret}, err: "no answer within 50ms"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.answer)
			if c.timeout == 0 {
				c.timeout = time.Minute
			}
			h := mustNew(t, Options{URL: s.URL + "/ping/" + secret, Method: c.method, Timeout: c.timeout})
			err := h.Send(t.Context())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), "heartbeat to "+h.host+": "+c.err) || strings.Contains(err.Error(), secret) {
					t.Errorf("error %v, want %q", err, c.err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if got := s.requests(); !slices.Equal(got, c.asked) {
				t.Errorf("asked %q, want %q", got, c.asked)
			}
		})
	}
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("the other host was asked %q", got)
	}
	t.Run("nobody listens", func(t *testing.T) {
		gone := httptest.NewServer(status(http.StatusOK))
		gone.Close()
		h := mustNew(t, Options{URL: gone.URL + "/" + secret, Redact: func(text string) string { return strings.ReplaceAll(text, "refused", "[redacted]") }})
		err := h.Send(t.Context())
		if err == nil || strings.Contains(err.Error(), secret) || !strings.HasSuffix(err.Error(), "connection [redacted]") {
			t.Errorf("error %v", err)
		}
	})
}

func TestRedirects(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		follows  bool
	}{
		{"https://h/a", "https://h/b", true},
		{"http://h/a", "https://h/b", true},
		{"https://h/a", "http://h/b", false},
		{"https://h/a", "https://h:8443/b", false},
		{"https://h/a", "https://h.evil/b", false},
	} {
		request := func(text string) *http.Request {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return &http.Request{URL: u}
		}
		if err := stayAtHome(request(tt.to), []*http.Request{request(tt.from)}); (err == nil) != tt.follows {
			t.Errorf("%s → %s: %v", tt.from, tt.to, err)
		}
	}
}

// running starts a Heart; next waits for what became of a beat, stop ends it.
func running(t *testing.T, o Options) (h *Heart, next func() Outcome, stop func()) {
	t.Helper()
	outcomes := make(chan Outcome, 100)
	o.Observe = func(outcome Outcome) { outcomes <- outcome }
	h = mustNew(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return h, func() Outcome { return <-outcomes }, stop
}

func TestRunLogsBeginAndEnd(t *testing.T) {
	codes := make(chan int, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { status(<-codes)(w, r) })
	var log bytes.Buffer
	h, next, stop := running(t, Options{
		URL: s.URL + "/" + secret,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "error" {
				return slog.Attr{}
			}
			return a
		}})),
	})
	for i, step := range []struct {
		undone, code int
		want         Outcome
	}{
		{0, 200, Sent},
		{0, 500, Failed},
		{0, 500, Failed},
		{0, 200, Sent},
		{2, 0, Withheld},
		{1, 0, Withheld},
		{0, 204, Sent},
		{0, 404, Failed},
	} {
		if step.code != 0 {
			codes <- step.code
		}
		h.Slot(int64(6000+60*i), step.undone)
		if got := next(); got != step.want {
			t.Fatalf("minute %d: outcome %v, want %v", i, got, step.want)
		}
	}
	want := `level=ERROR msg="the heartbeat failed; it is tried again each minute"
level=INFO msg="the heartbeat is taken again" failures=2
level=WARN msg="no heartbeat is sent: passes of the minute were not done" passes=2
level=INFO msg="all passes of a minute were done again: heartbeats go on" minutes_without=2
level=ERROR msg="the heartbeat failed; it is tried again each minute"
`
	stop()
	if log.String() != want {
		t.Errorf("log\n%swant\n%s", log.String(), want)
	}
	s.Close()
	if s.conns != 1 {
		t.Errorf("%d connections, want one", s.conns)
	}
}

func TestEvery(t *testing.T) {
	s := serve(t, status(http.StatusOK))
	h, next, _ := running(t, Options{URL: s.URL, Every: 5 * time.Minute})
	h.Slot(6000, 0)
	next()
	for _, slot := range []int64{6060, 6120, 6180, 6240, 6300} {
		h.beats <- slot // one after the other, as the minutes come
	}
	next()
	if got := s.requests(); len(got) != 2 {
		t.Errorf("%d requests in six minutes, want 2", len(got))
	}
}

func TestAServiceThatHangsHoldsNothingUp(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-release
	})
	h, next, _ := running(t, Options{URL: s.URL, Timeout: time.Minute})
	h.Slot(6000, 0)
	<-asked
	for i := range int64(1000) { // would hang here
		h.Slot(6060+60*i, 0)
	}
	close(release)
	next()
	next() // the first of the thousand; the others were left out
	if got := s.requests(); len(got) != 2 {
		t.Errorf("%d requests, want 2", len(got))
	}
}

func TestNewRefuses(t *testing.T) {
	for _, text := range []string{"", "hunter2", "://hunter2", "https:///hunter2"} {
		if _, err := New(Options{URL: text}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}
