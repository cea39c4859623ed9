package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func (w *world) progressOf(name string) *dwmon.Progress {
	w.Helper()
	p, err := w.Progress(w.ctx(), name)
	w.must(err)
	return p
}

// keys stores keys of a checker, each with its place as timestamp (seconds after epoch0).
func (w *world) keys(p *dwmon.Progress, keys ...string) {
	w.Helper()
	in := w.NewIntake(p, (epoch0+86400)*1e6)
	defer in.Close()
	b := &dwmon.Batch{}
	for i, k := range keys {
		b.Keys = append(b.Keys, k...)
		b.Lengths = append(b.Lengths, uint32(len(k)))
		b.Micros = append(b.Micros, (epoch0+int64(i))*1e6)
	}
	w.must(in.Add(b))
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		if _, err := tx.Ingest(p, in, false); err != nil {
			return err
		}
		_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: epoch0, Started: (epoch0 + 86400) * 1e6, Ended: (epoch0 + 86400) * 1e6})
		return err
	}))
}

func TestAwayAndOff(t *testing.T) {
	w := newWorld(t)
	w.checker("a", epoch0, "UTC", line(1))
	w.must(w.MarkMissing(w.ctx(), "a", epoch0+60))
	w.must(w.MarkMissing(w.ctx(), "a", epoch0+120))
	if p := w.progressOf("a"); p.Missing == nil || *p.Missing != epoch0+60 {
		t.Errorf("missing since %v, want the first slot", p.Missing)
	}
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+60, dwmon.OffDisabled))
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+600, dwmon.OffAway))
	if p := w.progressOf("a"); p.Off == nil || *p.Off != (dwmon.Off{Since: epoch0 + 60, Reason: dwmon.OffAway}) {
		t.Errorf("off %v", p.Off)
	}
	texts, err := w.Texts(w.ctx())
	w.must(err)
	if len(texts) != 1 || texts[0].Name != "a" || texts[0].File != "checks/a.dwmon" || len(texts[0].Text) == 0 ||
		texts[0].Off == nil || *texts[0].Missing != epoch0+60 || texts[0].Revision != w.progressOf("a").Revision {
		t.Errorf("texts %+v", texts)
	}
	w.must(w.ClearMissing(w.ctx(), "a"))
	if p := w.progressOf("a"); p.Missing != nil {
		t.Errorf("missing since %v", *p.Missing)
	}
	for what, err := range map[string]error{
		"MarkMissing": w.MarkMissing(w.ctx(), "never", 0), "ClearMissing": w.ClearMissing(w.ctx(), "never"),
		"SwitchOff": w.SwitchOff(w.ctx(), "never", 0, dwmon.OffAway), "Forget": w.Forget(w.ctx(), "never"),
		"Rename": w.Rename(w.ctx(), "never", "x", false),
	} {
		if !errors.Is(err, dwmon.ErrNoChecker) {
			t.Errorf("%s of a checker that was never seen: %v", what, err)
		}
	}
}

func TestFaultsKeepTheirBeginning(t *testing.T) {
	w := newWorld(t)
	fault := dwmon.FileFault{File: "f", Line: 2, Column: 3, Severity: dwmon.SeverityError, Message: "m", Hint: "h", LineText: "text"}
	w.must(w.SaveFaults(w.ctx(), []dwmon.FaultyFile{{Name: "a", File: "f", Faults: []dwmon.FileFault{fault}, Since: 5}}))
	other := fault
	other.Message = "another"
	w.must(w.SaveFaults(w.ctx(), []dwmon.FaultyFile{{Name: "a", File: "f", Faults: []dwmon.FileFault{fault, other}, Since: 9}, {Name: "b", File: "g", Since: 9}}))
	got, err := w.Faults(w.ctx())
	w.must(err)
	if len(got) != 2 || got[0].Since != 5 || got[1].Since != 9 || !slices.Equal(got[0].Faults, []dwmon.FileFault{fault, other}) {
		t.Errorf("faults %+v", got)
	}
	w.must(w.SaveFaults(w.ctx(), nil))
	if got, err := w.Faults(w.ctx()); err != nil || len(got) != 0 {
		t.Errorf("faults %+v, %v", got, err)
	}
}

