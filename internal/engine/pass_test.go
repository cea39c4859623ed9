package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/model"
)

// noon is a Monday.
var noon = time.Date(2026, 6, 1, 12, 0, 1, 0, time.UTC)

// bundle is an engine on a map store, one checker and a scripted source.
type bundle struct {
	t       *testing.T
	store   *model.Store
	engine  *engine.Engine
	source  *enginetest.Source
	checker *dwmon.Checker
	job     *engine.Job
}

// setup makes a checker that is due at each minute: 1 to 3 rows in the last one.
func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, store: model.New(), source: &enginetest.Source{Clock: noon.UnixMicro()}}
	b.checker = &dwmon.Checker{Name: "orders", Query: "q", Source: "s", Extra: []byte("{}"), Revision: "1", Lines: []dwmon.Requirement{{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(1), Max: dwmon.At(3), Lookback: 60,
	}}}
	b.job = &engine.Job{Checker: b.checker, Getter: b.source}
	e, err := engine.New(engine.Options{Store: b.store, Zone: time.UTC, Now: func() time.Time { return time.UnixMicro(b.source.Clock) }})
	if err != nil {
		t.Fatal(err)
	}
	b.engine = e
	return b
}

// rows adds n rows that happen, and can be fetched, half a minute before a time.
func (b *bundle) rows(at time.Time, n int) {
	for range n {
		us := at.Add(-30 * time.Second).UnixMicro()
		b.source.Events = append(b.source.Events, enginetest.Event{Key: "k" + time.UnixMicro(us).String() + string(rune('a'+len(b.source.Events))), Micros: us, Arrives: us})
	}
}

func (b *bundle) pass(at time.Time) engine.Report {
	b.t.Helper()
	b.source.Clock = at.UnixMicro()
	return b.engine.Pass(context.Background(), b.job, at, false)
}

// statuses are a pass's verdicts in short.
func statuses(r engine.Report) string {
	var words []string
	for _, v := range r.Results {
		words = append(words, strings.TrimSuffix(v.Status.String()+":"+string(v.Reason), ":"))
	}
	return strings.Join(words, " ")
}

func TestAFailedFetchIsNeverACount(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	b.source.Half = true
	b.rows(noon.Add(time.Minute), 2)
	r := b.pass(noon.Add(time.Minute))
	if r.Err == nil || len(r.Results) != 0 {
		t.Fatalf("a fetch that broke off gave %v, error %v", r.Results, r.Err)
	}
	c := b.store.Look("orders")
	if len(c.Keys) != 0 || *c.Progress.Settled != noon.Unix()-1 {
		t.Errorf("%d keys were kept, the walk settled through %d", len(c.Keys), *c.Progress.Settled)
	}
	if f := c.Progress.Failing; f == nil || f.Count != 1 || f.Since != noon.Add(time.Minute).UnixMicro() {
		t.Errorf("failing: %+v", f)
	}
	b.source.Half = false
	if got := statuses(b.pass(noon.Add(2 * time.Minute))); got != "GOOD BAD:low" {
		t.Errorf("the next pass gave %q", got)
	}
	if b.store.Look("orders").Progress.Failing != nil {
		t.Error("the checker still counts as failing")
	}
}

func TestASummaryMustAgreeWithTheRows(t *testing.T) {
	b := setup(t)
	b.job.Getter = getter(func(ctx context.Context, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		err := sink(&dwmon.Batch{Keys: []byte("a"), Lengths: []uint32{1}, Micros: []int64{1}})
		return dwmon.FetchSummary{Rows: 2}, err
	})
	r := b.pass(noon)
	if r.Err == nil || !strings.Contains(r.Err.Error(), "the summary says 2 rows, but 1 came") {
		t.Errorf("error %v", r.Err)
	}
}

type getter func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error)

func (g getter) GetRows(ctx context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	return g(ctx, sink)
}

func TestAPanicCostsOnlyThePass(t *testing.T) {
	b := setup(t)
	b.job.Getter = getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) { panic("ouch") })
	if r := b.pass(noon); r.Err == nil || !strings.Contains(r.Err.Error(), "ouch") {
		t.Errorf("error %v", r.Err)
	}
	b.job.Getter = b.source
	if r := b.pass(noon); r.Err != nil || len(r.Results) == 0 {
		t.Errorf("the pass after it: %d verdicts, error %v", len(r.Results), r.Err)
	}
}

