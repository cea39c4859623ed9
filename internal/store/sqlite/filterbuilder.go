package sqlite

import "bytes"

// run is a part of a fetch's result: rows that the known filter has from a place
// on, or rows that it does not have.
type run struct {
	known bool
	start int
	rows  int
}

// keyShape is how many keys there are, and what they have in common.
type keyShape struct {
	rows   int64
	size   int64  // of the keys
	mixed  bool   // they are of different lengths
	length int    // of each, unless mixed
	prefix []byte // what all begin with, unless mixed
}

func (s *keyShape) add(key []byte) {
	switch {
	case s.rows == 0:
		s.length, s.prefix = len(key), bytes.Clone(key)
	case s.mixed:
	case len(key) != s.length:
		s.mixed, s.prefix = true, nil
	default:
		s.prefix = s.prefix[:commonPrefix(s.prefix, key)]
	}
	s.rows++
	s.size += int64(len(key))
}

// merge gives the shape of two lots of keys together.
func (s keyShape) merge(other keyShape) keyShape {
	switch {
	case s.rows == 0:
		return other
	case other.rows == 0:
		return s
	}
	all := keyShape{rows: s.rows + other.rows, size: s.size + other.size}
	if s.mixed || other.mixed || s.length != other.length {
		all.mixed = true
		return all
	}
	all.length = s.length
	all.prefix = s.prefix[:commonPrefix(s.prefix[:min(len(s.prefix), len(other.prefix))], other.prefix)]
	return all
}

// wordBytes divides the length of what is left of a key without its prefix: such rests
// are copied quickly.
const wordBytes = 8

// layout gives the prefix that a filter of these keys leaves out, and what is left of
// each key. It must not be mixed.
func (s keyShape) layout() (prefix []byte, width int) {
	width = s.length - len(s.prefix)
	width = min(s.length, (width+wordBytes-1)/wordBytes*wordBytes)
	return s.prefix[:s.length-width], width
}

// shape is that of some rows of the filter. A prefix that would change nothing is not
// looked for.
func (f *filter) shape(start, rows int) (s keyShape) {
	if f.ends == nil && f.width <= wordBytes {
		length := len(f.prefix) + f.width
		return keyShape{rows: int64(rows), size: int64(rows * length), length: length, prefix: f.prefix}
	}
	for i := start; i < start+rows; i++ {
		s.add(f.rest(i))
	}
	if n := len(f.prefix); n > 0 {
		s.prefix = append(bytes.Clone(f.prefix), s.prefix...)
		s.length += n
		s.size += s.rows * int64(n)
	}
	return s
}

// filterBuilder puts together the filter of a fetch: what was known and still
// came, and what was not known and is stored now, in the order of the result.
type filterBuilder struct {
	known *filter
	runs  []run
	next  *filter
	room  int // rows
	full  bool
}

// newFilterBuilder makes room for all of a result, as far as it is allowed.
// misses is the shape of what the known filter did not have.
func newFilterBuilder(known *filter, runs []run, misses keyShape, born int64) *filterBuilder {
	all := misses
	for _, r := range runs {
		if r.known {
			all = all.merge(known.shape(r.start, r.rows))
		}
	}
	f := &filter{born: born}
	size, perRow := all.size, int64(4)
	if !all.mixed {
		var prefix []byte
		prefix, f.width = all.layout()
		f.prefix = bytes.Clone(prefix)
		size, perRow = all.rows*int64(f.width), 0
	}
	rows := all.rows
	bound := int64(maxFilter - len(f.prefix))
	if whole := size + perRow*rows + 4*int64(tableSize(int(rows))); whole > bound {
		part := float64(bound) / float64(whole)
		rows, size = int64(float64(rows)*part), int64(float64(size)*part)
	}
	f.keys = make([]byte, 0, size)
	if all.mixed {
		f.ends = make([]uint32, 0, rows)
	}
	b := &filterBuilder{known: known, runs: runs, next: f, room: int(rows)}
	b.takeKnown()
	return b
}

// miss takes the next row that the known filter did not have; stored says
// whether the database has it now.
func (b *filterBuilder) miss(key []byte, stored bool) {
	if rest := key[len(b.next.prefix):]; stored && b.fits(1, len(rest)) {
		b.next.keys = append(b.next.keys, rest...)
		b.end(1)
	}
	if b.runs[0].rows--; b.runs[0].rows == 0 {
		b.runs = b.runs[1:]
		b.takeKnown()
	}
}

// fits says whether there is room for so much; once there was not, nothing more
// is taken.
func (b *filterBuilder) fits(rows, size int) bool {
	if len(b.next.keys)+size > cap(b.next.keys) || b.next.rows+rows > b.room {
		b.full = true
	}
	return !b.full
}

// end notes that so many rows were appended, the last of which ends here.
func (b *filterBuilder) end(rows int) {
	b.next.rows += rows
	if b.next.ends != nil {
		b.next.ends = append(b.next.ends, uint32(len(b.next.keys)))
	}
}

// takeKnown copies the known rows up to the next one that was not known.
func (b *filterBuilder) takeKnown() {
	for len(b.runs) > 0 && b.runs[0].known {
		r := b.runs[0]
		b.runs = b.runs[1:]
		size := b.known.start(r.start+r.rows) - b.known.start(r.start)
		size += r.rows * (len(b.known.prefix) - len(b.next.prefix))
		if b.fits(r.rows, size) {
			b.copy(r)
		}
	}
}

// copy takes known rows, as one block where both filters hold their keys alike.
func (b *filterBuilder) copy(r run) {
	next, known := b.next, b.known
	if next.ends == nil && known.ends == nil && len(next.prefix) == len(known.prefix) {
		next.keys = append(next.keys, known.keys[known.start(r.start):known.start(r.start+r.rows)]...)
		b.end(r.rows)
		return
	}
	for i := r.start; i < r.start+r.rows; i++ {
		rest := known.rest(i)
		if left, had := len(next.prefix), len(known.prefix); left <= had {
			next.keys = append(next.keys, known.prefix[left:]...)
			next.keys = append(next.keys, rest...)
		} else {
			next.keys = append(next.keys, rest[left-had:]...)
		}
		b.end(1)
	}
}
