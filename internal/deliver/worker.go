package deliver

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// worker serves one handler. One goroutine owns all of its fields; calls and
// commits run beside it and answer through channels.
//
// A lane is held from when its deliveries are read until the outcomes of all that
// were tried are committed, and held lanes are not read again: that keeps the
// order, and keeps a delivery that the store still takes for waiting from being
// told twice.
type worker struct {
	name    string
	handler Handler
	opts    *Options
	log     *slog.Logger
	now     func() time.Time
	// once: end when everything was tried, and try nothing a second time.
	once bool

	wake      chan struct{}
	answers   chan answer
	committed chan error

	lanes    []*lane        // to be served, in turn
	held     map[int64]bool // by checker id
	tried    map[int64]bool // with once: lanes in which a delivery failed
	inFlight int

	outcomes   []dwmon.DeliveryOutcome // to be committed
	leaving    []*lane                 // to be released when they are
	committing *commit                 // nil: none under way

	// look: the store may hold something that can be told now; from lookAt on it
	// does.
	look       bool
	lookAt     time.Time
	collapseAt time.Time
	// storeFails counts errors of the store in a row; it is left alone until retryAt.
	storeFails int64
	retryAt    time.Time

	pause pause
	rate  window
	// recalled: the rate counts what was sent before this worker began.
	recalled bool
	stopping bool
	report   Report
}

// lane is what was read of one checker's deliveries.
type lane struct {
	checkerID int64
	waiting   []dwmon.Delivery
}

// commit is outcomes being committed, and the lanes that are free afterwards.
type commit struct {
	outcomes []dwmon.DeliveryOutcome
	leaving  []*lane
}

// pause is the state of a handler that is down. While it lasts nobody is told;
// then one delivery is tried, and the others follow when it was answered.
type pause struct {
	since, until time.Time
	failures     int64 // 0: the handler is up
}

func newWorker(o *Options, name string, wake chan struct{}, now func() time.Time) *worker {
	h := o.Handlers[name]
	h.Concurrency = cmp.Or(max(h.Concurrency, 0), 4)
	h.Timeout = cmp.Or(h.Timeout, 10*time.Second)
	return &worker{
		name: name, handler: h, opts: o, log: o.Log.With("handler", name), now: now, wake: wake,
		answers: make(chan answer, h.Concurrency), committed: make(chan error, 1),
		held: map[int64]bool{}, tried: map[int64]bool{}, look: true,
		rate: window{rate: h.Rate}, recalled: h.Rate.Count == 0,
	}
}

// run serves the handler until ctx ends or, with once, until all was tried.
func (w *worker) run(ctx context.Context) error {
	// Calls outlive the stop by the grace: what a receiver is just taking would
	// otherwise be told again.
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	var failed error
	for {
		w.commit(ctx)
		if err := w.read(ctx); err != nil && w.once {
			failed = err
			w.stop()
		}
		if w.heedRate(ctx) {
			continue
		}
		w.dispatch(calls)
		if w.idle() && (w.stopping || w.once && !w.look) {
			return failed
		}
		w.arm(timer)
		select {
		case a := <-w.answers:
			w.answered(a, calls.Err() != nil)
			w.drain(calls)
		case err := <-w.committed:
			w.finished(err)
			if err != nil && (w.stopping || w.once) {
				failed = err
				w.abandon()
			}
		case <-w.wake:
			w.look = true
		case <-timer.C:
		case <-done:
			done = nil
			w.stop()
			grace := time.AfterFunc(w.opts.Grace, cut)
			defer grace.Stop()
		}
	}
}

// drain takes the answers that are there, so that they share a commit.
func (w *worker) drain(calls context.Context) {
	for {
		select {
		case a := <-w.answers:
			w.answered(a, calls.Err() != nil)
		default:
			return
		}
	}
}

// stop lets nothing new begin.
func (w *worker) stop() {
	w.stopping = true
	w.letGo()
}

// letGo puts back every lane that waits to be served.
func (w *worker) letGo() {
	w.leaving = append(w.leaving, w.lanes...)
	w.lanes = nil
}

// abandon gives up outcomes that the store does not take at the end: the
// deliveries will be told again.
func (w *worker) abandon() {
	w.stop()
	w.log.Error("the outcomes of deliveries were not stored; they will be made again", "deliveries", len(w.outcomes))
	w.outcomes = nil
}

func (w *worker) idle() bool {
	return w.inFlight == 0 && len(w.lanes) == 0 && len(w.outcomes) == 0 && len(w.leaving) == 0 && w.committing == nil
}

// heedRate puts lanes back that the rate makes wait, so that what waits can still
// become part of a digest, and says whether there were any. With once, nobody waits
// for a rate that outlasts ctx.
func (w *worker) heedRate(ctx context.Context) bool {
	now := w.now()
	if w.stopping || w.rate.room(now) > 0 {
		return false
	}
	end, ends := ctx.Deadline()
	if w.once && ends && w.rate.opens(now).Sub(now) > time.Until(end) {
		w.stop()
		return true
	}
	held := len(w.lanes) > 0
	w.letGo()
	return held
}

// paused says whether the handler is down and not to be tried yet.
func (w *worker) paused(now time.Time) bool {
	return w.pause.failures > 0 && now.Before(w.pause.until)
}