func TestErrorsOfTheFileBackOff(t *testing.T) {
	b := setup(t)
	asked := 0
	b.job.Getter = getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		asked++
		return dwmon.FetchSummary{}, &dwmon.FetchError{Fault: dwmon.FaultChecker, Err: errors.New("no such table")}
	})
	var at []int
	for minute := range 20 {
		before := asked
		r := b.pass(noon.Add(time.Duration(minute) * time.Minute))
		if r.Err == nil || r.Err.Error() != "no such table" {
			t.Fatalf("minute %d: error %v", minute, r.Err)
		}
		if r.Held != (asked == before) {
			t.Fatalf("minute %d: held %v, asked %v", minute, r.Held, asked != before)
		}
		if asked > before {
			at = append(at, minute)
		}
	}
	if diff := cmp.Diff([]int{0, 1, 3, 7, 12, 17}, at); diff != "" {
		t.Errorf("asked at minutes (-want +got):\n%s", diff)
	}
	before := asked
	b.engine.Pass(context.Background(), b.job, noon.Add(20*time.Minute), true)
	if asked != before+1 {
		t.Error("a pass that is told to retry did not ask")
	}
}

func TestHandlersAreToldWhatTheyWant(t *testing.T) {
	b := setup(t)
	b.job.Routes = []dwmon.Route{{Handler: "log", On: dwmon.OnEvery}, {Handler: "pager", On: dwmon.OnChange}, {Handler: "mail", On: dwmon.OnBad}}
	b.rows(noon, 1)
	b.pass(noon) // ten minutes, nine of them before the checker was first seen
	for i, n := range []int{0, 0, 2} {
		at := noon.Add(time.Duration(i+1) * time.Minute)
		b.rows(at, n)
		b.pass(at)
	}
	told := map[string][]int64{}
	for _, tell := range b.store.Look("orders").Tellings {
		told[tell.Handler] = append(told[tell.Handler], (tell.Minute-noon.Unix()+1)/60)
	}
	want := map[string][]int64{
		"log":   {-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3},
		"pager": {1, 3}, // what was BAD before the checker was first seen is no incident, and cannot recover
		"mail":  {1, 2},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("tellings by handler and minute (-want +got):\n%s", diff)
	}
}

func TestSilencedResultsAreToldToThoseWhoWantAll(t *testing.T) {
	b := setup(t)
	b.job.Routes = []dwmon.Route{{Handler: "log", On: dwmon.OnEvery}, {Handler: "pager", On: dwmon.OnChange}, {Handler: "mail", On: dwmon.OnBad}}
	b.rows(noon, 1)
	b.pass(noon)
	until := noon.Add(2*time.Minute + time.Second).UnixMicro()
	b.store.Quiet = []dwmon.Silence{
		{Matchers: dwmon.Matchers{{Key: "name", Value: "orders"}}, Starts: noon.UnixMicro(), Ends: until},
		{Matchers: dwmon.Matchers{{Key: "name", Value: "bills"}}, Starts: noon.UnixMicro(), Ends: until + 1e9},
	}
	before := len(b.store.Look("orders").Tellings)
	for i, n := range []int{0, 0, 0, 2} {
		at := noon.Add(time.Duration(i+1) * time.Minute)
		b.rows(at, n)
		b.pass(at)
	}
	told := map[string][]int64{}
	for _, tell := range b.store.Look("orders").Tellings[before:] {
		told[tell.Handler] = append(told[tell.Handler], (tell.Minute-noon.Unix()+1)/60)
	}
	want := map[string][]int64{"log": {1, 2, 3, 4}, "pager": {4}, "mail": {3}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("tellings by handler and minute (-want +got):\n%s", diff)
	}
}

func TestWhatIsMadeUpForSaysWhatWasDown(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	b.pass(noon.Add(20 * time.Minute))
	b.source.Down = true
	b.engine.Pass(context.Background(), b.job, noon.Add(21*time.Minute), true)
	b.source.Down = false
	b.pass(noon.Add(40 * time.Minute))
	var down []string
	for _, c := range b.store.Look("orders").CatchUps {
		down = append(down, fmt.Sprintf("%s: %d of %d", c.Down, c.Bad, c.Checks))
	}
	// The last five minutes before a pass are in time.
	if want := []string{"dwmon: 14 of 14", "source " + b.job.Source.Key + ": 14 of 14"}; !slices.Equal(down, want) {
		t.Errorf("got %q, want %q", down, want)
	}
}

