package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	notify "github.com/coreos/go-systemd/v22/daemon"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

const (
	// rescanEvery is how often the folders are read though nothing said that they
	// changed: network mounts and swapped links say nothing.
	rescanEvery = 30 * time.Second
	// hearing is how long the start waits for plugins that only may matter: others
	// are taken in when they have answered.
	hearing = time.Second
	// sweepEvery is how often what is older than its retention is removed.
	sweepEvery = time.Hour
	// stopWithin bounds how polite a stop is.
	stopWithin = 10 * time.Second
)

// daemon is a running dwmon.
type daemon struct {
	*assembly
	metrics *metrics
	web     net.Listener // nil for none

	// follow is the only goroutine that touches catalog and routing; others hand it
	// work.
	work chan func(context.Context)
	// loaded says that the first load of files and plugins is done.
	loaded atomic.Bool
	// storeTrouble is the time, seconds since the epoch, at which the store last
	// failed a pass; 0 for never.
	storeTrouble atomic.Int64

	parts     *parts
	outbox    *parts // those that deliver
	deliverer atomic.Pointer[deliver.Deliverer]
	notifier  atomic.Pointer[alerting.Notifier]
	engines   atomic.Pointer[engine.Engine]

	// handed are the jobs that engine and notifier have, by checker name; nil: what they
	// have is not of the present configuration and routing.
	handed map[string]*engine.Job
	// unable is why the daemon cannot go on; nil: it can.
	unable error
}

// parts are the goroutines that a reload replaces.
type parts struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// end stops them and waits until they have; nil has none.
func (p *parts) end() {
	if p != nil {
		p.cancel()
		p.done.Wait()
	}
}

// Run is the daemon. It runs until ctx ends, and then stops within seconds: what
// is not committed is done by the walk of the next start. The error is an
// *EnvironmentError where the surroundings are at fault, a *sqlite.Error where the
// database's file is.
func Run(ctx context.Context, o Options) error {
	a, err := assemble(ctx, o)
	if err != nil {
		return err
	}
	d := &daemon{assembly: a, work: make(chan func(context.Context)), metrics: newMetrics()}
	err = d.run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err = errors.Join(err, a.close(closing))
	a.log.Info("dwmon has stopped")
	return err
}

