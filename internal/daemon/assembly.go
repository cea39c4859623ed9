package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// Version is this build's; set by the linker.
var Version = "0.0.0-dev"

// EnvironmentError is a fault of the surroundings: a permission, a port, a lock.
type EnvironmentError struct{ Err error }

func (e *EnvironmentError) Error() string { return e.Err.Error() }
func (e *EnvironmentError) Unwrap() error { return e.Err }

// Options are what Run and Once are told.
type Options struct {
	Config *config.Config
	// Reload loads the configuration anew, for SIGHUP; nil: it stays as it is.
	Reload func() (*config.Config, error)
	Log    *slog.Logger
	// LogLevel is what plugins are asked to log at; empty: info.
	LogLevel string
	// Guard is the command of the guard process; empty: this executable with the
	// argument "guard".
	Guard []string
	// Attach names plugins that run under a debugger; see pluginhost.ParseAttach.
	Attach map[string]pluginhost.Attachment
	// Timings of the plugin host of which any that is 0 has its default: no setting
	// changes them.
	Timings pluginhost.Timings
	// Now stands for the clock; nil: time.Now. Only Once heeds it.
	Now func() time.Time
	// HangUp asks for a reload; nil: nobody does.
	HangUp <-chan os.Signal
	// Started is told the address of the HTTP listener once the daemon is up.
	Started func(address string)
	// Passed is told of every pass that has ended, from its goroutine.
	Passed func(engine.Report)
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// assembly is the parts that Run and Once share. Its parts are closed in the
// reverse order of their making, all of them, whatever fails.
type assembly struct {
	opts Options
	cfg  *config.Config
	// shared is cfg for goroutines that go on while it is replaced.
	shared  atomic.Pointer[config.Config]
	log     *slog.Logger
	lock    *sqlite.Lock
	runDir  string
	db      *sqlite.DB
	host    *pluginhost.Host
	catalog *catalog
	engine  *engine.Engine
	routing *routing
	undo    []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

func (a *assembly) onClose(name string, f func(context.Context) error) {
	a.undo = append(a.undo, closer{name, f})
}

// close ends the parts, the youngest first. ctx bounds how polite it is.
func (a *assembly) close(ctx context.Context) error {
	var errs []error
	for i := len(a.undo) - 1; i >= 0; i-- {
		began := time.Now()
		if err := a.undo[i].close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", a.undo[i].name, err))
		}
		if took := time.Since(began); took > time.Second {
			a.log.Info("a part took long to stop", "part", a.undo[i].name, "took", took.Round(time.Millisecond))
		}
	}
	a.undo = nil
	return errors.Join(errs...)
}

// assemble takes the lock, opens the store, starts the plugin host and takes over
// the checkers' last good texts.
func assemble(ctx context.Context, o Options) (_ *assembly, err error) {
	a := &assembly{opts: o, cfg: o.Config, log: o.Log}
	a.shared.Store(o.Config)
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	if err := a.startHost(ctx); err != nil {
		return nil, err
	}
	a.catalog = newCatalog(a.cfg, a.db, a.log)
	if err := a.catalog.start(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *assembly) openStore(ctx context.Context) (err error) {
	if a.lock, err = sqlite.AcquireLock(a.cfg.DB); err != nil {
		return &EnvironmentError{err}
	}
	a.onClose("lock", func(context.Context) error { return a.lock.Release() })
	if a.runDir, err = makeRunDir(a.cfg.DB); err != nil {
		return &EnvironmentError{err}
	}
	a.db, err = sqlite.Open(ctx, a.cfg.DB, sqlite.Options{Now: a.opts.Now, Log: a.log, SpillDir: filepath.Join(a.runDir, "spill")})
	if err != nil {
		return &EnvironmentError{err}
	}
	a.onClose("store", func(context.Context) error { return a.db.Close() })
	return nil
}

func (a *assembly) startHost(ctx context.Context) error {
	installation, err := a.db.Installation(ctx)
	if err != nil {
		return err
	}
	guard, err := guardCommand(a.opts)
	if err != nil {
		return err
	}
	workDir, err := workDirOf(a.cfg)
	if err != nil {
		return err
	}
	a.host, err = pluginhost.New(pluginhost.Options{
		Dir:          a.cfg.Plugins,
		Strict:       a.cfg.Strict,
		CacheDir:     filepath.Join(filepath.Dir(a.cfg.DB), "plugin-cache"),
		WorkDir:      workDir,
		RunDir:       a.runDir,
		StateDir:     filepath.Join(filepath.Dir(a.cfg.DB), "plugin-state"),
		Log:          a.log,
		Cache:        describeCache{context.WithoutCancel(ctx), a.db, a.log},
		GuardCommand: guard,
		Redact:       a.redact,
		Secret:       a.conceal,
		HostVersion:  Version,
		Installation: installation,
		LogLevel:     a.opts.LogLevel,
		Attach:       a.opts.Attach,
		Timings:      a.opts.Timings,
	})
	if err != nil {
		return &EnvironmentError{fmt.Errorf("start the plugin host: %w", err)}
	}
	a.onClose("plugins", func(ctx context.Context) error { a.host.Close(ctx); return nil })
	return nil
}

// redact is given to parts that outlive a reload of the configuration.
func (a *assembly) redact(text string) string { return a.shared.Load().Redact(text) }

// conceal is told of values that have become known as secrets.
func (a *assembly) conceal(value string) { a.shared.Load().Conceal(value) }

// route resolves the configuration against the plugins. Those that it names are
// waited for: each has its own time to say what it is. The others are waited for
// only where checkers hang on what plugins claim to serve, at most for as long as
// patience; 0 means until all have answered or failed to. Those that are known not
// to answer are not waited for.
func (a *assembly) route(ctx context.Context, patience time.Duration) error {
	if named := namedPlugins(a.cfg); len(named) > 0 {
		if err := a.host.Settle(ctx, named...); err != nil {
			return fmt.Errorf("ask the plugins what they are: %w", err)
		}
	}
	if a.catalog.claims(a.cfg) {
		timed, cancel := ctx, context.CancelFunc(func() {})
		if patience > 0 {
			timed, cancel = context.WithTimeout(ctx, patience)
		}
		err := a.host.Settle(timed)
		cancel()
		if err != nil && (patience == 0 || ctx.Err() != nil) {
			return fmt.Errorf("ask the plugins what they are: %w", err)
		}
	}
	remembered, err := a.db.HandlerWants(ctx)
	if err != nil {
		return err
	}
	r := newRouting(a.cfg, a.host, remembered)
	if err := a.db.SaveHandlerWants(ctx, r.wants); err != nil {
		return err
	}
	for _, fault := range r.faults {
		a.log.Warn("the configuration cannot be served as it is", "fault", fault)
	}
	r.announceOrg(a.log, a.routing)
	a.routing = r
	return nil
}

// newEngine makes the engine of the present configuration. slots is told what became
// of each slot; nil: nobody.
func (a *assembly) newEngine(observe func(engine.Report), slots func(engine.SlotReport)) (err error) {
	a.engine, err = engine.New(engine.Options{
		Store: a.db, Zone: a.cfg.Timezone, CatchUp: a.cfg.CatchUp, Spread: noneIfZero(a.cfg.Spread),
		Now: a.opts.Now, Stands: a.opts.Now != nil, Observe: observe, ObserveSlot: slots, Log: a.log,
	})
	return err
}

// noneIfZero is a spread as the engine takes it: its zero means the default.
func noneIfZero(spread time.Duration) time.Duration {
	if spread == 0 {
		return -1
	}
	return spread
}

func (a *assembly) newDeliverer(observe func(string, dwmon.DeliveryState, time.Duration)) (*deliver.Deliverer, error) {
	return deliver.New(deliver.Options{Store: a.db, Handlers: a.routing.deliverers(), Log: a.log, Observe: observe})
}

// retention is how long things are kept.
func (a *assembly) retention() dwmon.Retention {
	r := dwmon.DefaultRetention
	h := &a.shared.Load().History
	r.Keep, r.KeepGood = h.Keep, h.KeepGood
	return r
}
