package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
)

var _ deliver.Store = (*DB)(nil)

func (w *world) next(handler string, now int64, limit int, skip ...int64) dwmon.DeliveryBatch {
	w.Helper()
	q := dwmon.DeliveryQuery{Handler: handler, Now: now, Limit: limit, Skip: map[int64]bool{}}
	for _, id := range skip {
		q.Skip[id] = true
	}
	b, err := w.NextDeliveries(w.ctx(), q)
	w.must(err)
	return b
}

func (w *world) finish(outcomes ...dwmon.DeliveryOutcome) {
	w.Helper()
	w.must(w.FinishDeliveries(w.ctx(), outcomes))
}

func (w *world) listed(f dwmon.DeliveryFilter) (records []dwmon.DeliveryRecord) {
	w.Helper()
	w.must(w.Deliveries(w.ctx(), f, func(r dwmon.DeliveryRecord) error {
		records = append(records, r)
		return nil
	}))
	return records
}

func TestDeliveryHoldsTheWholeResult(t *testing.T) {
	w := newWorld(t)
	p := w.checker("billing/new", epoch0, "Asia/Kolkata", line(5), line(9))
	w.judge(p, []mark{{epoch0 + 60, 1, dwmon.Bad}}, "slack")
	b := w.next("slack", 0, 10)
	if len(b.Deliveries) != 1 {
		t.Fatalf("%d deliveries, want 1", len(b.Deliveries))
	}
	inst, err := w.Installation(w.ctx())
	w.must(err)
	d := b.Deliveries[0]
	if len(inst) != 32 || d.Key != dwmon.IdempotencyKey(inst, "billing/new", epoch0+60, p.Lines[1].ID) {
		t.Errorf("key %q", d.Key)
	}
	if d.CheckerID != p.ID || d.File != "checks/billing/new.dwmon" || d.Revision != p.Revision || string(d.Extra) != `{"n": 1.0}` ||
		d.Created != w.clock.UnixMicro() || d.Attempts != 0 || d.Notice != nil {
		t.Errorf("delivery %+v", d)
	}
	got, err := json.Marshal(d.Result)
	w.must(err)
	want := fmt.Sprintf(`{"checker_name":"billing/new","event_count":%d,"min_required":9,"max_allowed":null,"check_status":"BAD",`+
		`"minute_epoch":%d,"minute_local_time":"2025-06-16 05:31:00","lookback_seconds":180,"reason":"low","requirement":%q,`+
		`"requirement_index":1,"time_zone":"Asia/Kolkata","source":"AWS","owner":"owner of billing/new","labels":{"team":"billing/new"},`+
		`"catch_up":false,"evaluated_at":%d.000001,"previous_status":null,"consecutive_bad":1,"corrected":null}`,
		(epoch0+60)%97, epoch0+60, line(9).Identity(), epoch0+60)
	if string(got) != want {
		t.Errorf("result\n%s, want\n%s", got, want)
	}
}

func TestNextDeliveriesSharesTheLimit(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"long", "b", "c"} {
		p := w.checker(name, epoch0, "UTC", line(1))
		n := 3
		if name == "long" {
			n = 100
		}
		w.judge(p, minutes(epoch0+60, n, dwmon.Good), "h")
	}
	var got []string
	for _, d := range w.next("h", 0, 9).Deliveries {
		got = append(got, fmt.Sprint(d.CheckerName, (d.Result.Minute-epoch0)/60))
	}
	if want := []string{"long1", "long2", "long3", "b1", "b2", "b3", "c1", "c2", "c3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(w.next("nobody", 0, 9).Deliveries); n != 0 {
		t.Errorf("%d deliveries for a handler that was never told", n)
	}
}

func TestBackoffOfAClockThatWasSetBackIsOver(t *testing.T) {
	w := newWorld(t)
	w.judge(w.checker("a", epoch0, "UTC", line(1)), minutes(epoch0+60, 1, dwmon.Good), "h")
	now := w.clock.UnixMicro()
	for wait, want := range map[time.Duration]int{24 * time.Hour: 0, 365 * 24 * time.Hour: 1} {
		w.finish(dwmon.DeliveryOutcome{ID: 1, State: dwmon.DeliveryWaiting, At: now, Next: now + wait.Microseconds()})
		if got := len(w.next("h", now, 10).Deliveries); got != want {
			t.Errorf("%d deliveries while one waits for %s, want %d", got, wait, want)
		}
	}
}

