package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dwmon/dwmon/pluginsdk"
)

// searching is a search under way.
type searching struct {
	*fetch
	query   *searchQuery
	clause  json.RawMessage
	product *product
	pit     string
	after   json.RawMessage // the last hit's sort values, digit for digit
	hits    int64
	total   int64 // announced with the first page
}

// close gives the point in time back: it holds files open on the server. Where
// that fails it ends by itself.
func (s *searching) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	var id any = s.pit
	if s.product.closeList {
		id = []string{s.pit}
	}
	doing := s.doing
	var answer json.RawMessage
	_ = s.json(ctx, http.MethodDelete, s.product.closing, map[string]any{s.product.closeID: id}, &answer)
	s.doing = doing
}

// searchAnswer is a page of hits.
type searchAnswer struct {
	PIT        string `json:"pit_id"`
	TimedOut   *bool  `json:"timed_out"`
	Terminated bool   `json:"terminated_early"`
	Shards     *struct {
		Total      int               `json:"total"`
		Successful int               `json:"successful"`
		Failed     int               `json:"failed"`
		Failures   []json.RawMessage `json:"failures"`
	} `json:"_shards"`
	Hits *struct {
		Total *struct {
			Value    int64  `json:"value"`
			Relation string `json:"relation"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
}

type hit struct {
	ID     string           `json:"_id"`
	Fields map[string][]any `json:"fields"`
	Sort   json.RawMessage  `json:"sort"`
}

// page reads one page and says how many hits it had.
func (s *searching) page(ctx context.Context) (int, error) {
	var answer searchAnswer
	if err := s.json(ctx, http.MethodPost, "/_search?allow_partial_search_results=false", s.body(), &answer); err != nil {
		return 0, err
	}
	if answer.PIT != "" {
		s.pit = answer.PIT
	}
	if err := s.whole(&answer); err != nil {
		return 0, err
	}
	for i := range answer.Hits.Hits {
		if err := s.row(&answer.Hits.Hits[i]); err != nil {
			return 0, err
		}
	}
	n := len(answer.Hits.Hits)
	if n == 0 {
		return 0, nil
	}
	after := answer.Hits.Hits[n-1].Sort
	if len(after) == 0 || bytes.Equal(after, s.after) {
		return 0, pluginsdk.CheckerError(s.named(errors.New("the server does not say where the next page begins")))
	}
	s.after = after
	s.hits += int64(n)
	return n, nil
}

// body is the request for a page.
func (s *searching) body() map[string]any {
	sort := []any{map[string]any{s.query.time: map[string]any{"order": "asc", "numeric_type": "date"}}}
	for _, field := range s.product.tiebreak {
		sort = append(sort, map[string]any{field: "asc"})
	}
	fields := []any{map[string]any{"field": s.query.time, "format": "strict_date_optional_time_nanos"}}
	if s.query.key != "_id" {
		fields = append(fields, map[string]any{"field": s.query.key})
	}
	body := map[string]any{
		"size": searchPage, "query": s.clause, "sort": sort, "_source": false, "docvalue_fields": fields,
		"pit": map[string]any{"id": s.pit, "keep_alive": keepAlive}, "track_total_hits": s.total < 0,
		"timeout": fmt.Sprintf("%dms", s.settings.Timeout.Std().Milliseconds()),
	}
	if s.after != nil {
		body["search_after"] = s.after
	}
	return body
}

// whole refuses a page that some shards had no part in.
func (s *searching) whole(a *searchAnswer) error {
	retry := func(format string, args ...any) error {
		return pluginsdk.Retryable(s.named(fmt.Errorf(format, args...)), 0)
	}
	switch {
	case a.Shards == nil, a.Hits == nil, a.TimedOut == nil:
		return pluginsdk.CheckerError(s.named(errors.New("the answer is not that of a search: _shards, hits or timed_out is missing")))
	case a.Shards.Failed > 0 || a.Shards.Successful < a.Shards.Total:
		why := ""
		if len(a.Shards.Failures) > 0 {
			why = ": " + excerptOf(a.Shards.Failures[0])
		}
		return retry("%d of %d shards did not answer%s", max(a.Shards.Failed, a.Shards.Total-a.Shards.Successful), a.Shards.Total, why)
	case *a.TimedOut:
		return retry("the cluster gave up within %s; ask for less, or raise the setting timeout", s.settings.Timeout)
	case a.Terminated:
		return retry("the search was ended early")
	}
	if s.total < 0 {
		if a.Hits.Total == nil || a.Hits.Total.Relation != "eq" {
			return pluginsdk.CheckerError(s.named(errors.New("the answer does not say exactly how many hits there are")))
		}
		s.total = a.Hits.Total.Value
	}
	return nil
}

// row makes a row of a hit.
func (s *searching) row(h *hit) error {
	err := func() error {
		at, err := single(h.Fields, s.query.time)
		if err != nil {
			return err
		}
		us, null, err := micros(at, s.zone)
		if err != nil {
			return err
		}
		var key any = h.ID
		if s.query.key != "_id" {
			if key, err = single(h.Fields, s.query.key); err != nil {
				return err
			}
		}
		text, err := appendKey(nil, key)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			return wrongRow("its %s is empty", s.query.key)
		}
		if null {
			s.out.SkipNull()
			return nil
		}
		return s.out.AppendBytes(text, us)
	}()
	var wrong rowFault
	if errors.As(err, &wrong) {
		return pluginsdk.CheckerError(s.named(fmt.Errorf("the document %q: %w", cut(h.ID), err)))
	}
	return err
}

// single gives the only value of a field; nil where there is none.
func single(fields map[string][]any, name string) (any, error) {
	switch values := fields[name]; len(values) {
	case 0:
		return nil, nil
	case 1:
		return values[0], nil
	default:
		return nil, wrongRow("its field %s has %d values; which one is meant?", name, len(values))
	}
}

// complete is asked after the last page: were these all? No hits at all may also
// mean that the index or the field is misspelled.
func (s *searching) complete(ctx context.Context) error {
	if s.hits != s.total {
		return pluginsdk.Retryable(s.named(fmt.Errorf("%d hits came of the %d announced", s.hits, s.total)), 0)
	}
	if s.total > 0 {
		return nil
	}
	var caps struct {
		Indices []string                              `json:"indices"`
		Fields  map[string]map[string]json.RawMessage `json:"fields"`
	}
	path := "/" + url.PathEscape(s.query.index) + "/_field_caps?fields=" + url.QueryEscape(s.query.time)
	if err := s.json(ctx, http.MethodGet, path, nil, &caps); err != nil {
		return err
	}
	if len(caps.Indices) == 0 {
		return pluginsdk.CheckerError(s.named(fmt.Errorf("there is no index %s", s.query.index)))
	}
	types := caps.Fields[s.query.time]
	if types["date"] == nil && types["date_nanos"] == nil {
		return pluginsdk.CheckerError(s.named(fmt.Errorf("no index of %s has a field %s of type date; name the field with `time`", s.query.index, s.query.time)))
	}
	return nil
}
