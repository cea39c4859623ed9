package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// table is a source that knows more than it gives: rows arrive late, a query gives
// some of them, in an order, up to a limit, and a replica lags behind.
type table struct {
	events []Event
	clock  int64
	asOf   *int64
	down   bool
	// limit is that of the query; 0: none. saysCut makes the source say so, rather
	// than the query.
	limit   int
	saysCut bool
	oldest  bool // the oldest rows come first
	odd     bool // the query gives only every other row
}

// visible are the rows that a fetch could give.
func (s *table) visible() (rows []Event) {
	until := s.clock
	if s.asOf != nil {
		until = min(until, *s.asOf)
	}
	for i, ev := range s.events {
		if ev.Arrives <= until && (!s.odd || i%2 == 1) {
			rows = append(rows, ev)
		}
	}
	return rows
}

func (s *table) query() string {
	text := "SELECT key, ts FROM events ORDER BY ts"
	if s.odd {
		text = "SELECT key, ts FROM events WHERE odd ORDER BY ts"
	}
	if !s.oldest {
		text += " DESC"
	}
	if s.limit > 0 && !s.saysCut {
		text += fmt.Sprintf(" LIMIT %d", s.limit)
	}
	return text
}

// GetRows gives what the query asks for.
func (s *table) GetRows(_ context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	if s.down {
		return dwmon.FetchSummary{}, errors.New("the source is down")
	}
	rows := s.visible()
	slices.SortStableFunc(rows, func(a, b Event) int {
		if s.oldest {
			a, b = b, a
		}
		return cmp.Compare(b.Micros, a.Micros)
	})
	summary := dwmon.FetchSummary{DataAsOf: s.asOf}
	if s.limit > 0 && len(rows) >= s.limit {
		rows, summary.Cut = rows[:s.limit], s.saysCut
	}
	summary.Rows = int64(len(rows))
	for chunk := range slices.Chunk(rows, 3) {
		var b dwmon.Batch
		for _, ev := range chunk {
			b.Keys = append(b.Keys, ev.Key...)
			b.Lengths = append(b.Lengths, uint32(len(ev.Key)))
			b.Micros = append(b.Micros, ev.Micros)
		}
		if err := sink(&b); err != nil {
			return summary, err
		}
	}
	return summary, nil
}

// count is how many of some rows lie in the window of a line.
func count(rows []Event, r dwmon.Requirement, minute int64) (n int64) {
	for _, ev := range rows {
		low := ev.Micros > (minute-r.Lookback)*1e6
		if r.HalfOpen {
			low = ev.Micros >= (minute-r.Lookback)*1e6
		}
		if low && ev.Micros < minute*1e6 {
			n++
		}
	}
	return n
}

// judgedLow is a low verdict that may be corrected.
type judgedLow struct {
	line  dwmon.Requirement
	count int64
	gone  bool // another query was asked since, or it was corrected
}

// witness follows the verdicts of a checker with full knowledge of its source.
type witness struct {
	t      *rapid.T
	source *table
	store  dwmon.Store
	// bounded says that no row is later than the grace.
	bounded bool
	asked   bool             // a fetch has succeeded
	odd     bool             // what the last one asked
	changed int64            // the start of the first fetch that asked the same; 0: all have
	stored  map[string]Event // by key: what fetches have given
	own     map[string]bool  // by key: whether one that asked odd was the first to
	lows    map[dwmon.RecordedKey]*judgedLow
	seen    int64 // the last correction
}

