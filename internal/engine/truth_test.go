package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// shown lets the source give its rows newest first, up to a limit, and say what a
// summary says.
func (b *bundle) shown(limit int, said dwmon.FetchSummary) {
	b.job.Getter = getter(func(ctx context.Context, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		left, rows := limit, int64(0)
		_, err := b.source.GetRows(ctx, dwmon.FetchRequest{}, func(all *dwmon.Batch) error {
			at := 0
			for i, n := range all.Lengths {
				if left > 0 {
					left--
					rows++
					one := &dwmon.Batch{Keys: all.Keys[at : at+int(n)], Lengths: all.Lengths[i : i+1], Micros: all.Micros[i : i+1]}
					if err := sink(one); err != nil {
						return err
					}
				}
				at += int(n)
			}
			return nil
		})
		said.Rows = rows
		return said, err
	})
	b.checker.Query = fmt.Sprintf("SELECT key, ts FROM t ORDER BY ts DESC LIMIT %d", limit)
}

// minutes runs one pass a minute, each after so many rows, and gives the verdicts of
// each.
func (b *bundle) minutes(from int, rows ...int) (got []string) {
	for i, n := range rows {
		at := noon.Add(time.Duration(from+i) * time.Minute)
		b.rows(at, n)
		got = append(got, statuses(b.pass(at)))
	}
	return got
}

