package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/heartbeat"
)

// newHeart makes the heartbeat of the present configuration; nil where it has none.
func (a *assembly) newHeart(observe func(heartbeat.Outcome)) (*heartbeat.Heart, error) {
	c := a.cfg.Heartbeat
	if c == nil {
		return nil, nil
	}
	h, err := heartbeat.New(heartbeat.Options{
		URL: string(c.URL), Method: c.Method, Every: c.Every, Timeout: c.Timeout, UserAgent: "dwmon/" + Version,
		Redact: a.cfg.Redact, Observe: observe, Log: a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("make the heartbeat: %w", err)
	}
	return h, nil
}

// slotsOf tells a heart of slots; nil where there is none.
func slotsOf(h *heartbeat.Heart) func(engine.SlotReport) {
	if h == nil {
		return nil
	}
	return func(r engine.SlotReport) { h.Slot(r.Slot, r.Undone) }
}

// beatOnce sends a heartbeat beside the deliveries where all passes were done, and
// gives what waits for it. A clock that stands says nothing about the present.
func (a *assembly) beatOnce(ctx context.Context, once OnceOptions, report *OnceReport) (wait func()) {
	none := func() {}
	for i := range report.Passes {
		if !report.Passes[i].Done {
			return none
		}
	}
	if once.Stands || ctx.Err() != nil {
		return none
	}
	h, err := a.newHeart(nil)
	switch {
	case err != nil:
		a.log.Error("no heartbeat is sent", "error", err)
		return none
	case h == nil:
		return none
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Send(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("the heartbeat failed", "error", err)
		}
	}()
	return func() { <-done }
}

// beat counts what became of a heartbeat.
func (m *metrics) beat(o heartbeat.Outcome) {
	switch o {
	case heartbeat.Sent:
		m.beats.WithLabelValues("sent").Inc()
		m.lastBeat.Set(float64(time.Now().UnixMilli()) / 1e3)
	case heartbeat.Failed:
		m.beats.WithLabelValues("failed").Inc()
	case heartbeat.Withheld:
		m.beats.WithLabelValues("withheld").Inc()
	}
}
