package plugintest

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// fault is what the kit does to one call of a plugin in process.
type fault string

const (
	// faultPanic panics: in a row getter at its first row, within the author's
	// frames, so that what those hold is seen to be given back.
	faultPanic fault = "panic"
	// faultStall is a host that takes no rows: the first Append waits until the
	// call has ended.
	faultStall fault = "stall"
)

// faults knows which requests are to go wrong, and which fetches run.
type faults struct {
	mu      sync.Mutex
	of      map[string]fault // by the checker's revision, which no author looks at
	running int
	changed chan struct{} // closed and replaced when running or stalled changes
	stalled int
}

func newFaults() *faults {
	return &faults{of: map[string]fault{}, changed: make(chan struct{})}
}

// plan makes the call with this revision go wrong.
func (f *faults) plan(kind fault) (revision string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	revision = string(kind) + "/" + requestID()
	f.of[revision] = kind
	return revision
}

func (f *faults) planned(c pluginsdk.Checker) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of[c.Revision]
}

func (f *faults) count(running, stalled int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running += running
	f.stalled += stalled
	close(f.changed)
	f.changed = make(chan struct{})
}

// await waits until ok holds of the numbers of fetches that run, and of those that
// have met their first row and wait.
func (f *faults) await(ctx context.Context, limit time.Duration, ok func(running, stalled int) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		f.mu.Lock()
		done, changed := ok(f.running, f.stalled), f.changed
		f.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// instrument puts the kit between the SDK and the author's code.
func (f *faults) instrument(p pluginsdk.Plugin) pluginsdk.Plugin {
	if p.RowGetter != nil {
		p.RowGetter = withValidator(&rowGetter{p.RowGetter, f}, p.RowGetter)
	}
	if p.CheckHandler != nil {
		p.CheckHandler = instrumentHandler(p.CheckHandler, f)
	}
	if p.Purger != nil {
		g := &purger{p.Purger, f}
		if v, ok := p.Purger.(pluginsdk.Validator); ok {
			p.Purger = struct {
				pluginsdk.Purger
				pluginsdk.Validator
			}{g, v}
		} else {
			p.Purger = g
		}
	}
	return p
}

func withValidator(g pluginsdk.RowGetter, author any) pluginsdk.RowGetter {
	if v, ok := author.(pluginsdk.Validator); ok {
		return struct {
			pluginsdk.RowGetter
			pluginsdk.Validator
		}{g, v}
	}
	return g
}

// instrumentHandler keeps what else the author's handler can do.
func instrumentHandler(author pluginsdk.CheckHandler, f *faults) pluginsdk.CheckHandler {
	h := &checkHandler{author, f}
	v, validates := author.(pluginsdk.Validator)
	n, notices := author.(pluginsdk.NoticeHandler)
	switch {
	case validates && notices:
		return struct {
			pluginsdk.CheckHandler
			pluginsdk.Validator
			pluginsdk.NoticeHandler
		}{h, v, n}
	case validates:
		return struct {
			pluginsdk.CheckHandler
			pluginsdk.Validator
		}{h, v}
	case notices:
		return struct {
			pluginsdk.CheckHandler
			pluginsdk.NoticeHandler
		}{h, n}
	}
	return h
}

type rowGetter struct {
	pluginsdk.RowGetter
	faults *faults
}

func (g *rowGetter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	g.faults.count(+1, 0)
	defer g.faults.count(-1, 0)
	kind := g.faults.planned(q.Checker)
	q.Checker.Revision = ""
	if kind != "" {
		out = &faultySink{RowSink: out, ctx: ctx, fault: kind, faults: g.faults}
	}
	err := g.RowGetter.GetRows(ctx, q, out)
	if kind == faultPanic {
		panic(panicText)
	}
	return err
}

const panicText = "conformance: a panic on purpose"

// faultySink is the sink of a fetch that goes wrong at its first row.
type faultySink struct {
	pluginsdk.RowSink
	ctx    context.Context
	fault  fault
	faults *faults
}

func (s *faultySink) Append(key string, at time.Time) error {
	if err := s.strike(); err != nil {
		return err
	}
	return s.RowSink.Append(key, at)
}

func (s *faultySink) AppendMicros(key string, us int64) error {
	if err := s.strike(); err != nil {
		return err
	}
	return s.RowSink.AppendMicros(key, us)
}

func (s *faultySink) AppendBytes(key []byte, us int64) error {
	if err := s.strike(); err != nil {
		return err
	}
	return s.RowSink.AppendBytes(key, us)
}

func (s *faultySink) strike() error {
	switch s.fault {
	case faultPanic:
		if withinGetRows() {
			panic(panicText)
		}
		// On a goroutine of the author's own a panic would end the test: the one
		// after the author's return must do.
		return nil
	case faultStall:
		s.faults.count(0, +1)
		defer s.faults.count(0, -1)
		<-s.ctx.Done()
		return context.Cause(s.ctx)
	}
	return nil
}

// withinGetRows says that the caller runs on the goroutine of the call.
func withinGetRows() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "plugintest.(*rowGetter).GetRows") {
			return true
		}
		if !more {
			return false
		}
	}
}

type checkHandler struct {
	pluginsdk.CheckHandler
	faults *faults
}

func (h *checkHandler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	if h.faults.planned(ev.Checker) == faultPanic {
		panic(panicText)
	}
	return h.CheckHandler.HandleCheck(ctx, ev)
}

type purger struct {
	pluginsdk.Purger
	faults *faults
}

func (g *purger) IdentifyOld(ctx context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	if g.faults.planned(in.Checker) == faultPanic {
		panic(panicText)
	}
	return g.Purger.IdentifyOld(ctx, in)
}
