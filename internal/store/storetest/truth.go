package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func testOrder(t *testing.T, st dwmon.Store) {
	const far = T0*1e6 + 2*86_400_000_000
	for _, c := range []struct {
		name      string
		rows      []row
		unordered bool
	}{
		{"no rows", nil, false},
		{"one row", []row{{"a", 5}}, false},
		{"newest first", []row{{"a", 5}, {"b", 4}, {"c", -4}}, false},
		{"equal times", []row{{"a", 5}, {"b", 5}, {"c", 5}}, false},
		{"oldest first", []row{{"a", 4}, {"b", 5}}, true},
		{"one row out of order", []row{{"a", 5}, {"b", 3}, {"c", 4}, {"d", 2}}, true},
		{"a row of the far future first", []row{{"a", far}, {"b", 5}, {"c", 4}}, false},
		{"one in between is no row", []row{{"a", 5}, {"b", far}, {"c", 4}}, false},
		{"nothing but the far future", []row{{"a", far}, {"b", far + 1}}, false},
	} {
		for _, size := range []int{1, 2, 5} {
			p := seen(t, st)
			in := intake(t, st, p, T0*1e6, size, c.rows)
			if got := in.Tally().Unordered; got != c.unordered {
				t.Errorf("%s, in batches of %d: Unordered = %v, want %v", c.name, size, got, c.unordered)
			}
			in.Close()
		}
	}
}

func testOldestFresh(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	var rows []row
	for i := range 300 {
		rows = append(rows, row{fmt.Sprintf("k%03d", i), int64(1000 + i)})
	}
	at := int64(T0) * 1e6
	take := func(baseline bool, rows ...row) (got dwmon.Ingested) {
		t.Helper()
		at++
		in := intake(t, st, p, at, 100, rows)
		defer in.Close()
		inTx(t, st, func(tx dwmon.Tx) (err error) {
			got, err = tx.Ingest(p, in, baseline)
			return err
		})
		return got
	}
	for _, c := range []struct {
		name string
		rows []row
		want dwmon.Ingested
	}{
		{"all new", rows, dwmon.Ingested{Fresh: 300, OldestFresh: 1000}},
		{"nothing new", rows, dwmon.Ingested{}},
		{"known rows whose times are older now", []row{{"k005", 1}, {"new", 50}, {"k006", 2}}, dwmon.Ingested{Fresh: 1, OldestFresh: 50}},
		{"new ones among known ones", append([]row{{"k999", 70}, {"k1", -3}}, rows...), dwmon.Ingested{Fresh: 2, OldestFresh: -3}},
		{"a new key twice", []row{{"twice", 40}, {"twice", 30}}, dwmon.Ingested{Fresh: 1, OldestFresh: 40}},
	} {
		if got := take(false, c.rows...); got != c.want {
			t.Errorf("%s: Ingest = %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := take(true, row{"of a baseline", 10}); got != (dwmon.Ingested{Fresh: 1}) {
		t.Errorf("a baseline: Ingest = %+v, want one fresh row without a time", got)
	}
}

func testHoles(t *testing.T, st dwmon.Store) {
	p, other := seen(t, st), seen(t, st)
	span := func(from, until int64) dwmon.Span { return dwmon.Span{From: from, Until: until} }
	add := func(s dwmon.Span) func(dwmon.Tx) error {
		return func(tx dwmon.Tx) error { return tx.AddHole(p.ID, s) }
	}
	fill := func(from int64) func(dwmon.Tx) error {
		return func(tx dwmon.Tx) error { return tx.FillHoles(p.ID, from) }
	}
	inTx(t, st, func(tx dwmon.Tx) error { return tx.AddHole(other.ID, span(1, 9000)) })
	for _, c := range []struct {
		name string
		do   func(dwmon.Tx) error
		want []dwmon.Span
	}{
		{"the first", add(span(dwmon.Forever, 100)), []dwmon.Span{span(dwmon.Forever, 100)}},
		{"one apart", add(span(200, 300)), []dwmon.Span{span(dwmon.Forever, 100), span(200, 300)}},
		{"one that touches", add(span(301, 310)), []dwmon.Span{span(dwmon.Forever, 100), span(200, 310)}},
		{"one of an instant", add(span(500, 500)), []dwmon.Span{span(dwmon.Forever, 100), span(200, 310), span(500, 500)}},
		{"one within another", add(span(220, 230)), []dwmon.Span{span(dwmon.Forever, 100), span(200, 310), span(500, 500)}},
		{"one over two", add(span(90, 250)), []dwmon.Span{span(dwmon.Forever, 310), span(500, 500)}},
		{"filled from behind all", fill(501), []dwmon.Span{span(dwmon.Forever, 310), span(500, 500)}},
		{"filled from the last", fill(500), []dwmon.Span{span(dwmon.Forever, 310)}},
		{"filled in the middle", fill(50), []dwmon.Span{span(dwmon.Forever, 49)}},
		{"another again", add(span(60, 70)), []dwmon.Span{span(dwmon.Forever, 49), span(60, 70)}},
		{"filled", fill(dwmon.Forever), nil},
	} {
		inTx(t, st, c.do)
		inTx(t, st, func(tx dwmon.Tx) error {
			got, err := tx.Holes(p.ID, dwmon.Forever)
			if err == nil && !slices.Equal(got, c.want) {
				t.Errorf("%s: Holes = %v, want %v", c.name, got, c.want)
			}
			return err
		})
		want := int64(-1)
		if n := len(c.want); n > 0 {
			want = c.want[n-1].Until
		}
		if got := deref(progress(t, st, p.Name).HoleUntil); got != want {
			t.Errorf("%s: HoleUntil = %d, want %d", c.name, got, want)
		}
	}
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		if err := tx.AddHole(p.ID, span(1, 2)); err != nil {
			return err
		}
		return errAbort
	})
	if q := progress(t, st, p.Name); err == nil || q.HoleUntil != nil {
		t.Errorf("the hole of a transaction that was undone is kept: %v, %v", err, q.HoleUntil)
	}
	inTx(t, st, func(tx dwmon.Tx) error {
		got, err := tx.Holes(other.ID, 9000)
		if !slices.Equal(got, []dwmon.Span{span(1, 9000)}) {
			t.Errorf("another checker's Holes = %v", got)
		}
		if later, _ := tx.Holes(other.ID, 9001); len(later) != 0 {
			t.Errorf("Holes after the last = %v", later)
		}
		return err
	})
}

