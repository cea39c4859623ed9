package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Attachment is where a plugin listens that somebody else has started, by its
// argument --debug, to hold it in a debugger.
type Attachment struct {
	// Network is unix, or tcp on a loopback address.
	Network string `json:"network"`
	// Addr is a socket's absolute path, or an address with its port.
	Addr string `json:"addr"`
	// Pid is for people: nothing is ever sent to it.
	Pid int `json:"pid"`
	// Protocol is the major version of the protocol.
	Protocol int `json:"protocol"`
}

// ParseAttach reads what plugins print when they are started with --debug: a JSON
// object of attachments by plugin name. Empty text: none.
func ParseAttach(text string) (map[string]Attachment, error) {
	if text == "" {
		return nil, nil
	}
	var all map[string]Attachment
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf(`want {"NAME":{"network":"unix","addr":"/path","pid":1,"protocol":1}}, as a plugin prints it at --debug: %w`, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more after the object: name several plugins as members of one object")
	}
	for name, a := range all {
		if err := a.check(name); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", quoteCut(name, 80), err)
		}
	}
	return all, nil
}

func (a Attachment) check(name string) error {
	switch {
	case !fileForm.MatchString(pluginsdk.FilePrefix + name):
		return errors.New("that is no name of a plugin: want lower-case letters, digits and -, at most 39")
	case a.Protocol != pluginsdk.ProtocolVersion:
		return fmt.Errorf("it speaks protocol %d, this dwmon speaks protocol %d: rebuild it with a matching pluginsdk", a.Protocol, pluginsdk.ProtocolVersion)
	case a.Pid < 1:
		return errors.New(`"pid" is missing`)
	}
	switch a.Network {
	case "unix":
		if !filepath.IsAbs(a.Addr) {
			return fmt.Errorf("%q is no absolute path of a socket", a.Addr)
		}
	case "tcp":
		if at, err := netip.ParseAddrPort(a.Addr); err != nil || !at.Addr().IsLoopback() || at.Port() == 0 {
			return fmt.Errorf("%q is no loopback address such as 127.0.0.1:4000: its settings, secrets too, would cross the network in clear", a.Addr)
		}
	default:
		return fmt.Errorf("network %q: want unix or tcp", a.Network)
	}
	return nil
}

// found stands in for the file that there need not be.
func (a Attachment) found(name string) Found {
	return Found{Name: name, Path: a.Addr, Warnings: []string{fmt.Sprintf("attached, pid %d: it is not started, verified or ended by dwmon", a.Pid)}}
}

// attachAll puts attached plugins into a new catalogue, in place of files of their
// names. Those that have not answered are asked again. The lock is held.
func (h *Host) attachAll(next map[string][]*catalogued) {
	for name, a := range h.opt.Attach {
		before := h.catalogue[name]
		if len(before) == 0 {
			h.log.Warn("ATTACHED: dwmon talks, without TLS, to a plugin that somebody else has started; its file, digest and lock do not count. For debugging only",
				"plugin", name, "network", a.Network, "addr", a.Addr, "pid", a.Pid)
		} else if !silent(before[0]) {
			next[name] = before
			continue
		}
		c := newCatalogued(a.found(name))
		next[name] = []*catalogued{c}
		h.running.Go(func() { h.answer(c) })
	}
}

// attachmentMissing says that an attached plugin did not answer when it was last
// asked: it is worth asking again. The lock is held.
func (h *Host) attachmentMissing() bool {
	for name := range h.opt.Attach {
		if slices.ContainsFunc(h.catalogue[name], silent) {
			return true
		}
	}
	return false
}

// silent says that a plugin was asked what it is, and did not say.
func silent(c *catalogued) bool {
	select {
	case <-c.done:
		return c.plugin.State != StateVerified
	default:
		return false
	}
}