func TestAssumedTimestamps(t *testing.T) {
	b := setup(t)
	b.checker.Options.Assumed = true
	b.checker.Lines[0].Lookback = 120
	stampNow := func() { // the query gives the present time for rows that it did not give before
		for i := range b.source.Events {
			b.source.Events[i].Micros = b.source.Clock
		}
	}
	b.rows(noon, 5)
	stampNow()
	r := b.pass(noon)
	if len(r.Results) != 0 || r.Gap != 20 || !r.Fetch.Baseline {
		t.Fatalf("the baseline gave %d verdicts and a gap of %d", len(r.Results), r.Gap)
	}
	next := func(minute int, rows int) string {
		at := noon.Add(time.Duration(minute) * time.Minute)
		b.rows(at, rows)
		b.source.Clock = at.UnixMicro()
		stampNow()
		return statuses(b.pass(at))
	}
	steps := []struct {
		name   string
		minute int
		rows   int
		want   string
	}{
		{"the window reaches before the baseline: a low count proves nothing", 1, 1, "UNKNOWN:assumed"},
		{"it still does, but the count is in range", 2, 1, "GOOD"},
		{"from now on all was observed", 3, 0, "GOOD"},
		{"nothing new came", 4, 0, "GOOD"},
		{"two minutes without a row", 5, 0, "BAD:low"},
		{"a minute was missed: rows bear the wrong time", 7, 2, "UNKNOWN:assumed UNKNOWN:assumed"},
		{"the window still touches the missed span", 8, 0, "UNKNOWN:assumed"},
		{"and still", 9, 0, "UNKNOWN:assumed"},
		{"not any more", 10, 0, "BAD:low"},
	}
	for _, s := range steps {
		if got := next(s.minute, s.rows); got != s.want {
			t.Errorf("minute %d, %s: %q, want %q", s.minute, s.name, got, s.want)
		}
	}
}

type purger func(dwmon.PurgeRequest) (dwmon.Cutoff, error)

func (p purger) IdentifyOld(_ context.Context, r dwmon.PurgeRequest) (dwmon.Cutoff, error) {
	return p(r)
}

func TestPurge(t *testing.T) {
	b := setup(t)
	var asked []dwmon.PurgeRequest
	answer := dwmon.Cutoff{}
	b.job.Purger = purger(func(r dwmon.PurgeRequest) (dwmon.Cutoff, error) { asked = append(asked, r); return answer, nil })
	b.rows(noon.Add(-time.Hour), 2)
	b.rows(noon, 1)
	b.pass(noon)
	m := noon.Unix() - 1
	if len(asked) != 1 || asked[0].KeepFrom != m-60 || asked[0].Oldest != noon.Add(-time.Hour-30*time.Second).Unix() {
		t.Fatalf("the purger was asked %+v", asked)
	}
	c := b.store.Look("orders")
	if c.Progress.PurgeMark != nil {
		t.Fatal("a cut-off that was not set purged")
	}
	answer = dwmon.Cutoff{Set: true, OlderThan: m + 1e6} // far beyond what is still needed
	b.rows(noon.Add(time.Minute), 1)
	r := b.pass(noon.Add(time.Minute))
	if *c.Progress.PurgeMark != m+60-60 || r.Purged != 3 {
		t.Errorf("the mark is %d, want %d; %d rows were purged", *c.Progress.PurgeMark, m, r.Purged)
	}
	if r := b.pass(noon.Add(time.Minute + time.Second)); r.Purged != 0 || len(asked) != 2 {
		t.Errorf("a pass that performed no checks asked the purger")
	}
	b.source.Events = append(b.source.Events, enginetest.Event{Key: "old and never seen", Micros: (m - 7200) * 1e6, Arrives: 0})
	r = b.pass(noon.Add(2 * time.Minute))
	if r.Fetch.Ingested.Fresh != 0 || r.Fetch.Ingested.Ignored != 1 {
		t.Errorf("after the purge a fetch brought %+v", r.Fetch.Ingested)
	}
}

func TestAPurgersFailureChangesNothing(t *testing.T) {
	b := setup(t)
	b.job.Purger = purger(func(dwmon.PurgeRequest) (dwmon.Cutoff, error) { return dwmon.Cutoff{}, errors.New("no idea") })
	if r := b.pass(noon); r.Err != nil || r.PurgeErr == nil || len(r.Results) != 10 {
		t.Errorf("%d verdicts, error %v, purge error %v", len(r.Results), r.Err, r.PurgeErr)
	}
}

