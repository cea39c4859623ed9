package sqlite

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const day = 24 * time.Hour

func (w *world) sweep(keep dwmon.Retention, now time.Time) Swept {
	w.Helper()
	s, err := w.Sweep(w.ctx(), keep, now.UnixMicro())
	w.must(err)
	return s
}

// What a sweep leaves is a filter over the results: those young enough, the last
// one of each line, and those that wait to be told.
func TestSweepAgreesWithAFilter(t *testing.T) {
	type verdict struct {
		lane, minute, line int64
		status             dwmon.Status
		waits              bool
	}
	w := newWorld(t)
	round := 0
	keep := dwmon.Retention{Keep: 40 * day, KeepGood: 10 * day}
	rapid.Check(t, func(rt *rapid.T) {
		round++
		w.sql("DELETE FROM meta WHERE name = 'swept_good'")
		now := time.Unix(epoch0, 0)
		var model []verdict
		last := map[[2]int64]int64{}
		var lanes []*dwmon.Progress
		for i := range 2 {
			lanes = append(lanes, w.checker(fmt.Sprintf("r%d-%d", round, i), epoch0, "UTC", line(1), line(2)))
		}
		for range rapid.IntRange(1, 4).Draw(rt, "sweeps") {
			for _, p := range lanes {
				days := rapid.SliceOfN(rapid.IntRange(0, 60), 0, 12).Draw(rt, "days")
				slices.Sort(days)
				for _, d := range slices.Compact(days) {
					for l := range int64(2) {
						// Late verdicts are at most as late as the walk rewinds.
						v := verdict{lane: p.ID, line: l, minute: now.Unix() - int64(d)*86400/6, status: rapid.SampledFrom([]dwmon.Status{dwmon.Good, dwmon.Good, dwmon.Bad, dwmon.Unknown}).Draw(rt, "status")}
						v.minute = dwmon.FloorMinute(v.minute)
						if slices.ContainsFunc(model, func(o verdict) bool { return o.lane == v.lane && o.minute == v.minute && o.line == v.line }) {
							continue
						}
						var told []string
						if v.waits = rapid.IntRange(0, 4).Draw(rt, "told") == 0; v.waits {
							told = []string{"h"}
						}
						w.judge(p, []mark{{v.minute, int(l), v.status}}, told...)
						model = append(model, v)
						last[[2]int64{p.ID, l}] = v.minute
					}
				}
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 30*24).Draw(rt, "hours")) * time.Hour)
			if rapid.Bool().Draw(rt, "deliver") {
				var outcomes []dwmon.DeliveryOutcome
				for i, d := range w.next("h", math.MaxInt64, 5).Deliveries {
					o := dwmon.DeliveryOutcome{ID: d.ID, At: now.UnixMicro(), State: dwmon.DeliverySent}
					if i%2 == 1 {
						o.State, o.Next = dwmon.DeliveryWaiting, now.UnixMicro()
					} else {
						for k := range model {
							if model[k].lane == d.CheckerID && model[k].minute == d.Result.Minute && int(model[k].line) == d.Result.RequirementIndex {
								model[k].waits = false
							}
						}
					}
					outcomes = append(outcomes, o)
				}
				w.finish(outcomes...)
			}
			w.sweep(keep, now)
			// One that had to stay may have become free long ago: it may go at any
			// later sweep, and must when everything of its age goes.
			got := map[verdict]bool{}
			for _, p := range lanes {
				w.must(w.read(w.ctx(), func(c *conn) error {
					for r, err := range c.query("SELECT v.minute, v.line_position, v.status FROM verdicts v WHERE v.checker_id = ?", p.ID) {
						if err != nil {
							return err
						}
						got[verdict{lane: p.ID, minute: r.int(0), line: r.int(1), status: dwmon.Status(r.int(2))}] = true
					}
					return nil
				}))
			}
			var kept []verdict
			for _, v := range model {
				bare := v
				bare.waits = false
				age := now.Sub(time.Unix(v.minute, 0))
				mustStay := v.waits || last[[2]int64{v.lane, v.line}] == v.minute || age <= keep.KeepGood || v.status != dwmon.Good && age <= keep.Keep
				mustGo := !mustStay && age > keep.Keep
				mayStay := !mustStay && age > keep.KeepGood+15*day
				switch {
				case mustStay && !got[bare]:
					rt.Fatalf("%+v, %s old, is gone", v, age)
				case mustGo && got[bare]:
					rt.Fatalf("%+v, %s old, stayed", v, age)
				case !mustStay && !mayStay && got[bare]:
					rt.Fatalf("%+v, %s old, stayed", v, age)
				}
				if got[bare] {
					kept = append(kept, v)
				}
				delete(got, bare)
			}
			if len(got) > 0 {
				rt.Fatalf("came from nowhere: %v", got)
			}
			model = kept
		}
		for _, p := range lanes {
			w.must(w.Forget(w.ctx(), p.Name))
		}
		w.sql("DELETE FROM deliveries")
	})
}

func TestSweepWorksInSmallSteps(t *testing.T) {
	w := newWorld(t)
	w.fill(3, 7001)
	for i := range 40 {
		w.checker(fmt.Sprint("few", i), epoch0, "UTC", line(1))
	}
	before := w.writer.commits
	s := w.sweep(dwmon.Retention{KeepGood: day}, time.Unix(epoch0+100*86400, 0))
	if s.Verdicts != 21_003 {
		t.Errorf("%d verdicts removed, want 21003", s.Verdicts)
	}
	if n := w.writer.commits - before; n < 10 || n > 20 {
		t.Errorf("%d commits for 21003 rows of 43 checkers", n)
	}
	if s := w.sweep(dwmon.Retention{KeepGood: day}, time.Unix(epoch0+100*86400, 0)); s != (Swept{}) {
		t.Errorf("the next sweep still removed %+v", s)
	}
}

