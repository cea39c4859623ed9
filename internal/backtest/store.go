package backtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// store is what the engine's passes run over in a replay: a dwmon.Store of one checker
// whose walk, streaks, holes and incidents are the replay's own, and whose rows are
// those on record. It is its own transaction: an error ends the replay, so that nothing
// is ever taken back.
type store struct {
	past    Past
	options *Options
	id      int64
	ctx     context.Context // of the pass
	rows    *window
	yield   func(dwmon.Result) error
	stopped error // yield's
	zone    *time.Location
	source  string
	labels  map[string]string
	told    int64
	first   int64 // the earliest minute that was judged, or lost to a gap

	// progress is as of now; a pass is shown a copy, which stays as it is.
	progress dwmon.Progress
	shown    dwmon.Progress
	lines    []dwmon.LineProgress // of shown
	asked    asked
	fetch    *dwmon.PastFetch // the one of the pass
	holes    []dwmon.Span
	missed   []dwmon.Span

	whole     []counts // of the windows that were counted last
	summary   *Summary
	incidents incidents
	fetchID   int64
}

// asked is which QUERY and SOURCE fetches have asked.
type asked struct {
	queryID int64
	any     bool
	began   int64 // the first in a row that asked the same
	changed bool
}

// counts are what a window held for the replay, and what it holds in all.
type counts struct{ known, all int64 }

func (s *store) Progress(context.Context, string) (*dwmon.Progress, error) {
	s.lines = append(s.lines[:0], s.progress.Lines...)
	s.shown = s.progress
	s.shown.Lines = s.lines
	return &s.shown, nil
}

func (s *store) InTx(ctx context.Context, fn func(dwmon.Tx) error) error {
	s.ctx = ctx
	return fn(s)
}

// Sight is only asked when the checker returns from being off.
func (s *store) Sight(sighting dwmon.Sighting) (*dwmon.Progress, error) {
	s.addGaps(sighting.Gaps)
	if sighting.Settled != nil {
		s.progress.Settled = sighting.Settled
	}
	s.progress.Off = nil
	return s.Progress(s.ctx, "")
}

func (s *store) SaveFetch(f dwmon.Fetch) (int64, error) {
	s.progress.Failing = f.Failing
	if f.Err == nil {
		started, ended, reach := f.Started, f.Ended, f.Reach
		p := &s.progress
		p.Fetched, p.FetchedEnd, p.Reach, p.Skew = &started, &ended, &reach, f.Skew
		if f.Baseline && p.Baseline == nil {
			p.Baseline = &started
		}
		if !s.asked.any || s.asked.queryID != p.QueryID {
			s.asked = asked{queryID: p.QueryID, any: true, began: started, changed: s.asked.any}
		}
		s.askedNow()
	}
	s.fetchID++
	return s.fetchID, nil
}

// seed takes a fetch as the one before those that are replayed.
func (s *store) seed(f *dwmon.PastFetch) {
	p := &s.progress
	started, ended, reach := f.Started, f.Ended, f.Reach // f is not kept
	p.Fetched, p.FetchedEnd, p.Reach, p.Skew, p.QueryID = &started, &ended, &reach, f.Skew, f.QueryID
	s.asked = asked{queryID: f.QueryID, any: true, began: f.Started}
	s.askedNow()
}

// ask notes the QUERY and SOURCE that the next fetch asks.
func (s *store) ask(queryID int64) {
	if s.progress.QueryID != queryID {
		s.progress.QueryID = queryID
		s.askedNow()
	}
}

func (s *store) askedNow() {
	p, a := &s.progress, &s.asked
	p.QueryFetched, p.QueryChanged = nil, a.any
	if a.any && a.queryID == p.QueryID {
		began := a.began
		p.QueryFetched, p.QueryChanged = &began, a.changed
	}
}

// Ingest gives what the fetch on record has brought: its rows are read anyway.
func (s *store) Ingest(*dwmon.Progress, dwmon.Intake, bool) (dwmon.Ingested, error) {
	return s.fetch.Ingested, nil
}

func (s *store) Counts(_ int64, windows []dwmon.Window) ([]int64, error) {
	known := make([]int64, len(windows))
	s.whole = s.whole[:0]
	for i, w := range windows {
		var c counts
		c.known, c.all = s.rows.counts(w)
		s.whole = append(s.whole, c)
		known[i] = c.known
	}
	return known, nil
}

