package pluginsdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk/internal/hook"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

func init() {
	hook.Register = func(r grpc.ServiceRegistrar, plugin any, log *slog.Logger) error {
		p := plugin.(Plugin)
		if err := p.check(); err != nil {
			return fmt.Errorf("plugin %s: %w", p.Name, err)
		}
		newServer(p, log, new(slog.LevelVar)).register(r)
		return nil
	}
}

// server serves one Plugin. Every call passes through run.
type server struct {
	plugin Plugin
	log    *slog.Logger
	level  *slog.LevelVar
	gates  map[Kind]chan struct{}

	settings *settings
	// configuring is held while settings are decoded and Setup runs: one at a time.
	configuring sync.Mutex

	mu         sync.Mutex
	configured *instance // nil until Configure has succeeded
	draining   bool
	inFlight   int
	idle       chan struct{} // closed when draining and no call is in flight

	// stopped ends when draining has run out of grace: it cancels what still runs.
	stopped  context.Context
	stop     context.CancelCauseFunc
	shutdown sync.Once
}

// instance is what Configure has handed over.
type instance struct {
	raw      []byte
	id       string
	stateDir string
}

// call is what is known of a call before it runs.
type call struct {
	kind     Kind // empty for calls of the base service
	method   string
	request  string
	checker  Checker
	extra    []byte
	receipts *receipts
}

var errDraining = errors.New("the plugin is shutting down")

// fallbackDeadlines bound calls whose caller has set no deadline.
var fallbackDeadlines = map[Kind]time.Duration{
	KindRowGetter:    60 * time.Second,
	KindCheckHandler: 10 * time.Second,
	KindPurger:       5 * time.Second,
	"":               60 * time.Second,
}

func newServer(p Plugin, log *slog.Logger, level *slog.LevelVar) *server {
	s := &server{plugin: p, log: log, level: level, settings: newSettings(p.Settings), idle: make(chan struct{})}
	s.stopped, s.stop = context.WithCancelCause(context.Background())
	s.gates = make(map[Kind]chan struct{})
	for kind, n := range map[Kind]int{
		KindRowGetter: p.Limits.GetRows, KindCheckHandler: p.Limits.HandleCheck, KindPurger: p.Limits.IdentifyOld,
	} {
		if n > 0 {
			s.gates[kind] = make(chan struct{}, n)
		}
	}
	return s
}

// register registers the base service and one service for each kind.
func (s *server) register(r grpc.ServiceRegistrar) {
	pluginv1.RegisterPluginServiceServer(r, &baseServer{server: s})
	if s.plugin.RowGetter != nil {
		pluginv1.RegisterRowGetterServiceServer(r, &rowGetterServer{server: s})
	}
	if s.plugin.CheckHandler != nil {
		pluginv1.RegisterCheckHandlerServiceServer(r, &checkHandlerServer{server: s})
	}
	if s.plugin.Purger != nil {
		pluginv1.RegisterPurgerServiceServer(r, &purgerServer{server: s})
	}
}

// run runs one call of the author's code: refused while draining or before
// Configure, bounded in number and time, with a logger, its panic caught and its
// error classified.
func (s *server) run(ctx context.Context, c call, fn func(context.Context) error) error {
	inst, err := s.enter()
	if err != nil {
		return classify(ctx, err).toStatus()
	}
	defer s.leave()
	return s.guarded(ctx, c, inst, func(ctx context.Context) error {
		if err := checkExtra(c.extra); err != nil {
			return err
		}
		release, err := s.place(ctx, c.kind)
		if err != nil {
			return err
		}
		defer release()
		return fn(ctx)
	})
}

// guarded is run without the gates: Setup and Shutdown need it too.
func (s *server) guarded(ctx context.Context, c call, inst *instance, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.stopped, func() { cancel(errDraining) })()
	if _, ok := ctx.Deadline(); !ok {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, fallbackDeadlines[c.kind])
		defer done()
	}
	ctx = withScope(ctx, &scope{log: s.logger(c), request: c.request, receipts: c.receipts, instance: inst})
	if err := s.recovered(ctx, c, fn); err != nil {
		if errors.Is(context.Cause(ctx), errDraining) {
			return (&callError{class: classDraining, err: err}).toStatus()
		}
		return classify(ctx, err).toStatus()
	}
	return nil
}

