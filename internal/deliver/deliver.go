// Package deliver is the outbox's life: it tells check handlers what the store
// holds for them, again when they failed, until they took it or it is given up.
//
// What is to be told was committed together with its verdict, so nothing here is
// the truth: a restart loses no delivery and at most repeats one, under the same
// idempotency key. Each handler has a worker of its own. Within a handler the
// deliveries of one checker form a lane and are told one after the other, in
// order; lanes run side by side, so that one checker's dead receiver holds up
// that checker alone.
package deliver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Store is what a Deliverer needs of a store. Times are microseconds since the
// epoch.
type Store interface {
	// NextDeliveries gives what is to be told now.
	NextDeliveries(ctx context.Context, q dwmon.DeliveryQuery) (dwmon.DeliveryBatch, error)
	// FinishDeliveries records outcomes, durably, in one commit.
	FinishDeliveries(ctx context.Context, outcomes []dwmon.DeliveryOutcome) error
	// CollapseDeliveries turns the oldest deliveries beyond keep into a digest and
	// gives how many they were.
	CollapseDeliveries(ctx context.Context, handler string, keep, now int64) (collapsed int64, err error)
	// SentDeliveries gives when deliveries of a handler were taken by it after a time
	// and until now, ascending: the newest, at most limit.
	SentDeliveries(ctx context.Context, handler string, after, now int64, limit int) (at []int64, err error)
}

// Handler is a check handler with its limits.
type Handler struct {
	dwmon.CheckHandler
	// Concurrency is how many calls may run at once; 0: 4.
	Concurrency int
	// Timeout of one call; 0: 10 s.
	Timeout time.Duration
	// Rate bounds how often it is called, what was sent before a restart included.
	// What is too much waits.
	Rate dwmon.Rate
}

// Options of a Deliverer. A zero field means its default.
type Options struct {
	Store Store
	// Handlers by their names in the configuration. What waits for any other
	// handler is left waiting.
	Handlers map[string]Handler
	// Log; nil: slog.Default().
	Log *slog.Logger
	// Observe, where set, is told of each answer and how long the call took. It is
	// called from several goroutines.
	Observe func(handler string, state dwmon.DeliveryState, took time.Duration)

	// FirstRetry is the back-off after a first failure (1 s); it doubles up to
	// LongestRetry (5 min). Waits are shortened by up to a half at random.
	FirstRetry, LongestRetry time.Duration
	// GiveUp is the age at which a delivery that fails again is dead (72 h).
	GiveUp time.Duration
	// Keep is how many deliveries may wait for one handler (100,000); the oldest
	// beyond become a digest.
	Keep int64
	// Batch is how many deliveries are read at once (500).
	Batch int
	// Poll is how often a worker looks without having been woken (1 min).
	Poll time.Duration
	// Grace is how long calls under way may go on after the stop (500 ms).
	Grace time.Duration
}

// Deliverer tells check handlers what the store holds for them.
type Deliverer struct {
	opts  Options
	wakes map[string]chan struct{}
}

// New gives a Deliverer that does nothing yet.
func New(opts Options) (*Deliverer, error) {
	if opts.Store == nil {
		return nil, fmt.Errorf("deliver: no store")
	}
	opts.Log = cmp.Or(opts.Log, slog.Default())
	opts.FirstRetry = cmp.Or(opts.FirstRetry, time.Second)
	opts.LongestRetry = cmp.Or(opts.LongestRetry, 5*time.Minute)
	opts.GiveUp = cmp.Or(opts.GiveUp, 72*time.Hour)
	opts.Keep = cmp.Or(opts.Keep, 100_000)
	opts.Batch = cmp.Or(opts.Batch, 500)
	opts.Poll = cmp.Or(opts.Poll, time.Minute)
	opts.Grace = cmp.Or(opts.Grace, 500*time.Millisecond)
	d := &Deliverer{opts: opts, wakes: make(map[string]chan struct{}, len(opts.Handlers))}
	for name, h := range opts.Handlers {
		if h.CheckHandler == nil {
			return nil, fmt.Errorf("deliver: handler %q has no check handler", name)
		}
		d.wakes[name] = make(chan struct{}, 1)
	}
	return d, nil
}

// Wake says that something was committed for these handlers; without a name, for
// any. It never blocks. Handlers that are not configured are ignored.
func (d *Deliverer) Wake(handlers ...string) {
	if len(handlers) == 0 {
		for _, wake := range d.wakes {
			signal(wake)
		}
	}
	for _, name := range handlers {
		if wake, ok := d.wakes[name]; ok {
			signal(wake)
		}
	}
}

func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // a signal is pending already
	}
}

// Run delivers until ctx ends, and returns when no call is under way any more and
// what came of them is committed: within a second where handlers heed their context.
func (d *Deliverer) Run(ctx context.Context) error {
	_, err := d.each(func(w *worker) error { return w.run(ctx) }, time.Now)
	return err
}

// Report counts what a Flush did. What failed to be told waits on.
type Report struct{ Sent, Failed, Dead int64 }

// Flush tries what waits once, whatever its back-off says: each lane in order
// until a delivery fails; those behind it wait. It ends when all was tried, when ctx
// ends, or where a handler's rate lets nothing through before it would. now stands
// for the clock at its start. It must not run beside Run.
func (d *Deliverer) Flush(ctx context.Context, now time.Time) (Report, error) {
	start := time.Now()
	clock := func() time.Time { return now.Add(time.Since(start)) }
	return d.each(func(w *worker) error {
		w.once = true
		return w.run(ctx)
	}, clock)
}

// each runs a worker for each handler and waits for all.
func (d *Deliverer) each(run func(*worker) error, clock func() time.Time) (Report, error) {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		report Report
		first  error
	)
	for _, name := range slices.Sorted(maps.Keys(d.opts.Handlers)) {
		w := newWorker(&d.opts, name, d.wakes[name], clock)
		wg.Go(func() {
			err := run(w)
			mu.Lock()
			defer mu.Unlock()
			report.Sent += w.report.Sent
			report.Failed += w.report.Failed
			report.Dead += w.report.Dead
			if err != nil && first == nil {
				first = fmt.Errorf("deliver to %s: %w", w.name, err)
			}
		})
	}
	wg.Wait()
	return report, first
}

// forever is a time that every back-off has passed.
const forever = math.MaxInt64
