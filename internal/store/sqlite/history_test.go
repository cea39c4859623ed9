package sqlite

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func (w *world) history(q dwmon.HistoryQuery) (entries []dwmon.Entry) {
	w.Helper()
	w.must(w.History(w.ctx(), q, func(e dwmon.Entry) error {
		entries = append(entries, e)
		return nil
	}))
	return entries
}

// say writes an entry in short.
func say(e dwmon.Entry) string {
	switch {
	case e.Gap != nil:
		return fmt.Sprintf("%s/%d gap %d-%d %d %s", e.Gap.CheckerName, e.Gap.RequirementIndex, e.Gap.From, e.Gap.To, e.Gap.Minutes, e.Gap.Reason)
	case e.Off != nil && e.Off.To == nil:
		return fmt.Sprintf("%s off %d- %s", e.Off.CheckerName, e.Off.From, e.Off.Reason)
	case e.Off != nil:
		return fmt.Sprintf("%s off %d-%d %s", e.Off.CheckerName, e.Off.From, *e.Off.To, e.Off.Reason)
	default:
		return fmt.Sprintf("%s/%d %d %s", e.Result.CheckerName, e.Result.RequirementIndex, e.Result.Minute, e.Result.Status)
	}
}

func sayAll(entries []dwmon.Entry) (texts []string) {
	for _, e := range entries {
		texts = append(texts, say(e))
	}
	return texts
}

// A history is a sort and a filter over everything; pages and merges must not show.
func TestHistoryAgreesWithASort(t *testing.T) {
	type known struct {
		minute, last int64 // of a span
		name         string
		line, kind   int
		id           int
		text         string
	}
	w := newWorld(t)
	names := []string{"a", "b/c", "b c", "Z"}
	var checkers []*dwmon.Progress
	for _, name := range names {
		checkers = append(checkers, w.checker(name, epoch0, "UTC", line(1), line(2), line(3)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		for _, table := range []string{"verdicts", "gaps", "spans"} {
			w.sql("DELETE FROM " + table)
		}
		w.sql("UPDATE checkers SET off_since = NULL, off_reason = NULL")
		var model []known
		for i, p := range checkers {
			for _, m := range rapid.SliceOfNDistinct(rapid.Int64Range(0, 40), 0, 25, func(m int64) int64 { return m }).Draw(rt, "minutes") {
				minute := epoch0 + 60*m
				for l := range 3 {
					if !rapid.Bool().Draw(rt, "due") {
						continue
					}
					w.sql(`INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
						VALUES (?, ?, ?, ?, 1, 1, 0, 0, 0, 0, ?, 0)`, p.ID, minute, p.Lines[l].ID, l, p.RevisionID)
					model = append(model, known{minute, minute, names[i], l, 2, 0, fmt.Sprintf("%s/%d %d GOOD", names[i], l, minute)})
				}
			}
			for n := range rapid.IntRange(0, 4).Draw(rt, "gaps") {
				from, l := epoch0+60*rapid.Int64Range(0, 40).Draw(rt, "from"), rapid.IntRange(0, 2).Draw(rt, "line")
				to := from + 60*rapid.Int64Range(0, 20).Draw(rt, "length")
				w.sql(`INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) VALUES (?, ?, ?, ?, ?, ?, 'not_running')`,
					p.ID, p.Lines[l].ID, l, from, to, n)
				model = append(model, known{from, to, names[i], l, 0, n, fmt.Sprintf("%s/%d gap %d-%d %d not_running", names[i], l, from, to, n)})
			}
			if rapid.Bool().Draw(rt, "off") {
				from := epoch0 + 60*rapid.Int64Range(0, 40).Draw(rt, "off since")
				w.sql("INSERT INTO spans (checker_id, kind, from_time, until_time, reason) VALUES (?, 'off', ?, ?, 'away'), (?, 'missed', 1, 2, '')", p.ID, from, from+600, p.ID)
				model = append(model, known{from, from + 540, names[i], -1, 1, 1, fmt.Sprintf("%s off %d-%d away", names[i], from, from+600)})
				w.sql("UPDATE checkers SET off_since = ?, off_reason = 'disabled' WHERE id = ?", from+900, p.ID)
				model = append(model, known{from + 900, 1 << 62, names[i], -1, 1, 0, fmt.Sprintf("%s off %d- disabled", names[i], from+900)})
			}
		}
		q := dwmon.HistoryQuery{
			Name:  rapid.SampledFrom(append(names, "")).Draw(rt, "name"),
			Limit: rapid.SampledFrom([]int{0, 0, 1, 7, 1000}).Draw(rt, "limit"),
		}
		bound := rapid.Custom(func(rt *rapid.T) *int64 {
			if rapid.Bool().Draw(rt, "bounded") {
				return nil
			}
			at := epoch0 + 60*rapid.Int64Range(0, 60).Draw(rt, "at")
			return &at
		})
		q.Since, q.Until = bound.Draw(rt, "since"), bound.Draw(rt, "until")
		slices.SortStableFunc(model, func(a, b known) int {
			return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.name, b.name), cmp.Compare(a.line, b.line), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
		})
		var want []string
		for _, k := range model {
			if (q.Name == "" || q.Name == k.name) && (q.Since == nil || k.last >= *q.Since) && (q.Until == nil || k.minute < *q.Until) {
				want = append(want, k.text)
			}
		}
		if q.Limit > 0 && len(want) > q.Limit {
			want = want[len(want)-q.Limit:]
		}
		// A page of one entry makes every step cross the end of a page.
		h, err := w.newTimeline(w.ctx(), q)
		w.must(err)
		h.page = 1
		var small []string
		w.must(h.each(w.ctx(), func(p *placed) error { small = append(small, say(p.entry)); return nil }))
		if q.Limit == 0 && !slices.Equal(small, want) {
			rt.Fatalf("with small pages\n%q, want\n%q", small, want)
		}
		if got := sayAll(w.history(q)); !slices.Equal(got, want) {
			rt.Fatalf("got\n%q, want\n%q", got, want)
		}
	})
}