// edited sees the checker with another QUERY.
func edited(t testing.TB, st dwmon.Store, p *dwmon.Progress, query string) *dwmon.Progress {
	t.Helper()
	c := checker(p.Name, line(60))
	c.Query, c.Text = query, append(c.Text, query...)
	c.Revision = fmt.Sprintf("%x", c.Text)
	s := sighting(c)
	s.New = false
	return mustSight(t, st, s)
}

func fetched(t testing.TB, st dwmon.Store, p *dwmon.Progress, started int64) *dwmon.Progress {
	t.Helper()
	inTx(t, st, func(tx dwmon.Tx) error {
		_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: T0, Started: started, Ended: started + 1, Reach: started})
		return err
	})
	return progress(t, st, p.Name)
}

func testCountsOf(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	store(t, st, p, row{"a", 10}, row{"b", 20}, row{"c", 30})
	q := edited(t, st, p, "SELECT 2")
	if p.QueryID == q.QueryID || q.QueryID == 0 {
		t.Fatalf("the queries have ids %d and %d", p.QueryID, q.QueryID)
	}
	store(t, st, q, row{"b", 20}, row{"d", 25})
	windows := []dwmon.Window{all, {From: 20, Until: 26}, {From: 30, Until: 30}}
	inTx(t, st, func(tx dwmon.Tx) error {
		before, err := tx.CountsOf(p.ID, p.QueryID, windows)
		if err != nil {
			return err
		}
		after, err := tx.CountsOf(p.ID, q.QueryID, windows)
		if !slices.Equal(before, []int64{3, 1, 0}) || !slices.Equal(after, []int64{1, 1, 0}) {
			t.Errorf("CountsOf = %v of the first query, %v of the second", before, after)
		}
		return err
	})
}

