package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type handler struct {
	settings settings
	now      func() time.Time
	members  []*member
}

func (h *handler) shutdown(context.Context) error {
	h.members[0].client.Close() // they share it
	return nil
}

// health asks all members: one that is down is said, though one is enough.
func (h *handler) health(ctx context.Context) error {
	var errs []error
	for _, m := range h.members {
		errs = append(errs, m.status(ctx))
	}
	return provider.Worst(errs...)
}

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.tell(ctx, h.ofResult(&ev))
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	return h.tell(ctx, h.ofNotice(&n))
}

// tell tells all members. One that took it is enough: those of a cluster tell their
// receivers once, and one that is down must not hold up the others' alerts.
func (h *handler) tell(ctx context.Context, t telling) error {
	alerts := len(t.all())
	if alerts == 0 {
		pluginsdk.Receipt(ctx, "no alert of Alertmanager's: nothing was sent")
		return nil
	}
	errs := make([]error, len(h.members))
	var wg sync.WaitGroup
	for i, m := range h.members {
		wg.Go(func() { errs[i] = m.tell(ctx, t) })
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		}
	}
	if taken == 0 {
		return provider.Worst(errs...)
	}
	if failed := errors.Join(errs...); failed != nil {
		pluginsdk.Logger(ctx).Warn("not all Alertmanagers were told", "told", taken, "of", len(h.members), "error", failed)
	}
	pluginsdk.Receipt(ctx, fmt.Sprintf("%d alerts, taken by %d of %d", alerts, taken, len(h.members)))
	return nil
}
