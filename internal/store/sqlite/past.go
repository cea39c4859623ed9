package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Names in meta: what was recorded before, in microseconds since the epoch, was swept.
const (
	metaFetchesFrom = "swept_fetches"
	metaSpansFrom   = "swept_spans"
)

// pastRows is how many rows or fetches of the past are read at a time: a few
// milliseconds, after which a checkpoint may go on.
const pastRows = 8192

// Past gives what is stored of a checker's past beside its rows and fetches. The error
// is dwmon.ErrNoChecker where there is no such checker.
func (db *DB) Past(ctx context.Context, name string) (p *dwmon.Past, err error) {
	err = db.read(ctx, func(c *conn) error {
		p, err = loadPast(c, name)
		return err
	})
	return p, err
}

func loadPast(c *conn, name string) (*dwmon.Past, error) {
	id, err := checkerID(c, name)
	if err != nil {
		return nil, err
	}
	p := &dwmon.Past{CheckerID: id, Name: name}
	r, err := c.one("SELECT origin, settled, purge_mark, baseline, fetched_reach, (SELECT count(*) FROM queries WHERE checker_id = ?1) FROM checkers WHERE id = ?1", id)
	if err != nil {
		return nil, err
	}
	p.Origin, p.Settled, p.PurgeMark, p.Baseline, p.Reach, p.Queries = r.int(0), r.intp(1), r.intp(2), r.intp(3), r.intp(4), r.int(5)
	steps := []func(*conn, *dwmon.Past) error{pastSwept, pastFirst, pastImport, pastBackfills, pastOff}
	for _, step := range steps {
		if err := step(c, p); err != nil {
			return nil, err
		}
	}
	if p.Holes, err = pastSpans(c, id, spanHole); err != nil {
		return nil, err
	}
	p.Missed, err = pastSpans(c, id, spanMissed)
	return p, err
}

func pastSwept(c *conn, p *dwmon.Past) error {
	for name, to := range map[string]**int64{metaFetchesFrom: &p.FetchesFrom, metaSpansFrom: &p.SpansFrom} {
		r, err := c.one("SELECT value FROM meta WHERE name = ?", name)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		if cut, err := strconv.ParseInt(r.text(0), 10, 64); err == nil {
			*to = &cut
		}
	}
	return nil
}

// pastFirst finds the first successful fetch on record.
func pastFirst(c *conn, p *dwmon.Past) error {
	for r, err := range c.query(selectPastFetches+" AND f.ok = 1 ORDER BY f.slot, f.id LIMIT 1", p.CheckerID, int64(math.MinInt64), int64(0)) {
		if err != nil {
			return err
		}
		p.First = &dwmon.PastFetch{}
		if err := new(pastFetches).read(c, r, p.First); err != nil {
			return err
		}
	}
	return nil
}

// pastImport finds what was taken over from an original program: whole from its oldest
// row to the newest minute that it has checked.
func pastImport(c *conn, p *dwmon.Past) error {
	r, err := c.one("SELECT imported, (SELECT max(timestamp) FROM imported_checks WHERE checker_id = ?1) FROM imports WHERE checker_id = ?1", p.CheckerID)
	if err != nil || r == nil {
		return err
	}
	l := dwmon.Loaded{At: r.int(0), Import: true}
	if checked := r.intp(1); checked != nil {
		oldest, err := c.one("SELECT ts FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts IS NOT NULL AND first_seen = ? ORDER BY ts LIMIT 1", p.CheckerID, l.At)
		if err != nil {
			return err
		}
		if oldest != nil {
			from, until := oldest.int(0), *checked*1e6
			l.From, l.Until = &from, &until
		}
	}
	p.Loaded = append(p.Loaded, l)
	return nil
}

func pastBackfills(c *conn, p *dwmon.Past) error {
	for r, err := range c.query("SELECT started, complete_from, coalesce(complete_until, newest + 1) FROM backfills WHERE checker_id = ? AND (fresh > 0 OR complete_from IS NOT NULL) ORDER BY started, id", p.CheckerID) {
		if err != nil {
			return err
		}
		p.Loaded = append(p.Loaded, dwmon.Loaded{At: r.int(0), From: r.intp(1), Until: r.intp(2)})
	}
	return nil
}

func pastOff(c *conn, p *dwmon.Past) error {
	for r, err := range c.query(`SELECT from_time, until_time, reason FROM spans WHERE checker_id = ?1 AND kind = 'off'
		UNION ALL SELECT off_since, NULL, off_reason FROM checkers WHERE id = ?1 AND off_since IS NOT NULL
		ORDER BY 1`, p.CheckerID) {
		if err != nil {
			return err
		}
		p.Off = append(p.Off, dwmon.OffEntry{CheckerName: p.Name, From: r.int(0), To: r.intp(1), Reason: dwmon.OffReason(r.text(2))})
	}
	return nil
}

