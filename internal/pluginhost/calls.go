package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// call is one call of a plugin, whatever its kind.
type call struct {
	kind    Kind
	op      string
	timeout time.Duration
	// again says whether the call may be made once more, as nothing of it has had
	// an effect here. nil: never.
	again func() bool
}

// tries is how often a call is made at most.
const tries = 3

// localError is an error of our own side of a call: it is returned as it is.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// do makes a call: it waits for a place and for a process, which does not count
// against the time limit, then gives f its time. A source that is down for a
// moment, or a process that ended, is tried again within that time.
func (in *instance) do(ctx context.Context, c call, f func(context.Context, *process) error) error {
	err := in.attempt(ctx, c, f)
	in.count(err != nil)
	var local *localError
	if errors.As(err, &local) {
		return local.err
	}
	return err
}

func (in *instance) attempt(ctx context.Context, c call, f func(context.Context, *process) error) error {
	places := in.places[c.kind]
	if err := places.take(ctx); err != nil {
		return &Error{
			Plugin: in.plugin, Instance: in.id, Op: c.op, Code: codes.Canceled,
			Err: fmt.Errorf("it is at work for others, and no place came free: %w", err),
		}
	}
	defer places.give()
	p, err := in.ready(ctx, c.op, c.timeout)
	if err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for try := 1; ; try++ {
		err := in.once(timed, c, p, f)
		var e *Error
		if err == nil || !errors.As(err, &e) || !c.mayRepeat(e, try) || !rest(timed, retryWait(e, try)) {
			return err
		}
		next, notReady := in.ready(timed, c.op, c.timeout)
		if notReady != nil {
			return err // the first cause tells more
		}
		p = next
	}
}

// once makes the call on one process and explains its failure.
func (in *instance) once(ctx context.Context, c call, p *process, f func(context.Context, *process) error) error {
	defer p.done()
	if !serves(p.describe, c.kind) {
		return &Error{
			Plugin: in.plugin, Instance: in.id, Op: c.op, Code: codes.Unimplemented,
			Err: fmt.Errorf("it is no %s: it serves %v", c.kind, kindsOf(p.describe)),
		}
	}
	err := f(ctx, p)
	var local *localError
	if err == nil || errors.As(err, &local) {
		return err
	}
	return in.explain(ctx, c, p, err)
}

func serves(d *pluginv1.DescribeResponse, k Kind) bool {
	switch k {
	case RowGetter:
		return d.GetRowGetter() != nil
	case CheckHandler:
		return d.GetCheckHandler() != nil
	default:
		return d.GetPurger() != nil
	}
}

// explain makes an Error of what a call ended with.
func (in *instance) explain(ctx context.Context, c call, p *process, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	f := faultOfStatus(err)
	e := &Error{
		Plugin: in.plugin, Instance: in.id, Op: c.op, Code: f.code, Reason: f.reason, RetryAfter: f.retryAfter,
		Err: errors.New(p.child.logs.shown(f.text)),
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Code, e.Err = codes.Canceled, context.Canceled
	case ctx.Err() != nil, f.code == codes.DeadlineExceeded && (!f.spoken || timeIsUp(ctx)):
		e.Code = codes.DeadlineExceeded
		e.Err = fmt.Errorf("no answer within %v; where that is too short, raise the timeout", c.timeout)
	case !f.spoken && (f.code == codes.Unavailable || f.code == codes.Canceled):
		e.Code = codes.Unavailable // whoever closed the connection, the caller did not give up
		if crash := p.lost(); crash != nil {
			e.Crashed, e.Err = true, crash
		} else if p.ending.Load() {
			e.Err = errors.New("it was stopped before the call had ended")
		}
	}
	return e
}

// timeIsUp says that the call's time is over but for the moment by which the plugin
// may notice it before we do: both count from the same deadline.
func timeIsUp(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < 20*time.Millisecond
}

// lost waits to learn how the process ended that a call has lost its connection to;
// nil when it lives, or nothing is learnt in time. What the connection itself says
// of its state is no proof: it is told late on a busy machine.
func (p *process) lost() *CrashError {
	const look = 50 * time.Millisecond
	for end := time.Now().Add(p.t.CrashWait); time.Now().Before(end); {
		if crash := p.crashed(look); crash != nil {
			return crash
		}
		if p.ending.Load() && p.cause.Load() == nil {
			return nil // we wanted it gone
		}
		if !p.exited() && p.probe(context.Background()) == nil {
			return nil // the plugin said so itself
		}
	}
	return nil
}

// mayRepeat says whether a failed call is worth another try at once.
func (c call) mayRepeat(e *Error, try int) bool {
	if c.again == nil || try >= tries || !c.again() {
		return false
	}
	if crash := (*CrashError)(nil); errors.As(e.Err, &crash) && crash.Why == WhyMemory {
		return false // it would take as much memory again
	}
	return e.Code == codes.Unavailable || e.Code == codes.Aborted && try == 1
}

// retryWait honours the plugin's wish; else it is 100 ms, doubling, in part random.
func retryWait(e *Error, try int) time.Duration {
	base := 100 * time.Millisecond << (try - 1)
	return cmp.Or(e.RetryAfter, base/2+rand.N(base/2))
}

// rest sleeps; false: there is not enough time left, or the caller has gone.
func rest(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func checkerRef(c *dwmon.Checker) *pluginv1.CheckerRef {
	return &pluginv1.CheckerRef{Name: c.Name, Path: c.File, Revision: c.Revision}
}
