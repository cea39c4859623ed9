package main

import (
	"context"
	"sync"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// atOnce is how many events of one notice are on their way at the same time.
const atOnce = 4

// enqueueAll tells the events of one delivery: those of one alert in order, those of
// different alerts side by side. It has failed where one of them has.
func (h *handler) enqueueAll(ctx context.Context, delivery string, events []event) error {
	if len(events) == 0 {
		pluginsdk.Receipt(ctx, "no event of PagerDuty's: nothing was sent")
		return nil
	}
	var (
		wg     sync.WaitGroup
		places = make(chan struct{}, atOnce)
		errs   = make([]error, len(events))
	)
	for _, lane := range lanes(events) {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			for _, i := range lane {
				if errs[i] = h.enqueueOnce(ctx, delivery, i, events[i]); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	err := provider.Worst(errs...)
	if err == nil {
		h.progress.forget(delivery)
	}
	return err
}

func (h *handler) enqueueOnce(ctx context.Context, delivery string, i int, e event) error {
	if h.progress.has(delivery, i) {
		return nil
	}
	if err := h.enqueue(ctx, e); err != nil {
		return err
	}
	h.progress.note(delivery, i)
	return nil
}

// lanes gives the indices of events by alert.
func lanes(events []event) [][]int {
	place := map[string]int{}
	var all [][]int
	for i, e := range events {
		n, ok := place[e.DedupKey]
		if !ok {
			n = len(all)
			place[e.DedupKey] = n
			all = append(all, nil)
		}
		all[n] = append(all[n], i)
	}
	return all
}

// progress remembers which events of a delivery were taken, so that the next attempt
// goes on from there: a large group would else never get past PagerDuty's rate
// limit. After a restart they are sent again, which the dedup_key makes harmless.
type progress struct {
	mu    sync.Mutex
	taken map[string]map[int]bool
}

// maxDeliveries bounds the memory: there are more only where deliveries were given up.
const maxDeliveries = 100

func (p *progress) has(delivery string, i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[delivery][i]
}

func (p *progress) note(delivery string, i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[delivery] == nil {
		if p.taken == nil || len(p.taken) >= maxDeliveries {
			p.taken = map[string]map[int]bool{}
		}
		p.taken[delivery] = map[int]bool{}
	}
	p.taken[delivery][i] = true
}

func (p *progress) forget(delivery string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, delivery)
}
