package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/bench/svgplot"
)

// surveyHistory asks what one and the same work of a pass costs by the rows that are stored:
// a batch of which nothing is new is recognised, and the rows of a window are counted. Keys lie
// in no order, which is the dear kind: those of a batch are all over the tree.
func surveyHistory(ctx context.Context, b *bench) ([]chart, error) {
	c := chart{
		name: costByHistory, title: "A pass: 10,000 known rows recognised, a window counted",
		x: quantity{what: "rows of history", log: true}, y: quantity{what: "CPU of a pass", unit: "ms", log: true},
	}
	known := &curve{name: "dwmon", strong: true}
	first := &curve{name: "dwmon, first batch after a start"}
	plain := &curve{name: "SQLite in C, INSERT OR IGNORE"}
	scan := &curve{name: "SQLite in C, a count that reads every row"}
	c.curves = []*curve{known, first, plain, scan}
	for _, rows := range b.ladder(10_000, 10*million) {
		if err := surveyHistoryOf(ctx, b, rows, c.curves); err != nil {
			return nil, err
		}
	}
	return []chart{c}, nil
}

// surveyHistoryOf adds a point to each curve: what a pass costs dwmon, dwmon after a start, and
// the sqlite3 tool in two ways. Of the turns the cheapest counts: points are measured minutes
// apart, and whatever else the machine does then can only add, by emptying caches.
func surveyHistoryOf(ctx context.Context, b *bench, rows int, curves []*curve) error {
	h, err := b.newHistory(ctx, "uuid", rows)
	if err != nil {
		return err
	}
	defer h.remove()
	sides, err := h.toolSides(ctx)
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	for _, c := range curves[2:] {
		c.err = err
	}
	sides = append(h.passSides(), sides...)
	b.say("a pass on %d rows of history", rows)
	costs, err := takeTurns(ctx, b.turns(15), sides...)
	if err == nil {
		err = h.proof(ctx)
	}
	if err != nil {
		return err
	}
	for i, cost := range costs {
		curves[i].points = append(curves[i].points, svgplot.Point{X: float64(rows), Y: float64(slices.Min(cost)) / 1e6})
	}
	return nil
}

// passSides are a pass of the store, and the first after it was opened.
func (h *history) passSides() []side {
	pass := h.pass()
	self := []int{os.Getpid()}
	first := inCPU(self, 1, repeat(1, pass))
	return []side{
		inCPU(self, 50, repeat(50, pass)),
		func(ctx context.Context) (time.Duration, error) {
			if err := h.reopen(ctx); err != nil {
				return 0, err
			}
			return first(ctx)
		},
	}
}

// toolSides are the same work as SQL in the sqlite3 tool, and a count without an index.
func (h *history) toolSides(ctx context.Context) ([]side, error) {
	t, err := h.withTool(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.catchUpTool(t); err != nil {
		return nil, err
	}
	count := fmt.Sprintf("SELECT count(*) FROM seen INDEXED BY seen_ts WHERE checker_id = %d AND ts >= %d AND ts < %d;", h.p.ID, passWindow.From, passWindow.Until)
	// No index has query_id, and with a + before it a column is not looked up in any.
	scan := fmt.Sprintf("SELECT count(query_id) FROM seen NOT INDEXED WHERE checker_id = %d AND +ts >= %d AND +ts < %d;", h.p.ID, passWindow.From, passWindow.Until)
	counted := fmt.Sprint(h.countNaively(passWindow))
	tool := []int{t.cmd.Process.Pid}
	return []side{
		inCPU(tool, 5, t.side(5, insertSelect+"\n"+count, "0\n"+counted)),
		inCPU(tool, 1, t.side(1, scan, counted)),
	}, nil
}

// inCPU is a side that does something n times, measured in the CPU time of processes.
func inCPU(pids []int, n int, s side) side {
	return func(ctx context.Context) (time.Duration, error) {
		cpu, err := cpuDuring(pids, func() error { _, err := s(ctx); return err })
		return cpu / time.Duration(n), err
	}
}