func (d *daemon) run(ctx context.Context) error {
	if err := d.db.MarkRealClock(ctx); err != nil {
		return err
	}
	if err := d.listen(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer func() { // after an error, too: nobody else tells them to end
		stop(nil)
		group.Wait()
	}()
	if err := d.control(ctx, &group); err != nil {
		return err
	}
	if d.web != nil {
		d.serveWeb(ctx, &group)
	}
	group.Go(func() { d.sweep(ctx) })
	if err := d.load(ctx); err != nil {
		return err
	}
	notifySystemd(notify.SdNotifyReady)
	if d.opts.Started != nil {
		d.opts.Started(d.address())
	}
	err := d.follow(ctx)
	notifySystemd(notify.SdNotifyStopping)
	d.stopParts()
	return err
}

// load takes files, plugins and configuration over for the first time.
func (d *daemon) load(ctx context.Context) error {
	if _, err := d.catalog.refresh(ctx, time.Now(), lookForGood); err != nil {
		return err
	}
	if err := d.route(ctx, hearing); err != nil {
		return err
	}
	if err := d.startParts(ctx); err != nil {
		return err
	}
	d.loaded.Store(true)
	d.log.Info("dwmon is up", "version", Version, "checks", d.cfg.Checks, "plugins", d.cfg.Plugins, "db", d.cfg.DB,
		"listen", d.address(), "zone", d.cfg.Timezone.String(), "checkers", len(d.catalog.entries))
	return nil
}

// startParts starts engine and outbox with the present configuration.
func (d *daemon) startParts(ctx context.Context) error {
	heart, err := d.newHeart(d.metrics.beat)
	if err != nil {
		return err
	}
	if err := d.newEngine(d.observe, slotsOf(heart)); err != nil {
		return err
	}
	d.markHandlers(ctx)
	if err := d.startOutbox(ctx); err != nil {
		return err
	}
	notifier, err := d.newNotifier(ctx, func() { d.deliverer.Load().Wake() })
	if err != nil {
		return err
	}
	d.notifier.Store(notifier)
	d.engines.Store(d.engine)
	d.handed = nil
	d.handOut()
	ctx, cancel := context.WithCancel(ctx)
	d.parts = &parts{cancel: cancel}
	d.parts.done.Go(func() { d.engine.Run(ctx) })
	if heart != nil {
		d.parts.done.Go(func() { heart.Run(ctx) })
	}
	d.parts.done.Go(func() { notifier.Run(ctx) })
	return nil
}

// beginAnew is startParts after stopParts. Where it fails nothing is checked and nobody
// is told any more: follow ends then, and whoever watches the daemon starts it again.
func (d *daemon) beginAnew(ctx context.Context) error {
	err := d.startParts(ctx)
	if err != nil {
		d.unable = fmt.Errorf("dwmon had stopped its work to take a change over, and cannot begin it anew: %w", err)
	}
	return err
}

// stopParts ends passes and deliveries: a pass that has its rows is committed,
// one that still fetches is given up and done again by the walk.
func (d *daemon) stopParts() {
	if d.parts != nil {
		d.parts.cancel() // both end at the same time
	}
	d.stopOutbox()
	d.parts.end()
	d.parts = nil
}

// observe follows every pass.
func (d *daemon) observe(r engine.Report) {
	d.metrics.passed(r)
	if len(r.Results) > 0 {
		d.deliverer.Load().Wake()
	}
	if len(r.Results) > 0 || r.Fetched {
		d.lookAgain()
	}
	d.logPass(r)
	if r.Err != nil && !r.Held && r.Fetch.Err == nil && !errors.Is(r.Err, engine.ErrAhead) && !errors.Is(r.Err, context.Canceled) {
		d.storeTrouble.Store(time.Now().Unix())
	}
	if d.opts.Passed != nil {
		d.opts.Passed(r)
	}
}

// logPass says when a checker begins to fail and when it is well again, not each
// time.
func (d *daemon) logPass(r engine.Report) {
	name := r.Checker.Name
	switch f := r.Fetch.Failing; {
	case errors.Is(r.Err, context.Canceled), r.Held:
	case f != nil && f.Count > 1 && !worthSaying(f.Count):
	case f != nil:
		d.log.Warn("a checker is UNKNOWN: its fetch failed", "checker", name, "source", r.Source, "times", f.Count, "fault", f.Fault.String(), "error", d.redact(r.Err.Error()))
	case r.Err != nil:
		d.log.Error("a pass failed", "checker", name, "error", d.redact(r.Err.Error()))
	case r.Fetched && r.Fetch.Progress.Failing != nil:
		d.log.Info("a checker is well again", "checker", name, "failed_fetches", r.Fetch.Progress.Failing.Count)
	}
	switch {
	case r.Fetch.Baseline:
		d.log.Info("the first fetch of assumed timestamps is a baseline; checks begin after it", "checker", name, "rows", r.Fetch.Tally.Rows)
	case r.Gap > 0:
		d.log.Warn("eligible minutes were never judged: a gap was recorded", "checker", name, "minutes", r.Gap)
	}
}

// worthSaying thins out the news of a row of failures: 10, 100, and each 1,000.
func worthSaying(n int64) bool { return n == 10 || n == 100 || n%1000 == 0 }

// do hands work to the goroutine that owns catalog and routing, and waits for it.
func (d *daemon) do(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	select {
	case d.work <- func(ctx context.Context) { done <- f(ctx) }:
		return <-done
	case <-ctx.Done():
		return fmt.Errorf("the daemon is stopping: %w", ctx.Err())
	}
}

// follow keeps up with the folders, the configuration and the minute until ctx
// ends. An error means that the daemon cannot go on.
func (d *daemon) follow(ctx context.Context) error {
	w := newWatch(d.cfg.Checks, d.log)
	defer func() { w.close() }() // a reload puts another in its place
	rescan := time.NewTicker(rescanEvery)
	defer rescan.Stop()
	watchdog := watchdogTicker()
	defer watchdog.Stop()
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	var written <-chan time.Time // when files that were written are looked at; nil: none were
	pause := leastPause
	for {
		refresh, at := true, lookAtAll
		select {
		case <-ctx.Done():
			return nil
		case <-d.opts.HangUp:
			d.reload(ctx)
			w.close()
			w = newWatch(d.cfg.Checks, d.log)
		case f := <-d.work:
			f(ctx)
		case <-watchdog.C:
			notifySystemd(notify.SdNotifyWatchdog)
			refresh = false
		case <-rescan.C:
			if err := d.db.CheckFile(); err != nil {
				return &EnvironmentError{err}
			}
			d.rescanPlugins()
		case <-d.host.News():
			d.heardPlugins(ctx)
		case <-w.changed:
			if refresh = false; written == nil {
				written = time.After(pause)
			}
		case <-written:
			written, at = nil, lookAtThese(w.take()...)
		case <-settle.C:
			at = lookAtThese()
		}
		if d.unable != nil && ctx.Err() == nil {
			return &EnvironmentError{d.unable}
		}
		if !refresh {
			continue
		}
		began := time.Now()
		again, err := d.catalog.refresh(ctx, began, at)
		if err != nil {
			d.log.Error("the checks folder could not be taken over", "error", err)
		}
		d.handOut()
		d.metrics.checkers.keep(d.catalog.names())
		pause = max(leastPause, 4*time.Since(began))
		if again > 0 {
			settle.Reset(max(again, pause))
		}
	}
}

// leastPause is how long after the news that a file was written the folder is looked at
// at the earliest: files are written in crowds, and each look is at all of them. It is
// longer where a look takes long, so that looking takes a fifth of the time at most.
const leastPause = 50 * time.Millisecond

// handOut gives engine and notifier the jobs of the present catalog and routing, unless
// they have the very same already.
func (d *daemon) handOut() {
	jobs := d.catalog.jobs(d.routing)
	same := d.handed != nil && len(jobs) == len(d.handed)
	byName := make(map[string]*engine.Job, len(jobs))
	for _, j := range jobs {
		byName[j.Checker.Name] = j
		same = same && d.handed[j.Checker.Name] == j
	}
	if same {
		return
	}
	d.handed = byName
	d.engines.Load().SetJobs(jobs)
	d.notifier.Load().SetWorld(d.world(jobs))
}

// reload takes over a configuration that was edited, and whatever plugins there
// are now. One that is faulty changes nothing.
func (d *daemon) reload(ctx context.Context) {
	notifySystemd(notify.SdNotifyReloading)
	defer notifySystemd(notify.SdNotifyReady)
	if d.opts.Reload != nil {
		cfg, err := d.opts.Reload()
		if err != nil {
			d.log.Error("the configuration was not taken over: the old one goes on", "error", err)
			return
		}
		if cfg.DB != d.cfg.DB || cfg.Listen != d.cfg.Listen || cfg.Plugins != d.cfg.Plugins || cfg.Strict != d.cfg.Strict {
			d.log.Warn("db, listen, plugins and strict are taken over by a restart only")
			cfg.DB, cfg.Listen, cfg.Plugins, cfg.Strict = d.cfg.DB, d.cfg.Listen, d.cfg.Plugins, d.cfg.Strict
		}
		cfg.ConcealAllOf(d.cfg)
		d.cfg = cfg
		d.shared.Store(cfg)
		d.catalog.configure(cfg, time.Now())
	}
	if err := d.host.Rescan(); err != nil {
		d.log.Error("the plugins folder cannot be read", "error", err)
	}
	if err := d.route(ctx, 0); err != nil {
		d.log.Error("the reload was given up", "error", err)
		return
	}
	d.stopParts()
	d.host.Keep(ctx, d.specs())
	if d.beginAnew(ctx) == nil {
		d.log.Info("dwmon has reloaded", "checkers", len(d.catalog.entries), "next_slot", nextSlot(time.Now()).Format(time.RFC3339))
	}
}

// specs are the instances that are in use once every checker is wired.
func (d *daemon) specs() []pluginhost.InstanceSpec {
	d.catalog.jobs(d.routing)
	return slices.Collect(maps.Values(d.routing.specs))
}

// rescanPlugins looks for plugins that were added, replaced, mended or allowed.
func (d *daemon) rescanPlugins() {
	if !d.host.Changed() {
		return
	}
	if err := d.host.Rescan(); err != nil {
		d.log.Error("the plugins folder cannot be read", "error", err)
	}
}

// heardPlugins takes over what plugins have said of themselves since the routing was
// made. While others have not answered yet, a routing that is complete stays: it is
// better than one that knows less.
func (d *daemon) heardPlugins(ctx context.Context) {
	plugins := d.host.Offered()
	unheard := slices.ContainsFunc(plugins, func(p pluginhost.Plugin) bool { return p.Unheard })
	if samePlugins(plugins, d.routing.plugins) || unheard && !d.routing.awaits {
		return
	}
	before := d.routing
	if err := d.route(ctx, hearing); err != nil {
		d.log.Error("the plugins were not taken over", "error", err)
		return
	}
	d.log.Info("the plugins have changed", "plugins", len(plugins))
	if slices.Equal(before.order, d.routing.order) {
		// The same instances serve the same handlers, each with its new file as soon
		// as that is ready. Passes go on as they began; follow hands out the new jobs,
		// and where there are none what handlers want to be told.
		d.handed = nil
		return
	}
	d.stopParts()
	_ = d.beginAnew(ctx) // follow ends with it
}

// sweep removes what is older than its retention, now and then.
func (d *daemon) sweep(ctx context.Context) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		d.tendOrphans(ctx)
		if _, err := d.db.Sweep(ctx, d.retention(), time.Now().UnixMicro()); err != nil && ctx.Err() == nil {
			d.log.Error("the history could not be swept", "error", err)
		}
		timer.Reset(sweepEvery)
	}
}