// attach connects to a process that is somebody else's and asks it what it is.
// The child that stands for it counts as reaped: its number is never ours to
// signal. It has "exited" when the one connection to it is lost: whoever answers at
// the address then may be another process, that must be asked and configured anew.
func (h *Host) attach(ctx context.Context, l launch, a Attachment) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, h.t.Start)
	defer cancel()
	log := h.log.With("plugin", l.name, "attached", true)
	if l.instance != "" {
		log = log.With("instance", l.instance)
	}
	p := &process{
		log: log, t: h.t, instance: l.instance, gen: l.gen, attached: true, watch: h.memory,
		idle: make(chan struct{}), released: make(chan struct{}),
	}
	p.child = &child{
		name: l.name, pid: a.Pid, reaped: true, run: h.run,
		logs:   newLineLog(log, h.redact),
		exited: make(chan struct{}), exit: exitStatus{code: -1},
	}
	err := p.dial(ctx, a)
	if err == nil {
		err = p.ask(ctx, h.opt.HostVersion)
	}
	if err == nil {
		return p, nil
	}
	p.discard()
	var se *startError
	if errors.As(err, &se) {
		return nil, &startError{se.failure, fmt.Errorf("plugin %s, attached as pid %d: %w", l.name, a.Pid, p.redacted(se.err))}
	}
	if ctx.Err() != nil {
		err = errors.New("it does not answer; is it held by the debugger?")
	}
	return nil, &startError{failedSetup, fmt.Errorf("plugin %s: no connection to the process that DWMON_ATTACH_PLUGINS names (pid %d, %s): %w: start it with --debug, or unset the variable",
		l.name, a.Pid, a.Addr, p.redacted(err))}
}

// dial makes the one connection.
func (p *process) dial(ctx context.Context, a Attachment) error {
	if err := trusted(a); err != nil {
		return err
	}
	raw, err := new(net.Dialer).DialContext(ctx, a.Network, a.Addr)
	if err != nil {
		return err
	}
	if pid, uid, ok := peerOf(raw); ok {
		if uid != os.Getuid() && os.Getuid() != 0 {
			_ = raw.Close()
			return errForeign
		}
		p.child.pid = pid // it may have been started again since the attachment was written down
	}
	line := &onlyLine{Conn: raw, lost: func() { close(p.child.exited) }}
	p.line = line
	p.conn, err = grpc.NewClient("passthrough:///"+p.child.name, append(dialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return line.take() }),
	)...)
	if err != nil {
		return err
	}
	p.base = pluginv1.NewPluginServiceClient(p.conn)
	return nil
}

var errForeign = errors.New("it belongs to another user: run plugin and dwmon as the same one")

// trusted refuses a socket of another user's: it would be told our secrets.
func trusted(a Attachment) error {
	if a.Network != "unix" || runtime.GOOS == "windows" {
		return nil
	}
	info, err := os.Stat(a.Addr)
	if err != nil {
		return err
	}
	if os.Getuid() != 0 && !ownedByUs(info) {
		return errForeign
	}
	return nil
}

// onlyLine is a connection that is handed out once and tells when it is lost.
type onlyLine struct {
	net.Conn
	lost func()

	once  sync.Once
	mu    sync.Mutex
	taken bool
}

var errLost = errors.New("the connection to the attached plugin is lost")

func (l *onlyLine) take() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return nil, errLost
	}
	l.taken = true
	return l, nil
}

func (l *onlyLine) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil {
		l.once.Do(l.lost)
	}
	return n, err
}

func (l *onlyLine) Close() error {
	l.once.Do(l.lost)
	return l.Conn.Close()
}

// detach lets go of a process that we are attached to, and leaves it running.
func (p *process) detach() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	if p.line != nil {
		_ = p.line.Close() // it may not have been taken
	}
}

func goneText(pid int) string {
	return fmt.Sprintf("the process that dwmon was attached to (pid %d) has gone: start it again with --debug; dwmon goes on asking for it", pid)
}
