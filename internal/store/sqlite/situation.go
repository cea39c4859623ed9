package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// incidentColumns are those that readIncident reads; the table is i. Names are looked
// up one by one: a join would scan their tables while a connection still holds the
// planner's statistics of a time when they were almost empty.
const incidentColumns = `i.id, i.subject, i.checker_id, (SELECT c.name FROM checkers c WHERE c.id = i.checker_id), i.line_id,
	coalesce((SELECT l.position FROM lines l WHERE l.id = i.line_id), 0), (SELECT l.identity FROM lines l WHERE l.id = i.line_id), i.source,
	i.opened, i.opened_at, i.catch_up, i.cause, i.checkers, i.closed, i.closed_at, i.ended, i.ack_by, i.ack_comment, i.ack_at, i.ack_until`

// lagColumn is FetchState.Lag of a checker c.
const lagColumn = "max(coalesce(c.fetched - c.fetched_reach, 0), 0)"

func readIncident(r row) dwmon.Incident {
	i := dwmon.Incident{
		ID: r.int(0), Subject: dwmon.Subject(r.text(1)), CheckerID: r.int(2), Checker: r.text(3), LineID: r.int(4), LineIndex: int(r.int(5)),
		Requirement: r.text(6), Source: r.text(7), Opened: r.int(8), OpenedAt: r.int(9), CatchUp: r.bool(10), Cause: r.text(11), Checkers: r.int(12),
		Closed: r.intp(13), ClosedAt: r.int(14), End: dwmon.IncidentEnd(r.text(15)),
	}
	if !r.null(18) {
		i.Ack = &dwmon.Ack{By: r.text(16), Comment: r.text(17), At: r.int(18), Until: r.int(19)}
	}
	return i
}

// Situation gives what notices are made from.
func (db *DB) Situation(ctx context.Context) (s dwmon.Situation, err error) {
	err = db.read(ctx, func(c *conn) error {
		if s.Incidents, err = liveIncidents(c); err != nil {
			return err
		}
		if s.CatchUps, err = catchUps(c); err != nil {
			return err
		}
		s.Corrections, err = untoldCorrections(c)
		return err
	})
	return s, err
}

func liveIncidents(c *conn) ([]dwmon.IncidentState, error) {
	var states []dwmon.IncidentState
	at := map[int64]int{}
	for r, err := range c.query(`SELECT ` + incidentColumns + `, (SELECT c.settled FROM checkers c WHERE c.id = i.checker_id),
		i.catch_up = 0 OR EXISTS (SELECT 1 FROM verdicts v WHERE v.checker_id = i.checker_id AND v.line_id = i.line_id
			AND v.minute > i.opened AND v.minute <= coalesce(i.closed, 9223372036854775807) AND v.status = CASE i.subject WHEN 'checker' THEN 3 ELSE 2 END AND v.catch_up = 0),
		(SELECT ` + lagColumn + ` FROM checkers c WHERE c.id = i.checker_id)
		FROM incidents i INDEXED BY incidents_live WHERE i.finished = 0 ORDER BY i.id`) {
		if err != nil {
			return nil, err
		}
		at[r.int(0)] = len(states)
		states = append(states, dwmon.IncidentState{Incident: readIncident(r), Told: map[string]dwmon.Announcement{}, Settled: r.intp(20), InTime: r.bool(21), Lag: r.int(22)})
	}
	for r, err := range c.query(`SELECT a.incident_id, (SELECT h.name FROM handlers h WHERE h.id = a.handler_id), a.told, a.told_at, a.ended
		FROM incidents i INDEXED BY incidents_live CROSS JOIN announcements a WHERE a.incident_id = i.id AND i.finished = 0`) {
		if err != nil {
			return nil, err
		}
		states[at[r.int(0)]].Told[r.text(1)] = dwmon.Announcement{Told: int(r.int(2)), At: r.int(3), Ended: r.bool(4)}
	}
	return states, nil
}

func catchUps(c *conn) (all []dwmon.CatchUp, err error) {
	for r, err := range c.query(`SELECT u.id, u.checker_id, c.name, u.from_minute, u.to_minute, u.checks, u.bad, u.unknown, u.last_bad, c.settled, ` + lagColumn + `, u.down
		FROM catch_ups u CROSS JOIN checkers c WHERE c.id = u.checker_id ORDER BY u.id`) {
		if err != nil {
			return nil, err
		}
		all = append(all, dwmon.CatchUp{
			ID: r.int(0), CheckerID: r.int(1), Checker: r.text(2), From: r.int(3), To: r.int(4),
			Checks: r.int(5), Bad: r.int(6), Unknown: r.int(7), LastBad: r.int(8), Settled: r.intp(9), Lag: r.int(10), Down: r.text(11),
		})
	}
	return all, nil
}

