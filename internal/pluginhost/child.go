package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

const (
	// handshakeBytes is the longest handshake line: with TLS it holds a certificate.
	handshakeBytes = 4 << 10
	// stragglerTime is how long after a process has ended its output is still read,
	// where a descendant that left the group holds the pipes open.
	stragglerTime = 250 * time.Millisecond
)

// child is one operating system process: go-plugin's runner.Runner, started once.
// It owns the process group, the pipes and the run file, and learns of the exit by
// itself: go-plugin would wait until every holder of the pipes is gone.
type child struct {
	name string
	program
	dir  string // the working directory; empty: ours
	env  []string
	run  *runDir
	logs *lineLog

	// socketDir is go-plugin's folder for the socket of this process.
	socketDir string

	pid      int // 0 until started; written with mu held
	process  *os.Process
	lifeline *os.File
	forward  *io.PipeReader // the handshake line, to go-plugin

	mu     sync.Mutex
	doomed bool   // Kill was called
	reaped bool   // the pid may belong to somebody else
	first  []byte // the first bytes on standard output
	fault  error  // what PluginToHost found

	exited chan struct{} // closed when everything below is set
	exit   exitStatus
}

// exitStatus is how a process ended.
type exitStatus struct {
	code   int // -1 when a signal ended it
	signal string
}

func (e exitStatus) String() string {
	if e.signal != "" {
		s := "signal " + e.signal
		if e.signal == "killed" {
			s += " (killed by somebody, or by the kernel for want of memory)"
		}
		return s
	}
	if e.code == 137 {
		return "exit status 137 (killed, probably for want of memory)"
	}
	if e.code == 0 {
		return "exit status 0: it ended by itself; its main must call pluginsdk.Serve, which never returns"
	}
	return "exit status " + strconv.Itoa(e.code)
}

// errDoomed: nobody wants the process any more that was about to be started.
var errDoomed = errors.New("its start was given up")

// Start executes the program, if it still is what was looked at.
func (c *child) Start(ctx context.Context) error {
	if c.unwanted() {
		return errDoomed
	}
	if err := c.verify(); err != nil {
		return err
	}
	pipes, err := newPipes()
	if err != nil {
		return fmt.Errorf("pipes for plugin %s: %w", c.name, err)
	}
	process, err := c.execute(ctx, pipes)
	if err != nil {
		pipes.close()
		return err
	}
	pipes.closeChildEnds()
	c.started(process, pipes.in.w)
	if err := c.run.record(c.name, c.pid, c.path); err != nil {
		c.logs.host.Warn("the run file of a plugin cannot be written: it would not be found after a crash of the daemon", "pid", c.pid, "err", err)
	}
	var forward *io.PipeWriter
	c.forward, forward = io.Pipe()
	var readers sync.WaitGroup
	readers.Go(func() { c.readStdout(pipes.out.r, forward) })
	readers.Go(func() { c.logs.readStderr(pipes.err.r) })
	go c.wait(pipes, &readers)
	return nil
}

// started takes over a process. One that somebody wanted dead before it was born
// is ended now.
func (c *child) started(process *os.Process, lifeline *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process, c.pid, c.lifeline = process, process.Pid, lifeline
	c.logs.log = c.logs.log.With("pid", c.pid)
	if c.doomed {
		c.killGroup()
	}
}

// unwanted says whether Kill was called.
func (c *child) unwanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doomed
}

// born says whether there is, or was, a process at all.
func (c *child) born() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid != 0
}

// number is the process's; 0 until it is started.
func (c *child) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// execute starts the process. A file that was written a moment ago may still be
// open for writing in a child that another goroutine has forked: tried again.
func (c *child) execute(ctx context.Context, p *pipes) (*os.Process, error) {
	for try := 1; ; try++ {
		cmd := exec.Command(c.path)
		cmd.Dir = c.dir
		cmd.Env = c.env
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.in.r, p.out.w, p.err.w
		cmd.SysProcAttr = childAttributes()
		err := spawn(cmd.Start)
		if err == nil {
			return cmd.Process, nil
		}
		if !errors.Is(err, syscall.ETXTBSY) || try > 3 {
			return nil, fmt.Errorf("execute %s: %w%s", c.path, err, execHint(err))
		}
		select {
		case <-time.After(time.Duration(try*try) * 20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func execHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return ": it was built for another system; build it for " + runtime.GOOS + "/" + runtime.GOARCH
	case errors.Is(err, os.ErrPermission):
		return ": chmod +x it, and see that its file system is not mounted noexec"
	case errors.Is(err, os.ErrNotExist):
		return ": the file, or the interpreter or loader that it names, is not there"
	}
	return ""
}

// wait learns of the exit, ends what is left of the group, and publishes.
func (c *child) wait(p *pipes, readers *sync.WaitGroup) {
	state, err := c.await()
	c.exit = exitStatus{code: -1}
	if err == nil {
		c.exit = statusOf(state)
	}
	c.run.forget(c.name, c.pid)
	deadline := time.Now().Add(stragglerTime)
	_ = p.out.r.SetReadDeadline(deadline)
	_ = p.err.r.SetReadDeadline(deadline)
	readers.Wait()
	p.close()
	close(c.exited)
}

// readStdout hands the handshake line to go-plugin, and it alone: go-plugin's
// reader ends for ever at a line of 64 KiB, and then whoever writes one blocks.
func (c *child) readStdout(r io.Reader, forward *io.PipeWriter) {
	in := bufio.NewReaderSize(r, handshakeBytes)
	line, err := in.ReadSlice('\n')
	c.mu.Lock()
	c.first = bytes.Clone(line)
	c.mu.Unlock()
	if err == nil && handshakeFault(string(line)) == nil {
		_, _ = forward.Write(line)
	}
	_ = forward.Close()
	c.logs.readStdout(in)
}

// handshake is the first line on standard output, or what there is of it.
func (c *child) handshake() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.first)
}

