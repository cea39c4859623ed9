package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

const (
	// everyMinutes is how often a checker of a past is due.
	everyMinutes = 20
	resultsADay  = 24 * 60 / everyMinutes
	// badOnceIn says how many results there are for one that is BAD.
	badOnceIn = 100
)

// past is the same checkers three times: with the results of a year, of a month, and of a
// day.
type past struct {
	checkers         int
	year, month, day *pastStore
}

// pastStore is a store with results of so many days, and an engine on it whose sources
// have nothing.
type pastStore struct {
	db       *sqlite.DB
	engine   *engine.Engine
	checkers int
	days     int
	now      time.Time
}

// thePast is made when it is first needed.
func (b *bench) thePast(ctx context.Context) (*past, error) {
	if b.past != nil {
		return b.past, nil
	}
	b.dismissFleet()
	p := &past{checkers: 100}
	if b.scale {
		p.checkers = 1000
	}
	p.checkers = b.size(p.checkers)
	b.say("rows 29 and 30: a year of %d checkers", p.checkers)
	for days, s := range map[int]**pastStore{365: &p.year, 30: &p.month, 1: &p.day} {
		var err error
		if *s, err = b.newPast(ctx, p.checkers, days); err != nil {
			return nil, err
		}
	}
	b.past = p
	return p, nil
}

// nothing is a source without rows.
type nothing struct{}

func (nothing) GetRows(context.Context, dwmon.FetchRequest, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	return dwmon.FetchSummary{}, nil
}

func (b *bench) newPast(ctx context.Context, checkers, days int) (*pastStore, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("past-%d.db", days))
	s := &pastStore{checkers: checkers, days: days, now: dawn}
	if err := s.open(ctx, path); err != nil {
		return nil, err
	}
	b.onClose(func() { s.db.Close() })
	if err := s.tick(ctx); err != nil { // makes the checkers known
		return nil, err
	}
	if err := s.db.Close(); err != nil {
		return nil, err
	}
	if err := s.fill(ctx, path); err != nil {
		return nil, err
	}
	return s, s.open(ctx, path)
}

// open opens the store and makes its engine.
func (s *pastStore) open(ctx context.Context, path string) (err error) {
	if s.db, err = sqlite.Open(ctx, path, sqlite.Options{}); err != nil {
		return err
	}
	s.engine, err = engine.New(engine.Options{Store: s.db, Zone: time.UTC, Now: func() time.Time { return s.now }})
	if err != nil {
		return err
	}
	every := dwmon.MinuteSet(0)
	for m := 0; m < 60; m += everyMinutes {
		every |= 1 << m
	}
	var jobs []*engine.Job
	for i := range s.checkers {
		c := &dwmon.Checker{Name: fmt.Sprintf("checker-%04d", i), Revision: "r", Lines: []dwmon.Requirement{{
			Hours: 1<<24 - 1, Minutes: every, Days: dwmon.Weekdays | dwmon.Weekends, Max: dwmon.At(0), Lookback: 600,
		}}}
		jobs = append(jobs, &engine.Job{Checker: c, Getter: nothing{}, Source: engine.Source{Key: "nothing"}})
	}
	s.engine.SetJobs(jobs)
	return nil
}