func TestHistoryAsJSON(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "America/New_York", line(5))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Good}})
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		return tx.Settle(p, epoch0+300, []dwmon.Gap{{Line: 0, From: epoch0 + 120, To: epoch0 + 300, Minutes: 4, Reason: dwmon.GapFetchFailed}})
	}))
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+360, dwmon.OffAway))
	got := ""
	for _, e := range w.history(dwmon.HistoryQuery{Name: "a"}) {
		text, err := json.Marshal(e)
		w.must(err)
		got += string(text) + "\n"
	}
	want := fmt.Sprintf(`{"checker_name":"a","event_count":%d,"min_required":5,"max_allowed":null,"check_status":"GOOD","minute_epoch":%d,"minute_local_time":"2025-06-15 20:01:00","lookback_seconds":180,"reason":null,"requirement":%q,"requirement_index":0,"time_zone":"America/New_York","source":"AWS","owner":"owner of a","labels":{"team":"a"},"catch_up":false,"evaluated_at":%d.000001,"previous_status":null,"consecutive_bad":0,"corrected":null}
{"gap":true,"checker_name":"a","requirement_index":0,"from_minute_epoch":%d,"to_minute_epoch":%d,"minutes":4,"reason":"fetch_failed"}
{"off":true,"checker_name":"a","from_minute_epoch":%d,"to_minute_epoch":null,"reason":"away"}
`, (epoch0+60)%97, epoch0+60, line(5).Identity(), epoch0+60, epoch0+120, epoch0+300, epoch0+360)
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestHistoryKeepsTheTextThatMadeAResult(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(5), line(6))
	w.judge(p, []mark{{epoch0 + 60, 1, dwmon.Good}})
	p = w.checker("a", epoch0+60, "Europe/Berlin", line(6))
	w.judge(p, []mark{{epoch0 + 120, 0, dwmon.Bad}})
	got := w.history(dwmon.HistoryQuery{})
	if len(got) != 2 {
		t.Fatalf("%d entries", len(got))
	}
	a, b := got[0].Result, got[1].Result
	if a.RequirementIndex != 1 || a.TimeZone != "UTC" || b.RequirementIndex != 0 || b.TimeZone != "Europe/Berlin" || b.LocalTime != "2025-06-16 02:02:00" || b.Previous != dwmon.Good {
		t.Errorf("results %+v and %+v", *a, *b)
	}
	if a.Requirement != b.Requirement {
		t.Errorf("one line has two identities: %q and %q", a.Requirement, b.Requirement)
	}
}

func TestHistoryOfNobody(t *testing.T) {
	w := newWorld(t)
	err := w.History(w.ctx(), dwmon.HistoryQuery{Name: "never"}, func(dwmon.Entry) error { return nil })
	if !errors.Is(err, dwmon.ErrNoChecker) {
		t.Errorf("error %v", err)
	}
	if got := w.history(dwmon.HistoryQuery{Limit: 20}); got != nil {
		t.Errorf("a database without checkers has %v", got)
	}
	stop := errors.New("stop")
	w.judge(w.checker("a", epoch0, "UTC", line(1)), minutes(epoch0+60, 3, dwmon.Good))
	if err := w.History(w.ctx(), dwmon.HistoryQuery{}, func(dwmon.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's error came back as %v", err)
	}
}

// fill stores n verdicts for each of so many checkers by plain SQL.
func (w *world) fill(checkers, n int) {
	w.Helper()
	for i := range checkers {
		p := w.checker(fmt.Sprintf("c%03d", i), epoch0, "UTC", line(1))
		w.sql(`WITH RECURSIVE m (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM m WHERE i < ?1)
			INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
			SELECT ?2, ?3 + 60 * i, ?4, 0, i, 1, 0, 1, 0, 0, ?5, 0 FROM m`, n, p.ID, epoch0, p.Lines[0].ID, p.RevisionID)
	}
}

func TestLongHistoryStreams(t *testing.T) {
	w := newWorld(t)
	w.fill(50, 4000)
	start := time.Now()
	var last place
	var n int
	var peak uint64
	w.must(w.History(w.ctx(), dwmon.HistoryQuery{}, func(e dwmon.Entry) error {
		at := place{minute: e.Result.Minute, name: e.Result.CheckerName}
		if n > 0 && last.compare(at) >= 0 {
			return fmt.Errorf("%v comes after %v", at, last)
		}
		last = at
		if n++; n%50_000 == 0 {
			runtime.GC()
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return nil
	}))
	if n != 200_000 {
		t.Errorf("%d results, want 200000", n)
	}
	if peak > 40<<20 { // all of them are about 100 MiB
		t.Errorf("%d MiB held while streaming", peak>>20)
	}
	t.Logf("%d results, %.0f a second, %d KiB held", n, float64(n)/time.Since(start).Seconds(), peak>>10)

	var newest []dwmon.Entry
	start = time.Now()
	newest = w.history(dwmon.HistoryQuery{Limit: 100})
	if len(newest) != 100 || newest[99].Result.CheckerName != "c049" || newest[0].Result.Minute != epoch0+60*3999 {
		t.Errorf("the newest 100 begin with %v", say(newest[0]))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the newest 100 took %s", took)
	}
}
