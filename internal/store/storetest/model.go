package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// modelRow is what is known of a key: its timestamp, whether it counts, and which
// query has brought it.
type modelRow struct {
	ts     int64
	counts bool
	query  int64
}

// modelChecker is a checker as it should be: maps and loops, nothing clever.
type modelChecker struct {
	progress dwmon.Progress
	source   []row // what a fetch brings, changed a little before each
	seen     map[string]modelRow
	recorded map[dwmon.RecordedKey]bool
	lines    map[string]dwmon.LineProgress // by identity, those not in use too
	revision map[string]int64              // ids by text and zone
	query    map[string]int64              // ids by QUERY
	asked    []askedQuery                  // by the successful fetches, oldest first
	holes    map[int64]bool                // microseconds around T0 in which rows may be missing
	started  int64
}

func newModelChecker(name string) *modelChecker {
	return &modelChecker{
		progress: dwmon.Progress{Name: name},
		seen:     map[string]modelRow{},
		recorded: map[dwmon.RecordedKey]bool{},
		lines:    map[string]dwmon.LineProgress{},
		revision: map[string]int64{},
		query:    map[string]int64{},
		holes:    map[int64]bool{},
		started:  T0 * 1e6,
	}
}

// ingest is what Tx.Ingest should do.
func (m *modelChecker) ingest(rows []row, started int64, baseline bool) (got dwmon.Ingested) {
	first := map[string]bool{}
	for _, r := range rows {
		if r.ts > started+dwmon.FarFuture.Microseconds() || first[r.key] {
			continue
		}
		first[r.key] = true
		if _, known := m.seen[r.key]; known {
			continue
		}
		if mark := m.progress.PurgeMark; mark != nil && r.ts < *mark*1e6 {
			got.Ignored++
			continue
		}
		m.seen[r.key] = modelRow{r.ts, !baseline, m.progress.QueryID}
		if got.Fresh++; !baseline && (got.Fresh == 1 || r.ts < got.OldestFresh) {
			got.OldestFresh = r.ts
		}
	}
	return got
}

func (m *modelChecker) purge(cutoff int64) (n int64) {
	for key, r := range m.seen {
		if r.counts && r.ts < cutoff*1e6 {
			m.seen[key] = modelRow{r.ts, false, r.query}
			n++
		}
	}
	if mark := m.progress.PurgeMark; mark == nil || *mark < cutoff {
		m.progress.PurgeMark = &cutoff
	}
	return n
}

func (m *modelChecker) counts(windows []dwmon.Window) []int64 {
	counts := make([]int64, len(windows))
	for _, r := range m.seen {
		for i, w := range windows {
			if r.counts && w.From <= r.ts && r.ts < w.Until {
				counts[i]++
			}
		}
	}
	return counts
}

// clone is for a transaction that may be undone.
func (m *modelChecker) clone() *modelChecker {
	c := *m
	c.progress.Lines = slices.Clone(m.progress.Lines)
	c.source, c.seen, c.recorded = slices.Clone(m.source), maps.Clone(m.seen), maps.Clone(m.recorded)
	c.lines, c.revision = maps.Clone(m.lines), maps.Clone(m.revision)
	c.query, c.asked, c.holes = maps.Clone(m.query), slices.Clone(m.asked), maps.Clone(m.holes)
	return &c
}

// machine drives a store and models of a few checkers.
type machine struct {
	t        *testing.T
	st       dwmon.Store
	checkers []*modelChecker
}

func testModel(t *testing.T, st dwmon.Store) {
	m := &machine{t: t, st: st}
	rapid.Check(t, func(rt *rapid.T) {
		m.checkers = nil
		for range 2 {
			c := newModelChecker(newName())
			m.sight(rt, c)
			m.checkers = append(m.checkers, c)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"":       func(rt *rapid.T) { m.check(rt, m.pick(rt)) },
			"pass":   m.pass,
			"pass2":  m.pass,
			"sight":  func(rt *rapid.T) { m.sight(rt, m.pick(rt)) },
			"purge":  m.purge,
			"record": m.record,
			"holes":  m.holes,
			"reopen": m.reopen,
		})
	})
}

func (m *machine) pick(rt *rapid.T) *modelChecker {
	return m.checkers[rapid.IntRange(0, len(m.checkers)-1).Draw(rt, "checker")]
}

