package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const million = 1_000_000

// byKind measures something for each kind of keys. What fails for one kind is
// told in its place.
func byKind(ctx context.Context, b *bench, one func(*history) (figure, error)) ([]figure, error) {
	var all []figure
	for _, kind := range keyKinds {
		f := figure{}
		h, err := b.history(ctx, kind, b.size(million))
		if err == nil {
			f, err = one(h)
		}
		f.part, f.err = kind, err
		all = append(all, f)
	}
	return all, nil
}

// insertSelect is the tool's way: all rows of a table of its own at once, which is
// the engine without parsing and without anybody handing rows over. It answers how
// many were new.
const insertSelect = "INSERT OR IGNORE INTO seen (checker_id, query_id, first_seen, key, ts) SELECT checker_id, 1, 1, key, ts FROM batch;\nSELECT changes();"

// loadBatch gives the tool the source's present rows as a table.
func (h *history) loadBatch(t *tool) error {
	var b strings.Builder
	b.WriteString("CREATE TEMP TABLE IF NOT EXISTS batch (checker_id INTEGER, key BLOB, ts INTEGER);\nDELETE FROM batch;\nBEGIN;\n")
	for i := h.head - 1; i >= h.head-batchRows; i-- {
		fmt.Fprintf(&b, "INSERT INTO batch VALUES (%d, CAST('%s' AS BLOB), %d);\n", h.p.ID, keyOf(h.kind, i), h.micros(i))
	}
	b.WriteString("COMMIT;\nSELECT count(*) FROM batch;\n")
	_, got, err := t.time(b.String())
	return errors.Join(err, sameAnswer(got, fmt.Sprint(batchRows)))
}

// proof feeds the store a batch that has new rows: what says "none" of every batch
// would be fast.
func (h *history) proof(ctx context.Context) error {
	const fresh = 7
	h.head += fresh
	if _, err := h.ingest(ctx, h.batches(), fresh); err != nil {
		return fmt.Errorf("a batch with %d new rows: %w", fresh, err)
	}
	return nil
}

// dedupeNothingNew is row 3.
func dedupeNothingNew(ctx context.Context, b *bench) ([]figure, error) {
	return byKind(ctx, b, func(h *history) (figure, error) {
		t, err := h.withTool(ctx)
		if err == nil {
			err = h.catchUpTool(t)
		}
		if err != nil {
			return figure{}, err
		}
		b.say("row 3: nothing new, %s", h.kind)
		batches := h.batches()
		ours := repeat(100, func(ctx context.Context) error {
			_, err := h.ingest(ctx, batches, 0)
			return err
		})
		ratio, x, y, err := compare(ctx, b.turns(21), t.side(5, insertSelect, "0"), ours)
		if err == nil {
			err = h.proof(ctx)
		}
		return figure{value: ratio, detail: ms(y) + " against " + ms(x) + ", INSERT OR IGNORE … SELECT"}, err
	})
}

// catchUpTool brings the tool's copy to where the store is, and gives it the
// source's rows.
func (h *history) catchUpTool(t *tool) error {
	if err := h.loadBatch(t); err != nil {
		return err
	}
	_, _, err := t.time(insertSelect)
	return err
}

// dedupeSomeNew is row 4. Store and tool are given the same rows: a hundred new
// ones with each batch.
func dedupeSomeNew(ctx context.Context, b *bench) ([]figure, error) {
	const fresh, perTurn = batchRows / 100, 3
	return byKind(ctx, b, func(h *history) (figure, error) {
		t, err := h.withTool(ctx)
		if err == nil {
			err = h.catchUpTool(t)
		}
		if err != nil {
			return figure{}, err
		}
		b.say("row 4: 1 %% new, %s", h.kind)
		if _, err := h.ingest(ctx, h.batches(), 0); err != nil {
			return figure{}, err
		}
		var turns [][]*dwmon.Batch
		var script, want strings.Builder
		prepare := func() {
			turns = turns[:0]
			script.Reset()
			want.Reset()
			for range perTurn {
				h.head += fresh
				turns = append(turns, h.batches())
				h.inserts(&script)
				fmt.Fprintln(&want, fresh)
			}
		}
		theirs := func(ctx context.Context) (time.Duration, error) {
			prepare()
			took, got, err := t.time(script.String())
			return took / perTurn, errors.Join(err, sameAnswer(got, strings.TrimSpace(want.String())))
		}
		ours := func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			for _, batches := range turns {
				if _, err := h.ingest(ctx, batches, fresh); err != nil {
					return 0, err
				}
			}
			return time.Since(start) / perTurn, nil
		}
		ratio, x, y, err := compare(ctx, b.turns(15), theirs, ours)
		return figure{value: ratio, detail: ms(y) + " against " + ms(x) + ", a transaction of 10,000 INSERT OR IGNORE"}, err
	})
}

