//go:build linux

package torture

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// disk is one with a cache that a power cut empties: it knows what was written and not
// yet synced.
type disk struct {
	mu    sync.Mutex
	files map[string][]change
}

// change is a write or truncation that a disk need not have yet.
type change struct {
	offset int64
	before []byte // what was there, as far as the file went
	data   []byte // what was written; nil for a truncation
	size   int64  // of the file before
	until  int64  // its size after a truncation
}

func newDisk() *disk { return &disk{files: map[string][]change{}} }

// note is told of a call before it is made.
func (d *disk) note(c interpose.Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch c.Op {
	case interpose.Sync:
		delete(d.files, c.Path)
	case interpose.Write:
		if data, err := c.Data(); err == nil {
			d.add(c.Path, change{offset: c.Offset, data: data})
		}
	case interpose.Truncate:
		d.add(c.Path, change{offset: c.Size, until: c.Size})
	}
}

// add keeps what a change replaces.
func (d *disk) add(path string, ch change) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	ch.size = info.Size()
	length := int64(len(ch.data))
	if ch.data == nil {
		length = max(0, ch.size-ch.offset)
	}
	ch.before = make([]byte, min(length, max(0, ch.size-ch.offset)))
	if _, err := f.ReadAt(ch.before, ch.offset); err != nil && len(ch.before) > 0 {
		return
	}
	d.files[path] = append(d.files[path], ch)
}

// cut takes from the files what was not synced, or some of it: a disk may have written
// in any order. It gives how many changes were lost.
func (d *disk) cut(rng *rand.Rand) (lost int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, changes := range d.files {
		n, e := undo(path, changes, rng)
		lost, err = lost+n, errors.Join(err, e)
	}
	d.files = map[string][]change{}
	return lost, err
}

// undo takes all changes back, newest first, and makes again those that the disk had
// written.
func undo(path string, changes []change, rng *rand.Rand) (lost int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for i := len(changes) - 1; i >= 0; i-- {
		ch := changes[i]
		if _, err := f.WriteAt(ch.before, ch.offset); err != nil {
			return 0, err
		}
		if err := f.Truncate(ch.size); err != nil {
			return 0, err
		}
	}
	for _, ch := range changes {
		if rng.IntN(2) == 0 {
			lost++
			continue
		}
		if ch.data == nil {
			err = f.Truncate(ch.until)
		} else {
			_, err = f.WriteAt(ch.data, ch.offset)
		}
		if err != nil {
			return lost, err
		}
	}
	return lost, nil
}
