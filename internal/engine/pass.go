package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Job is a checker with everything that its passes need.
type Job struct {
	Checker *dwmon.Checker
	// Getter serves the checker's SOURCE. A SOURCE that nobody serves has a getter
	// that says so.
	Getter dwmon.RowGetter
	Source Source
	// Purger is nil where nothing is purged.
	Purger dwmon.Purger
	// Routes are the handlers that may be told, in the order in which they are told.
	Routes []dwmon.Route
	// Alert says when incidents open and close; its zero is dwmon.DefaultAlertRule.
	Alert dwmon.AlertRule
	// Closed are the days on which the checker owes nothing; nil for none.
	Closed *dwmon.ClosedDays
}

// Source is what a pass needs to know of where its rows come from.
type Source struct {
	// Key is shared by the checkers that ask the same instance.
	Key string
	// Name is the source for people, without a password; empty: the Key.
	Name string
	// Plugin names the instance for people.
	Plugin string
	// Concurrency is how many passes may ask at a time; 0: 4.
	Concurrency int
	// Timeout of one fetch; 0: 60 s. A checker's own goes first.
	Timeout time.Duration
	// MaxRows and MaxBytes are the caps of one result; 0: dwmon.DefaultMaxRows and
	// dwmon.DefaultMaxBytes.
	MaxRows, MaxBytes int64
}

// Report is what became of one pass.
type Report struct {
	Checker *dwmon.Checker
	Source  string
	// Slot is the M of the pass.
	Slot int64
	// Began and Took are those of the pass, waiting for a place included.
	Began time.Time
	Took  time.Duration
	// Fetched says that the source was asked; Fetch is the record of it.
	Fetched bool
	Fetch   dwmon.Fetch
	// Results are the verdicts of the pass, oldest first; at most the last
	// dwmon.PieceLimit of them.
	Results []dwmon.Verdict
	// Judged counts all verdicts of the pass by status.
	Judged map[dwmon.Status]int64
	// Gap is how many eligible minutes became part of a gap.
	Gap int64
	// Purged is how many rows were purged.
	Purged int64
	// Held says that the pass left the source alone because the last fetch failed
	// for a reason that lies with the file or the settings.
	Held bool
	// Err is why the checker could not be evaluated; nil when it was, or when
	// nothing was due.
	Err error
	// Done says that the pass did its work: what was due is judged, or it is recorded
	// why it could not be. It is not where it was cut off, or the store failed.
	Done bool
	// PurgeErr is why the purger's answer could not be had or applied.
	PurgeErr error
}

// ErrAhead says that the walk is settled ahead of the clock.
var ErrAhead = errors.New("the walk is settled ahead of the clock")

// pass is one pass of one checker on its way.
type pass struct {
	*Engine
	job      *Job
	now      time.Time
	m        int64
	zone     *time.Location
	progress *dwmon.Progress
	// settled is the minute through which the pass has settled the walk; nil until
	// it has.
	settled *int64
	// recorded: the fetch failed, and that is stored.
	recorded bool
	report   *Report
}

// Pass does one pass of one checker: due, fetch, store, count, judge, hand over,
// purge. now is the time of the pass; it decides the minute M to which the clock
// walks. retry asks the source even where its last error is being waited out. A
// checker has one pass at a time: the caller sees to that.
func (e *Engine) Pass(ctx context.Context, job *Job, now time.Time, retry bool) (report Report) {
	began := e.now()
	c := job.Checker
	p := &pass{Engine: e, job: job, now: now, m: dwmon.Slot(now, c.Options.Grace), zone: c.Zone(e.zone)}
	report = Report{Checker: c, Source: cmp.Or(job.Source.Name, job.Source.Key), Slot: p.m, Began: began, Judged: map[dwmon.Status]int64{}}
	p.report = &report
	defer func() {
		if r := recover(); r != nil {
			report.Err = fmt.Errorf("checker %s: the pass panicked: %v", c.Name, r)
			e.log.Error("a pass panicked", "checker", c.Name, "panic", r, "stack", string(debug.Stack()))
		}
		report.Took = e.now().Sub(began)
	}()
	report.Err = p.run(ctx, retry)
	report.Done = report.Err == nil || report.Held || p.recorded || errors.Is(report.Err, ErrAhead)
	return report
}

