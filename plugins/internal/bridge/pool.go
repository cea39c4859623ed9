package bridge

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Options say what the workers of a pool are. Zero values mean the default.
type Options struct {
	// Name is what a worker is called in logs and errors, such as "python worker
	// (row_getter)".
	Name string
	// Command makes the command of a new worker: path, arguments, folder and
	// environment. The rest is the pool's.
	Command func(ctx context.Context) (*exec.Cmd, error)
	// Preamble is written to a new worker before the first request.
	Preamble []byte
	// Hello is a new worker's first request, a JSON object; nil: none.
	Hello any

	// Workers is how many there are at most. Default 1.
	Workers int
	// MaxCalls is after how many calls a worker makes way for a new one. Default: no
	// bound.
	MaxCalls int
	// MaxMemory is the resident size in bytes beyond which it does, looked at after
	// each call. Default: no bound.
	MaxMemory int64
	// Stale is asked before a call for the worker that is to take it, with the time
	// of that one's start.
	Stale func(started time.Time) bool
	// Redact replaces secrets in what workers print and in their errors. Default:
	// nothing is replaced.
	Redact func(string) string
	// Patience is how long a worker has from SIGINT or the end of its input until
	// SIGKILL. Default 2 s.
	Patience time.Duration
}

// Pool runs calls on workers. They are started when they are needed, and a call
// that finds none free waits.
type Pool struct {
	opts  Options
	slots chan struct{}

	mu     sync.Mutex
	idle   []*worker // the one used last is the last
	alive  map[*worker]struct{}
	closed bool
	nextID int64
	ending sync.WaitGroup
}

// NewPool makes a pool. It starts nothing.
func NewPool(o Options) *Pool {
	if o.Workers <= 0 {
		o.Workers = 1
	}
	if o.Redact == nil {
		o.Redact = func(text string) string { return text }
	}
	if o.Patience <= 0 {
		o.Patience = 2 * time.Second
	}
	return &Pool{opts: o, slots: make(chan struct{}, o.Workers), alive: map[*worker]struct{}{}}
}

var errClosed = errors.New("the plugin is shutting down")

// Call sends a request and returns the frame that ended it. Frames before that are
// given to rows; where it is nil they are a fault. An error of the worker has the
// class of its code and is a *Fault within; its traceback goes to the log. When ctx
// ends, Call returns at once, and the worker is interrupted behind its back.
func (p *Pool) Call(ctx context.Context, kind pluginsdk.Kind, request any, rows func(*Frame) error) (*Frame, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	w, err := p.take(ctx, kind)
	if err != nil {
		<-p.slots
		return nil, err
	}
	c := &call{pool: p, kind: kind, what: "a call", id: p.id(), rows: rows}
	last, err := c.on(ctx, w, request)
	c.release(w)
	return last, err
}

// Ping makes sure that there is a worker that answers.
func (p *Pool) Ping(ctx context.Context, kind pluginsdk.Kind) error {
	_, err := p.Call(ctx, kind, ping, nil)
	return err
}

// ping asks for nothing but an answer; an error is one.
var ping = struct {
	Op string `json:"op"`
}{"ping"}

func (p *Pool) id() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextID++
	return p.nextID
}

// take gives a living worker, an old one if there is one.
func (p *Pool) take(ctx context.Context, kind pluginsdk.Kind) (*worker, error) {
	for {
		w, err := p.pop()
		if err != nil {
			return nil, err
		}
		if w == nil {
			return p.start(ctx, kind)
		}
		switch {
		case w.gone():
			w.log(ctx).Warn(p.opts.Name+" ended between calls", "exit", w.Exit(), "last_wrote", w.output.lastWords())
		case p.opts.Stale != nil && p.opts.Stale(w.started):
			p.retire(w)
		default:
			return w, nil
		}
	}
}

func (p *Pool) pop() (*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	n := len(p.idle)
	if n == 0 {
		return nil, nil
	}
	w := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return w, nil
}

// start makes a new worker and greets it.
func (p *Pool) start(ctx context.Context, kind pluginsdk.Kind) (*worker, error) {
	cmd, err := p.opts.Command(ctx)
	if err != nil {
		return nil, err
	}
	w, err := startWorker(p.opts.Name, cmd, p.opts.Redact)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.alive[w] = struct{}{}
		p.ending.Add(1)
		go func() {
			defer p.ending.Done()
			<-w.buried
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.alive, w)
		}()
	}
	p.mu.Unlock()
	if closed {
		w.kill()
		return nil, errClosed
	}
	if err := p.greet(ctx, kind, w); err != nil {
		w.kill()
		return nil, err
	}
	return w, nil
}