// inserts writes the source's rows as a transaction of single statements, which
// answers how many were new.
func (h *history) inserts(to *strings.Builder) {
	to.WriteString("CREATE TEMP TABLE IF NOT EXISTS before (n INTEGER);\nDELETE FROM before;\nINSERT INTO before SELECT total_changes();\nBEGIN;\n")
	for i := h.head - 1; i >= h.head-batchRows; i-- {
		fmt.Fprintf(to, "INSERT OR IGNORE INTO seen (checker_id, query_id, first_seen, key, ts) VALUES (%d, 1, 1, CAST('%s' AS BLOB), %d);\n",
			h.p.ID, keyOf(h.kind, i), h.micros(i))
	}
	to.WriteString("COMMIT;\nSELECT total_changes() - n - 1 FROM before;\n")
}

// firstBatch is row 5.
func firstBatch(ctx context.Context, b *bench) ([]figure, error) {
	return byKind(ctx, b, func(h *history) (figure, error) {
		t, err := h.withTool(ctx)
		if err == nil {
			err = h.catchUpTool(t)
		}
		if err != nil {
			return figure{}, err
		}
		b.say("row 5: first batch, %s", h.kind)
		batches := h.batches()
		ours := func(ctx context.Context) (time.Duration, error) {
			if err := h.reopen(ctx); err != nil {
				return 0, err
			}
			start := time.Now()
			_, err := h.ingest(ctx, batches, 0)
			return time.Since(start), err
		}
		ratio, x, y, err := compare(ctx, b.turns(21), ours, t.side(3, insertSelect, "0"))
		if err == nil {
			err = h.proof(ctx)
		}
		return figure{value: ratio, detail: ms(x) + " over " + ms(y) + ", INSERT OR IGNORE … SELECT"}, err
	})
}

// growth is row 6: what of a pass could grow with history, which is to find that
// nothing is new and to count.
func growth(ctx context.Context, b *bench) ([]figure, error) {
	one := func(rows int) (side, *history, error) {
		h, err := b.history(ctx, "sequence", rows)
		if err != nil {
			return nil, nil, err
		}
		return repeat(100, h.pass()), h, nil
	}
	few, h, err := one(b.size(100_000))
	if err != nil {
		return nil, err
	}
	many, h10M, err := one(b.size(10 * million))
	if err != nil {
		return nil, err
	}
	b.say("row 6: passes on short and long histories")
	ratio, x, y, err := compare(ctx, b.turns(41), many, few)
	if err == nil {
		err = errors.Join(h.proof(ctx), h10M.proof(ctx))
	}
	return []figure{{value: ratio, detail: ms(x) + " over " + ms(y) + ", deduping and counting"}}, err
}

// pass is what a pass with nothing new asks of the store: a batch is recognised, the newest three
// minutes are counted.
func (h *history) pass() func(context.Context) error {
	batches, want := h.batches(), h.countNaively(passWindow)
	return func(ctx context.Context) error {
		counts, err := h.ingest(ctx, batches, 0, passWindow)
		if err == nil && counts[0] != want {
			err = fmt.Errorf("%d rows counted, want %d", counts[0], want)
		}
		return err
	}
}

var passWindow = dwmon.Window{From: started - 180e6, Until: started}

// countNaively looks at every row.
func (h *history) countNaively(w dwmon.Window) (n int64) {
	for i := range h.head {
		if ts := h.micros(i); ts >= w.From && ts < w.Until {
			n++
		}
	}
	return n
}
