package sqlite

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Swept counts what a sweep removed.
type Swept struct {
	Verdicts, Revisions, Gaps, Spans, Silences, Deliveries, Fetches, Keys int64
	// Pages is how many pages of the file were given back to the file system.
	Pages int64
}

// Sweep removes what is older than its retention, in small steps with a commit
// each. now is in microseconds since the epoch. What a waiting delivery tells of
// stays, and so does the last result of each line. A sweep that is broken off is
// ended by the next one.
func (db *DB) Sweep(ctx context.Context, keep dwmon.Retention, now int64) (s Swept, err error) {
	w := sweep{db: db, keep: keep, now: now}
	for _, step := range []func(context.Context) error{
		db.clearForgotten, w.good, w.old, w.corrections, w.importedChecks, w.revisions, w.spans, w.incidents, w.silences, w.deliveries, w.fetches, w.purgedKeys, w.plugins, w.vacuum,
	} {
		if err := step(ctx); err != nil {
			return w.done, err
		}
	}
	return w.done, nil
}

// sweep is a Sweep under way.
type sweep struct {
	db   *DB
	keep dwmon.Retention
	now  int64
	done Swept
}

// before is the time, microseconds since the epoch, before which things kept for
// so long go; false where they are kept for ever.
func (w *sweep) before(keep time.Duration) (int64, bool) {
	return w.now - keep.Microseconds(), keep > 0
}

// overlap is how far back of the last sweep GOOD verdicts are looked for again,
// in seconds: further than the walk ever rewinds, so that minutes judged late are
// found, and those that waited to be told.
const overlap = 15 * 86400

// good removes GOOD verdicts. What is left behind a sweep is nothing but verdicts
// of other kinds, years of them perhaps: they are not looked through again.
func (w *sweep) good(ctx context.Context) error {
	cut, ok := w.before(w.keep.KeepGood)
	if !ok {
		return nil
	}
	cut = floorSeconds(cut)
	from := int64(math.MinInt64)
	err := w.db.read(ctx, func(c *conn) error {
		r, err := c.one("SELECT value FROM meta WHERE name = 'swept_good'")
		if r != nil {
			if swept, err := strconv.ParseInt(r.text(0), 10, 64); err == nil {
				from = min(swept, cut) - overlap
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := w.verdicts(ctx, from, cut, " AND v.status = 1"); err != nil {
		return err
	}
	return w.db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES ('swept_good', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1", decimal(cut))
		return err
	})
}

// old removes verdicts of every kind.
func (w *sweep) old(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	return w.verdicts(ctx, math.MinInt64, floorSeconds(cut), "")
}

func floorSeconds(micros int64) int64 {
	s := micros / 1e6
	if micros%1e6 < 0 {
		s--
	}
	return s
}

// verdictSpan is minutes of a checker, both ends included, with some verdicts
// that may go.
type verdictSpan struct{ checkerID, from, to, rows int64 }

// verdicts removes verdicts of minutes in from..cut, cut not included, that a
// condition chooses. Several checkers' share a commit.
func (w *sweep) verdicts(ctx context.Context, from, cut int64, condition string) error {
	var ids []int64
	err := w.db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT id FROM checkers") {
			if err != nil {
				return err
			}
			ids = append(ids, r.int(0))
		}
		return nil
	})
	if err != nil {
		return err
	}
	var spans []verdictSpan
	var rows int64
	for _, id := range ids {
		for next := from; next < cut; {
			s, err := w.verdictSpan(ctx, id, next, cut, condition)
			if err != nil {
				return err
			}
			if s.rows == 0 {
				break
			}
			next = s.to + 1
			spans, rows = append(spans, s), rows+s.rows
			if rows >= stepRows {
				if err := w.removeVerdicts(ctx, spans, condition); err != nil {
					return err
				}
				spans, rows = spans[:0], 0
			}
		}
	}
	return w.removeVerdicts(ctx, spans, condition)
}

