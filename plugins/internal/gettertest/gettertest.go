// Package gettertest is what every shipped SQL row getter must do, as tests against
// a real database: [Suite]. It calls the plugin's row getter directly and keeps the
// rows in memory.
package gettertest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Row is a row as the host would get it.
type Row struct {
	Key    string
	Micros int64
}

// At makes a Row from a time in RFC 3339.
func At(key, at string) Row {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		panic(err)
	}
	return Row{Key: key, Micros: t.UnixMicro()}
}

// Sink keeps rows in memory.
type Sink struct {
	Rows    []Row
	Skipped int
	Now     time.Time
	AsOf    time.Time
	// CountOnly counts rows without keeping them.
	CountOnly bool
	Count     int
	// Refuse is called with the number of each row; its error ends the fetch.
	Refuse func(n int) error

	mu sync.Mutex
}

var _ pluginsdk.RowSink = (*Sink)(nil)

// Append takes a row.
func (s *Sink) Append(key string, at time.Time) error { return s.AppendMicros(key, at.UnixMicro()) }

// AppendMicros takes a row.
func (s *Sink) AppendMicros(key string, us int64) error { return s.AppendBytes([]byte(key), us) }

// AppendBytes takes a row.
func (s *Sink) AppendBytes(key []byte, us int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Count++
	if s.Refuse != nil {
		if err := s.Refuse(s.Count); err != nil {
			return err
		}
	}
	if !s.CountOnly {
		s.Rows = append(s.Rows, Row{string(key), us})
	}
	return nil
}

// SkipNull counts.
func (s *Sink) SkipNull() { s.Skipped++ }

// MarkTruncated does nothing.
func (s *Sink) MarkTruncated() {}

// Warn does nothing.
func (s *Sink) Warn(string) {}

// SourceNow keeps the time.
func (s *Sink) SourceNow(t time.Time) { s.Now = t }

// DataAsOf keeps the time.
func (s *Sink) DataAsOf(t time.Time) { s.AsOf = t }

// Getter is a plugin that has its settings.
type Getter struct {
	pluginsdk.Plugin
	source string
}

// Start gives a plugin its settings. An error of Setup is returned.
func Start(t testing.TB, p pluginsdk.Plugin, settings map[string]any) (*Getter, error) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, p.Settings); err != nil {
		t.Fatal(err)
	}
	if err := p.Setup(t.Context()); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &Getter{Plugin: p}, nil
}

// MustStart is Start for settings that are right.
func MustStart(t testing.TB, p pluginsdk.Plugin, settings map[string]any) *Getter {
	t.Helper()
	g, err := Start(t, p, settings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// From returns the getter for a checker with that SOURCE.
func (g *Getter) From(source string) *Getter { return &Getter{Plugin: g.Plugin, source: source} }

// Fetch runs a query into a sink.
func (g *Getter) Fetch(ctx context.Context, query string, out pluginsdk.RowSink) error {
	return g.RowGetter.GetRows(ctx, pluginsdk.Query{Text: query, Source: g.source}, out)
}

// Get runs a query and returns its rows.
func (g *Getter) Get(ctx context.Context, query string) (*Sink, error) {
	sink := &Sink{}
	return sink, g.Fetch(ctx, query, sink)
}

// MustGet is Get for a query that is right.
func (g *Getter) MustGet(t testing.TB, query string) *Sink {
	t.Helper()
	sink, err := g.Get(t.Context(), query)
	if err != nil {
		t.Fatalf("%v\nquery: %s", err, query)
	}
	return sink
}

// codeOf is the status that the host sees of an error's class.
var codeOf = map[pluginsdk.Class]codes.Code{
	"":                         codes.OK,
	pluginsdk.ClassConfig:      codes.FailedPrecondition,
	pluginsdk.ClassChecker:     codes.InvalidArgument,
	pluginsdk.ClassCredentials: codes.Unauthenticated,
	pluginsdk.ClassRetryable:   codes.Unavailable,
	pluginsdk.ClassNetwork:     codes.Unavailable,
	pluginsdk.ClassTime:        codes.DeadlineExceeded,
	pluginsdk.ClassOther:       codes.Unknown,
}

// Code is the status that the host would see of an error of a row getter.
func Code(t testing.TB, err error) codes.Code {
	t.Helper()
	if errors.Is(err, context.Canceled) {
		return codes.Canceled
	}
	class := pluginsdk.ClassOf(err)
	code, ok := codeOf[class]
	if !ok {
		t.Fatalf("no row getter returns an error of class %s: %v", class, err)
	}
	return code
}

// WantFault checks an error's class, and that its text holds every word and none
// of the secrets.
func WantFault(t testing.TB, err error, code codes.Code, secret string, words ...string) {
	t.Helper()
	if got := Code(t, err); got != code {
		t.Errorf("the error is %v, want %v: %v", got, code, err)
	}
	if err == nil {
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
	NoSecret(t, err, secret)
}

// NoSecret checks that no error in the chain shows the secret.
func NoSecret(t testing.TB, err error, secret string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if secret != "" && strings.Contains(e.Error(), secret) {
			t.Errorf("an error shows the password: %v", e)
		}
	}
}
