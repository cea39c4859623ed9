package sqlite

import (
	"context"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// purgeStep is how many rows one commit of a purge takes: others' passes get
// their turn in between.
const purgeStep = 2000

const (
	raiseMark = `UPDATE checkers SET purge_mark = max(coalesce(purge_mark, ?1), ?1) WHERE id = ?2`
	// The keys stay, so that they do not return as new. The last successful fetch
	// is when they were last returned, as far as is known.
	purgeRows = `UPDATE seen SET ts = NULL, purged = coalesce((SELECT fetched FROM checkers WHERE id = ?1), ?2)
	WHERE checker_id = ?1 AND key IN (
		SELECT key FROM seen INDEXED BY seen_ts WHERE checker_id = ?1 AND ts < ?3 ORDER BY ts LIMIT ?4)`
)

// Purge is dwmon.Store's.
func (db *DB) Purge(ctx context.Context, checkerID, cutoff int64) (purged int64, err error) {
	cutoff = min(max(cutoff, -dwmon.MaxSeconds), dwmon.MaxSeconds)
	for first := true; ; first = false {
		var n int64
		err := db.write(ctx, func(tx *Tx) (err error) {
			if first {
				if err := tx.raiseMark(checkerID, cutoff); err != nil {
					return err
				}
			}
			n, err = tx.exec(purgeRows, checkerID, db.now(), cutoff*1e6, purgeStep)
			return err
		})
		if err != nil {
			return purged, err
		}
		purged += n
		if n < purgeStep {
			return purged, nil
		}
	}
}

// raiseMark moves the purge mark up to a cut-off, never down. The filter goes:
// while it hides keys, nobody sees that fetches still return the purged ones.
func (tx *Tx) raiseMark(checkerID, cutoff int64) error {
	if err := tx.updateChecker(checkerID, raiseMark, cutoff, checkerID); err != nil {
		return err
	}
	tx.amend(checkerID, func(p *dwmon.Progress) {
		if p.PurgeMark == nil || *p.PurgeMark < cutoff {
			p.PurgeMark = &cutoff
		}
	})
	tx.dropFilter(checkerID)
	return nil
}

// Extent is dwmon.Store's.
func (db *DB) Extent(ctx context.Context, checkerID int64) (oldest, newest int64, ok bool, err error) {
	err = db.read(ctx, func(c *conn) error {
		const edge = "SELECT ts FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts IS NOT NULL ORDER BY ts "
		first, err := c.one(edge+"LIMIT 1", checkerID)
		if err != nil || first == nil {
			return err
		}
		ok, oldest = true, first.int(0)
		last, err := c.one(edge+"DESC LIMIT 1", checkerID)
		if err != nil {
			return err
		}
		newest = last.int(0)
		return nil
	})
	return oldest, newest, ok, err
}
