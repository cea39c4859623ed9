package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dwmon/dwmon/pluginsdk"
)

// product is who made the server.
type product struct {
	name             string
	open, closing    string // paths of a point in time
	openID, closeID  string // members with its id
	closeList        bool
	tiebreak         []string
	leastVersionHint string
}

var (
	elasticsearch = &product{
		name: "Elasticsearch", open: "/%s/_pit", closing: "/_pit", openID: "id", closeID: "id",
		tiebreak: []string{"_shard_doc"}, leastVersionHint: "Elasticsearch 7.12",
	}
	// OpenSearch knows _shard_doc in its latest versions only. An id is unique within
	// an index.
	opensearch = &product{
		name: "OpenSearch", open: "/%s/_search/point_in_time", closing: "/_search/point_in_time", openID: "pit_id", closeID: "pit_id", closeList: true,
		tiebreak: []string{"_id", "_index"}, leastVersionHint: "OpenSearch 2.4",
	}
)

// product finds out who made the server, once for each.
func (f *fetch) product(ctx context.Context) (*product, error) {
	if p, ok := f.products.Load(f.base.origin); ok {
		return p.(*product), nil
	}
	u, err := f.base.resolve("/")
	if err != nil {
		return nil, pluginsdk.CheckerError(err)
	}
	timed, cancel := context.WithTimeoutCause(ctx, f.settings.Timeout.Std(), errPageTimeout)
	defer cancel()
	resp, err := f.roundTrip(timed, call{method: http.MethodGet, url: u, headers: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var p *product
	switch {
	case resp.Header.Get("X-Elastic-Product") != "": // also where the role may not read this page
		p = elasticsearch
	case resp.StatusCode == http.StatusForbidden:
		p = opensearch
	default:
		if err := f.accepted(resp); err != nil {
			return nil, err
		}
		if p, err = f.productOf(resp); err != nil {
			return nil, err
		}
	}
	f.products.Store(f.base.origin, p)
	return p, nil
}

func (f *fetch) productOf(resp *response) (*product, error) {
	var about struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if err := f.decode(resp, &about); err != nil {
		return nil, err
	}
	switch {
	case about.Version.Distribution == "opensearch":
		return opensearch, nil
	case about.Version.Number != "":
		return elasticsearch, nil
	}
	return nil, pluginsdk.CheckerError(f.named(errors.New("this is neither Elasticsearch nor OpenSearch; does the url end where their paths begin?")))
}

// openPIT opens a point in time: all pages see the same documents.
func (f *fetch) openPIT(ctx context.Context, p *product, index string) (string, error) {
	var answer map[string]any
	path := fmt.Sprintf(p.open, url.PathEscape(index)) + "?keep_alive=" + keepAlive
	if err := f.json(ctx, http.MethodPost, path, nil, &answer); err != nil {
		return "", err
	}
	id, _ := answer[p.openID].(string)
	if id == "" {
		return "", pluginsdk.CheckerError(f.named(fmt.Errorf("the server gave no point in time; at least %s is needed", p.leastVersionHint)))
	}
	return id, nil
}
