package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// BacktestRequest asks to replay a checker over its past.
type BacktestRequest struct {
	// Target is a checker's name, or the path of a file, which ends in .dwmon.
	Target string
	// Name says whose past a file is replayed over; empty: its path says it.
	Name string
	// Against is a file to compare with; empty: the text in use, where Target is another.
	Against string
	// Since is the first minute of interest, seconds since the epoch; nil: all there is.
	Since *int64
	// Hindsight counts rows whenever they came; else those known at the time.
	Hindsight bool
	// Progress is told how many minutes of about how many are done; may be nil.
	Progress func(done, total int64)
	// Yield is given the results, oldest first; may be nil.
	Yield func(dwmon.Result) error
}

// Backtest is what came of a replay.
type Backtest struct {
	Name string
	Zone *time.Location
	// Text says what was replayed, Against with what it was compared: a file, or the
	// text in use. Against is empty where nothing was.
	Text, Against string
	Hindsight     bool
	*backtest.Summary
	// Before is the replay of what it was compared with; nil where nothing was.
	Before *backtest.Summary
	// New are incidents that Before does not have, Gone those that only it has; Kept
	// overlap incidents of the other.
	New, Gone, Kept []backtest.Incident
	// Doubts are sentences beside the summary's notes.
	Doubts []string
}

// Alerts is how many incidents there were.
func Alerts(s *backtest.Summary) (n int64) {
	for i := range s.Lines {
		n += s.Lines[i].Incidents + s.Lines[i].UnknownIncidents
	}
	return n
}

// ErrBacktest is a backtest that cannot be made as it was asked for.
type ErrBacktest struct{ Err error }

func (e *ErrBacktest) Error() string { return e.Err.Error() }
func (e *ErrBacktest) Unwrap() error { return e.Err }

// Backtest replays a checker over its past. The database is only read. The error is an
// *ErrBacktest where something is asked for that there is not, dwmon.FileFaults where a
// file is bad; dwmon.ErrNoChecker and dwmon.ErrNothingRecorded are in it where there is
// no past.
func (r *Reader) Backtest(ctx context.Context, q BacktestRequest) (*Backtest, error) {
	b := &backtesting{Reader: r, ctx: ctx, request: q, calendars: newCalendars(r.cfg.Calendars, slog.New(slog.DiscardHandler))}
	b.calendars.refresh(time.Now())
	return b.run()
}

// noPast says what to do where there is no past to replay.
func (b *backtesting) noPast(err error, name string) error {
	switch {
	case errors.Is(err, dwmon.ErrNoChecker) && strings.HasSuffix(b.request.Target, checkfile.Ending):
		return fmt.Errorf("%w; --name NAME says whose past is meant, `dwmon backfill %s` fetches that of this one", err, name)
	case errors.Is(err, dwmon.ErrNoChecker):
		return fmt.Errorf("%w; `dwmon backfill %s` fetches its past from the source", err, name)
	}
	return err
}

// backtesting is a backtest on its way.
type backtesting struct {
	*Reader
	ctx       context.Context
	request   BacktestRequest
	calendars *calendars
	// inUse is the text in use; nil where there is none.
	inUse *dwmon.Checker
	// replays are how many there are, begun how many were begun.
	replays, begun int64
}

// replayed is a text and what to call it.
type replayed struct {
	checker *dwmon.Checker
	label   string
}

const inUseLabel = "the text in use"

func (b *backtesting) run() (*Backtest, error) {
	text, err := b.target()
	if err != nil {
		return nil, err
	}
	against, err := b.against(text)
	if err != nil {
		return nil, err
	}
	out := &Backtest{Name: text.checker.Name, Zone: text.checker.Zone(b.cfg.Timezone), Text: text.label, Hindsight: b.request.Hindsight}
	out.Doubts = b.doubts(text, against)
	b.replays = 1
	if against != nil {
		b.replays, out.Against = 2, against.label
		if out.Before, err = b.replay(against.checker, nil); err != nil {
			return nil, b.noPast(err, out.Name)
		}
	}
	early := earlyBad{yield: b.request.Yield}
	if early.before, err = b.firstSeen(out.Name); err != nil {
		return nil, b.noPast(err, out.Name)
	}
	if out.Summary, err = b.replay(text.checker, early.count); err != nil {
		return nil, b.noPast(err, out.Name)
	}
	if early.n > 0 {
		out.Doubts = append(out.Doubts, fmt.Sprintf("%s of minutes before %s, when the checker was first seen: they open no incident",
			counted(early.n, "BAD result is", "BAD results are"), time.Unix(early.before, 0).In(out.Zone).Format("2006-01-02 15:04")))
	}
	if out.Before != nil {
		out.New, out.Gone, out.Kept = compareIncidents(out.Before, out.Summary)
	}
	return out, nil
}

