package backtest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// event is a row of a source, which can be fetched from arrives on; microseconds since
// the epoch.
type event struct {
	key             string
	micros, arrives int64
}

// source is a table that rows come to, early and late, and a query that gives some of
// them.
type source struct {
	events []event
	clock  int64
	asOf   *int64
	down   bool
	limit  int
	oldest bool // the oldest rows come first
	odd    bool // every other row only
	now    bool // timestamps are assumed: all rows bear the present time
}

func (s *source) query() string {
	text := "SELECT key, ts FROM events"
	if s.odd {
		text += " WHERE odd"
	}
	text += " ORDER BY ts"
	if !s.oldest {
		text += " DESC"
	}
	if s.limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", s.limit)
	}
	return text
}

func (s *source) GetRows(_ context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	if s.down {
		return dwmon.FetchSummary{}, errors.New("the source is down")
	}
	until := s.clock
	if s.asOf != nil {
		until = min(until, *s.asOf)
	}
	var rows []event
	for i, ev := range s.events {
		if ev.arrives <= until && (!s.odd || i%2 == 1) {
			rows = append(rows, ev)
		}
	}
	slices.SortStableFunc(rows, func(a, b event) int {
		if s.oldest {
			a, b = b, a
		}
		return cmp.Compare(b.micros, a.micros)
	})
	if s.limit > 0 && len(rows) > s.limit {
		rows = rows[:s.limit]
	}
	for chunk := range slices.Chunk(rows, 500) {
		var b dwmon.Batch
		for _, ev := range chunk {
			if s.now {
				ev.micros = s.clock
			}
			b.Keys = append(b.Keys, ev.key...)
			b.Lengths = append(b.Lengths, uint32(len(ev.key)))
			b.Micros = append(b.Micros, ev.micros)
		}
		if err := sink(&b); err != nil {
			return dwmon.FetchSummary{}, err
		}
	}
	return dwmon.FetchSummary{Rows: int64(len(rows)), DataAsOf: s.asOf}, nil
}

// life is a checker that was lived with, and what came of it.
type life struct {
	store   *model.Store
	source  *source
	checker *dwmon.Checker
	zone    *time.Location
	closed  *dwmon.ClosedDays
	catchUp time.Duration
	rule    dwmon.AlertRule
	engine  *engine.Engine
	// parted: a pass that asked nothing, and so is not on record, left a gap. The next
	// gap of the replay is then that one and its own together, for one reason.
	parted bool
}

func (l *life) open() error {
	var err error
	l.engine, err = engine.New(engine.Options{
		Store: l.store, Zone: l.zone, CatchUp: l.catchUp, Now: func() time.Time { return time.UnixMicro(l.source.clock) },
	})
	return err
}

// pass does one pass, begun so long before its fetch.
func (l *life) pass(waited time.Duration) error {
	l.checker.Query = l.source.query()
	l.checker.Revision = l.checker.Query
	job := &engine.Job{Checker: l.checker, Getter: l.source, Alert: l.rule, Closed: l.closed}
	report := l.engine.Pass(context.Background(), job, time.UnixMicro(l.source.clock).Add(-waited), true)
	if report.Err != nil && !l.source.down {
		return report.Err
	}
	l.parted = l.parted || report.Gap > 0 && !report.Fetched
	return nil
}

// lived are the results as they were recorded.
func (l *life) lived() (all []dwmon.Result) {
	c := l.store.Look("orders")
	for i, key := range c.Order {
		v := c.Verdicts[key]
		r := l.checker.Lines[v.LineIndex]
		all = append(all, dwmon.Result{
			CheckerName: l.checker.Name, EventCount: v.Count, Min: r.Min, Max: r.Max, Status: v.Status, Minute: v.Minute, LookbackSeconds: r.Lookback,
			Reason: v.Reason, Requirement: r.Identity(), RequirementIndex: v.LineIndex, TimeZone: l.zone.String(), Source: "s", Labels: map[string]string{}, CatchUp: v.CatchUp,
			EvaluatedAt: c.Evaluated[i], Previous: v.Previous, ConsecutiveBad: v.ConsecutiveBad, LocalTime: dwmon.LocalTime(v.Minute, l.zone),
		})
	}
	return all
}

func (l *life) options() backtest.Options {
	return backtest.Options{Checker: l.checker, Zone: l.zone, Closed: l.closed, CatchUp: l.catchUp, Alert: l.rule}
}

func (l *life) replay(o backtest.Options) (got []dwmon.Result, sum *backtest.Summary, err error) {
	sum, err = backtest.Run(context.Background(), l.store, o, func(r dwmon.Result) error { got = append(got, r); return nil })
	return got, sum, err
}

