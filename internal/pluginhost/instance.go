package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// mostPlaces is the most calls of one kind to one instance at the same time.
const mostPlaces = 8

// InstanceSpec names an instance: a plugin with one set of settings. Two specs
// with equal settings, in whatever order of members, are one instance.
type InstanceSpec struct {
	Plugin string
	// Settings is a JSON object in which references are already replaced; nil is {}.
	Settings []byte
	// Concurrency is the most calls of each kind at the same time; 0 means the most
	// that is allowed, which is 8. Where specs of one instance differ, the largest
	// holds.
	Concurrency int
	// Timeout of a call that does not bring its own; 0 means the kind's default.
	Timeout time.Duration
}

// instance is the supervisor of one process at a time. Its goroutine, run, makes
// all transitions; callers only look, wait for a change, and count themselves.
type instance struct {
	host     *Host
	plugin   string
	settings []byte
	id       string
	places   map[Kind]*places

	wake     chan struct{} // the folder was read again: try now, or change over
	finished chan struct{} // run has returned

	// life ends when the instance is told to stop, mercy when it is told to be quick.
	life, mercy      context.Context
	endLife, noMercy context.CancelFunc

	retired sync.WaitGroup // processes of earlier generations that finish their calls

	mu          sync.Mutex
	running     bool // run was started
	state       State
	since       time.Time
	proc        *process // while READY
	err         error    // the last trouble
	changed     chan struct{}
	concurrency int
	gen         int
	key         string // of the program of that generation
	starts      int
	calls       int64
	failed      int64
}

func newInstance(h *Host, spec InstanceSpec, settings []byte, id string) *instance {
	in := &instance{
		host: h, plugin: spec.Plugin, settings: settings, id: id,
		places: map[Kind]*places{},
		wake:   make(chan struct{}, 1), finished: make(chan struct{}),
		state: StateIdle, since: time.Now(), changed: make(chan struct{}),
	}
	in.life, in.endLife = context.WithCancel(context.Background())
	in.mercy, in.noMercy = context.WithCancel(context.Background())
	for _, k := range []Kind{RowGetter, CheckHandler, Purger} {
		in.places[k] = newPlaces(mostPlaces)
	}
	return in
}

// allow raises the configured concurrency to that of another spec.
func (in *instance) allow(n int) {
	if n <= 0 {
		n = mostPlaces
	}
	in.mu.Lock()
	in.concurrency = max(in.concurrency, n)
	p := in.proc
	in.mu.Unlock()
	in.resize(p)
}

// resize applies the least of what the plugin, the configuration, the sidecar and
// mostPlaces allow.
func (in *instance) resize(p *process) {
	in.mu.Lock()
	most := min(in.concurrency, mostPlaces)
	in.mu.Unlock()
	if n := in.host.limits(in.plugin).Concurrency; n > 0 {
		most = min(most, n)
	}
	for k, pl := range in.places {
		limit := most
		if p != nil {
			if own := maxConcurrency(p.describe, k); own > 0 {
				limit = min(limit, own)
			}
		}
		pl.resize(max(limit, 1))
	}
}