func TestALimitThatCoversTheMinuteLeavesNoHole(t *testing.T) {
	b := setup(t)
	b.checker.Lines[0].Lookback = 600 // far more than the limit holds
	b.checker.Lines[0].Min, b.checker.Lines[0].Max = dwmon.At(20), dwmon.Bound{}
	b.shown(5, dwmon.FetchSummary{})
	b.rows(noon.Add(-10*time.Minute), 5)
	b.pass(noon)
	for range 12 { // everything before the first result is a hole, and goes by
		b.minutes(len(b.store.Look("orders").Fetches), 3)
	}
	holes := b.store.Look("orders").Holes
	if len(holes) != 1 || holes[0].From != dwmon.Forever {
		t.Fatalf("holes: %v, want one, before the first result", holes)
	}
	got := b.minutes(13, 1, 2, 0, 4)
	if diff := cmp.Diff([]string{"GOOD", "GOOD", "GOOD", "GOOD"}, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if r := b.store.Look("orders").Fetches; !r[len(r)-1].Cut {
		t.Error("a result of as many rows as the limit does not count as cut")
	}
	got = b.minutes(17, 0, 0, 0, 0, 0, 0, 0, 0)
	if got[7] != "BAD:low" {
		t.Errorf("verdicts %q: the last should be low, for nothing is missing", got)
	}
	if after := b.store.Look("orders").Holes; len(after) != 1 {
		t.Errorf("holes: %v", after)
	}
}

func TestAResultThatIsCutIsNeverALowCount(t *testing.T) {
	b := setup(t)
	line := &b.checker.Lines[0]
	line.Min, line.Max, line.Lookback = dwmon.At(4), dwmon.At(6), 120
	b.shown(3, dwmon.FetchSummary{})
	b.pass(noon) // no rows: nothing is cut
	if holes := b.store.Look("orders").Holes; len(holes) != 0 {
		t.Fatalf("holes: %v", holes)
	}
	for _, s := range []struct {
		name string
		rows int
		want string
	}{
		{"five rows, of which three are given", 5, "UNKNOWN:truncated"},
		{"the window still touches the hole", 0, "UNKNOWN:truncated"},
		{"and now it does not", 0, "BAD:low"},
		{"two rows", 2, "BAD:low"},
		{"two more, all of them given", 2, "GOOD"},
	} {
		if got := b.minutes(len(b.store.Look("orders").Fetches), s.rows)[0]; got != s.want {
			t.Errorf("%s: %s, want %s", s.name, got, s.want)
		}
	}
	// An outage: seven rows came, three are given. A high count would be one anyway.
	b.source.Down = true
	b.minutes(6, 3, 3)
	b.source.Down = false
	if got := b.minutes(8, 1)[0]; got != "UNKNOWN:truncated UNKNOWN:truncated UNKNOWN:truncated" {
		t.Errorf("after an outage: %s", got)
	}
}

// TestAHoleIsFilled lets the source give more, which proves what is in the hole.
func TestAHoleIsFilled(t *testing.T) {
	b := setup(t)
	b.checker.Lines[0].Min, b.checker.Lines[0].Max, b.checker.Lines[0].Lookback = dwmon.At(10), dwmon.Bound{}, 600
	b.pass(noon)
	give := func(n int, cut bool) {
		b.shown(n, dwmon.FetchSummary{Cut: cut})
		b.checker.Query = "q"
	}
	give(5, true)
	b.rows(noon.Add(45*time.Second), 3)
	if got := b.minutes(1, 4)[0]; got != "UNKNOWN:truncated" {
		t.Fatalf("five of seven rows: %s", got)
	}
	end := func() time.Duration {
		holes := b.store.Look("orders").Holes
		if len(holes) != 1 || holes[0].From != noon.UnixMicro() {
			t.Fatalf("holes: %v, want one from the first fetch on", holes)
		}
		return time.UnixMicro(holes[0].Until).Sub(noon)
	}
	if got := end(); got != 15*time.Second {
		t.Errorf("the hole ends %s after the first fetch, want 15s: there are rows of that instant that were not given", got)
	}
	give(8, true)
	if b.minutes(2, 1); end() != 15*time.Second {
		t.Errorf("the next result is cut at the same instant: the hole ends %s after the first fetch", end())
	}
	give(100, false)
	b.rows(noon, 1) // late, and before everything
	if got := b.minutes(3, 0)[0]; got != "BAD:low" {
		t.Errorf("all nine rows were given: %s", got)
	}
	if holes := b.store.Look("orders").Holes; len(holes) != 0 {
		t.Errorf("holes: %v, want none: the last result reaches back behind it", holes)
	}
}

func TestAnEditedQuery(t *testing.T) {
	b := setup(t)
	b.checker.Lines[0].Lookback = 180
	if got := b.minutes(0, 1, 1); got[1] != "GOOD" {
		t.Fatalf("before the edit: %q", got)
	}
	edit := func(query string, g dwmon.RowGetter) {
		b.checker.Query, b.checker.Revision, b.job.Getter = query, query, g
	}
	nothing := getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		return dwmon.FetchSummary{}, nil
	})
	edit("none of these rows", nothing)
	b.checker.Lines[0].Max = dwmon.At(1)
	if got := b.minutes(2, 0)[0]; got != "UNKNOWN:query_changed" {
		t.Errorf("too many rows, but of the query before: %s", got)
	}
	b = setup(t)
	b.checker.Lines[0].Lookback, b.checker.Lines[0].Max = 180, dwmon.At(1)
	b.job.Getter = nothing
	b.minutes(0, 2)
	edit("all of these rows", b.source)
	if got := b.minutes(1, 0)[0]; got != "BAD:high" {
		t.Errorf("too many rows of the present query alone: %s", got)
	}
	if got := b.minutes(2, 0, 0, 0, 2)[3]; got != "BAD:high" {
		t.Errorf("long after the edit: %s", got)
	}
}