// draw lives a scenario.
func draw(t *rapid.T) *life {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	base, _ := time.Parse(time.RFC3339, rapid.SampledFrom([]string{"2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z", "2026-06-01T00:00:00Z"}).Draw(t, "begin"))
	l := &life{store: model.New(), zone: zone, source: &source{clock: base.UnixMicro()}}
	l.catchUp = time.Duration(rapid.SampledFrom([]int{30, 240, 1440}).Draw(t, "catch up")) * time.Minute
	l.rule = dwmon.AlertRule{After: rapid.IntRange(1, 3).Draw(t, "after"), Of: 3, Recover: rapid.IntRange(1, 2).Draw(t, "recover"), Growth: 1, UnknownAfter: rapid.IntRange(1, 3).Draw(t, "unknown after")}
	l.checker = &dwmon.Checker{Name: "orders", Source: "s", Extra: []byte("{}"), Lines: drawLines(t)}
	l.checker.Options.Grace = time.Duration(rapid.SampledFrom([]int{0, 0, 30, 90}).Draw(t, "grace")) * time.Second
	l.closed = drawClosed(t, base.In(zone))
	if l.source.now = rapid.IntRange(0, 5).Draw(t, "assumed") == 0; l.source.now {
		l.checker.Options.Assumed = true
	} else if rapid.Bool().Draw(t, "limited") {
		l.source.limit = rapid.SampledFrom([]int{2, 3, 5, 8, 20}).Draw(t, "limit")
		l.source.oldest = rapid.IntRange(0, 4).Draw(t, "order") == 0
	}
	lags := rapid.IntRange(0, 2).Draw(t, "lags") == 0
	edits := rapid.IntRange(0, 2).Draw(t, "edits") == 0
	offs := rapid.IntRange(0, 2).Draw(t, "offs") == 0
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 60).Draw(t, "passes") {
		before := l.source.clock
		step := rapid.OneOf(rapid.Just(int64(60)), rapid.Just(int64(60)), rapid.Int64Range(1, 900), rapid.Int64Range(3600, 3*86400)).Draw(t, "seconds on")
		l.source.clock += step*1e6 + rapid.Int64Range(0, 999_999).Draw(t, "micros")
		waited := time.Duration(rapid.SampledFrom([]int64{0, 0, 0, 5, 70, 200}).Draw(t, "waited")) * time.Second
		if int64(waited/time.Second) > step {
			waited = 0
		}
		arrive(t, l.source, before)
		l.source.down = rapid.IntRange(0, 6).Draw(t, "down") == 0
		l.source.asOf = nil
		if lags {
			asOf := l.source.clock - 1e6*rapid.SampledFrom([]int64{0, 0, 20, 60, 119, 300, 900}).Draw(t, "lag")
			l.source.asOf = &asOf
		}
		if edits && rapid.IntRange(0, 7).Draw(t, "edit") == 0 {
			l.source.odd = !l.source.odd
		}
		if offs && rapid.IntRange(0, 9).Draw(t, "off") == 0 {
			if from := dwmon.FloorMinute(before/1e6) + 60; from <= dwmon.Slot(time.UnixMicro(l.source.clock).Add(-waited), l.checker.Options.Grace) {
				l.store.SwitchOff("orders", from, dwmon.OffDisabled)
			}
		}
		if err := l.pass(waited); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func arrive(t *rapid.T, s *source, before int64) {
	for range rapid.IntRange(0, 6).Draw(t, "arrivals") {
		at := rapid.Int64Range(max(before, s.clock-7200e6), s.clock).Draw(t, "at")
		ev := event{key: fmt.Sprint("k", len(s.events)), micros: at, arrives: at}
		switch rapid.IntRange(0, 9).Draw(t, "how") {
		case 0, 1: // late by up to an hour
			ev.arrives += rapid.Int64Range(0, 3600).Draw(t, "late") * 1e6
		case 2: // of long ago
			ev.micros -= rapid.Int64Range(0, 86400).Draw(t, "older") * 1e6
		case 3: // not an event yet
			ev.micros += 2 * 86400 * 1e6
		case 4: // on a whole minute, where windows end
			ev.micros = dwmon.FloorMinute(at/1e6) * 1e6
		case 5: // of a moment that is to come
			ev.micros += rapid.Int64Range(0, 600).Draw(t, "ahead") * 1e6
		}
		s.events = append(s.events, ev)
	}
}

func drawClosed(t *rapid.T, local time.Time) *dwmon.ClosedDays {
	names := map[dwmon.Day]string{}
	for range rapid.IntRange(0, 2).Draw(t, "closed days") {
		y, m, d := local.AddDate(0, 0, rapid.IntRange(-1, 4).Draw(t, "days on")).Date()
		names[dwmon.DayOf(y, m, d)] = "a holiday"
	}
	return dwmon.NewClosedDays(names)
}

func drawLines(t *rapid.T) (lines []dwmon.Requirement) {
	have := map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		r := dwmon.Requirement{
			Hours:    dwmon.HourSet(rapid.OneOf(rapid.Just(uint32(1<<24-1)), rapid.Uint32Range(1, 1<<24-1)).Draw(t, "hours")),
			Minutes:  dwmon.MinuteSet(rapid.SampledFrom([]uint64{1<<60 - 1, 1<<60 - 1, dwmon.StepSet(20, 60), dwmon.StepSet(7, 60), 1}).Draw(t, "minutes")),
			Days:     rapid.SampledFrom([]dwmon.DaySet{dwmon.Weekdays | dwmon.Weekends, dwmon.Weekdays | dwmon.Weekends, dwmon.Weekdays, 1 << time.Sunday}).Draw(t, "days"),
			Lookback: rapid.SampledFrom([]int64{1, 30, 60, 180, 600, 3600, 7200, 100_000}).Draw(t, "lookback"),
			HalfOpen: rapid.Bool().Draw(t, "half open"),
		}
		if rapid.Bool().Draw(t, "has min") {
			r.Min = dwmon.At(rapid.Int64Range(0, 4).Draw(t, "min"))
		}
		if !r.Min.Set || rapid.Bool().Draw(t, "has max") {
			r.Max = dwmon.At(r.Min.N + rapid.Int64Range(0, 4).Draw(t, "max"))
		}
		if !have[r.Identity()] {
			have[r.Identity()] = true
			lines = append(lines, r)
		}
	}
	return lines
}