func testQueryFetched(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	look := func(when string, p *dwmon.Progress, fetched int64, changed bool) {
		t.Helper()
		if deref(p.QueryFetched) != fetched || p.QueryChanged != changed {
			t.Errorf("%s: QueryFetched = %d, QueryChanged = %v; want %d, %v", when, deref(p.QueryFetched), p.QueryChanged, fetched, changed)
		}
	}
	look("before the first fetch", p, -1, false)
	p = edited(t, st, p, "SELECT 2")
	look("edited before the first fetch", p, -1, false)
	p = fetched(t, st, p, 100)
	look("after the first fetch", p, 100, false)
	p = fetched(t, st, p, 200)
	look("after the second", p, 100, false)
	p = edited(t, st, p, "SELECT 3")
	look("edited", p, -1, true)
	look("edited, but edited back before a fetch", edited(t, st, p, "SELECT 2"), 100, false)
	p = edited(t, st, p, "SELECT 3")
	inTx(t, st, func(tx dwmon.Tx) error {
		_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Started: 250, Err: errAbort, Failing: &dwmon.Failing{Since: 250, Count: 1}})
		return err
	})
	look("a fetch that failed", progress(t, st, p.Name), -1, true)
	p = fetched(t, st, p, 300)
	look("the first fetch of the edited query", p, 300, true)
	p = fetched(t, st, edited(t, st, p, "SELECT 2"), 400)
	look("edited back", p, 400, true)
	if got := deref(p.Reach); got != 400 {
		t.Errorf("Reach = %d, want 400", got)
	}
}

func testCorrections(t *testing.T, st dwmon.Store) {
	var last int64
	if before, err := st.Corrections(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	} else if len(before) > 0 {
		last = before[len(before)-1].ID
	}
	wide := line(120)
	wide.Max, wide.HalfOpen = dwmon.At(9), true
	p := seen(t, st, line(60), wide)
	low := func(minute int64, index int, count int64) dwmon.Verdict {
		return dwmon.Verdict{Minute: minute, LineID: p.Lines[index].ID, LineIndex: index, Count: count, Status: dwmon.Bad, Reason: dwmon.Low}
	}
	other := low(T0+60, 1, 99)
	other.Reason = dwmon.High
	unknown := low(T0+120, 0, 0)
	unknown.Status, unknown.Reason = dwmon.Unknown, dwmon.Truncated
	for _, r := range []dwmon.Record{
		{EvaluatedAt: 10, Verdicts: []dwmon.Verdict{low(T0, 0, 0), low(T0, 1, 1)}},
		{EvaluatedAt: 20, Verdicts: []dwmon.Verdict{low(T0+60, 0, 0), other, unknown}},
	} {
		r.Progress, r.FetchID, r.Streaks = p, 1, make([]dwmon.Streak, 2)
		inTx(t, st, func(tx dwmon.Tx) error { return tx.Record(r) })
	}
	want := []dwmon.LowVerdict{}
	for _, v := range []dwmon.Verdict{low(T0, 0, 0), low(T0, 1, 1), low(T0+60, 0, 0)} {
		r := p.Lines[v.LineIndex].Requirement
		r.FileLine = 0
		want = append(want, dwmon.LowVerdict{Minute: v.Minute, LineID: v.LineID, LineIndex: v.LineIndex, RevisionID: p.RevisionID, Count: v.Count, Requirement: r})
	}
	lows := func(after, evaluated int64) (got []dwmon.LowVerdict) {
		t.Helper()
		inTx(t, st, func(tx dwmon.Tx) (err error) {
			got, err = tx.Lows(p.ID, after, evaluated)
			return err
		})
		return got
	}
	if got := lows(T0-60, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("Lows = %+v\nwant %+v", got, want)
	}
	if got := lows(T0, 0); !reflect.DeepEqual(got, want[2:]) {
		t.Errorf("Lows after the first minute = %+v", got)
	}
	if got := lows(T0-60, 11); !reflect.DeepEqual(got, want[2:]) {
		t.Errorf("Lows of later fetches = %+v", got)
	}
	first, _ := want[1].Correct(3, dwmon.Good, "", 500)
	second, _ := want[2].Correct(12, dwmon.Bad, dwmon.High, 500)
	inTx(t, st, func(tx dwmon.Tx) error { return tx.Correct(p.ID, []dwmon.Correction{first, second}) })
	if got := lows(T0-60, 0); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("Lows after the corrections = %+v, want %+v", got, want[:1])
	}
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error { return tx.Correct(p.ID, []dwmon.Correction{first}) })
	if err == nil {
		t.Error("a verdict was corrected twice")
	}
	got, err := st.Corrections(t.Context(), last, 0)
	if err != nil || len(got) != 2 || got[0].ID <= last || got[1].ID <= got[0].ID {
		t.Fatalf("Corrections = %+v, %v", got, err)
	}
	for i, k := range []dwmon.Correction{first, second} {
		k.ID, k.CheckerName, k.Requirement = got[i].ID, p.Name, p.Lines[k.LineIndex].Identity()
		if got[i] != k {
			t.Errorf("correction %d is %+v, want %+v", i, got[i], k)
		}
	}
	if one, err := st.Corrections(t.Context(), last, 1); err != nil || !slices.Equal(one, got[:1]) {
		t.Errorf("one of the Corrections = %+v, %v", one, err)
	}
	if rest, err := st.Corrections(t.Context(), got[0].ID, 0); err != nil || !slices.Equal(rest, got[1:]) {
		t.Errorf("Corrections after the first = %+v, %v", rest, err)
	}
}

