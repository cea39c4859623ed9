package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Replay does the pass of a fetch that was made before: what Pass does once the fetch
// has ended, over a store that knows what it brought. f is the record of it, with the
// time of its pass; its slot follows from the checker's grace. Where nothing was due the
// fetch is accounted for all the same: another text may have been in use then. No
// handler is told and nothing is purged.
func (e *Engine) Replay(ctx context.Context, job *Job, f *dwmon.Fetch) error {
	p := e.replayed(job, time.UnixMicro(f.Pass))
	plan, piece, ok, err := p.lookAgain(ctx)
	if err != nil {
		return err
	}
	made := &fetched{record: *f}
	made.record.Progress, made.record.Slot, made.summary.DataAsOf = p.progress, p.m, f.DataAsOf
	switch {
	case f.Err != nil:
		if err := p.recordFailure(ctx, made, f.Err); !p.recorded {
			return err
		}
		return nil
	case !ok:
		return p.newJudge(made).commitRows(ctx)
	default:
		return p.commit(ctx, made, plan, piece)
	}
}

// ReplayUnasked is Replay of a pass at a time that asked no source: the checker's
// return is noted, and the walk settled where nothing is due.
func (e *Engine) ReplayUnasked(ctx context.Context, job *Job, now time.Time) error {
	p := e.replayed(job, now)
	_, piece, ok, err := p.lookAgain(ctx)
	if err != nil || !ok || len(piece.Due) > 0 {
		return err
	}
	return p.settle(ctx, piece)
}

func (e *Engine) replayed(job *Job, now time.Time) *pass {
	c := job.Checker
	p := &pass{Engine: e, job: job, now: now, m: dwmon.Slot(now, c.Options.Grace), zone: c.Zone(e.zone)}
	p.report = &Report{Checker: c, Slot: p.m, Judged: map[dwmon.Status]int64{}}
	return p
}

// lookAgain looks at the store as a pass does before it asks its source.
func (p *pass) lookAgain(ctx context.Context) (plan *dwmon.Plan, piece dwmon.Piece, ok bool, err error) {
	if err := p.sight(ctx); err != nil {
		return nil, piece, false, fmt.Errorf("checker %s: %w", p.job.Checker.Name, err)
	}
	plan = p.plan()
	piece, ok = plan.Next(dwmon.PieceLimit)
	return plan, piece, ok, nil
}
