package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
	"github.com/dwmon/dwmon/internal/textfile"
)

// BackfillRequest asks to fetch the past of a checker.
type BackfillRequest struct {
	Name string `json:"name"`
	// Query takes the place of the checker's QUERY; empty: that one, its outermost
	// limit raised.
	Query string `json:"query,omitempty"`
	// Limit is the most rows to be asked for; 0: as many as the source allows.
	Limit int64 `json:"limit,omitempty"`
	// Since drops older rows, microseconds since the epoch; nil drops none.
	Since *int64 `json:"since,omitempty"`
	// Timeout bounds the fetch; 0: backfillTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// DryRun stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// backfillTimeout is how long the fetch of a backfill may take unless somebody says
// otherwise, backfillPatience how long its plugin may take beyond that, to be ready and
// to notice.
const (
	backfillTimeout  = 10 * time.Minute
	backfillPatience = 30 * time.Second
)

// BackfillStage says how far a backfill is.
type BackfillStage struct {
	// Storing says that the rows are there and are being stored; else they are being
	// fetched, and Total is 0.
	Storing bool  `json:"storing"`
	Done    int64 `json:"done"`
	Total   int64 `json:"total"`
}

// Backfilled is what became of a backfill.
type Backfilled struct {
	dwmon.Backfill
	Name string
	// Zone is the checker's, by name.
	Zone string
	// RaisedFrom and RaisedTo are what the limit of its QUERY was and was asked for; 0
	// where it has none that can be told, or another query was asked.
	RaisedFrom, RaisedTo int64
	DryRun               bool
	// Notes are for people: what is to be doubted, and what to do.
	Notes []string
}

// Backfill fetches the past of a checker and stores it as history: through the daemon
// that runs on the database, else under the lock. Nothing is judged by it and nobody is
// told. progress may be nil; it is called from one goroutine.
func Backfill(ctx context.Context, o Options, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	if progress == nil {
		progress = func(BackfillStage) {}
	}
	if r.DryRun {
		if _, err := os.Stat(o.Config.DB); errors.Is(err, fs.ErrNotExist) {
			return backfillAside(ctx, o, r, progress)
		}
	}
	out, err := backfillAlone(ctx, o, r, progress)
	var held *sqlite.ErrLocked
	if errors.As(err, &held) && held.Holder.Socket != "" && o.Now == nil { // a daemon has a clock of its own
		return askBackfill(ctx, held.Holder.Socket, r, progress)
	}
	return out, err
}

// backfillAlone does a backfill under the lock.
func backfillAlone(ctx context.Context, o Options, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	a, err := assemble(ctx, o)
	if err != nil {
		return nil, err
	}
	out, err := a.backfillNow(ctx, r, progress)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return out, errors.Join(err, a.close(closing))
}

// backfillAside is a dry run where there is no database yet, on one that goes again.
func backfillAside(ctx context.Context, o Options, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	dir, err := os.MkdirTemp("", "dwmon-dry-run-")
	if err != nil {
		return nil, &EnvironmentError{err}
	}
	defer os.RemoveAll(dir)
	cfg := *o.Config
	cfg.DB = filepath.Join(dir, "dwmon.db")
	o.Config = &cfg
	return backfillAlone(ctx, o, r, progress)
}

// backfillNow does a backfill without a daemon.
func (a *assembly) backfillNow(ctx context.Context, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	checker, err := a.checkerNamed(r.Name)
	if err != nil {
		return nil, err
	}
	a.catalog.entries = map[string]*checkerEntry{r.Name: {checker: checker}}
	if err := a.route(ctx, 0); err != nil {
		return nil, err
	}
	job, _ := a.routing.job(checker)
	if job == nil {
		return nil, fmt.Errorf("SOURCE %s: %w", shown(a.cfg, checker), errUnheard)
	}
	return a.backfill(ctx, job, r, progress)
}

// checkerNamed is a checker as its file stands; its last good text where the file is
// not there.
func (a *assembly) checkerNamed(name string) (*dwmon.Checker, error) {
	file, names, err := fileNamed(a.cfg, name)
	switch {
	case err != nil:
		return nil, err
	case file != nil:
		return file.Checker, nil
	}
	for other, e := range a.catalog.entries {
		if other == name && e.checker != nil {
			return e.checker, nil
		}
		names = append(names, other)
	}
	return nil, noChecker(name, a.cfg.Checks, names)
}

// backfill asks the source once and stores what lies before everything that the walk
// may still judge.
func (a *assembly) backfill(ctx context.Context, job *engine.Job, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	b := &backfilling{assembly: a, cfg: a.shared.Load(), job: job, request: r, progress: progress, out: &Backfilled{Name: r.Name, DryRun: r.DryRun}}
	err := b.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("checker %s: %w", r.Name, err)
	}
	return b.out, nil
}