// askedQuery is what a successful fetch has asked, and its start.
type askedQuery struct{ query, started int64 }

// askedNow derives from all that was asked since when the present query is.
func (m *modelChecker) askedNow() {
	p := &m.progress
	p.QueryFetched, p.QueryChanged = nil, false
	present := true
	for _, a := range slices.Backward(m.asked) {
		present = present && a.query == p.QueryID
		if present {
			started := a.started
			p.QueryFetched = &started
		} else {
			p.QueryChanged = true
		}
	}
}

func (m *modelChecker) sightQuery(rt *rapid.T, query string, id int64) {
	if known, ok := m.query[query]; ok && known != id || id == 0 {
		rt.Errorf("the query has id %d, had %d", id, known)
	}
	m.query[query], m.progress.QueryID = id, id
	m.askedNow()
}

func (m *modelChecker) checkCountsOf(rt *rapid.T, tx dwmon.Tx, windows []dwmon.Window) error {
	want := make([]int64, len(windows))
	for _, r := range m.seen {
		for i, w := range windows {
			if r.counts && r.query == m.progress.QueryID && w.From <= r.ts && r.ts < w.Until {
				want[i]++
			}
		}
	}
	got, err := tx.CountsOf(m.progress.ID, m.progress.QueryID, windows)
	if err == nil && !slices.Equal(got, want) {
		rt.Errorf("CountsOf(%v) = %v, want %v", windows, got, want)
	}
	return err
}

// holeSpan is how many microseconds the model of holes knows.
const holeSpan = 60

// holes adds a hole or fills some: the model knows of each microsecond whether it
// lies in one.
func (m *machine) holes(rt *rapid.T) {
	c := m.pick(rt)
	from := rapid.Int64Range(0, holeSpan-1).Draw(rt, "from")
	until := min(from+rapid.Int64Range(0, 20).Draw(rt, "length"), holeSpan-1)
	fill := rapid.IntRange(0, 3).Draw(rt, "fill") == 0
	undo := rapid.IntRange(0, 4).Draw(rt, "undo") == 0
	after := c.clone()
	err := m.st.InTx(context.Background(), func(tx dwmon.Tx) error {
		var err error
		if fill {
			err = tx.FillHoles(c.progress.ID, from)
		} else {
			err = tx.AddHole(c.progress.ID, dwmon.Span{From: from, Until: until})
		}
		if undo {
			return errAbort
		}
		return err
	})
	if (err != nil) != undo {
		rt.Fatalf("InTx: %v", err)
	}
	if undo {
		return
	}
	for at := from; at < holeSpan && (fill || at <= until); at++ {
		if after.holes[at] = !fill; fill {
			delete(after.holes, at)
		}
	}
	after.progress.HoleUntil = nil
	for at := range int64(holeSpan) {
		if after.holes[at] {
			after.progress.HoleUntil = &at
		}
	}
	*c = *after
}

func (m *modelChecker) checkHoles(rt *rapid.T, tx dwmon.Tx) error {
	var want []dwmon.Span
	for at := range int64(holeSpan) {
		switch n := len(want); {
		case !m.holes[at]:
		case n > 0 && want[n-1].Until == at-1:
			want[n-1].Until = at
		default:
			want = append(want, dwmon.Span{From: at, Until: at})
		}
	}
	got, err := tx.Holes(m.progress.ID, dwmon.Forever)
	if err == nil && !slices.Equal(got, want) {
		rt.Errorf("Holes = %v, want %v", got, want)
	}
	return err
}