// Keys: short ones that share prefixes, one that is empty, some that are not
// UTF-8, some long ones of the same length.
func drawKey(rt *rapid.T) string {
	return rapid.OneOf(
		rapid.StringMatching(`[ab]{0,4}`),
		rapid.StringMatching(`key-00000000-[0-9]{3}`),
		rapid.Custom(func(rt *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(rt, "bytes")) }),
		rapid.Custom(func(rt *rapid.T) string {
			return strings.Repeat("long", 500) + rapid.StringMatching(`[xy]{2}`).Draw(rt, "tail")
		}),
	).Draw(rt, "key")
}

func drawRow(rt *rapid.T) row {
	day := int64(86_400_000_000)
	ts := rapid.OneOf(
		rapid.Int64Range(T0*1e6-300, T0*1e6+300),
		rapid.Int64Range((T0-1000)*1e6, (T0+1000)*1e6),
		rapid.SampledFrom([]int64{T0*1e6 + day, T0*1e6 + 2*day, -1, 0, 1, -dwmon.MaxSeconds * 1e6}),
	).Draw(rt, "ts")
	return row{drawKey(rt), ts}
}

// change changes what the source has, as sources do: new rows at either end,
// rows that leave, times that are corrected, another order.
func (c *modelChecker) change(rt *rapid.T) {
	fresh := rapid.SliceOfN(rapid.Custom(drawRow), 0, 6).Draw(rt, "fresh")
	switch rapid.SampledFrom([]string{"same", "head", "head", "tail", "window", "leave", "middle", "turn", "mix", "again", "times"}).Draw(rt, "change") {
	case "head":
		c.source = append(fresh, c.source...)
	case "tail":
		c.source = append(slices.Clone(c.source), fresh...)
	case "window": // ascending: some leave at the head, some come at the tail
		c.source = append(slices.Clone(c.source[min(len(c.source), len(fresh)):]), fresh...)
	case "leave":
		if len(c.source) > 0 {
			at := rapid.IntRange(0, len(c.source)-1).Draw(rt, "at")
			c.source = slices.Delete(slices.Clone(c.source), at, min(len(c.source), at+len(fresh)))
		}
	case "middle":
		at := rapid.IntRange(0, len(c.source)).Draw(rt, "at")
		c.source = slices.Insert(slices.Clone(c.source), at, fresh...)
	case "turn":
		c.source = slices.Clone(c.source)
		slices.Reverse(c.source)
	case "mix":
		c.source = rapid.Permutation(c.source).Draw(rt, "order")
	case "again":
		c.source = append(slices.Clone(c.source), c.source...)
	case "times":
		c.source = slices.Clone(c.source)
		for i := range c.source {
			c.source[i].ts += int64(len(fresh))
		}
	}
	c.source = c.source[:min(len(c.source), 60)]
}

// pass is a fetch with its commit, which may be undone.
func (m *machine) pass(rt *rapid.T) {
	c := m.pick(rt)
	c.change(rt)
	c.started += rapid.Int64Range(1, 13*3600*1e6).Draw(rt, "later")
	baseline := rapid.IntRange(0, 9).Draw(rt, "baseline") == 0
	undo := rapid.IntRange(0, 4).Draw(rt, "undo") == 0
	failed := rapid.IntRange(0, 5).Draw(rt, "failed") == 0
	after := c.clone()
	want := after.ingest(c.source, c.started, baseline)
	windows := rapid.SliceOfN(rapid.Custom(drawWindow), 0, 12).Draw(rt, "windows")

	p := progress(m.t, m.st, c.progress.Name)
	in := intake(m.t, m.st, p, c.started, rapid.IntRange(1, 20).Draw(rt, "size"), c.source)
	defer in.Close()
	f := dwmon.Fetch{Progress: p, Slot: T0, Started: c.started, Ended: c.started + 7, Baseline: baseline, Tally: in.Tally()}
	f.Reach, f.Skew = c.started-rapid.Int64Range(0, 9).Draw(rt, "behind"), rapid.SampledFrom([]int64{0, 5e6, -7e6}).Draw(rt, "skew")
	if failed {
		after = c.clone()
		f.Err = errAbort
		f.Failing = &dwmon.Failing{Since: c.started, Next: c.started + 60e6, Count: 1, Cause: errAbort.Error()}
		after.progress.Failing = f.Failing
	} else {
		after.fetched(f)
	}
	err := m.st.InTx(context.Background(), func(tx dwmon.Tx) error {
		if _, err := tx.SaveFetch(f); err != nil {
			return err
		}
		if !failed {
			got, err := tx.Ingest(p, in, baseline)
			if err != nil {
				return err
			}
			if got != want {
				rt.Errorf("Ingest = %+v, want %+v", got, want)
			}
		}
		got, err := tx.Counts(p.ID, windows)
		if want := after.counts(windows); err == nil && !reflect.DeepEqual(got, want) {
			rt.Errorf("Counts(%v) inside the transaction = %v, want %v", windows, got, want)
		}
		if err == nil {
			err = after.checkCountsOf(rt, tx, windows)
		}
		if undo {
			return errAbort
		}
		return err
	})
	if (err != nil) != undo {
		rt.Fatalf("InTx: %v", err)
	}
	if !undo {
		*c = *after
	}
}

