package sqlite

import (
	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	selectHoles = `SELECT from_time, until_time FROM spans
	WHERE checker_id = ? AND kind = 'hole' AND until_time >= ? ORDER BY until_time`
	selectHoleUntil = `SELECT max(until_time) FROM spans WHERE checker_id = ? AND kind = 'hole'`
)

// Holes is dwmon.Tx's.
func (tx *Tx) Holes(checkerID, after int64) ([]dwmon.Span, error) {
	var holes []dwmon.Span
	for r, err := range tx.query(selectHoles, checkerID, after) {
		if err != nil {
			return nil, err
		}
		holes = append(holes, dwmon.Span{From: r.int(0), Until: r.int(1)})
	}
	return holes, nil
}

// AddHole is dwmon.Tx's.
func (tx *Tx) AddHole(checkerID int64, s dwmon.Span) error {
	near, err := tx.Holes(checkerID, s.From-1)
	if err != nil {
		return err
	}
	for _, h := range near {
		if h.From <= s.Until+1 {
			s = dwmon.Span{From: min(s.From, h.From), Until: max(s.Until, h.Until)}
		}
	}
	_, err = tx.exec("DELETE FROM spans WHERE checker_id = ? AND kind = 'hole' AND until_time >= ? AND from_time <= ?", checkerID, s.From, s.Until)
	if err != nil {
		return err
	}
	if err := tx.addSpan(checkerID, spanHole, s, ""); err != nil {
		return err
	}
	return tx.amendHoles(checkerID)
}

// FillHoles is dwmon.Tx's.
func (tx *Tx) FillHoles(checkerID, from int64) error {
	if _, err := tx.exec("DELETE FROM spans WHERE checker_id = ? AND kind = 'hole' AND until_time >= ?2 AND from_time >= ?2", checkerID, from); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE spans SET until_time = ?2 - 1 WHERE checker_id = ?1 AND kind = 'hole' AND until_time >= ?2", checkerID, from); err != nil {
		return err
	}
	return tx.amendHoles(checkerID)
}

// amendHoles makes memory follow.
func (tx *Tx) amendHoles(checkerID int64) error {
	r, err := tx.one(selectHoleUntil, checkerID)
	if err != nil {
		return err
	}
	until := r.intp(0)
	tx.amend(checkerID, func(p *dwmon.Progress) { p.HoleUntil = until })
	return nil
}
