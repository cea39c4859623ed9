package daemon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/suggest"
	"github.com/dwmon/dwmon/internal/words"
)

// SuggestQuery asks for requirement lines made from history.
type SuggestQuery struct {
	// Checker is a checker's name, or a file.
	Checker string
	// Since, seconds since the epoch, is from when on history counts; nil: a year.
	Since *int64
	// Every (minutes) and Lookback (seconds) replace those of the present lines; 0:
	// theirs.
	Every, Lookback int64
	// FalseAlarms is how many a week are accepted.
	FalseAlarms float64
	// Progress is told now and then which share is done; may be nil.
	Progress func(share float64)
}

// Suggestion is what is proposed, and what it rests on.
type Suggestion struct {
	*suggest.Proposal
	Checker *dwmon.Checker
	Zone    *time.Location
	// Lines as they stand in a file, with their comments.
	Text []string
	// FalseAlarms is what was asked for.
	FalseAlarms float64
	// Replayed is how the lines fare on the last weeks by the very code of the daemon,
	// with the rows that were known then; nil where that could not be tried.
	Replayed *SuggestReplay
	// Notes say what else one should know.
	Notes []string
}

// SuggestReplay compares present and proposed lines over the same recorded weeks.
type SuggestReplay struct {
	// From and Until are minutes, seconds since the epoch.
	From, Until       int64
	Present, Proposed SuggestReplayed
}

// SuggestReplayed is how lines fared.
type SuggestReplayed struct {
	Good, Bad, Unknown int64
	// Incidents about the count, Late those of them that late rows alone made.
	Incidents, Late int64
}

const (
	// suggestWeeks is how much history is looked at, at most.
	suggestWeeks = 53
	// replayWeeks is over how many of the last weeks lines are replayed as known then.
	replayWeeks = 4
	// readShare is the part of the work that is reading rows.
	readShare = 0.8
)

