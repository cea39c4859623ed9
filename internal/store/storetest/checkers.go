package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func testUnknown(t *testing.T, st dwmon.Store) {
	p := progress(t, st, "nobody")
	if p.ID != 0 || p.Name != "nobody" {
		t.Errorf("Progress = %+v, want ID 0 and the name", p)
	}
}

func testSight(t *testing.T, st dwmon.Store) {
	half := line(120)
	half.HalfOpen, half.Max, half.Min = true, dwmon.At(20), dwmon.Bound{}
	half.Hours, half.Minutes, half.Days = 1<<23|1, 1<<59|1, dwmon.Weekends
	c := checker(newName(), line(60), half)
	p := mustSight(t, st, sighting(c))
	if p.ID == 0 || p.RevisionID == 0 || p.Origin != T0 || p.Revision != c.Revision || p.Zone != "UTC" || p.Settled != nil || p.Off != nil || p.Missing != nil {
		t.Errorf("progress after the first sight: %+v", p)
	}
	if len(p.Lines) != 2 {
		t.Fatalf("%d lines, want 2", len(p.Lines))
	}
	for i, l := range p.Lines {
		if l.Requirement != c.Lines[i] || l.Index != i || l.ID == 0 || l.OwesAfter != dwmon.OwesAll || l.Streak != (dwmon.Streak{}) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	if again := progress(t, st, c.Name); !reflect.DeepEqual(again, p) {
		t.Errorf("Progress = %+v\nwant what Sight gave: %+v", again, p)
	}
	if other := seen(t, st); other.ID == p.ID {
		t.Errorf("two checkers with id %d", p.ID)
	}
}

func testReturningLine(t *testing.T, st dwmon.Store) {
	name := newName()
	first := mustSight(t, st, sighting(checker(name, line(60), line(120))))
	streak := dwmon.Streak{Last: dwmon.Bad, LastMinute: T0, Since: T0, Settled: dwmon.Bad, ConsecutiveBad: 7}
	record(t, st, first, T0, streak, dwmon.Streak{}.Then(dwmon.Good, T0))

	settled := int64(T0 + 60)
	without := mustSight(t, st, dwmon.Sighting{Checker: checker(name, line(120), line(180)), Zone: "UTC", Minute: T0 + 60, Settled: &settled, Owes: []int64{dwmon.OwesAll, T0}})
	if len(without.Lines) != 2 || without.Lines[0].ID != first.Lines[1].ID || without.Lines[0].Index != 0 || without.Lines[1].OwesAfter != T0 {
		t.Errorf("lines after one left and one came: %+v", without.Lines)
	}
	if without.RevisionID == first.RevisionID || without.Settled == nil || *without.Settled != settled {
		t.Errorf("after an edit: %+v", without)
	}

	back := mustSight(t, st, dwmon.Sighting{Checker: checker(name, line(60), line(120)), Zone: "UTC", Minute: T0 + 120, Owes: []int64{T0 + 60, dwmon.OwesAll}})
	if back.RevisionID != first.RevisionID {
		t.Errorf("the first text came back as revision %d, was %d", back.RevisionID, first.RevisionID)
	}
	if l := back.Lines[0]; l.ID != first.Lines[0].ID || l.Streak != streak || l.OwesAfter != T0+60 {
		t.Errorf("the line that came back: %+v", l)
	}
	other := mustSight(t, st, dwmon.Sighting{Checker: checker(name, line(60), line(120)), Zone: "Asia/Kolkata", Minute: T0 + 180, Owes: []int64{T0 + 60, dwmon.OwesAll}})
	if other.RevisionID == first.RevisionID || other.Zone != "Asia/Kolkata" {
		t.Errorf("the same text in another zone: %+v", other)
	}
}

func testOff(t *testing.T, st dwmon.Store) {
	p := seen(t, st, line(60), line(120))
	s := sighting(checker(p.Name, line(60)))
	settled := int64(T0 + 600)
	s.New, s.Returned, s.Minute, s.Settled = false, true, T0+660, &settled
	s.Gaps = []dwmon.Gap{{Line: 1, From: T0, To: T0 + 60, Minutes: 2, Reason: dwmon.GapOff}} // of a line that leaves
	after := mustSight(t, st, s)
	if after.Off != nil || after.Missing != nil || after.Settled == nil || *after.Settled != settled {
		t.Errorf("after the return: %+v", after)
	}
	s.Gaps[0].Line = 1 // there is one line only now
	if err := st.InTx(t.Context(), func(tx dwmon.Tx) error { _, err := tx.Sight(s); return err }); err == nil {
		t.Error("a gap of a line that is not there was taken")
	}
}

// testStillAt: a walk that has moved since is seen in the transaction that rests on it, and
// nothing of that is kept.
func testStillAt(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	settled, later := int64(T0), int64(T0+60)
	still := func(at *int64, then func(dwmon.Tx) error) error {
		return st.InTx(t.Context(), func(tx dwmon.Tx) error {
			if err := then(tx); err != nil {
				return err
			}
			_ = tx.StillAt(p.ID, at) // an error counts, even one kept by itself
			return nil
		})
	}
	nothing := func(dwmon.Tx) error { return nil }
	settle := func(tx dwmon.Tx) error { return tx.Settle(p, settled, nil) }
	if err := still(nil, nothing); err != nil {
		t.Errorf("a walk that has settled nowhere: %v", err)
	}
	if err := still(nil, settle); !errors.Is(err, dwmon.ErrMoved) {
		t.Errorf("a walk that was moved in the transaction: %v", err)
	}
	if got := progress(t, st, p.Name).Settled; got != nil {
		t.Errorf("the walk is settled through %d by a transaction that failed", *got)
	}
	inTx(t, st, settle)
	for _, at := range []*int64{nil, &later} {
		if err := still(at, nothing); !errors.Is(err, dwmon.ErrMoved) {
			t.Errorf("a walk that is elsewhere: %v", err)
		}
	}
	if err := still(&settled, nothing); err != nil {
		t.Errorf("a walk that is where it was: %v", err)
	}
}

func testSecondSight(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		_, err := tx.Sight(sighting(checker(p.Name, line(60))))
		return err
	})
	if err == nil {
		t.Error("a checker was seen for the first time twice")
	}
}