func (s *store) CountsOf(checkerID, queryID int64, windows []dwmon.Window) ([]int64, error) {
	known := s.rows.now
	if s.options.Hindsight {
		known = forever
	}
	return s.past.PastCountsOf(s.ctx, checkerID, queryID, known, windows)
}

func (s *store) Holes(_, after int64) ([]dwmon.Span, error) { return ending(s.holes, after), nil }

func (s *store) Missed(_, after int64) ([]dwmon.Span, error) { return ending(s.missed, after), nil }

// ending are the spans that end at or after a time.
func ending(spans []dwmon.Span, after int64) (left []dwmon.Span) {
	for _, s := range spans {
		if s.Until >= after {
			left = append(left, s)
		}
	}
	return left
}

func (s *store) AddMissed(_ int64, span dwmon.Span) error {
	s.missed = append(s.missed, span)
	return nil
}

// AddHole stores a hole, merged with those that it overlaps or touches. In hindsight
// there are only those that were never filled, and they are there from the beginning.
func (s *store) AddHole(_ int64, hole dwmon.Span) error {
	if s.options.Hindsight {
		return nil
	}
	var left []dwmon.Span
	for _, h := range s.holes {
		if h.Until < hole.From-1 || h.From > hole.Until+1 {
			left = append(left, h)
		} else {
			hole = dwmon.Span{From: min(h.From, hole.From), Until: max(h.Until, hole.Until)}
		}
	}
	s.setHoles(append(left, hole))
	return nil
}

func (s *store) FillHoles(_, from int64) error {
	if s.options.Hindsight {
		return nil
	}
	var left []dwmon.Span
	for _, h := range s.holes {
		if h.Until = min(h.Until, from-1); h.From <= h.Until {
			left = append(left, h)
		}
	}
	s.setHoles(left)
	return nil
}

func (s *store) setHoles(holes []dwmon.Span) {
	slices.SortFunc(holes, func(a, b dwmon.Span) int { return int(max(-1, min(1, a.From-b.From))) })
	s.holes, s.progress.HoleUntil = holes, nil
	if n := len(holes); n > 0 {
		until := holes[n-1].Until
		s.progress.HoleUntil = &until
	}
}

// forget drops the spans that end before a time: no window reaches them any more.
func (s *store) forget(before int64) {
	if len(s.holes) > 0 && s.holes[0].Until < before {
		s.setHoles(ending(s.holes, before))
	}
	if len(s.missed) > 0 && s.missed[0].Until < before {
		s.missed = ending(s.missed, before)
	}
}

// Lows gives none, so that nothing is corrected: a replay tells what was known then.
func (s *store) Lows(int64, int64, int64) ([]dwmon.LowVerdict, error) { return nil, nil }

func (s *store) Correct(int64, []dwmon.Correction) error { return nil }

func (s *store) Recorded(int64, int64) (map[dwmon.RecordedKey]bool, error) { return nil, nil }

func (s *store) Record(r dwmon.Record) error {
	for i := range s.progress.Lines {
		s.progress.Lines[i].Streak = r.Streaks[i]
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		minute := v.Minute
		s.progress.Recorded = &minute // the walk goes one way
		s.incidents.judged(v, s.hindsight(v, s.whole[i]), v.Minute < s.progress.Origin)
		if v.Minute < s.told {
			continue
		}
		s.first = min(s.first, v.Minute)
		s.count(v)
		if s.stopped = s.yield(s.result(v, r.EvaluatedAt)); s.stopped != nil {
			return s.stopped
		}
	}
	s.incidents.committed()
	return nil
}

// hindsight is what a verdict would be had all rows of its window been there. Late rows
// are more rows.
func (s *store) hindsight(v *dwmon.Verdict, c counts) dwmon.Status {
	if v.Status == dwmon.Unknown || v.Reason == dwmon.High || c.known == c.all {
		return v.Status
	}
	status, _ := s.progress.Lines[v.LineIndex].Judge(c.all)
	return status
}

func (s *store) count(v *dwmon.Verdict) {
	line := &s.summary.Lines[v.LineIndex]
	switch v.Status {
	case dwmon.Good:
		s.summary.Good++
		line.Good++
	case dwmon.Bad:
		s.summary.Bad++
		line.Bad++
	default:
		s.summary.Unknown++
		line.Unknown++
	}
}

