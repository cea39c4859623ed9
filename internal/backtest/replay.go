package backtest

import (
	"cmp"
	"context"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// replay runs a checker's passes again, one after the other.
type replay struct {
	past   Past
	record *dwmon.Past
	o      *Options
	begin  *begin
	store  *store
	rows   *window
	passes *engine.Replay
	off    []dwmon.OffEntry // still to come
	// longest is the longest look-back, seconds.
	longest int64
	// until is the minute through which there is something to replay.
	until int64
	// told is the minute of the last word of progress.
	told int64
}

func newReplay(past Past, p *dwmon.Past, o *Options, b *begin, yield func(dwmon.Result) error) (*replay, error) {
	c := o.Checker
	rule := o.Alert
	if rule == (dwmon.AlertRule{}) {
		rule = dwmon.DefaultAlertRule
	}
	s := &store{
		past: past, options: o, id: p.CheckerID, yield: yield, zone: c.Zone(o.Zone), source: c.ShownSource(),
		told: b.told, first: p.Origin, summary: &Summary{Notes: b.notes}, missed: b.missed,
	}
	if s.labels = c.Options.Labels; s.labels == nil {
		s.labels = map[string]string{}
	}
	s.progress = dwmon.Progress{
		ID: p.CheckerID, Name: c.Name, Origin: b.origin, Settled: b.settled, Revision: c.Revision, Zone: s.zone.String(), RevisionID: 1,
		Baseline: b.baseline, Reach: b.baseline, PurgeMark: p.PurgeMark,
	}
	for i, l := range c.Lines {
		line := dwmon.LineProgress{Line: dwmon.Line{Requirement: l, ID: int64(i + 1), OwesAfter: b.owes[i]}, Index: i}
		s.progress.Lines = append(s.progress.Lines, line)
		s.summary.Lines = append(s.summary.Lines, LineSummary{LineIndex: i, Requirement: l.Identity()})
	}
	s.incidents = incidents{rule: rule, lines: make([]lineIncidents, len(c.Lines)), late: !o.Hindsight, told: b.told, summary: s.summary}
	s.setHoles(b.holes)
	if o.Hindsight {
		s.setHoles(p.LeftHoles())
	}
	r := &replay{past: past, record: p, o: o, begin: b, store: s, off: p.Off, longest: c.LongestLookback(), told: minSlot}
	if r.until = b.recorded - 60; p.Settled != nil {
		r.until = max(r.until, *p.Settled)
	}
	e, err := engine.New(engine.Options{Store: s, Zone: o.Zone, CatchUp: o.CatchUp})
	if err != nil {
		return nil, err
	}
	r.passes = e.NewReplay(&engine.Job{Checker: c, Alert: rule, Closed: o.Closed})
	return r, nil
}

// knownAt is from when on a row counts: from the fetch on that brought it first, but
// always where it says nothing of when the row was there. What a backfill has brought
// of the time of the fetches on record, those fetches had missed.
func (r *replay) knownAt() func(dwmon.PastRow) int64 {
	loaded := map[int64]bool{}
	for _, l := range r.record.Loaded {
		loaded[l.At] = true
	}
	fetched := int64(forever)
	if r.record.First != nil {
		fetched = r.record.First.Started
	}
	return func(row dwmon.PastRow) int64 {
		if r.o.Hindsight || row.Micros < fetched && loaded[row.FirstSeen] {
			return minTime
		}
		return row.FirstSeen
	}
}

func (r *replay) run(ctx context.Context) error {
	from := r.begin.rowsFrom
	if r.begin.settled == nil {
		from = minTime // and what is older than needed is dropped as it is read
	}
	r.rows = newWindow(ctx, r.past, r.record.CheckerID, from, r.begin.arrived, r.knownAt())
	r.store.rows = r.rows
	r.skipOff()
	for minute := r.begin.synthetic; minute < r.begin.recorded; minute += 60 {
		if err := cmp.Or(ctx.Err(), r.madeUp(ctx, minute)); err != nil {
			return err
		}
	}
	if r.record.First == nil {
		r.tell(r.until)
		return nil
	}
	err := r.past.PastFetches(ctx, r.record.CheckerID, r.begin.recorded, r.begin.afterID, func(fetches []dwmon.PastFetch) error {
		for i := range fetches {
			if err := r.fetched(ctx, &fetches[i]); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err == nil {
		err = r.settle(ctx)
	}
	if err == nil {
		r.tell(r.until)
	}
	return err
}

// skipOff leaves out the off spans that were over when the replay begins.
func (r *replay) skipOff() {
	if r.begin.settled == nil {
		return
	}
	for len(r.off) > 0 && r.off[0].To != nil && *r.off[0].To <= *r.begin.settled {
		r.off = r.off[1:]
	}
}

// madeUp is a fetch at a minute that brought what was there by its own time.
func (r *replay) madeUp(ctx context.Context, minute int64) error {
	if len(r.off) > 0 && minute >= r.off[0].From {
		if to := r.off[0].To; to == nil || minute < *to {
			return nil
		}
		r.returns()
	}
	at := time.Unix(minute+1, 0).Add(r.o.Checker.Options.Grace).Add(engine.Offset(r.o.Checker.Name, 10*time.Second)).UnixMicro()
	f := dwmon.PastFetch{Fetch: dwmon.Fetch{Pass: at, Started: at, Ended: at, Reach: at}}
	if r.record.First != nil {
		f.QueryID = r.record.First.QueryID
	}
	// The fetch that was made then may have been a little later: it knew the same.
	known := (minute+60)*1e6 + r.o.Checker.Options.Grace.Microseconds() - 1
	return r.pass(ctx, &f, known)
}

// returns ends the next off span, which has begun by now.
func (r *replay) returns() {
	r.store.switchOff(r.off[0])
	r.off = r.off[1:]
}

// fetched does the pass of a fetch on record, and before it those in which the checker
// came back from being off.
func (r *replay) fetched(ctx context.Context, f *dwmon.PastFetch) error {
	if r.begin.seeded && f.Err == nil {
		r.begin.seeded = false
		if dwmon.Slot(time.UnixMicro(f.Pass), r.o.Checker.Options.Grace) < r.begin.first {
			r.store.seed(f)
			return nil
		}
	}
	for len(r.off) > 0 && r.off[0].To != nil && *r.off[0].To <= f.Slot {
		to := *r.off[0].To
		r.returns()
		if to == f.Slot {
			break
		}
		if err := r.unasked(ctx, to); err != nil {
			return err
		}
	}
	known := r.rows.now
	if f.Err == nil {
		known = f.Started
	}
	return r.pass(ctx, f, known)
}

// unasked is a pass of a minute that asked no source.
func (r *replay) unasked(ctx context.Context, minute int64) error {
	return r.passes.Unasked(ctx, time.Unix(minute+1, 0).Add(r.o.Checker.Options.Grace))
}

// pass does the pass of a fetch that knows the rows first seen up to a time,
// microseconds since the epoch.
func (r *replay) pass(ctx context.Context, f *dwmon.PastFetch, known int64) error {
	m := dwmon.Slot(time.UnixMicro(f.Pass), r.o.Checker.Options.Grace)
	forget := (r.earliest(m, f) - r.longest) * 1e6
	if err := r.rows.advance(known, m*1e6, forget); err != nil {
		return err
	}
	r.store.forget(forget)
	r.store.fetch = f
	r.store.ask(f.QueryID)
	if err := r.passes.Fetched(ctx, &f.Fetch); err != nil {
		return err
	}
	r.tell(m)
	return nil
}

// earliest is the earliest minute that may still be judged by a pass to m, or after it.
func (r *replay) earliest(m int64, f *dwmon.PastFetch) int64 {
	s := r.store.progress.Settled
	if s == nil {
		return min(r.begin.first, dwmon.Judgeable(m, f.DataAsOf, r.o.Checker.Options.Grace))
	}
	return max(*s+60, m-60*(dwmon.MaxRewind-1))
}

// settle follows the walk of the daemon to its end: passes that found nothing due have
// left no fetch.
func (r *replay) settle(ctx context.Context) error {
	for len(r.off) > 0 {
		to := r.off[0].To
		r.returns()
		if to == nil {
			return nil
		}
		if err := r.unasked(ctx, *to); err != nil {
			return err
		}
	}
	if r.record.Settled == nil {
		return nil
	}
	return r.unasked(ctx, *r.record.Settled)
}

// tell tells how far the replay is, once for each hour of it and at its end.
func (r *replay) tell(m int64) {
	if r.o.Progress == nil || m < r.until && m < r.told+3600 {
		return
	}
	r.told = m
	total := max(0, (r.until-r.begin.first)/60)
	r.o.Progress(min(max(0, (m-r.begin.first)/60), total), total)
}

// stillThere says that no row that was replayed was purged meanwhile.
func (r *replay) stillThere(ctx context.Context) error {
	now, err := r.past.Past(ctx, r.o.Checker.Name)
	if err != nil {
		return err
	}
	if now.PurgeMark != nil && *now.PurgeMark*1e6 > r.begin.rowsFrom && (r.record.PurgeMark == nil || *r.record.PurgeMark < *now.PurgeMark) {
		return errPurged
	}
	return nil
}

func (r *replay) close() {
	if r.rows != nil {
		r.rows.close()
	}
}
