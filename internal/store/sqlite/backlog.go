package sqlite

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
)

const (
	// blockBytes is how much one block of rows takes. Smaller ones would need less
	// memory, but rows in no order would come back to the same pages more often.
	blockBytes = 4 << 20
	// rowBytes is what a row takes beside its key.
	rowBytes = 12
)

// block is some rows, in columns.
type block struct {
	keys   []byte // end to end
	ends   []uint32
	micros []int64
}

// newBlock makes a block whose keys are never nil, not even when all of them are
// empty: nil would be NULL to the database.
func newBlock() *block { return &block{keys: []byte{}} }

func (b *block) len() int { return len(b.ends) }

func (b *block) size() int { return len(b.keys) + rowBytes*b.len() }

func (b *block) key(i int) []byte {
	if i == 0 {
		return b.keys[:b.ends[0]]
	}
	return b.keys[b.ends[i-1]:b.ends[i]]
}

func (b *block) reset() { b.keys, b.ends, b.micros = b.keys[:0], b.ends[:0], b.micros[:0] }

// backlog keeps rows in their order until they are committed: the last block of
// them in memory, those before it in a file that has no name.
type backlog struct {
	keyShape
	dir    string
	last   *block
	file   *os.File
	spills []spill
	end    int64 // of the file
	buf    []byte
}

// spill is a block in the file.
type spill struct {
	offset int64
	keys   int
	rows   int
}

func (l *backlog) add(key []byte, micros int64) error {
	if l.last == nil {
		l.last = newBlock()
	}
	if l.last.len() > 0 && l.last.size()+len(key)+rowBytes > blockBytes {
		if err := l.write(l.last); err != nil {
			return err
		}
		l.last.reset()
	}
	b := l.last
	b.keys = append(doubled(b.keys, len(key)), key...)
	b.ends = append(doubled(b.ends, 1), uint32(len(b.keys)))
	b.micros = append(doubled(b.micros, 1), micros)
	l.keyShape.add(key)
	return nil
}

// doubled makes room for n more. append alone grows large slices by a quarter, and
// leaves behind four times what is kept in the end.
func doubled[T any](s []T, n int) []T {
	if len(s)+n > cap(s) {
		return slices.Grow(s, max(n, len(s)))
	}
	return s
}

func (l *backlog) write(b *block) error {
	if l.file == nil {
		f, err := createSpill(l.dir)
		if err != nil {
			return err
		}
		l.file = f
	}
	l.buf = l.buf[:0]
	for i, end := range b.ends {
		l.buf = binary.LittleEndian.AppendUint32(l.buf, end)
		l.buf = binary.LittleEndian.AppendUint64(l.buf, uint64(b.micros[i]))
	}
	for _, part := range [][]byte{b.keys, l.buf} {
		if _, err := l.file.WriteAt(part, l.end); err != nil {
			return spillError(l.dir, err)
		}
		l.end += int64(len(part))
	}
	l.spills = append(l.spills, spill{offset: l.end - int64(len(b.keys)+len(l.buf)), keys: len(b.keys), rows: b.len()})
	return nil
}

// createSpill makes a file that is gone with its descriptor, whatever becomes of
// the process.
func createSpill(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, spillError(dir, err)
	}
	f, err := os.CreateTemp(dir, ".dwmon-rows-*") // 0600
	if err != nil {
		return nil, spillError(dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, spillError(dir, err)
	}
	return f, nil
}

func spillError(dir string, err error) error {
	hint, kind := classify(err)
	return &Error{Path: dir, Kind: kind, Err: fmt.Errorf("the new rows of a large result wait in a file here: %w", err), Hint: hint}
}

// each gives all blocks, oldest first. A block is valid until the next one. It
// may be called again.
func (l *backlog) each(fn func(*block) error) error {
	scratch := newBlock()
	for _, s := range l.spills {
		if err := l.read(s, scratch); err != nil {
			return err
		}
		if err := fn(scratch); err != nil {
			return err
		}
	}
	if l.last == nil || l.last.len() == 0 {
		return nil
	}
	return fn(l.last)
}

// blocks is how many blocks each gives.
func (l *backlog) blocks() int {
	n := len(l.spills)
	if l.last != nil && l.last.len() > 0 {
		n++
	}
	return n
}

func (l *backlog) read(s spill, into *block) error {
	into.reset()
	into.keys = slices.Grow(into.keys, s.keys)[:s.keys]
	l.buf = slices.Grow(l.buf[:0], s.rows*rowBytes)[:s.rows*rowBytes]
	if _, err := l.file.ReadAt(into.keys, s.offset); err != nil {
		return spillError(l.dir, err)
	}
	if _, err := l.file.ReadAt(l.buf, s.offset+int64(s.keys)); err != nil {
		return spillError(l.dir, err)
	}
	for at := 0; at < len(l.buf); at += rowBytes {
		into.ends = append(into.ends, binary.LittleEndian.Uint32(l.buf[at:]))
		into.micros = append(into.micros, int64(binary.LittleEndian.Uint64(l.buf[at+4:])))
	}
	return nil
}

func (l *backlog) close() error {
	f := l.file
	*l = backlog{dir: l.dir}
	if f == nil {
		return nil
	}
	return f.Close()
}
