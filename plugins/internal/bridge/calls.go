package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// RowGetter asks workers for rows.
type RowGetter struct {
	Pool *Pool
	// Zone is that of times in words without one; nil: UTC.
	Zone *time.Location
}

type queryDetails struct {
	Query  string          `json:"query"`
	Source string          `json:"source"`
	Extra  json.RawMessage `json:"extra"`
}

// GetRows streams the rows of the frames.
func (g *RowGetter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	rows := &rowReader{out: out, zone: g.Zone}
	last, err := g.Pool.Call(ctx, pluginsdk.KindRowGetter, struct {
		Op      string       `json:"op"`
		Checker string       `json:"checker_name"`
		Details queryDetails `json:"query_details"`
	}{"get_rows", q.Checker.Name, queryDetails{q.Text, q.Source, extraOrEmpty(q.ExtraJSON)}}, rows.take)
	if err != nil {
		return err
	}
	return rows.finish(last)
}

// CheckHandler tells workers of results.
type CheckHandler struct {
	Pool *Pool
	// Details is what of a result is told; nil: all of it.
	Details func(pluginsdk.CheckEvent) any
}

// HandleCheck hands one result over.
func (h *CheckHandler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	var details any = ev.Result
	if h.Details != nil {
		details = h.Details(ev)
	}
	_, err := h.Pool.Call(ctx, pluginsdk.KindCheckHandler, struct {
		Op      string          `json:"op"`
		Key     string          `json:"idempotency_key"`
		Details any             `json:"details"`
		Extra   json.RawMessage `json:"extra"`
	}{"handle_check", ev.IdempotencyKey, details, extraOrEmpty(ev.ExtraJSON)}, nil)
	return err
}

// Purger asks workers what is old.
type Purger struct {
	Pool *Pool
}

// IdentifyOld asks for a cut-off.
func (p *Purger) IdentifyOld(ctx context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	last, err := p.Pool.Call(ctx, pluginsdk.KindPurger, struct {
		Op      string          `json:"op"`
		Checker string          `json:"checker_name"`
		Extra   json.RawMessage `json:"extra"`
		Now     int64           `json:"now_epoch"`
	}{"identify_old", in.Checker.Name, extraOrEmpty(in.ExtraJSON), in.Now.Unix()}, nil)
	if err != nil {
		return pluginsdk.Keep(), err
	}
	if !last.OK {
		return pluginsdk.Keep(), errors.New("the worker did not say ok")
	}
	return cutoff(last.Cutoff)
}

// extraOrEmpty is an EXTRA section as a JSON object.
func extraOrEmpty(raw []byte) json.RawMessage {
	if len(bytes.TrimSpace(raw)) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
