package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// ErrNameTaken says that a checker cannot be renamed because there is one of the
// new name.
var ErrNameTaken = errors.New("there is a checker of that name already")

// change runs fn on what is known of a checker, which must have been seen: the
// error is dwmon.ErrNoChecker.
func (db *DB) change(ctx context.Context, name string, fn func(tx *Tx, p *dwmon.Progress) error) error {
	return db.write(ctx, func(tx *Tx) error {
		p, err := loadProgress(tx.conn, name)
		if err == nil && p.ID == 0 {
			err = fmt.Errorf("checker %s: %w", name, dwmon.ErrNoChecker)
		}
		if err != nil {
			return err
		}
		tx.dirty(name)
		return fn(tx, p)
	})
}

// MarkMissing notes the first slot (a minute) at which a checker's file was not
// there. A mark that is there already stays.
func (db *DB) MarkMissing(ctx context.Context, name string, slot int64) error {
	return db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error {
		_, err := tx.exec("UPDATE checkers SET missing_since = coalesce(missing_since, ?) WHERE id = ?", slot, p.ID)
		return err
	})
}

// ClearMissing notes that a checker's file is there.
func (db *DB) ClearMissing(ctx context.Context, name string) error {
	return db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error {
		_, err := tx.exec("UPDATE checkers SET missing_since = NULL WHERE id = ?", p.ID)
		return err
	})
}

// SwitchOff lets a checker owe nothing from a slot (a minute) on. One that is off
// already stays so from when it was; only the reason changes.
func (db *DB) SwitchOff(ctx context.Context, name string, slot int64, reason dwmon.OffReason) error {
	return db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error {
		_, err := tx.exec("UPDATE checkers SET off_since = coalesce(off_since, ?), off_reason = ? WHERE id = ?", slot, string(reason), p.ID)
		if err != nil {
			return err
		}
		return tx.closeOff(p.ID, slot)
	})
}

// Settled tells what SettleTo did.
type Settled struct {
	// From is where the walk was before, nil for nowhere; To is where it is.
	From *int64
	To   int64
	// Gaps is how many (minute, line) pairs were passed.
	Gaps int64
}

// SettleTo moves a checker's walk to a minute, seconds since the epoch. Forward,
// what it passes becomes a gap. Backward, verdicts stay and gaps after the minute
// go: what can still be judged is judged at the next pass. zone is the checker's,
// closed are the days on which it owes nothing.
func (db *DB) SettleTo(ctx context.Context, name string, to int64, zone *time.Location, closed *dwmon.ClosedDays) (s Settled, err error) {
	to = dwmon.FloorMinute(to)
	err = db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error {
		s = Settled{From: p.Settled, To: to}
		if p.Settled != nil && to < *p.Settled {
			if err := tx.reopen(p.ID, to, zone, closed); err != nil {
				return err
			}
		} else if s.Gaps, err = tx.pass(p, to, zone, closed); err != nil {
			return err
		}
		return tx.updateChecker(p.ID, "UPDATE checkers SET settled = ? WHERE id = ?", to, p.ID)
	})
	return s, err
}

// pass makes gaps of what is owed up to a minute. While a checker is off it owes
// what it owed before.
func (tx *Tx) pass(p *dwmon.Progress, to int64, zone *time.Location, closed *dwmon.ClosedDays) (minutes int64, err error) {
	w := p.Walk(zone, 0)
	w.Closed, w.Blind = closed, true
	if p.Off != nil {
		to = min(to, p.Off.Since-60)
	}
	plan := w.Plan(to, dwmon.GapSettled)
	for piece, ok := plan.Next(dwmon.PieceLimit); ok; piece, ok = plan.Next(dwmon.PieceLimit) {
		for _, g := range piece.Gaps {
			minutes += g.Minutes
		}
		if err := tx.addGaps(p, piece.Gaps); err != nil {
			return 0, err
		}
	}
	return minutes, nil
}