func TestNothingIsOwedWhileOff(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	b.source.Down = true
	b.pass(noon.Add(time.Minute)) // pending when the file goes
	b.source.Down = false
	m := noon.Unix() - 1
	b.store.SwitchOff("orders", m+2*60, dwmon.OffAway)
	r := b.pass(noon.Add(30 * time.Minute))
	if len(r.Results) != 1 || r.Results[0].Minute != m+30*60 {
		t.Fatalf("on return the pass judged %+v", r.Results)
	}
	c := b.store.Look("orders")
	if diff := cmp.Diff([]model.OffSpan{{From: m + 120, Until: m + 1800, Reason: dwmon.OffAway}}, c.Spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if len(c.Gaps) != 1 || c.Gaps[0].From != m+60 || c.Gaps[0].Minutes != 1 || c.Gaps[0].Reason != dwmon.GapOff {
		t.Errorf("gaps: %+v", c.Gaps)
	}
}

// What a pass has read of its checker no longer holds once somebody has switched it off or
// moved its walk, and a pass that is on its way for a minute gives that somebody time. It
// wrote back the incidents of before: one that was closed stayed open to the line, so that
// none was opened once it was back, and the next that was GOOD failed for ever.
func TestAPassGivesWayToWhoeverWasFaster(t *testing.T) {
	for name, meanwhile := range map[string]func(*bundle, time.Time){
		"switched off": func(b *bundle, at time.Time) { b.store.SwitchOff("orders", at.Unix()/60*60, dwmon.OffDisabled) },
		"settled by hand": func(b *bundle, at time.Time) {
			if err := b.store.SettleTo("orders", at.Unix()/60*60-180, time.UTC, nil); err != nil {
				b.t.Fatal(err)
			}
		},
	} {
		b := setup(t)
		b.pass(noon)
		first := b.pass(noon.Add(time.Minute))
		if statuses(first) != "BAD:low" || len(b.store.Look("orders").Incidents) != 1 {
			t.Fatalf("%s: before: %s, %+v", name, statuses(first), b.store.Look("orders").Incidents)
		}
		at := noon.Add(2 * time.Minute)
		b.job.Getter = getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
			meanwhile(b, at)
			return dwmon.FetchSummary{}, nil
		})
		verdicts, moved := len(b.store.Look("orders").Verdicts), b.pass(at)
		if moved.Err != nil || !moved.Done || moved.Fetched || len(moved.Results) != 0 || len(b.store.Look("orders").Verdicts) != verdicts {
			t.Errorf("%s: the pass that was overtaken: %+v", name, moved)
		}
		b.job.Getter = b.source
		for i := 3; i < 6; i++ {
			at = noon.Add(time.Duration(i) * time.Minute)
			if i == 5 {
				b.rows(at, 1)
			}
			if r := b.pass(at); r.Err != nil || len(r.Results) == 0 {
				t.Errorf("%s: pass %d: %s, error %v", name, i, statuses(r), r.Err)
			}
		}
		for _, i := range b.store.Look("orders").Incidents {
			if i.Closed == nil {
				t.Errorf("%s: an incident is open, though the last result is GOOD: %+v", name, i)
			}
		}
		if n := len(b.store.Look("orders").Incidents); name == "switched off" && n != 2 {
			t.Errorf("%s: %d incidents, want one before and one after", name, n)
		}
	}
}

func TestAWalkAheadOfTheClockIsUnknown(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	if r := b.pass(noon.Add(-5 * time.Minute)); r.Err != nil {
		t.Errorf("five minutes back: %v", r.Err)
	}
	r := b.pass(noon.Add(-5*time.Minute - 2*time.Second))
	if !errors.Is(r.Err, engine.ErrAhead) || !strings.Contains(r.Err.Error(), `dwmon settle "orders" --to`) {
		t.Errorf("more than five minutes back: %v", r.Err)
	}
}

func TestAWalkMovedBackJudgesNothingTwice(t *testing.T) {
	b := setup(t)
	b.pass(noon)
	c := b.store.Look("orders")
	back := *c.Progress.Settled - 180
	c.Progress.Settled = &back
	r := b.pass(noon.Add(time.Minute))
	if r.Err != nil || len(r.Results) != 1 || r.Results[0].Minute != noon.Unix()-1+60 {
		t.Errorf("verdicts %+v, error %v", r.Results, r.Err)
	}
}

func TestStoppingIsNoFailure(t *testing.T) {
	b := setup(t)
	ctx, stop := context.WithCancel(context.Background())
	b.job.Getter = getter(func(ctx context.Context, _ func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		stop()
		<-ctx.Done()
		return dwmon.FetchSummary{}, ctx.Err()
	})
	r := b.engine.Pass(ctx, b.job, noon, false)
	if !errors.Is(r.Err, context.Canceled) || r.Fetched {
		t.Errorf("fetched %v, error %v", r.Fetched, r.Err)
	}
	if c := b.store.Look("orders"); c.Progress.Failing != nil || len(c.Fetches) != 0 {
		t.Errorf("%d fetches were recorded", len(c.Fetches))
	}
}
