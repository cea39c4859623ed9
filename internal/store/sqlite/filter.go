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
type filter struct {
	keys []byte   // end to end
	ends []uint32 // where each ends
	// born is the start of the fetch that asked the database for every key of its
	// result; microseconds since the epoch.
	born int64

	once    sync.Once
	indexed atomic.Bool
	seed    maphash.Seed
	table   []uint32 // place of a key plus 1, open addressing
}

func (f *filter) len() int { return len(f.ends) }

func (f *filter) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return f.ends[i-1]
}

func (f *filter) key(i int) []byte { return f.keys[f.start(i):f.ends[i]] }

// size is what the filter holds in memory, its table included whether or not it
// is there yet.
func (f *filter) size() int64 {
	return int64(cap(f.keys)) + 4*int64(cap(f.ends)) + 4*int64(tableSize(f.len()))
}

func tableSize(n int) int { return n + n/3 + 1 }

// match says how many rows, and how many bytes of their keys, go on exactly as
// the filter does from a place on.
func (f *filter) match(pos int, keys []byte, lengths []uint32) (rows, size int) {
	from := f.start(pos)
	end := from
	for _, e := range f.ends[pos:min(f.len(), pos+len(lengths))] {
		if e-end != lengths[rows] {
			break
		}
		end = e
		rows++
	}
	same := commonPrefix(f.keys[from:end], keys)
	if same == int(end-from) {
		return rows, same
	}
	for rows = 0; int(f.ends[pos+rows]-from) <= same; rows++ {
	}
	return rows, int(f.start(pos+rows) - from)
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
	start := f.start(pos)
	for i, end := range f.ends[pos:min(f.len(), pos+n)] {
		if end-start == uint32(len(key)) && bytes.Equal(f.keys[start:end], key) {
			return pos + i
		}
		start = end
	}
	return -1
}

// find looks for a key anywhere; -1 where it is not there.
func (f *filter) find(key []byte) int {
	f.once.Do(f.index)
	for slot := f.slot(key); f.table[slot] != 0; {
		if i := int(f.table[slot] - 1); bytes.Equal(f.key(i), key) {
			return i
		}
		if slot++; slot == len(f.table) {
			slot = 0
		}
	}
	return -1
}

func (f *filter) slot(key []byte) int {
	hi, _ := bits.Mul64(maphash.Bytes(f.seed, key), uint64(len(f.table)))
	return int(hi)
}

// index builds the table. A batch that only moves never needs it.
func (f *filter) index() {
	f.seed = maphash.MakeSeed()
	f.table = make([]uint32, tableSize(f.len()))
	for i := range f.ends {
		slot := f.slot(f.key(i))
		for f.table[slot] != 0 {
			if slot++; slot == len(f.table) {
				slot = 0
			}
		}
		f.table[slot] = uint32(i + 1)
	}
	f.indexed.Store(true)
}

// run is a part of a fetch's result: rows that the known filter has from a place
// on, or rows that it does not have.
type run struct {
	known bool
	start int
	rows  int
}

// filterBuilder puts together the filter of a fetch: what was known and still
// came, and what was not known and is stored now, in the order of the result.
type filterBuilder struct {
	known *filter
	runs  []run
	next  *filter
	full  bool
}

// newFilterBuilder makes room for all of a result, as far as it is allowed.
// missRows and missBytes are what the known filter did not have.
func newFilterBuilder(known *filter, runs []run, missRows, missBytes, born int64) *filterBuilder {
	rows, size := missRows, missBytes
	for _, r := range runs {
		if r.known {
			rows += int64(r.rows)
			size += int64(known.start(r.start+r.rows) - known.start(r.start))
		}
	}
	if all := size + 4*rows + 4*int64(tableSize(int(rows))); all > maxFilter {
		part := float64(maxFilter) / float64(all)
		rows, size = int64(float64(rows)*part), int64(float64(size)*part)
	}
	f := &filter{keys: make([]byte, 0, size), ends: make([]uint32, 0, rows), born: born}
	b := &filterBuilder{known: known, runs: runs, next: f}
	b.takeKnown()
	return b
}

// miss takes the next row that the known filter did not have; stored says
// whether the database has it now.
func (b *filterBuilder) miss(key []byte, stored bool) {
	if stored && b.fits(1, len(key)) {
		b.next.keys = append(b.next.keys, key...)
		b.next.ends = append(b.next.ends, uint32(len(b.next.keys)))
	}
	if b.runs[0].rows--; b.runs[0].rows == 0 {
		b.runs = b.runs[1:]
		b.takeKnown()
	}
}

// fits says whether there is room for so much; once there was not, nothing more
// is taken.
func (b *filterBuilder) fits(rows, size int) bool {
	if len(b.next.keys)+size > cap(b.next.keys) || len(b.next.ends)+rows > cap(b.next.ends) {
		b.full = true
	}
	return !b.full
}

// takeKnown copies the known rows up to the next one that was not known.
func (b *filterBuilder) takeKnown() {
	for len(b.runs) > 0 && b.runs[0].known {
		r := b.runs[0]
		b.runs = b.runs[1:]
		from, until := b.known.start(r.start), b.known.start(r.start+r.rows)
		if !b.fits(r.rows, int(until-from)) {
			continue
		}
		base := uint32(len(b.next.keys)) - from // may wrap, and wraps back
		b.next.keys = append(b.next.keys, b.known.keys[from:until]...)
		for _, end := range b.known.ends[r.start : r.start+r.rows] {
			b.next.ends = append(b.next.ends, base+end)
		}
	}
}
