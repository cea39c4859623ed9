package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/dwmon/dwmon/pluginsdk"
)

// handler posts results as alerts.
type handler struct{ api *client }

// HandleCheck may be called twice with one result, when dwmon has not learned that
// the first call arrived: the service keeps one alert for each idempotency key.
func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	extra, err := parseExtra(ev.ExtraJSON)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	alert := struct {
		Team   string           `json:"team"`
		Result pluginsdk.Result `json:"result"`
	}{extra.Team, ev.Result}
	header := http.Header{"Idempotency-Key": {ev.IdempotencyKey}}
	var answer struct {
		ID string `json:"id"`
	}
	err = h.api.call(ctx, http.MethodPost, h.api.base.JoinPath("v1/alerts"), header, alert, &answer)
	var refused *statusError
	switch {
	case errors.As(err, &refused) && refused.code == http.StatusConflict:
		pluginsdk.Logger(ctx).Info("the alert had arrived before")
		return nil
	case err != nil:
		return err
	}
	pluginsdk.Receipt(ctx, "alert "+answer.ID) // shown by `dwmon deliveries`
	return nil
}