func pastSpans(c *conn, checkerID int64, kind string) (spans []dwmon.Span, err error) {
	for r, err := range c.query("SELECT from_time, until_time FROM spans WHERE checker_id = ? AND kind = ? ORDER BY until_time, id", checkerID, kind) {
		if err != nil {
			return nil, err
		}
		spans = append(spans, dwmon.Span{From: r.int(0), Until: r.int(1)})
	}
	return spans, nil
}

// selectPastFetches gives the fetches of a checker after a (slot, id). Columns are dear
// where a year is read: flags are together in one.
const selectPastFetches = `SELECT f.id, f.slot, f.started, f.ended, f.ok + 2 * f.baseline + 4 * f.cut + 8 * f.unordered, f.rows, f.fresh, f.skipped,
	f.oldest, f.newest, f.skew, f.data_as_of, f.pass, f.reach, f.oldest_fresh, f.revision_id, f.fault, f.error
	FROM fetches f INDEXED BY fetches_checker
	WHERE f.checker_id = ? AND (f.slot, f.id) > (?, ?)`

// pastFetches reads fetches of the past. Neighbours mostly asked by the same text.
type pastFetches struct {
	revisionID, queryID int64
}

// read reads a record. Older ones do not say when their pass was, nor how far they could
// see.
func (p *pastFetches) read(c *conn, r row, f *dwmon.PastFetch) error {
	flags := r.int(4)
	f.ID, f.Slot, f.Started, f.Ended = r.int(0), r.int(1), r.int(2), r.int(3)
	f.Baseline, f.Cut = flags&2 != 0, flags&4 != 0
	f.Tally = dwmon.Tally{Rows: r.int(5), Skipped: r.int(7), Oldest: r.int(8), Newest: r.int(9), Unordered: flags&8 != 0}
	f.Ingested = dwmon.Ingested{Fresh: r.int(6), OldestFresh: r.int(14)}
	f.Skew, f.DataAsOf = r.int(10), r.intp(11)
	f.Pass, f.Reach = f.Started, r.int(13)
	if !r.null(12) {
		f.Pass = r.int(12)
	}
	if r.null(13) {
		f.Reach = min(f.Started, f.Started+f.Skew)
		if f.DataAsOf != nil {
			f.Reach = min(f.Reach, *f.DataAsOf)
		}
	}
	if flags&1 == 0 {
		f.Err = &dwmon.FetchError{Fault: parseFault(r.text(16)), Err: errors.New(r.text(17))}
	}
	if id := r.int(15); id != p.revisionID {
		query, err := c.one("SELECT query_id FROM revisions WHERE id = ?", id)
		if err != nil {
			return err
		}
		p.revisionID, p.queryID = id, 0
		if query != nil {
			p.queryID = query.int(0)
		}
	}
	f.QueryID = p.queryID
	return nil
}

