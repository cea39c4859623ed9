package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/dwmon/dwmon/pluginsdk"
)

// process is one started plugin: the child, go-plugin's client and the connection.
type process struct {
	child    *child
	client   *plugin.Client
	conn     *grpc.ClientConn
	base     pluginv1.PluginServiceClient
	describe *pluginv1.DescribeResponse
	log      *slog.Logger
	t        Timings
	instance string
	gen      int
	unnamed  bool

	// mark is the process's own: see processEnv.
	mark         string
	memory       atomic.Pointer[usage]
	memoryWarned atomic.Bool
	watch        *memoryWatch

	// attached: it is somebody else's, started under a debugger.
	attached bool
	line     io.Closer

	// ending says that we want it gone; cause says why, where that is not obvious.
	ending atomic.Bool
	cause  atomic.Pointer[endCause]

	mu      sync.Mutex
	calls   int
	closing bool
	idle    chan struct{} // closed when closing and calls is 0

	connected   chan struct{} // closed when connect has returned: it is called once
	releaseOnce sync.Once
	released    chan struct{} // go-plugin's client has let go of everything
}

const (
	// callWindowBytes is how much of a call a plugin may send ahead of what we have
	// taken. gRPC says that there is room again when a quarter was taken: not at all in
	// a result of 10,000 rows.
	callWindowBytes = 3 << 19
	// windowBytes bounds what a plugin may send ahead of what was read from its
	// connection, for whichever call. gRPC reads on whether calls take it or not, so it
	// bounds no memory.
	windowBytes = mostPlaces * callWindowBytes
)

// launch says what to start.
type launch struct {
	name      string
	program   program
	instance  string
	gen       int
	env       []string // beside the variables of the protocol
	plainText bool
	unnamed   bool // its file's name claims nothing: it says who it is
}

// wire is what go-plugin dispenses: the connection itself.
type wire struct{ plugin.NetRPCUnsupportedPlugin }

func (wire) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host serves no plugin")
}

func (wire) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// start executes a plugin and asks it what it is. A failed start leaves nothing
// behind.
func (h *Host) start(ctx context.Context, l launch) (*process, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, h.t.Start)
	defer cancel()
	for _, value := range secretVariables(l.env, nil) {
		h.secret(value)
	}
	p := h.newProcess(l)
	p.watch.add(p)
	var connectErr error
	go func() {
		defer close(p.connected)
		connectErr = p.connect()
	}()
	var err error
	select {
	case <-p.connected:
		err = connectErr
	case <-ctx.Done():
		p.end() // frees connect, which has no deadline of its own
		err = ctx.Err()
	}
	if err == nil {
		p.log = p.log.With("pid", p.child.pid)
		err = p.ask(ctx, h.opt.HostVersion)
	}
	if err == nil {
		for _, value := range secretVariables(l.env, p.describe.GetEnv()) {
			h.secret(value)
		}
		return p, nil
	}
	if outer.Err() != nil {
		err = fmt.Errorf("plugin %s: its start was given up: %w", l.name, outer.Err())
	} else {
		err = p.startError(ctx, err)
	}
	p.discard()
	return nil, err
}

func (h *Host) newProcess(l launch) *process {
	log := h.log.With("plugin", l.name)
	if l.instance != "" {
		log = log.With("instance", l.instance, "gen", l.gen)
	}
	p := &process{
		log: log, t: h.t, instance: l.instance, gen: l.gen, unnamed: l.unnamed, mark: newProcessMark(), watch: h.memory,
		idle: make(chan struct{}), connected: make(chan struct{}), released: make(chan struct{}),
	}
	p.child = &child{
		name: l.name, program: l.program, dir: h.opt.WorkDir, run: h.run,
		logs:   newLineLog(log, h.redact),
		exited: make(chan struct{}),
	}
	config := &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: pluginsdk.CookieKey, MagicCookieValue: pluginsdk.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{pluginsdk.ProtocolVersion: {pluginsdk.DispenseName: wire{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         !(l.plainText || h.opt.PlainText),
		SkipHostEnv:      true,
		StartTimeout:     h.t.Start,
		MinPort:          0,
		MaxPort:          1, // 0 and 0 would mean 10000 to 25000
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: h.run.path},
		SyncStdout:       &p.child.logs.out,
		SyncStderr:       &p.child.logs.err,
		Stderr:           io.Discard,
		Logger:           newHostLog(log, p.quiet),
		GRPCDialOptions:  append(dialOptions(), grpc.WithChainStreamInterceptor(stdioMayFail)),
	}
	config.RunnerFunc = func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
		p.child.socketDir = dir
		p.child.env = append(append(spec.Env, l.env...), pluginsdk.LifelineEnv+"=1", MarkEnv+"="+h.mark, processEnv+"="+p.mark)
		return p.child, nil
	}
	p.client = plugin.NewClient(config)
	return p
}