// recovered turns a panic into an error. The stack goes to the log only.
func (s *server) recovered(ctx context.Context, c call, fn func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			Logger(ctx).Error("panic: "+fmt.Sprint(r), "method", c.method, "stack", string(debug.Stack()))
			err = newCallError(classPanic, fmt.Errorf("%s of plugin %s panicked: %v (the stack is in the log)", c.method, s.plugin.Name, r))
		}
	}()
	return fn(ctx)
}

// enter counts a call in.
func (s *server) enter() (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, newCallError(classDraining, errDraining)
	}
	if s.configured == nil && (s.plugin.Settings != nil || s.plugin.Setup != nil) {
		return nil, newCallError(classNotReady, fmt.Errorf("plugin %s was called before it was configured", s.plugin.Name))
	}
	s.inFlight++
	return s.configured, nil
}

func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	if s.draining && s.inFlight == 0 {
		close(s.idle)
	}
}

// place waits for one of the places that Limits gives to a kind.
func (s *server) place(ctx context.Context, kind Kind) (release func(), err error) {
	gate := s.gates[kind]
	if gate == nil {
		return func() {}, nil
	}
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no place among %d calls at the same time: %w", cap(gate), context.Cause(ctx))
	}
}

// drain refuses new calls, waits for those in flight, cancels them when the grace
// has ended, and shuts down. It returns how many were still running then.
func (s *server) drain(ctx context.Context, grace time.Duration) int {
	s.beginDraining()
	end := time.Now().Add(grace)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-s.idle:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	left := s.inFlight
	s.mu.Unlock()
	s.stop(errDraining)
	s.shutdown.Do(func() { s.runShutdown(max(time.Until(end), time.Second)) })
	return left
}

func (s *server) beginDraining() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	if s.inFlight == 0 {
		close(s.idle)
	}
}

// runShutdown calls Plugin.Shutdown. A Shutdown without a Setup would close what
// was never opened.
func (s *server) runShutdown(limit time.Duration) {
	s.mu.Lock()
	inst := s.configured
	s.mu.Unlock()
	if s.plugin.Shutdown == nil || (inst == nil && s.plugin.Setup != nil) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := call{method: "Shutdown"}
	ctx = withScope(ctx, &scope{log: s.logger(c), instance: inst})
	if err := s.recovered(ctx, c, s.plugin.Shutdown); err != nil {
		Logger(ctx).Warn("shut down: " + err.Error())
	}
}

// logger is the logger of one call.
func (s *server) logger(c call) *slog.Logger {
	log := s.log
	if c.request != "" {
		log = log.With("request_id", c.request)
	}
	if c.checker.Name != "" {
		log = log.With("checker", c.checker.Name)
	}
	return log
}

// baseServer is the service that every plugin has.
type baseServer struct {
	pluginv1.UnimplementedPluginServiceServer
	*server
}

func (s *baseServer) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return describe(&s.plugin, s.settings), nil
}

// Configure fills the settings and runs Setup. Faults of the settings are
// diagnostics; a source that is down is a status, so that the host tries again.
func (s *baseServer) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	s.mu.Lock()
	before, draining := s.configured, s.draining
	s.mu.Unlock()
	if draining {
		return nil, newCallErrorStatus(classDraining, errDraining)
	}
	next := &instance{raw: req.GetSettingsJson(), id: req.GetInstanceId(), stateDir: req.GetStateDir()}
	value, diags := s.settings.decode(next.raw)
	if len(diags) > 0 {
		return &pluginv1.ConfigureResponse{Diagnostics: diagnosticsToWire(diags)}, nil
	}
	setLevel(s.level, req.GetLogLevel())
	if before != nil {
		return s.reconfigure(before, value)
	}
	s.settings.assign(value)
	if diag, err := s.setup(ctx, next); err != nil || diag != nil {
		if err != nil {
			return nil, err
		}
		return &pluginv1.ConfigureResponse{Diagnostics: []*pluginv1.Diagnostic{diagnosticToWire(*diag)}}, nil
	}
	s.mu.Lock()
	s.configured = next
	s.mu.Unlock()
	return &pluginv1.ConfigureResponse{}, nil
}

// reconfigure accepts equal settings and refuses others: the plugin's state was
// made from the first ones, and a process serves one instance.
func (s *baseServer) reconfigure(before *instance, value reflect.Value) (*pluginv1.ConfigureResponse, error) {
	old, _ := s.settings.decode(before.raw)
	if s.settings.equal(old, value) {
		return &pluginv1.ConfigureResponse{}, nil
	}
	return &pluginv1.ConfigureResponse{Diagnostics: []*pluginv1.Diagnostic{diagnosticToWire(Diagnostic{
		Severity: SeverityError,
		Code:     "ALREADY_CONFIGURED",
		Summary:  fmt.Sprintf("plugin %s runs with other settings already; start another process for these", s.plugin.Name),
	})}}, nil
}