func (p *pass) run(ctx context.Context, retry bool) error {
	if err := p.sight(ctx); err != nil {
		return fmt.Errorf("checker %s: %w", p.job.Checker.Name, err)
	}
	if s := p.progress.Settled; s != nil && *s > p.now.Unix()+dwmon.MaxAhead {
		return fmt.Errorf("checker %s: %w: settled through %s, but now is %s; `dwmon settle %q --to TIME` moves it back",
			p.job.Checker.Name, ErrAhead, stamp(*s), stamp(p.now.Unix()), p.job.Checker.Name)
	}
	plan := p.plan()
	piece, ok := plan.Next(dwmon.PieceLimit)
	switch {
	case !ok:
		return nil
	case len(piece.Due) == 0:
		return p.settle(ctx, piece)
	case p.held(retry):
		p.report.Held = true
		return fmt.Errorf("%s", p.progress.Failing.Cause)
	}
	f, err := p.fetch(ctx)
	if f == nil {
		return err
	}
	defer f.intake.Close()
	if err != nil {
		return p.recordFailure(ctx, f, err)
	}
	err = p.commit(ctx, f, plan, piece)
	if errors.Is(err, dwmon.ErrMoved) {
		return p.overtaken(err)
	}
	if err != nil {
		return fmt.Errorf("checker %s: %w", p.job.Checker.Name, err)
	}
	p.purge(ctx)
	return nil
}

// overtaken ends a pass whose checker was settled by hand or switched off meanwhile. What
// it has read no longer holds, and nothing is stored of it: the next pass begins where the
// walk is now.
func (p *pass) overtaken(err error) error {
	p.report.Fetched = false
	p.log.Info("a pass was overtaken and leaves what is due to the next", "checker", p.job.Checker.Name, "cause", err)
	return nil
}

// unmoved is the first thing in a transaction that moves the walk, or rests on where it is.
func (p *pass) unmoved(tx dwmon.Tx) error {
	return tx.StillAt(p.progress.ID, cmp.Or(p.settled, p.progress.Settled))
}

// sight brings what is stored in line with the checker's file: its origin, its
// lines, its return from being off.
func (p *pass) sight(ctx context.Context) (err error) {
	p.progress, err = p.store.Progress(ctx, p.job.Checker.Name)
	if err != nil {
		return err
	}
	s, changed := dwmon.Sight(p.progress, p.job.Checker, p.Engine.zone, p.job.Closed, p.m)
	if !changed {
		return nil
	}
	return p.store.InTx(ctx, func(tx dwmon.Tx) (err error) {
		p.progress, err = tx.Sight(s)
		return err
	})
}

// plan plans the walk. What lies out of its reach was lost to failing fetches,
// if there were any, else to dwmon not running.
func (p *pass) plan() *dwmon.Plan { return p.walk().Plan(p.m, p.gapReason()) }

func (p *pass) gapReason() dwmon.GapReason {
	switch {
	case p.progress.Failing != nil:
		return dwmon.GapFetchFailed
	case p.stale():
		return dwmon.GapStale
	default:
		return dwmon.GapNotRunning
	}
}

func (p *pass) walk() dwmon.Walk {
	w := p.progress.Walk(p.zone, int64(p.catchUp/time.Minute))
	w.Closed = p.job.Closed
	return w
}

// held says that the last fetch failed for a reason that time does not mend, and
// that its back-off has not ended.
func (p *pass) held(retry bool) bool {
	f := p.progress.Failing
	return !retry && f != nil && f.Fault != dwmon.FaultUnavailable && p.now.UnixMicro() < f.Next
}

// settle moves the walk on where nothing is due: the source is not asked.
func (p *pass) settle(ctx context.Context, piece dwmon.Piece) error {
	err := p.store.InTx(ctx, func(tx dwmon.Tx) error {
		if err := p.unmoved(tx); err != nil {
			return err
		}
		return tx.Settle(p.progress, piece.Settled, piece.Gaps)
	})
	if errors.Is(err, dwmon.ErrMoved) {
		return p.overtaken(err)
	}
	if err != nil {
		return fmt.Errorf("checker %s: settle the walk: %w", p.job.Checker.Name, err)
	}
	p.countGaps(piece.Gaps)
	return nil
}

// patience is how long a row getter may take beyond the limit of the fetch: to
// wait for its plugin to be ready, and to notice that the limit has passed.
const patience = 30 * time.Second

// fetched is a fetch that has ended.
type fetched struct {
	intake  dwmon.Intake
	record  dwmon.Fetch
	summary dwmon.FetchSummary
}

