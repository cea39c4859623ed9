package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// drainTime is how long pipes are read on after their process has ended: a
// process that left the group may hold them open for ever.
const drainTime = 250 * time.Millisecond

// worker is one process. One call at a time uses it.
type worker struct {
	name    string
	started time.Time
	calls   int

	*Process
	stdin  *os.File
	frames chan *Frame
	output *output

	// readErr is why frames was closed.
	readErr error
	// left is closed when nobody wants frames any more.
	left     chan struct{}
	leave    sync.Once
	inputEnd sync.Once
	// buried is closed when the process and its group are gone and what they last
	// wrote was read.
	buried chan struct{}
	logger atomic.Pointer[slog.Logger]
}

// startWorker starts a process in a group of its own.
func startWorker(name string, cmd *exec.Cmd, redact func(string) string) (_ *worker, err error) {
	w := &worker{
		name: name, started: time.Now(),
		frames: make(chan *Frame), left: make(chan struct{}), buried: make(chan struct{}),
	}
	w.output = &output{log: w.currentLog, redact: redact}
	var theirs [3]*os.File
	var stdout, stderr *os.File
	defer func() {
		closeAll(theirs[:]...)
		if err != nil {
			closeAll(w.stdin, stdout, stderr)
		}
	}()
	if theirs[0], w.stdin, err = os.Pipe(); err != nil {
		return nil, err
	}
	if stdout, theirs[1], err = os.Pipe(); err != nil {
		return nil, err
	}
	if stderr, theirs[2], err = os.Pipe(); err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if w.Process, err = StartProcess(cmd); err != nil {
		return nil, pluginsdk.ConfigError(fmt.Errorf("start the %s: %w", name, err))
	}
	go w.readFrames(stdout)
	var logged sync.WaitGroup
	logged.Go(func() { w.output.read(stderr) })
	go w.bury(&logged, stdout, stderr)
	return w, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// bury waits for the process and ends what hangs on it.
func (w *worker) bury(logged *sync.WaitGroup, stdout, stderr *os.File) {
	<-w.Exited()
	late := time.Now().Add(drainTime)
	_, _ = stdout.SetReadDeadline(late), stderr.SetReadDeadline(late)
	logged.Wait() // for the last words
	closeAll(w.stdin, stderr)
	close(w.buried)
	// stdout is closed by its reader, which may still have frames to hand over.
}

// readFrames reads until the end, or the first line that is no frame.
func (w *worker) readFrames(stdout *os.File) {
	defer stdout.Close()
	defer close(w.frames)
	in := bufio.NewReaderSize(stdout, 64<<10)
	for {
		line, err := readLine(in)
		if err != nil {
			w.readErr = err
			return
		}
		f, err := parseFrame(line)
		if err != nil {
			w.readErr = fmt.Errorf("the worker wrote %.200q to its protocol: %w", line, err)
			return
		}
		select {
		case w.frames <- f:
		case <-w.left:
			w.readErr = errors.New("the worker was given up")
			return
		}
	}
}

// next waits for a frame.
func (w *worker) next(ctx context.Context) (*Frame, error) {
	select {
	case f, ok := <-w.frames:
		if !ok {
			return nil, w.readErr
		}
		return f, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// write writes to the worker, for as long as ctx lives.
func (w *worker) write(ctx context.Context, line []byte) error {
	if len(line) == 0 {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.stdin.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := w.stdin.Write(line)
	if !stop() && err == nil {
		// The deadline may be set at any moment from now on: this worker takes no more.
		err = context.Cause(ctx)
	}
	return err
}

// endInput asks the worker to end.
func (w *worker) endInput() {
	w.leave.Do(func() { close(w.left) })
	w.inputEnd.Do(func() { w.stdin.Close() })
}

// kill ends the worker and its group.
func (w *worker) kill() {
	w.leave.Do(func() { close(w.left) })
	w.Kill()
}

// gone says that the process has ended.
func (w *worker) gone() bool {
	select {
	case <-w.Exited():
		return true
	default:
		return false
	}
}

// crashed is the error of a worker that did not do its part: how it ended, if it
// has, else what it did wrong. It does not live on.
func (w *worker) crashed(ctx context.Context, during string, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ended := errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, os.ErrDeadlineExceeded) || isBrokenPipe(cause)
	if !ended {
		w.kill()
		return fmt.Errorf("the %s broke the protocol during %s and was ended: %w", w.name, during, cause)
	}
	select {
	case <-w.buried:
		return fmt.Errorf("the %s crashed during %s: %s%s", w.name, during, w.Exit(), w.output.lastWords())
	case <-time.After(time.Second):
		w.kill()
		return fmt.Errorf("the %s closed its output during %s, and was ended%s", w.name, during, w.output.lastWords())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// during has the worker's output logged as the call's, until the function that it
// returns is called.
func (w *worker) during(ctx context.Context) (end func()) {
	w.logger.Store(pluginsdk.Logger(ctx))
	return func() { w.logger.Store(nil) }
}

func (w *worker) currentLog() *slog.Logger {
	if log := w.logger.Load(); log != nil {
		return log
	}
	return slog.Default()
}

func (w *worker) log(ctx context.Context) *slog.Logger { return pluginsdk.Logger(ctx) }
