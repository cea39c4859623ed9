//go:build linux

package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// live lets a daemon live some minutes, a second or so each.
func (w *world) live(minutes int) {
	for range minutes {
		w.clock.move(w.between(time.Minute, 3*time.Minute))
		pause(w, 1200*time.Millisecond)
	}
	w.did("%d times some minutes went by", minutes)
}

// refuse fails calls on the database's files with an error, of each kind of call so many
// in a thousand, and counts them.
func (w *world) refuse(errno syscall.Errno, perMille map[interpose.Op]int) *atomic.Int64 {
	refused := new(atomic.Int64)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(w.rng.Uint64(), 2))
	hook := interpose.Hook(func(c interpose.Call) error {
		if !w.touches(c) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(1000) >= perMille[c.Op] {
			return nil
		}
		refused.Add(1)
		return errno
	})
	w.watch.Store(&hook)
	return refused
}

// outlive insists that a daemon has lived through a fault that touched it, and has said
// what it was.
func (w *world) outlive(d *process, struck int64, texts ...string) error {
	if struck == 0 {
		w.fault("nothing was refused: that shows nothing")
	}
	if d.ended() {
		return fmt.Errorf("the daemon has ended: %s\n%s", d.cmd.ProcessState, d.err.String())
	}
	for _, text := range texts {
		if !d.said(text) {
			w.fault("the daemon did not say %q", text)
		}
	}
	return nil
}

// failDisk fails some of the reads, writes and syncs, then all of them, for some minutes.
func failDisk(w *world, rounds int) error {
	w.reads = true
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(2)
	struck := int64(0)
	for i := range rounds {
		some := map[interpose.Op]int{interpose.Write: 20, interpose.Sync: 100, interpose.Truncate: 300, interpose.Read: 20}
		if i%3 == 1 {
			some = map[interpose.Op]int{interpose.Write: 1000, interpose.Sync: 1000, interpose.Truncate: 1000}
		}
		refused := w.refuse(syscall.EIO, some)
		w.live(3)
		w.watch.Store(nil)
		struck += refused.Load()
		w.did("%d calls failed with EIO", refused.Load())
		w.live(1 + w.rng.IntN(2))
	}
	if err := w.outlive(d, struck); err != nil {
		return err
	}
	return w.recover(d)
}

// mount puts a small disk of its own below the database.
func (w *world) mount(size string) error {
	err := syscall.Mount("tmpfs", w.path("data"), "tmpfs", 0, "mode=700,size="+size)
	if err != nil {
		return fmt.Errorf("%w: a disk cannot be mounted (%v)", errSkipped, err)
	}
	w.cleanup = append(w.cleanup, func() error { return syscall.Unmount(w.path("data"), syscall.MNT_DETACH) })
	return nil
}

// fillDisk fills the disk of the database, and makes room again.
func fillDisk(w *world, rounds int) error {
	if err := w.mount("16m"); err != nil {
		return err
	}
	d, err := w.daemon()
	if err != nil {
		return err
	}
	w.live(2)
	full := 0
	for range rounds {
		if err := w.fill(w.path("data/ballast"), w.rng.IntN(40<<10)); err != nil {
			return err
		}
		w.did("the disk was filled")
		for range 8 {
			w.live(1)
			if d.said("the disk is full") {
				full++
				break
			}
		}
		if err := os.Remove(w.path("data/ballast")); err != nil {
			return err
		}
		w.did("there is room again")
		w.live(1)
	}
	if err := w.outlive(d, int64(full), "the disk is full", "free some space"); err != nil {
		return err
	}
	return w.recover(d)
}

// fill writes a file until the disk is full but for some bytes.
func (w *world) fill(path string, but int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(block)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Truncate(max(0, size-int64(but))), f.Close())
}

// makeReadOnly makes the disk read-only under a running daemon, and keeps it so while
// another starts.
func makeReadOnly(w *world, rounds int) error {
	if err := w.mount("32m"); err != nil {
		return err
	}
	struck := int64(0)
	var d *process
	for range rounds {
		var err error
		if d, err = w.daemon(); err != nil {
			return err
		}
		w.live(2)
		// The kernel itself does so after errors of a disk. On demand it refuses while
		// files are open for writing.
		refused := w.refuse(syscall.EROFS, map[interpose.Op]int{interpose.Write: 1000, interpose.Truncate: 1000, interpose.Sync: 1000, interpose.Unlink: 1000})
		w.live(3)
		w.did("%d calls failed with EROFS", refused.Load())
		struck += refused.Load()
		if err := w.outlive(d, struck); err != nil {
			return err
		}
		w.watch.Store(nil)
		if err := d.stop(); err != nil {
			return err
		}
		if err := w.remount(syscall.MS_RDONLY); err != nil {
			return err
		}
		o, err := w.run("daemon")
		if err != nil {
			return err
		}
		w.did("a daemon was started on a disk that is read-only")
		if o.code != 3 || !strings.Contains(o.err, "read-only file system") || !strings.Contains(o.err, "must be able to read and write") {
			w.fault("on a read-only disk the daemon says: %s", o)
		}
		if err := w.remount(0); err != nil {
			return err
		}
		w.forward(w.between(time.Minute, 10*time.Minute))
	}
	return w.recover(nil)
}

func (w *world) remount(flags uintptr) error {
	if err := syscall.Mount("tmpfs", w.path("data"), "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("%w: the disk cannot be mounted again (%v)", errSkipped, err)
	}
	return nil
}
