package pluginhost

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// MarkEnv is set in every plugin's environment to a random text of the host's.
// Descendants inherit it, wherever they put themselves.
const MarkEnv = "DWMON_PLUGIN_MARK"

func newMark() string { return rand.Text() + rand.Text() }

// guard is the process that ends our plugins should we be killed. It is told the
// mark on its standard input, which also tells it of our end. It is not given in
// the environment, where it would mark the guard itself.
type guard struct {
	command []string
	mark    string
	log     *slog.Logger
	again   time.Duration

	stop chan struct{}
	done chan struct{}
	once sync.Once
}

// startGuard starts the guard and keeps one running. It returns when the first one
// runs, so that no plugin is ever started without.
func startGuard(command []string, mark string, log *slog.Logger) (*guard, error) {
	g := &guard{command: command, mark: mark, log: log, again: time.Second, stop: make(chan struct{}), done: make(chan struct{})}
	if len(command) == 0 || !guardWorks {
		close(g.done)
		return g, nil
	}
	first, err := g.start()
	if err != nil {
		return nil, fmt.Errorf("start the guard of the plugins: %w", err)
	}
	go g.keep(first)
	return g, nil
}

// running is one guard process.
type running struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}
}

func (g *guard) start() (*running, error) {
	cmd := exec.Command(g.command[0], g.command[1:]...)
	cmd.Env = guardEnviron()
	cmd.Dir = filepath.VolumeName(g.command[0]) + string(filepath.Separator) // holds no folder busy
	cmd.SysProcAttr = guardAttributes()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, err
	}
	if _, err := io.WriteString(w, g.mark+"\n"); err != nil {
		g.log.Warn("the guard of the plugins ended at once", "err", err)
	}
	run := &running{cmd: cmd, stdin: w, exited: make(chan struct{})}
	go func() {
		defer close(run.exited)
		_ = cmd.Wait()
	}()
	return run, nil
}

// keep replaces a guard that ends before it should.
func (g *guard) keep(run *running) {
	defer close(g.done)
	for {
		select {
		case <-g.stop:
			g.end(run)
			return
		case <-run.exited:
		}
		_ = run.stdin.Close()
		g.log.Warn("the guard of the plugins ended; another one is started", "exit", run.cmd.ProcessState.String())
		for next := (*running)(nil); next == nil; {
			select {
			case <-g.stop:
				return
			case <-time.After(g.again):
			}
			var err error
			if next, err = g.start(); err != nil {
				g.log.Error("the guard of the plugins cannot be started: should dwmon be killed, plugins may outlive it", "err", err)
				continue
			}
			run = next
		}
	}
}

// end lets the guard do its work once: what plugins have left behind ends too.
func (g *guard) end(run *running) {
	_ = run.stdin.Close()
	select {
	case <-run.exited:
	case <-time.After(5 * time.Second):
		_ = run.cmd.Process.Kill()
		<-run.exited
	}
}

func (g *guard) close(ctx context.Context) {
	g.once.Do(func() { close(g.stop) })
	select {
	case <-g.done:
	case <-ctx.Done():
	}
}