func TestSweepOfEverythingElse(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 6, dwmon.Good), "h")
	at := func(d float64) int64 { return (epoch0 + int64(d*86400)) * 1e6 }
	w.finish(
		dwmon.DeliveryOutcome{ID: 1, State: dwmon.DeliverySent, At: at(0)},
		dwmon.DeliveryOutcome{ID: 2, State: dwmon.DeliverySent, At: at(5)},
		dwmon.DeliveryOutcome{ID: 3, State: dwmon.DeliveryDead, At: at(0)},
	)
	w.sql("UPDATE deliveries SET state = 3, finished = ? WHERE id = 4", at(0))
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		for _, d := range []float64{-500, -380} {
			m := epoch0 + int64(d*86400)
			if err := tx.Settle(p, epoch0+360, []dwmon.Gap{{From: m, To: m, Minutes: 1, Reason: dwmon.GapOff}}); err != nil {
				return err
			}
			if err := tx.AddMissed(p.ID, dwmon.Span{From: m * 1e6, Until: m * 1e6}); err != nil {
				return err
			}
			if _, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: m, Started: m * 1e6, Ended: m * 1e6}); err != nil {
				return err
			}
		}
		return nil
	}))
	now := time.Unix(epoch0, 0).Add(10 * day)
	s := w.sweep(dwmon.DefaultRetention, now)
	want := Swept{Gaps: 1, Spans: 1, Deliveries: 2, Fetches: 2}
	if s != want {
		t.Errorf("swept %+v, want %+v", s, want)
	}
	var left []int64
	for _, r := range w.listed(dwmon.DeliveryFilter{}) {
		left = append(left, r.ID)
	}
	if want := []int64{2, 3, 5, 6}; !slices.Equal(left, want) {
		t.Errorf("deliveries %v stay, want %v", left, want)
	}
	if s := w.sweep(dwmon.Retention{}, now.Add(10_000*day)); s != (Swept{}) {
		t.Errorf("a retention of for ever removed %+v", s)
	}
}

func TestSweepRemovesTextsWithoutResults(t *testing.T) {
	w := newWorld(t)
	texts := func() int64 { return w.count("SELECT count(*) FROM revisions") }
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Bad}})
	w.checker("a", epoch0+60, "UTC", line(2)) // never judged
	p = w.checker("a", epoch0+120, "UTC", line(3))
	w.judge(p, []mark{{epoch0 + 120, 0, dwmon.Bad}})
	p = w.checker("a", epoch0+180, "UTC", line(3), line(4)) // in use
	keep := dwmon.Retention{Keep: 400 * day}
	w.sweep(keep, time.Unix(epoch0, 0).Add(399*day))
	if texts() != 4 {
		t.Errorf("%d texts before their time, want 4", texts())
	}
	// The result of line(3) is that line's last, so its text stays too.
	if s := w.sweep(keep, time.Unix(epoch0, 0).Add(401*day)); s.Verdicts != 1 || s.Revisions != 2 || texts() != 2 {
		t.Errorf("swept %+v, %d texts stay", s, texts())
	}
	if got := w.history(dwmon.HistoryQuery{}); len(got) != 1 || got[0].Result.Owner != "owner of a" {
		t.Errorf("history %v", sayAll(got))
	}
	if again := w.progressOf("a"); again.Revision != p.Revision || len(again.Lines) != 2 {
		t.Errorf("the text in use is %+v", again)
	}
}

func TestPurgedKeysAreRememberedForAWhile(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.keys(p, "k1", "k2", "k3") // fetched at epoch0 + 1 day
	if n, err := w.Purge(w.ctx(), p.ID, epoch0+2); n != 2 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	later := func(d time.Duration) {
		w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
			started := (epoch0+86400)*1e6 + d.Microseconds()
			_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: epoch0, Started: started, Ended: started})
			return err
		}))
	}
	known := func() int64 { return w.count("SELECT count(*) FROM seen WHERE checker_id = ?", p.ID) }
	w.sweep(dwmon.DefaultRetention, time.Unix(epoch0, 0).Add(300*day))
	if known() != 3 {
		t.Error("keys were dropped though no fetch has succeeded since")
	}
	later(7 * day)
	w.sweep(dwmon.DefaultRetention, time.Unix(epoch0, 0).Add(300*day))
	if known() != 3 {
		t.Error("keys were dropped within seven days")
	}
	later(7*day + time.Second)
	if s := w.sweep(dwmon.DefaultRetention, time.Unix(epoch0, 0).Add(300*day)); s.Keys != 2 || known() != 1 {
		t.Errorf("%d keys dropped, %d stay; want the two purged ones gone and the row kept", s.Keys, known())
	}
}

func TestSweepGivesPagesBack(t *testing.T) {
	w := newWorld(t)
	w.fill(4, 50_000)
	before := w.count("SELECT page_count FROM pragma_page_count")
	s := w.sweep(dwmon.Retention{KeepGood: day}, time.Unix(epoch0+400*86400, 0))
	after := w.count("SELECT page_count FROM pragma_page_count")
	if s.Pages == 0 || before-after < s.Pages {
		t.Errorf("%d pages given back, %d before and %d after", s.Pages, before, after)
	}
	if free := w.count("SELECT freelist_count FROM pragma_freelist_count"); free > vacuumFloor && free > after/5 {
		t.Errorf("%d of %d pages are still free", free, after)
	}
	if r := w.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"); r != 1 {
		t.Error("the database is damaged")
	}
}
