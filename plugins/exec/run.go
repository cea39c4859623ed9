package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

const (
	// patience is how long a program has from SIGTERM until SIGKILL.
	patience = 2 * time.Second
	// drainTime is how long after its end a program's output is read on, and how
	// long after a bad line it may say of itself what went wrong.
	drainTime = 250 * time.Millisecond
)

// bounded gives a call the program's own timeout.
func (p *program) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := p.work.Timeout
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit.Std(),
		fmt.Errorf("program %s took longer than its timeout of %s and was ended: %w", p.name, limit, context.DeadlineExceeded))
}

// overtime is the error of a call that has run out of the program's own time.
func (p *program) overtime(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// exits are the exit codes that say whose fault it was, as in sysexits.h.
var exits = map[int]string{
	64: bridge.CodeInvalidArgument,    // EX_USAGE
	65: bridge.CodeInvalidArgument,    // EX_DATAERR
	69: bridge.CodeUnavailable,        // EX_UNAVAILABLE
	75: bridge.CodeUnavailable,        // EX_TEMPFAIL
	77: bridge.CodePermissionDenied,   // EX_NOPERM
	78: bridge.CodeFailedPrecondition, // EX_CONFIG
}

// execution is one run of a program.
type execution struct {
	*program
	process *bridge.Process
	stdout  *os.File
	words   *bridge.Words
	// printed is closed when standard error, and for a handler standard output,
	// was read to its end.
	printed chan struct{}
	// held says that something which the program had started still held its output
	// when the program had ended.
	held atomic.Bool
	// left is closed when nobody wants the output any more.
	left  chan struct{}
	leave sync.Once
}

// run runs the program for one call. read is given its standard output and reads
// it to the end; nil: the output is for the log. What read has passed on counts
// only if run returns nil: the program has exited with 0, ended its output, and left
// nothing behind that could still have written.
//
// When ctx ends, run returns at once, and the program is ended behind its back.
func (p *program) run(ctx context.Context, c *call, read func(io.Reader) error) error {
	x := &execution{program: p, words: bridge.NewWords(pluginsdk.Logger(ctx)), printed: make(chan struct{}), left: make(chan struct{})}
	if err := x.start(c, read == nil); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, x.giveUp)()
	var readErr error
	if read != nil {
		readErr = read(x.stdout)
		if readErr != nil && !errors.As(readErr, new(errUnended)) {
			x.afterFault()
		}
		defer x.stdout.Close()
	}
	select {
	case <-x.process.Exited():
	case <-ctx.Done():
	case <-x.left:
	}
	return x.verdict(ctx, read != nil, readErr)
}

// start starts the program and all that carries its input and output.
func (x *execution) start(c *call, logged bool) (err error) {
	var theirs [3]*os.File
	var stdin, stderr *os.File
	defer func() {
		closeAll(theirs[:]...)
		if err != nil {
			closeAll(stdin, x.stdout, stderr)
		}
	}()
	if theirs[0], stdin, err = os.Pipe(); err != nil {
		return err
	}
	if x.stdout, theirs[1], err = os.Pipe(); err != nil {
		return err
	}
	if stderr, theirs[2], err = os.Pipe(); err != nil {
		return err
	}
	cmd := x.command(c.variables())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	ready := make(chan struct{})
	if x.process, err = bridge.StartOnce(cmd, func() { <-ready; x.settle() }); err != nil {
		return startError(x.name, err)
	}
	x.running.add(x.process)
	// From now on nobody but the program, and what it starts, can write to its output.
	closeAll(theirs[:]...)
	close(ready)
	go func() {
		_, _ = stdin.Write(c.request) // a program need not read it
		stdin.Close()
	}()
	go x.log(stderr, logged)
	go func() {
		<-x.process.Exited()
		stdin.SetWriteDeadline(time.Now())
	}()
	return nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// startError says whose fault it is that a program could not be started.
func startError(name string, err error) error {
	err = fmt.Errorf("start program %s: %w", name, plain(err))
	for _, passing := range []error{syscall.ETXTBSY, syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, passing) {
			return pluginsdk.Retryable(err, 0)
		}
	}
	return pluginsdk.ConfigError(err)
}

// log reads what is for people until its end, or a little beyond that of the
// program: a process that left the group may hold it open for ever.
func (x *execution) log(stderr *os.File, withStdout bool) {
	files := []*os.File{stderr}
	if withStdout {
		files = append(files, x.stdout)
	}
	var all sync.WaitGroup
	for _, f := range files {
		all.Go(func() {
			x.words.Read(f)
			f.Close()
		})
	}
	go func() {
		<-x.process.Exited()
		for _, f := range files {
			_ = f.SetReadDeadline(time.Now().Add(drainTime))
		}
	}()
	all.Wait()
	close(x.printed)
}

// settle looks, when the program has ended and before what it left is killed,
// whether anything still holds its output.
func (x *execution) settle() {
	for end := time.Now().Add(drainTime); ; time.Sleep(5 * time.Millisecond) {
		held := hasWriter(x.stdout)
		if !held {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	x.held.Store(true)
	// What left the group cannot be killed, and may hold the output for ever.
	_ = x.stdout.SetReadDeadline(time.Now())
}

// giveUp ends the program: SIGTERM, two seconds, SIGKILL, each to all of its group.
func (x *execution) giveUp() {
	x.leave.Do(func() {
		close(x.left)
		x.process.Terminate()
		_ = x.stdout.SetReadDeadline(time.Now())
		time.AfterFunc(patience, x.process.Kill)
	})
}

// afterFault lets a program whose output is of no more use end by itself, for it
// may know better what is wrong, and then ends it.
func (x *execution) afterFault() {
	go func() { _, _ = io.Copy(io.Discard, x.stdout) }()
	select {
	case <-x.process.Exited():
	case <-x.left:
	case <-time.After(drainTime):
		x.giveUp()
	}
}

// verdict is what the call comes to. What the program says of itself by its exit
// code is worth more than what its output looks like.
func (x *execution) verdict(ctx context.Context, reading bool, readErr error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	state := x.process.State()
	if state == nil || x.givenUp() {
		return x.named(readErr)
	}
	if !state.Success() {
		<-x.printed
		return x.exitError(state, readErr)
	}
	switch {
	case x.held.Load() && !reading:
		x.words.Note("program " + x.name + " left something running that held its output, which was ended")
		return nil
	case x.held.Load():
		return fmt.Errorf("program %s ended and left something running that held its output: the rest of it may be missing; wait for everything it starts", x.name)
	}
	return x.named(readErr)
}

func (x *execution) givenUp() bool {
	select {
	case <-x.left:
		return true
	default:
		return false
	}
}

func (x *execution) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("program %s: %w", x.name, err)
}

// exitError is the error of a program that says itself that it failed.
func (x *execution) exitError(state *os.ProcessState, readErr error) error {
	text := fmt.Sprintf("program %s ended with %s", x.name, x.process.Exit())
	if x.process.Exit() == "signal killed" {
		text += " (was memory short?)"
	}
	text += x.words.Last()
	if readErr != nil {
		text += "; " + readErr.Error()
	}
	return bridge.Classify(exits[state.ExitCode()], x.kind, errors.New(text))
}