// verdictSpan finds the next few verdicts of a checker.
func (w *sweep) verdictSpan(ctx context.Context, checkerID, from, cut int64, condition string) (s verdictSpan, err error) {
	err = w.db.read(ctx, func(c *conn) error {
		r, err := c.one(`SELECT count(*), max(minute) FROM (SELECT v.minute FROM verdicts v
			WHERE v.checker_id = ? AND v.minute >= ? AND v.minute < ?`+condition+` ORDER BY v.minute LIMIT ?)`, checkerID, from, cut, stepRows)
		if err == nil {
			s = verdictSpan{checkerID: checkerID, from: from, to: r.int(1), rows: r.int(0)}
		}
		return err
	})
	return s, err
}

func (w *sweep) removeVerdicts(ctx context.Context, spans []verdictSpan, condition string) error {
	if len(spans) == 0 {
		return nil
	}
	var removed int64
	err := w.db.write(ctx, func(tx *Tx) error {
		removed = 0
		for _, s := range spans {
			n, err := tx.exec(`DELETE FROM verdicts AS v WHERE v.checker_id = ?1 AND v.minute BETWEEN ?2 AND ?3`+condition+`
				AND NOT EXISTS (SELECT 1 FROM lines l WHERE l.id = v.line_id AND l.last_minute = v.minute AND l.position IS NOT NULL)
				AND (v.minute, v.line_id) NOT IN (
					SELECT d.minute, d.line_id FROM handlers h JOIN deliveries d INDEXED BY deliveries_waiting
					ON d.handler_id = h.id AND d.state = 0 AND d.checker_id = ?1
					WHERE d.minute IS NOT NULL AND d.line_id IS NOT NULL)`, s.checkerID, s.from, s.to)
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	w.done.Verdicts += removed
	return err
}

// corrections go with the verdicts that they are of.
func (w *sweep) corrections(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	_, err := w.db.inSteps(ctx, "DELETE FROM corrections WHERE id IN (SELECT id FROM corrections WHERE minute < ? LIMIT ?)", floorSeconds(cut), stepRows)
	return err
}

// revisions removes texts that are not in use and of which no result is left. The
// results of a checker are looked through only where it has texts that old.
func (w *sweep) revisions(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	var ids []int64
	err := w.db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`
			WITH old (id, checker_id) AS MATERIALIZED (
				SELECT r.id, r.checker_id FROM checkers c JOIN revisions r ON r.checker_id = c.id
				WHERE r.id <> coalesce(c.revision_id, 0) AND r.first_minute < ?)
			SELECT id FROM old WHERE id NOT IN (
				SELECT DISTINCT v.revision_id FROM verdicts v WHERE v.checker_id IN (SELECT checker_id FROM old))
			LIMIT ?`, floorSeconds(cut), stepRows) {
			if err != nil {
				return err
			}
			ids = append(ids, r.int(0))
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	var removed int64
	err = w.db.write(ctx, func(tx *Tx) (err error) {
		// Looked at again: the text may have come back into use meanwhile.
		removed, err = tx.exec(`DELETE FROM revisions WHERE id IN (SELECT value FROM json_each(?))
			AND id NOT IN (SELECT revision_id FROM checkers WHERE revision_id IS NOT NULL)`, idList(ids))
		return err
	})
	w.done.Revisions += removed
	return err
}

// spans removes gaps and the spans of checkers.
func (w *sweep) spans(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	gaps, err := w.db.inSteps(ctx, "DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE to_minute < ? LIMIT ?)", floorSeconds(cut), stepRows)
	w.done.Gaps += gaps
	if err != nil {
		return err
	}
	spans, err := w.db.inSteps(ctx, `DELETE FROM spans WHERE id IN (SELECT id FROM spans
		WHERE until_time < CASE kind WHEN 'off' THEN ? ELSE ? END LIMIT ?)`, floorSeconds(cut), cut, stepRows)
	w.done.Spans += spans
	if err != nil {
		return err
	}
	return w.sweptThrough(ctx, metaSpansFrom, cut)
}

// incidents removes those that are over, and with them what was told of them.
func (w *sweep) incidents(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	_, err := w.db.inSteps(ctx, `DELETE FROM incidents WHERE id IN (SELECT id FROM incidents INDEXED BY incidents_closed
		WHERE finished = 1 AND closed_at < ? LIMIT ?)`, cut, stepRows)
	return err
}

func (w *sweep) deliveries(ctx context.Context) error {
	for state, keep := range map[dwmon.DeliveryState]time.Duration{
		dwmon.DeliverySent: w.keep.SentDeliveries, dwmon.DeliveryCollapsed: w.keep.SentDeliveries, dwmon.DeliveryDead: w.keep.DeadDeliveries,
	} {
		cut, ok := w.before(keep)
		if !ok {
			continue
		}
		n, err := w.db.inSteps(ctx, `DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries INDEXED BY deliveries_finished
			WHERE state <> 0 AND state = ? AND finished < ? LIMIT ?)`, int64(state), cut, stepRows)
		w.done.Deliveries += n
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *sweep) fetches(ctx context.Context) error {
	cut, ok := w.before(w.keep.Fetches)
	if !ok {
		return nil
	}
	n, err := w.db.inSteps(ctx, `DELETE FROM fetches WHERE id IN (SELECT id FROM fetches INDEXED BY fetches_started
		WHERE started < ? LIMIT ?)`, cut, stepRows)
	w.done.Fetches += n
	if err != nil {
		return err
	}
	return w.sweptThrough(ctx, metaFetchesFrom, cut)
}

// sweptThrough notes, in microseconds since the epoch, what a sweep has removed: a
// replay of the past must know from when on records are all there. A retention that is
// longer by now brings nothing back.
func (w *sweep) sweptThrough(ctx context.Context, name string, cut int64) error {
	return w.db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec(`INSERT INTO meta (name, value) VALUES (?1, ?2)
			ON CONFLICT (name) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`, name, decimal(cut))
		return err
	})
}

// purgedKeys removes purged keys that no fetch has returned for so long. The time
// is that of the checker's own fetches: while none succeeds, nothing is known of
// what the source would return.
func (w *sweep) purgedKeys(ctx context.Context) error {
	if w.keep.PurgedKeys <= 0 {
		return nil
	}
	cuts := map[int64]int64{}
	err := w.db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT id, fetched - ?1 FROM checkers c WHERE fetched IS NOT NULL AND EXISTS (
			SELECT 1 FROM seen INDEXED BY seen_purged WHERE checker_id = c.id AND purged < c.fetched - ?1)`, w.keep.PurgedKeys.Microseconds()) {
			if err != nil {
				return err
			}
			cuts[r.int(0)] = r.int(1)
		}
		return nil
	})
	for id, cut := range cuts {
		for n := int64(1); n > 0; {
			err := w.db.write(ctx, func(tx *Tx) (err error) {
				n, err = tx.exec(`DELETE FROM seen WHERE checker_id = ?1 AND key IN (
					SELECT key FROM seen INDEXED BY seen_purged WHERE checker_id = ?1 AND purged < ?2 LIMIT ?3)`, id, cut, stepRows)
				if n > 0 {
					tx.dropFilter(id)
				}
				return err
			})
			if err != nil {
				return err
			}
			w.done.Keys += n
		}
	}
	return err
}

// plugins removes what plugins said that nobody has asked for a long time.
func (w *sweep) plugins(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	_, err := w.db.inSteps(ctx, "DELETE FROM plugins_described WHERE used < ?", cut)
	return err
}

// Free pages are used again before the file grows, so only a file that is to a
// good part empty is cut back, and only a little at each sweep.
const (
	vacuumFloor = 1000 // free pages that are always left alone
	vacuumPages = 200  // given back in one commit
	vacuumSteps = 100  // in one sweep
)

func (w *sweep) vacuum(ctx context.Context) error {
	for range vacuumSteps {
		free, total, err := w.db.freePages(ctx)
		if err != nil || free < vacuumFloor || free < total/5 {
			return err
		}
		err = w.db.write(ctx, func(tx *Tx) error {
			for _, err := range tx.query("PRAGMA incremental_vacuum(" + decimal(vacuumPages) + ")") {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		left, _, err := w.db.freePages(ctx)
		if err != nil || left >= free {
			return err
		}
		w.done.Pages += free - left
	}
	return nil
}

func (db *DB) freePages(ctx context.Context) (free, total int64, err error) {
	err = db.read(ctx, func(c *conn) error {
		f, err := c.one("PRAGMA freelist_count")
		if err != nil {
			return err
		}
		t, err := c.one("PRAGMA page_count")
		if err != nil {
			return err
		}
		if f == nil || t == nil {
			return errors.New("SQLite gave no count of pages")
		}
		free, total = f.int(0), t.int(0)
		return nil
	})
	return free, total, err
}