// backfilling is a backfill under way.
type backfilling struct {
	*assembly
	cfg      *config.Config // stays, whatever is reloaded meanwhile
	job      *engine.Job
	request  BackfillRequest
	progress func(BackfillStage)
	asked    *dwmon.Checker // the checker with the query that is asked
	maxRows  int64
	started  int64 // of the fetch, microseconds since the epoch
	out      *Backfilled
}

// errAssumed refuses checkers whose rows have no time of their own.
var errAssumed = errors.New("it has `timestamps: assumed`: its rows bear the time at which they were fetched, so that a fetch now says nothing about the past; " +
	"give its QUERY a real time column, or take history over with `dwmon import`")

func (b *backfilling) run(ctx context.Context) error {
	c := b.job.Checker
	if c.Options.Assumed {
		return errAssumed
	}
	zone := c.Zone(b.cfg.Timezone)
	b.out.Zone = zone.String()
	now := b.opts.now()
	p, walk, err := b.sight(ctx, zone, now)
	if err != nil {
		return err
	}
	before, err := b.db.BackfillBefore(ctx, p, walk, longestOf(walk), now.UnixMicro())
	if err != nil {
		return err
	}
	b.started = now.UnixMicro()
	b.compose()
	rows, err := b.db.NewBackfill(sqlite.BackfillOptions{
		CheckerID: p.ID, Query: c.QueryRevision(), Started: b.started, Before: before, Since: b.request.Since, DryRun: b.request.DryRun,
		Foreign: b.request.Query != "",
	})
	if err != nil {
		return err
	}
	defer rows.Close()
	summary, err := b.fetch(ctx, rows)
	if err != nil {
		return err
	}
	tally := rows.Tally()
	coverage := dwmon.Coverage{
		Cut: dwmon.IsCut(b.asked.Query, summary, tally), NewestFirst: dwmon.NewestFirst(b.asked.Query), Tally: tally, Ended: b.opts.now().UnixMicro(),
	}
	done, err := rows.Store(ctx, coverage.Cut, b.complete(coverage, summary), func(done, total int64) { b.progress(BackfillStage{true, done, total}) })
	done.SkippedNull = summary.SkippedNull
	b.out.Backfill = done
	var foreign *sqlite.ErrForeignKeys
	if errors.As(err, &foreign) {
		return fmt.Errorf("nothing was stored: %w", err)
	}
	if err != nil {
		return b.brokenOff(err)
	}
	for _, warning := range summary.Warnings {
		b.note("%s", b.redact(warning))
	}
	b.remark()
	return nil
}

// complete is the span of which the result holds every row; nil where that is not
// known. Another query than the checker's may end before the present, and so may the
// source's data.
func (b *backfilling) complete(c dwmon.Coverage, said dwmon.FetchSummary) *dwmon.Span {
	from, ok := c.CompleteFrom()
	if !ok {
		return nil
	}
	if b.opts.Now != nil { // whose clock is not the source's
		said.SourceNow = nil
	}
	span := dwmon.Span{From: from, Until: dwmon.Reach(b.started, said.SourceNow, said.DataAsOf)}
	if b.request.Query != "" {
		span.Until = c.Tally.Newest + 1
	}
	return &span
}

