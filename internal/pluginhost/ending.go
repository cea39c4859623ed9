package pluginhost

import (
	"context"
	"os"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// quiet says that the end of the process is no news.
func (p *process) quiet() bool { return p.ending.Load() || p.exited() }

// stop ends the process politely: its calls, its own clean-up, its exit, each with
// its time. When ctx ends, it is killed at once.
func (p *process) stop(ctx context.Context) {
	p.refuse()
	p.await(ctx, p.t.DrainCalls, p.idle)
	p.ending.Store(true)
	p.drain(ctx)
	p.child.closeLifeline()
	p.release()
	if !p.await(ctx, p.t.Exit, p.child.exited) {
		_ = p.child.Kill(context.Background())
	}
	p.gone()
}

// retire stops a process that another one has replaced. Its calls, which have
// their own time limits, may end: nobody waits for it before life ends.
func (p *process) retire(life, mercy context.Context) {
	p.refuse()
	select {
	case <-p.idle:
	case <-p.child.exited:
	case <-life.Done():
	}
	p.stop(mercy)
}

// endCause is why the host ended a process, for its calls and for people.
type endCause struct{ why, text string }

// end kills the process, whose calls need no reason.
func (p *process) end() {
	p.ending.Store(true)
	_ = p.child.Kill(context.Background())
}

// endFor kills the process and all that it has started. why is one of the Why
// constants; the text says what is wrong and what to do.
func (p *process) endFor(why, text string) {
	p.cause.CompareAndSwap(nil, &endCause{why, p.child.logs.redact(text)})
	p.end()
	killDescendants(p.mark)
}

// discard kills the process, if it still runs, and lets go of it. One that has
// ended by itself has crashed, and its calls are told so.
func (p *process) discard() {
	p.refuse()
	if !p.exited() {
		p.end()
	}
	p.child.closeLifeline()
	p.release()
	p.gone()
}

func (p *process) drain(ctx context.Context) {
	if p.exited() || p.attached { // one that we are attached to goes on without us
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.t.Drain)
	defer cancel()
	resp, err := p.base.Drain(ctx, &pluginv1.DrainRequest{Grace: durationpb.New(p.t.Drain * 9 / 10)})
	switch {
	case err != nil && status.Code(err) != codes.Unimplemented:
		p.log.Debug("the plugin did not drain", "err", p.redacted(err))
	case resp.GetInFlight() > 0:
		p.log.Warn("the plugin ends with calls unfinished", "calls", resp.GetInFlight())
	}
}

// release has go-plugin let go, exactly once for each process: a client that is
// not killed keeps its connection. Its Kill may block for as long as the process
// lives, so it has a goroutine of its own.
func (p *process) release() {
	p.releaseOnce.Do(func() {
		go func() {
			defer close(p.released)
			if p.attached {
				p.detach()
				return
			}
			<-p.connected   // until then go-plugin may still make its folder
			p.client.Kill() // closes the connection
			if dir := p.child.socketDir; dir != "" {
				_ = os.RemoveAll(dir)
			}
		}()
	})
}

// gone waits for the end of a process that has been told, and of its client, and
// ends what it has left behind: a descendant that went into a session of its own
// is in no group that could have been killed.
func (p *process) gone() {
	defer p.watch.remove(p)
	defer p.child.logs.finish()
	if p.attached {
		return // release has nothing to wait for, and there is nobody to end
	}
	released := p.await(context.Background(), p.t.Leave, p.released)
	if !p.child.born() {
		return
	}
	if !released {
		p.log.Error("a plugin cannot be ended: it is left alone", "pid", p.child.pid)
	}
	if n := killDescendants(p.mark); n > 0 {
		p.log.Warn("processes that a plugin had started outlived it: killed", "processes", n)
	}
}

// await waits for c at most d, and not beyond ctx.
func (p *process) await(ctx context.Context, d time.Duration, c <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case <-c:
		return true
	default:
		return false
	}
}