func TestSmallThingsAreKept(t *testing.T) {
	w := newWorld(t)
	first, err := w.Installation(w.ctx())
	w.must(err)
	if seen, err := w.SeenRealClock(w.ctx()); seen || err != nil {
		t.Errorf("a new database has seen the real clock: %v, %v", seen, err)
	}
	w.must(w.MarkRealClock(w.ctx()))
	w.must(w.SaveDescribed(w.ctx(), "abc", []byte("old")))
	w.must(w.SaveDescribed(w.ctx(), "abc", []byte("new")))
	w.reopenDB()
	if again, err := w.Installation(w.ctx()); again != first || err != nil {
		t.Errorf("the installation was %s and is %s, %v", first, again, err)
	}
	if seen, err := w.SeenRealClock(w.ctx()); !seen || err != nil {
		t.Errorf("the real clock was forgotten: %v, %v", seen, err)
	}
	if text, ok, err := w.Described(w.ctx(), "abc"); string(text) != "new" || !ok || err != nil {
		t.Errorf("described %q %v %v", text, ok, err)
	}
	if _, ok, err := w.Described(w.ctx(), "def"); ok || err != nil {
		t.Errorf("an unknown plugin is described: %v, %v", ok, err)
	}
	other, err := newWorld(t).Installation(w.ctx())
	w.must(err)
	if other == first {
		t.Error("two databases have one installation id")
	}
}

// After settling forward and backward, each eligible minute up to S is in at most
// one gap, and is in one exactly if it was passed.
func TestSettleLeavesEachMinuteInOneGap(t *testing.T) {
	w := newWorld(t)
	odd := line(1)
	odd.Minutes = 0b1010101010
	names := 0
	rapid.Check(t, func(rt *rapid.T) {
		names++
		name := fmt.Sprint("c", names)
		p := w.checker(name, epoch0, "UTC", line(1), odd)
		judged := rapid.Int64Range(1, 5).Draw(rt, "judged")
		w.judge(p, minutes(epoch0+60, int(judged), dwmon.Good))
		settled := epoch0 + 60*judged
		passed := map[[2]int64]bool{}
		for range rapid.IntRange(1, 5).Draw(rt, "moves") {
			to := epoch0 + 60*rapid.Int64Range(0, 40).Draw(rt, "to")
			got, err := w.SettleTo(w.ctx(), name, to+rapid.Int64Range(0, 59).Draw(rt, "second"), time.UTC, nil)
			w.must(err)
			if got.To != to || *got.From != settled {
				rt.Fatalf("moved %d to %d, want %d to %d", *got.From, got.To, settled, to)
			}
			var fresh int64
			for m := settled + 60; m <= to; m += 60 {
				for l, r := range []dwmon.Requirement{line(1), odd} {
					hasVerdict := l == 0 && m <= epoch0+60*judged
					if r.Matches(time.Unix(m, 0).UTC()) && !hasVerdict {
						passed[[2]int64{m, int64(l)}] = true
						fresh++
					}
				}
			}
			for k := range passed {
				if k[0] > to {
					delete(passed, k)
				}
			}
			if got.Gaps != fresh {
				rt.Fatalf("%d minutes passed, want %d", got.Gaps, fresh)
			}
			settled = to
			if now := w.progressOf(name).Settled; *now != to {
				rt.Fatalf("settled %d, want %d", *now, to)
			}
		}
		covered := map[[2]int64]int{}
		for _, e := range w.history(dwmon.HistoryQuery{Name: name}) {
			if e.Gap == nil {
				continue
			}
			n := int64(0)
			for m := e.Gap.From; m <= e.Gap.To; m += 60 {
				if []dwmon.Requirement{line(1), odd}[e.Gap.RequirementIndex].Matches(time.Unix(m, 0).UTC()) {
					covered[[2]int64{m, int64(e.Gap.RequirementIndex)}]++
					n++
				}
			}
			if n != e.Gap.Minutes || e.Gap.Reason != dwmon.GapSettled {
				rt.Fatalf("%s has %d eligible minutes", say(e), n)
			}
		}
		for k, n := range covered {
			if n != 1 || !passed[k] {
				rt.Fatalf("minute %v is in %d gaps, passed: %v", k, n, passed[k])
			}
		}
		if len(covered) != len(passed) {
			rt.Fatalf("%d minutes in gaps, %d passed", len(covered), len(passed))
		}
		if n := w.count("SELECT count(*) FROM verdicts v JOIN checkers c ON c.id = v.checker_id WHERE c.name = ?", name); n != judged {
			rt.Fatalf("%d verdicts stay, want %d", n, judged)
		}
	})
}

func TestNothingIsStillAtWhereItWasOnceOff(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	still := func() error {
		return w.InTx(w.ctx(), func(tx dwmon.Tx) error { return tx.StillAt(p.ID, p.Settled) })
	}
	w.must(still())
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+60, dwmon.OffDisabled))
	if err := still(); !errors.Is(err, dwmon.ErrMoved) {
		t.Errorf("the error is %v", err)
	}
}