// LiveTruth draws a source with a limit, late rows, a lagging replica, outages and
// edited queries, and holds every verdict against the whole truth:
//
//   - BAD low: fewer rows than asked for lie in the window. Where no row is later
//     than the grace, that goes for those that are still to arrive as well.
//   - BAD high: more than allowed, counting only rows that the present query gives.
//   - Where rows are later than the grace, a low verdict is corrected by the first
//     fetch after which it is none, to the count at that fetch, and no other is.
//   - Whatever cannot be known is UNKNOWN; and where everything can, nothing is.
func LiveTruth(t *rapid.T, o Options) {
	base, _ := time.Parse(time.RFC3339, "2026-06-01T00:00:00Z")
	source := &table{clock: base.UnixMicro()}
	grace := time.Duration(rapid.SampledFrom([]int{0, 60, 90, 300}).Draw(t, "grace")) * time.Second
	w := &witness{t: t, source: source, store: o.Store, stored: map[string]Event{}, own: map[string]bool{}, lows: map[dwmon.RecordedKey]*judgedLow{}}
	if w.bounded = rapid.Bool().Draw(t, "bounded lateness"); w.bounded {
		source.limit = rapid.SampledFrom([]int{0, 1, 2, 3, 5, 8, 20}).Draw(t, "limit")
		source.saysCut = rapid.Bool().Draw(t, "says cut")
		source.oldest = rapid.IntRange(0, 4).Draw(t, "order") == 0
	}
	lags := rapid.Bool().Draw(t, "lags")
	edits := rapid.Bool().Draw(t, "edits")
	lines := drawBusyLines(t)
	var e *engine.Engine
	open := func() {
		var err error
		e, err = engine.New(engine.Options{
			Store: w.store, Zone: time.UTC, CatchUp: 4 * time.Hour, Now: func() time.Time { return time.UnixMicro(source.clock) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open()
	for range rapid.IntRange(1, max(o.Passes, 1)).Draw(t, "passes") {
		before := source.clock
		source.clock += 1e6 * rapid.SampledFrom([]int64{60, 60, 60, 60, 60, 61, 59, 120, 300, 17, 3600, 9000}).Draw(t, "seconds on")
		w.arrive(before, grace)
		source.down = rapid.IntRange(0, 5).Draw(t, "down") == 0
		if lags {
			asOf := source.clock - 1e6*rapid.SampledFrom([]int64{0, 0, 20, 60, 61, 119, 300, 900}).Draw(t, "lag")
			source.asOf = &asOf
		}
		if edits && rapid.IntRange(0, 7).Draw(t, "edit") == 0 {
			source.odd = !source.odd
		}
		if o.Reopen != nil && rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
			w.store = o.Reopen()
			open()
		}
		c := checkerOf(lines, grace)
		c.Query = source.query()
		c.Revision += c.Query
		w.pass(e, c)
	}
}

// drawBusyLines draws lines that are judged each minute.
func drawBusyLines(t *rapid.T) (lines []dwmon.Requirement) {
	for _, lookback := range rapid.SliceOfNDistinct(rapid.SampledFrom([]int64{30, 60, 120, 180, 600, 3600}), 1, 2, rapid.ID[int64]).Draw(t, "lookbacks") {
		r := dwmon.Requirement{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Lookback: lookback}
		r.HalfOpen = rapid.Bool().Draw(t, "half open")
		r.Min = dwmon.At(rapid.SampledFrom([]int64{1, 2, 3, 5, 9}).Draw(t, "min"))
		if rapid.Bool().Draw(t, "has max") {
			r.Max = dwmon.At(r.Min.N + rapid.SampledFrom([]int64{0, 1, 2, 5}).Draw(t, "max"))
		}
		lines = append(lines, r)
	}
	return lines
}

// arrive adds the rows of the time since before. Many share a second.
func (w *witness) arrive(before int64, grace time.Duration) {
	for range rapid.SampledFrom([]int{0, 1, 2, 3, 5, 9}).Draw(w.t, "arrivals") {
		// At the end of the time, mostly: there the verdicts are.
		back := rapid.SampledFrom([]int64{0, 1, 5, 20, 30, 30, 55, 60, 120, 180, 600, 7000}).Draw(w.t, "back")
		at := max(before/1e6+1, w.source.clock/1e6-back) * 1e6
		latest := int64(7200)
		if w.bounded {
			latest = int64(grace / time.Second)
		}
		ev := Event{Key: fmt.Sprint("k", len(w.source.events)), Micros: at, Arrives: at}
		ev.Arrives += rapid.SampledFrom([]int64{0, 0, 0, latest, max(latest-1, 0), latest / 2, latest / 60}).Draw(w.t, "late") * 1e6
		w.source.events = append(w.source.events, ev)
	}
}

func (w *witness) pass(e *engine.Engine, c *dwmon.Checker) {
	now := time.UnixMicro(w.source.clock)
	report := e.Pass(context.Background(), &engine.Job{Checker: c, Getter: w.source}, now, true)
	if (report.Err != nil) != (report.Fetched && w.source.down) {
		w.t.Fatalf("pass at %s: error %v; down: %v", now.UTC(), report.Err, w.source.down)
	}
	if !report.Fetched || report.Err != nil {
		return
	}
	if w.asked && w.odd != w.source.odd {
		w.changed = w.source.clock
		for _, low := range w.lows {
			low.gone = true
		}
	}
	w.asked, w.odd = true, w.source.odd
	if w.source.limit == 0 {
		for _, ev := range w.source.visible() {
			if _, known := w.stored[ev.Key]; !known {
				w.stored[ev.Key], w.own[ev.Key] = ev, w.odd
			}
		}
	}
	w.corrections(report)
	for _, v := range report.Results {
		w.judge(c, v)
	}
}

// judge holds one verdict against the truth.
func (w *witness) judge(c *dwmon.Checker, v dwmon.Verdict) {
	r := c.Lines[v.LineIndex]
	arrived := count(w.source.visible(), r, v.Minute)
	whole := *w.source
	whole.clock, whole.asOf = 1<<62, nil
	ever := count(whole.visible(), r, v.Minute)
	at := time.Unix(v.Minute, 0).UTC()
	switch {
	case v.Reason == dwmon.Low:
		if arrived >= r.Min.N || w.bounded && ever >= r.Min.N {
			w.t.Fatalf("minute %s is low with %d of at least %d, but %d rows have arrived and %d will have", at, v.Count, r.Min.N, arrived, ever)
		}
		w.lows[dwmon.RecordedKey{Minute: v.Minute, LineID: v.LineID}] = &judgedLow{line: r, count: v.Count}
	case v.Reason == dwmon.High:
		if arrived <= r.Max.N {
			w.t.Fatalf("minute %s is high with %d of at most %d, but the query gives %d", at, v.Count, r.Max.N, arrived)
		}
	case v.Status == dwmon.Unknown:
		if v.Reason == dwmon.Truncated && w.source.limit == 0 || v.Reason == dwmon.QueryChanged && (v.Minute-r.Lookback)*1e6 >= w.changed {
			w.t.Fatalf("minute %s is UNKNOWN: %s, for no reason", at, v.Reason)
		}
		if v.Reason != dwmon.Truncated && v.Reason != dwmon.QueryChanged {
			w.t.Fatalf("minute %s is UNKNOWN: %s", at, v.Reason)
		}
	}
}

// corrections holds those of a pass against what rows have made of low verdicts.
func (w *witness) corrections(report engine.Report) {
	got, err := w.store.Corrections(context.Background(), w.seen, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	made := map[dwmon.RecordedKey]dwmon.Correction{}
	for _, k := range got {
		if k.CheckerName == report.Checker.Name {
			made[dwmon.RecordedKey{Minute: k.Minute, LineID: k.LineID}] = k
		}
		w.seen = max(w.seen, k.ID)
	}
	if w.bounded {
		if len(made) > 0 {
			w.t.Fatalf("corrections though no row is late: %+v", made)
		}
		return
	}
	var stored, own []Event
	for key, ev := range w.stored {
		stored = append(stored, ev)
		if w.own[key] == w.odd {
			own = append(own, ev)
		}
	}
	for key, low := range w.lows {
		n := count(stored, low.line, key.Minute)
		k, corrected := made[key]
		delete(made, key)
		due := !low.gone && n >= low.line.Min.N && w.source.clock/1e6 <= key.Minute+max(86400, 10*low.line.Lookback)
		if low.line.Max.Set && n > low.line.Max.N && (key.Minute-low.line.Lookback)*1e6 < w.changed && count(own, low.line, key.Minute) <= low.line.Max.N {
			due = false // rows of another query may be too many of them
		}
		if corrected != due {
			w.t.Fatalf("minute %s was low with %d, the rows are %d now: corrected %v, want %v", time.Unix(key.Minute, 0).UTC(), low.count, n, corrected, due)
		}
		if !corrected {
			continue
		}
		low.gone = true
		status := dwmon.Good
		if low.line.Max.Set && n > low.line.Max.N {
			status = dwmon.Bad
		}
		if k.CountBefore != low.count || k.CountAfter != n || k.Status != status || k.At != w.source.clock {
			w.t.Fatalf("minute %s was low with %d, the rows are %d now; the correction is %+v", time.Unix(key.Minute, 0).UTC(), low.count, n, k)
		}
	}
	if len(made) > 0 {
		w.t.Fatalf("corrections of verdicts that were not low: %+v", made)
	}
}