func TestMinutesThatAReplicaHasNotReachedStayPending(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	asOf := noon.Add(time.Minute).Add(500 * time.Millisecond).UnixMicro()
	show := func() { b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf}) }
	show()
	got := b.minutes(1, 1)[0]
	if got != "GOOD" {
		t.Errorf("data reach to the minute: %q", got)
	}
	for i := range 3 { // the replica stands still
		if got := b.minutes(2+i, 1)[0]; got != "" {
			t.Errorf("minute %d: %q was judged although the source's data do not reach there", 2+i, got)
		}
	}
	c := b.store.Look("orders")
	if len(c.Fetches) != 5 || len(c.Keys) != 4 || *c.Progress.Settled != noon.Unix()-1+60 {
		t.Errorf("%d fetches and %d rows were kept, the walk is settled through minute %d", len(c.Fetches), len(c.Keys), (*c.Progress.Settled-noon.Unix()+1)/60)
	}
	asOf = noon.Add(5 * time.Minute).UnixMicro()
	show()
	if got := b.minutes(5, 0)[0]; got != "GOOD GOOD GOOD BAD:low" {
		t.Errorf("when it has caught up: %q", got)
	}
	if c.Progress.Failing != nil {
		t.Error("a replica that lags counts as a failure")
	}
	b.checker.Options.Grace = time.Minute // rows are late there too
	b.checker.Revision = "2"
	asOf = noon.Add(7*time.Minute + 30*time.Second).UnixMicro()
	show()
	if got := statuses(b.pass(noon.Add(8 * time.Minute))); got != "BAD:low" {
		t.Errorf("with a grace of a minute: %q", got)
	}
}

func TestWhatAReplicaBringsAsItComesIsNotCaughtUp(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	asOf := noon.UnixMicro()
	b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
	at := noon.Add(time.Hour) // from here on it lags by ten minutes
	asOf = at.Add(-10 * time.Minute).UnixMicro()
	b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
	made := b.pass(at).Results
	if len(made) != 50 || !made[43].CatchUp || made[44].CatchUp {
		t.Errorf("of %d results of an hour all but those that the replica had just got are caught up", len(made))
	}
	asOf += time.Minute.Microseconds()
	b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
	if r := b.pass(at.Add(time.Minute)).Results; len(r) != 1 || r[0].CatchUp {
		t.Errorf("the next minute of the replica: %+v", r)
	}
}

func TestMinutesLostToAStaleReplicaSaySo(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	asOf := noon.UnixMicro()
	b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
	at := noon.Add(25 * time.Hour)
	b.pass(at.Add(-time.Minute))
	asOf = at.UnixMicro()
	b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
	r := b.pass(at)
	gaps := b.store.Look("orders").Gaps
	if r.Gap == 0 || len(gaps) != 1 || gaps[0].Reason != dwmon.GapStale {
		t.Errorf("a gap of %d minutes: %+v, want reason %s", r.Gap, gaps, dwmon.GapStale)
	}
}

