package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// world is an engine on a real store and a real host, with a fake plugin's process
// behind it, and checkers that all ask the same of it.
type world struct {
	dir    string
	host   *pluginhost.Host
	db     *sqlite.DB
	engine *engine.Engine
	feed   hostbench.Feed
	n      int // checkers
	ticks  int
	now    time.Time
}

const lookback = 180

// dawn is the first minute of a world.
var dawn = time.Unix(1_800_000_000/60*60, 0).UTC()

// newWorld makes a world of n checkers whose fetches give so many rows, of which
// step are new; a minute brings step rows to the source.
func newWorld(ctx context.Context, b *bench, n, rows, step int) (_ *world, err error) {
	every := int64(600_000)
	if step > 0 {
		every = 60e6 / int64(step)
	}
	w := &world{n: n, now: dawn.Add(time.Second)}
	w.feed = hostbench.Feed{Rows: rows, Step: step, Every: every, First: dawn.UnixMicro() - int64(rows)*every}
	if w.dir, err = os.MkdirTemp(b.dir, "w"); err != nil {
		return nil, err
	}
	b.onClose(w.close)
	if w.host, err = hostbench.NewHost(w.dir); err != nil {
		return nil, err
	}
	return w, w.start(ctx)
}

// start opens the store and makes an engine that knows nothing yet.
func (w *world) start(ctx context.Context) (err error) {
	if w.db, err = sqlite.Open(ctx, filepath.Join(w.dir, "dwmon.db"), sqlite.Options{}); err != nil {
		return err
	}
	w.engine, err = engine.New(engine.Options{Store: w.db, Zone: time.UTC, Now: func() time.Time { return w.now }})
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, "__QUERY__\n%s\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS%d\n__SOURCE__\nBENCH\n",
		w.feed.Query(), lookback)
	getter := w.host.RowGetter(pluginhost.InstanceSpec{Plugin: hostbench.PluginName})
	var jobs []*engine.Job
	for i := range w.n {
		name := fmt.Sprintf("checker-%05d", i)
		c, faults := checkfile.Parse(name+".dwmon", name, text)
		if len(faults) > 0 {
			return errors.New(faults[0].Text())
		}
		jobs = append(jobs, &engine.Job{Checker: c, Getter: getter, Source: engine.Source{Key: "bench", Plugin: hostbench.PluginName}})
	}
	w.engine.SetJobs(jobs)
	return nil
}

func (w *world) close() {
	if w.db != nil {
		w.db.Close()
		w.db = nil
	}
	if w.host != nil {
		w.host.Close(context.Background())
		w.host = nil
	}
}

// remove closes it, and gives its room on the disk back.
func (w *world) remove() {
	w.close()
	_ = os.RemoveAll(w.dir)
}

// tick does one pass of every checker, checks every one, and gives how long they
// took together.
func (w *world) tick(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	reports := w.engine.Tick(ctx, w.now)
	took := time.Since(start)
	fresh := int64(w.feed.Step)
	if w.ticks == 0 {
		fresh = int64(w.feed.Rows)
	}
	minute := dwmon.Slot(w.now, 0)
	want := w.countNaively(dwmon.Requirement{Lookback: lookback}.Window(minute))
	for _, r := range reports {
		if r.Err != nil {
			return 0, r.Err
		}
		if r.Fetch.Tally.Rows != int64(w.feed.Rows) || r.Fetch.Ingested.Fresh != fresh {
			return 0, fmt.Errorf("%s: %d rows, %d of them new; want %d and %d", r.Checker.Name, r.Fetch.Tally.Rows, r.Fetch.Ingested.Fresh, w.feed.Rows, fresh)
		}
		if w.ticks > 0 && len(r.Results) != 1 {
			return 0, fmt.Errorf("%s: %d verdicts, want 1", r.Checker.Name, len(r.Results))
		}
		if v := r.Results[len(r.Results)-1]; v.Minute != minute || v.Count != want {
			return 0, fmt.Errorf("%s: %d rows counted at %d, want %d at %d", r.Checker.Name, v.Count, v.Minute, want, minute)
		}
	}
	if len(reports) != w.n {
		return 0, fmt.Errorf("%d passes, want %d", len(reports), w.n)
	}
	w.ticks++
	w.now = w.now.Add(time.Minute)
	return took, nil
}

