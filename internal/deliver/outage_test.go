package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// lived is what a handler saw of a few days.
type lived struct {
	*recorder
	// fails says what is wrong with the handler at a time; nil: nothing.
	fails func(ctx context.Context, since time.Duration) error
}

// verdicts is how many each of the three checkers has in the day that live lasts, one
// every five minutes.
const verdicts = 24 * 12

// live lets three checkers have verdicts for a day, told to all handlers, and then
// lets a day go by without any.
func live(t *testing.T, handlers map[string]*lived, change func(*Options)) *mapStore {
	t.Helper()
	s := &mapStore{}
	begin := time.Now()
	opts := Options{Store: s, Handlers: map[string]Handler{}, Log: slog.New(slog.DiscardHandler)}
	for name, h := range handlers {
		h.recorder = &recorder{}
		h.answer = func(ctx context.Context, _ string, _ int) error {
			if h.fails == nil {
				return nil
			}
			return h.fails(ctx, time.Since(begin))
		}
		opts.Handlers[name] = Handler{CheckHandler: h.recorder}
	}
	if change != nil {
		change(&opts)
	}
	d, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for range verdicts {
		for lane := int64(1); lane <= 3; lane++ {
			for name := range handlers {
				s.add(name, lane, time.Now())
			}
		}
		d.Wake()
		time.Sleep(5 * time.Minute)
	}
	time.Sleep(24 * time.Hour)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return s
}

// told lists the deliveries of a handler in the order in which their last try began.
func (s *mapStore) told(name string, r *recorder) []*row {
	last := map[string]int{}
	for i, tell := range r.told {
		last[tell.key] = i
	}
	var rows []*row
	for _, row := range s.rows {
		if _, ok := last[row.Key]; ok && row.Handler == name && row.state == dwmon.DeliverySent {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(last[a.Key], last[b.Key]) })
	return rows
}

// wantOrder insists that each checker's results came in order.
func wantOrder(t *testing.T, name string, told []*row) {
	t.Helper()
	newest := map[int64]int64{}
	for _, row := range told {
		if row.ID <= newest[row.CheckerID] {
			t.Errorf("handler %s: checker %d: delivery %d came behind %d", name, row.CheckerID, row.ID, newest[row.CheckerID])
		}
		newest[row.CheckerID] = row.ID
	}
}

func hangs(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

// A day in which one handler hangs, one is down, and one refuses what it is told:
// the fourth never notices, and afterwards everything has reached those that came
// back, in order.
func TestADayOfOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for6h := func(fails func(context.Context, time.Duration) error) func(context.Context, time.Duration) error {
			return func(ctx context.Context, since time.Duration) error {
				if since < 6*time.Hour || since > 24*time.Hour {
					return nil
				}
				return fails(ctx, since)
			}
		}
		var refused atomic.Int64
		handlers := map[string]*lived{
			"well":  {},
			"hangs": {fails: for6h(hangs)},
			"down":  {fails: for6h(func(context.Context, time.Duration) error { return down() })},
			"fails": {fails: for6h(func(context.Context, time.Duration) error { return errors.New("500") })},
			"refuses": {fails: for6h(func(context.Context, time.Duration) error {
				refused.Add(1)
				return never()
			})},
		}
		s := live(t, handlers, nil)
		for name, h := range handlers {
			told := s.told(name, h.recorder)
			wantOrder(t, name, told)
			want := 3 * verdicts
			if name == "refuses" {
				want -= int(refused.Load())
			}
			if len(told) != want {
				t.Errorf("handler %s was told %d of %d", name, len(told), want)
			}
		}
		// Each was told at once: nobody else's outage cost the well one a moment.
		created := map[string]int64{}
		for _, r := range s.rows {
			created[r.Key] = r.Created
		}
		for _, tell := range handlers["well"].told {
			if late := tell.at.Sub(time.UnixMicro(created[tell.key])); late != 0 {
				t.Fatalf("the handler that is well was told %s late", late)
			}
		}
		// A permanent error is dead at once, and the next goes on: one try each.
		if got := handlers["refuses"].calls(); got != 3*verdicts || refused.Load() != 3*(18*12+1) && refused.Load() != 3*18*12 {
			t.Errorf("%d calls to the one that refuses, %d refused", got, refused.Load())
		}
		if n := handlers["down"].calls(); n > 3*verdicts+600 {
			t.Errorf("%d calls to the one that was down", n)
		}
	})
}

// What is too much for an outage is digested: each result is either sent, or in a
// digest that was sent, and those that are sent are the newest of their checker.
func TestADayOfOutagesWithADigest(t *testing.T) {
	for name, fails := range map[string]func(context.Context, time.Duration) error{
		"hangs": hangs,
		"down":  func(context.Context, time.Duration) error { return down() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &lived{fails: func(ctx context.Context, since time.Duration) error {
					if since > 24*time.Hour {
						return nil
					}
					return fails(ctx, since)
				}}
				s := live(t, map[string]*lived{"h": h}, func(o *Options) { o.Keep = 100 })
				told := s.told("h", h.recorder)
				results := slices.DeleteFunc(slices.Clone(told), func(r *row) bool { return r.Notice != nil })
				wantOrder(t, "h", results)
				digested := 0
				for _, r := range told {
					if r.Notice != nil {
						var n int
						if _, err := fmt.Sscanf(r.Notice.Summary, "%d results", &n); err != nil {
							t.Fatal(err)
						}
						digested += n
					}
				}
				states := s.states()
				if states[dwmon.DeliveryWaiting] != 0 || states[dwmon.DeliveryDead] != 0 || digested != states[dwmon.DeliveryCollapsed] || digested+len(results) != 3*verdicts {
					t.Errorf("%v: %d sent and %d in digests, want %d in all", states, len(results), digested, 3*verdicts)
				}
				if len(results) > 110 || digested == 0 {
					t.Errorf("%d results were sent after a day with room for 100", len(results))
				}
				for _, r := range results {
					for _, c := range s.rows {
						if c.state == dwmon.DeliveryCollapsed && c.CheckerID == r.CheckerID && c.ID > r.ID {
							t.Fatalf("delivery %d was sent, and the later %d of its checker digested", r.ID, c.ID)
						}
					}
				}
			})
		})
	}
}
