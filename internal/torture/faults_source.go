//go:build linux

package torture

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// upsetSource has the source reset connections in the middle of results, not answer at
// all, or hang up.
func upsetSource(w *world, rounds int) error {
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(1)
	for i := range rounds {
		m := []mood{resets, silent, refuses}[i%3]
		before := w.source.asked.Load()
		w.source.be(m)
		w.live(3)
		if m == silent {
			pause(w, 6*time.Second) // longer than the source's timeout
		}
		if m != refuses && w.source.asked.Load() == before {
			w.fault("nobody has asked the source while it was upset: that shows nothing")
		}
		w.source.be(well)
		w.source.hangUp()
		w.did("the source was upset: %d", m)
		w.live(1)
	}
	if !d.said("its fetch failed") {
		w.fault("the daemon has not said that fetches failed")
	}
	return w.recover(d)
}

// hangDNS has a second source whose name nobody resolves: the one that is asked does not
// answer. The others must keep their minutes.
func hangDNS(w *world, rounds int) error {
	nameserver, err := net.ListenPacket("udp", "127.53.53.53:53")
	if err != nil {
		return fmt.Errorf("%w: there can be no name server (%v)", errSkipped, err)
	}
	defer nameserver.Close()
	if err := w.write("resolv.conf", "nameserver 127.53.53.53\n"); err != nil {
		return err
	}
	w.bind = map[string]string{"/etc/resolv.conf": w.path("resolv.conf")}
	lost := checkers[0]
	lost.name = "lost"
	if err := w.write("checks/lost.dwmon", lost.text("LOST")); err != nil {
		return err
	}
	sources := "  LOST: {getter: feed, settings: {address: \"warehouse.example:5432\"}, timeout: 3s}\n"
	if err := w.configureWith(sources); err != nil {
		return err
	}
	d, err := w.daemon()
	if err != nil {
		return err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _, _ = nameserver.ReadFrom(make([]byte, 512))
	}()
	for range rounds {
		w.live(2)
		if err := w.caughtUp(d); err != nil {
			return fmt.Errorf("beside a source whose name is not resolved: %w", err)
		}
	}
	pause(w, 4*time.Second)
	select {
	case <-asked:
	default:
		w.fault("nobody has asked for the name: that shows nothing")
	}
	o, err := w.run("status", "--json")
	if err != nil {
		return err
	}
	var cause string
	for line := range strings.Lines(o.out) {
		var s struct {
			Name  string `json:"checker_name"`
			State string `json:"state"`
			Cause string `json:"cause"`
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return err
		}
		if s.Name == "lost" {
			cause = s.State + " " + s.Cause
		}
	}
	if !strings.HasPrefix(cause, "UNKNOWN fetches fail since") || !strings.Contains(cause, "3s") {
		w.fault("of a checker whose source's name is not resolved status says %q", cause)
	}
	w.did("status says: %s", cause)
	if err := d.stop(); err != nil {
		return err
	}
	w.bind = nil
	if err := os.Remove(w.path("checks/lost.dwmon")); err != nil {
		return err
	}
	if err := w.configure(); err != nil {
		return err
	}
	return w.recover(nil)
}

// exhaust takes the daemon's last file descriptors, and kills plugins so that it needs
// some.
func exhaust(w *world, rounds int) error {
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(2)
	for range rounds {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.pid()))
		if err != nil {
			return err
		}
		var before unix.Rlimit
		if err := unix.Prlimit(d.pid(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
			return err
		}
		few := before
		few.Cur = uint64(len(open) + w.rng.IntN(2))
		if err := unix.Prlimit(d.pid(), unix.RLIMIT_NOFILE, &few, nil); err != nil {
			return fmt.Errorf("%w: limits cannot be set (%v)", errSkipped, err)
		}
		w.did("the daemon may have %d descriptors", few.Cur)
		pids := w.plugins()
		if len(pids) > 0 {
			_ = unix.Kill(pids[w.rng.IntN(len(pids))], unix.SIGKILL)
		}
		w.live(4)
		if d.ended() {
			return fmt.Errorf("without descriptors the daemon has ended: %s\n%s", d.cmd.ProcessState, d.err.String())
		}
		if err := unix.Prlimit(d.pid(), unix.RLIMIT_NOFILE, &before, nil); err != nil {
			return err
		}
		w.live(1)
	}
	if !d.said("too many open files") {
		w.fault("the daemon did not say that it had no descriptors left")
	}
	return w.recover(d)
}