// countNaively looks at every row that the source has given.
func (w *world) countNaively(win dwmon.Window) (n int64) {
	for i := range w.feed.Head(w.ticks) {
		if ts := w.feed.Micros(i); ts >= win.From && ts < win.Until {
			n++
		}
	}
	return n
}

// backAfterADay is row 14: passes that were made yesterday, a store and an engine
// that were started anew, and every minute of a day to judge.
func backAfterADay(ctx context.Context, b *bench) ([]figure, error) {
	const fresh, day = batchRows / 100, 1440
	n := b.size(1000)
	b.say("row 14: first fetches of %d checkers", n)
	w, err := newWorld(ctx, b, n, batchRows, fresh)
	if err != nil {
		return nil, err
	}
	if _, err := w.tick(ctx); err != nil {
		return nil, err
	}
	if err := w.db.Close(); err != nil {
		return nil, err
	}
	w.now = w.now.Add((day - 1) * time.Minute)
	b.say("row 14: back after a day")
	began := time.Now()
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	reports := w.engine.Tick(ctx, w.now)
	took := time.Since(began)
	checks := 0
	for _, r := range reports {
		if r.Err != nil {
			return nil, r.Err
		}
		if r.Fetch.Ingested.Fresh != fresh || len(r.Results) != day || r.Gap != 0 {
			return nil, fmt.Errorf("%s: %d new rows, %d verdicts, %d minutes lost; want %d, %d and none",
				r.Checker.Name, r.Fetch.Ingested.Fresh, len(r.Results), r.Gap, fresh, day)
		}
		for _, v := range r.Results[day-3:] {
			if want := w.countNaively(dwmon.Requirement{Lookback: lookback}.Window(v.Minute)); v.Count != want {
				return nil, fmt.Errorf("%s: %d rows counted at %d, want %d", r.Checker.Name, v.Count, v.Minute, want)
			}
		}
		checks += len(r.Results)
	}
	return []figure{{value: took.Seconds(), detail: fmt.Sprintf("%d checks of %d checkers, %d new rows each", checks, n, fresh)}}, nil
}

// checkersAMinute is row 9.
func checkersAMinute(ctx context.Context, b *bench) ([]figure, error) {
	n := b.size(100)
	b.say("row 9: first fetches of %d checkers", 2*n)
	growing, err := newWorld(ctx, b, n, batchRows, batchRows/100)
	if err != nil {
		return nil, err
	}
	still, err := newWorld(ctx, b, n, batchRows, 0)
	if err != nil {
		return nil, err
	}
	b.say("row 9: passes")
	growingSide, stillSide := spend(growing.tick), spend(still.tick)
	_, x, y, err := compare(ctx, b.turns(25), growingSide.side, stillSide.side)
	if err != nil {
		return nil, err
	}
	return []figure{
		perMinute("1 % new", x/time.Duration(n), growingSide.each(n)),
		perMinute("nothing new", y/time.Duration(n), stillSide.each(n)),
	}, nil
}

func perMinute(part string, took, cpu time.Duration) figure {
	f := figure{part: part, value: float64(time.Minute) / float64(took), detail: ms(took) + " each"}
	if cpu > 0 {
		f.detail += fmt.Sprintf(", %s of CPU in daemon and plugin", ms(cpu))
	}
	return f
}

// spender is a side of a comparison, with the CPU that it used here and in its plugin.
type spender struct {
	side  side
	pids  []int // known after the first turn, which starts the plugin and is for warming up
	turns []time.Duration
}

func spend(s side) *spender {
	var sp spender
	sp.side = func(ctx context.Context) (time.Duration, error) {
		before, errBefore := cpuOf(sp.pids)
		took, err := s(ctx)
		after, errAfter := cpuOf(sp.pids)
		switch {
		case sp.pids == nil:
			sp.pids = family()
		case errors.Join(errBefore, errAfter) == nil:
			sp.turns = append(sp.turns, after-before)
		}
		return took, err
	}
	return &sp
}

// each is the CPU of one of n things done in every turn, in the middle of the turns; 0 where
// it is not known.
func (sp *spender) each(n int) time.Duration {
	if len(sp.turns) == 0 {
		return 0
	}
	return median(sp.turns) / time.Duration(n)
}
