package sqlite

import (
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	insertVerdicts = `INSERT OR FAIL INTO verdicts (checker_id, evaluated_at, revision_id, fetch_id,
	minute, line_id, line_position, event_count, status, reason, catch_up, previous_status, consecutive_bad)`
	insertDeliveries = `INSERT OR FAIL INTO deliveries (checker_id, created, handler_id, minute, line_id, line_position)`
	updateStreak     = `UPDATE lines SET last_status = ?, last_minute = ?, since_minute = ?, settled_status = ?, consecutive_bad = ?,
	recent = ?, good_run = ?, unknown_run = ?, incident_id = ?, unknown_incident_id = ? WHERE id = ?`
)

// Recorded is dwmon.Tx's.
func (tx *Tx) Recorded(checkerID, from int64) (map[dwmon.RecordedKey]bool, error) {
	recorded := make(map[dwmon.RecordedKey]bool)
	for r, err := range tx.query("SELECT minute, line_id FROM verdicts WHERE checker_id = ? AND minute >= ?", checkerID, from) {
		if err != nil {
			return nil, err
		}
		recorded[dwmon.RecordedKey{Minute: r.int(0), LineID: r.int(1)}] = true
	}
	return recorded, nil
}

// Record is dwmon.Tx's. The fence is the primary key of the verdicts.
func (tx *Tx) Record(r dwmon.Record) error {
	p := r.Progress
	if len(r.Streaks) != len(p.Lines) {
		return tx.fail(fmt.Errorf("checker %s: a record has %d streaks for %d lines", p.Name, len(r.Streaks), len(p.Lines)))
	}
	if len(r.Verdicts) == 0 {
		return nil
	}
	if err := tx.addVerdicts(r); err != nil {
		return err
	}
	newest := r.Verdicts[0].Minute
	judged := make(map[int64]bool, len(p.Lines))
	for _, v := range r.Verdicts {
		newest = max(newest, v.Minute)
		judged[v.LineID] = true
	}
	for i, s := range r.Streaks {
		if !judged[p.Lines[i].ID] && s == p.Lines[i].Streak {
			continue
		}
		if _, err := tx.exec(updateStreak, int64(s.Last), s.LastMinute, s.Since, int64(s.Settled), s.ConsecutiveBad,
			int64(s.Recent), s.GoodRun, s.UnknownRun, s.Incident, s.UnknownIncident, p.Lines[i].ID); err != nil {
			return err
		}
	}
	err := tx.updateChecker(p.ID, "UPDATE checkers SET recorded = max(coalesce(recorded, ?1), ?1) WHERE id = ?2", newest, p.ID)
	if err != nil {
		return err
	}
	tx.amendRecorded(p, newest, r.Streaks)
	return nil
}

func (tx *Tx) addVerdicts(r dwmon.Record) error {
	l, err := tx.newList(insertVerdicts, 9, r.Progress.ID, r.EvaluatedAt, r.Progress.RevisionID, r.FetchID)
	if err != nil {
		return err
	}
	for _, v := range r.Verdicts {
		var reason any
		if v.Reason != "" {
			reason = string(v.Reason)
		}
		err = l.add(v.Minute, v.LineID, int64(v.LineIndex), v.Count, int64(v.Status), reason, boolean(v.CatchUp), int64(v.Previous), v.ConsecutiveBad)
		if err != nil {
			break
		}
	}
	if err == nil {
		err = l.flush()
	}
	if isDuplicate(err) {
		err = fmt.Errorf("checker %s: %w", r.Progress.Name, dwmon.ErrRecorded)
		tx.failed = err
	}
	return err
}

// amendRecorded makes memory follow. The lines in use may be others by the time
// the cache has them, so they are found by id.
func (tx *Tx) amendRecorded(p *dwmon.Progress, newest int64, streaks []dwmon.Streak) {
	streakOf := make(map[int64]dwmon.Streak, len(streaks))
	for i, s := range streaks {
		streakOf[p.Lines[i].ID] = s
	}
	tx.amend(p.ID, func(p *dwmon.Progress) {
		if p.Recorded == nil || *p.Recorded < newest {
			p.Recorded = &newest
		}
		for i := range p.Lines {
			if s, ok := streakOf[p.Lines[i].ID]; ok {
				p.Lines[i].Streak = s
			}
		}
	})
}

// Enqueue is dwmon.Tx's.
func (tx *Tx) Enqueue(checkerID int64, tellings []dwmon.Telling) error {
	if len(tellings) == 0 {
		return nil
	}
	l, err := tx.newList(insertDeliveries, 4, checkerID, tx.db.now())
	if err != nil {
		return err
	}
	ids := make(map[string]int64)
	for _, t := range tellings {
		id, ok := ids[t.Handler]
		if !ok {
			if id, err = tx.handlerID(t.Handler); err != nil {
				return err
			}
			ids[t.Handler] = id
		}
		if err := l.add(id, t.Minute, t.LineID, int64(t.LineIndex)); err != nil {
			return err
		}
	}
	return l.flush()
}

// handlerID gives the id of a handler's name, which is stored if it never was.
func (tx *Tx) handlerID(name string) (int64, error) {
	r, err := tx.one("SELECT id FROM handlers WHERE name = ?", name)
	if err != nil {
		return 0, err
	}
	if r != nil {
		return r.int(0), nil
	}
	return tx.insert("INSERT INTO handlers (name) VALUES (?)", name)
}