// closeLifeline tells the plugin that its host wants it gone.
func (c *child) closeLifeline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lifeline != nil {
		_ = c.lifeline.Close()
	}
}

// Kill ends the whole process group. It may be called at any time and often.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doomed = true
	if c.pid != 0 && !c.reaped {
		c.killGroup()
	}
	return nil
}

// Wait blocks until the process has ended.
func (c *child) Wait(ctx context.Context) error {
	select {
	case <-c.exited:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.exit.code != 0 {
		return errors.New(c.exit.String())
	}
	return nil
}

// Stdout is the handshake line and nothing else.
func (c *child) Stdout() io.ReadCloser { return c.forward }

// Stderr is empty: we read it ourselves. go-plugin's reader loses levels, cuts
// lines, and panics on {"@message":1}.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the plugin's path.
func (c *child) Name() string { return c.path }

// ID is never empty: go-plugin takes an empty one for "nothing to kill" and then
// leaves its folder behind.
func (c *child) ID() string { return strconv.Itoa(c.pid) }

// PluginToHost lets the plugin name an address of its own making only: a socket
// in the folder that it was given, or a loopback port where there are no sockets.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	if network == "unix" && filepath.Dir(filepath.Clean(address)) == filepath.Clean(c.socketDir) {
		return network, address, nil
	}
	if network == "tcp" && runtime.GOOS == "windows" && strings.HasPrefix(address, "127.0.0.1:") {
		return network, address, nil
	}
	err := fmt.Errorf("it listens at %s %q, outside the folder that it was given: it must obey PLUGIN_UNIX_SOCKET_DIR", network, address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = err
	return "", "", err
}

// ownFault is what we hold against the process, where go-plugin has no words for it.
func (c *child) ownFault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// HostToPlugin is the identity: both see the same file system.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// Diagnose is for go-plugin's own error, of which we make no use: see
// process.startError.
func (c *child) Diagnose(context.Context) string { return "" }

// handshakeError is a first line that is no handshake of ours.
type handshakeError struct {
	// incompatible: it is a handshake, of another protocol.
	incompatible bool
	text         string
}

func (e *handshakeError) Error() string { return e.text }

// handshakeFault says what is wrong with a first line: nil for
// "1|1|unix|/path|grpc|certificate".
func handshakeFault(line string) *handshakeError {
	parts := strings.Split(strings.TrimSpace(line), "|")
	core, err := strconv.Atoi(parts[0])
	if len(parts) < 5 || err != nil {
		return &handshakeError{text: fmt.Sprintf("its first line on standard output is no handshake but %s: a plugin must print nothing before pluginsdk.Serve", quoteCut(line, 200))}
	}
	if core != 1 || parts[1] != strconv.Itoa(pluginsdk.ProtocolVersion) || parts[4] != "grpc" {
		return &handshakeError{incompatible: true, text: fmt.Sprintf(
			"it speaks protocol %s (core %s, %s), this dwmon speaks protocol %d (core 1, grpc): rebuild it with a matching pluginsdk",
			quoteCut(parts[1], 20), quoteCut(parts[0], 20), quoteCut(parts[4], 20), pluginsdk.ProtocolVersion)}
	}
	return nil
}

// quoteCut quotes a text of somebody else's, of which no more than n bytes.
func quoteCut(s string, n int) string {
	if len(s) > n {
		return strconv.Quote(s[:n]) + " …"
	}
	return strconv.Quote(s)
}

// maxText bounds a remark or an error of a plugin, in bytes.
const maxText = 4 << 10

// cutText bounds a text of somebody else's.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + " … (cut)"
}

// pipes are the three standard files of a child: the ends that the child has and
// the ends that we have.
type pipes struct{ in, out, err pipe }

type pipe struct{ r, w *os.File }

func newPipes() (*pipes, error) {
	p := new(pipes)
	for _, at := range []*pipe{&p.in, &p.out, &p.err} {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		*at = pipe{r, w}
	}
	return p, nil
}

func (p *pipes) closeChildEnds() {
	for _, f := range []*os.File{p.in.r, p.out.w, p.err.w} {
		_ = f.Close()
	}
}

func (p *pipes) close() {
	for _, f := range []*os.File{p.in.r, p.in.w, p.out.r, p.out.w, p.err.r, p.err.w} {
		if f != nil {
			_ = f.Close()
		}
	}
}