// dialOptions are those of every connection to a plugin.
func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pluginsdk.MaxMessageBytes), grpc.MaxCallSendMsgSize(pluginsdk.MaxMessageBytes)),
		grpc.WithNoProxy(),
		grpc.WithIdleTimeout(0), // a socket that a cleaner deleted cannot be dialled again
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // we know better what may be repeated
		// Fixed windows: no pings that estimate the bandwidth of a local socket.
		grpc.WithInitialWindowSize(callWindowBytes),
		grpc.WithInitialConnWindowSize(windowBytes),
	}
}

// stdioMayFail tells go-plugin that a plugin whose stdio stream cannot be opened
// has none: any other error makes it forget the connection without closing it.
func stdioMayFail(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil && method == "/plugin.GRPCStdio/StreamStdio" {
		err = status.Error(codes.Unavailable, status.Convert(err).Message())
	}
	return stream, err
}

// connect runs the handshake. Only the end of the process stops it.
func (p *process) connect() error {
	if _, err := p.client.Start(); err != nil {
		return err
	}
	proto, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := proto.Dispense(pluginsdk.DispenseName)
	if err != nil {
		return err
	}
	p.conn = raw.(*grpc.ClientConn)
	p.base = pluginv1.NewPluginServiceClient(p.conn)
	return nil
}

// ask learns what the plugin is, and whether that is what its file claims.
func (p *process) ask(ctx context.Context, hostVersion string) error {
	d, err := p.base.Describe(ctx, &pluginv1.DescribeRequest{HostVersion: hostVersion, Host: hostCapabilities()})
	if status.Code(err) == codes.Unimplemented {
		return &startError{failedIncompatible, errors.New("it does not serve dwmon.plugin.v1: rebuild it with pluginsdk")}
	}
	if err != nil {
		return err
	}
	name := p.child.name
	if p.unnamed {
		name = d.GetName()
	}
	if err := checkDescribe(name, d, hostVersion); err != nil {
		return &startError{failedIncompatible, err}
	}
	p.describe = d
	return nil
}

func hostCapabilities() *pluginv1.HostCapabilities {
	return &pluginv1.HostCapabilities{UnknownEvents: true}
}

// startError says why a process did not become ready, by what the child knows
// rather than by go-plugin's texts.
func (p *process) startError(ctx context.Context, err error) *startError {
	var se *startError
	if errors.As(err, &se) {
		return &startError{se.failure, fmt.Errorf("plugin %s: %w", p.child.name, p.redacted(se.err))}
	}
	c := p.child
	if !c.born() {
		f := failedCrash
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || execHint(err) != "" {
			f = failedRejected
		}
		return &startError{f, fmt.Errorf("plugin %s: %w", c.name, err)}
	}
	if line := c.handshake(); line != "" {
		if fault := handshakeFault(line); fault != nil {
			f := failedCrash
			if fault.incompatible {
				f = failedIncompatible
			}
			return &startError{f, fmt.Errorf("plugin %s: %w", c.name, p.redacted(fault))}
		}
	}
	if fault := c.ownFault(); fault != nil {
		return &startError{failedCrash, fmt.Errorf("plugin %s: %w", c.name, p.redacted(fault))}
	}
	if crash := p.crashed(p.exitWait(ctx)); crash != nil {
		return &startError{failedCrash, crash}
	}
	if ctx.Err() != nil {
		what, mend := "say anything on standard output", "its main must call pluginsdk.Serve at once, and do what takes long in Setup"
		if c.handshake() != "" {
			what, mend = "answer Describe", "it hangs; what takes long belongs in Setup"
		}
		return &startError{failedCrash, fmt.Errorf("plugin %s did not %s within %v of its start: %s%s", c.name, what, p.t.Start, mend, p.lastWrote())}
	}
	return &startError{failedCrash, fmt.Errorf("plugin %s: %w", c.name, p.redacted(err))}
}

// exitWait is how long to wait for the exit of a process that we did not end.
func (p *process) exitWait(ctx context.Context) time.Duration {
	if ctx.Err() != nil || p.ending.Load() && p.cause.Load() == nil {
		return 0
	}
	return p.t.CrashWait
}

func (p *process) redacted(err error) error {
	text := err.Error()
	if clean := p.child.logs.redact(text); clean != text {
		return errors.New(clean)
	}
	return err
}

