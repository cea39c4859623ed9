package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// refusing is a store that fails transactions while it is told to.
type refusing struct {
	dwmon.Store
	mu  sync.Mutex
	now bool
}

func (r *refusing) InTx(ctx context.Context, fn func(dwmon.Tx) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now {
		return errors.New("disk full")
	}
	return r.Store.InTx(ctx, fn)
}

func (r *refusing) refuse(now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
}

// slotsOf runs an engine from the begin of a minute for ten minutes and a half, and
// gives the reports of the slots 1 to 10.
func slotsOf(t *testing.T, all []*engine.Job, during func(*engine.Engine, *refusing)) []engine.SlotReport {
	t.Helper()
	var mu sync.Mutex
	var reports []engine.SlotReport
	store := &refusing{Store: model.New()}
	e, err := engine.New(engine.Options{Store: store, Zone: time.UTC, ObserveSlot: func(r engine.SlotReport) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	e.SetJobs(all)
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 30*time.Second)))
	first := time.Now().Truncate(time.Minute).Unix()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { e.Run(ctx); close(done) }()
	if during != nil {
		during(e, store)
	}
	time.Sleep(time.Until(time.Unix(first+10*60+45, 0)))
	stop()
	<-done
	for i := range reports {
		if reports[i].Slot -= first; reports[i].Slot%60 != 0 || reports[i].Slot < 60 || reports[i].Slot > 600 {
			t.Errorf("a report of slot %d", reports[i].Slot)
		}
		reports[i].Slot /= 60
	}
	return reports
}

func TestSlotReports(t *testing.T) {
	fails := getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		return dwmon.FetchSummary{}, errors.New("connection refused")
	})
	badQuery := getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
		return dwmon.FetchSummary{}, &dwmon.FetchError{Fault: dwmon.FaultChecker, Err: errors.New("no such table")}
	})
	panics := getter(func(context.Context, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) { panic("a bug") })
	well := func() []*engine.Job { return jobs([]string{"a", "b"}, nothing(0), "well") }
	with := func(g dwmon.RowGetter) []*engine.Job { return append(well(), jobs([]string{"odd"}, g, "odd")...) }
	none := []int{}
	all := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	cases := []struct {
		name   string
		jobs   []*engine.Job
		during func(*engine.Engine, *refusing)
		passes int
		undone []int // slots in which passes were not done
		unsaid []int // slots that are not reported
	}{
		{name: "all is well", jobs: well(), passes: 2, undone: none},
		{name: "there are no checkers", passes: 0, undone: none},
		{name: "a source is down", jobs: with(fails), passes: 3, undone: none},
		{name: "a query is bad, and its checker held", jobs: with(badQuery), passes: 3, undone: none},
		{name: "a pass ends in the next minute, before the next one starts", jobs: with(nothing(58 * time.Second)), passes: 3, undone: []int{1} /* the pass of the start still runs */, unsaid: []int{10}},
		{name: "a pass takes longer than a minute", jobs: with(nothing(90 * time.Second)), passes: 3, undone: all, unsaid: []int{10}},
		{name: "a pass panics", jobs: with(panics), passes: 3, undone: all},
		{
			name: "the store fails for two minutes", jobs: well(), passes: 2, undone: []int{3, 4},
			during: func(_ *engine.Engine, s *refusing) {
				time.Sleep(2 * time.Minute)
				s.refuse(true)
				time.Sleep(2 * time.Minute)
				s.refuse(false)
			},
		},
		{
			name: "the store fails to note that a fetch failed", jobs: with(fails), passes: 3, undone: []int{3, 4},
			during: func(_ *engine.Engine, s *refusing) {
				time.Sleep(2 * time.Minute)
				s.refuse(true)
				time.Sleep(2 * time.Minute)
				s.refuse(false)
			},
		},
		{
			name: "checkers go away within a slot", jobs: well(), passes: 2, undone: none,
			during: func(e *engine.Engine, _ *refusing) {
				time.Sleep(9*time.Minute + 31*time.Second + engine.Offset("a", 10*time.Second)/2)
				e.SetJobs(nil)
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reports := slotsOf(t, c.jobs, c.during)
				slices.SortFunc(reports, func(a, b engine.SlotReport) int { return int(a.Slot - b.Slot) })
				var said, undone []int
				for _, r := range reports {
					said = append(said, int(r.Slot))
					if r.Undone > 0 {
						undone = append(undone, int(r.Slot))
					}
					if r.Passes != c.passes {
						t.Errorf("slot %d had %d passes, want %d", r.Slot, r.Passes, c.passes)
					}
				}
				without := func(slots []int) []int {
					return slices.DeleteFunc(slices.Clone(slots), func(s int) bool { return slices.Contains(c.unsaid, s) })
				}
				said, undone = without(said), without(undone)
				if want := without(all); !slices.Equal(said, want) {
					t.Errorf("slots reported: %v, want %v", said, want)
				}
				if want := without(c.undone); !slices.Equal(undone, want) {
					t.Errorf("slots with passes that were not done: %v, want %v", undone, want)
				}
			})
		})
	}
}