func TestDeliveryWhoseVerdictIsGoneDoesNotBlock(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 3, dwmon.Good), "h")
	w.sql("DELETE FROM verdicts WHERE minute = ?", epoch0+60)
	if got := w.next("h", 0, 10).Deliveries; len(got) != 2 {
		t.Errorf("%d deliveries, want the two that can be made", len(got))
	}
	if got := w.listed(dwmon.DeliveryFilter{States: []dwmon.DeliveryState{dwmon.DeliveryDead}}); len(got) != 1 {
		t.Errorf("dead: %v", got)
	}
}

// A naive outbox is a slice per handler; the store must agree with it whatever
// happens.
func TestOutboxAgreesWithAModel(t *testing.T) {
	w := newWorld(t)
	var checkers []*dwmon.Progress
	for i := range 3 {
		checkers = append(checkers, w.checker(fmt.Sprint("c", i), epoch0, "UTC", line(1)))
	}
	minute := epoch0
	rapid.Check(t, func(rt *rapid.T) {
		w.sql("DELETE FROM deliveries")
		w.sql("DELETE FROM sqlite_sequence WHERE name = 'deliveries'")
		type entry struct {
			id, lane, minute, next, attempts int64
			handler                          string
			state                            dwmon.DeliveryState
		}
		var model []*entry
		handlers := []string{"h", "g"}
		now := int64(0)
		rt.Repeat(map[string]func(*rapid.T){
			"tell": func(rt *rapid.T) {
				p := rapid.SampledFrom(checkers).Draw(rt, "checker")
				n := rapid.IntRange(1, 5).Draw(rt, "n")
				told := rapid.SampledFrom([][]string{{"h"}, {"g"}, {"h", "g"}, {}}).Draw(rt, "handlers")
				marks := minutes(minute+60, n, dwmon.Bad)
				minute += 60 * int64(n)
				w.judge(p, marks, told...)
				for _, m := range marks {
					for _, h := range told {
						model = append(model, &entry{id: int64(len(model) + 1), lane: p.ID, minute: m.minute, handler: h})
					}
				}
			},
			"deliver": func(rt *rapid.T) {
				h := rapid.SampledFrom(handlers).Draw(rt, "handler")
				limit := rapid.IntRange(1, 8).Draw(rt, "limit")
				skip := rapid.SampledFrom([]int64{0, 1, 2, 3}).Draw(rt, "skip")
				b := w.next(h, now, limit, skip)
				heads := map[int64][]*entry{}
				var soonest int64
				blocked := map[int64]bool{}
				for _, e := range model {
					if e.handler != h || e.state != dwmon.DeliveryWaiting || e.lane == skip || blocked[e.lane] {
						continue
					}
					if e.next > now {
						if len(heads[e.lane]) == 0 && (soonest == 0 || e.next < soonest) {
							soonest = e.next
						}
						blocked[e.lane] = true
						continue
					}
					heads[e.lane] = append(heads[e.lane], e)
				}
				if b.Next != soonest {
					rt.Fatalf("Next is %d, want %d", b.Next, soonest)
				}
				if len(b.Deliveries) > limit || len(b.Deliveries) == 0 && len(heads) > 0 {
					rt.Fatalf("%d deliveries of %d lanes, limit %d", len(b.Deliveries), len(heads), limit)
				}
				failed := map[int64]bool{}
				var outcomes []dwmon.DeliveryOutcome
				for _, d := range b.Deliveries {
					want := heads[d.CheckerID]
					if len(want) == 0 || want[0].id != d.ID || want[0].attempts != d.Attempts || want[0].minute != d.Result.Minute {
						rt.Fatalf("delivery %+v is not the next of its lane", d)
					}
					e := want[0]
					heads[d.CheckerID] = want[1:]
					if failed[d.CheckerID] {
						continue
					}
					o := dwmon.DeliveryOutcome{ID: d.ID, At: now}
					o.State = rapid.SampledFrom([]dwmon.DeliveryState{dwmon.DeliverySent, dwmon.DeliveryDead, dwmon.DeliveryWaiting}).Draw(rt, "outcome")
					if o.State != dwmon.DeliverySent {
						o.Error = "refused"
					}
					if o.State == dwmon.DeliveryWaiting {
						o.Next = now + rapid.Int64Range(1, 10).Draw(rt, "wait")
						failed[d.CheckerID] = true
					}
					outcomes = append(outcomes, o)
					e.state, e.next, e.attempts = o.State, o.Next, e.attempts+1
				}
				w.finish(outcomes...)
			},
			"wait": func(rt *rapid.T) { now += rapid.Int64Range(1, 12).Draw(rt, "time") },
			"": func(rt *rapid.T) {
				got := w.listed(dwmon.DeliveryFilter{})
				if len(got) != len(model) {
					rt.Fatalf("%d deliveries listed, want %d", len(got), len(model))
				}
				waiting := map[string]int64{}
				for i, e := range model {
					if g := got[i]; g.ID != e.id || g.State != e.state || g.Attempts != e.attempts || g.Next != e.next || g.Minute != e.minute || g.Handler != e.handler {
						rt.Fatalf("listed %+v, want %+v", g, *e)
					}
					if e.state == dwmon.DeliveryWaiting {
						waiting[e.handler]++
					}
				}
				counts, err := w.WaitingHandlers(w.ctx())
				w.must(err)
				for _, c := range counts {
					if c.Count != waiting[c.Handler] {
						rt.Fatalf("%d wait for %s, want %d", c.Count, c.Handler, waiting[c.Handler])
					}
					delete(waiting, c.Handler)
				}
				if len(waiting) > 0 {
					rt.Fatalf("not counted: %v", waiting)
				}
			},
		})
	})
}