func testFetch(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	failing := &dwmon.Failing{Since: T0 * 1e6, Next: (T0 + 60) * 1e6, Count: 3, Fault: dwmon.FaultChecker, Cause: "no such table"}
	save := func(f dwmon.Fetch) (id int64) {
		f.Progress, f.Slot, f.Plugin = p, T0, "postgres"
		inTx(t, st, func(tx dwmon.Tx) (err error) {
			id, err = tx.SaveFetch(f)
			return err
		})
		return id
	}
	first := save(dwmon.Fetch{Started: T0 * 1e6, Ended: T0*1e6 + 5, Err: errors.New("no such table"), Failing: failing})
	after := progress(t, st, p.Name)
	if !reflect.DeepEqual(after.Failing, failing) || after.Fetched != nil || after.FetchedEnd != nil {
		t.Errorf("after a failed fetch: %+v, failing %+v", after, after.Failing)
	}
	second := save(dwmon.Fetch{Started: T0*1e6 + 10, Ended: T0*1e6 + 20, Baseline: true})
	after = progress(t, st, p.Name)
	if after.Failing != nil || deref(after.Fetched) != T0*1e6+10 || deref(after.FetchedEnd) != T0*1e6+20 || deref(after.Baseline) != T0*1e6+10 {
		t.Errorf("after a good fetch: %+v", after)
	}
	if first == 0 || second == first {
		t.Errorf("fetches have the ids %d and %d", first, second)
	}
	save(dwmon.Fetch{Started: T0*1e6 + 30, Ended: T0*1e6 + 40, Baseline: true})
	if after = progress(t, st, p.Name); deref(after.Baseline) != T0*1e6+10 {
		t.Errorf("a second baseline took the place of the first: %d", deref(after.Baseline))
	}
}