func (p *process) lastWrote() string {
	if words := lastWords(p.child.logs.lastLines(20)); words != "" {
		return "; it last wrote: " + words
	}
	return ""
}

// crashed waits for the process to have ended and tells how; nil when it runs on,
// or when we wanted it gone and need no reason.
func (p *process) crashed(wait time.Duration) *CrashError {
	if p.ending.Load() && p.cause.Load() == nil {
		return nil
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-p.child.exited:
		case <-timer.C:
		}
	}
	if !p.exited() {
		return nil
	}
	e := &CrashError{Plugin: p.child.name, Exit: p.child.exit.String(), LastStderr: p.child.logs.lastLines(20)}
	if cause := p.cause.Load(); cause != nil {
		e.Why, e.Cause = cause.why, cause.text
	}
	if p.attached && e.Why == "" {
		e.Why, e.Cause = WhyDetached, goneText(p.child.pid)
	}
	return e
}

// configure hands over the settings.
func (p *process) configure(ctx context.Context, req *pluginv1.ConfigureRequest) error {
	ctx, cancel := context.WithTimeout(ctx, p.t.Configure)
	defer cancel()
	resp, err := p.base.Configure(ctx, req)
	if err != nil {
		return p.configureError(ctx, err)
	}
	var faults []string
	for _, d := range resp.GetDiagnostics() {
		text := p.child.logs.shown(diagnosticText(d))
		switch d.GetSeverity() {
		case pluginv1.Severity_SEVERITY_ERROR:
			faults = append(faults, text)
		case pluginv1.Severity_SEVERITY_WARNING:
			p.log.Warn("the plugin has a remark on its settings", "remark", text)
		default:
			p.log.Info("the plugin has a remark on its settings", "remark", text)
		}
	}
	if len(faults) > 0 {
		return &startError{failedConfig, fmt.Errorf("plugin %s refuses its settings: %s", p.child.name, strings.Join(faults, "; "))}
	}
	return nil
}

func (p *process) configureError(ctx context.Context, err error) error {
	f := faultOfStatus(err)
	text := p.child.logs.shown(f.text)
	switch f.code {
	case codes.FailedPrecondition, codes.InvalidArgument, codes.NotFound, codes.OutOfRange, codes.Unauthenticated, codes.PermissionDenied:
		return &startError{failedConfig, fmt.Errorf("plugin %s refuses its settings: %s", p.child.name, text)}
	case codes.Unimplemented:
		return &startError{failedIncompatible, fmt.Errorf("plugin %s cannot be configured: rebuild it with pluginsdk", p.child.name)}
	}
	if !f.spoken {
		if crash := p.crashed(p.exitWait(ctx)); crash != nil {
			return &startError{failedCrash, crash}
		}
	}
	if f.code == codes.DeadlineExceeded {
		return &startError{failedSetup, fmt.Errorf("plugin %s: its set-up did not end within %v", p.child.name, p.t.Configure)}
	}
	return &startError{failedSetup, fmt.Errorf("plugin %s: its set-up did not succeed: %s", p.child.name, text)}
}

// diagnosticText is a diagnostic in one line.
func diagnosticText(d *pluginv1.Diagnostic) string {
	text := d.GetSummary()
	if p := d.GetPointer(); p != "" {
		text = p + ": " + text
	}
	if detail := d.GetDetail(); detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

// probe asks whether the process is alive at all.
func (p *process) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.t.HealthTimeout)
	defer cancel()
	resp, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return err
	}
	if s := resp.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("its health is %s", s)
	}
	return nil
}

// frozenText says what is wrong with a process that does not answer its probes.
func (p *process) frozenText(failures int, err error) string {
	text := fmt.Sprintf("it did not answer %d health probes, the last with: %v: ", failures, err)
	if dir := p.child.socketDir; dir != "" {
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) == 0 {
			return text + "its socket was deleted: keep cleaners such as systemd-tmpfiles away from the run folder"
		}
	}
	return text + "it hangs, or was stopped by a signal, or the machine is overloaded"
}

func (p *process) exited() bool {
	select {
	case <-p.child.exited:
		return true
	default:
		return false
	}
}

// begin takes the process for one call; false: it takes no more.
func (p *process) begin() bool {
	if p.exited() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return false
	}
	p.calls++
	return true
}

func (p *process) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	if p.closing && p.calls == 0 {
		close(p.idle)
	}
}

func (p *process) inFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// refuse lets no more calls begin.
func (p *process) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.closing = true
		if p.calls == 0 {
			close(p.idle)
		}
	}
}