// PastFetches gives the fetches of a checker that come after a place (slot, id), in the
// order of their slots, in chunks that yield must not keep; between chunks no
// transaction is open. An error of yield ends it and is returned.
func (db *DB) PastFetches(ctx context.Context, checkerID, afterSlot, afterID int64, yield func([]dwmon.PastFetch) error) error {
	chunk := make([]dwmon.PastFetch, 0, pastRows/8)
	var reader pastFetches
	for {
		chunk = chunk[:0]
		err := db.read(ctx, func(c *conn) error {
			for r, err := range c.query(selectPastFetches+" ORDER BY f.slot, f.id LIMIT ?", checkerID, afterSlot, afterID, cap(chunk)) {
				if err != nil {
					return err
				}
				chunk = append(chunk, dwmon.PastFetch{})
				if err := reader.read(c, r, &chunk[len(chunk)-1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(chunk) == 0 {
			return err
		}
		last := &chunk[len(chunk)-1]
		afterSlot, afterID = last.Slot, last.ID
		if err := yield(chunk); err != nil {
			return err
		}
	}
}

// PastRows gives a checker's rows in from ≤ ts < until, in the order of their
// timestamps, in chunks that yield must not keep; between chunks no transaction is
// open. Rows of one timestamp are never parted. An error of yield ends it and is
// returned.
func (db *DB) PastRows(ctx context.Context, checkerID, from, until int64, yield func([]dwmon.PastRow) error) error {
	const query = "SELECT ts, first_seen FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts >= ? AND ts < ? ORDER BY ts"
	chunk := make([]dwmon.PastRow, 0, pastRows+pastRows/8)
	take := func(r []driver.Value) bool {
		ts := r[0].(int64)
		if n := len(chunk); n >= pastRows && chunk[n-1].Micros != ts {
			return false
		}
		chunk = append(chunk, dwmon.PastRow{Micros: ts, FirstSeen: r[1].(int64)})
		return true
	}
	for from < until {
		chunk = chunk[:0]
		if err := db.read(ctx, func(c *conn) error { return c.scan(query, 2, take, checkerID, from, until) }); err != nil {
			return err
		}
		if len(chunk) == 0 {
			return nil
		}
		from = chunk[len(chunk)-1].Micros + 1
		if err := yield(chunk); err != nil {
			return err
		}
	}
	return nil
}

// Timestamps gives the timestamps (microseconds since the epoch) of a checker's rows in
// from ≤ ts < until, ascending, in chunks that yield must not keep; between chunks no
// transaction is open. Rows of one timestamp are never parted. An error of yield ends it
// and is returned.
func (db *DB) Timestamps(ctx context.Context, checkerID, from, until int64, yield func(micros []int64) error) error {
	chunk := make([]int64, 0, pastRows+pastRows/8)
	take := func(r []driver.Value) bool {
		ts := r[0].(int64)
		if n := len(chunk); n >= pastRows && chunk[n-1] != ts {
			return false
		}
		chunk = append(chunk, ts)
		return true
	}
	for from < until {
		chunk = chunk[:0]
		if err := db.read(ctx, func(c *conn) error { return c.scan(scanRange, 1, take, checkerID, from, until) }); err != nil {
			return err
		}
		if len(chunk) == 0 {
			return nil
		}
		from = chunk[len(chunk)-1] + 1
		if err := yield(chunk); err != nil {
			return err
		}
	}
	return nil
}

// scan gives the rows of a statement to take until that says that it has enough. It
// reads the driver's rows itself: millions of them pass here.
func (c *conn) scan(query string, columns int, take func([]driver.Value) bool, args ...any) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer c.release(query, s)
	named, err := bindings(args)
	if err != nil {
		return err
	}
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(c.context(), named)
	if err != nil {
		return err
	}
	defer rows.Close()
	dest := make([]driver.Value, columns)
	for {
		if err := rows.Next(dest); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if !take(dest) {
			return nil
		}
	}
}

// PastCountsOf counts, in each window, the rows that fetches of one QUERY and SOURCE
// have brought first, up to and including the fetch that started at a time,
// microseconds since the epoch.
func (db *DB) PastCountsOf(ctx context.Context, checkerID, queryID, known int64, windows []dwmon.Window) ([]int64, error) {
	counts := make([]int64, len(windows))
	err := db.read(ctx, func(c *conn) error {
		for i, w := range windows {
			r, err := c.one(countOf+" AND first_seen <= ?", checkerID, w.From, w.Until, queryID, known)
			if err != nil {
				return err
			}
			counts[i] = r.int(0)
		}
		return nil
	})
	return counts, err
}

// Wholeness tells from when on the rows that are stored of a checker are all that its
// source had, and where they are not. The errors are dwmon.ErrNoChecker and, where
// nothing was fetched yet, dwmon.ErrNothingRecorded.
func (db *DB) Wholeness(ctx context.Context, name string) (w dwmon.Wholeness, err error) {
	p, err := db.Past(ctx, name)
	if err != nil {
		return w, err
	}
	from, ok := p.WholeFrom()
	if !ok {
		return w, fmt.Errorf("checker %s: %w", name, dwmon.ErrNothingRecorded)
	}
	w = dwmon.Wholeness{CheckerID: p.CheckerID, From: from, Until: from, PurgeMark: p.PurgeMark, Assumed: p.Baseline != nil}
	if p.Reach != nil {
		w.Until = *p.Reach
	}
	for _, l := range p.Loaded {
		if l.Until != nil {
			w.Until = max(w.Until, *l.Until)
		}
	}
	var starts []int64
	err = db.PastFetches(ctx, p.CheckerID, math.MinInt64, 0, func(fetches []dwmon.PastFetch) error {
		for i := range fetches {
			if fetches[i].Err == nil {
				starts = append(starts, fetches[i].Started)
			}
		}
		return nil
	})
	if err != nil {
		return w, err
	}
	w.Holes, w.Missed, w.Outages = since(from, p.LeftHoles()), since(from, p.Missed), since(from, dwmon.Outages(starts))
	for _, o := range p.Off {
		s := dwmon.Span{From: o.From * 1e6, Until: math.MaxInt64}
		if o.To != nil {
			s.Until = *o.To*1e6 - 1
		}
		w.Off = append(w.Off, s)
	}
	w.Off = since(from, w.Off)
	return w, nil
}

// since are the spans from a time on.
func since(from int64, spans []dwmon.Span) (left []dwmon.Span) {
	for _, s := range spans {
		if s.Until >= from {
			left = append(left, dwmon.Span{From: max(s.From, from), Until: s.Until})
		}
	}
	return left
}