func deref(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

// recordOf makes a record of one minute for all lines of a progress.
func recordOf(p *dwmon.Progress, minute int64, streaks ...dwmon.Streak) dwmon.Record {
	r := dwmon.Record{Progress: p, FetchID: 1, EvaluatedAt: minute * 1e6, Streaks: streaks}
	for i, l := range p.Lines {
		r.Verdicts = append(r.Verdicts, dwmon.Verdict{Minute: minute, LineID: l.ID, LineIndex: i, Status: streaks[i].Last, Count: int64(i)})
	}
	return r
}

func record(t testing.TB, st dwmon.Store, p *dwmon.Progress, minute int64, streaks ...dwmon.Streak) {
	t.Helper()
	inTx(t, st, func(tx dwmon.Tx) error { return tx.Record(recordOf(p, minute, streaks...)) })
}

func testFence(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	good := dwmon.Streak{}.Then(dwmon.Good, T0)
	record(t, st, p, T0, good)
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		r := recordOf(p, T0+60, good.Then(dwmon.Good, T0+60))
		r.Verdicts = append(r.Verdicts, recordOf(p, T0, good).Verdicts...)
		if err := tx.Settle(p, T0+60, nil); err != nil {
			return err
		}
		return tx.Record(r)
	})
	if !errors.Is(err, dwmon.ErrRecorded) {
		t.Errorf("a second verdict on a minute: %v, want ErrRecorded", err)
	}
	after := progress(t, st, p.Name)
	if after.Settled != nil || deref(after.Recorded) != T0 || after.Lines[0].Streak != good {
		t.Errorf("something of the fenced transaction was kept: %+v", after)
	}
	inTx(t, st, func(tx dwmon.Tx) error {
		got, err := tx.Recorded(p.ID, T0)
		if want := map[dwmon.RecordedKey]bool{{Minute: T0, LineID: p.Lines[0].ID}: true}; !reflect.DeepEqual(got, want) {
			t.Errorf("Recorded = %v, want %v", got, want)
		}
		if later, _ := tx.Recorded(p.ID, T0+60); len(later) != 0 {
			t.Errorf("Recorded from a later minute on = %v", later)
		}
		return err
	})
}

func testRecord(t *testing.T, st dwmon.Store) {
	p := seen(t, st, line(60), line(120))
	var a, b dwmon.Streak
	for minute := int64(T0); minute < T0+600; minute += 60 {
		a, b = a.Then(dwmon.Bad, minute), b.Then(dwmon.Good, minute)
		record(t, st, p, minute, a, b)
	}
	inTx(t, st, func(tx dwmon.Tx) error {
		if err := tx.Enqueue(p.ID, []dwmon.Telling{{Handler: "log", Minute: T0, LineID: p.Lines[0].ID}, {Handler: "mail", Minute: T0, LineID: p.Lines[1].ID, LineIndex: 1}}); err != nil {
			return err
		}
		if err := tx.Enqueue(p.ID, nil); err != nil {
			return err
		}
		return tx.Settle(p, T0+540, []dwmon.Gap{{Line: 1, From: T0 - 120, To: T0 - 60, Minutes: 2, Reason: dwmon.GapFetchFailed}})
	})
	after := progress(t, st, p.Name)
	if after.Lines[0].Streak != a || after.Lines[1].Streak != b || a.ConsecutiveBad != 10 {
		t.Errorf("streaks are %+v and %+v, want %+v and %+v", after.Lines[0].Streak, after.Lines[1].Streak, a, b)
	}
	if deref(after.Recorded) != T0+540 || deref(after.Settled) != T0+540 {
		t.Errorf("recorded %d, settled %d", deref(after.Recorded), deref(after.Settled))
	}
	record(t, st, p, T0-600, a, b)
	if after = progress(t, st, p.Name); deref(after.Recorded) != T0+540 {
		t.Errorf("an older verdict moved Recorded back to %d", deref(after.Recorded))
	}
	if p.Settled != nil || p.Lines[0].Last != dwmon.NoStatus {
		t.Error("a progress that was given out has changed")
	}
}

