package sqlite

import (
	"encoding/json"
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Kinds of spans.
const (
	spanOff    = "off"
	spanMissed = "missed"
	spanHole   = "hole"
)

// Sight is dwmon.Tx's.
func (tx *Tx) Sight(s dwmon.Sighting) (*dwmon.Progress, error) {
	if s.Checker == nil || len(s.Owes) != len(s.Checker.Lines) {
		return nil, tx.fail(fmt.Errorf("a sighting must have a checker and one OwesAfter for each of its lines"))
	}
	name := s.Checker.Name
	tx.dirty(name)
	if s.New {
		if err := tx.addChecker(name, s.Minute); err != nil {
			return nil, err
		}
	}
	before, err := loadProgress(tx.conn, name)
	if err != nil {
		return nil, tx.fail(err)
	}
	if before.ID == 0 {
		return nil, tx.fail(fmt.Errorf("checker %s: it is not known to the store", name))
	}
	if err := tx.addGaps(before, s.Gaps); err != nil {
		return nil, err
	}
	if err := tx.sightChecker(before, s); err != nil {
		return nil, err
	}
	if err := tx.sightLines(before.ID, s); err != nil {
		return nil, err
	}
	if err := tx.closeChanged(before.ID, s.Minute); err != nil {
		return nil, err
	}
	after, err := loadProgress(tx.conn, name)
	return after, tx.fail(err)
}

func (tx *Tx) addChecker(name string, minute int64) error {
	n, err := tx.exec("INSERT INTO checkers (name, origin) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, minute)
	if err == nil && n == 0 {
		return tx.fail(fmt.Errorf("checker %s: another writer has just seen it for the first time; the pass is made again", name))
	}
	return err
}

// sightChecker writes what belongs to the checker as a whole: the text in use,
// the end of its off span, that its file is there.
func (tx *Tx) sightChecker(before *dwmon.Progress, s dwmon.Sighting) error {
	revision, err := tx.addRevision(before.ID, s)
	if err != nil {
		return err
	}
	if s.Returned && before.Off != nil {
		if err := tx.addSpan(before.ID, spanOff, dwmon.Span{From: before.Off.Since, Until: s.Minute}, string(before.Off.Reason)); err != nil {
			return err
		}
	}
	off := before.Off
	if s.Returned {
		off = nil
	}
	var since *int64
	var reason *string
	if off != nil {
		text := string(off.Reason)
		since, reason = &off.Since, &text
	}
	settled := before.Settled
	if s.Settled != nil {
		settled = s.Settled
	}
	_, err = tx.exec(`UPDATE checkers SET revision_id = ?, settled = ?, off_since = ?, off_reason = ? WHERE id = ?`,
		revision, settled, since, reason, before.ID)
	return err
}

// addRevision gives the id of the text in use, which is stored if it never was.
func (tx *Tx) addRevision(checkerID int64, s dwmon.Sighting) (int64, error) {
	c := s.Checker
	r, err := tx.one(`INSERT INTO queries (checker_id, sha256) VALUES (?, ?)
		ON CONFLICT (checker_id, sha256) DO UPDATE SET sha256 = excluded.sha256 RETURNING id`, checkerID, c.QueryRevision())
	if err != nil {
		return 0, err
	}
	queryID := r.int(0)
	labels := c.Options.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	text, err := json.Marshal(labels)
	if err != nil {
		return 0, tx.fail(err)
	}
	r, err = tx.one(`INSERT INTO revisions (checker_id, sha256, time_zone, query_id, file, text, source, owner, labels, extra, first_minute)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (checker_id, sha256, time_zone) DO UPDATE SET file = excluded.file RETURNING id`,
		checkerID, c.Revision, s.Zone, queryID, c.File, bytesOrEmpty(c.Text), c.ShownSource(), c.Options.Owner, string(text), bytesOrEmpty(c.Extra), s.Minute)
	if err != nil {
		return 0, err
	}
	return r.int(0), nil
}

// bytesOrEmpty keeps nil from becoming NULL.
func bytesOrEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// sightLines makes the file's lines those in use. A line that leaves the text
// keeps its row, and with it its streak, for the day it returns.
func (tx *Tx) sightLines(checkerID int64, s dwmon.Sighting) error {
	if _, err := tx.exec("UPDATE lines SET position = NULL WHERE checker_id = ? AND position IS NOT NULL", checkerID); err != nil {
		return err
	}
	for i, l := range s.Checker.Lines {
		var owes *int64
		if s.Owes[i] != dwmon.OwesAll {
			owes = &s.Owes[i]
		}
		_, err := tx.exec(`INSERT INTO lines (checker_id, identity, position, file_line, hours, minutes, days, min_required, max_allowed, lookback, half_open, owes_after)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (checker_id, identity) DO UPDATE SET position = excluded.position, file_line = excluded.file_line, owes_after = excluded.owes_after`,
			checkerID, l.Identity(), i, l.FileLine, int64(l.Hours), int64(l.Minutes), int64(l.Days), l.Min.Ptr(), l.Max.Ptr(), l.Lookback, l.HalfOpen, owes)
		if err != nil {
			return err
		}
	}
	return nil
}

// addGaps stores gaps whose Line is an index into p's lines.
func (tx *Tx) addGaps(p *dwmon.Progress, gaps []dwmon.Gap) error {
	for _, g := range gaps {
		if g.Line < 0 || g.Line >= len(p.Lines) {
			return tx.fail(fmt.Errorf("checker %s: a gap names line %d of %d", p.Name, g.Line, len(p.Lines)))
		}
		_, err := tx.exec(`INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			p.ID, p.Lines[g.Line].ID, g.Line, g.From, g.To, g.Minutes, string(g.Reason))
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) addSpan(checkerID int64, kind string, s dwmon.Span, reason string) error {
	_, err := tx.exec("INSERT INTO spans (checker_id, kind, from_time, until_time, reason) VALUES (?, ?, ?, ?, ?)", checkerID, kind, s.From, s.Until, reason)
	return err
}

// StillAt is dwmon.Tx's.
func (tx *Tx) StillAt(checkerID int64, settled *int64) error {
	r, err := tx.one("SELECT 1 FROM checkers WHERE id = ? AND settled IS ? AND off_since IS NULL", checkerID, settled)
	if err != nil || r != nil {
		return err
	}
	return tx.fail(fmt.Errorf("checker with id %d: %w", checkerID, dwmon.ErrMoved))
}

// Settle is dwmon.Tx's.
func (tx *Tx) Settle(p *dwmon.Progress, settled int64, gaps []dwmon.Gap) error {
	if err := tx.addGaps(p, gaps); err != nil {
		return err
	}
	if err := tx.updateChecker(p.ID, "UPDATE checkers SET settled = ? WHERE id = ?", settled, p.ID); err != nil {
		return err
	}
	if p.Settled != nil && settled < *p.Settled { // it comes by verdicts again, which have to be read
		tx.dirty(p.Name)
	} else {
		tx.amend(p.ID, func(p *dwmon.Progress) { p.SettleAt(settled) })
	}
	return nil
}

// updateChecker runs an UPDATE of one checker, which must be there: it may have
// been forgotten during its pass.
func (tx *Tx) updateChecker(checkerID int64, query string, args ...any) error {
	n, err := tx.exec(query, args...)
	if err == nil && n == 0 {
		return tx.fail(unknownChecker(checkerID))
	}
	return err
}

func unknownChecker(id int64) error {
	return fmt.Errorf("checker with id %d: it is not known to the store; was it forgotten during its pass?", id)
}

// Missed is dwmon.Tx's.
func (tx *Tx) Missed(checkerID, after int64) ([]dwmon.Span, error) {
	var spans []dwmon.Span
	for r, err := range tx.query(`SELECT from_time, until_time FROM spans
		WHERE checker_id = ? AND kind = ? AND until_time >= ? ORDER BY from_time, id`, checkerID, spanMissed, after) {
		if err != nil {
			return nil, err
		}
		spans = append(spans, dwmon.Span{From: r.int(0), Until: r.int(1)})
	}
	return spans, nil
}

// AddMissed is dwmon.Tx's.
func (tx *Tx) AddMissed(checkerID int64, s dwmon.Span) error {
	return tx.addSpan(checkerID, spanMissed, s, "")
}