func (m *modelChecker) fetched(f dwmon.Fetch) {
	p := &m.progress
	p.Fetched, p.FetchedEnd, p.Failing = &f.Started, &f.Ended, nil
	p.Reach, p.Skew = &f.Reach, f.Skew
	m.asked = append(m.asked, askedQuery{p.QueryID, f.Started})
	m.askedNow()
	if f.Baseline && p.Baseline == nil {
		p.Baseline = &f.Started
	}
}

func drawWindow(rt *rapid.T) dwmon.Window {
	from := rapid.Int64Range((T0-1100)*1e6, (T0+1100)*1e6).Draw(rt, "from")
	return dwmon.Window{From: from, Until: from + rapid.SampledFrom([]int64{0, -1, 1, 300, 1e6, 100e6, 1000e6, 1e14}).Draw(rt, "length")}
}

func (m *machine) purge(rt *rapid.T) {
	c := m.pick(rt)
	cutoff := rapid.Int64Range(T0-1100, T0+1100).Draw(rt, "cutoff")
	got, err := m.st.Purge(context.Background(), c.progress.ID, cutoff)
	if want := c.purge(cutoff); got != want || err != nil {
		rt.Errorf("Purge = %d, %v; want %d", got, err, want)
	}
}

// sight sees the checker with other lines, in another zone, or back from an off
// span.
func (m *machine) sight(rt *rapid.T, c *modelChecker) {
	var lines []dwmon.Requirement
	for _, lookback := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 5), 1, 3, rapid.ID[int64]).Draw(rt, "lines") {
		lines = append(lines, line(60*lookback))
	}
	text := checker(c.progress.Name, lines...)
	text.Query = rapid.SampledFrom([]string{"SELECT 1", "SELECT 1", "SELECT 2"}).Draw(rt, "query")
	text.Text = append(text.Text, text.Query...)
	text.Revision = fmt.Sprintf("%x", text.Text)
	s := dwmon.Sighting{
		Checker: text,
		Zone:    rapid.SampledFrom([]string{"UTC", "Europe/Berlin"}).Draw(rt, "zone"),
		Minute:  T0 + 60*rapid.Int64Range(0, 100).Draw(rt, "minute"),
		New:     c.progress.ID == 0,
	}
	if rapid.Bool().Draw(rt, "settles") && !s.New {
		settled := s.Minute - 60
		s.Settled = &settled
	}
	for range lines {
		s.Owes = append(s.Owes, rapid.SampledFrom([]int64{dwmon.OwesAll, s.Minute}).Draw(rt, "owes"))
	}
	got := mustSight(m.t, m.st, s)
	c.sight(rt, s, got)
}

// sight takes the ids from the store and everything else from the sighting.
func (c *modelChecker) sight(rt *rapid.T, s dwmon.Sighting, got *dwmon.Progress) {
	p := &c.progress
	if s.New {
		p.ID, p.Origin = got.ID, s.Minute
	}
	p.Revision, p.Zone, p.RevisionID = s.Checker.Revision, s.Zone, got.RevisionID
	text := fmt.Sprint(p.Revision, p.Zone)
	if id, ok := c.revision[text]; ok && id != got.RevisionID {
		rt.Errorf("the revision has id %d, had %d", got.RevisionID, id)
	}
	c.revision[text] = got.RevisionID
	c.sightQuery(rt, s.Checker.Query, got.QueryID)
	if s.Settled != nil {
		p.Settled = s.Settled
	}
	if len(got.Lines) != len(s.Checker.Lines) {
		rt.Fatalf("%d lines, want %d", len(got.Lines), len(s.Checker.Lines))
	}
	p.Lines = nil
	for i, r := range s.Checker.Lines {
		l, known := c.lines[r.Identity()]
		if !known {
			l.ID = got.Lines[i].ID
		}
		l.Requirement, l.Index, l.OwesAfter = r, i, s.Owes[i]
		c.lines[r.Identity()] = l
		p.Lines = append(p.Lines, l)
	}
}