// ready waits for a process that takes the call, at most for as long as patience.
// The caller must call done on it.
func (in *instance) ready(ctx context.Context, op string, patience time.Duration) (*process, error) {
	p, state, changed := in.look()
	if p != nil {
		return p, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for ; p == nil; p, state, changed = in.look() {
		if !state.waits() {
			return nil, in.notReady(op, state)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, &Error{
				Plugin: in.plugin, Instance: in.id, Op: op, State: state,
				Err: fmt.Errorf("plugin %s is %s: %w", in.plugin, state, ctx.Err()),
			}
		case <-timer.C:
			return nil, in.notReady(op, state)
		}
	}
	return p, nil
}

// look takes the process for a call if there is one that takes calls; else it says
// what to wait for. The first look starts the supervisor.
func (in *instance) look() (*process, State, <-chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.running && in.state == StateIdle {
		in.running = true
		in.host.running.Go(in.run)
	}
	if in.state == StateReady && in.proc.begin() {
		return in.proc, in.state, nil
	}
	return nil, in.state, in.changed
}

// notReady is the error of a call that found no process.
func (in *instance) notReady(op string, state State) error {
	in.mu.Lock()
	cause := in.err
	in.mu.Unlock()
	if cause == nil {
		cause = fmt.Errorf("plugin %s is %s", in.plugin, state)
	}
	return &Error{Plugin: in.plugin, Instance: in.id, Op: op, State: state, Err: cause}
}

// set makes a transition.
func (in *instance) set(state State, p *process, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if state != in.state {
		in.since = time.Now()
	}
	in.state, in.proc = state, p
	if err != nil {
		in.err = err
	}
	close(in.changed)
	in.changed = make(chan struct{})
}

// run is the supervisor: start, serve, and again, until told to stop.
func (in *instance) run() {
	defer close(in.finished)
	defer in.retired.Wait()
	b := breaker{t: in.host.t, rand: rand.Float64}
	for {
		in.set(StateStarting, nil, nil)
		// Before the start looks at the file: one that comes or changes from here on
		// is another one.
		was := in.host.fingerprint(in.plugin)
		p, err := in.launch(in.life)
		if err == nil {
			b.ready(time.Now())
			err = in.serve(p)
		}
		if in.life.Err() != nil {
			in.set(StateStopped, nil, in.errStopped())
			return
		}
		state, wait := b.failed(time.Now(), failureOf(err))
		in.report(state, wait, err)
		in.set(state, nil, err)
		if in.pause(state, wait, was) {
			b.forgive()
		}
	}
}

// errStopped, like every error that an instance keeps, names the plugin.
func (in *instance) errStopped() error { return fmt.Errorf("plugin %s was stopped", in.plugin) }

func failureOf(err error) failure {
	var se *startError
	if errors.As(err, &se) {
		switch {
		case wantsForMore(err):
			return failedMachine
		case se.failure == failedCrash && isChanged(err):
			return failedChanged
		}
		return se.failure
	}
	if crash := (*CrashError)(nil); errors.As(err, &crash) && crash.Why == WhyDetached {
		return failedSetup // whoever debugs it has ended it
	}
	return failedCrash
}

// wantsForMore says whether a process could not be started, or its file not be read,
// because there was no descriptor, process or memory left: what was done before then
// says nothing about the plugin.
func wantsForMore(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN}, func(short syscall.Errno) bool {
		return errors.Is(err, short)
	})
}

func (in *instance) report(state State, wait time.Duration, err error) {
	level := slog.LevelError
	if state == StateBackoff {
		level = slog.LevelWarn
	}
	in.host.log.Log(context.Background(), level, "a plugin is not ready", "plugin", in.plugin, "instance", in.id,
		"state", string(state), "again_in", wait.Round(time.Millisecond).String(), "err", err)
}

// pause waits before the next start; was is the fingerprint of the file that could
// not run. true: the file or the settings may be other ones now.
func (in *instance) pause(state State, wait time.Duration, was string) bool {
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-in.wake:
			timer.Stop()
			return true
		case <-in.life.Done():
			timer.Stop()
			return false
		}
		if state != StateIncompatible && state != StateRejected {
			return false
		}
		if in.host.fingerprint(in.plugin) != was {
			return true
		}
	}
}

