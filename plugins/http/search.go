package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// searchQuery is a search in Elasticsearch or OpenSearch.
type searchQuery struct {
	index     string
	query     template // JSON; nil: everything
	key, time string
}

var (
	indexForm = regexp.MustCompile(`^[^\s/\\?"<>|#{}]+$`)
	fieldForm = regexp.MustCompile(`^[^\s"*]+$`)
)

// search reads the directives of a search.
func (p *parser) search(has map[string]value) *searchQuery {
	q := &searchQuery{index: has["search"].text, key: "_id", time: "@timestamp"}
	if v := has["search"]; v.from != nil && !indexForm.MatchString(q.index) {
		p.in(v, 0, "want an index, several with commas between them, or a pattern such as logs-*")
	}
	for name, to := range map[string]*string{"key": &q.key, "time": &q.time} {
		if v, ok := has[name]; ok {
			*to = v.text
			if !fieldForm.MatchString(v.text) {
				p.in(v, 0, "want the name of a field")
			}
		}
	}
	if v, ok := has["query"]; ok {
		q.query = p.jsonTemplate(v)
		for _, part := range q.query {
			if part.hole != nil && part.hole.root == "next" {
				p.in(v, part.hole.offset, "{{next}} is not needed: a search finds its pages by itself")
			}
		}
		if !strings.HasPrefix(v.text, "{") {
			p.in(v, 0, "want a clause of the query language, such as {\"term\": {\"level\": \"error\"}}")
		}
		for _, member := range []string{`"query"`, `"size"`, `"sort"`, `"from"`, `"aggs"`} {
			if rest := strings.TrimLeft(strings.TrimPrefix(v.text, "{"), " \t\n"); strings.HasPrefix(rest, member) {
				p.in(v, strings.Index(v.text, member), "%s is a part of a whole search; `query` is the clause inside of it", member)
			}
		}
	}
	return q
}

const (
	// searchPage is how many hits a page has; 10,000 is the most that both allow.
	searchPage = 5000
	// keepAlive is how long a point in time lives after each page.
	keepAlive = "2m"
	// closeLimit bounds giving it back, which no context of a call bounds.
	closeLimit = 2 * time.Second
)

// search reads all hits of one point in time.
func (f *fetch) search(ctx context.Context, q *searchQuery) error {
	f.page = 1
	query, err := f.searchClause(q)
	if err != nil {
		return pluginsdk.CheckerError(err)
	}
	p, err := f.product(ctx)
	if err != nil {
		return err
	}
	pit, err := f.openPIT(ctx, p, q.index)
	if err != nil {
		return err
	}
	s := &searching{fetch: f, query: q, clause: query, product: p, pit: pit, total: -1}
	defer func() { s.close(ctx) }()
	for {
		n, err := s.page(ctx)
		if err != nil {
			return err
		}
		if n == 0 || s.hits == s.total {
			return s.complete(ctx)
		}
		if f.page++; f.page > f.settings.MaxPages {
			return pluginsdk.CheckerError(f.named(fmt.Errorf("there are more than %d pages of %d hits; ask for less (`window`, `query`), or raise max_pages", f.settings.MaxPages, searchPage)))
		}
	}
}

// searchClause is the checker's query and the bound on time.
func (f *fetch) searchClause(q *searchQuery) (json.RawMessage, error) {
	own, err := q.query.render(&f.env)
	if err != nil {
		return nil, err
	}
	// Floored: it may reach back too far, never too short.
	since := timeText(f.env.since, nil)
	clauses := []any{map[string]any{"range": map[string]any{q.time: map[string]any{"gte": since, "format": "strict_date_optional_time"}}}}
	if own != "" {
		if !json.Valid([]byte(own)) {
			return nil, errors.New("query: with its values it is no valid JSON")
		}
		clauses = append(clauses, json.RawMessage(own))
	}
	return json.Marshal(map[string]any{"bool": map[string]any{"filter": clauses}})
}

// json asks with a body of JSON, or none, and decodes the answer.
func (f *fetch) json(ctx context.Context, method, path string, body, into any) error {
	u, err := f.base.resolve(path)
	if err != nil {
		return pluginsdk.CheckerError(err)
	}
	c := call{method: method, url: u, headers: http.Header{"Accept": {"application/json"}}}
	if body != nil {
		if c.body, err = json.Marshal(body); err != nil {
			return err
		}
		c.headers.Set("Content-Type", "application/json")
	}
	resp, stop, err := f.send(ctx, c, nil)
	if err != nil {
		return err
	}
	defer stop()
	return f.decode(resp, into)
}
