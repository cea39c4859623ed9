package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// log collects reports.
type reportLog struct {
	mu      sync.Mutex
	reports []engine.Report
}

func (l *reportLog) add(r engine.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, r)
}

// of gives the reports of a checker so far.
func (l *reportLog) of(name string) []engine.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	var of []engine.Report
	for _, r := range l.reports {
		if r.Checker.Name == name {
			of = append(of, r)
		}
	}
	return of
}

func jobs(names []string, g dwmon.RowGetter, source string) []*engine.Job {
	var all []*engine.Job
	for _, name := range names {
		c := &dwmon.Checker{Name: name, Revision: "1", Lines: []dwmon.Requirement{{
			Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Max: dwmon.At(0), Lookback: 60,
		}}}
		all = append(all, &engine.Job{Checker: c, Getter: g, Source: engine.Source{Key: source}})
	}
	return all
}

// nothing is a source without rows that takes a while.
func nothing(d time.Duration) dwmon.RowGetter {
	return getter(func(ctx context.Context, _ func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		select {
		case <-time.After(d):
			return dwmon.FetchSummary{}, nil
		case <-ctx.Done():
			return dwmon.FetchSummary{}, ctx.Err()
		}
	})
}

func newEngine(t *testing.T, observe func(engine.Report)) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Options{Store: model.New(), Zone: time.UTC, Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEachMinuteHasItsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log reportLog
		e := newEngine(t, log.add)
		names := []string{"a", "b", "c"}
		e.SetJobs(jobs(names, nothing(2*time.Second), "s"))
		time.Sleep(20 * time.Second) // not on the grid
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		begin := time.Now()
		go func() { e.Run(ctx); close(done) }()
		time.Sleep(10*time.Minute - 20*time.Second + 30*time.Second)
		stop()
		<-done
		for _, name := range names {
			reports := log.of(name)
			if len(reports) != 11 {
				t.Fatalf("%s had %d passes in ten minutes and the start", name, len(reports))
			}
			if !reports[0].Began.Equal(begin) {
				t.Errorf("%s: the first pass began %s after the start", name, reports[0].Began.Sub(begin))
			}
			for i, r := range reports[1:] {
				offset := r.Began.Sub(time.Unix(r.Slot, 0))
				if want := time.Second + engine.Offset(name, 10*time.Second); offset != want {
					t.Errorf("%s: pass %d began %s into its minute, want %s", name, i+1, offset, want)
				}
				if len(r.Results) != 1 || r.Err != nil {
					t.Errorf("%s: pass %d gave %d verdicts, error %v", name, i+1, len(r.Results), r.Err)
				}
			}
		}
	})
}

func TestAHangingSourceDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log reportLog
		e := newEngine(t, log.add)
		hung := jobs([]string{"hung1", "hung2", "hung3", "hung4", "hung5", "hung6"}, nothing(time.Hour), "hanging")
		e.SetJobs(append(hung, jobs([]string{"well"}, nothing(0), "well")...))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { e.Run(ctx); close(done) }()
		time.Sleep(10*time.Minute + 30*time.Second)
		stop()
		<-done
		if n := len(log.of("well")); n != 12 { // at the start, and in the slots 0 to 10
			t.Errorf("the healthy checker had %d passes", n)
		}
		failed := 0
		for _, job := range hung {
			for _, r := range log.of(job.Checker.Name) {
				if errors.Is(r.Err, context.Canceled) {
					continue // the stop
				}
				failed++
				if r.Err == nil || r.Took < time.Minute {
					t.Errorf("%s: error %v after %s", job.Checker.Name, r.Err, r.Took)
				}
			}
		}
		if failed < 20 {
			t.Errorf("only %d fetches ended at their limit", failed)
		}
		if s := e.Stats(); s.SkippedPasses == 0 || s.MissedSlots != 0 || s.Running != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestPlacesGoToTheOldestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		busy, most := 0, 0
		g := func(name string) dwmon.RowGetter {
			return getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
				mu.Lock()
				order = append(order, name)
				busy++
				most = max(most, busy)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				busy--
				mu.Unlock()
				return dwmon.FetchSummary{}, nil
			})
		}
		e := newEngine(t, nil)
		minute := time.Now().Truncate(time.Minute)
		pass := func(name string, at time.Time) {
			job := jobs([]string{name}, g(name), "s")[0]
			job.Source.Concurrency = 2
			if r := e.Pass(t.Context(), job, at, false); r.Err != nil {
				t.Error(r.Err)
			}
		}
		const n = 6
		for i := range n { // the higher its number, the longer ago a checker had its pass
			pass(fmt.Sprint("c", i), minute.Add(-time.Duration(i)*time.Minute))
		}
		order = nil
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() { pass(fmt.Sprint("c", i), minute.Add(time.Hour)) })
			synctest.Wait()
		}
		group.Wait()
		for i := 0; i < n; i += 2 { // two at an instant, in any order
			slices.Sort(order[i : i+2])
		}
		if diff := cmp.Diff([]string{"c0", "c1", "c4", "c5", "c2", "c3"}, order); diff != "" {
			t.Errorf("order of the fetches, two at a time (-want +got):\n%s", diff)
		}
		if most != 2 {
			t.Errorf("%d fetches ran side by side, the source allows 2", most)
		}
	})
}

func TestAReloadIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log reportLog
		e := newEngine(t, log.add)
		bad := jobs([]string{"a"}, getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
			return dwmon.FetchSummary{}, &dwmon.FetchError{Fault: dwmon.FaultChecker, Err: errors.New("no such table")}
		}), "s")
		e.SetJobs(bad)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { e.Run(ctx); close(done) }()
		time.Sleep(30*time.Minute + 40*time.Second)
		before := len(log.of("a"))
		at := time.Now()
		e.SetJobs(jobs([]string{"a"}, nothing(0), "s"))
		synctest.Wait()
		reports := log.of("a")
		if len(reports) != before+1 || !reports[before].Began.Equal(at) || reports[before].Err != nil {
			t.Errorf("%d passes at once, the last %+v", len(reports)-before, reports[len(reports)-1])
		}
		if n := len(reports[before].Results); n != 40 { // ten before the origin, thirty since
			t.Errorf("the pass judged %d minutes", n)
		}
		e.SetJobs(nil)
		time.Sleep(5 * time.Minute)
		if n := len(log.of("a")); n != before+1 {
			t.Error("a dropped checker had passes")
		}
		stop()
		<-done
	})
}

// A job that changes while a pass of the one before runs has its own as soon as that
// has ended, once, and whoever did not change has none.
func TestAReloadDuringAPassIsTriedWhenItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log reportLog
		e := newEngine(t, log.add)
		quick := jobs([]string{"b"}, nothing(0), "quick")
		e.SetJobs(append(jobs([]string{"a"}, nothing(8*time.Second), "slow"), quick...))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		time.Sleep(15 * time.Second) // no slot begins meanwhile
		began := time.Now()
		go func() { e.Run(ctx); close(done) }()
		time.Sleep(3 * time.Second) // the pass made at the start runs until the eighth second
		changed := jobs([]string{"a"}, nothing(0), "quick")
		e.SetJobs(append(changed, quick...))
		time.Sleep(30 * time.Second)
		a := log.of("a")
		if len(a) != 2 || a[1].Checker != changed[0].Checker {
			t.Fatalf("%d passes of the changed checker, want 2, the second of the new job", len(a))
		}
		if after := a[1].Began.Sub(began); after < 8*time.Second || after > 9*time.Second {
			t.Errorf("the new job's pass began after %s, want it within a second of the old one's end", after)
		}
		if n := len(log.of("b")); n != 1 {
			t.Errorf("%d passes of the checker that did not change, want 1", n)
		}
		if s := e.Stats(); s.SkippedPasses != 0 {
			t.Errorf("%d passes of slots were counted as skipped", s.SkippedPasses)
		}
		stop()
		<-done
	})
}