// A replay of what was lived gives the same verdicts, gaps and incidents.
func TestReplaysWhatWasLived(t *testing.T) {
	rounds := 1
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		rounds = 30
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			l := draw(t)
			got, sum, err := l.replay(l.options())
			lived := l.store.Look("orders")
			if errors.Is(err, dwmon.ErrNothingRecorded) && lived.Progress.Fetched == nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compare(t, l.lived(), got)
			if diff := gocmp.Diff(livedGaps(lived, l.parted), joined(sum.Gaps, l.parted)); diff != "" {
				t.Fatalf("gaps (-lived +replayed):\n%s", diff)
			}
			if diff := gocmp.Diff(livedIncidents(lived), replayedIncidents(sum)); diff != "" {
				t.Fatalf("incidents (-lived +replayed):\n%s", diff)
			}
		})
	}
}

// compare tells the first result that differs.
func compare(t interface{ Fatalf(string, ...any) }, want, got []dwmon.Result) {
	for i := range min(len(want), len(got)) {
		if diff := gocmp.Diff(want[i], got[i]); diff != "" {
			t.Fatalf("result %d of %d, %d replayed (-lived +replayed):\n%s", i, len(want), len(got), diff)
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d results were lived, %d replayed", len(want), len(got))
	}
}

func livedGaps(c *model.Checker, parted bool) []string {
	var gaps []dwmon.GapEntry
	for _, g := range c.Gaps {
		gaps = append(gaps, dwmon.GapEntry{RequirementIndex: g.Line, From: g.From, To: g.To, Minutes: g.Minutes, Reason: g.Reason})
	}
	return joined(gaps, parted)
}

// joined writes gaps; with parted, all of a line as one, without a reason.
func joined(gaps []dwmon.GapEntry, parted bool) (texts []string) {
	var all []dwmon.GapEntry
	last := map[int]int{} // by line
	for _, g := range gaps {
		if i, ok := last[g.RequirementIndex]; ok && parted {
			all[i].To, all[i].Minutes = g.To, all[i].Minutes+g.Minutes
			continue
		}
		if parted {
			g.Reason = ""
		}
		last[g.RequirementIndex] = len(all)
		all = append(all, g)
	}
	for _, g := range all {
		texts = append(texts, fmt.Sprint(g.RequirementIndex, " ", g.From, " ", g.To, " ", g.Minutes, g.Reason))
	}
	slices.Sort(texts)
	return texts
}

func describe(subject dwmon.Subject, line int, opened, openedAt int64, closed *int64, end dwmon.IncidentEnd, catchUp bool) string {
	last := "open"
	if closed != nil {
		last = fmt.Sprint(*closed, end)
	}
	return fmt.Sprint(subject, line, opened, openedAt, last, catchUp)
}

func livedIncidents(c *model.Checker) (all []string) {
	for _, i := range c.Incidents {
		line := slices.IndexFunc(c.Progress.Lines, func(l dwmon.LineProgress) bool { return l.ID == i.LineID })
		all = append(all, describe(i.Subject, line, i.Opened, i.OpenedAt, i.Closed, i.End, i.CatchUp))
	}
	slices.Sort(all)
	return all
}

func replayedIncidents(s *backtest.Summary) (all []string) {
	for _, i := range s.Incidents {
		all = append(all, describe(i.Subject, i.LineIndex, i.Opened, i.OpenedAt, i.Closed, i.End, i.CatchUp))
	}
	slices.Sort(all)
	return all
}
