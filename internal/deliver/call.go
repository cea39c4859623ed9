package deliver

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// answer is what came of one call.
type answer struct {
	lane           *lane
	started, ended time.Time
	err            error
}

// concurrency is how many calls may run now.
func (w *worker) concurrency() int {
	if w.pause.failures > 0 {
		return 1
	}
	return w.handler.Concurrency
}

// dispatch starts calls while there is room. A lane goes to the end of the queue
// after each of its deliveries, so that a long one does not keep others waiting.
func (w *worker) dispatch(calls context.Context) {
	for !w.stopping && len(w.lanes) > 0 && w.inFlight < w.concurrency() {
		now := w.now()
		if w.paused(now) || w.rate.room(now) == 0 {
			return
		}
		w.rate.take(now)
		l := w.lanes[0]
		w.lanes = w.lanes[1:]
		w.inFlight++
		go w.call(calls, l, &l.waiting[0])
	}
}

func (w *worker) call(ctx context.Context, l *lane, d *dwmon.Delivery) {
	ctx, cancel := context.WithTimeout(ctx, w.handler.Timeout)
	defer cancel()
	a := answer{lane: l, started: w.now()}
	a.err = w.tell(ctx, d)
	a.ended = w.now()
	w.answers <- a
}

// tell makes one delivery.
func (w *worker) tell(ctx context.Context, d *dwmon.Delivery) error {
	if d.Notice != nil {
		return w.handler.HandleNotice(ctx, dwmon.NoticeRequest{Notice: *d.Notice, RequestID: rand.Text(), IdempotencyKey: d.Key})
	}
	return w.handler.HandleCheck(ctx, dwmon.HandleRequest{
		RequestID: rand.Text(), IdempotencyKey: d.Key, CheckerFile: d.File, Revision: d.Revision,
		Result: d.Result, Extra: d.Extra,
	})
}

// answered decides what becomes of a delivery. cut says that calls were broken
// off: an error then says nothing about the receiver, and it was no attempt.
func (w *worker) answered(a answer, cut bool) {
	w.inFlight--
	l := a.lane
	d := &l.waiting[0]
	if a.err != nil && cut {
		w.leaving = append(w.leaving, l)
		return
	}
	o := w.judge(d, a)
	w.outcomes = append(w.outcomes, o)
	w.account(o.State, a)
	l.waiting = l.waiting[1:]
	switch {
	case o.State == dwmon.DeliveryWaiting:
		if w.once {
			w.tried[l.checkerID] = true
		}
		w.leaving = append(w.leaving, l)
	case len(l.waiting) == 0 || w.stopping:
		w.leaving = append(w.leaving, l)
	default:
		w.lanes = append(w.lanes, l)
	}
	if w.pause.failures > 0 {
		w.letGo()
		if w.once {
			w.stop()
		}
	}
}

// judge turns an answer into an outcome.
func (w *worker) judge(d *dwmon.Delivery, a answer) dwmon.DeliveryOutcome {
	o := dwmon.DeliveryOutcome{ID: d.ID, At: a.ended.UnixMicro(), State: dwmon.DeliverySent}
	if a.err == nil {
		w.isUp()
		return o
	}
	f := readFailure(a.err, w.handler.Timeout)
	o.Error = f.text
	var next time.Time
	if f.down {
		next = w.isDown(a, f)
	} else {
		w.isUp()
		next = a.ended.Add(f.wait(w.opts, d.Attempts+1))
	}
	log := w.log.With("key", d.Key, "attempt", d.Attempts+1, "error", f.text)
	switch age := a.ended.Sub(time.UnixMicro(max(d.Created, d.Revived))); {
	case f.permanent:
		o.State = dwmon.DeliveryDead
		log.Error("a delivery was refused for good")
	case age >= w.opts.GiveUp:
		o.State = dwmon.DeliveryDead
		log.Error("a delivery was given up", "age", age)
	default:
		o.State, o.Next = dwmon.DeliveryWaiting, next.UnixMicro()
		if d.Attempts == 0 && !f.down {
			log.Warn("a delivery failed; it will be tried again", "wait", next.Sub(a.ended))
		}
	}
	return o
}

// isDown notes that the handler cannot be reached, and gives when it is tried
// again. Calls that began before the present pause tell nothing new.
func (w *worker) isDown(a answer, f failure) time.Time {
	p := &w.pause
	if p.failures > 0 && !a.started.After(p.since) {
		return p.until
	}
	p.failures++
	p.since = a.ended
	p.until = a.ended.Add(f.wait(w.opts, p.failures))
	if p.failures == 1 {
		w.log.Warn("the handler is down; its deliveries wait", "error", f.text)
	}
	return p.until
}

func (w *worker) isUp() {
	if w.pause.failures > 0 {
		w.log.Info("the handler is up again", "tries", w.pause.failures)
		w.pause = pause{}
		w.look = true
	}
}

func (w *worker) account(state dwmon.DeliveryState, a answer) {
	switch state {
	case dwmon.DeliverySent:
		w.report.Sent++
	case dwmon.DeliveryDead:
		w.report.Dead++
	default:
		w.report.Failed++
	}
	if w.opts.Observe != nil {
		w.opts.Observe(w.name, state, a.ended.Sub(a.started))
	}
}
