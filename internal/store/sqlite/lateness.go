package sqlite

import (
	"context"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// latenessFetches is how many of the last successful fetches are looked at for the
// newest rows: two weeks of one each minute.
const latenessFetches = 20_000

// Lateness measures how late the newest rows of a checker were. The error is
// dwmon.ErrNoChecker where there is no such checker. A checker of assumed timestamps
// cannot be measured: they say when a row was seen.
func (db *DB) Lateness(ctx context.Context, name string) (l dwmon.Lateness, err error) {
	err = db.read(ctx, func(c *conn) error {
		id, err := checkerID(c, name)
		if err != nil {
			return err
		}
		r, err := c.one("SELECT 1 FROM checkers WHERE id = ? AND baseline IS NOT NULL", id)
		if err != nil || r != nil {
			return err
		}
		rows, err := newestArrivals(c, id)
		if err != nil || len(rows) == 0 {
			return err
		}
		fetches, err := askedSince(c, id, rows)
		l = dwmon.MeasureLateness(rows, fetches)
		return err
	})
	return l, err
}

func newestArrivals(c *conn, checkerID int64) (rows []dwmon.Arrival, err error) {
	for r, err := range c.query(`SELECT ts, first_seen, query_id FROM seen INDEXED BY seen_ts
		WHERE checker_id = ? AND ts IS NOT NULL ORDER BY ts DESC LIMIT ?`, checkerID, dwmon.LatenessRows) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, dwmon.Arrival{Micros: r.int(0), FirstSeen: r.int(1), QueryID: r.int(2)})
	}
	return rows, nil
}

// askedSince gives the successful fetches that brought the rows, and the one before
// the first of them, oldest first.
func askedSince(c *conn, checkerID int64, rows []dwmon.Arrival) ([]dwmon.Asked, error) {
	first := slices.MinFunc(rows, func(a, b dwmon.Arrival) int { return int(min(max(a.FirstSeen-b.FirstSeen, -1), 1)) }).FirstSeen
	var fetches []dwmon.Asked
	for r, err := range c.query(`SELECT f.started, r.query_id, f.cut, f.unordered, f.oldest, f.ended FROM fetches f JOIN revisions r ON r.id = f.revision_id
		WHERE f.checker_id = ? AND f.ok = 1 ORDER BY f.slot DESC, f.id DESC LIMIT ?`, checkerID, latenessFetches) {
		if err != nil {
			return nil, err
		}
		f := dwmon.Asked{Started: r.int(0), QueryID: r.int(1)}
		if r.bool(2) {
			complete := r.int(5) // of a result that is cut, in any order: nothing before its end
			if oldest := r.intp(4); oldest != nil && !r.bool(3) {
				complete = *oldest + 1
			}
			f.Complete = &complete
		}
		fetches = append(fetches, f)
		if f.Started < first {
			break
		}
	}
	slices.Reverse(fetches)
	return fetches, nil
}