// firstSeen is the minute at which a checker was first seen where its history begins
// there; 0 where it begins earlier, with rows that were brought in.
func (b *backtesting) firstSeen(name string) (int64, error) {
	p, err := b.Past(b.ctx, name)
	if err != nil || len(p.Loaded) > 0 {
		return 0, err
	}
	return p.Origin, nil
}

// earlyBad counts BAD results of minutes before one, on their way to yield, which may be
// nil.
type earlyBad struct {
	before, n int64
	yield     func(dwmon.Result) error
}

func (e *earlyBad) count(r dwmon.Result) error {
	if r.Minute < e.before && r.Status == dwmon.Bad {
		e.n++
	}
	if e.yield == nil {
		return nil
	}
	return e.yield(r)
}

// target finds what is replayed: a file, or what a name stands for.
func (b *backtesting) target() (*replayed, error) {
	q := b.request
	if !strings.HasSuffix(q.Target, checkfile.Ending) {
		if q.Name != "" {
			return nil, &ErrBacktest{fmt.Errorf("--name goes with a file, and %s is none: checker files end in %s", q.Target, checkfile.Ending)}
		}
		return b.named(q.Target)
	}
	name := q.Name
	if name == "" {
		name = b.nameOf(q.Target)
	}
	if err := b.findInUse(name); err != nil {
		return nil, err
	}
	return b.file(q.Target, name)
}

// file reads a file as a checker of a name.
func (b *backtesting) file(path, name string) (*replayed, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, &EnvironmentError{fmt.Errorf("read the checker file: %w", err)}
	}
	f := checkerFiles.ReadFile(path, name)
	if f.Checker == nil {
		return nil, dwmon.FileFaults(f.Faults)
	}
	return &replayed{f.Checker, path}, nil
}

// nameOf is the name of the checker that a file is: its path below the checks folder,
// else below a folder that bears the checks folder's name, as in another checkout of the
// same repository; else the file's own name.
func (b *backtesting) nameOf(path string) string {
	bare := strings.TrimSuffix(path, checkfile.Ending)
	abs, err := filepath.Abs(bare)
	if err != nil {
		return filepath.Base(bare)
	}
	if checks, err := filepath.Abs(b.cfg.Checks); err == nil {
		if rel, err := filepath.Rel(checks, abs); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
		folder := string(filepath.Separator) + filepath.Base(checks) + string(filepath.Separator)
		if at := strings.LastIndex(abs, folder); at >= 0 {
			return filepath.ToSlash(abs[at+len(folder):])
		}
	}
	return filepath.Base(bare)
}

// named is a checker as its file stands, else its text in use.
func (b *backtesting) named(name string) (*replayed, error) {
	if err := b.findInUse(name); err != nil {
		return nil, err
	}
	file, names, err := fileNamed(b.cfg, name)
	switch {
	case err != nil:
		return nil, err
	case file != nil:
		return &replayed{file.Checker, file.Path}, nil
	case b.inUse != nil:
		return &replayed{b.inUse, inUseLabel}, nil
	}
	texts, err := b.Texts(b.ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		names = append(names, t.Name)
	}
	return nil, noChecker(name, b.cfg.Checks, names)
}

// findInUse finds the text that the daemon goes by.
func (b *backtesting) findInUse(name string) error {
	texts, err := b.Texts(b.ctx)
	if err != nil {
		return err
	}
	for _, t := range texts {
		if t.Name == name {
			b.inUse, _ = checkfile.Parse(t.File, t.Name, t.Text)
		}
	}
	return nil
}

// against is what a text is compared with; nil for nothing.
func (b *backtesting) against(text *replayed) (*replayed, error) {
	switch {
	case b.request.Against != "":
		return b.file(b.request.Against, text.checker.Name)
	case b.inUse == nil || b.inUse.Revision == text.checker.Revision:
		return nil, nil
	default:
		return &replayed{b.inUse, inUseLabel}, nil
	}
}

