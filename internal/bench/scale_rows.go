package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// many is the store with many rows of one checker, a row a second.
func (b *bench) many(ctx context.Context) (*history, error) {
	b.dismissFleet()
	n := 10 * million
	if b.scale {
		n = 100 * million
	}
	return b.history(ctx, "sequence", b.size(n))
}

// passesOnMany is row 26: what of a pass could grow with what is stored.
func passesOnMany(ctx context.Context, b *bench) ([]figure, error) {
	many, err := b.many(ctx)
	if err != nil {
		return nil, err
	}
	few, err := b.history(ctx, "sequence", b.size(100_000))
	if err != nil {
		return nil, err
	}
	enough, err := b.history(ctx, "sequence", b.size(million)) // for the windows of ten days
	if err != nil {
		return nil, err
	}
	var figures []figure
	for _, c := range []struct {
		part      string
		turns     int
		side      func(*history) (side, error)
		many, few *history
	}{
		{"pass", 21, (*history).passing, many, few},
		{"first batch", 11, (*history).beginning, many, few},
		{"count", 5, func(h *history) (side, error) {
			walk, _, err := h.checked(ctx, b.walk())
			return repeat(1, walk), err
		}, many, enough},
	} {
		b.say("row 26: %s", c.part)
		x, err := c.side(c.many)
		if err != nil {
			return nil, err
		}
		y, err := c.side(c.few)
		if err != nil {
			return nil, err
		}
		ratio, tx, ty, err := compare(ctx, b.turns(c.turns), x, y)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{part: c.part, value: ratio, detail: fmt.Sprintf("%s over %s, %d rows over %d", ms(tx), ms(ty), c.many.rows, c.few.rows)})
	}
	return figures, nil
}

// passing dedupes a batch of which nothing is new, and counts one window.
func (h *history) passing() (side, error) {
	batches, window := h.batches(), dwmon.Window{From: started - 180e6, Until: started}
	want := h.countNaively(window)
	return repeat(50, func(ctx context.Context) error {
		counts, err := h.ingest(ctx, batches, 0, window)
		if err == nil && counts[0] != want {
			err = fmt.Errorf("%d rows counted, want %d", counts[0], want)
		}
		return err
	}), nil
}

// beginning is the first batch after a start.
func (h *history) beginning() (side, error) {
	batches := h.batches()
	return func(ctx context.Context) (time.Duration, error) {
		if err := h.reopen(ctx); err != nil {
			return 0, err
		}
		start := time.Now()
		_, err := h.ingest(ctx, batches, 0)
		return time.Since(start), err
	}, nil
}

// openAndPurgeMany is row 28. The store is of no use to other rows afterwards.
func openAndPurgeMany(ctx context.Context, b *bench) ([]figure, error) {
	h, err := b.many(ctx)
	if err != nil {
		return nil, err
	}
	b.say("row 28: opening %d rows", h.rows)
	var opens []time.Duration
	for range b.turns(7) {
		if err := h.db.Close(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := h.open(ctx); err != nil {
			return nil, err
		}
		opens = append(opens, time.Since(start))
	}
	n := b.size(100_000)
	b.say("row 28: purging %d rows", n)
	delete(b.histories, historyKey{h.kind, h.rows})
	cpu, beside, err := h.purge(ctx, n)
	if err != nil {
		return nil, err
	}
	return []figure{
		{part: "open", value: float64(median(opens)) / 1e6, detail: fmt.Sprintf("%d rows", h.rows)},
		{part: "purge", value: float64(cpu) / 1e6 * 1000 / float64(n), detail: fmt.Sprintf("CPU for each thousand of %d; %s", n, beside)},
	}, nil
}

// purge purges the oldest n rows, gives the CPU that it took and says how commits beside
// it fared.
func (h *history) purge(ctx context.Context, n int) (cpu time.Duration, beside string, err error) {
	stop := h.commitBeside(ctx)
	var purged int64
	cpu, err = cpuDuring(family(), func() error {
		purged, err = h.db.Purge(ctx, h.p.ID, h.micros(n)/1e6)
		return err
	})
	commits, longest := stop()
	if err == nil && purged != int64(n) {
		err = fmt.Errorf("%d rows were purged, want %d", purged, n)
	}
	if err != nil {
		return 0, "", err
	}
	around := dwmon.Window{From: h.micros(n - 1000), Until: h.micros(n + 1000)}
	counts, err := h.counts(ctx, []dwmon.Window{around})
	if err == nil && counts[0] != 1000 {
		err = fmt.Errorf("around the cut-off %d rows are left, want 1000", counts[0])
	}
	return cpu, fmt.Sprintf("of %d commits beside it none took longer than %s", commits, ms(longest)), err
}

// commitBeside commits nothing again and again until it is stopped, and then says how
// many commits there were and how long one of them took at most.
func (h *history) commitBeside(ctx context.Context) (stop func() (commits int, longest time.Duration)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	commits, longest := 0, time.Duration(0)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			start := time.Now()
			if h.db.InTx(ctx, func(dwmon.Tx) error { return nil }) == nil {
				longest = max(longest, time.Since(start))
				commits++
			}
			_ = sleep(ctx, 20*time.Millisecond) // ends early with the purge
		}
	}()
	return func() (int, time.Duration) {
		cancel()
		<-done
		return commits, longest
	}
}

// sizeOfMany is row 27.
func sizeOfMany(ctx context.Context, b *bench) ([]figure, error) {
	h, err := b.many(ctx)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(h.path)
	if err != nil {
		return nil, err
	}
	return []figure{{value: float64(info.Size()) / float64(h.rows), detail: fmt.Sprintf("%s, %d rows, keys of 24 bytes", mib(info.Size()), h.rows)}}, nil
}