// fill writes the results of the days before, as GOOD as most are, the fetches of those
// of them that are kept, and what was told within a week.
func (s *pastStore) fill(ctx context.Context, path string) error {
	n := s.days * resultsADay
	series := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
	const ownMinutes = 10 // the first pass has judged some itself
	minute := fmt.Sprintf("(%d - i * %d)", dawn.Unix()-ownMinutes*everyMinutes*60, everyMinutes*60)
	kept := func(days int) int { return min(s.days, days) * resultsADay }
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-65536)&_dqs=0")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "INSERT INTO handlers (name) VALUES ('past') ON CONFLICT (name) DO NOTHING")
	for id := 1; id <= s.checkers && err == nil; id++ { // one at a time: the order of the primary key
		_, err1 := db.ExecContext(ctx, series+fmt.Sprintf(`INSERT INTO verdicts
			(checker_id, minute, line_id, line_position, event_count, status, reason, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
			SELECT l.checker_id, %[1]s, l.id, 0, i %% 7, iif(i %% %[2]d = 0, 2, 1), iif(i %% %[2]d = 0, 'high', NULL), 0, 1, i %% %[2]d = 0, %[1]s * 1000000, c.revision_id, 0
			FROM n CROSS JOIN lines l CROSS JOIN checkers c WHERE l.checker_id = ?1 AND c.id = ?1`, minute, badOnceIn), id)
		_, err2 := db.ExecContext(ctx, series+fmt.Sprintf(`INSERT INTO fetches
			(checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline, rows, fresh, skipped_null, skipped, ignored, cut)
			SELECT c.id, c.revision_id, %[1]s, %[1]s * 1000000, %[1]s * 1000000 + 5000, 'nothing', 0, 1, 0, 0, 0, 0, 0, 0, 0
			FROM n CROSS JOIN checkers c WHERE c.id = ?1 AND i <= %d`, minute, kept(90)), id)
		_, err3 := db.ExecContext(ctx, series+fmt.Sprintf(`INSERT INTO deliveries
			(handler_id, checker_id, minute, line_id, line_position, state, attempts, created, finished)
			SELECT h.id, l.checker_id, %[1]s, l.id, 0, 1, 1, %[1]s * 1000000, %[1]s * 1000000 + 9000
			FROM n CROSS JOIN lines l CROSS JOIN handlers h WHERE l.checker_id = ?1 AND h.name = 'past' AND i <= %d`, minute, kept(7)), id)
		err = errors.Join(err1, err2, err3)
	}
	return errors.Join(err, db.Close())
}

// tick makes a pass of every checker, checks that each was judged, and moves on to the
// next minute that is due.
func (s *pastStore) tick(ctx context.Context) error {
	for _, r := range s.engine.Tick(ctx, s.now.Add(time.Second)) {
		if r.Err != nil {
			return r.Err
		}
		if n := len(r.Results); n == 0 || r.Results[n-1].Minute != s.now.Unix() || r.Results[n-1].Status != dwmon.Good {
			return fmt.Errorf("%s: %d verdicts at %s, want a GOOD one of it", r.Checker.Name, n, s.now)
		}
	}
	s.now = s.now.Add(everyMinutes * time.Minute)
	return nil
}

// status reads the status of all checkers.
func (s *pastStore) status(ctx context.Context) error {
	records, err := s.db.Status(ctx)
	if err == nil && len(records) != s.checkers {
		err = fmt.Errorf("the status shows %d checkers, want %d", len(records), s.checkers)
	}
	for _, r := range records {
		if err == nil && (r.Last[0] == nil || r.Fetch == nil) {
			err = fmt.Errorf("%s: the status lacks the last result or fetch", r.Name)
		}
	}
	return err
}

