package sqlite

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// maxFilter bounds the filter of one checker, in bytes. A batch that does not
// fit is kept as far as it does: a part of the keys is as exact as all of them.
const maxFilter = 8 << 20

// filter is the keys of a checker's last committed batch, in the batch's order.
// In steady state nearly every row of a fetch has been seen by the fetch before,
// at the same place or moved down by the new ones, so most of a batch is
// recognised by comparing blocks of memory.
//
// A filter is exact in one direction: a key that it has is stored for the
// checker. Keys that it has not are looked for in the database. It is not
// changed once others can see it.
//
// Keys of one length, which most sources have, are held without where they end and
// without what all of them begin with: of a sequence a third is left.
type filter struct {
	prefix []byte   // what all keys begin with; empty unless they are of one length
	width  int      // of each key without the prefix, where they are of one length
	keys   []byte   // end to end, without the prefix
	ends   []uint32 // where each ends; nil where they are of one length
	rows   int
	// born is the start of the fetch that asked the database for every key of its
	// result; microseconds since the epoch.
	born int64

	once    sync.Once
	indexed atomic.Bool
	seed    maphash.Seed
	table   []uint32 // place of a key plus 1, open addressing
}

func (f *filter) len() int { return f.rows }

// start is where the rest of a key begins, and the one before it ends.
func (f *filter) start(i int) int {
	switch {
	case f.ends == nil:
		return i * f.width
	case i == 0:
		return 0
	}
	return int(f.ends[i-1])
}

// rest is a key without the prefix.
func (f *filter) rest(i int) []byte { return f.keys[f.start(i):f.start(i+1)] }

// cut takes the prefix off a key; false: it is none of the filter's.
func (f *filter) cut(key []byte) (rest []byte, ok bool) {
	if f.ends == nil && len(key) != len(f.prefix)+f.width {
		return nil, false
	}
	return bytes.CutPrefix(key, f.prefix)
}

// size is what the filter holds in memory, its table included whether or not it
// is there yet.
func (f *filter) size() int64 {
	return int64(cap(f.keys)) + 4*int64(cap(f.ends)) + 4*int64(tableSize(f.len())) + int64(cap(f.prefix))
}

func tableSize(n int) int { return n + n/3 + 1 }

// windowBytes is how many bytes of keys are put together at a time to be compared.
const windowBytes = 4 << 10

// window is room for match: rows of the filter with the prefix in place. It belongs
// to one goroutine; nil where there is nothing to put together.
func (f *filter) window() []byte {
	if len(f.prefix) == 0 {
		return nil
	}
	length := len(f.prefix) + f.width
	w := make([]byte, 0, max(1, windowBytes/length)*length)
	for len(w) < cap(w) {
		w = append(w, f.prefix...)
		w = w[:len(w)+f.width]
	}
	return w
}

// match says how many rows, and how many bytes of their keys, go on exactly as
// the filter does from a place on. window is the filter's.
func (f *filter) match(pos int, keys []byte, lengths []uint32, window []byte) (rows, size int) {
	if f.ends != nil {
		return f.matchEnds(pos, keys, lengths)
	}
	length := len(f.prefix) + f.width
	for _, n := range lengths[:min(f.len()-pos, len(lengths))] {
		if int(n) != length {
			break
		}
		rows++
	}
	if length == 0 {
		return rows, 0
	}
	if len(f.prefix) > 0 {
		size = f.matchParts(pos, keys[:rows*length], window)
	} else {
		size = commonPrefix(f.keys[pos*length:(pos+rows)*length], keys)
	}
	rows = size / length
	return rows, rows * length
}

// matchEnds is match for keys of different lengths.
func (f *filter) matchEnds(pos int, keys []byte, lengths []uint32) (rows, size int) {
	from := f.start(pos)
	end := uint32(from)
	for _, e := range f.ends[pos:min(f.len(), pos+len(lengths))] {
		if e-end != lengths[rows] {
			break
		}
		end = e
		rows++
	}
	same := commonPrefix(f.keys[from:end], keys)
	if same == int(end)-from {
		return rows, same
	}
	for rows = 0; int(f.ends[pos+rows])-from <= same; rows++ {
	}
	return rows, f.start(pos+rows) - from
}

// matchParts says how many bytes of keys go on as the filter does. Putting a part of
// the filter together and comparing it as a block costs a third of comparing key by key.
func (f *filter) matchParts(pos int, keys, window []byte) (size int) {
	length := len(f.prefix) + f.width
	for size < len(keys) {
		part := window[:min(len(window), len(keys)-size)]
		f.fill(part, pos+size/length)
		same := commonPrefix(part, keys[size:])
		size += same
		if same < len(part) {
			break
		}
	}
	return size
}

// fill puts the rests of the keys from a row on behind the prefixes of a window.
func (f *filter) fill(window []byte, row int) {
	length := len(f.prefix) + f.width
	rests := f.keys[row*f.width:]
	if f.width == 8 { // a copy that needs no call
		for at := len(f.prefix); at+8 <= len(window) && len(rests) >= 8; at += length {
			binary.LittleEndian.PutUint64(window[at:], binary.LittleEndian.Uint64(rests))
			rests = rests[8:]
		}
		return
	}
	for at := len(f.prefix); at < len(window); at += length {
		copy(window[at:at+f.width], rests)
		rests = rests[f.width:]
	}
}

// commonPrefix is how many bytes of a lead b, which is at least as long.
func commonPrefix(a, b []byte) int {
	const block = 256
	n := 0
	for n+block <= len(a) && bytes.Equal(a[n:n+block], b[n:n+block]) {
		n += block
	}
	for n+8 <= len(a) {
		if diff := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); diff != 0 {
			return n + bits.TrailingZeros64(diff)/8
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}

// scan looks for a key in up to n places from one on; -1 where it is not there.
func (f *filter) scan(pos, n int, key []byte) int {
	rest, ok := f.cut(key)
	if !ok {
		return -1
	}
	start := f.start(pos)
	for i := pos; i < min(f.len(), pos+n); i++ {
		end := f.start(i + 1)
		if end-start == len(rest) && bytes.Equal(f.keys[start:end], rest) {
			return i
		}
		start = end
	}
	return -1
}

// find looks for a key anywhere; -1 where it is not there.
func (f *filter) find(key []byte) int {
	rest, ok := f.cut(key)
	if !ok {
		return -1
	}
	f.once.Do(f.index)
	for slot := f.slot(rest); f.table[slot] != 0; {
		if i := int(f.table[slot] - 1); bytes.Equal(f.rest(i), rest) {
			return i
		}
		if slot++; slot == len(f.table) {
			slot = 0
		}
	}
	return -1
}

func (f *filter) slot(rest []byte) int {
	hi, _ := bits.Mul64(maphash.Bytes(f.seed, rest), uint64(len(f.table)))
	return int(hi)
}

// index builds the table. A batch that only moves never needs it.
func (f *filter) index() {
	f.seed = maphash.MakeSeed()
	f.table = make([]uint32, tableSize(f.len()))
	for i := range f.len() {
		slot := f.slot(f.rest(i))
		for f.table[slot] != 0 {
			if slot++; slot == len(f.table) {
				slot = 0
			}
		}
		f.table[slot] = uint32(i + 1)
	}
	f.indexed.Store(true)
}