// launch starts a process of the current file and configures it.
func (in *instance) launch(ctx context.Context) (*process, error) {
	file, err := in.host.locate(in.plugin)
	if err != nil {
		return nil, &startError{failedRejected, err}
	}
	in.mu.Lock()
	in.starts++
	gen := in.gen
	if file.key() != in.key || gen == 0 {
		gen++
	}
	in.mu.Unlock()
	p, err := in.host.startFound(ctx, file, launch{instance: in.id, gen: gen, env: environ(os.Environ(), file.environ())})
	if err != nil {
		return nil, err
	}
	in.host.learn(file, p)
	in.learnSecrets(p)
	if err := p.configure(ctx, in.configuration()); err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

func (in *instance) configuration() *pluginv1.ConfigureRequest {
	req := &pluginv1.ConfigureRequest{
		SettingsJson: in.settings, LogLevel: in.host.logLevel(), InstanceId: in.id, Host: hostCapabilities(),
	}
	if in.host.opt.StateDir == "" {
		return req
	}
	dir := filepath.Join(in.host.opt.StateDir, in.id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		in.host.log.Warn("a plugin has no folder of its own", "plugin", in.plugin, "instance", in.id, "err", err)
		return req
	}
	req.StateDir = dir
	return req
}

// serve keeps a ready process until it ends or the instance is told to stop, and
// says which. A changed file is started beside it and takes over
// when it is ready.
func (in *instance) serve(p *process) error {
	in.takeOver(p)
	health := time.NewTicker(in.host.t.HealthEvery)
	defer health.Stop()
	var (
		failures int
		probed   = make(chan error, 1)
		probing  bool
		next     = make(chan launched, 1)
		starting bool
	)
	ctx, cancel := context.WithCancel(in.life)
	defer func() {
		cancel()
		if starting {
			if l := <-next; l.p != nil {
				l.p.discard()
			}
		}
	}()
	for {
		select {
		case <-in.life.Done():
			in.set(StateDraining, nil, in.errStopped())
			p.stop(in.mercy)
			return in.errStopped()
		case <-p.child.exited:
			err := fmt.Errorf("plugin %s ended", in.plugin)
			if crash := p.crashed(0); crash != nil {
				err = crash
			}
			p.discard()
			return err
		case <-health.C:
			if !probing && !p.attached { // one at a breakpoint is well
				probing = true
				go func(p *process) { probed <- p.probe(context.Background()) }(p)
			}
		case err := <-probed:
			probing = false
			if err == nil {
				failures = 0
			} else if failures++; failures >= in.host.t.HealthFailures {
				p.endFor(WhyFrozen, p.frozenText(failures, err))
			}
		case <-in.wake:
			if !starting && in.host.fileChanged(in.plugin, p.child.key()) {
				starting = true
				go func() { p, err := in.launch(ctx); next <- launched{p, err} }()
			}
		case l := <-next:
			starting = false
			if l.err != nil {
				level := slog.LevelError
				if isChanged(l.err) { // once more: the newest is looked at
					level = slog.LevelWarn
				}
				in.host.log.Log(ctx, level, "the new file of a plugin does not get ready: the old one goes on", "plugin", in.plugin, "instance", in.id, "err", l.err)
				in.note(l.err)
				continue
			}
			old := p
			p, failures = l.p, 0
			in.takeOver(p)
			in.host.log.Info("the new file of a plugin took over", "plugin", in.plugin, "instance", in.id, "gen", p.gen, "sha256", p.child.digest())
			in.retired.Go(func() { old.retire(in.life, in.mercy) })
		}
	}
}

// launched is the outcome of a start beside a running process.
type launched struct {
	p   *process
	err error
}

// takeOver makes a process the one that takes the calls.
func (in *instance) takeOver(p *process) {
	in.mu.Lock()
	in.gen, in.key = p.gen, p.child.key()
	in.mu.Unlock()
	in.resize(p)
	in.set(StateReady, p, nil)
	p.log.Info("plugin ready", "version", p.describe.GetVersion())
}

// note keeps a trouble that changes no state.
func (in *instance) note(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.err = err
}

// poke has run look at the file again.
func (in *instance) poke() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// stop ends the instance; when ctx ends, its process is killed.
func (in *instance) stop(ctx context.Context) {
	defer context.AfterFunc(ctx, in.noMercy)()
	in.mu.Lock()
	in.endLife()
	if !in.running { // and now it never will
		in.running = true
		in.state, in.err = StateStopped, in.errStopped()
		close(in.changed)
		in.changed = make(chan struct{})
		close(in.finished)
	}
	in.mu.Unlock()
	<-in.finished
	in.noMercy()
}

func (in *instance) info() InstanceInfo {
	in.mu.Lock()
	defer in.mu.Unlock()
	info := InstanceInfo{
		ID: in.id, State: in.state, SinceEpoch: epochOf(in.since), Generation: in.gen,
		Restarts: max(0, in.starts-1), Calls: in.calls, Failed: in.failed,
	}
	if in.proc != nil {
		info.Pid, info.InFlight, info.Attached = in.proc.child.pid, in.proc.inFlight(), in.proc.attached
		u := in.proc.used()
		info.MemoryBytes, info.MemoryLimitBytes = u.bytes, u.limit
	}
	if in.err != nil {
		info.LastError = in.err.Error()
	}
	return info
}

func (in *instance) count(failed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.calls++
	if failed {
		in.failed++
	}
}
