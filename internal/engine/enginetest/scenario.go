// Package enginetest lives random months of a checker through an engine and
// compares every verdict with those of a naive model, on any store.
//
// The model shares no code with the engine but the nouns: it looks at every
// minute since the beginning, asks time.Time for the hour and the day, and counts
// rows by looking at each.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// Event is a row of the source. It can be fetched from Arrives on; times are
// microseconds since the epoch.
type Event struct {
	Key     string
	Micros  int64
	Arrives int64
}

// Source is a scripted row getter.
type Source struct {
	Events []Event
	// Clock is the present time, microseconds since the epoch.
	Clock int64
	// Down makes fetches fail, Half makes them fail after some rows.
	Down, Half bool
}

// GetRows gives the rows that have arrived, newest arrivals first, in batches.
func (s *Source) GetRows(_ context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	if s.Down {
		return dwmon.FetchSummary{}, errors.New("the source is down")
	}
	var b dwmon.Batch
	var rows int64
	flush := func() error {
		err := sink(&b)
		b = dwmon.Batch{}
		return err
	}
	for _, ev := range slices.Backward(s.Events) {
		if ev.Arrives > s.Clock {
			continue
		}
		b.Keys = append(b.Keys, ev.Key...)
		b.Lengths = append(b.Lengths, uint32(len(ev.Key)))
		b.Micros = append(b.Micros, ev.Micros)
		rows++
		if b.Rows() == 100 {
			if err := flush(); err != nil {
				return dwmon.FetchSummary{}, err
			}
		}
	}
	if err := flush(); err != nil {
		return dwmon.FetchSummary{}, err
	}
	if s.Half {
		return dwmon.FetchSummary{}, errors.New("the connection was reset in the middle of the result")
	}
	return dwmon.FetchSummary{Rows: rows}, nil
}

// Judged is a verdict as both the engine and the model give it.
type Judged struct {
	Minute         int64
	Line           string
	Count          int64
	Status         dwmon.Status
	Reason         dwmon.Reason
	CatchUp        bool
	Previous       dwmon.Status
	ConsecutiveBad int64
}

// naive is the model.
type naive struct {
	zone    *time.Location
	closed  map[string]bool // by date, YYYY-MM-DD
	catchUp int64           // minutes
	origin  int64
	started bool
	settled int64
	hasS    bool
	rows    map[string]int64
	owes    map[string]int64 // line → first pass's limit; absent: everything
	present map[string]bool
	last    map[string]dwmon.Status
	bad     map[string]int64
}

// see notes which lines are in the file at a pass.
func (n *naive) see(lines []dwmon.Requirement, m int64) {
	now := map[string]bool{}
	for _, l := range lines {
		id := l.Identity()
		now[id] = true
		if n.present[id] {
			continue
		}
		delete(n.owes, id)
		if n.started {
			n.owes[id] = m - 60
			if n.hasS && n.settled > n.owes[id] {
				n.owes[id] = n.settled
			}
		}
	}
	n.present = now
	if !n.started {
		n.started, n.origin = true, m
	}
}

// pass does what one successful pass should do, and gives the verdicts and the
// number of minutes lost to gaps.
func (n *naive) pass(lines []dwmon.Requirement, m int64, fetch func() map[string]int64) (judged []Judged, gap int64) {
	if n.hasS && n.settled >= m {
		return nil, 0
	}
	type pair struct {
		minute int64
		line   dwmon.Requirement
	}
	var due []pair
	start := n.settled + 60
	if !n.hasS {
		start = n.origin - 60*14_400
	}
	for minute := start; minute <= m; minute += 60 {
		local := time.Unix(minute, 0).In(n.zone)
		for _, l := range lines {
			owes, limited := n.owes[l.Identity()]
			if !l.Matches(local) || limited && minute <= owes || n.closed[local.Format(time.DateOnly)] {
				continue
			}
			rewind := min((l.Lookback+59)/60*10, 14_400)
			if !n.hasS && minute < n.origin-60*(rewind-1) {
				continue
			}
			if minute < m-60*(min(max(rewind, n.catchUp), 14_400)-1) {
				gap++
				continue
			}
			due = append(due, pair{minute, l})
		}
	}
	if len(due) > 0 {
		fetched := fetch()
		if fetched == nil {
			return nil, 0
		}
		for key, us := range fetched {
			if _, known := n.rows[key]; !known {
				n.rows[key] = us
			}
		}
	}
	for _, d := range due {
		id := d.line.Identity()
		j := Judged{Minute: d.minute, Line: id, Status: dwmon.Good, Previous: n.last[id]}
		for _, us := range n.rows {
			low := us > (d.minute-d.line.Lookback)*1e6
			if d.line.HalfOpen {
				low = us >= (d.minute-d.line.Lookback)*1e6
			}
			if low && us < d.minute*1e6 {
				j.Count++
			}
		}
		switch {
		case d.line.Min.Set && j.Count < d.line.Min.N:
			j.Status, j.Reason = dwmon.Bad, dwmon.Low
		case d.line.Max.Set && j.Count > d.line.Max.N:
			j.Status, j.Reason = dwmon.Bad, dwmon.High
		}
		n.bad[id]++
		if j.Status == dwmon.Good {
			n.bad[id] = 0
		}
		j.ConsecutiveBad = n.bad[id]
		j.CatchUp = d.minute < n.origin || m-d.minute > 300
		n.last[id] = j.Status
		judged = append(judged, j)
	}
	n.settled, n.hasS = m, true
	return judged, gap
}

