package sqlite

import (
	"errors"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Limits of the search for a row that is not where the filter has it.
const (
	// maxStrays is how many rows out of order are handed to the database before
	// the filter gets its table: the new rows of most batches are fewer, and for
	// them a table would be of no use.
	maxStrays = 128
	// nearby is how many places after the expected one are looked at: rows that
	// the source has lost.
	nearby = 8
	// leaving is how many places are looked at for the first such row: rows that have
	// left at the head. A new row costs all of them.
	leaving = 512
)

// refreshAfter is how old a filter of a checker with purged keys may become,
// microseconds: then the database is asked for every key once, so that it learns
// which purged keys fetches still return.
const refreshAfter = 24 * 3600 * 1e6

// intake is dwmon.Intake. Rows that the filter knows leave only a run; the
// others go to the backlog.
type intake struct {
	checkerID int64
	started   int64
	filters   *filters
	known     *filter // nil for none
	window    []byte  // of known, once it was compared with
	ticket    ticket
	pos       int // place in known that should come next
	strays    int
	runs      []run
	misses    backlog
	tally     dwmon.Tally
	last      int64 // timestamp of the row before
	err       error // sticky: a result with a hole is no result
	closed    bool
}

var errIntakeClosed = errors.New("the rows of a fetch were used after they had been dropped")

// NewIntake is dwmon.Store's.
func (db *DB) NewIntake(p *dwmon.Progress, started int64) dwmon.Intake {
	in := &intake{checkerID: p.ID, started: started, filters: db.filters, misses: backlog{dir: db.opts.SpillDir}}
	in.err = db.follow()
	in.known, in.ticket = db.filters.get(p.ID, started)
	if in.known != nil && p.PurgeMark != nil {
		if age := started - in.known.born; age >= refreshAfter || age < 0 {
			in.known = nil
		}
	}
	return in
}

// Add is dwmon.Intake's.
func (in *intake) Add(b *dwmon.Batch) error {
	if in.closed {
		return errIntakeClosed
	}
	if in.err == nil {
		in.err = in.add(b)
	}
	return in.err
}

func (in *intake) add(b *dwmon.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	in.tally.Bytes += int64(len(b.Keys)) + 8*int64(b.Rows())
	latest := in.started + dwmon.FarFuture.Microseconds()
	keys, lengths, micros := b.Keys, b.Lengths, b.Micros
	for len(micros) > 0 {
		// Rows up to the next that is no event yet are taken together.
		n, size := 0, 0
		for n < len(micros) && micros[n] <= latest {
			in.count(micros[n])
			size += int(lengths[n])
			n++
		}
		if err := in.take(keys[:size], lengths[:n], micros[:n]); err != nil {
			return err
		}
		keys, lengths, micros = keys[size:], lengths[n:], micros[n:]
		if len(micros) > 0 {
			in.tally.Rows++
			in.tally.Skipped++
			keys, lengths, micros = keys[lengths[0]:], lengths[1:], micros[1:]
		}
	}
	return nil
}

func (in *intake) count(micros int64) {
	t := &in.tally
	if t.Rows == t.Skipped {
		t.Oldest, t.Newest = micros, micros
	}
	t.Unordered = t.Unordered || t.Rows > t.Skipped && micros > in.last
	in.last = micros
	t.Rows++
	t.Oldest, t.Newest = min(t.Oldest, micros), max(t.Newest, micros)
}

// take sorts rows into those that the filter knows and those that it does not.
func (in *intake) take(keys []byte, lengths []uint32, micros []int64) error {
	for len(lengths) > 0 {
		if in.known != nil && in.pos < in.known.len() {
			if rows, size := in.match(keys, lengths); rows > 0 {
				in.extend(true, in.pos, rows)
				in.pos += rows
				keys, lengths, micros = keys[size:], lengths[rows:], micros[rows:]
				continue
			}
		}
		key := keys[:lengths[0]]
		if at := in.locate(key); at >= 0 {
			in.pos = at // where match finds it
			continue
		}
		if err := in.misses.add(key, micros[0]); err != nil {
			return err
		}
		in.extend(false, 0, 1)
		keys, lengths, micros = keys[len(key):], lengths[1:], micros[1:]
	}
	return nil
}

// match compares rows with the filter's from the expected place on.
func (in *intake) match(keys []byte, lengths []uint32) (rows, size int) {
	if in.window == nil {
		in.window = in.known.window()
	}
	return in.known.match(in.pos, keys, lengths, in.window)
}

// locate looks for a row that is not where it should be; -1: it counts as not
// known. That is never wrong, only dearer: the database is asked.
func (in *intake) locate(key []byte) int {
	f := in.known
	if f == nil || f.len() == 0 {
		return -1
	}
	if f.indexed.Load() {
		return f.find(key)
	}
	switch in.strays++; {
	case in.strays > maxStrays:
		return f.find(key)
	case in.strays == 1:
		return f.scan(in.pos, leaving, key) // rows have left at the head
	default:
		return f.scan(in.pos, nearby, key)
	}
}

// extend adds rows to the last run, or begins another.
func (in *intake) extend(known bool, start, rows int) {
	if n := len(in.runs); n > 0 {
		if r := &in.runs[n-1]; r.known == known && (!known || r.start+r.rows == start) {
			r.rows += rows
			return
		}
	}
	in.runs = append(in.runs, run{known, start, rows})
}

// hits says whether rows were left out because the filter knows them.
func (in *intake) hits() bool { return in.tally.Rows-in.tally.Skipped > in.misses.rows }

// Tally is dwmon.Intake's.
func (in *intake) Tally() dwmon.Tally { return in.tally }

// Close is dwmon.Intake's.
func (in *intake) Close() error {
	if in.closed {
		return nil
	}
	in.closed = true
	in.known, in.window, in.runs = nil, nil, nil
	return in.misses.close()
}