func (s *store) result(v *dwmon.Verdict, evaluatedAt int64) dwmon.Result {
	c, line := s.options.Checker, &s.progress.Lines[v.LineIndex]
	return dwmon.Result{
		CheckerName:      c.Name,
		EventCount:       v.Count,
		Min:              line.Min,
		Max:              line.Max,
		Status:           v.Status,
		Minute:           v.Minute,
		LookbackSeconds:  line.Lookback,
		Reason:           v.Reason,
		Requirement:      s.summary.Lines[v.LineIndex].Requirement,
		RequirementIndex: v.LineIndex,
		TimeZone:         s.progress.Zone,
		Source:           s.source,
		Owner:            c.Options.Owner,
		Labels:           s.labels,
		CatchUp:          v.CatchUp,
		EvaluatedAt:      evaluatedAt,
		Previous:         v.Previous,
		ConsecutiveBad:   v.ConsecutiveBad,
		LocalTime:        dwmon.LocalTime(v.Minute, s.zone),
	}
}

// StillAt: nobody else moves a replay.
func (s *store) StillAt(int64, *int64) error { return nil }

func (s *store) Settle(_ *dwmon.Progress, settled int64, gaps []dwmon.Gap) error {
	s.addGaps(gaps)
	s.progress.Settled = &settled
	return nil
}

func (s *store) addGaps(gaps []dwmon.Gap) {
	for _, g := range gaps {
		if g.To < s.told {
			continue
		}
		line := &s.summary.Lines[g.Line]
		s.first = min(s.first, g.From)
		line.GapMinutes += g.Minutes
		if len(s.summary.Gaps) < MaxKept {
			s.summary.Gaps = append(s.summary.Gaps, dwmon.GapEntry{
				CheckerName: s.options.Checker.Name, Requirement: line.Requirement, RequirementIndex: g.Line,
				From: g.From, To: g.To, Minutes: g.Minutes, Reason: g.Reason,
			})
		}
	}
}

func (s *store) OpenIncident(i dwmon.Incident) (int64, error) { return s.incidents.open(i), nil }

func (s *store) CloseIncident(id, closed, _ int64, end dwmon.IncidentEnd) error {
	s.incidents.close(id, closed, end)
	return nil
}

// switchOff makes the checker owe nothing from a minute on, as the daemon does.
func (s *store) switchOff(o dwmon.OffEntry) {
	s.progress.Off = &dwmon.Off{Since: o.From, Reason: o.Reason}
	for i := range s.progress.Lines {
		t := &s.progress.Lines[i].Trouble
		for _, id := range []int64{t.Incident, t.UnknownIncident} {
			if id != 0 {
				s.incidents.close(id, o.From, dwmon.EndOff)
			}
		}
		*t = dwmon.Trouble{}
	}
	s.incidents.off()
}

func (s *store) summarise() *Summary {
	sum := s.summary
	sum.From = s.told
	if s.told == minSlot {
		sum.From = s.first
	}
	sum.Until = sum.From
	if p := s.progress.Settled; p != nil {
		sum.Until = max(sum.From, *p)
	}
	s.incidents.finish()
	var gaps int64
	for _, g := range sum.Gaps {
		gaps += g.Minutes
	}
	for _, l := range sum.Lines {
		gaps -= l.GapMinutes
	}
	if gaps != 0 {
		sum.Notes = append(sum.Notes, fmt.Sprintf("there are more than %d gaps: the later ones are counted, not listed", MaxKept))
	}
	return sum
}

// What follows has no place in a replay: nobody is told, nothing is kept or purged.

func (s *store) Enqueue(int64, []dwmon.Telling) error { return nil }
func (s *store) AddCatchUp(dwmon.CatchUp) error       { return nil }
func (s *store) Silences() ([]dwmon.Silence, error)   { return nil, nil }

func (s *store) NewIntake(*dwmon.Progress, int64) dwmon.Intake { return nil }

func (s *store) Purge(context.Context, int64, int64) (int64, error) { return 0, nil }

func (s *store) Extent(context.Context, int64) (oldest, newest int64, ok bool, err error) {
	return 0, 0, false, nil
}

func (s *store) Corrections(context.Context, int64, int) ([]dwmon.Correction, error) {
	return nil, nil
}