// brokenOff says what is left of a backfill that has ended early.
func (b *backfilling) brokenOff(err error) error {
	if b.out.Fresh == 0 || b.request.DryRun {
		return err
	}
	return fmt.Errorf("%w; %s stored until then and stay: another backfill goes on from there", err, counted(b.out.Fresh, "row was", "rows were"))
}

// sight makes a checker known that is not, as a pass would, and gives the walk whose
// minutes must not be touched. A dry run leaves it unknown.
func (b *backfilling) sight(ctx context.Context, zone *time.Location, now time.Time) (*dwmon.Progress, dwmon.Walk, error) {
	c := b.job.Checker
	p, err := b.db.Progress(ctx, c.Name)
	if err != nil {
		return nil, dwmon.Walk{}, err
	}
	m := dwmon.Slot(now, c.Options.Grace)
	if p.ID == 0 && !b.request.DryRun {
		if p, err = b.firstSight(ctx, m); err != nil {
			return nil, dwmon.Walk{}, err
		}
	}
	walk := p.Walk(zone, int64(b.cfg.CatchUp/time.Minute))
	if p.ID == 0 {
		walk.Origin = m
	}
	if p.Revision != c.Revision { // its lines are those of the next pass
		for _, l := range c.Lines {
			walk.Lines = append(walk.Lines, dwmon.Line{Requirement: l})
		}
	}
	return p, walk, nil
}

// firstSight stores that a checker is seen for the first time. A pass may do so at the
// same time; what it has stored holds then.
func (b *backfilling) firstSight(ctx context.Context, m int64) (p *dwmon.Progress, err error) {
	for range 2 {
		if p, err = b.db.Progress(ctx, b.job.Checker.Name); err != nil || p.ID != 0 {
			return p, err
		}
		s, _ := dwmon.Sight(p, b.job.Checker, b.cfg.Timezone, b.job.Closed, m)
		err = b.db.InTx(ctx, func(tx dwmon.Tx) (err error) {
			p, err = tx.Sight(s)
			return err
		})
		if err == nil {
			return p, nil
		}
		// The other may be in the very transaction in which we failed, which is not
		// committed yet and cannot be read: it is once another one has ended.
		if ended := b.db.InTx(ctx, func(dwmon.Tx) error { return nil }); ended != nil {
			return nil, ended
		}
	}
	return nil, err
}

func longestOf(w dwmon.Walk) (longest int64) {
	for _, l := range w.Lines {
		longest = max(longest, l.Lookback)
	}
	return longest
}

// compose makes the query that is asked.
func (b *backfilling) compose() {
	c, r := b.job.Checker, b.request
	b.maxRows = b.job.Source.MaxRows
	if b.maxRows <= 0 {
		b.maxRows = dwmon.DefaultMaxRows
	}
	b.maxRows = max(b.maxRows, r.Limit)
	limit := r.Limit
	if limit == 0 {
		limit = b.maxRows
	}
	asked := *c
	b.asked = &asked
	if r.Query != "" {
		asked.Query = r.Query
		if r.Limit == 0 {
			return // its author has said how many rows are wanted
		}
	}
	before, has := dwmon.RowLimit(asked.Query)
	switch {
	case !has && r.Limit > 0:
		b.note("--limit did nothing: the query has no outermost LIMIT that can be told from its text")
	case has && (r.Limit > 0 || limit > before):
		asked.Query, _ = dwmon.WithRowLimit(asked.Query, limit)
		if r.Query == "" {
			b.out.RaisedFrom, b.out.RaisedTo = before, limit
		}
	}
}

func (b *backfilling) note(format string, args ...any) {
	b.out.Notes = append(b.out.Notes, fmt.Sprintf(format, args...))
}

