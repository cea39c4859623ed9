package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Replay does the passes of fetches that were made before, over a store that knows what
// they brought: what Pass does once a fetch has ended. No handler is told and nothing is
// purged. It is used by one goroutine at a time.
type Replay struct {
	engine *Engine
	job    *Job
	// What follows belongs to the present pass. It is kept from one to the next: a year
	// has half a million of them.
	pass   pass
	made   fetched
	report Report
}

// NewReplay makes a replay of a checker's passes. The job needs no Getter.
func (e *Engine) NewReplay(job *Job) *Replay {
	return &Replay{engine: e, job: job, report: Report{Checker: job.Checker, Judged: map[dwmon.Status]int64{}}}
}

// Fetched does the pass of a fetch. f is the record of it, with the time of its pass; its
// slot follows from the checker's grace. Where nothing is due the fetch is accounted for
// all the same: another text may have been in use when it was made.
func (r *Replay) Fetched(ctx context.Context, f *dwmon.Fetch) error {
	p, plan, err := r.begin(ctx, time.UnixMicro(f.Pass))
	if err != nil {
		return err
	}
	made := &r.made
	*made = fetched{record: *f}
	made.record.Progress, made.record.Slot, made.summary.DataAsOf = p.progress, p.m, f.DataAsOf
	if f.Err != nil {
		if err := p.recordFailure(ctx, made, f.Err); !p.recorded {
			return err
		}
		return nil
	}
	piece, ok := plan.Next(dwmon.PieceLimit)
	if !ok {
		return p.newJudge(made).commitRows(ctx)
	}
	return p.commit(ctx, made, plan, piece)
}

// Unasked does a pass at a time that asked no source: the checker's return is noted, and
// the walk settled where nothing is due.
func (r *Replay) Unasked(ctx context.Context, now time.Time) error {
	p, plan, err := r.begin(ctx, now)
	if err != nil {
		return err
	}
	piece, ok := plan.Next(dwmon.PieceLimit)
	if !ok || len(piece.Due) > 0 {
		return nil
	}
	return p.settle(ctx, piece)
}

// begin looks at the store as a pass does before it asks its source.
func (r *Replay) begin(ctx context.Context, now time.Time) (*pass, *dwmon.Plan, error) {
	c := r.job.Checker
	p := &r.pass
	*p = pass{Engine: r.engine, job: r.job, now: now, m: dwmon.Slot(now, c.Options.Grace), zone: c.Zone(r.engine.zone), report: &r.report}
	r.report.Slot, r.report.Results = p.m, r.report.Results[:0]
	if err := p.sight(ctx); err != nil {
		return nil, nil, fmt.Errorf("checker %s: %w", c.Name, err)
	}
	return p, p.plan(), nil
}
