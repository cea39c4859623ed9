package storetest

import (
	"errors"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// testTrouble: what a line's incidents rest on is kept, closing is once only, and a
// line that leaves the text leaves its trouble behind.
func testTrouble(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	var id, second int64
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		if id, err = tx.OpenIncident(dwmon.Incident{Subject: dwmon.SubjectCount, CheckerID: p.ID, LineID: p.Lines[0].ID, Opened: T0, OpenedAt: T0*1e6 + 5}); err != nil {
			return err
		}
		second, err = tx.OpenIncident(dwmon.Incident{Subject: dwmon.SubjectChecker, CheckerID: p.ID, LineID: p.Lines[0].ID, Opened: T0, OpenedAt: T0*1e6 + 5})
		return err
	})
	if id == 0 || second == id {
		t.Fatalf("incidents have the ids %d and %d", id, second)
	}
	bad := dwmon.Streak{}.Then(dwmon.Bad, T0)
	bad.Trouble = dwmon.Trouble{Recent: 1<<63 | 5, GoodRun: 2, UnknownRun: 3, Incident: id, UnknownIncident: second}
	record(t, st, p, T0, bad)
	if got := progress(t, st, p.Name).Lines[0].Streak; got != bad {
		t.Errorf("the streak is %+v, want %+v", got, bad)
	}
	inTx(t, st, func(tx dwmon.Tx) error { return tx.CloseIncident(second, T0+60, (T0+60)*1e6, dwmon.EndRecovered) })
	for _, closed := range []int64{second, 1 << 40} {
		err := st.InTx(t.Context(), func(tx dwmon.Tx) error { return tx.CloseIncident(closed, T0+60, (T0+60)*1e6, dwmon.EndRecovered) })
		if err == nil {
			t.Errorf("incident %d, which is not open, was closed", closed)
		}
	}
	kept := errors.New("no")
	err := st.InTx(t.Context(), func(tx dwmon.Tx) error {
		if err := tx.CloseIncident(id, T0+60, (T0+60)*1e6, dwmon.EndRecovered); err != nil {
			return err
		}
		return kept
	})
	if !errors.Is(err, kept) {
		t.Fatal(err)
	}
	s := sighting(checker(p.Name, line(61)))
	s.New = false
	var after *dwmon.Progress
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		after, err = tx.Sight(s)
		return err
	})
	if after.Lines[0].Trouble != (dwmon.Trouble{}) {
		t.Errorf("a new line has the trouble %+v", after.Lines[0].Trouble)
	}
	err = st.InTx(t.Context(), func(tx dwmon.Tx) error { return tx.CloseIncident(id, T0+60, (T0+60)*1e6, dwmon.EndRecovered) })
	if err == nil {
		t.Error("the incident of a line that left the text was still open")
	}
	s = sighting(checker(p.Name, line(60)))
	s.New = false
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		after, err = tx.Sight(s)
		return err
	})
	if got := after.Lines[0].Streak; got.Last != dwmon.Bad || got.Trouble != (dwmon.Trouble{}) {
		t.Errorf("the line that returned has the streak %+v", got)
	}
}

// testTroubleWithoutIncident: verdicts of a line that has left do not help to open an
// incident once it is back, though none was open when it left.
func testTroubleWithoutIncident(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	bad := dwmon.Streak{}.Then(dwmon.Bad, T0)
	bad.Trouble = dwmon.Trouble{Recent: 1, UnknownRun: 1}
	record(t, st, p, T0, bad)
	for _, lookback := range []int64{61, 60} {
		s := sighting(checker(p.Name, line(lookback)))
		s.New = false
		after := mustSight(t, st, s)
		if got := after.Lines[0].Trouble; got != (dwmon.Trouble{}) {
			t.Errorf("the line of %d s has the trouble %+v", lookback, got)
		}
	}
	if got := progress(t, st, p.Name).Lines[0].Streak; got.Last != dwmon.Bad || got.ConsecutiveBad != 1 {
		t.Errorf("the streak of the line that returned is %+v", got)
	}
}
