//go:build linux

package torture

import (
	"syscall"
	"time"
)

// setClock sets the clock forward and back under a running daemon.
func setClock(w *world, rounds int) error {
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(2)
	for range rounds {
		by := w.between(5*time.Minute, 4*time.Hour)
		switch w.rng.IntN(3) {
		case 0:
			by = -w.between(time.Second, 5*time.Minute)
		case 1:
			by = -w.between(5*time.Minute, 2*time.Hour)
		}
		w.forward(by)
		pause(w, w.between(0, 2*time.Second))
		w.live(1 + w.rng.IntN(2))
	}
	return w.recover(d)
}

// The nights in which the clocks of Europe are set back and forward. The hours that come
// twice, or not at all, are those from 00:00 to 02:00 UTC.
var (
	autumn = time.Date(2027, 10, 31, 0, 20, 0, 0, time.UTC)
	spring = time.Date(2028, 3, 26, 0, 20, 0, 0, time.UTC)
)

// changeClocks lives through a night in which local clocks are set.
func changeClocks(night time.Time) func(*world, int) error {
	return func(w *world, rounds int) error {
		w.clock.begin(night)
		w.began = night
		d, err := w.daemon()
		if err != nil {
			return err
		}
		longest := 90 * time.Minute / time.Duration(rounds)
		for w.clock.now().Before(night.Add(2 * time.Hour)) {
			w.clock.move(w.between(time.Minute, longest))
			pause(w, 1100*time.Millisecond)
		}
		return w.recover(d)
	}
}

// suspend stops the daemon, its plugins, or all of them, while time goes on.
func suspend(w *world, rounds int) error {
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(1)
	for range rounds {
		pause(w, w.between(0, 1500*time.Millisecond))
		pids := []int{d.pid()}
		switch w.rng.IntN(3) {
		case 0:
			pids = append(pids, w.plugins()...)
		case 1:
			pids = w.plugins()
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		pause(w, w.between(0, 1500*time.Millisecond))
		w.forward(w.between(time.Minute, 100*time.Minute))
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		w.did("%d processes slept, and woke", len(pids))
		w.live(1)
	}
	return w.recover(d)
}
