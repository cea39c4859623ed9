package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// walk is the windows of the longest walk there is, a day each, newest first.
func (b *bench) walk() (windows []dwmon.Window) {
	const lookback = 86_400
	for i := range int64(b.size(dwmon.MaxRewind)) {
		minute := dwmon.FloorMinute(started/1e6) - 60*i
		windows = append(windows, dwmon.Requirement{Lookback: lookback}.Window(minute))
	}
	return windows
}

func (h *history) counts(ctx context.Context, windows []dwmon.Window) (counts []int64, err error) {
	err = h.db.InTx(ctx, func(tx dwmon.Tx) error {
		counts, err = tx.Counts(h.p.ID, windows)
		return err
	})
	return counts, err
}

// checked is a walk whose counts are compared with those of a first one, some of
// which were compared with a count of every row.
func (h *history) checked(ctx context.Context, windows []dwmon.Window) (walk func(context.Context) error, want []int64, err error) {
	if want, err = h.counts(ctx, windows); err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(windows); i += len(windows)/50 + 1 {
		if n := h.countNaively(windows[i]); n != want[i] {
			return nil, nil, fmt.Errorf("window %d: %d rows counted, there are %d", i, want[i], n)
		}
	}
	return func(ctx context.Context) error {
		got, err := h.counts(ctx, windows)
		for i := range got {
			if err == nil && got[i] != want[i] {
				err = fmt.Errorf("window %d: %d rows counted, there are %d", i, got[i], want[i])
			}
		}
		return err
	}, want, err
}

// walkOverScan is row 7.
func walkOverScan(ctx context.Context, b *bench) ([]figure, error) {
	h, err := b.history(ctx, "sequence", b.size(million))
	if err != nil {
		return nil, err
	}
	t, err := h.withTool(ctx)
	if err == nil {
		err = h.catchUpTool(t)
	}
	if err != nil {
		return nil, err
	}
	b.say("row 7: walking")
	windows := b.walk()
	walk, _, err := h.checked(ctx, windows)
	if err != nil {
		return nil, err
	}
	all := dwmon.Window{From: windows[len(windows)-1].From, Until: windows[0].Until}
	scan := fmt.Sprintf("SELECT count(*), total(ts) > 0 FROM seen INDEXED BY seen_ts WHERE checker_id = %d AND ts >= %d AND ts < %d;",
		h.p.ID, all.From, all.Until)
	n := h.countNaively(all)
	ratio, x, y, err := compare(ctx, b.turns(11), repeat(1, walk), t.side(1, scan, fmt.Sprintf("%d|1", n)))
	return []figure{{value: ratio, detail: fmt.Sprintf("%s over %s, %d rows", ms(x), ms(y), n)}}, err
}

// walkOverCounts is row 8. Of the counts, spread over the walk, only some are
// made: all of them take minutes.
func walkOverCounts(ctx context.Context, b *bench) ([]figure, error) {
	h, err := b.history(ctx, "sequence", b.size(million))
	if err != nil {
		return nil, err
	}
	b.say("row 8: counting minute by minute")
	windows := b.walk()
	walk, want, err := h.checked(ctx, windows)
	if err != nil {
		return nil, err
	}
	const sample = 16
	at := 0
	single := func(ctx context.Context) (time.Duration, error) {
		start := time.Now()
		for range sample {
			at = (at + 911) % len(windows)
			got, err := h.counts(ctx, windows[at:at+1])
			if err != nil {
				return 0, err
			}
			if got[0] != want[at] {
				return 0, fmt.Errorf("window %d: %d rows counted, there are %d", at, got[0], want[at])
			}
		}
		return time.Since(start) / sample * time.Duration(len(windows)), nil
	}
	ratio, x, y, err := compare(ctx, b.turns(11), single, repeat(1, walk))
	return []figure{{value: ratio, detail: fmt.Sprintf("%s against %.3g s, from %d counts a turn", ms(y), x.Seconds(), sample)}}, err
}
