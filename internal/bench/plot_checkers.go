package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/bench/svgplot"
)

// load is what each of many checkers has to do every minute.
type load struct {
	rows, fresh int // of a fetch
	most        int // checkers
}

func (l load) String() string {
	return fmt.Sprintf("%s rows, %d new", thousands(l.rows), l.fresh)
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// loads have 3 million rows stored at the most: to store them takes longer than all the passes.
var loads = []load{{10, 1, 10_000}, {1000, 10, 3000}, {batchRows, batchRows / 100, 300}}

// surveyCheckers asks what a minute costs by the checkers that there are: whole passes through
// engine, plugin and store, of all checkers at once, with a durable commit for each.
func surveyCheckers(ctx context.Context, b *bench) ([]chart, error) {
	checkers := quantity{what: "checkers", log: true}
	cost := chart{
		name: costByCheckers, title: "What each checker costs a minute, by the size of its fetch",
		x: checkers, y: quantity{what: "CPU of dwmon and plugin for a checker", unit: "ms"},
	}
	minute := chart{
		name: minuteByCheckers, title: "How long all passes of a minute take, by the size of a fetch",
		x: checkers, y: quantity{what: "all passes of a minute", unit: "s", log: true},
		levels: []svgplot.Level{{Name: "a minute", Y: 60}},
	}
	for _, l := range loads {
		c, m := &curve{name: l.String()}, &curve{name: l.String()}
		for _, n := range b.ladder(10, l.most) {
			took, cpu, err := minuteOf(ctx, b, l, n)
			if err != nil {
				return nil, err
			}
			c.points = append(c.points, svgplot.Point{X: float64(n), Y: float64(cpu) / 1e6})
			m.points = append(m.points, svgplot.Point{X: float64(n), Y: took.Seconds()})
		}
		cost.curves, minute.curves = append(cost.curves, c), append(minute.curves, m)
	}
	return []chart{cost, minute}, nil
}

// minuteOf gives how long a minute's passes of n checkers take, and the CPU of one of them.
// Of few checkers it takes many minutes: theirs is soon over. Of the turns the cheapest counts, as
// in surveyHistoryOf.
func minuteOf(ctx context.Context, b *bench, l load, n int) (took, cpu time.Duration, err error) {
	b.say("first fetches of %d checkers, %v", n, l)
	w, err := newWorld(ctx, b, n, l.rows, l.fresh)
	if err != nil {
		return 0, 0, err
	}
	defer w.remove()
	if _, err := w.tick(ctx); err != nil {
		return 0, 0, err
	}
	b.say("passes of %d checkers, %v", n, l)
	minutes := max(1, 300/n)
	spent := spend(repeat(minutes, func(ctx context.Context) error {
		_, err := w.tick(ctx)
		return err
	}))
	turns, err := takeTurns(ctx, b.turns(3), spent.side)
	if err != nil {
		return 0, 0, err
	}
	if len(spent.turns) == 0 {
		return 0, 0, fmt.Errorf("%w: the CPU time of a process cannot be read on this system", errMissing)
	}
	return slices.Min(turns[0]), slices.Min(spent.turns) / time.Duration(n*minutes), nil
}
