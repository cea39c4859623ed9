package backtest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/model"
)

var monday = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// quietLife is a checker of one line that is due at every minute, before its first pass.
func quietLife(t *testing.T, line dwmon.Requirement) *life {
	l := &life{store: model.New(), zone: time.UTC, catchUp: 24 * time.Hour, rule: dwmon.DefaultAlertRule, source: &source{clock: monday.UnixMicro()}}
	l.checker = &dwmon.Checker{Name: "orders", Source: "s", Extra: []byte("{}"), Lines: []dwmon.Requirement{line}}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	return l
}

// minutes lives so many minutes with a pass at the third second of each.
func (l *life) minutes(t *testing.T, n int) {
	t.Helper()
	for range n {
		l.source.clock = dwmon.FloorMinute(l.source.clock/1e6)*1e6 + 63e6
		if err := l.pass(0); err != nil {
			t.Fatal(err)
		}
	}
}

// row makes a row happen, which can be fetched so long after.
func (l *life) row(at time.Time, late time.Duration) {
	l.source.events = append(l.source.events, event{key: fmt.Sprint("k", len(l.source.events)), micros: at.UnixMicro(), arrives: at.Add(late).UnixMicro()})
}

func TestNothingToReplay(t *testing.T) {
	l := quietLife(t, everyMinute(1, 9, 300))
	if _, _, err := l.replay(l.options()); !errors.Is(err, dwmon.ErrNoChecker) {
		t.Errorf("of a checker never seen: %v", err)
	}
	l.source.down = true
	l.minutes(t, 3)
	_, _, err := l.replay(l.options())
	if !errors.Is(err, dwmon.ErrNothingRecorded) || !strings.Contains(err.Error(), "dwmon backfill orders") {
		t.Errorf("before the first fetch: %v", err)
	}
	l.source.down = false
	l.minutes(t, 1)
	o, late := l.options(), monday.Add(time.Hour).Unix()
	o.Since = &late
	if _, _, err := l.replay(o); !errors.Is(err, backtest.ErrNothingSince) || !strings.HasSuffix(err.Error(), "since 2026-06-01 13:00, the last minute that was judged is 2026-06-01 12:04") {
		t.Errorf("since later: %v", err)
	}
	late = monday.AddDate(7000, 0, 0).Unix()
	if _, _, err := l.replay(o); !errors.Is(err, backtest.ErrNothingSince) || !strings.HasSuffix(err.Error(), "since 9026-06-01 12:00, the last minute that was judged is 2026-06-01 12:04") {
		t.Errorf("since long after: %v", err)
	}
	enough := errors.New("enough")
	if _, err := backtest.Run(t.Context(), l.store, l.options(), func(dwmon.Result) error { return enough }); err != enough {
		t.Errorf("yield's error came back as %v", err)
	}
}

// An incident that only late rows have opened is told from one that is real.
func TestLateRowsOpenIncidents(t *testing.T) {
	l := quietLife(t, everyMinute(1, 9, 120))
	for i := range 60 {
		switch at := monday.Add(time.Duration(i)*time.Minute + 30*time.Second); {
		case 20 <= i && i < 25:
			l.row(at, 10*time.Minute) // late
		case 40 <= i && i < 45: // none at all
		default:
			l.row(at, 0)
		}
	}
	for i := range 30 { // before the first pass
		l.row(monday.Add(-time.Duration(i)*time.Minute-30*time.Second), 0)
	}
	l.minutes(t, 60)
	_, sum, err := l.replay(l.options())
	if err != nil {
		t.Fatal(err)
	}
	minute := func(n int) int64 { return monday.Add(time.Duration(n) * time.Minute).Unix() }
	if len(sum.Incidents) != 2 {
		t.Fatalf("%d incidents, want 2: %+v", len(sum.Incidents), sum.Incidents)
	}
	late, real := sum.Incidents[0], sum.Incidents[1]
	if !late.Late || late.Opened != minute(22) || late.Reason != dwmon.Low || late.Bad != 4 || late.Lowest != 0 || late.Highest != 0 || *late.Closed != minute(26) {
		t.Errorf("the incident of late rows is %+v", late)
	}
	if real.Late || real.Opened != minute(42) || real.Bad != 4 || *real.Closed != minute(46) {
		t.Errorf("the real incident is %+v", real)
	}
	if line := sum.Lines[0]; line.Incidents != 2 || line.Late != 1 || line.Bad != 8 || line.UnknownIncidents != 0 {
		t.Errorf("the line is summed up as %+v", line)
	}
	o := l.options()
	o.Hindsight = true
	_, sum, err = l.replay(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Incidents) != 1 || sum.Incidents[0].Opened != minute(42) {
		t.Errorf("in hindsight: %+v", sum.Incidents)
	}
}

