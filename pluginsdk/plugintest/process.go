package plugintest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// handshakeLimit is how long a plugin has for its handshake.
	handshakeLimit = 5 * time.Second
	// endLimit is how long it has to end.
	endLimit = 5 * time.Second
	// lastWordsLimit is how long standard error is read after the end.
	lastWordsLimit = 250 * time.Millisecond
)

// process is a started plugin. All that the kit holds of it can be let go at once,
// as the kernel does when a host is killed.
type process struct {
	cmd              *exec.Cmd
	dir              string
	network, address string
	handshake        string
	took             time.Duration // until the handshake

	stdin, stdout, stderr *os.File // our ends
	readers               sync.WaitGroup
	out, errs             tail
	printed               atomic.Int64  // bytes that came through the connection
	outEOF, errEOF        chan struct{} // closed when standard output, standard error has ended
	exited                chan struct{}
}

// launch starts a plugin and waits for its handshake. dir is removed with it. With
// an error the process has been destroyed, and is there for what it has said.
func launch(ctx context.Context, path, dir string, env []string, offline bool) (*process, error) {
	p := &process{cmd: exec.Command(path), dir: dir, outEOF: make(chan struct{}), errEOF: make(chan struct{}), exited: make(chan struct{})}
	p.cmd.Env = env
	setGroup(p.cmd, offline)
	theirs, err := p.pipes()
	if err != nil {
		return p, errors.Join(err, closeAll(theirs...), closeAll(p.stdin, p.stdout, p.stderr))
	}
	err = p.cmd.Start()
	_ = closeAll(theirs...)
	if err != nil {
		return p, errors.Join(err, closeAll(p.stdin, p.stdout, p.stderr))
	}
	began := time.Now()
	first := make(chan string, 1)
	p.readers.Go(func() { p.readStdout(first) })
	p.readers.Go(func() {
		defer close(p.errEOF)
		_, _ = io.Copy(&p.errs, p.stderr)
	})
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	if err := p.await(ctx, first); err != nil {
		p.destroy()
		return p, err
	}
	p.took = time.Since(began)
	return p, nil
}

// pipes makes the process's three streams and returns its ends. They are ours
// rather than exec's, whose Wait would wait for whoever else holds them.
func (p *process) pipes() (theirs []*os.File, err error) {
	var in, out, errs *os.File
	if in, p.stdin, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.stdout, out, err = os.Pipe(); err != nil {
		return []*os.File{in}, err
	}
	if p.stderr, errs, err = os.Pipe(); err != nil {
		return []*os.File{in, out}, err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, errs
	return []*os.File{in, out, errs}, nil
}

func closeAll(files ...*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// readStdout passes the first line on and keeps the rest.
func (p *process) readStdout(first chan<- string) {
	defer close(p.outEOF)
	r := bufio.NewReaderSize(p.stdout, 4096)
	line, err := r.ReadSlice('\n')
	first <- string(line)
	if err == nil || errors.Is(err, bufio.ErrBufferFull) {
		_, _ = io.Copy(&p.out, r)
	}
}

// await waits for the handshake and reads it.
func (p *process) await(ctx context.Context, first <-chan string) error {
	timer := time.NewTimer(handshakeLimit)
	defer timer.Stop()
	select {
	case p.handshake = <-first:
	case <-timer.C:
		return fmt.Errorf("no handshake line on standard output after %v", handshakeLimit)
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.handshake == "" {
		return errors.New("standard output ended without a handshake line")
	}
	fields := strings.Split(strings.TrimSuffix(p.handshake, "\n"), "|")
	if !strings.HasSuffix(p.handshake, "\n") || len(fields) < 5 || fields[0] != "1" || fields[1] != "1" ||
		(fields[2] != "unix" && fields[2] != "tcp") || fields[4] != "grpc" {
		return fmt.Errorf("the first line on standard output is %.80q: want the handshake 1|1|unix|ADDRESS|grpc", p.handshake)
	}
	p.network, p.address = fields[2], fields[3]
	return nil
}

// wait waits for the exit.
func (p *process) wait(limit time.Duration) bool { return closedWithin(p.exited, limit) }

// outEnded waits until nobody holds standard output any more.
func (p *process) outEnded(limit time.Duration) bool { return closedWithin(p.outEOF, limit) }

func closedWithin(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// abandon lets go of everything that a host holds, all at once.
func (p *process) abandon() { _ = closeAll(p.stdin, p.stdout, p.stderr) }

// destroy ends the process and whatever it has started, and waits for the
// goroutines that read from it.
func (p *process) destroy() {
	p.kill()
	<-p.exited
	// What is left of the group, whoever has joined it meanwhile.
	p.killGroup()
	// Its last words may still be in the pipe, and are often the reason. One who
	// holds the pipe and has left the group is not waited for.
	closedWithin(p.errEOF, lastWordsLimit)
	p.abandon()
	p.readers.Wait()
	_ = os.RemoveAll(p.dir)
}

// tail keeps the last bytes written to it, and counts all.
type tail struct {
	mu    sync.Mutex
	kept  []byte
	total int64
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(b))
	t.kept = append(t.kept, b...)
	if cut := len(t.kept) - tailBytes; cut > 0 {
		t.kept = append(t.kept[:0], t.kept[cut:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.kept, []byte("\uFFFD")))
}

// said is the last lines, for the text of a case that failed.
func (t *tail) said(where string) string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	const most = 10
	return "\n" + where + " ends with:\n" + strings.Join(lines[max(0, len(lines)-most):], "\n")
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept, t.total = nil, 0
}

func (t *tail) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}