// reopen cuts off what gaps have after a minute.
func (tx *Tx) reopen(checkerID, to int64, zone *time.Location, closed *dwmon.ClosedDays) error {
	if _, err := tx.exec("DELETE FROM gaps WHERE checker_id = ? AND from_minute > ?", checkerID, to); err != nil {
		return err
	}
	var cut []row
	for r, err := range tx.query("SELECT id, line_id, from_minute, reason FROM gaps WHERE checker_id = ? AND to_minute > ?", checkerID, to) {
		if err != nil {
			return err
		}
		cut = append(cut, slices.Clone(r))
	}
	for _, r := range cut {
		line, err := tx.one("SELECT "+lineColumns+" FROM lines l WHERE l.id = ?", r.int(1))
		if err != nil {
			return err
		}
		if line == nil {
			continue
		}
		before := r.int(2) - 60
		w := dwmon.Walk{Settled: &before, Lines: []dwmon.Line{readLine(line).Line}, Zone: zone, Closed: closed, Blind: true}
		w.Lines[0].OwesAfter = dwmon.OwesAll
		piece, _ := w.Plan(to, dwmon.GapReason(r.text(3))).Next(dwmon.PieceLimit)
		if len(piece.Gaps) == 0 { // what is left of it lies on days that are closed by now
			if _, err := tx.exec("DELETE FROM gaps WHERE id = ?", r.int(0)); err != nil {
				return err
			}
		}
		for _, g := range piece.Gaps {
			if _, err := tx.exec("UPDATE gaps SET to_minute = ?, minutes = ? WHERE id = ?", g.To, g.Minutes, r.int(0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rename gives a checker another name; everything that is known of it goes along.
// Where the new name is taken, the error is ErrNameTaken, or with replace the
// other checker is forgotten. Idempotency keys of what still waits to be told
// bear the new name.
func (db *DB) Rename(ctx context.Context, oldName, newName string, replace bool) error {
	err := db.change(ctx, oldName, func(tx *Tx, p *dwmon.Progress) error {
		if oldName == newName {
			return fmt.Errorf("checker %s: the new name is the old one", oldName)
		}
		other, err := tx.one("SELECT id FROM checkers WHERE name = ?", newName)
		if err != nil {
			return err
		}
		if other != nil {
			if !replace {
				return fmt.Errorf("rename %s to %s: %w", oldName, newName, ErrNameTaken)
			}
			if err := tx.forget(other.int(0), newName); err != nil {
				return err
			}
		}
		if err := tx.updateChecker(p.ID, "UPDATE checkers SET name = ? WHERE id = ?", newName, p.ID); err != nil {
			return err
		}
		tx.dirty(newName)
		tx.afterCommit(func() { tx.db.progress.unname(p.ID) })
		return tx.renameFile(p.RevisionID, oldName, newName)
	})
	if err != nil {
		return err
	}
	return db.clearForgotten(ctx)
}

// unname forgets which checker an id stands for, until it is read again.
func (c *progressCache) unname(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.names, id)
	c.epoch++
}

// renameFile keeps the path of the text in use right: the text itself is the
// same, so that nothing else would write it.
func (tx *Tx) renameFile(revisionID int64, oldName, newName string) error {
	r, err := tx.one("SELECT file FROM revisions WHERE id = ?", revisionID)
	if err != nil || r == nil {
		return err
	}
	folder, found := strings.CutSuffix(r.text(0), oldName+".dwmon")
	if !found {
		return nil
	}
	_, err = tx.exec("UPDATE revisions SET file = ? WHERE id = ?", folder+newName+".dwmon", revisionID)
	return err
}

// Forget removes a checker and everything that is known of it. It is gone at
// once; what it had in the large tables goes in small steps, which Sweep ends if
// they are interrupted.
func (db *DB) Forget(ctx context.Context, name string) error {
	err := db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error { return tx.forget(p.ID, name) })
	if err != nil {
		return err
	}
	return db.clearForgotten(ctx)
}

func (tx *Tx) forget(id int64, name string) error {
	if err := tx.closeForgotten(id, name); err != nil {
		return err
	}
	if _, err := tx.exec("INSERT INTO forgotten (checker_id) VALUES (?)", id); err != nil {
		return err
	}
	if _, err := tx.exec("DELETE FROM checkers WHERE id = ?", id); err != nil {
		return err
	}
	tx.dirty(name)
	tx.afterCommit(func() { tx.db.progress.unname(id) })
	tx.dropFilter(id)
	return nil
}

// forgetSteps remove some rows of a forgotten checker each. Deliveries that are
// over have no index by checker; they are shown no more and go with their age.
var forgetSteps = []string{
	`DELETE FROM seen WHERE checker_id = ?1 AND key IN (SELECT key FROM seen WHERE checker_id = ?1 LIMIT ?2)`,
	`DELETE FROM verdicts WHERE checker_id = ?1 AND minute <= coalesce(
		(SELECT minute FROM verdicts WHERE checker_id = ?1 ORDER BY minute LIMIT 1 OFFSET ?2 - 1), 9223372036854775807)`,
	`DELETE FROM fetches WHERE id IN (SELECT id FROM fetches WHERE checker_id = ?1 LIMIT ?2)`,
	`DELETE FROM imported_checks WHERE checker_id = ?1 AND timestamp IN (SELECT timestamp FROM imported_checks WHERE checker_id = ?1 LIMIT ?2)`,
	`DELETE FROM deliveries WHERE id IN (SELECT d.id FROM handlers h
		JOIN deliveries d INDEXED BY deliveries_waiting ON d.handler_id = h.id AND d.checker_id = ?1 AND d.state = 0 LIMIT ?2)`,
}

// clearForgotten removes what forgotten checkers left behind.
func (db *DB) clearForgotten(ctx context.Context) error {
	var ids []int64
	err := db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT checker_id FROM forgotten") {
			if err != nil {
				return err
			}
			ids = append(ids, r.int(0))
		}
		return nil
	})
	for _, id := range ids {
		for _, step := range forgetSteps {
			if _, err := db.inSteps(ctx, step, id, stepRows); err != nil {
				return err
			}
		}
		err := db.write(ctx, func(tx *Tx) error {
			_, err := tx.exec("DELETE FROM forgotten WHERE checker_id = ?", id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return err
}

// inSteps repeats a statement, in a commit each, until it changes nothing.
func (db *DB) inSteps(ctx context.Context, query string, args ...any) (changed int64, err error) {
	for {
		var n int64
		err := db.write(ctx, func(tx *Tx) (err error) {
			n, err = tx.exec(query, args...)
			return err
		})
		if err != nil || n == 0 {
			return changed, err
		}
		changed += n
	}
}

// ForgetKey removes one key of a checker, for requests to erase data; false where
// the checker does not have it. What was stored is overwritten in the file. If
// the source still returns the key, it comes back as new.
func (db *DB) ForgetKey(ctx context.Context, name string, key []byte) (found bool, err error) {
	if key == nil {
		key = []byte{}
	}
	err = db.change(ctx, name, func(tx *Tx, p *dwmon.Progress) error {
		if _, err := tx.one("PRAGMA secure_delete = ON"); err != nil {
			return err
		}
		n, err := tx.exec("DELETE FROM seen WHERE checker_id = ? AND key = ?", p.ID, key)
		if err != nil {
			return err
		}
		found = n > 0
		tx.dropFilter(p.ID)
		_, err = tx.one("PRAGMA secure_delete = OFF")
		return err
	})
	return found, err
}

// SaveFaults replaces the files that are known to be bad. A file that was bad
// before stays so since then. Nothing is written where nothing changed.
func (db *DB) SaveFaults(ctx context.Context, files []dwmon.FaultyFile) error {
	before, err := db.Faults(ctx)
	if err != nil {
		return err
	}
	rows := make(map[string][]any, len(files))
	for _, f := range files {
		args, err := faultRow(f)
		if err != nil {
			return err
		}
		rows[f.File] = args
	}
	same := len(rows) == len(before)
	for _, f := range before {
		args, bad := rows[f.File]
		if !bad {
			continue
		}
		args[3] = f.Since
		old, err := faultRow(f)
		if err != nil {
			return err
		}
		same = same && slices.Equal(args, old)
	}
	if same {
		return nil
	}
	return db.write(ctx, func(tx *Tx) error {
		if _, err := tx.exec("DELETE FROM file_faults"); err != nil {
			return err
		}
		for _, file := range slices.Sorted(maps.Keys(rows)) {
			if _, err := tx.exec("INSERT INTO file_faults (file, name, faults, since) VALUES (?, ?, ?, ?)", rows[file]...); err != nil {
				return err
			}
		}
		return nil
	})
}

func faultRow(f dwmon.FaultyFile) ([]any, error) {
	stored := make([]storedFault, len(f.Faults))
	for i := range f.Faults {
		stored[i] = storedFault(f.Faults[i])
	}
	text, err := json.Marshal(stored)
	return []any{f.File, f.Name, string(text), f.Since}, err
}

// Described gives what a plugin said of itself, by the SHA-256 of its file; ok is
// false where it is not known.
func (db *DB) Described(ctx context.Context, sha256 string) (describe []byte, ok bool, err error) {
	err = db.read(ctx, func(c *conn) error {
		r, err := c.one("SELECT describe FROM plugins_described WHERE sha256 = ?", sha256)
		if r != nil {
			describe, ok = r.blob(0), true
		}
		return err
	})
	return describe, ok, err
}

// SaveDescribed keeps what a plugin said of itself, and notes that it is in use.
func (db *DB) SaveDescribed(ctx context.Context, sha256 string, describe []byte) error {
	now := db.now()
	return db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec(`INSERT INTO plugins_described (sha256, describe, used) VALUES (?, ?, ?)
			ON CONFLICT (sha256) DO UPDATE SET describe = excluded.describe, used = excluded.used`, sha256, bytesOrEmpty(describe), now)
		return err
	})
}

// MarkRealClock notes that a pass was made on the real clock. It writes once.
func (db *DB) MarkRealClock(ctx context.Context) error {
	seen, err := db.SeenRealClock(ctx)
	if err != nil || seen {
		return err
	}
	return db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES ('real_clock', '1') ON CONFLICT (name) DO NOTHING")
		return err
	})
}

// SeenRealClock says whether a pass was ever made on the real clock.
func (db *DB) SeenRealClock(ctx context.Context) (seen bool, err error) {
	err = db.read(ctx, func(c *conn) error {
		r, err := c.one("SELECT 1 FROM meta WHERE name = 'real_clock'")
		seen = r != nil
		return err
	})
	return seen, err
}
