//go:build linux

package torture

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// touches says whether a call is one on the database, a copy of it, or what SQLite puts
// beside it. The -shm is memory, not a file that outlives a machine.
func (w *world) touches(c interpose.Call) bool {
	return strings.HasPrefix(c.Path, w.path("data")+"/") && !strings.HasSuffix(c.Path, "-shm")
}

// strike is the end of a process at one of its calls on files.
type strike struct {
	// of says which calls are counted.
	of func(interpose.Call) bool
	// before is told of each call before it is made; nil: nobody.
	before func(interpose.Call)
	p      atomic.Pointer[process]
	count  atomic.Int64
	// at is the call at which it ends.
	at int64
	// tear writes half of what is written then.
	tear bool
	what atomic.Pointer[string]
	hit  chan struct{}
}

// strikeAt ends a process at the nth call that changes a file of the database.
func (w *world) strikeAt(n int64, tear bool) *strike {
	return w.strike(&strike{of: w.touches, at: n, tear: tear})
}

// strike waits for the call at which a process ends.
func (w *world) strike(s *strike) *strike {
	s.hit = make(chan struct{})
	hook := interpose.Hook(s.hook)
	w.watch.Store(&hook)
	return s
}

func (s *strike) hook(c interpose.Call) error {
	if !s.of(c) || c.Op == interpose.Read {
		return nil
	}
	p := s.p.Load()
	if p == nil { // it has only begun
		return nil
	}
	if n := s.count.Add(1); n != s.at {
		if n > s.at {
			return syscall.EIO // it is dead, and does not know it yet
		}
		if s.before != nil {
			s.before(c)
		}
		return nil
	}
	if s.tear && c.Op == interpose.Write {
		if data, err := c.Data(); err == nil {
			_ = writeAt(c.Path, data[:len(data)/2], c.Offset) // where that fails, it ends before the write
		}
	}
	what := c.String()
	s.what.Store(&what)
	_ = p.cmd.Process.Kill()
	close(s.hit)
	return syscall.EIO
}

// struck says where it was.
func (s *strike) struck() string {
	if what := s.what.Load(); what != nil {
		return *what
	}
	return "none of its calls on files"
}

// struckDaemon starts a daemon that is to end at a strike, or at the end of a time, and
// waits until it has.
func (w *world) struckDaemon(s *strike, after time.Duration) error {
	p, err := w.start("daemon")
	if err != nil {
		return err
	}
	s.p.Store(p)
	select {
	case <-s.hit:
	case <-time.After(after):
	case <-p.done:
	}
	if err := p.kill(); err != nil {
		return err
	}
	w.watch.Store(nil)
	w.did("the daemon was killed at call %d: %s", s.count.Load(), s.struck())
	return nil
}

// Of a daemon that starts and works for a few seconds, so many calls change files of the
// database, as a rule, and so long does it take to make them.
const (
	usualCalls = 150
	usualTime  = 5 * time.Second
)

// elapse sets the clock forward, now and then by more than catch_up.
func (w *world) elapse() {
	w.forward(w.between(time.Minute, 20*time.Minute))
	if w.rng.IntN(8) == 0 {
		w.forward(w.between(3*time.Hour, 5*time.Hour))
	}
}

// killDaemon kills daemons, most of them at one of the calls by which they change files,
// the others at any moment.
func killDaemon(w *world, rounds int) error {
	for range rounds {
		w.elapse()
		s := w.strikeAt(1+w.rng.Int64N(usualCalls), w.rng.IntN(2) == 0)
		after := usualTime
		if w.rng.IntN(4) == 0 {
			s.at, after = 1<<62, w.between(0, 2*time.Second) // at any moment
		}
		if err := w.struckDaemon(s, after); err != nil {
			return err
		}
		if w.rng.IntN(2) == 0 {
			if err := w.look(); err != nil {
				return err
			}
		}
		if len(w.wrong) > 0 {
			return nil
		}
	}
	return w.recover(nil)
}

// cutPower ends daemons as a power cut does: what was written and not synced is lost,
// all of it or some.
func cutPower(w *world, rounds int) error {
	lost := 0
	for range rounds {
		w.elapse()
		d := newDisk()
		s := w.strike(&strike{of: w.touches, at: 1 + w.rng.Int64N(usualCalls), tear: w.rng.IntN(2) == 0, before: d.note})
		if err := w.struckDaemon(s, usualTime); err != nil {
			return err
		}
		n, err := d.cut(w.rng)
		if err != nil {
			return err
		}
		lost += n
		// What SQLite keeps in memory between processes is gone as well.
		if err := os.Remove(w.database() + "-shm"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		w.did("%d changes were lost", n)
		if len(w.wrong) > 0 {
			return nil
		}
	}
	if lost == 0 {
		w.fault("nothing was lost in %d power cuts: that shows nothing", rounds)
	}
	return w.recover(nil)
}

// killPlugins kills plugins of a daemon that lives on, in the middle of what they do.
func killPlugins(w *world, rounds int) error {
	var d *process
	for i := range rounds {
		const few = 3 // a plugin that crashes more often than that is put into quarantine
		if i%few == 0 {
			if d != nil {
				if err := d.stop(); err != nil {
					return err
				}
			}
			var err error
			if d, err = w.daemon(); err != nil {
				return err
			}
		}
		w.forward(w.between(time.Minute, 3*time.Minute))
		pause(w, w.between(0, 1500*time.Millisecond))
		pids := w.plugins()
		w.rng.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
		pids = pids[:min(len(pids), 1+w.rng.IntN(2))]
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		w.did("%d plugins were killed", len(pids))
	}
	return w.recover(d)
}

// pause lets the world go on for a while. Nothing is concluded from it.
func pause(w *world, d time.Duration) {
	select {
	case <-w.ctx.Done():
	case <-time.After(d):
	}
}
