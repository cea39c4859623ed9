package sqlite

import (
	"context"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	selectLows = `SELECT v.minute, v.line_id, v.line_position, v.revision_id, v.event_count,
	l.hours, l.minutes, l.days, l.min_required, l.max_allowed, l.lookback, l.half_open
	FROM verdicts v INDEXED BY verdicts_low JOIN lines l ON l.id = v.line_id
	WHERE v.checker_id = ?1 AND v.status = 2 AND v.reason = 'low' AND v.minute > ?2 AND v.grp = x'' AND v.evaluated_at >= ?3
	AND NOT EXISTS (SELECT 1 FROM corrections c WHERE c.checker_id = ?1 AND c.minute = v.minute AND c.line_id = v.line_id)
	ORDER BY v.minute, v.line_position, v.line_id`
	insertCorrections = `INSERT INTO corrections (checker_id, minute, line_id, line_position, count_before, count_after,
	status_after, reason_after, corrected_at, revision_id)`
	correctionColumns = `k.id, k.minute, k.line_id, k.line_position, k.count_before, k.count_after, k.status_after, k.reason_after, k.corrected_at, k.revision_id`
	selectCorrections = `SELECT ` + correctionColumns + `, c.name, l.identity
	FROM corrections k JOIN checkers c ON c.id = k.checker_id LEFT JOIN lines l ON l.id = k.line_id
	WHERE k.id > ? ORDER BY k.id LIMIT ?`
	selectCorrection = `SELECT ` + correctionColumns + ` FROM corrections k WHERE k.checker_id = ? AND k.minute = ? AND k.line_id = ?`
)

// Lows is dwmon.Tx's.
func (tx *Tx) Lows(checkerID, after, evaluated int64) ([]dwmon.LowVerdict, error) {
	var lows []dwmon.LowVerdict
	for r, err := range tx.query(selectLows, checkerID, after, evaluated) {
		if err != nil {
			return nil, err
		}
		lows = append(lows, dwmon.LowVerdict{
			Minute: r.int(0), LineID: r.int(1), LineIndex: int(r.int(2)), RevisionID: r.int(3), Count: r.int(4),
			Requirement: dwmon.Requirement{
				Hours: dwmon.HourSet(r.int(5)), Minutes: dwmon.MinuteSet(r.int(6)), Days: dwmon.DaySet(r.int(7)),
				Min: bound(r.intp(8)), Max: bound(r.intp(9)), Lookback: r.int(10), HalfOpen: r.bool(11),
			},
		})
	}
	return lows, nil
}

// Correct is dwmon.Tx's.
func (tx *Tx) Correct(checkerID int64, corrections []dwmon.Correction) error {
	l, err := tx.newList(insertCorrections, 9, checkerID)
	if err != nil {
		return err
	}
	for _, c := range corrections {
		var reason any
		if c.Reason != "" {
			reason = string(c.Reason)
		}
		if err := l.add(c.Minute, c.LineID, int64(c.LineIndex), c.CountBefore, c.CountAfter, int64(c.Status), reason, c.At, c.RevisionID); err != nil {
			return err
		}
	}
	return l.flush()
}

// Corrections is dwmon.Store's.
func (db *DB) Corrections(ctx context.Context, after int64, limit int) (corrections []dwmon.Correction, err error) {
	if limit <= 0 {
		limit = -1
	}
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(selectCorrections, after, limit) {
			if err != nil {
				return err
			}
			k := readCorrection(r)
			k.CheckerName, k.Requirement = r.text(10), r.text(11)
			corrections = append(corrections, k)
		}
		return nil
	})
	return corrections, err
}

// readCorrection reads correctionColumns.
func readCorrection(r row) dwmon.Correction {
	return dwmon.Correction{
		ID: r.int(0), Minute: r.int(1), LineID: r.int(2), LineIndex: int(r.int(3)), CountBefore: r.int(4), CountAfter: r.int(5),
		Status: dwmon.Status(r.int(6)), Reason: dwmon.Reason(r.text(7)), At: r.int(8), RevisionID: r.int(9),
	}
}

// correct adds to a result what late rows have made of it. Only results that were
// low are looked up.
func correct(c *conn, checkerID, lineID int64, result *dwmon.Result) error {
	if result.Status != dwmon.Bad || result.Reason != dwmon.Low {
		return nil
	}
	r, err := c.one(selectCorrection, checkerID, result.Minute, lineID)
	if err != nil || r == nil {
		return err
	}
	k := readCorrection(r)
	k.CheckerName, k.Requirement = result.CheckerName, result.Requirement
	result.Corrected = &k
	return nil
}
