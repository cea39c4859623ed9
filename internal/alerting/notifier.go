package alerting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	// lookEvery is how often the situation is looked at though nothing was committed.
	lookEvery = 15 * time.Second
	// lookAtMost is how long looks are apart at least: commits come in crowds. Where a
	// look takes long, they are lookShare times as far apart: with 10,000 checkers some five seconds.
	lookAtMost = time.Second
	lookShare  = 200
	// watchAfter is how long passes must have been made for dwmon to be called behind.
	watchAfter = 10 * time.Minute
)

// Notifier makes notices of what is stored.
type Notifier struct {
	opts  Options
	wakes chan struct{}

	mu    sync.Mutex
	world World

	// revived belongs to Step.
	revived map[string]int64
}

// New gives a Notifier for a world, which SetWorld may change.
func New(opts Options, world World) *Notifier {
	opts.Log = cmp.Or(opts.Log, slog.Default())
	if opts.Redact == nil {
		opts.Redact = func(text string) string { return text }
	}
	if opts.Wake == nil {
		opts.Wake = func() {}
	}
	return &Notifier{opts: opts, world: world, wakes: make(chan struct{}, 1), revived: map[string]int64{}}
}

// SetWorld replaces checkers and handlers. Nobody changes what is in it afterwards.
func (n *Notifier) SetWorld(world World) {
	n.mu.Lock()
	n.world = world
	n.mu.Unlock()
	n.Wake()
}

// Wake says that something was committed. It never blocks.
func (n *Notifier) Wake() {
	select {
	case n.wakes <- struct{}{}:
	default: // a look is due already
	}
}

// Run looks again and again until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wakes:
		case <-timer.C:
		}
		now := time.Now()
		next, err := n.Step(ctx, Look{Now: now, Watching: now.Sub(began) >= watchAfter})
		if err != nil && ctx.Err() == nil {
			n.opts.Log.Error("incidents were not looked at", "error", err)
		}
		apart := min(max(lookAtMost, lookShare*time.Since(now)), lookEvery)
		wait := lookEvery
		if !next.IsZero() {
			wait = min(wait, max(time.Until(next), apart))
		}
		pause := time.NewTimer(apart)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		timer.Reset(wait - apart)
	}
}

// Look says how a Step looks at the situation.
type Look struct {
	// Now stands for the clock.
	Now time.Time
	// Watching says that passes are made again and again, so that who is behind is
	// dwmon itself.
	Watching bool
	// Hurry lets nothing wait for company: there may be no other look for long.
	Hurry bool
}

// Step looks at the situation once, and stores whatever is due. next is when
// something that waits is due; zero for nothing. It must not run beside another.
func (n *Notifier) Step(ctx context.Context, look Look) (next time.Time, err error) {
	n.mu.Lock()
	world := n.world
	n.mu.Unlock()
	situation, err := n.detect(ctx, &world, look)
	if err != nil {
		return next, err
	}
	told := false
	for tries := 0; ; {
		if situation == nil { // what was read has changed since
			if situation, err = n.situation(ctx); err != nil {
				return next, err
			}
		}
		tellings, at, err := n.due(ctx, &world, look, situation)
		situation = nil
		if err != nil {
			return next, err
		}
		if tellings.Empty() {
			if told {
				n.opts.Wake()
			}
			if at != 0 {
				next = time.UnixMicro(at)
			}
			return next, nil
		}
		if err := n.opts.Store.Tell(ctx, *tellings); errors.Is(err, dwmon.ErrTold) && tries < 3 {
			tries++ // somebody else tells, too: look again
			continue
		} else if err != nil {
			return next, fmt.Errorf("store notices: %w", err)
		}
		told = told || len(tellings.Deliveries) > 0
	}
}

func (n *Notifier) situation(ctx context.Context) (*dwmon.Situation, error) {
	s, err := n.opts.Store.Situation(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the incidents: %w", err)
	}
	return &s, nil
}

// detect opens and closes the incidents that no verdict decides about. It gives the
// situation that it has read for that, nil where it has changed it: with thousands of
// incidents that last, reading them is most of a look.
func (n *Notifier) detect(ctx context.Context, world *World, look Look) (*dwmon.Situation, error) {
	states, err := n.opts.Store.FetchStates(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the fetches: %w", err)
	}
	s, err := n.situation(ctx)
	if err != nil {
		return nil, err
	}
	d := detector{world: world, now: look.Now.UnixMicro(), states: states, open: s.Incidents, revived: n.revived, watching: look.Watching}
	c := d.detect()
	if c.empty() {
		return s, nil
	}
	for k := range c.opens {
		c.opens[k].Cause = n.opts.Redact(c.opens[k].Cause)
	}
	if err := n.opts.Store.ChangeIncidents(ctx, c.opens, c.closings); err != nil {
		return nil, fmt.Errorf("open and close incidents: %w", err)
	}
	for _, i := range c.opens {
		n.opts.Log.Warn("an incident begins", "subject", string(i.Subject), "checker", i.Checker, "source", i.Source, "cause", i.Cause)
	}
	return nil, nil
}

// due finds what is to be told now.
func (n *Notifier) due(ctx context.Context, world *World, look Look, s *dwmon.Situation) (*dwmon.Tellings, int64, error) {
	silences, err := n.opts.Store.SilencesOf(ctx, look.Now.UnixMicro())
	if err != nil {
		return nil, 0, fmt.Errorf("read the silences: %w", err)
	}
	l := looker{world: world, situation: s, silences: silences, now: look.Now.UnixMicro()}
	l.look()
	w := writer{Notifier: n, ctx: ctx, looker: &l, hurry: look.Hurry, waiting: map[int64]bool{}}
	w.told.Finished = l.finished
	if err := w.write(); err != nil {
		return nil, 0, err
	}
	return &w.told, l.next, nil
}
