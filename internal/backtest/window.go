package backtest

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"
	"sort"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// window holds the rows that may still lie in a window of the walk: what the time of a
// replay has reached, less what no due minute looks back to any more. A count is two
// binary searches, however long the look-back; a row that came late is merged in once.
// Times are microseconds since the epoch.
type window struct {
	next func() ([]dwmon.PastRow, error, bool)
	stop func()
	// known says from when on a row counts; minTime: always.
	known func(dwmon.PastRow) int64
	ahead []dwmon.PastRow // read, and later than what the replay has reached
	done  bool

	all   column // every row
	sure  column // those known by now
	late  lateRows
	fresh []int64 // those that have become known
	// unproven are rows from before any fetch is on record that were first seen later
	// than now; seen is the last fetch up to now that is known to have brought a row. Once
	// seen is later than such a row, that fetch has missed it: it was late. Until then it
	// counts: perhaps nobody has fetched meanwhile.
	arrived  int64
	unproven []dwmon.PastRow
	seen     int64
	// now is how far the fetches that are replayed have come; it never goes back.
	now int64
	// apart: some row is, or was, not in sure that is in all.
	apart bool
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

// minTime lies before every time.
const minTime = -forever

// column is timestamps in order, which leave at the front.
type column struct {
	micros []int64
	gone   int // at the front
}

func (c *column) rows() []int64 { return c.micros[c.gone:] }

// drop takes rows away that are older than a time.
func (c *column) drop(before int64) {
	for c.gone < len(c.micros) && c.micros[c.gone] < before {
		c.gone++
	}
	if c.gone > 1024 && c.gone > len(c.micros)/2 {
		c.micros = append(c.micros[:0], c.micros[c.gone:]...)
		c.gone = 0
	}
}

func (c *column) count(w dwmon.Window) int64 {
	rows := c.rows()
	until := before(rows, w.Until)
	return max(0, int64(until-before(rows[:until], w.From)))
}

// before is how many of some timestamps, in order, lie before a time.
func before(rows []int64, at int64) int {
	return sort.Search(len(rows), func(i int) bool { return rows[i] >= at })
}

// merge puts in timestamps, which are in order.
func (c *column) merge(micros []int64) {
	old := len(c.micros)
	c.micros = append(c.micros, micros...)
	to := len(c.micros) - 1
	for i, j := old-1, len(micros)-1; j >= 0; to-- {
		if i >= c.gone && c.micros[i] > micros[j] {
			c.micros[to] = c.micros[i]
			i--
		} else {
			c.micros[to] = micros[j]
			j--
		}
	}
}

// lateRows is a heap of rows that are not known yet, by when they will be.
type lateRows []dwmon.PastRow

func (h lateRows) Len() int           { return len(h) }
func (h lateRows) Less(i, j int) bool { return h[i].FirstSeen < h[j].FirstSeen }
func (h lateRows) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lateRows) Push(x any)        { *h = append(*h, x.(dwmon.PastRow)) }

func (h *lateRows) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// newWindow reads a checker's rows from a time on.
// arrived is the start of the first fetch on record where others are made up before it.
func newWindow(ctx context.Context, past Past, checkerID, from, arrived int64, known func(dwmon.PastRow) int64) *window {
	chunks := func(yield func([]dwmon.PastRow, error) bool) {
		err := past.PastRows(ctx, checkerID, from, forever, func(rows []dwmon.PastRow) error {
			if !yield(rows, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(nil, err)
		}
	}
	w := &window{known: known, arrived: arrived, now: minTime, seen: minTime}
	w.next, w.stop = iter.Pull2(chunks)
	return w
}

func (w *window) close() { w.stop() }

// advance makes rows with timestamps before until known that a fetch at a time knows,
// and forgets those from before a time.
func (w *window) advance(now, until, forget int64) error {
	w.now = max(w.now, now)
	for {
		for i := range w.ahead {
			if w.ahead[i].Micros >= until {
				w.ahead = w.ahead[i:]
				w.settle(forget)
				return nil
			}
			w.take(w.ahead[i], forget)
		}
		w.ahead = nil
		if w.done {
			w.settle(forget)
			return nil
		}
		rows, err, ok := w.next()
		if err != nil {
			return err
		}
		w.ahead, w.done = rows, !ok
	}
}

func (w *window) take(r dwmon.PastRow, forget int64) {
	if r.Micros < forget {
		return
	}
	w.all.micros = append(w.all.micros, r.Micros)
	switch r.FirstSeen = w.known(r); {
	case r.FirstSeen <= w.now:
		w.seen = max(w.seen, r.FirstSeen)
		w.fresh = append(w.fresh, r.Micros)
	case w.now < w.arrived:
		w.unproven = append(w.unproven, r)
	default:
		w.apart = true
		heap.Push(&w.late, r)
	}
}

// settle merges what has become known.
func (w *window) settle(forget int64) {
	for len(w.late) > 0 && w.late[0].FirstSeen <= w.now {
		r := heap.Pop(&w.late).(dwmon.PastRow)
		w.seen = max(w.seen, r.FirstSeen)
		w.fresh = append(w.fresh, r.Micros)
	}
	w.prove()
	if len(w.fresh) > 0 {
		slices.SortFunc(w.fresh, cmp.Compare[int64])
		w.sure.merge(w.fresh)
		w.fresh = w.fresh[:0]
	}
	w.all.drop(forget)
	w.sure.drop(forget)
}

// prove looks again at the rows of which nobody knew whether they were late.
func (w *window) prove() {
	for _, r := range w.unproven {
		if r.FirstSeen <= w.now {
			w.seen = max(w.seen, r.FirstSeen)
		}
	}
	left := w.unproven[:0]
	for _, r := range w.unproven {
		switch {
		case r.FirstSeen <= w.now:
			w.fresh = append(w.fresh, r.Micros)
		case r.Micros <= w.seen:
			w.apart = true
			heap.Push(&w.late, r)
		default:
			left = append(left, r)
		}
	}
	w.unproven = left
}

// counts are how many rows that are known lie in a window, and how many there are.
func (w *window) counts(win dwmon.Window) (known, all int64) {
	known = w.sure.count(win)
	for _, r := range w.unproven {
		if win.From <= r.Micros && r.Micros < win.Until {
			known++
		}
	}
	if !w.apart {
		return known, known
	}
	return known, w.all.count(win)
}