// Suggest proposes requirement lines for a checker from what is recorded of it. It
// reads only. The error is a *suggest.Refusal where the history carries no lines,
// *ErrNoChecker where there is no such checker, and dwmon.FileFaults where its file
// is bad.
func Suggest(ctx context.Context, cfg *config.Config, q SuggestQuery, now time.Time) (*Suggestion, error) {
	r, err := OpenReader(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &suggester{ctx: ctx, cfg: cfg, r: r, q: q, now: now}
	out, err := s.suggest()
	return out, errors.Join(err, r.Close())
}

// suggester makes a Suggestion.
type suggester struct {
	ctx context.Context
	cfg *config.Config
	r   *Reader
	q   SuggestQuery
	now time.Time

	checker *dwmon.Checker
	zone    *time.Location
	closed  *dwmon.ClosedDays
	whole   dwmon.Wholeness
	// from and until bound the history, minutes in seconds since the epoch.
	from, until int64
	notes       []string
}

func (s *suggester) note(format string, args ...any) {
	s.notes = append(s.notes, s.cfg.Redact(fmt.Sprintf(format, args...)))
}

func (s *suggester) suggest() (*Suggestion, error) {
	found, err := checkerAt(s.ctx, s.cfg, s.r, s.q.Checker)
	if err != nil {
		return nil, err
	}
	if dwmon.AnyError(found.faults) {
		return nil, dwmon.FileFaults(found.faults)
	}
	s.checker, s.zone = found.checker, found.checker.Zone(s.cfg.Timezone)
	if err := s.bound(); err != nil {
		return nil, err
	}
	s.calendars()
	past, err := s.past()
	if err != nil {
		return nil, err
	}
	rule := s.checker.Options.Alert.Over(s.cfg.Alert)
	p, err := suggest.Propose(suggest.Options{
		Present: s.checker.Lines, Every: s.q.Every, Lookback: s.q.Lookback, Zone: s.zone, Closed: s.closed, Alert: rule,
		FalseAlarms: s.q.FalseAlarms, Since: s.q.Since != nil && s.from > s.whole.From/1e6+3600, Assumed: s.whole.Assumed || s.checker.Options.Assumed,
	}, past)
	if err != nil {
		return nil, fmt.Errorf("checker %s: %w", s.checker.Name, err)
	}
	s.progress(0.9)
	out := &Suggestion{Proposal: p, Checker: s.checker, Zone: s.zone, FalseAlarms: s.q.FalseAlarms, Text: p.Text(s.zone, s.q.FalseAlarms)}
	out.Replayed = s.replayed(p.Requirements(), rule)
	out.Notes = s.notes
	return out, s.ctx.Err()
}

func (s *suggester) progress(share float64) {
	if s.q.Progress != nil {
		s.q.Progress(share)
	}
}

// bound finds the span in which every row is known that the source had.
func (s *suggester) bound() (err error) {
	s.whole, err = s.r.Wholeness(s.ctx, s.checker.Name)
	switch {
	case errors.Is(err, dwmon.ErrNothingRecorded):
		return fmt.Errorf("checker %s: %w", s.checker.Name, &suggest.Refusal{
			Reason: suggest.RefuseThin, Why: "nothing is recorded of it yet",
			Do: "let `dwmon daemon` run for two weeks, or fetch older rows with `dwmon backfill`",
		})
	case err != nil:
		return err
	}
	from := s.whole.From
	p, err := s.r.DB.Progress(s.ctx, s.checker.Name)
	if err != nil {
		return err
	}
	if p.QueryChanged && p.QueryFetched != nil && *p.QueryFetched > from {
		from = *p.QueryFetched
		s.note("QUERY or SOURCE was edited: only rows since %s count, which the present one has brought", s.stamp(from/1e6))
	}
	s.until = dwmon.FloorMinute(s.whole.Until/1e6 - int64(s.checker.Options.Grace/time.Second))
	s.from = -dwmon.FloorMinute(-(from + 999_999) / 1e6)
	s.from = max(s.from, s.until-suggestWeeks*7*86400)
	if s.q.Since != nil && *s.q.Since > s.from {
		s.from = dwmon.FloorMinute(*s.q.Since)
	}
	s.until = max(s.until, s.from)
	return nil
}

func (s *suggester) stamp(second int64) string { return words.Stamp(time.Unix(second, 0).In(s.zone)) }

// calendars are the closed days.
func (s *suggester) calendars() {
	closed, faults := closedDays(s.cfg, s.checker, s.now)
	s.closed = closed
	for _, f := range faults {
		s.note("calendar: %s", f.Error())
	}
}

// past counts the rows and finds what of them is not as usual.
func (s *suggester) past() (suggest.Past, error) {
	past := suggest.Past{Counts: suggest.NewCounts(s.from, s.until, s.checker.Lines)}
	past.Purged = s.whole.PurgeMark != nil && *s.whole.PurgeMark*1e6 >= s.whole.From
	told := progressOf(s.q.Progress, s.from*1e6, s.from*1e6+int64(float64(s.until-s.from)*1e6/readShare))
	err := s.r.Timestamps(s.ctx, s.whole.CheckerID, s.from*1e6, s.until*1e6, func(micros []int64) error {
		past.Counts.Add(micros)
		told(micros[len(micros)-1])
		return s.ctx.Err()
	})
	if err != nil {
		return past, err
	}
	for why, spans := range map[suggest.Why][]dwmon.Span{suggest.WhyHole: s.whole.Holes, suggest.WhyOff: s.whole.Off} {
		for _, span := range spans {
			past.Out = append(past.Out, outSpan(span, why))
		}
	}
	past.Out = append(past.Out, s.closedSpans()...)
	incidents, err := s.incidents()
	past.Out = append(past.Out, incidents...)
	slices.SortFunc(past.Out, func(a, b suggest.Span) int {
		if a.From != b.From {
			return int(min(1, max(-1, a.From-b.From)))
		}
		return strings.Compare(string(a.Why), string(b.Why))
	})
	return past, err
}

// outSpan is a span of microseconds, both ends included, as one of minutes.
func outSpan(span dwmon.Span, why suggest.Why) suggest.Span {
	until := int64(math.MaxInt64)
	if span.Until < math.MaxInt64-60e6 {
		until = dwmon.FloorMinute(span.Until/1e6) + 60
	}
	return suggest.Span{From: dwmon.FloorMinute(span.From / 1e6), Until: until, Why: why}
}

// closedSpans are the closed days of the history.
func (s *suggester) closedSpans() (spans []suggest.Span) {
	for at := s.from; at < s.until; {
		local := time.Unix(at, 0).In(s.zone)
		day := dwmon.DayOf(local.Date())
		next := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, s.zone).Unix()
		if next <= at { // a midnight that the clocks repeat
			next = at + 3600
		}
		if name, closed := s.closed.Name(day); closed {
			spans = append(spans, suggest.Span{From: at, Until: next, Why: suggest.WhyClosed, Note: name})
		}
		at = next
	}
	return spans
}

