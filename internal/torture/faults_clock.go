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

// changeClocks lives through the nights in which clocks are changed.
func changeClocks(w *world, rounds int) error {
	nights := []time.Time{time.Date(2027, 10, 31, 0, 20, 0, 0, time.UTC), time.Date(2028, 3, 26, 0, 20, 0, 0, time.UTC)}
	var d *process
	for i := range rounds {
		night := nights[i%len(nights)]
		if i >= len(nights) {
			break
		}
		if d != nil {
			if err := d.stop(); err != nil {
				return err
			}
			if err := w.final(); err != nil {
				return err
			}
		}
		// Between the nights nothing is known of the source: it is as if the checkers
		// were new.
		w.clock.move(night.Sub(w.clock.now()))
		w.did("it is the night of %s", night.Format(time.DateOnly))
		if i == 0 {
			w.began = night
		}
		var err error
		if d, err = w.daemon(); err != nil {
			return err
		}
		for w.clock.now().Before(night.Add(2 * time.Hour)) {
			w.clock.move(w.between(2*time.Minute, 15*time.Minute))
			pause(w, 1100*time.Millisecond)
		}
		if err := w.caughtUp(d); err != nil {
			return err
		}
	}
	return w.recover(d)
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
