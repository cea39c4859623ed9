package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// OnceOptions are what Once is told beside Options.
type OnceOptions struct {
	// Stands says that Options.Now is not the real clock.
	Stands bool
	// Force lets a clock that stands ahead of the real one onto a database that has
	// seen the real one.
	Force bool
	// DeliverFor bounds the deliveries; 0: 30 s.
	DeliverFor time.Duration
}

// OnceReport is what became of one pass of everything.
type OnceReport struct {
	Passes []engine.Report
	// Faults are those of checker files and of the folder, warnings included.
	Faults    []dwmon.FileFault
	Delivered deliver.Report
	// Undelivered is how many deliveries wait.
	Undelivered int64
}

// Failed says that a checker could not be evaluated, or that a file is bad.
func (r *OnceReport) Failed() bool {
	for i := range r.Passes {
		if r.Passes[i].Err != nil {
			return true
		}
	}
	return dwmon.AnyError(r.Faults)
}

// aheadAtMost is how far a clock that stands may be ahead of the real one on a
// database that has seen the real one.
const aheadAtMost = 60 * time.Second

// ErrAhead refuses a clock that would make the daemon wait for the real one to
// catch up.
var ErrAhead = errors.New("the time given lies ahead of the clock, and this database has seen the real clock: its walk would be settled in the future; add --force if that is meant")

// Once does one pass of every checker, tries what waits to be delivered, and ends.
func Once(ctx context.Context, o Options, once OnceOptions) (*OnceReport, error) {
	a, err := assemble(ctx, o)
	if err != nil {
		return nil, err
	}
	report, err := a.once(ctx, once)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return report, errors.Join(err, a.close(closing))
}

func (a *assembly) once(ctx context.Context, once OnceOptions) (*OnceReport, error) {
	now := a.opts.now()
	if err := a.checkClock(ctx, now, once); err != nil {
		return nil, err
	}
	a.catalog.quiet = true
	a.catalog.calendars.log = slog.New(slog.DiscardHandler)
	if _, err := a.catalog.refresh(ctx, now, lookForGood); err != nil {
		return nil, err
	}
	if err := a.route(ctx, 0); err != nil {
		return nil, err
	}
	a.markHandlers(ctx)
	if err := a.newEngine(a.opts.Passed, nil); err != nil {
		return nil, err
	}
	a.engine.SetJobs(a.catalog.jobs(a.routing))
	report := &OnceReport{Passes: a.engine.Tick(ctx, now), Faults: a.catalog.faults()}
	beaten := a.beatOnce(ctx, once, report)
	defer beaten()
	if err := a.notify(ctx, now); err != nil {
		return report, err
	}
	if err := a.flush(ctx, now, once.DeliverFor, report); err != nil {
		return report, err
	}
	if err := a.dropOrphans(ctx, a.routing.configuredNames()); err != nil {
		return report, fmt.Errorf("tend the deliveries of handlers that are not configured: %w", err)
	}
	if _, err := a.db.Sweep(ctx, a.retention(), now.UnixMicro()); err != nil {
		return report, fmt.Errorf("sweep the history: %w", err)
	}
	return report, ctx.Err()
}

// checkClock keeps a walk from being settled in the future by mistake, and marks
// a database that has seen the real clock.
func (a *assembly) checkClock(ctx context.Context, now time.Time, once OnceOptions) error {
	if !once.Stands {
		return a.db.MarkRealClock(ctx)
	}
	seen, err := a.db.SeenRealClock(ctx)
	if err != nil {
		return err
	}
	if seen && !once.Force && time.Until(now) > aheadAtMost {
		return ErrAhead
	}
	return nil
}

// notify makes the notices that are due.
func (a *assembly) notify(ctx context.Context, now time.Time) error {
	n, err := a.newNotifier(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := n.Step(ctx, alerting.Look{Now: now, Hurry: true}); err != nil {
		return fmt.Errorf("make notices: %w", err)
	}
	return nil
}

func (a *assembly) flush(ctx context.Context, now time.Time, limit time.Duration, report *OnceReport) error {
	d, err := a.newDeliverer(nil)
	if err != nil {
		return err
	}
	if limit <= 0 {
		limit = 30 * time.Second
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if report.Delivered, err = d.Flush(timed, now); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	waiting, err := a.db.WaitingHandlers(ctx)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		report.Undelivered += w.Count
	}
	return nil
}