// samePlugins says whether two lists offer the same.
func samePlugins(a, b []pluginhost.Plugin) bool {
	return slices.EqualFunc(a, b, func(x, y pluginhost.Plugin) bool {
		return x.Name == y.Name && x.SHA256 == y.SHA256 && x.Unheard == y.Unheard && x.DefaultOn == y.DefaultOn &&
			slices.Equal(x.Kinds, y.Kinds) && slices.Equal(x.Sources, y.Sources) && slices.Equal(x.Statuses, y.Statuses)
	})
}

// nextSlot is when the next minute slot begins.
func nextSlot(now time.Time) time.Time {
	return time.Unix(dwmon.FloorMinute(now.Unix())+60, 0)
}

// notifySystemd tells systemd, where it started us.
func notifySystemd(state string) {
	_, _ = notify.SdNotify(false, state) // nobody is there to be told of the error
}

// watchdogTicker ticks twice as often as systemd wants a sign of life; hardly
// ever where it wants none.
func watchdogTicker() *time.Ticker {
	if d, err := notify.SdWatchdogEnabled(false); err == nil && d > 0 {
		return time.NewTicker(d / 2)
	}
	return time.NewTicker(24 * time.Hour)
}

func (d *daemon) address() string {
	if d.web == nil {
		return ""
	}
	return d.web.Addr().String()
}

// listen binds the HTTP listener early, so that a port in use is a fault of the
// start.
func (d *daemon) listen() (err error) {
	if d.cfg.Listen == "" {
		return nil
	}
	if d.web, err = net.Listen("tcp", d.cfg.Listen); err != nil {
		return &EnvironmentError{fmt.Errorf("listen on %s for health and metrics: %w; choose another address with --listen, or --listen off", d.cfg.Listen, unwrapOp(err))}
	}
	return nil
}

// unwrapOp takes the address out of an error that is named beside it.
func unwrapOp(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}
