package main

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// getter brings events: a checker's QUERY is the type of event, such as
// order.created. Its EXTRA may narrow them down: {"acme": {"region": "eu"}}.
type getter struct{ api *client }

// page is one answer of the event service. Next is empty on the last.
type page struct {
	Events []struct {
		ID string    `json:"id"`
		At time.Time `json:"at"`
	} `json:"events"`
	Next string `json:"next"`
}

// GetRows appends each page as it comes: a million events take no more memory than
// one page.
func (g *getter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	extra, err := parseExtra(q.ExtraJSON)
	if err != nil {
		return err
	}
	params := url.Values{"type": {q.Text}}
	if extra.Region != "" {
		params.Set("region", extra.Region)
	}
	if !q.Since.IsZero() {
		params.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	for {
		at := g.api.base.JoinPath("v1/events")
		at.RawQuery = params.Encode()
		var p page
		if err := g.api.call(ctx, http.MethodGet, at, nil, nil, &p); err != nil {
			return err
		}
		for _, e := range p.Events {
			if err := out.Append(e.ID, e.At); err != nil {
				return err
			}
		}
		if p.Next == "" {
			return nil
		}
		params.Set("cursor", p.Next)
	}
}