// Options of Live.
type Options struct {
	// Store holds nothing yet.
	Store dwmon.Store
	// Reopen, where it is set, ends the store as a stop does and gives it anew.
	Reopen func() dwmon.Store
	// Passes is the most passes to live through; 0: 60.
	Passes int
}

// Live draws a scenario and lives it: random lines, arrivals, late rows, outages
// of minutes to days, failed fetches, edited files, restarts.
func Live(t *rapid.T, o Options) {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	base, _ := time.Parse(time.RFC3339, rapid.SampledFrom([]string{"2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z", "2026-06-01T00:00:00Z"}).Draw(t, "begin"))
	catchUp := time.Duration(rapid.SampledFrom([]int{30, 240, 1440}).Draw(t, "catch up")) * time.Minute
	source := &Source{Clock: base.UnixMicro()}
	lines := drawLines(t)
	grace := time.Duration(rapid.SampledFrom([]int{0, 0, 30, 90}).Draw(t, "grace")) * time.Second

	var e *engine.Engine
	open := func() {
		e, err = engine.New(engine.Options{
			Store: o.Store, Zone: zone, CatchUp: catchUp,
			Now: func() time.Time { return time.UnixMicro(source.Clock) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open()
	model := &naive{
		zone: zone, catchUp: int64(catchUp / time.Minute), rows: map[string]int64{}, owes: map[string]int64{},
		present: map[string]bool{}, last: map[string]dwmon.Status{}, bad: map[string]int64{},
	}
	passes := o.Passes
	if passes == 0 {
		passes = 60
	}
	serial := 0
	for range rapid.IntRange(1, passes).Draw(t, "passes") {
		ahead := rapid.OneOf(rapid.Just(int64(60)), rapid.Just(int64(60)), rapid.Int64Range(1, 900), rapid.Int64Range(-400, 0), rapid.Int64Range(3600, 3*86400)).Draw(t, "seconds on")
		before := source.Clock
		source.Clock += ahead*1e6 + rapid.Int64Range(0, 999_999).Draw(t, "micros")
		arrive(t, source, before, &serial)
		source.Down = rapid.IntRange(0, 6).Draw(t, "down") == 0
		source.Half = rapid.IntRange(0, 9).Draw(t, "half") == 0
		if rapid.IntRange(0, 9).Draw(t, "edit") == 0 {
			lines = drawLines(t)
		}
		if rapid.IntRange(0, 9).Draw(t, "edit the calendar") == 0 {
			model.closed = drawClosed(t, time.UnixMicro(source.Clock).In(zone))
		}
		if o.Reopen != nil && rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
			o.Store = o.Reopen()
			open()
		}
		step(t, e, o.Store, model, source, checkerOf(lines, grace))
	}
}

// step does one pass on both sides and compares.
func step(t *rapid.T, e *engine.Engine, store dwmon.Store, model *naive, source *Source, c *dwmon.Checker) {
	now := time.UnixMicro(source.Clock)
	m := dwmon.Slot(now, c.Options.Grace)
	ahead := model.hasS && model.settled > now.Unix()+300
	report := e.Pass(context.Background(), &engine.Job{Checker: c, Getter: source, Closed: closedDays(model.closed)}, now, true)
	model.see(c.Lines, m)
	var want []Judged
	var gap int64
	failed := false
	if !ahead {
		want, gap = model.pass(c.Lines, m, func() map[string]int64 {
			if failed = source.Down || source.Half; failed {
				return nil
			}
			rows := map[string]int64{}
			for _, ev := range slices.Backward(source.Events) {
				if _, twice := rows[ev.Key]; !twice && ev.Arrives <= source.Clock && ev.Micros <= source.Clock+86400*1e6 {
					rows[ev.Key] = ev.Micros
				}
			}
			return rows
		})
	}
	if (report.Err != nil) != (failed || ahead) {
		t.Fatalf("pass at %s: error %v; the fetch failed: %v, the walk was ahead: %v", now.UTC(), report.Err, failed, ahead)
	}
	p, err := store.Progress(context.Background(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	var got []Judged
	for _, v := range report.Results {
		got = append(got, Judged{v.Minute, p.Lines[v.LineIndex].Identity(), v.Count, v.Status, v.Reason, v.CatchUp, v.Previous, v.ConsecutiveBad})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("pass at %s, M %s (-model +engine):\n%s", now.UTC(), time.Unix(m, 0).UTC(), diff)
	}
	if report.Gap != gap {
		t.Fatalf("pass at %s: a gap of %d minutes, the model says %d", now.UTC(), report.Gap, gap)
	}
	if model.hasS != (p.Settled != nil) || model.hasS && model.settled != *p.Settled {
		t.Fatalf("pass at %s: settled %v, the model says %d (%v)", now.UTC(), p.Settled, model.settled, model.hasS)
	}
	if (p.Failing != nil) != failed && !ahead && (failed || len(got) > 0) {
		t.Fatalf("pass at %s: failing %+v, but the fetch failed: %v", now.UTC(), p.Failing, failed)
	}
}

// arrive adds the rows that come between two passes: on time, late, again with
// another timestamp, or of a day to come.
func arrive(t *rapid.T, s *Source, before int64, serial *int) {
	for range rapid.IntRange(0, 6).Draw(t, "arrivals") {
		at := rapid.Int64Range(min(before, s.Clock), max(before, s.Clock)).Draw(t, "at")
		ev := Event{Key: fmt.Sprint("k", *serial), Micros: at, Arrives: at}
		*serial++
		switch rapid.IntRange(0, 9).Draw(t, "how") {
		case 0: // late by up to an hour
			ev.Arrives += rapid.Int64Range(0, 3600).Draw(t, "late") * 1e6
		case 1: // long ago
			ev.Micros -= rapid.Int64Range(0, 86400).Draw(t, "older") * 1e6
		case 2: // a key again
			ev.Key = fmt.Sprint("k", rapid.IntRange(0, *serial).Draw(t, "again"))
		case 3: // not an event yet
			ev.Micros += 2 * 86400 * 1e6
		case 4: // on a whole minute, where windows end
			ev.Micros = dwmon.FloorMinute(at/1e6) * 1e6
		}
		s.Events = append(s.Events, ev)
	}
}

// drawClosed closes some of the days around a time, by their dates.
func drawClosed(t *rapid.T, local time.Time) map[string]bool {
	dates := map[string]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "closed days") {
		dates[local.AddDate(0, 0, rapid.IntRange(-2, 4).Draw(t, "days on")).Format(time.DateOnly)] = true
	}
	return dates
}

// closedDays are the dates as the engine takes them.
func closedDays(dates map[string]bool) *dwmon.ClosedDays {
	names := map[dwmon.Day]string{}
	for date := range dates {
		var y, m, d int
		fmt.Sscanf(date, "%d-%d-%d", &y, &m, &d)
		names[dwmon.DayOf(y, time.Month(m), d)] = "a holiday"
	}
	return dwmon.NewClosedDays(names)
}

func checkerOf(lines []dwmon.Requirement, grace time.Duration) *dwmon.Checker {
	c := &dwmon.Checker{Name: "orders", Query: "q", Source: "s", Extra: []byte("{}"), Lines: lines}
	c.Options.Grace = grace
	for _, l := range lines {
		c.Text = append(append(c.Text, l.Identity()...), '\n')
	}
	c.Revision = string(c.Text)
	return c
}

// drawLines draws one to three different lines.
func drawLines(t *rapid.T) []dwmon.Requirement {
	var lines []dwmon.Requirement
	have := map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		r := dwmon.Requirement{
			Hours:    dwmon.HourSet(rapid.OneOf(rapid.Just(uint32(1<<24-1)), rapid.Uint32Range(1, 1<<24-1)).Draw(t, "hours")),
			Minutes:  dwmon.MinuteSet(rapid.SampledFrom([]uint64{1<<60 - 1, dwmon.StepSet(20, 60), dwmon.StepSet(7, 60), 1}).Draw(t, "minutes")),
			Days:     rapid.SampledFrom([]dwmon.DaySet{dwmon.Weekdays | dwmon.Weekends, dwmon.Weekdays, dwmon.Weekends, 1 << time.Sunday}).Draw(t, "days"),
			Lookback: rapid.SampledFrom([]int64{1, 30, 60, 180, 600, 3600, 7200}).Draw(t, "lookback"),
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