// history reads the last results of one checker, and of all together.
func (s *pastStore) history(ctx context.Context) error {
	const limit = 50
	for _, name := range []string{"checker-0003", ""} {
		n, last := 0, int64(0)
		err := s.db.History(ctx, dwmon.HistoryQuery{Name: name, Limit: limit}, func(e dwmon.Entry) error {
			if e.Result == nil || e.Result.Minute < last {
				return fmt.Errorf("entry %d is no result, or not in order", n)
			}
			n, last = n+1, e.Result.Minute
			return nil
		})
		if err == nil && n != limit {
			err = fmt.Errorf("the history gave %d results, want %d", n, limit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// looksAtYear is row 29.
func looksAtYear(ctx context.Context, b *bench) ([]figure, error) {
	p, err := b.thePast(ctx)
	if err != nil {
		return nil, err
	}
	var figures []figure
	for _, c := range []struct {
		part string
		do   func(*pastStore, context.Context) error
		than *pastStore
	}{
		{"pass", (*pastStore).tick, p.month},
		{"pass, of a day", (*pastStore).tick, p.day},
		{"status", (*pastStore).status, p.month},
		{"history", (*pastStore).history, p.month},
	} {
		b.say("row 29: %s", c.part)
		of := func(s *pastStore) side {
			return repeat(3, func(ctx context.Context) error { return c.do(s, ctx) })
		}
		ratio, x, y, err := compare(ctx, b.turns(15), of(p.year), of(c.than))
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{part: c.part, value: ratio, detail: fmt.Sprintf("%s over %s, all %d checkers", ms(x), ms(y), p.checkers)})
	}
	return figures, nil
}

// sweepOfYear is row 30. The year is gone afterwards.
func sweepOfYear(ctx context.Context, b *bench) ([]figure, error) {
	p, err := b.thePast(ctx)
	if err != nil {
		return nil, err
	}
	s := p.year
	b.past = nil
	b.say("row 30: sweeping a year of %d checkers", s.checkers)
	now := s.now
	want, err := s.goodBefore(ctx, now)
	if err != nil {
		return nil, err
	}
	var swept sqlite.Swept
	cpu, err := cpuDuring(family(), func() error {
		swept, err = s.db.Sweep(ctx, dwmon.DefaultRetention, now.UnixMicro())
		return err
	})
	if err == nil && swept.Verdicts != want {
		err = fmt.Errorf("%d results were swept, want %d", swept.Verdicts, want)
	}
	if err != nil {
		return nil, err
	}
	b.say("row 30: giving back what is free in its file")
	sweeps, pages, shrink, err := s.shrink(ctx)
	if err != nil {
		return nil, err
	}
	b.say("row 30: sweeping by the hour")
	hour, hourly, err := s.sweepHours(ctx, 24)
	if err != nil {
		return nil, err
	}
	return []figure{
		{part: "results/s", value: float64(swept.Verdicts) / cpu.Seconds(), detail: fmt.Sprintf("a second of CPU; %d results, %d fetches and %d deliveries went", swept.Verdicts, swept.Fetches, swept.Deliveries)},
		{part: "by the hour", value: hour.Seconds() * 1e3 / float64(s.checkers), detail: fmt.Sprintf(
			"CPU for each checker; %d results an hour went; before that the file gave back %d pages in %d sweeps of %.1f s of CPU", hourly, pages, sweeps, shrink.Seconds())},
	}, nil
}

// goodBefore counts the results that a sweep at a time is to remove.
func (s *pastStore) goodBefore(ctx context.Context, now time.Time) (n int64, err error) {
	cut := now.Add(-dwmon.DefaultRetention.KeepGood).Unix()
	err = s.db.History(ctx, dwmon.HistoryQuery{Name: "checker-0000", Until: &cut}, func(e dwmon.Entry) error {
		if e.Result != nil && e.Result.Status == dwmon.Good {
			n++
		}
		return nil
	})
	return n * int64(s.checkers), err // all of them have the same
}

// shrink sweeps at one time until the file, emptied for the most part, has given back
// what it gives: a little at each sweep, for days. It gives the CPU of one of them.
func (s *pastStore) shrink(ctx context.Context) (sweeps int, pages int64, cpu time.Duration, err error) {
	cpu, err = cpuDuring(family(), func() error {
		for {
			swept, err := s.db.Sweep(ctx, dwmon.DefaultRetention, s.now.UnixMicro())
			if err != nil || swept.Pages == 0 {
				return err
			}
			sweeps, pages = sweeps+1, pages+swept.Pages
		}
	})
	return sweeps, pages, cpu / time.Duration(max(sweeps, 1)), err
}

// sweepHours sweeps hour by hour, and gives the CPU and the results of one.
func (s *pastStore) sweepHours(ctx context.Context, hours int) (cpu time.Duration, results int64, err error) {
	cpu, err = cpuDuring(family(), func() error {
		for h := range hours {
			swept, err := s.db.Sweep(ctx, dwmon.DefaultRetention, s.now.Add(time.Duration(h+1)*time.Hour).UnixMicro())
			if err != nil {
				return err
			}
			results += swept.Verdicts
		}
		return nil
	})
	if err == nil && results == 0 {
		err = errors.New("a day of hourly sweeps removed nothing")
	}
	return cpu / time.Duration(hours), results / int64(hours), err
}
