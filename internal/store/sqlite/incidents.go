package sqlite

import (
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// OpenIncident is dwmon.Tx's.
func (tx *Tx) OpenIncident(i dwmon.Incident) (int64, error) {
	return tx.insert(`INSERT INTO incidents (subject, checker_id, line_id, source, opened, opened_at, catch_up, cause, checkers)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(i.Subject), idOrNull(i.CheckerID), idOrNull(i.LineID), i.Source, i.Opened, i.OpenedAt, boolean(i.CatchUp), i.Cause, i.Checkers)
}

func idOrNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// CloseIncident is dwmon.Tx's.
func (tx *Tx) CloseIncident(id, closed, closedAt int64, end dwmon.IncidentEnd) error {
	n, err := tx.exec("UPDATE incidents SET closed = ?, closed_at = ?, ended = ? WHERE id = ? AND closed IS NULL", closed, closedAt, string(end), id)
	if err == nil && n == 0 {
		err = tx.fail(fmt.Errorf("incident %d is not open, and cannot be closed", id))
	}
	return err
}

// AddCatchUp is dwmon.Tx's.
func (tx *Tx) AddCatchUp(c dwmon.CatchUp) error {
	_, err := tx.exec("INSERT INTO catch_ups (checker_id, from_minute, to_minute, checks, bad, unknown, last_bad, down) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		c.CheckerID, c.From, c.To, c.Checks, c.Bad, c.Unknown, c.LastBad, c.Down)
	return err
}

// closeChanged closes the incidents of lines that are not in the text any more.
func (tx *Tx) closeChanged(checkerID, minute int64) error {
	return tx.closeLines("checker_id = ?1 AND position IS NULL", checkerID, minute, dwmon.EndLineChanged)
}

// closeOff closes every incident of a checker that owes nothing from a minute on.
func (tx *Tx) closeOff(checkerID, minute int64) error {
	if err := tx.closeLines("checker_id = ?1", checkerID, minute, dwmon.EndOff); err != nil {
		return err
	}
	_, err := tx.exec("UPDATE incidents SET closed = max(opened, ?), closed_at = ?, ended = ? WHERE checker_id = ? AND line_id IS NULL AND closed IS NULL",
		minute, tx.db.now(), string(dwmon.EndOff), checkerID)
	return err
}

// closeLines closes the incidents of some lines, and lets each of them begin anew:
// verdicts of before do not help to open the next incident, whether or not there was one.
func (tx *Tx) closeLines(condition string, checkerID, minute int64, end dwmon.IncidentEnd) error {
	_, err := tx.exec(`UPDATE incidents SET closed = max(opened, ?2), closed_at = ?3, ended = ?4 WHERE closed IS NULL AND id IN (
		SELECT incident_id FROM lines WHERE `+condition+` UNION SELECT unknown_incident_id FROM lines WHERE `+condition+`)`,
		checkerID, minute, tx.db.now(), string(end))
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE lines SET recent = 0, good_run = 0, unknown_run = 0, incident_id = 0, unknown_incident_id = 0 WHERE "+condition+
		" AND (recent, good_run, unknown_run, incident_id, unknown_incident_id) <> (0, 0, 0, 0, 0)", checkerID)
	return err
}

// closeForgotten tells the handlers that know of an open incident of a checker
// that is about to be forgotten: its own lane goes with it.
func (tx *Tx) closeForgotten(checkerID int64, name string) error {
	inst, err := installation(tx.conn)
	if err != nil {
		return tx.fail(err)
	}
	now := tx.db.now()
	second := floorSeconds(now)
	var told []dwmon.NoticeDelivery
	for r, err := range tx.query(`SELECT `+incidentColumns+`, h.name FROM incidents i
		JOIN announcements a ON a.incident_id = i.id AND a.told > 0 AND a.ended = 0 JOIN handlers h ON h.id = a.handler_id
		WHERE i.checker_id = ? AND i.finished = 0 ORDER BY i.id`, checkerID) {
		if err != nil {
			return err
		}
		i := readIncident(r)
		told = append(told, dwmon.NoticeDelivery{Handler: r.text(20), Notice: dwmon.Notice{
			Kind: dwmon.NoticeRecovered, Summary: "CLOSED " + name + ": the checker was forgotten", Created: second,
			Incident: &dwmon.IncidentView{
				ID: dwmon.IncidentKey(inst, i.ID), Subject: i.Subject, Cause: "the checker " + name + " was forgotten", Opened: i.Opened,
				Closed: &second, End: dwmon.EndForgotten,
			},
		}})
	}
	for i := range told {
		if err := tx.tell(&told[i]); err != nil {
			return err
		}
	}
	return nil
}