const (
	// mostIncidents a week, and of mostIncidentTime, are exceptions. More say of the
	// lines that they do not fit, and nothing of the rows.
	mostIncidents    = 2
	mostIncidentTime = 0.05
)

// incidents are the spans of recorded ones, with the windows that were out of range.
func (s *suggester) incidents() (spans []suggest.Span, err error) {
	all, err := s.r.DB.Incidents(s.ctx, s.checker.Name, true, 0)
	if err != nil {
		return nil, err
	}
	var length, span int64
	for i := range all {
		in := &all[i]
		until := s.until
		if in.Closed != nil {
			until = *in.Closed
		}
		from := in.Opened - lookbackOf(in.Requirement)
		if in.Subject != dwmon.SubjectCount || until <= s.from || in.Opened >= s.until {
			continue
		}
		spans = append(spans, suggest.Span{From: from, Until: until, Why: suggest.WhyIncident, Note: "number " + strconv.FormatInt(in.ID, 10)})
		length += until - from
	}
	span = max(1, s.until-s.from)
	weeks := float64(span) / (7 * 86400)
	if float64(len(spans)) > mostIncidents*max(1, weeks) || float64(length) > mostIncidentTime*float64(span) {
		s.note("%s are recorded, %.0f %% of the time: so many are no exception, and their rows count like all others",
			words.Count(int64(len(spans)), "incident", "incidents"), 100*float64(length)/float64(span))
		return nil, nil
	}
	return spans, nil
}

// lookbackOf reads the look-back of a line's identity.
func lookbackOf(identity string) int64 {
	for token := range strings.FieldsSeq(identity) {
		if n, ok := strings.CutPrefix(token, "LOOKBACKSECONDS"); ok {
			seconds, _ := strconv.ParseInt(n, 10, 64)
			return seconds
		}
	}
	return 0
}

// replayed lets the daemon's own code judge the last weeks by the present and by the
// proposed lines, each time with the rows that were known then; nil where less than a
// day can be replayed.
func (s *suggester) replayed(lines []dwmon.Requirement, rule dwmon.AlertRule) *SuggestReplay {
	since := max(s.from, s.until-replayWeeks*7*86400)
	proposed := *s.checker
	proposed.Lines = lines
	out := &SuggestReplay{From: since, Until: s.until}
	for i, c := range []*dwmon.Checker{s.checker, &proposed} {
		first := int64(math.MaxInt64)
		sum, err := backtest.Run(s.ctx, s.r.DB, backtest.Options{
			Checker: c, Zone: s.cfg.Timezone, Closed: s.closed, CatchUp: s.cfg.CatchUp, Alert: rule, Since: &since,
			Progress: func(done, total int64) {
				s.progress(0.9 + 0.05*float64(i) + 0.05*float64(done)/float64(max(total, 1)))
			},
		}, func(r dwmon.Result) error {
			first = min(first, r.Minute)
			return s.ctx.Err()
		})
		if err != nil {
			s.note("the lines could not be replayed as known then: %v", err)
			return nil
		}
		of := &out.Present
		if i == 1 {
			of = &out.Proposed
		}
		of.Good, of.Bad, of.Unknown = sum.Good, sum.Bad, sum.Unknown
		for _, l := range sum.Lines {
			of.Incidents += l.Incidents
			of.Late += l.Late
		}
		out.From, out.Until = max(out.From, first), min(out.Until, sum.Until)
	}
	if out.Until-out.From < 86400 {
		return nil
	}
	return out
}