func TestListingChooses(t *testing.T) {
	w := newWorld(t)
	a, b := w.checker("a", epoch0, "UTC", line(1)), w.checker("b", epoch0, "UTC", line(1))
	w.judge(a, minutes(epoch0+60, 4, dwmon.Bad), "h", "g")
	w.judge(b, minutes(epoch0+60, 4, dwmon.Bad), "h")
	// By id: a1h a1g a2h a2g a3h a3g a4h a4g b1h b2h b3h b4h
	w.finish(
		dwmon.DeliveryOutcome{ID: 1, State: dwmon.DeliverySent, At: 5},
		dwmon.DeliveryOutcome{ID: 2, State: dwmon.DeliveryDead, At: 5, Error: "gone"},
		dwmon.DeliveryOutcome{ID: 9, State: dwmon.DeliveryDead, At: 5, Error: "gone"},
		dwmon.DeliveryOutcome{ID: 10, State: dwmon.DeliveryWaiting, At: 5, Next: 7_500_000, Error: "busy"},
	)
	cases := []struct {
		name   string
		filter dwmon.DeliveryFilter
		want   []int64
	}{
		{"all", dwmon.DeliveryFilter{}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"the newest", dwmon.DeliveryFilter{Limit: 3}, []int64{10, 11, 12}},
		{"of a handler", dwmon.DeliveryFilter{Handler: "g"}, []int64{2, 4, 6, 8}},
		{"of a checker", dwmon.DeliveryFilter{Checker: "b"}, []int64{9, 10, 11, 12}},
		{"dead", dwmon.DeliveryFilter{States: []dwmon.DeliveryState{dwmon.DeliveryDead}}, []int64{2, 9}},
		{"not delivered", dwmon.DeliveryFilter{States: []dwmon.DeliveryState{dwmon.DeliveryDead, dwmon.DeliveryCollapsed}}, []int64{2, 9}},
		{"sent or dead", dwmon.DeliveryFilter{States: []dwmon.DeliveryState{dwmon.DeliverySent, dwmon.DeliveryDead}}, []int64{1, 2, 9}},
		{"waiting, of both", dwmon.DeliveryFilter{Handler: "h", Checker: "b", States: []dwmon.DeliveryState{dwmon.DeliveryWaiting}}, []int64{10, 11, 12}},
		{"of nobody", dwmon.DeliveryFilter{Handler: "x"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []int64
			for _, r := range w.listed(c.filter) {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	text, err := json.Marshal(w.listed(dwmon.DeliveryFilter{Checker: "b"})[1])
	w.must(err)
	inst, _ := w.Installation(w.ctx())
	want := fmt.Sprintf(`{"key":"%s/b/%d/2","handler":"h","state":"waiting","orphaned":false,"attempts":1,"next_attempt_epoch":%d,"last_error":"busy"}`, inst, epoch0+120, epoch0)
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestTooManyDeliveriesBecomeADigest(t *testing.T) {
	w := newWorld(t)
	a, b := w.checker("a", epoch0, "UTC", line(1)), w.checker("b", epoch0, "UTC", line(1))
	w.judge(a, minutes(epoch0+60, 3000, dwmon.Good), "h")
	w.judge(b, minutes(epoch0+60, 2000, dwmon.Bad), "h", "g")
	collapse := func(keep int64) int64 {
		n, err := w.CollapseDeliveries(w.ctx(), "h", keep, w.clock.UnixMicro())
		w.must(err)
		return n
	}
	if n := collapse(5000); n != 0 {
		t.Errorf("%d collapsed while no more than allowed wait", n)
	}
	if n := collapse(1500); n != 3500 {
		t.Errorf("%d collapsed, want 3500", n)
	}
	batch := w.next("h", 0, 100)
	digest := batch.Deliveries[0]
	if digest.Notice == nil || digest.CheckerID != 0 || digest.Notice.Kind != "digest" {
		t.Fatalf("the first delivery is %+v, want a digest", digest)
	}
	want := "3500 results of 2 checkers were not sent one by one, from 2025-06-16T00:01Z to 2025-06-18T02:00Z: 500 BAD, 0 UNKNOWN, 3000 GOOD"
	if digest.Notice.Summary != want {
		t.Errorf("summary %q, want %q", digest.Notice.Summary, want)
	}
	if want := "b: 500 BAD, 0 UNKNOWN, 0 GOOD\na: 0 BAD, 0 UNKNOWN, 3000 GOOD\n"; digest.Notice.Detail != want {
		t.Errorf("detail %q, want %q", digest.Notice.Detail, want)
	}
	if d := batch.Deliveries[1]; d.CheckerName != "b" || d.Result.Minute != epoch0+60*501 {
		t.Errorf("behind the digest: %s at %d", d.CheckerName, d.Result.Minute)
	}
	if n := len(w.next("g", 0, 3000).Deliveries); n != 2000 {
		t.Errorf("%d wait for the other handler, want 2000", n)
	}
	if n := len(w.listed(dwmon.DeliveryFilter{States: []dwmon.DeliveryState{dwmon.DeliveryCollapsed}})); n != 3500 {
		t.Errorf("%d are shown as collapsed", n)
	}

	t.Run("AnUntriedDigestGrows", func(t *testing.T) {
		collapse(1000)
		d := w.next("h", 0, 100).Deliveries
		if d[0].ID != digest.ID || !strings.HasPrefix(d[0].Notice.Summary, "4000 results") || d[1].Notice != nil {
			t.Errorf("the head is %+v", d[0].Notice)
		}
	})
	t.Run("ATriedDigestDoesNot", func(t *testing.T) {
		w.finish(dwmon.DeliveryOutcome{ID: digest.ID, State: dwmon.DeliveryWaiting, Next: 5, Error: "busy"})
		collapse(900)
		d := w.next("h", math.MaxInt64, 100).Deliveries
		if !strings.HasPrefix(d[0].Notice.Summary, "4000 results") || !strings.HasPrefix(d[1].Notice.Summary, "100 results") || d[0].Key == d[1].Key {
			t.Errorf("the heads are %+v and %+v", d[0].Notice, d[1].Notice)
		}
	})
	t.Run("OneThatWasBeingToldIsSentAllTheSame", func(t *testing.T) {
		w.finish(
			dwmon.DeliveryOutcome{ID: 1, State: dwmon.DeliverySent, At: 9},
			dwmon.DeliveryOutcome{ID: 2, State: dwmon.DeliveryWaiting, At: 9, Next: 10},
		)
		got := w.listed(dwmon.DeliveryFilter{Checker: "a"})
		if got[0].State != dwmon.DeliverySent || got[1].State != dwmon.DeliveryCollapsed {
			t.Errorf("states %v and %v", got[0].State, got[1].State)
		}
	})
}

// Notices about a checker wait in its lane, and are no results.
func TestNoticesOfCheckersCollapseApartFromResults(t *testing.T) {
	w := newWorld(t)
	a, b := w.checker("a", epoch0, "UTC", line(1)), w.checker("b", epoch0, "UTC", line(1))
	w.judge(a, minutes(epoch0+600, 10, dwmon.Bad), "h")
	w.clock = time.Unix(epoch0+7200, 0)
	notice := func(checker *dwmon.Progress, n int) {
		for range n {
			w.sql("INSERT INTO deliveries (handler_id, checker_id, payload, created) VALUES (1, ?, ?, ?)", checker.ID, []byte(`{"kind":"opened"}`), w.clock.UnixMicro())
		}
	}
	notice(a, 3)
	notice(b, 14)
	w.judge(b, minutes(epoch0+7260, 5, dwmon.Good), "h")

	n, err := w.CollapseDeliveries(w.ctx(), "h", 7, w.clock.UnixMicro())
	w.must(err)
	batch := w.next("h", 0, 100).Deliveries
	if n != 25 || len(batch) != 8 || batch[0].Notice == nil || batch[0].Notice.Kind != "digest" {
		t.Fatalf("%d collapsed, %d left with %+v in front", n, len(batch), batch[0])
	}
	want := "10 results and 15 notices of 2 checkers were not sent one by one, from 2025-06-16T00:10Z to 2025-06-16T02:00Z: 10 BAD, 0 UNKNOWN, 0 GOOD"
	if got := batch[0].Notice.Summary; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if got, want := batch[0].Notice.Detail, "a: 10 BAD, 0 UNKNOWN, 0 GOOD and 3 notices\nb: 12 notices\n"; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}
	for i, d := range batch[1:] {
		if isNotice := d.Notice != nil; d.CheckerName != "b" || isNotice != (i < 2) {
			t.Errorf("behind the digest, delivery %d of %s: %+v", i, d.CheckerName, d.Notice)
		}
	}
	n, err = w.CollapseDeliveries(w.ctx(), "h", 3, w.clock.UnixMicro())
	w.must(err)
	grown := w.next("h", 0, 100).Deliveries[0].Notice.Summary
	if n != 4 || !strings.HasPrefix(grown, "12 results and 17 notices of 2 checkers ") || !strings.HasSuffix(grown, "to 2025-06-16T02:02Z: 10 BAD, 0 UNKNOWN, 2 GOOD") {
		t.Errorf("%d more collapsed; the digest says %q", n, grown)
	}
}

// counting takes every result.
type counting struct {
	mu   sync.Mutex
	last map[string]int64
	n    int
	bad  string
}

func (c *counting) HandleCheck(_ context.Context, req dwmon.HandleRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	name := req.Result.CheckerName
	if req.Result.Minute <= c.last[name] {
		c.bad = fmt.Sprintf("%s: minute %d after %d", name, req.Result.Minute, c.last[name])
	}
	c.last[name] = req.Result.Minute
	return nil
}

func (c *counting) HandleNotice(context.Context, dwmon.NoticeRequest) error { return nil }

func TestBacklogDrainsInOrder(t *testing.T) {
	w := newWorld(t)
	total := 0
	for i := range 20 {
		p := w.checker(fmt.Sprint("c", i), epoch0, "UTC", line(1))
		w.judge(p, minutes(epoch0+60, 100*i+1, dwmon.Good), "h")
		total += 100*i + 1
	}
	h := &counting{last: map[string]int64{}}
	d, err := deliver.New(deliver.Options{
		Store: w.DB, Handlers: map[string]deliver.Handler{"h": {CheckHandler: h}}, Log: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	start := time.Now()
	report, err := d.Flush(w.ctx(), w.clock)
	w.must(err)
	if h.n != total || report.Sent != int64(total) || h.bad != "" {
		t.Errorf("told %d of %d, report %+v, order: %q", h.n, total, report, h.bad)
	}
	t.Logf("%d deliveries, %.0f a second", total, float64(total)/time.Since(start).Seconds())
	if counts, err := w.WaitingHandlers(w.ctx()); err != nil || len(counts) != 0 {
		t.Errorf("still waiting: %v, %v", counts, err)
	}
}

// TestLanesReadTheirCheckersOnly sees to it that what a handler is to be told next costs
// nothing for checkers of whom nothing waits: with statistics of many, SQLite would read
// them all rather than follow the lanes.
func TestLanesReadTheirCheckersOnly(t *testing.T) {
	w := newWorld(t)
	err := w.write(w.ctx(), func(tx *Tx) error {
		for _, statement := range []string{
			"ANALYZE",
			"DELETE FROM sqlite_stat1",
			"INSERT INTO sqlite_stat1 VALUES ('checkers', 'sqlite_autoindex_checkers_1', '10000 1')",
			"INSERT INTO sqlite_stat1 VALUES ('deliveries', 'deliveries_waiting', '10 10 1 1')",
			"ANALYZE sqlite_schema",
		} {
			if _, err := tx.exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	w.must(err)
	w.must(w.read(w.ctx(), func(c *conn) error {
		var plan []string
		for r, err := range c.query("EXPLAIN QUERY PLAN "+selectLanes, int64(1)) {
			if err != nil {
				return err
			}
			plan = append(plan, r.text(3))
		}
		if !slices.Contains(plan, "SEARCH c USING INTEGER PRIMARY KEY (rowid=?)") {
			t.Errorf("checkers are not looked up one by one:\n%s", strings.Join(plan, "\n"))
		}
		return nil
	}))
}
