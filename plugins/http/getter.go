package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// getter is the row getter of one instance.
type getter struct {
	settings settings
	zone     *time.Location
	// base is that of the setting url; nil: SOURCE is the URL.
	base *base
	// home has our certificate and is for the base's origin, foreign for all others.
	home, foreign *http.Client
	heap          *heapGuard
	requests      requests
	products      sync.Map // origin → product, of searches
}

func (g *getter) shutdown(context.Context) error {
	for _, c := range []*http.Client{g.home, g.foreign} {
		if c != nil {
			c.CloseIdleConnections()
		}
	}
	return nil
}

// health asks the base for anything: whatever it answers, it is there. Without a
// base there is nobody to ask.
func (g *getter) health(ctx context.Context) error {
	if g.base == nil {
		return nil
	}
	f, err := g.newFetch(pluginsdk.Query{}, nil)
	if err != nil {
		return err
	}
	resp, err := f.roundTrip(ctx, call{method: http.MethodGet, url: g.base.url})
	if err != nil {
		return err
	}
	resp.Body.Close()
	if code := resp.StatusCode; code == http.StatusUnauthorized || code == http.StatusProxyAuthRequired || code >= 500 {
		return f.refused(resp.Response, nil)
	}
	return nil
}

// GetRows makes the request and reads its pages.
func (g *getter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	r, err := g.requests.get(q.Text)
	if err != nil {
		return pluginsdk.CheckerError(fmt.Errorf("the request is wrong:\n%w", err))
	}
	f, err := g.newFetch(q, out)
	if err != nil {
		return err
	}
	f.begin(r, q.Since)
	switch {
	case r.prometheus != nil:
		err = f.prometheus(ctx, r.prometheus)
	case r.search != nil:
		err = f.search(ctx, r.search)
	default:
		err = f.pages(ctx, r)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", f.overdue(ctx), ctx.Err())
	}
	return err
}

// ValidateChecker reports what can be seen without asking the server.
func (g *getter) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	var found []pluginsdk.Diagnostic
	report := func(code, summary, detail string) {
		found = append(found, pluginsdk.Diagnostic{Severity: pluginsdk.SeverityError, Code: code, Summary: summary, Detail: detail})
	}
	r, err := g.requests.get(c.Text)
	var wrong faults
	if errors.As(err, &wrong) {
		for _, f := range wrong {
			report("query", f.Error(), f.excerpt())
		}
	}
	f, err := g.newFetch(pluginsdk.Query{Source: c.Source, ExtraJSON: c.ExtraJSON}, nil)
	if err != nil {
		report("source", err.Error(), "")
		return found
	}
	if r == nil {
		return found
	}
	f.begin(r, time.Time{})
	if err := f.tryOut(r); err != nil {
		report("query", "QUERY: "+err.Error(), "")
	}
	return found
}

// tryOut puts the values into a request without sending it.
func (f *fetch) tryOut(r *request) error {
	switch {
	case r.prometheus != nil:
		_, err := r.prometheus.query.render(&f.env)
		return err
	case r.search != nil:
		_, err := r.search.query.render(&f.env)
		return err
	}
	_, err := f.call(r)
	return err
}

// newFetch prepares a fetch from the settings' base or the checker's SOURCE.
func (g *getter) newFetch(q pluginsdk.Query, out pluginsdk.RowSink) (*fetch, error) {
	f := &fetch{getter: g, out: out, base: g.base}
	if f.base == nil {
		b, err := parseBase(q.Source)
		if err != nil {
			return nil, pluginsdk.CheckerError(fmt.Errorf("SOURCE: %w; or name a source of dwmon.yaml that has the setting url", err))
		}
		f.base, f.own = b, true
	}
	var err error
	if f.credentials, err = g.credentials(f.base, f.own); err != nil {
		return nil, f.owned(pluginsdk.ConfigError, err)
	}
	f.env.extra, err = decodeExtra(q.ExtraJSON)
	if err != nil {
		return nil, pluginsdk.CheckerError(err)
	}
	return f, nil
}

// decodeExtra decodes the EXTRA section, numbers digit for digit.
func decodeExtra(raw []byte) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return map[string]any{}, nil
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the EXTRA section is no JSON: %w", err)
	}
	return v, nil
}

// requests are those compiled before. An instance has few checkers, and a checker
// one text at a time.
type requests struct {
	mu     sync.Mutex
	byText map[string]parsed
}

type parsed struct {
	request *request
	err     error
}

// maxRequests bounds the texts that are kept: edits leave theirs behind.
const maxRequests = 256

func (rs *requests) get(text string) (*request, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if p, ok := rs.byText[text]; ok {
		return p.request, p.err
	}
	var p parsed
	p.request, p.err = parse(text)
	if len(rs.byText) >= maxRequests || rs.byText == nil {
		rs.byText = map[string]parsed{}
	}
	rs.byText[text] = p
	return p.request, p.err
}