func TestAssumedTimestampsOfAStaleReplica(t *testing.T) {
	b := setup(t)
	b.checker.Options.Assumed = true
	b.checker.Lines[0].Min = dwmon.At(0)
	asOf := noon.UnixMicro()
	var got []string
	for minute := range 6 {
		at := noon.Add(time.Duration(minute) * time.Minute)
		if minute < 2 || minute == 5 {
			asOf = at.UnixMicro() // it stands still at minutes 2 to 4
		}
		b.shown(100, dwmon.FetchSummary{DataAsOf: &asOf})
		b.checker.Query = "q"
		got = append(got, statuses(b.pass(at)))
	}
	want := []string{"", "GOOD", "", "", "", "UNKNOWN:assumed UNKNOWN:assumed UNKNOWN:assumed UNKNOWN:assumed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestAClockThatIsOffIsNoted(t *testing.T) {
	b := setup(t)
	said := noon.Add(-10 * time.Second).UnixMicro()
	b.shown(100, dwmon.FetchSummary{SourceNow: &said})
	b.pass(noon)
	p := &b.store.Look("orders").Progress
	if p.Skew != -10e6 || *p.Reach != said {
		t.Errorf("skew %d, reach %d", p.Skew, *p.Reach)
	}
	b.source.Down = true
	b.minutes(1, 0)
	if p.Skew != -10e6 {
		t.Errorf("a failed fetch says nothing of the clock: skew %d", p.Skew)
	}
	b.source.Down = false
	said = noon.Add(2*time.Minute + time.Second).UnixMicro()
	b.shown(100, dwmon.FetchSummary{SourceNow: &said})
	if b.minutes(2, 0); p.Skew != 0 {
		t.Errorf("a second is not worth noting: skew %d", p.Skew)
	}
}

func TestLateRowsCorrectALowVerdict(t *testing.T) {
	b := setup(t)
	b.checker.Lines[0].Min, b.checker.Lines[0].Max = dwmon.At(2), dwmon.At(3)
	b.pass(noon)
	b.minutes(1, 1, 0, 2)
	c := b.store.Look("orders")
	late := func(minute, rows int) {
		at := noon.Add(time.Duration(minute) * time.Minute)
		b.rows(at, rows)
	}
	late(1, 1)
	late(2, 1)
	r := b.minutes(4, 2)[0]
	if len(c.Corrections) != 1 {
		t.Fatalf("corrections: %+v", c.Corrections)
	}
	k := c.Corrections[0]
	if k.Minute != noon.Unix()-1+60 || k.CountBefore != 1 || k.CountAfter != 2 || k.Status != dwmon.Good || k.At != noon.Add(4*time.Minute).UnixMicro() {
		t.Errorf("the correction is %+v", k)
	}
	if r != "GOOD" {
		t.Errorf("the pass itself: %s", r)
	}
	if s := c.Progress.Lines[0].Streak; s.ConsecutiveBad != 0 || c.Verdicts[dwmon.RecordedKey{Minute: k.Minute, LineID: k.LineID}].Status != dwmon.Bad {
		t.Errorf("the verdict or its streak were changed: %+v", s)
	}
	late(1, 9)
	late(2, 9)
	b.minutes(5, 2)
	if len(c.Corrections) != 2 || c.Corrections[1].Status != dwmon.Bad || c.Corrections[1].Reason != dwmon.High || c.Corrections[1].CountAfter != 10 {
		t.Errorf("corrections: %+v; the second should be high, and the first is not corrected again", c.Corrections)
	}
}

// TestNothingIsCountedAgainWithoutNeed counts what a pass asks of the store.
func TestNothingIsCountedAgainWithoutNeed(t *testing.T) {
	b := setup(t)
	b.checker.Lines[0].Min = dwmon.At(2)
	counted := &asked{Store: b.store}
	e, err := engine.New(engine.Options{Store: counted, Zone: time.UTC, Now: func() time.Time { return time.UnixMicro(b.source.Clock) }})
	if err != nil {
		t.Fatal(err)
	}
	b.engine = e
	b.pass(noon)
	b.minutes(1, 1, 1, 1, 0)
	if counted.lows != 0 {
		t.Errorf("the low verdicts were read %d times, though no row was late", counted.lows)
	}
	b.rows(noon, 1)
	if b.minutes(5, 0); counted.lows != 1 {
		t.Errorf("a late row: the low verdicts were read %d times", counted.lows)
	}
	if counted.holes != 0 {
		t.Errorf("holes were read or written %d times, though there are none", counted.holes)
	}
}

// asked counts questions.
type asked struct {
	dwmon.Store
	lows, holes int
}

func (a *asked) InTx(ctx context.Context, fn func(dwmon.Tx) error) error {
	return a.Store.InTx(ctx, func(tx dwmon.Tx) error { return fn(askedTx{tx, a}) })
}

type askedTx struct {
	dwmon.Tx
	asked *asked
}

func (t askedTx) Lows(id, after, evaluated int64) ([]dwmon.LowVerdict, error) {
	t.asked.lows++
	return t.Tx.Lows(id, after, evaluated)
}

func (t askedTx) Holes(id, after int64) ([]dwmon.Span, error) {
	t.asked.holes++
	return t.Tx.Holes(id, after)
}

func (t askedTx) FillHoles(id, from int64) error {
	t.asked.holes++
	return t.Tx.FillHoles(id, from)
}