// arm sets the timer to when there is something to do without an answer, a
// commit or a wake.
func (w *worker) arm(timer *time.Timer) {
	now := w.now()
	at := w.lookAt
	if w.look {
		at = now.Add(w.opts.Poll) // the answer that makes room comes before
	}
	if opens := w.rate.opens(now); opens.After(now) && (w.look || len(w.lanes) > 0) {
		at = opens
	}
	if w.paused(now) {
		at = w.pause.until
	}
	if w.storeFails > 0 {
		at = w.retryAt
	}
	timer.Reset(max(at.Sub(now), 0))
}

// commit starts to commit the outcomes that have gathered. Nothing of ctx but its
// values counts: what was told must be noted, above all at the end.
func (w *worker) commit(ctx context.Context) {
	if w.committing != nil {
		return
	}
	if len(w.outcomes) == 0 {
		w.release(w.leaving)
		w.leaving = nil
		return
	}
	if w.storeFails > 0 && w.now().Before(w.retryAt) && !w.stopping {
		return
	}
	c := &commit{outcomes: w.outcomes, leaving: w.leaving}
	w.committing, w.outcomes, w.leaving = c, nil, nil
	ctx = context.WithoutCancel(ctx)
	go func() { w.committed <- w.opts.Store.FinishDeliveries(ctx, c.outcomes) }()
}

// finished takes the end of a commit.
func (w *worker) finished(err error) {
	c := w.committing
	w.committing = nil
	if err != nil {
		w.outcomes = append(c.outcomes, w.outcomes...)
		w.leaving = append(c.leaving, w.leaving...)
		w.storeFailed("store the outcomes of deliveries", err)
		return
	}
	w.storeFails = 0
	w.release(c.leaving)
}

// release lets lanes be read again: there may be more behind.
func (w *worker) release(lanes []*lane) {
	for _, l := range lanes {
		delete(w.held, l.checkerID)
		w.look = true
	}
}

func (w *worker) storeFailed(what string, err error) {
	w.storeFails++
	w.retryAt = w.now().Add(backoff(w.opts.FirstRetry, w.opts.Poll, w.storeFails))
	w.log.Error(what, "error", err)
}

// read fetches what is to be told when there is room for it.
func (w *worker) read(ctx context.Context) error {
	now := w.now()
	if !w.look && !now.Before(w.lookAt) {
		w.look = true
	}
	if !w.look || w.stopping || ctx.Err() != nil || len(w.lanes) > 0 ||
		w.inFlight >= w.concurrency() || w.storeFails > 0 && now.Before(w.retryAt) {
		return nil
	}
	// What waits is kept bounded above all while the handler cannot be told.
	err := w.collapse(ctx, now)
	if err == nil {
		err = w.recall(ctx, now)
	}
	if err == nil && (w.paused(now) || w.rate.room(now) == 0) {
		return nil
	}
	var batch dwmon.DeliveryBatch
	if err == nil {
		batch, err = w.opts.Store.NextDeliveries(ctx, w.query(now))
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		w.storeFailed("read the deliveries that wait", err)
		return err
	}
	if len(w.outcomes) == 0 && w.committing == nil {
		w.storeFails = 0
	}
	w.look = false
	w.lookAt = now.Add(w.opts.Poll)
	if due := time.UnixMicro(batch.Next); batch.Next != 0 && due.Before(w.lookAt) {
		w.lookAt = due
	}
	w.take(batch.Deliveries)
	return nil
}

func (w *worker) query(now time.Time) dwmon.DeliveryQuery {
	limit := min(w.opts.Batch, w.rate.room(now))
	q := dwmon.DeliveryQuery{Handler: w.name, Now: now.UnixMicro(), Limit: limit, Skip: map[int64]bool{}}
	if w.once {
		q.Now = forever
	}
	for id := range w.held {
		q.Skip[id] = true
	}
	for id := range w.tried {
		q.Skip[id] = true
	}
	return q
}

// recall counts what was sent before this worker began as sent within the rate:
// `once` from cron would otherwise begin anew each time.
func (w *worker) recall(ctx context.Context, now time.Time) error {
	if w.recalled {
		return nil
	}
	rate := w.handler.Rate
	sent, err := w.opts.Store.SentDeliveries(ctx, w.name, now.Add(-rate.Per).UnixMicro(), now.UnixMicro(), rate.Count)
	if err != nil {
		return err
	}
	for _, at := range sent {
		w.rate.take(time.UnixMicro(at))
	}
	w.recalled = true
	return nil
}

// take cuts a batch into lanes.
func (w *worker) take(deliveries []dwmon.Delivery) {
	for len(deliveries) > 0 {
		id := deliveries[0].CheckerID
		n := 1
		for n < len(deliveries) && deliveries[n].CheckerID == id {
			n++
		}
		w.held[id] = true
		w.lanes = append(w.lanes, &lane{checkerID: id, waiting: deliveries[:n:n]})
		deliveries = deliveries[n:]
	}
}

// collapse keeps the number of waiting deliveries bounded. A digest that is being
// told must not grow: what was added would be lost with its answer. It has no
// checker, so its lane is 0.
func (w *worker) collapse(ctx context.Context, now time.Time) error {
	if now.Before(w.collapseAt) || w.held[0] {
		return nil
	}
	n, err := w.opts.Store.CollapseDeliveries(ctx, w.name, w.opts.Keep, now.UnixMicro())
	if err != nil {
		return err
	}
	w.collapseAt = now.Add(w.opts.Poll)
	if n > 0 {
		w.log.Warn("too many deliveries wait for the handler: the oldest become a digest", "deliveries", n, "kept", w.opts.Keep)
	}
	return nil
}