// fetch asks the source, no transaction open. A nil result with an error means
// that the source was not asked.
func (p *pass) fetch(ctx context.Context) (*fetched, error) {
	src := p.job.Source
	var settled int64 = math.MinInt64
	if p.progress.Settled != nil {
		settled = *p.progress.Settled
	}
	release, err := p.places.acquire(ctx, src.Key, positive(src.Concurrency, 4), settled)
	if err != nil {
		return nil, fmt.Errorf("checker %s: wait for a place at source %s: %w", p.job.Checker.Name, p.report.Source, err)
	}
	defer release()

	limit := positive(p.job.Checker.Options.Timeout, positive(src.Timeout, time.Minute))
	timed, cancel := context.WithTimeout(ctx, limit+patience)
	defer cancel()
	started := p.Engine.now()
	f := &fetched{intake: p.store.NewIntake(p.progress, started.UnixMicro())}
	f.record = dwmon.Fetch{Progress: p.progress, Slot: p.m, Pass: p.now.UnixMicro(), Started: started.UnixMicro(), Plugin: src.Plugin}
	f.summary, err = p.job.Getter.GetRows(timed, dwmon.FetchRequest{
		RequestID: fmt.Sprintf("%s@%d", p.job.Checker.Name, p.m),
		Checker:   p.job.Checker,
		MaxRows:   positive(src.MaxRows, dwmon.DefaultMaxRows),
		MaxBytes:  positive(src.MaxBytes, dwmon.DefaultMaxBytes),
		Timeout:   limit,
	}, f.intake.Add)
	ended := p.Engine.now()
	f.record.Ended = ended.UnixMicro()
	f.record.Tally = f.intake.Tally()
	f.record.SkippedNull = f.summary.SkippedNull
	f.record.SourceTime = f.summary.SourceTime.Microseconds()
	f.record.Cut = dwmon.IsCut(p.job.Checker.Query, f.summary, f.record.Tally)
	p.hear(f)
	if ctx.Err() != nil { // we are stopping: nothing is counted
		f.intake.Close()
		return nil, fmt.Errorf("checker %s: %w", p.job.Checker.Name, ctx.Err())
	}
	if err == nil && f.summary.Rows != f.record.Tally.Rows {
		err = &dwmon.FetchError{Plugin: src.Plugin, Err: fmt.Errorf("plugin %s: the summary says %d rows, but %d came",
			src.Plugin, f.summary.Rows, f.record.Tally.Rows)}
	}
	if err != nil && timed.Err() != nil {
		err = &dwmon.FetchError{Plugin: src.Plugin, Err: fmt.Errorf(
			"the fetch took longer than its limit of %s (%d rows had come); raise `timeout` in OPTIONS or of the source, or make the query faster",
			limit, f.record.Tally.Rows)}
	}
	p.report.Fetched = true
	return f, err
}

// recordFailure stores that a fetch failed. Nothing of it is kept, the walk
// stays: its minutes are pending.
func (p *pass) recordFailure(ctx context.Context, f *fetched, cause error) error {
	fault := dwmon.FaultOf(cause)
	failing := dwmon.Failing{Since: f.record.Started, Tried: f.record.Started, Count: 1, Fault: fault, Cause: cause.Error()}
	if before := p.progress.Failing; before != nil {
		failing.Since, failing.Count = before.Since, before.Count+1
	}
	failing.Next = f.record.Started + backOff(fault, failing.Count).Microseconds()
	f.record.Err, f.record.Failing = cause, &failing
	p.report.Fetch = f.record
	err := p.store.InTx(ctx, func(tx dwmon.Tx) error {
		_, err := tx.SaveFetch(f.record)
		return err
	})
	if err != nil {
		return errors.Join(cause, fmt.Errorf("checker %s: record the failed fetch: %w", p.job.Checker.Name, err))
	}
	p.recorded = true
	return cause
}

// backOff is how long after the start of the nth failed fetch in a row the next
// one is due: 1, 2, 4, then every 5 minutes where time alone does not help, else
// none, so that each pass tries.
func backOff(fault dwmon.Fault, nth int64) time.Duration {
	switch {
	case fault == dwmon.FaultUnavailable:
		return 0
	case nth <= 3:
		return time.Minute << (nth - 1)
	default:
		return 5 * time.Minute
	}
}

// positive is v where it is set, else the default.
func positive[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func stamp(second int64) string { return time.Unix(second, 0).UTC().Format(time.RFC3339) }