// record judges a minute, again perhaps, and settles it.
func (m *machine) record(rt *rapid.T) {
	c := m.pick(rt)
	minute := T0 + 60*rapid.Int64Range(0, 12).Draw(rt, "minute")
	p := progress(m.t, m.st, c.progress.Name)
	r := dwmon.Record{Progress: p, FetchID: 1, EvaluatedAt: c.started}
	again := false
	after := c.clone()
	for i, l := range p.Lines {
		streak := l.Streak
		if rapid.Bool().Draw(rt, "due") {
			status := rapid.SampledFrom([]dwmon.Status{dwmon.Good, dwmon.Bad, dwmon.Unknown}).Draw(rt, "status")
			streak = streak.Then(status, minute)
			r.Verdicts = append(r.Verdicts, dwmon.Verdict{Minute: minute, LineID: l.ID, LineIndex: i, Status: status})
			key := dwmon.RecordedKey{Minute: minute, LineID: l.ID}
			again = again || c.recorded[key]
			after.recorded[key] = true
		}
		r.Streaks = append(r.Streaks, streak)
		after.progress.Lines[i].Streak = streak
		kept := after.lines[l.Identity()]
		kept.Streak = streak
		after.lines[l.Identity()] = kept
	}
	if len(r.Verdicts) > 0 && (c.progress.Recorded == nil || *c.progress.Recorded < minute) {
		after.progress.Recorded = &minute
	}
	after.progress.Settled = &minute
	err := m.st.InTx(context.Background(), func(tx dwmon.Tx) error {
		if err := tx.Settle(p, minute, nil); err != nil {
			return err
		}
		return tx.Record(r)
	})
	if (err != nil) != again {
		rt.Fatalf("Record: %v; recorded already: %v", err, again)
	}
	if !again {
		*c = *after
	}
}

func (m *machine) reopen(rt *rapid.T) {
	st, ok := m.st.(Reopener)
	if !ok {
		rt.Skip("the store cannot be reopened")
	}
	m.st = st.Reopen(m.t)
}

// whole is the progress with the minutes that the walk comes by again.
func (c *modelChecker) whole() dwmon.Progress {
	p := c.progress
	p.Lines = slices.Clone(p.Lines)
	for i := range p.Lines {
		l := &p.Lines[i]
		for key := range c.recorded {
			if key.LineID == l.ID && (p.Settled == nil || key.Minute > *p.Settled) {
				l.Judged = append(l.Judged, key.Minute)
			}
		}
		slices.Sort(l.Judged)
	}
	return p
}

// check compares everything that can be asked.
func (m *machine) check(rt *rapid.T, c *modelChecker) {
	if got, want := progress(m.t, m.st, c.progress.Name), c.whole(); !reflect.DeepEqual(*got, want) {
		rt.Errorf("Progress = %+v\nwant %+v", *got, want)
	}
	windows := []dwmon.Window{all, {From: (T0 - 1000) * 1e6, Until: T0 * 1e6}, {From: T0*1e6 - 100, Until: T0*1e6 + 100}}
	if got, want := counts(m.t, m.st, c.progress.ID, windows...), c.counts(windows); !reflect.DeepEqual(got, want) {
		rt.Errorf("Counts = %v, want %v", got, want)
	}
	var times []int64
	for _, r := range c.seen {
		if r.counts {
			times = append(times, r.ts)
		}
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	oldest, newest, ok, err := m.st.Extent(context.Background(), c.progress.ID)
	if err != nil || ok != (len(times) > 0) || ok && (oldest != times[0] || newest != times[len(times)-1]) {
		rt.Errorf("Extent = %d, %d, %v, %v; want the ends of %v", oldest, newest, ok, err, times)
	}
	inTx(m.t, m.st, func(tx dwmon.Tx) error {
		got, err := tx.Recorded(c.progress.ID, T0)
		if err == nil && !maps.Equal(got, c.recorded) {
			rt.Errorf("Recorded = %v, want %v", got, c.recorded)
		}
		if err == nil {
			err = c.checkHoles(rt, tx)
		}
		return err
	})
}
