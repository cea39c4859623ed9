package sqlite

import (
	"context"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const week = 7 * 24 * 3600

// LineEvidence gives what notices tell of a line at a minute.
func (db *DB) LineEvidence(ctx context.Context, q dwmon.LineQuery) (e dwmon.LineEvidence, err error) {
	err = db.read(ctx, func(c *conn) error {
		name, err := c.one("SELECT name FROM checkers WHERE id = ?", q.CheckerID)
		if err != nil || name == nil {
			return err
		}
		if e.Result, err = lineResult(c, name.text(0), q, q.Minute); err != nil {
			return err
		}
		if q.Since != q.Minute {
			if e.Opening, err = lineResult(c, name.text(0), q, q.Since); err != nil {
				return err
			}
		}
		r, err := c.one("SELECT count(*), coalesce(sum(status <> 1), 0) FROM verdicts WHERE checker_id = ? AND minute >= ? AND minute <= ? AND line_id = ?",
			q.CheckerID, q.Since, q.Minute, q.LineID)
		if err != nil {
			return err
		}
		e.Checks, e.Bad = r.int(0), r.int(1)
		if e.Windows, err = lastWindows(c, q); err != nil {
			return err
		}
		if e.Former, err = formerCounts(c, q); err != nil {
			return err
		}
		e.Newest, e.Oldest, err = windowKeys(c, q)
		return err
	})
	return e, err
}

// lineResult is the line's result at a minute, else the last before it.
func lineResult(c *conn, checker string, q dwmon.LineQuery, minute int64) (*dwmon.Result, error) {
	r, err := c.one("SELECT "+verdictColumns+" FROM verdicts v WHERE v.checker_id = ? AND v.minute <= ? AND v.line_id = ? ORDER BY v.minute DESC LIMIT 1",
		q.CheckerID, minute, q.LineID)
	if err != nil || r == nil {
		return nil, err
	}
	result, _, err := newRebuild().result(c, checker, r, 0)
	return &result, err
}

// windowsWithin is how far back windows are looked for: GOOD results of a line that
// is checked once a week go after a month.
const windowsWithin = 400 * 24 * 3600

func lastWindows(c *conn, q dwmon.LineQuery) (windows []dwmon.NoticeWindow, err error) {
	for r, err := range c.query("SELECT minute, event_count, status FROM verdicts WHERE checker_id = ? AND minute <= ? AND minute > ? AND line_id = ? ORDER BY minute DESC LIMIT ?",
		q.CheckerID, q.Minute, q.Minute-windowsWithin, q.LineID, q.Windows) {
		if err != nil {
			return nil, err
		}
		windows = append(windows, dwmon.NoticeWindow{Minute: r.int(0), Count: r.int(1), Status: dwmon.Status(r.int(2))})
	}
	slices.Reverse(windows)
	return windows, nil
}

// formerCounts counts the same window in former weeks, as far back as rows reach.
func formerCounts(c *conn, q dwmon.LineQuery) ([]int64, error) {
	r, err := c.one("SELECT min(ts) FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts IS NOT NULL", q.CheckerID)
	if err != nil || r.null(0) {
		return nil, err
	}
	var windows []dwmon.Window
	for n := range q.Former {
		w := q.Requirement.Window(q.Minute - int64(n+1)*week)
		if w.From < r.int(0) {
			break
		}
		windows = append(windows, w)
	}
	return countWindows(c, q.CheckerID, windows)
}

func windowKeys(c *conn, q dwmon.LineQuery) (newest, oldest [][]byte, err error) {
	if q.Keys == 0 {
		return nil, nil, nil
	}
	w := q.Requirement.Window(q.Minute)
	read := func(order string) (keys [][]byte, err error) {
		for r, err := range c.query("SELECT key FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts >= ? AND ts < ? ORDER BY ts "+order+" LIMIT ?",
			q.CheckerID, w.From, w.Until, q.Keys) {
			if err != nil {
				return nil, err
			}
			keys = append(keys, slices.Clone(r.blob(0)))
		}
		return keys, nil
	}
	if newest, err = read("DESC"); err != nil {
		return nil, nil, err
	}
	if oldest, err = read("ASC"); err != nil {
		return nil, nil, err
	}
	oldest = slices.DeleteFunc(oldest, func(k []byte) bool {
		return slices.ContainsFunc(newest, func(n []byte) bool { return string(n) == string(k) })
	})
	return newest, oldest, nil
}
