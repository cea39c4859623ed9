package providertest

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Suite is a handler and how it is brought before a server that misbehaves.
type Suite struct {
	New func() pluginsdk.Plugin
	// Settings are those with which the handler tells the server at base, a URL
	// without a path. Everything secret in them holds the text Secret.
	Settings func(base string) map[string]any
	// Taken answers as the provider does when it takes what it is told.
	Taken http.HandlerFunc
}

// Secret must be in every secret of [Suite.Settings], and is looked for in every text.
const Secret = "s3cr3t"

// Answer is what a server answers, and what the handler must make of it.
type Answer struct {
	Name   string
	Serve  http.HandlerFunc
	Class  pluginsdk.Class
	After  time.Duration
	Within string // in the error's text
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func putOff(code int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(code)
	}
}

// echo answers with all that was sent, as a careless server does.
func echo(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "cannot %s %s\n%s\n%v", r.Method, r.RequestURI, body, r.Header)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client is gone
	<-r.Context().Done()
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// answers are what any server may say.
func answers(elsewhere string) []Answer {
	return []Answer{
		{"too many, seconds", putOff(http.StatusTooManyRequests, "7"), pluginsdk.ClassRetryable, 7 * time.Second, "429 Too Many Requests"},
		{"too many, nothing more", status(http.StatusTooManyRequests), pluginsdk.ClassRetryable, 0, "429"},
		{"away for a year", putOff(http.StatusServiceUnavailable, "31536000"), pluginsdk.ClassRetryable, time.Hour, "503"},
		{"an error of its own", echo(http.StatusInternalServerError), pluginsdk.ClassRetryable, 0, "500 Internal Server Error: cannot"},
		{"a bad gateway", status(http.StatusBadGateway), pluginsdk.ClassRetryable, 0, "502"},
		{"our request was too slow", status(http.StatusRequestTimeout), pluginsdk.ClassRetryable, 0, "408"},
		{"too early", status(http.StatusTooEarly), pluginsdk.ClassRetryable, 0, "425"},
		{"who are you?", echo(http.StatusUnauthorized), pluginsdk.ClassCredentials, 0, "401"},
		{"you may not", echo(http.StatusForbidden), pluginsdk.ClassCredentials, 0, "403"},
		{"no such thing", echo(http.StatusNotFound), pluginsdk.ClassPermanent, 0, "404"},
		{"gone", status(http.StatusGone), pluginsdk.ClassPermanent, 0, "410"},
		{"cannot be processed", echo(http.StatusUnprocessableEntity), pluginsdk.ClassPermanent, 0, "422"},
		{"moved", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere+"/"+Secret, http.StatusTemporaryRedirect)
		}, pluginsdk.ClassConfig, 0, "leads to " + elsewhere},
		{"hung up", hangUp, pluginsdk.ClassRetryable, 0, "closed the connection"},
	}
}

// Run tries all of it.
func (s Suite) Run(t *testing.T) {
	said := captureLog(t)
	t.Run("answers", s.testAnswers)
	t.Run("no answer", s.testNoAnswer)
	t.Run("no server", s.testNoServer)
	t.Run("given up", s.testGivenUp)
	t.Run("tls", s.testTLS)
	if strings.Contains(said.String(), Secret) {
		t.Errorf("a secret in the log: %s", said)
	}
}

// captureLog keeps what is logged outside of a host.
func captureLog(t *testing.T) *bytes.Buffer {
	var buf bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &buf
}

func (s Suite) start(t *testing.T, base string, more map[string]any) *Handler {
	t.Helper()
	settings := s.Settings(base)
	settings["timeout"] = "60s"
	for name, v := range more {
		settings[name] = v
	}
	return MustStart(t, s.New(), settings)
}

// tell tells a result and a notice.
func tell(ctx context.Context, h *Handler) map[string]error {
	return map[string]error{"result": h.Check(ctx, Bad()), "notice": h.Notice(ctx, Opened())}
}

// Serve starts a server for a test. It speaks to nobody of what goes wrong.
func Serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s Suite) testAnswers(t *testing.T) {
	var strayed atomic.Int64
	elsewhere := Serve(t, func(w http.ResponseWriter, r *http.Request) {
		strayed.Add(1)
		s.Taken(w, r)
	})
	for _, a := range answers(elsewhere.URL) {
		t.Run(a.Name, func(t *testing.T) {
			h := s.start(t, Serve(t, a.Serve).URL, nil)
			for what, err := range tell(t.Context(), h) {
				a.check(t, what, err)
			}
		})
	}
	if n := strayed.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func (a Answer) check(t *testing.T, what string, err error) {
	t.Helper()
	if got, after := pluginsdk.ClassOf(err), pluginsdk.RetryAfter(err); got != a.Class || after != a.After {
		t.Errorf("a %s: %q after %v, want %q after %v: %v", what, got, after, a.Class, a.After, err)
	}
	if text := fmt.Sprint(err); !strings.Contains(text, a.Within) || strings.Contains(text, Secret) {
		t.Errorf("a %s: the text is %s; want %q in it and no secret", what, text, a.Within)
	}
}

func (s Suite) testNoAnswer(t *testing.T) {
	h := s.start(t, Serve(t, hang).URL, map[string]any{"timeout": "1s"})
	for what, err := range tell(t.Context(), h) {
		Answer{Class: pluginsdk.ClassRetryable, Within: "no answer within 1s"}.check(t, what, err)
	}
}

func (s Suite) testNoServer(t *testing.T) {
	server := httptest.NewServer(s.Taken)
	server.Close()
	for what, err := range tell(t.Context(), s.start(t, server.URL, nil)) {
		Answer{Class: pluginsdk.ClassRetryable, Within: "connection refused"}.check(t, what, err)
	}
}

// testGivenUp: a call whose host gives up ends, and is no fault of the provider's.
func (s Suite) testGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := Serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		hang(w, r)
	})
	h := s.start(t, server.URL, nil)
	for what, err := range tell(ctx, h) {
		if err == nil || strings.Contains(err.Error(), Secret) {
			t.Errorf("a %s: %v", what, err)
		}
	}
}

func (s Suite) testTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(s.Taken)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, err := range tell(t.Context(), s.start(t, server.URL, nil)) {
		Answer{Class: pluginsdk.ClassConfig, Within: "name the authority's file in tls.ca"}.check(t, what, err)
	}
	for what, err := range tell(t.Context(), s.start(t, server.URL, map[string]any{"tls": map[string]any{"ca": ca}})) {
		if err != nil {
			t.Errorf("a %s, with the authority: %v", what, err)
		}
	}
	plain := Serve(t, s.Taken)
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	for what, err := range tell(t.Context(), s.start(t, "https://127.0.0.1:"+port, nil)) {
		Answer{Class: pluginsdk.ClassConfig, Within: "does not speak TLS"}.check(t, what, err)
	}
}