// fetch asks the source. Nothing is stored meanwhile.
func (b *backfilling) fetch(ctx context.Context, rows *sqlite.Backfill) (dwmon.FetchSummary, error) {
	src := b.job.Source
	limit := b.request.Timeout
	if limit <= 0 {
		limit = max(backfillTimeout, src.Timeout, b.job.Checker.Options.Timeout)
	}
	timed, cancel := context.WithTimeout(ctx, limit+backfillPatience)
	defer cancel()
	summary, err := b.job.Getter.GetRows(timed, dwmon.FetchRequest{
		RequestID: fmt.Sprintf("%s@backfill-%s", b.job.Checker.Name, requestID()),
		Checker:   b.asked, MaxRows: b.maxRows, MaxBytes: src.MaxBytes, Timeout: limit,
	}, func(batch *dwmon.Batch) error {
		err := rows.Add(batch)
		b.progress(BackfillStage{Done: rows.Tally().Rows})
		return err
	})
	tally := rows.Tally()
	switch {
	case err == nil && summary.Rows != tally.Rows:
		return summary, fmt.Errorf("plugin %s: the summary says %d rows, but %d came", src.Plugin, summary.Rows, tally.Rows)
	case err == nil:
		return summary, nil
	case ctx.Err() != nil:
		return summary, fmt.Errorf("the backfill was interrupted, and nothing was stored: %w", ctx.Err())
	case timed.Err() != nil:
		return summary, fmt.Errorf("the fetch took longer than its limit of %s (%d rows had come), and nothing was stored: raise --timeout, or ask for less with --limit or --query",
			dwmon.FormatDuration(limit), tally.Rows)
	}
	return summary, fmt.Errorf("fetch the past, of which nothing was stored: %w", err)
}

// remark says what of the result is to be doubted.
func (b *backfilling) remark() {
	done, t := &b.out.Backfill, b.out.Tally
	if t.Rows == t.Skipped {
		b.note("the source gave no row with a time: there is no past to store")
		return
	}
	bounded, ok := dwmon.LooksBounded(t.Rows-t.Skipped, t.Oldest, done.Started)
	span := dwmon.FormatDuration(bounded)
	switch {
	case done.Oldest == nil && done.Recent > 0:
		b.note("all rows are of the time since %s, which ordinary fetches bring; where QUERY has a condition on the time (WHERE ts > now() - …), "+
			"write one without it to a file and name that with --query", b.local(done.Before))
	case done.Cut:
		b.note("the result was cut: there are older rows, or may be; --limit N asks for more, --query FILE for another span")
	case ok && b.request.Query == "":
		b.note("the oldest row is %s old, nearly to the row: QUERY seems to ask for that span only; to reach further back, "+
			"write it without that condition to a file and name that with --query", span)
	case ok:
		b.note("the oldest row is %s old, nearly to the row: the query seems to ask for that span only", span)
	}
	if done.Purged > 0 {
		b.note("%s older than the purge mark and stay purged", counted(done.Purged, "row is", "rows are"))
	}
}

// local is a time, microseconds since the epoch, in the checker's zone.
func (b *backfilling) local(micros int64) string {
	return time.UnixMicro(micros).In(b.job.Checker.Zone(b.cfg.Timezone)).Format("2006-01-02 15:04:05")
}

// QueryOfFile reads a query for BackfillRequest.Query.
func QueryOfFile(path string) (string, error) {
	text, err := textfile.Read(path, checkfile.MaxBytes)
	if err != nil {
		return "", &EnvironmentError{fmt.Errorf("read the query %s: %w", path, err)}
	}
	query := strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff"))
	lines := strings.Split(query, "\n")
	switch {
	case query == "":
		return "", fmt.Errorf("%s is empty: it is to hold a query that gives dwmon_unique_key and dwmon_timestamp", path)
	case slices.ContainsFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "__QUERY__" }):
		return "", fmt.Errorf("%s is a checker file: --query wants a file that holds the query alone", path)
	}
	return query, nil
}