// An edited line is judged at minutes at which the running one was not due, by the next
// fetch.
func TestAnEditedLine(t *testing.T) {
	every20 := everyMinute(1, 9, 1200)
	every20.Minutes = dwmon.MinuteSet(dwmon.StepSet(20, 60))
	l := quietLife(t, every20)
	for i := range 120 {
		l.row(monday.Add(time.Duration(i)*time.Minute+30*time.Second), 0)
	}
	l.minutes(t, 120)
	o := l.options()
	edited := *l.checker
	edited.Lines = []dwmon.Requirement{everyMinute(1, 9, 300)}
	o.Checker = &edited
	got, sum, err := l.replay(o)
	if err != nil {
		t.Fatal(err)
	}
	judged := map[int64]dwmon.Result{}
	for _, r := range got {
		judged[r.Minute] = r
	}
	for i := 10; i <= 120; i++ {
		r, ok := judged[monday.Add(time.Duration(i)*time.Minute).Unix()]
		if !ok || r.EventCount != 5 {
			t.Errorf("minute %d: %d rows, judged %v", i, r.EventCount, ok)
		}
		if fetch := monday.Add(time.Duration((i+19)/20*20) * time.Minute).Add(3 * time.Second).UnixMicro(); r.EvaluatedAt != fetch {
			t.Errorf("minute %d was judged by the fetch at %d, want %d", i, r.EvaluatedAt, fetch)
		}
	}
	if sum.Until != monday.Add(120*time.Minute).Unix() {
		t.Errorf("the replay ends at %d", sum.Until)
	}
}

// backfilled is a past with rows that were brought in afterwards.
type backfilled struct {
	*model.Store
	rows   []dwmon.PastRow
	loaded dwmon.Loaded
}

func (b *backfilled) Past(ctx context.Context, name string) (*dwmon.Past, error) {
	p, err := b.Store.Past(ctx, name)
	if err == nil {
		p.Loaded = append(p.Loaded, b.loaded)
	}
	return p, err
}

func (b *backfilled) PastRows(ctx context.Context, checkerID, from, until int64, yield func([]dwmon.PastRow) error) error {
	var all []dwmon.PastRow
	for _, r := range b.rows {
		if from <= r.Micros && r.Micros < until {
			all = append(all, r)
		}
	}
	err := b.Store.PastRows(ctx, checkerID, from, until, func(rows []dwmon.PastRow) error { all = append(all, rows...); return nil })
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b dwmon.PastRow) int { return cmp.Compare(a.Micros, b.Micros) })
	return yield(all)
}