func testRollback(t *testing.T, st dwmon.Store) {
	name := newName()
	p := seen(t, st)
	in := intake(t, st, p, T0*1e6, 10, []row{{"a", 1}, {"b", 2}})
	defer in.Close()
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		if _, err := tx.Sight(sighting(checker(name, line(60)))); err != nil {
			return err
		}
		if _, err := tx.Ingest(p, in, false); err != nil {
			return err
		}
		if err := tx.Settle(p, T0, nil); err != nil {
			return err
		}
		if got, err := tx.Counts(p.ID, []dwmon.Window{all}); err != nil || got[0] != 2 {
			t.Errorf("Counts inside the transaction = %v, %v", got, err)
		}
		return errAbort
	})
	if !errors.Is(err, errAbort) {
		t.Errorf("InTx = %v, want the function's error", err)
	}
	if q := progress(t, st, name); q.ID != 0 {
		t.Error("the sighting was kept")
	}
	if q := progress(t, st, p.Name); q.Settled != nil {
		t.Error("the settling was kept")
	}
	if n := counts(t, st, p.ID, all)[0]; n != 0 {
		t.Errorf("%d rows were kept", n)
	}
	// The same rows can be committed afterwards.
	inTx(t, st, func(tx dwmon.Tx) error {
		got, err := tx.Ingest(p, in, false)
		if got.Fresh != 2 {
			t.Errorf("the second try stored %d rows", got.Fresh)
		}
		return err
	})
}

func testHiddenError(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	good := dwmon.Streak{}.Then(dwmon.Good, T0)
	record(t, st, p, T0, good)
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		tx.Record(recordOf(p, T0, good))
		return tx.Settle(p, T0, nil)
	})
	if !errors.Is(err, dwmon.ErrRecorded) {
		t.Errorf("InTx = %v, want ErrRecorded", err)
	}
	if q := progress(t, st, p.Name); q.Settled != nil {
		t.Error("what came after the error was kept")
	}
}

func testNeighbours(t *testing.T, st dwmon.Store) {
	const n = 60
	ps := make([]*dwmon.Progress, n)
	for i := range ps {
		ps[i] = seen(t, st)
	}
	errs := make(chan error, n)
	for i := range n {
		go func() {
			errs <- st.InTx(context.Background(), func(tx dwmon.Tx) error {
				if err := tx.Settle(ps[i], T0, nil); err != nil {
					return err
				}
				if i%3 == 0 {
					return errAbort
				}
				return nil
			})
		}()
	}
	failed := 0
	for range n {
		if err := <-errs; errors.Is(err, errAbort) {
			failed++
		} else if err != nil {
			t.Errorf("a transaction beside a failing one: %v", err)
		}
	}
	if failed != n/3 {
		t.Errorf("%d transactions failed, want %d", failed, n/3)
	}
	for i, p := range ps {
		if got := progress(t, st, p.Name).Settled; (got == nil) != (i%3 == 0) {
			t.Errorf("transaction %d: settled is %v", i, got)
		}
	}
}

func testPanic(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		if err := tx.Settle(p, T0, nil); err != nil {
			return err
		}
		panic("oh dear")
	})
	if err == nil || !strings.Contains(err.Error(), "oh dear") {
		t.Errorf("InTx = %v, want the panic's text", err)
	}
	if q := progress(t, st, p.Name); q.Settled != nil {
		t.Error("a transaction that panicked was kept")
	}
	inTx(t, st, func(tx dwmon.Tx) error { return tx.Settle(p, T0, nil) })
}

func testContext(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	ctx, cancel := context.WithCancel(t.Context())
	running, release := make(chan bool), make(chan bool)
	first := make(chan error, 1)
	go func() {
		first <- st.InTx(context.Background(), func(dwmon.Tx) error {
			close(running)
			<-release
			return nil
		})
	}()
	<-running
	second := make(chan error, 1)
	go func() {
		second <- st.InTx(ctx, func(tx dwmon.Tx) error { return tx.Settle(p, T0, nil) })
	}()
	cancel()
	select {
	case err := <-second:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("InTx = %v, want context.Canceled", err)
		}
	case <-t.Context().Done():
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the transaction that was waited for: %v", err)
	}
	if q := progress(t, st, p.Name); q.Settled != nil {
		t.Error("a transaction ran whose caller had given up")
	}
	if _, err := st.Progress(ctx, p.Name); !errors.Is(err, context.Canceled) {
		t.Errorf("Progress with an ended context = %v", err)
	}
}
