package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// purger forgets rows: after the checker's own time, {"acme": {"keep": "30d"}} in
// its EXTRA, else after that of the settings.
type purger struct{ cfg *settings }

// IdentifyOld reckons from in.Now rather than from the clock: dwmon may be told to
// act as if it were another time.
func (p *purger) IdentifyOld(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	extra, err := parseExtra(in.ExtraJSON)
	if err != nil {
		return pluginsdk.Keep(), err
	}
	text := extra.Keep
	if text == "" {
		text = p.cfg.Keep
	}
	keep, err := parseKeep(text)
	if err != nil {
		return pluginsdk.Keep(), pluginsdk.CheckerError(fmt.Errorf("the EXTRA section: acme.%w", err))
	}
	if keep == 0 {
		return pluginsdk.Keep(), nil
	}
	return pluginsdk.DeleteOlderThan(in.Now.Add(-keep)).Because("acme keeps rows for " + text), nil
}

// parseKeep reads how long rows are kept; 0 for an empty text, which is for ever.
func parseKeep(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := pluginsdk.ParseDuration(text)
	if err == nil && d == 0 {
		err = errors.New("0 would forget every row")
	}
	if err != nil {
		return 0, fmt.Errorf("keep: %w", err)
	}
	return d.Std(), nil
}