// FetchStates gives how the fetches of each checker fare that owes something.
func (db *DB) FetchStates(ctx context.Context) (states []dwmon.FetchState, err error) {
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT id, name, settled, fetched, fail_since, fail_next, fail_count, fail_fault, fail_cause, fail_tried, ` + lagColumn + `
			FROM checkers c WHERE off_since IS NULL ORDER BY name`) {
			if err != nil {
				return err
			}
			s := dwmon.FetchState{CheckerID: r.int(0), Checker: r.text(1), Settled: r.intp(2), Fetched: r.intp(3), Lag: r.int(10)}
			if !r.null(4) {
				s.Failing = &dwmon.Failing{Since: r.int(4), Next: r.int(5), Count: r.int(6), Fault: parseFault(r.text(7)), Cause: r.text(8), Tried: r.int(9)}
			}
			states = append(states, s)
		}
		return nil
	})
	return states, err
}

// ChangeIncidents opens and closes incidents that no verdict decides about. One
// that is closed already stays as it is.
func (db *DB) ChangeIncidents(ctx context.Context, opens []dwmon.Incident, closings []dwmon.Closing) error {
	return db.write(ctx, func(tx *Tx) error {
		for _, i := range opens {
			if _, err := tx.OpenIncident(i); err != nil {
				return err
			}
		}
		for _, c := range closings {
			_, err := tx.exec("UPDATE incidents SET closed = max(opened, ?), closed_at = ?, ended = ? WHERE id = ? AND closed IS NULL", c.Closed, c.At, string(c.End), c.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Tell stores notices with what they settle, all of it or nothing. The fence: what
// a handler was told of an incident must be what the marks say; else dwmon.ErrTold.
func (db *DB) Tell(ctx context.Context, t dwmon.Tellings) error {
	return db.write(ctx, func(tx *Tx) error {
		for i := range t.Deliveries {
			if err := tx.tell(&t.Deliveries[i]); err != nil {
				return err
			}
		}
		if _, err := tx.exec("UPDATE incidents SET finished = 1 WHERE id IN (SELECT value FROM json_each(?))", idList(t.Finished)); err != nil {
			return err
		}
		if _, err := tx.exec("DELETE FROM catch_ups WHERE id IN (SELECT value FROM json_each(?))", idList(t.CatchUps)); err != nil {
			return err
		}
		return tx.correctedThrough(t.CorrectedThrough)
	})
}

func (tx *Tx) tell(d *dwmon.NoticeDelivery) error {
	handlerID, err := tx.handlerID(d.Handler)
	if err != nil {
		return err
	}
	text, err := json.Marshal(payload{Kind: string(d.Notice.Kind), Notice: &d.Notice})
	if err != nil {
		return tx.fail(err)
	}
	var minute, line, index *int64
	if position := int64(d.LineIndex); d.LineID != 0 {
		minute, line, index = &d.Minute, &d.LineID, &position
	}
	_, err = tx.exec("INSERT INTO deliveries (checker_id, created, handler_id, minute, line_id, line_position, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
		idOrNull(d.CheckerID), tx.db.now(), handlerID, minute, line, index, text)
	if err != nil {
		return err
	}
	return tx.mark(d.Handler, d.Marks)
}

func (tx *Tx) mark(handler string, marks []dwmon.Mark) error {
	handlerID, err := tx.handlerID(handler)
	if err != nil {
		return err
	}
	for _, m := range marks {
		var n int64
		if m.Before == (dwmon.Announcement{}) {
			n, err = tx.exec(`INSERT INTO announcements (incident_id, handler_id, told, told_at, ended) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (incident_id, handler_id) DO NOTHING`, m.Incident, handlerID, m.After.Told, m.After.At, m.After.Ended)
		} else {
			n, err = tx.exec("UPDATE announcements SET told = ?, told_at = ?, ended = ? WHERE incident_id = ? AND handler_id = ? AND told = ? AND ended = ?",
				m.After.Told, m.After.At, m.After.Ended, m.Incident, handlerID, m.Before.Told, m.Before.Ended)
		}
		if err == nil && n == 0 {
			err = tx.fail(fmt.Errorf("incident %d, handler %s: %w", m.Incident, handler, dwmon.ErrTold))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// correctionsAtOnce bounds what one look at the situation holds.
const correctionsAtOnce = 1000

func untoldCorrections(c *conn) ([]dwmon.Correction, error) {
	r, err := c.one("SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?", metaCorrected)
	if err != nil {
		return nil, err
	}
	var after int64
	if r != nil {
		after = r.int(0)
	}
	return loadCorrections(c, after, correctionsAtOnce)
}

// metaCorrected names the id of the last correction that was told.
const metaCorrected = "corrections_told"

func (tx *Tx) correctedThrough(id int64) error {
	if id == 0 {
		return nil
	}
	_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", metaCorrected, strconv.FormatInt(id, 10))
	return err
}

// Incidents gives incidents as they are shown, oldest first: those that last, and
// with ended those that are over too, of one checker or of all. limit is how many
// of the newest are given; 0: all.
func (db *DB) Incidents(ctx context.Context, checker string, ended bool, limit int) (incidents []dwmon.Incident, err error) {
	where := " WHERE 1"
	var args []any
	if checker != "" {
		where, args = where+" AND i.checker_id = (SELECT id FROM checkers WHERE name = ?)", append(args, checker)
	}
	if !ended {
		where += " AND i.finished = 0 AND i.closed IS NULL"
	}
	if limit == 0 {
		limit = -1
	}
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT "+incidentColumns+" FROM incidents i"+where+" ORDER BY i.id DESC LIMIT ?", append(args, limit)...) {
			if err != nil {
				return err
			}
			incidents = append(incidents, readIncident(r))
		}
		return nil
	})
	slices.Reverse(incidents)
	return incidents, err
}
