//go:build linux

package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// patience is how long anything may take that should take moments: the machine may be
// busy.
const patience = 4 * time.Minute

// world is a folder with its own dwmon, plugins, checkers, source and clock.
type world struct {
	ctx    context.Context
	dir    string
	seed   uint64
	rng    *rand.Rand
	clock  *clock
	source *source
	// watch is asked of what the world's processes do to files; nil: nobody is.
	watch atomic.Pointer[interpose.Hook]
	// reads and bind are options of processes that are started from now on.
	reads bool
	bind  map[string]string

	events []string // what was done, for people
	past   memory
	wrong  []string // what was not as it should be
	log    syncBuffer
	began  time.Time // of the world, on its clock
	// lives are how many lines the ledger had when each daemon had ended.
	lives []int
	// backedUp is how many lines handlers had written when a back-up was made.
	backedUp map[string]int
	// cleanup is done at the end.
	cleanup []func() error
}

// syncBuffer takes the logs of processes that run at the same time.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newWorld makes a world in a new folder below parent.
func newWorld(ctx context.Context, p Programs, parent, name string, seed uint64) (*world, error) {
	dir, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return nil, err
	}
	w := &world{ctx: ctx, dir: dir, seed: seed, rng: rand.New(rand.NewPCG(seed, 1))}
	// A time of year, day and week that is drawn; whole minutes repeat best.
	w.began = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.rng.Int64N(3*365*24*60)) * time.Minute)
	w.clock = newClock(w.began)
	if err := p.install(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"checks", "data", "tmp"} {
		if err := os.MkdirAll(w.path(sub), 0o700); err != nil {
			return nil, err
		}
	}
	if w.source, err = newSource(seed, w.clock); err != nil {
		return nil, err
	}
	for _, c := range checkers {
		if err := w.write("checks/"+c.name+".dwmon", c.text("FEED")); err != nil {
			return nil, err
		}
	}
	return w, w.configure()
}

// configure writes dwmon.yaml.
func (w *world) configure() error { return w.configureWith("") }

// configureWith writes one with more sources.
func (w *world) configureWith(sources string) error {
	return w.write("dwmon.yaml", `timezone: UTC
listen: off
spread: 0s
catch_up: 3h
db: data/dwmon.db
sources:
  FEED: {getter: feed, settings: {address: "`+w.source.address()+`"}, timeout: 5s}
`+sources+`handlers:
  - {plugin: ledger, on: every, settings: {file: `+w.path(ledgerFile)+`}}
  - {name: pager, plugin: ledger, on: change, settings: {file: `+w.path(pagerFile)+`}}
purger: {plugin: trim}
`)
}

// The files of what handlers were told.
const (
	ledgerFile = "told.jsonl"
	pagerFile  = "paged.jsonl"
)

// close ends everything that is left of the world. The folder stays.
func (w *world) close() {
	w.watch.Store(nil)
	for _, pid := range w.processes() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = w.gone()
	w.source.close()
	for _, undo := range w.cleanup {
		if err := undo(); err != nil {
			w.did("%v", err)
		}
	}
	w.cleanup = nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// database is the path of dwmon's.
func (w *world) database() string { return w.path("data/dwmon.db") }

// did notes what was done.
func (w *world) did(format string, args ...any) {
	w.events = append(w.events, w.clock.now().UTC().Format("2006-01-02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// fault notes what is not as it should be.
func (w *world) fault(format string, args ...any) {
	const most = 20 // one wound bleeds in many places
	if len(w.wrong) < most {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// write puts a file there in one step, as careful editors do.
func (w *world) write(name, text string) error {
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// between draws a duration.
func (w *world) between(from, until time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(until-from)+1))
}

// forward sets the clock forward.
func (w *world) forward(by time.Duration) {
	w.clock.move(by)
	w.did("the clock was set by %s", by)
}

// process is a dwmon that runs.
type process struct {
	w    *world
	cmd  *exec.Cmd
	out  syncBuffer
	err  syncBuffer
	done chan struct{} // closed when it has ended
}

// start starts dwmon under the world's clock.
func (w *world) start(args ...string) (*process, error) {
	p := &process{w: w, cmd: exec.Command(w.path("bin/dwmon"), args...), done: make(chan struct{})}
	p.cmd.Dir = w.dir
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=" + w.path("tmp"), "NO_COLOR=1"}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	options := interpose.Options{Now: w.clock.now, Reads: w.reads, Bind: w.bind, Hook: func(c interpose.Call) error {
		if hook := w.watch.Load(); hook != nil {
			return (*hook)(c)
		}
		return nil
	}}
	if err := interpose.Start(p.cmd, w.path("bin/launch"), options); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.err.String())
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
		fmt.Fprintf(&w.log, "--- dwmon %s, %s\n%s%s", strings.Join(args, " "), p.cmd.ProcessState, p.out.String(), p.err.String())
	}()
	return p, nil
}

// daemon starts the daemon and waits until it is up.
func (w *world) daemon() (*process, error) {
	p, err := w.start("daemon")
	if err != nil {
		return nil, err
	}
	if err := w.await("the daemon is up", func() (bool, error) {
		if p.ended() {
			return false, fmt.Errorf("the daemon has ended: %s\n%s", p.cmd.ProcessState, p.err.String())
		}
		return p.said("dwmon is up"), nil
	}); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// said says whether all the texts were printed.
func (p *process) said(texts ...string) bool {
	all := p.out.String() + p.err.String()
	return !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(all, t) })
}

// kill ends it by force, and waits until its plugins have ended as well.
func (p *process) kill() error {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
	return p.w.lived()
}

// lived notes the end of a daemon, with all its plugins.
func (w *world) lived() error {
	if err := w.gone(); err != nil {
		return err
	}
	list, err := w.readLedger(ledgerFile)
	w.lives = append(w.lives, len(list))
	return err
}

// stop asks it to end, and insists that it does so in peace.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.wait(); err != nil {
		return err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.w.fault("the daemon stopped with exit code %d", code)
	}
	return p.w.lived()
}

// wait waits until it has ended.
func (p *process) wait() error {
	return p.w.await("dwmon ends", func() (bool, error) { return p.ended(), nil })
}

// outcome is how a command ended.
type outcome struct {
	out, err string
	code     int
}

func (o outcome) String() string { return fmt.Sprintf("exit %d\n%s%s", o.code, o.out, o.err) }

// run runs dwmon to its end.
func (w *world) run(args ...string) (outcome, error) {
	p, err := w.start(args...)
	if err != nil {
		return outcome{}, err
	}
	if err := p.wait(); err != nil {
		return outcome{}, err
	}
	return outcome{p.out.String(), p.err.String(), p.cmd.ProcessState.ExitCode()}, nil
}

// processes are the living processes of the world.
func (w *world) processes() []int { return procfs.Below(w.dir) }

// plugins are those of them that are plugins.
func (w *world) plugins() []int { return procfs.Below(w.path("plugins")) }

// gone insists that no process of the world is left soon.
func (w *world) gone() error {
	return w.await("all processes end", func() (bool, error) { return len(w.processes()) == 0, nil })
}

// errPatience says that something did not come.
var errPatience = errors.New("it was waited for in vain")

// await asks until it is so.
func (w *world) await(what string, ok func() (bool, error)) error {
	end := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ok(); yes || err != nil {
			return err
		}
		select {
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-end:
			return fmt.Errorf("%s: %w, for %s", what, errPatience, patience)
		case <-tick.C:
		}
	}
}