// What was backfilled is judged minute by minute, as if it had been fetched in time, up
// to the first fetch on record.
func TestBackfilledHistory(t *testing.T) {
	l := quietLife(t, everyMinute(4, 6, 300))
	l.source.limit = 400
	for i := range 600 { // from five hours before the first pass
		l.row(monday.Add(time.Duration(i-300)*time.Minute+30*time.Second), 0)
	}
	l.minutes(t, 200)
	plain, _, err := l.replay(l.options())
	if err != nil {
		t.Fatal(err)
	}
	from, until := monday.Add(-48*time.Hour).UnixMicro(), monday.Add(-4*time.Hour).UnixMicro()
	b := &backfilled{Store: l.store, loaded: dwmon.Loaded{At: monday.Add(100 * time.Minute).UnixMicro(), From: &from, Until: &until}}
	for at := from + 30e6; at < monday.Add(-5*time.Hour).UnixMicro(); at += 60e6 {
		if at < monday.Add(-20*time.Hour).UnixMicro() || at > monday.Add(-19*time.Hour).UnixMicro() { // nothing happened for an hour
			b.rows = append(b.rows, dwmon.PastRow{Micros: at, FirstSeen: b.loaded.At})
		}
	}
	var got []dwmon.Result
	sum, err := backtest.Run(t.Context(), b, l.options(), func(r dwmon.Result) error { got = append(got, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := from/1e6 + 300; got[0].Minute != want || sum.From != want {
		t.Errorf("it begins at %d, want %d", got[0].Minute, want)
	}
	for i, r := range got {
		if i > 0 && r.Minute != got[i-1].Minute+60 {
			t.Fatalf("after %d comes %d", got[i-1].Minute, r.Minute)
		}
		if r.CatchUp {
			t.Errorf("%s was caught up", r.LocalTime)
		}
	}
	if len(sum.Incidents) != 1 || sum.Incidents[0].Late || sum.Incidents[0].Opened != monday.Add(-20*time.Hour).Unix()+120 {
		t.Errorf("the hour in which nothing happened: %+v", sum.Incidents)
	}
	if sum.Bad == 0 || sum.Unknown != 0 || len(sum.Gaps) != 0 || len(sum.Notes) != 1 || !strings.Contains(sum.Notes[0], "before 2026-06-01 12:01 no fetch is on record") {
		t.Errorf("%d BAD, %d UNKNOWN, gaps %v, notes %q", sum.Bad, sum.Unknown, sum.Gaps, sum.Notes)
	}
	last := plain[len(plain)-150:]
	compare(t, last, got[len(got)-150:])
}

// Rows that are purged while they are replayed make no verdict too low.
func TestPurgedMeanwhile(t *testing.T) {
	l := quietLife(t, everyMinute(1, 9, 300))
	for i := range 30 {
		l.row(monday.Add(time.Duration(i)*time.Minute), 0)
	}
	l.minutes(t, 30)
	n := 0
	_, err := backtest.Run(t.Context(), l.store, l.options(), func(dwmon.Result) error {
		if n++; n == 20 {
			_, err := l.store.Purge(t.Context(), l.store.Look("orders").Progress.ID, monday.Unix()+900)
			return err
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "purged while they were replayed") {
		t.Errorf("the error is %v", err)
	}
}

// Progress counts minutes up to their number.
func TestProgress(t *testing.T) {
	l := quietLife(t, everyMinute(1, 9, 300))
	l.minutes(t, 300)
	o := l.options()
	var told [][2]int64
	o.Progress = func(done, total int64) { told = append(told, [2]int64{done, total}) }
	if _, _, err := l.replay(o); err != nil {
		t.Fatal(err)
	}
	if len(told) < 5 || len(told) > 7 || !slices.IsSortedFunc(told, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) }) {
		t.Fatalf("told %v", told)
	}
	if last := told[len(told)-1]; last[0] != last[1] || last[1] < 300 {
		t.Errorf("it ends with %d of %d", last[0], last[1])
	}
}

// Between what was backfilled and a first fetch that was cut lies a hole: history begins
// before it all the same, and what touches it is UNKNOWN, not BAD.
func TestAHoleAfterBackfilledHistory(t *testing.T) {
	l := quietLife(t, everyMinute(4, 6, 300))
	l.source.limit = 60
	for i := range 600 { // from five hours before the first pass
		l.row(monday.Add(time.Duration(i-300)*time.Minute+30*time.Second), 0)
	}
	l.minutes(t, 200)
	from, until := monday.Add(-48*time.Hour).UnixMicro(), monday.Add(-4*time.Hour).UnixMicro()
	b := &backfilled{Store: l.store, loaded: dwmon.Loaded{At: monday.Add(100 * time.Minute).UnixMicro(), From: &from, Until: &until}}
	for at := from + 30e6; at < until; at += 60e6 {
		b.rows = append(b.rows, dwmon.PastRow{Micros: at, FirstSeen: b.loaded.At})
	}
	var unknown []int64
	sum, err := backtest.Run(t.Context(), b, l.options(), func(r dwmon.Result) error {
		if r.Status == dwmon.Unknown && r.Reason == dwmon.Truncated {
			unknown = append(unknown, r.Minute)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := from/1e6 + 300; sum.From != want {
		t.Errorf("it begins at %d, want %d", sum.From, want)
	}
	if sum.Bad != 0 {
		t.Errorf("%d results are BAD where rows may be missing", sum.Bad)
	}
	first, last := monday.Add(-4*time.Hour).Unix(), monday.Add(-time.Hour).Unix()
	if len(unknown) == 0 || unknown[0] < first || unknown[0] > first+300 || unknown[len(unknown)-1] < last-300 || unknown[len(unknown)-1] > last+600 {
		t.Errorf("UNKNOWN are %v, want those from %d to %d", unknown, first, last)
	}
}

// A replay that begins later than was asked for says so.
func TestItBeginsLaterThanAskedFor(t *testing.T) {
	l := quietLife(t, everyMinute(4, 6, 300))
	for i := range 100 {
		l.row(monday.Add(time.Duration(i-50)*time.Minute+30*time.Second), 0)
	}
	l.minutes(t, 30)
	from, until := monday.Add(-48*time.Hour).UnixMicro(), monday.UnixMicro()
	b := &backfilled{Store: l.store, loaded: dwmon.Loaded{At: monday.Add(10 * time.Minute).UnixMicro(), From: &from, Until: &until}}
	o := l.options()
	for since, said := range map[int64]bool{monday.Add(-72 * time.Hour).Unix(): true, monday.Add(-12 * time.Hour).Unix(): false} {
		o.Since = &since
		sum, err := backtest.Run(t.Context(), b, o, func(dwmon.Result) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(sum.Notes, "\n"), "it begins later than was asked for: rows are whole from 2026-05-30 12:00 on"); got != said {
			t.Errorf("since %d the notes are %q", since, sum.Notes)
		}
	}
}
