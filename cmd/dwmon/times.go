package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// localForms are times as people are shown them: without a zone, they are of the
// daemon's.
var localForms = []string{time.DateOnly, "2006-01-02 15:04", time.DateTime}

// parseTime reads a time as people and programs give it.
func parseTime(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	if sec, err := strconv.ParseInt(text, 10, 64); err == nil && sec >= 0 && sec < dwmon.MaxSeconds {
		return time.Unix(sec, 0), nil
	}
	for _, form := range localForms {
		if at, err := time.ParseInLocation(form, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-06-01, 2026-06-01 12:00, 2026-06-01T12:00:00Z, or seconds since the epoch", text)
}

// timeFlag reads a time, in microseconds since the epoch; missing where it is not
// given.
func timeFlag(flag, text string, zone *time.Location, missing int64) (int64, error) {
	if text == "" {
		return missing, nil
	}
	at, err := parseTime(text, zone)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", flag, err)
	}
	return at.UnixMicro(), nil
}

// bound reads how far back, or up to when, in seconds since the epoch: a duration
// before now, or a time. nil where it is not given.
func bound(cmd *cobra.Command, flag, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	if d, err := dwmon.ParseDuration(text); err == nil {
		at := time.Now().Add(-d).Unix()
		return &at, nil
	}
	cfg, err := load(cmd)
	if err != nil {
		return nil, err
	}
	t, err := parseTime(text, cfg.Timezone)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s %q is neither a duration such as 24h nor a time such as 2026-06-01, 2026-06-01 12:00 or 2026-06-01T12:00:00Z", flag, text), ""}
	}
	at := t.Unix()
	return &at, nil
}