// setup runs Plugin.Setup.
func (s *baseServer) setup(ctx context.Context, inst *instance) (*Diagnostic, error) {
	if s.plugin.Setup == nil {
		return nil, nil
	}
	var fault *callError
	err := s.guarded(ctx, call{method: "Setup"}, inst, func(ctx context.Context) error {
		err := s.plugin.Setup(ctx)
		if err == nil {
			return nil
		}
		switch ce := classify(ctx, err); ce.class {
		case classConfig, classCredentials, classChecker, classPermanent, classOther:
			fault = ce
			return nil
		default:
			return err
		}
	})
	if err != nil || fault == nil {
		return nil, err
	}
	return &Diagnostic{Severity: SeverityError, Summary: fault.Error(), Code: fault.class.reason}, nil
}

func newCallErrorStatus(c class, err error) error { return (&callError{class: c, err: err}).toStatus() }

func (s *baseServer) ValidateChecker(ctx context.Context, req *pluginv1.ValidateCheckerRequest) (*pluginv1.ValidateCheckerResponse, error) {
	validators := s.validators(req.GetKinds())
	if len(validators) == 0 {
		return s.UnimplementedPluginServiceServer.ValidateChecker(ctx, req)
	}
	c := call{method: "ValidateChecker", checker: checkerOf(req.GetChecker()), extra: req.GetExtraJson()}
	text := CheckerText{Checker: c.checker, Text: req.GetQuery(), Source: req.GetSource(), ExtraJSON: req.GetExtraJson()}
	for _, k := range req.GetKinds() {
		if kind, ok := kindsOfWire[k]; ok {
			text.Kinds = append(text.Kinds, kind)
		}
	}
	resp := &pluginv1.ValidateCheckerResponse{}
	err := s.run(ctx, c, func(ctx context.Context) error {
		for _, v := range validators {
			resp.Diagnostics = append(resp.Diagnostics, diagnosticsToWire(v.ValidateChecker(ctx, text))...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

var kindsOfWire = map[pluginv1.Kind]Kind{
	pluginv1.Kind_KIND_ROW_GETTER:    KindRowGetter,
	pluginv1.Kind_KIND_CHECK_HANDLER: KindCheckHandler,
	pluginv1.Kind_KIND_PURGER:        KindPurger,
}

// validators are those among the kinds asked for, each value once; no kinds means
// all.
func (s *server) validators(kinds []pluginv1.Kind) []Validator {
	wanted := map[Kind]bool{}
	for _, k := range kinds {
		wanted[kindsOfWire[k]] = true
	}
	var vs []Validator
	seen := map[any]bool{}
	for _, served := range []struct {
		kind  Kind
		value any
	}{{KindRowGetter, s.plugin.RowGetter}, {KindCheckHandler, s.plugin.CheckHandler}, {KindPurger, s.plugin.Purger}} {
		v, ok := served.value.(Validator)
		if !ok || (len(kinds) > 0 && !wanted[served.kind]) {
			continue
		}
		if reflect.TypeOf(v).Comparable() {
			if seen[v] {
				continue
			}
			seen[v] = true
		}
		vs = append(vs, v)
	}
	return vs
}

func (s *baseServer) CheckHealth(ctx context.Context, _ *pluginv1.CheckHealthRequest) (*pluginv1.CheckHealthResponse, error) {
	resp := &pluginv1.CheckHealthResponse{Status: pluginv1.HealthStatus_HEALTH_STATUS_SERVING}
	err := s.run(ctx, call{method: "Health"}, func(ctx context.Context) error {
		if s.plugin.Health == nil {
			return nil
		}
		if err := s.plugin.Health(ctx); err != nil {
			resp.Status = pluginv1.HealthStatus_HEALTH_STATUS_NOT_SERVING
			resp.Message = err.Error()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// defaultGrace is for a Drain that names none.
const defaultGrace = 5 * time.Second

func (s *baseServer) Drain(ctx context.Context, req *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	return &pluginv1.DrainResponse{InFlight: uint32(s.drain(ctx, graceOf(req.GetGrace())))}, nil
}

func graceOf(d *durationpb.Duration) time.Duration {
	if d == nil || d.AsDuration() < 0 {
		return defaultGrace
	}
	return d.AsDuration()
}