func (p *Pool) greet(ctx context.Context, kind pluginsdk.Kind, w *worker) error {
	defer w.during(ctx)()
	const start = "its start"
	if err := w.write(ctx, p.opts.Preamble); err != nil {
		return w.crashed(ctx, start, err)
	}
	if p.opts.Hello == nil {
		return nil
	}
	c := &call{pool: p, kind: kind, what: start}
	_, err := c.exchange(ctx, w, p.opts.Hello)
	return err
}

// put takes a worker back that has ended its call in good order.
func (p *Pool) put(w *worker) {
	w.calls++
	if p.opts.MaxCalls > 0 && w.calls >= p.opts.MaxCalls || p.opts.MaxMemory > 0 && w.Memory() > p.opts.MaxMemory {
		p.retire(w)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.kill()
		return
	}
	p.idle = append(p.idle, w)
}

// retire lets a worker end in its own time.
func (p *Pool) retire(w *worker) {
	w.endInput()
	time.AfterFunc(p.opts.Patience, w.kill)
}

// Close ends all workers: those that wait by the end of their input, those at work
// at once. It returns when they are gone, at the latest soon after ctx has ended.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	busy := map[*worker]struct{}{}
	for w := range p.alive {
		busy[w] = struct{}{}
	}
	p.mu.Unlock()
	for _, w := range idle {
		delete(busy, w)
		p.retire(w)
	}
	for w := range busy {
		w.kill()
	}
	done := make(chan struct{})
	go func() { p.ending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, w := range idle {
		w.kill()
	}
	<-done
	return nil
}

// call is one request on its way.
type call struct {
	pool *Pool
	kind pluginsdk.Kind
	what string // for errors
	id   int64
	rows func(*Frame) error
	// settled: the worker has ended the call and can take the next. broken: it must
	// not.
	settled, broken bool
}

// on runs the call, with the worker's output in the call's log.
func (c *call) on(ctx context.Context, w *worker, request any) (*Frame, error) {
	defer w.during(ctx)()
	return c.exchange(ctx, w, request)
}

func (c *call) exchange(ctx context.Context, w *worker, request any) (*Frame, error) {
	line, err := encodeRequest(c.id, request)
	if err != nil {
		c.settled = true // it was sent nothing
		return nil, pluginsdk.CheckerError(err)
	}
	if err := w.write(ctx, line); err != nil {
		c.broken = true
		return nil, w.crashed(ctx, c.what, err)
	}
	for {
		f, err := w.next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			c.broken = true
			return nil, w.crashed(ctx, c.what, err)
		}
		done, err := c.frame(ctx, f)
		if done || err != nil {
			return f, err
		}
	}
}

// frame looks at one frame of the answer.
func (c *call) frame(ctx context.Context, f *Frame) (done bool, err error) {
	switch {
	case *f.ID != c.id:
		c.broken = true
		return false, fmt.Errorf("the worker answered request %d, and %d was asked", *f.ID, c.id)
	case f.Error != nil:
		c.settled = true
		f.Error.redact(c.pool.opts.Redact)
		logTraceback(ctx, f.Error)
		return true, Classify(f.Error.Code, c.kind, f.Error)
	case f.final():
		c.settled = true
		return true, nil
	case c.rows == nil:
		c.broken = true
		return false, fmt.Errorf("the worker's frame says neither ok nor error: %.200s", f.Raw)
	}
	return false, c.rows(f)
}

// logTraceback writes a traceback line by line: one long line is for nobody to
// read.
func logTraceback(ctx context.Context, f *Fault) {
	for _, line := range strings.Split(strings.TrimRight(f.Traceback, "\n"), "\n") {
		if line != "" {
			pluginsdk.Logger(ctx).Error(line)
		}
	}
}

// release gives the worker and its place back: at once where the call has ended in
// good order, else once the worker has settled or is dead.
func (c *call) release(w *worker) {
	switch {
	case c.settled:
		c.pool.put(w)
		<-c.pool.slots
	case c.broken:
		w.kill()
		<-c.pool.slots
	default:
		go func() {
			defer func() { <-c.pool.slots }()
			if c.interrupt(w) {
				c.pool.put(w)
				return
			}
			w.kill()
			<-w.buried
		}()
	}
}

// interrupt asks the worker to give the call up, and says whether it has done so
// and listens again. The ping behind makes sure that the signal is not still on its
// way when the next call begins.
func (c *call) interrupt(w *worker) bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.pool.opts.Patience)
	defer cancel()
	w.Interrupt()
	for {
		f, err := w.next(ctx)
		if err != nil {
			return false
		}
		if *f.ID == c.id && f.final() {
			break
		}
	}
	check := &call{pool: c.pool, what: "a ping", id: c.pool.id()}
	_, _ = check.exchange(ctx, w, ping)
	return check.settled
}