// Verdicts of before a checker was switched off do not help to open an incident once it
// is back, though none was open when it went.
func TestSwitchOffForgetsTrouble(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	bad := dwmon.Streak{}.Then(dwmon.Bad, epoch0)
	bad.Trouble = dwmon.Trouble{Recent: 1, UnknownRun: 2}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		id, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: epoch0, Started: epoch0 * 1e6, Ended: epoch0 * 1e6})
		if err != nil {
			return err
		}
		return tx.Record(dwmon.Record{
			Progress: p, FetchID: id, EvaluatedAt: epoch0 * 1e6, Streaks: []dwmon.Streak{bad},
			Verdicts: []dwmon.Verdict{{Minute: epoch0, LineID: p.Lines[0].ID, Status: dwmon.Bad, Reason: dwmon.Low, ConsecutiveBad: 1}},
		})
	}))
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+60, dwmon.OffDisabled))
	got := w.progressOf("a").Lines[0].Streak
	bad.Trouble = dwmon.Trouble{}
	if got != bad {
		t.Errorf("the streak is %+v, want %+v", got, bad)
	}
}

func TestSettleWhileOffPassesOnlyWhatWasOwed(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 1, dwmon.Good))
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+240, dwmon.OffDisabled))
	got, err := w.SettleTo(w.ctx(), "a", epoch0+6000, time.UTC, nil)
	w.must(err)
	if got.Gaps != 2 {
		t.Errorf("%d minutes passed, want the two before it was off", got.Gaps)
	}
}

// Closed days owe nothing: settling past them leaves no gap, and of a gap that is cut
// back to days that were closed since, nothing stays.
func TestSettleLeavesClosedDaysOut(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 1, dwmon.Good))
	first := dwmon.DayAt(epoch0, time.UTC)
	midnight := int64(first+1) * 86400
	closed := dwmon.NewClosedDays(map[dwmon.Day]string{first + 1: "a holiday"})
	got, err := w.SettleTo(w.ctx(), "a", midnight+86400+60, time.UTC, closed)
	w.must(err)
	if want := (midnight-60-epoch0-60)/60 + 2; got.Gaps != want {
		t.Errorf("%d minutes passed, want %d", got.Gaps, want)
	}
	both := dwmon.NewClosedDays(map[dwmon.Day]string{first: "another", first + 1: "a holiday"})
	_, err = w.SettleTo(w.ctx(), "a", midnight+86400-60, time.UTC, both)
	w.must(err)
	if n := w.count("SELECT count(*) FROM gaps"); n != 0 {
		t.Errorf("%d gaps are left on closed days", n)
	}
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	p := w.checker("old", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 3, dwmon.Bad), "h")
	w.keys(p, "k1", "k2")
	taken := w.checker("taken", epoch0+600, "UTC", line(1))
	w.judge(taken, minutes(epoch0+660, 2, dwmon.Good), "h")
	w.keys(taken, "k1", "k9")

	if err := w.Rename(w.ctx(), "old", "taken", false); !errors.Is(err, ErrNameTaken) {
		t.Fatalf("renaming over another checker: %v", err)
	}
	if got := w.progressOf("old").ID; got != p.ID {
		t.Fatalf("after a refused rename the id is %d", got)
	}
	w.must(w.Rename(w.ctx(), "old", "sub/new", false))
	// A commit of the checker between a read under the new name and its caching.
	_, turn := w.progress.get("sub/new")
	w.progress.amend(p.ID, func(*dwmon.Progress) {})
	w.progress.put(&dwmon.Progress{ID: p.ID, Name: "sub/new"}, turn)
	if got := w.progressOf("sub/new"); got.ID != p.ID || *got.Settled != epoch0+180 || got.Lines[0].ConsecutiveBad != 3 {
		t.Errorf("progress under the new name: %+v", got)
	}
	if got := w.progressOf("old"); got.ID != 0 {
		t.Errorf("the old name is still known: %+v", got)
	}
	if r := w.record("sub/new"); r.File != "checks/sub/new.dwmon" {
		t.Errorf("file %s", r.File)
	}
	w.must(w.Rename(w.ctx(), "sub/new", "taken", true))
	if got := w.progressOf("taken"); got.ID != p.ID {
		t.Errorf("the replaced checker has id %d, want %d", got.ID, p.ID)
	}
	for table, want := range map[string]int64{"checkers": 1, "verdicts": 3, "seen": 2, "lines": 1, "revisions": 1, "queries": 1, "forgotten": 0} {
		if got := w.count("SELECT count(*) FROM " + table); got != want {
			t.Errorf("%d rows in %s, want %d", got, table, want)
		}
	}
	b := w.next("h", 0, 100)
	if len(b.Deliveries) != 3 || b.Deliveries[0].CheckerName != "taken" {
		t.Errorf("%d deliveries wait", len(b.Deliveries))
	}
	// The cache follows commits under the new name.
	w.judge(w.progressOf("taken"), minutes(epoch0+240, 1, dwmon.Good))
	if got := w.progressOf("taken"); *got.Settled != epoch0+240 {
		t.Errorf("settled %d after a pass under the new name", *got.Settled)
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t)
	stays := w.checker("stays", epoch0, "UTC", line(1))
	w.judge(stays, minutes(epoch0+60, 2, dwmon.Good), "h")
	p := w.checker("goes", epoch0, "UTC", line(1), line(2))
	w.judge(p, minutes(epoch0+60, 5000, dwmon.Good), "h")
	w.keys(p, "k1", "k2")
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		if err := tx.AddMissed(p.ID, dwmon.Span{From: 1, Until: 2}); err != nil {
			return err
		}
		return tx.Settle(p, epoch0+600_000, []dwmon.Gap{{From: 1, To: 2, Minutes: 1, Reason: dwmon.GapOff}})
	}))
	w.must(w.Forget(w.ctx(), "goes"))
	for _, table := range []string{"seen", "verdicts", "fetches", "deliveries", "lines", "revisions", "queries", "gaps", "spans"} {
		if n := w.count("SELECT count(*) FROM "+table+" WHERE checker_id = ?", p.ID); n != 0 {
			t.Errorf("%d rows of the forgotten checker in %s", n, table)
		}
	}
	if got := w.history(dwmon.HistoryQuery{}); len(got) != 2 {
		t.Errorf("%d results of the other checker, want 2", len(got))
	}
	if fresh := w.checker("goes", epoch0, "UTC", line(1)); fresh.ID == p.ID {
		t.Error("the id of a forgotten checker was given again")
	}
	err := w.InTx(w.ctx(), func(tx dwmon.Tx) error { return tx.Settle(p, epoch0, nil) })
	if err == nil {
		t.Error("a pass of the forgotten checker was committed")
	}
}