// doubts says where a text asks for other rows than those that are recorded.
func (b *backtesting) doubts(texts ...*replayed) (doubts []string) {
	if b.inUse == nil {
		return nil
	}
	for _, t := range texts {
		if t == nil || t.checker.QueryRevision() == b.inUse.QueryRevision() {
			continue
		}
		what := "QUERY"
		switch {
		case t.checker.Query == b.inUse.Query:
			what = "SOURCE"
		case t.checker.Source != b.inUse.Source:
			what = "QUERY and SOURCE"
		}
		doubts = append(doubts, fmt.Sprintf("%s of %s differs from that of %s: the rows are those that the text in use has brought", what, t.label, inUseLabel))
	}
	return doubts
}

// replay replays one text.
func (b *backtesting) replay(c *dwmon.Checker, yield func(dwmon.Result) error) (*backtest.Summary, error) {
	closed, _ := b.calendars.closed(c.Options.Calendar)
	nth := b.begun
	b.begun++
	if yield == nil {
		yield = func(dwmon.Result) error { return nil }
	}
	return backtest.Run(b.ctx, b.DB, backtest.Options{
		Checker: c, Zone: b.cfg.Timezone, Closed: closed, CatchUp: b.cfg.CatchUp, Alert: c.Options.Alert.Over(b.cfg.Alert),
		Since: b.request.Since, Hindsight: b.request.Hindsight,
		Progress: func(done, total int64) {
			if b.request.Progress != nil {
				b.request.Progress(nth*total+done, b.replays*total)
			}
		},
	}, yield)
}

// compareIncidents tells apart the incidents of two replays. One is kept where an
// incident of the other replay overlaps it: of the same line where both texts have it,
// else of any line that only the other has, for an edited line is another line.
func compareIncidents(before, after *backtest.Summary) (fresh, gone, kept []backtest.Incident) {
	shared := map[string]bool{}
	for i := range before.Lines {
		for k := range after.Lines {
			if r := before.Lines[i].Requirement; r == after.Lines[k].Requirement {
				shared[r] = true
			}
		}
	}
	old, now := newStretches(before.Incidents, shared), newStretches(after.Incidents, shared)
	for _, i := range after.Incidents {
		if old.overlap(i) {
			kept = append(kept, i)
		} else {
			fresh = append(fresh, i)
		}
	}
	for _, i := range before.Incidents {
		if !now.overlap(i) {
			gone = append(gone, i)
		}
	}
	return fresh, gone, kept
}

// stretches are the minutes in which there were incidents.
type stretches struct {
	shared map[string]bool
	spans  map[stretchKey][]dwmon.Span // in order, apart from each other
}

// stretchKey is what incidents must have in common to be the same trouble.
type stretchKey struct {
	subject dwmon.Subject
	line    string // empty for all lines that the two texts do not share
}

func newStretches(incidents []backtest.Incident, shared map[string]bool) *stretches {
	s := &stretches{shared, map[stretchKey][]dwmon.Span{}}
	for _, i := range incidents { // in the order of their beginnings
		key, span := s.key(i), spanOf(i)
		all := s.spans[key]
		if n := len(all); n > 0 && span.From <= all[n-1].Until {
			all[n-1].Until = max(all[n-1].Until, span.Until)
			continue
		}
		s.spans[key] = append(all, span)
	}
	return s
}

func (s *stretches) key(i backtest.Incident) stretchKey {
	if !s.shared[i.Requirement] {
		return stretchKey{subject: i.Subject}
	}
	return stretchKey{i.Subject, i.Requirement}
}

func (s *stretches) overlap(i backtest.Incident) bool {
	span := spanOf(i)
	return dwmon.Touches(s.spans[s.key(i)], dwmon.Window{From: span.From, Until: span.Until + 1})
}

// spanOf is the minutes of an incident, both ends included; one that lasts has no end.
func spanOf(i backtest.Incident) dwmon.Span {
	if i.Closed == nil {
		return dwmon.Span{From: i.Opened, Until: math.MaxInt64 - 1}
	}
	return dwmon.Span{From: i.Opened, Until: *i.Closed}
}
