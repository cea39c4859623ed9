package torture

import (
	"math/rand/v2"
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
	w     *world
	p     atomic.Pointer[process]
	count atomic.Int64
	// at is the call at which it ends.
	at int64
	// tear writes half of what is written then.
	tear bool
	what atomic.Pointer[string]
	hit  chan struct{}
}

// strikeAt ends a process at the nth call that changes a file of the database.
func (w *world) strikeAt(n int64, tear bool) *strike {
	s := &strike{w: w, at: n, tear: tear, hit: make(chan struct{})}
	hook := interpose.Hook(s.hook)
	w.watch.Store(&hook)
	return s
}

func (s *strike) hook(c interpose.Call) error {
	if !s.w.touches(c) || c.Op == interpose.Read {
		return nil
	}
	if n := s.count.Add(1); n != s.at {
		if n > s.at {
			return syscall.EIO // it is dead, and does not know it yet
		}
		return nil
	}
	p := s.p.Load()
	if p == nil {
		s.count.Add(-1) // it has only begun
		return nil
	}
	if s.tear && c.Op == interpose.Write {
		if data, err := c.Data(); err == nil {
			_ = writeAt(c.Path, data[:len(data)/2], c.Offset) // less than half is as good
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

// killDaemon kills daemons, most of them at one of the calls by which they change files,
// the others at any moment.
func killDaemon(w *world, rounds int) error {
	usual := int64(150)
	for range rounds {
		w.forward(w.between(time.Minute, 20*time.Minute))
		if w.rng.IntN(8) == 0 {
			w.forward(w.between(3*time.Hour, 5*time.Hour)) // longer than catch_up: gaps
		}
		s := w.strikeAt(1+w.rng.Int64N(usual), w.rng.IntN(2) == 0)
		after := w.between(0, 2*time.Second)
		if w.rng.IntN(4) == 0 {
			s.at = 1 << 62 // at any moment
		} else {
			after = 5 * time.Second
		}
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

// killPlugins kills plugins of a daemon that lives on, in the middle of what they do.
func killPlugins(w *world, rounds int) error {
	d, err := w.daemon()
	if err != nil {
		return err
	}
	for range rounds {
		w.forward(w.between(time.Minute, 3*time.Minute))
		pause(w, w.between(0, 1500*time.Millisecond))
		pids := w.plugins()
		rand.New(rand.NewPCG(w.rng.Uint64(), 0)).Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
		for _, pid := range pids[:min(len(pids), 1+w.rng.IntN(2))] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		w.did("%d of %d plugins were killed", min(len(pids), 2), len(pids))
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