// A crash between the steps of forget or rename leaves nothing that is shown, and
// the next sweep ends the work.
func TestForgetSurvivesACrash(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 10, dwmon.Bad), "h")
	w.keys(p, "k1", "k2")
	w.must(w.write(w.ctx(), func(tx *Tx) error { return tx.forget(p.ID, "a") })) // and then the process is killed
	w.reopenDB()
	again := w.checker("a", epoch0+6000, "UTC", line(1))
	if got := w.history(dwmon.HistoryQuery{Name: "a"}); len(got) != 0 {
		t.Errorf("the new checker has the old one's history: %v", sayAll(got))
	}
	if b := w.next("h", 0, 10); len(b.Deliveries) != 0 || b.Next != 0 {
		t.Errorf("deliveries of the forgotten checker are still made: %+v", b)
	}
	if got := w.listed(dwmon.DeliveryFilter{}); len(got) != 0 {
		t.Errorf("and still shown: %+v", got)
	}
	if n := w.count("SELECT count(*) FROM results"); n != 0 {
		t.Errorf("%d rows in the view", n)
	}
	w.keys(again, "k1")
	_, err := w.Sweep(w.ctx(), dwmon.DefaultRetention, w.clock.UnixMicro())
	w.must(err)
	if n := w.count("SELECT count(*) FROM seen") + w.count("SELECT count(*) FROM verdicts") + w.count("SELECT count(*) FROM deliveries") + w.count("SELECT count(*) FROM forgotten"); n != 1 {
		t.Errorf("%d rows are left, want the new checker's key alone", n)
	}
}

func TestForgetKey(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	q := w.checker("b", epoch0, "UTC", line(1))
	w.keys(p, "customer-4711-secret", "other", "")
	w.keys(q, "customer-4711-secret")
	if found, err := w.ForgetKey(w.ctx(), "a", []byte("unknown")); found || err != nil {
		t.Errorf("an unknown key: %v, %v", found, err)
	}
	for _, key := range []string{"customer-4711-secret", ""} {
		if found, err := w.ForgetKey(w.ctx(), "a", []byte(key)); !found || err != nil {
			t.Errorf("key %q: %v, %v", key, found, err)
		}
	}
	if n := w.count("SELECT count(*) FROM seen WHERE checker_id = ?", p.ID); n != 1 {
		t.Errorf("%d keys are left, want 1", n)
	}
	if found, err := w.ForgetKey(w.ctx(), "b", []byte("customer-4711-secret")); !found || err != nil {
		t.Errorf("the other checker's key: %v, %v", found, err)
	}
	// The filter of the last batch must not go on hiding the key.
	w.keys(p, "customer-4711-again", "other", "")
	if n := w.count("SELECT count(*) FROM seen WHERE checker_id = ?", p.ID); n != 3 {
		t.Errorf("%d keys after the next fetch, want 3", n)
	}
	path := w.Path()
	w.must(w.DB.Close())
	file, err := os.ReadFile(path)
	w.must(err)
	if bytes.Contains(file, []byte("customer-4711-secret")) {
		t.Error("the erased key is still in the file")
	}
}
