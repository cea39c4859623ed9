package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// storedRecurrence is the JSON of a window that comes again.
type storedRecurrence struct {
	Every string `json:"every"`
	Zone  string `json:"zone"`
}

const silenceColumns = "id, matchers, starts, ends, recurs, comment, by, created, ended"

// silenceOver is a condition: the silence covers nothing from a time on.
const silenceOver = "(ended <= ?1 OR ends <> 0 AND ends <= ?1)"

// Silences gives the silences that are not over, by id; with includeEnded those
// that are over too, as far as they are kept.
func (db *DB) Silences(ctx context.Context, includeEnded bool) (silences []dwmon.Silence, err error) {
	err = db.read(ctx, func(c *conn) error {
		if includeEnded {
			silences, err = loadSilences(c, "SELECT "+silenceColumns+" FROM silences ORDER BY id")
		} else {
			silences, err = loadSilences(c, selectSilences, db.now())
		}
		return err
	})
	return silences, err
}

// selectSilences gives those that are not over at a time.
const selectSilences = "SELECT " + silenceColumns + " FROM silences WHERE NOT coalesce(" + silenceOver + ", 0) ORDER BY id"

// caughtUpWithin is how old a minute may be that is still judged, in microseconds: a
// silence over it holds, though it is over by now.
const caughtUpWithin = dwmon.MaxRewind * 60 * 1_000_000

// SilencesOf gives those that are not over, or that may cover a minute that is
// judged only now.
func (db *DB) SilencesOf(ctx context.Context, now int64) (silences []dwmon.Silence, err error) {
	err = db.read(ctx, func(c *conn) error {
		silences, err = loadSilences(c, selectSilences, now-caughtUpWithin)
		return err
	})
	return silences, err
}

// Silences is dwmon.Tx's.
func (tx *Tx) Silences() ([]dwmon.Silence, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	silences, err := loadSilences(tx.conn, selectSilences, tx.db.now()-caughtUpWithin)
	return silences, tx.fail(err)
}

func loadSilences(c *conn, query string, args ...any) (silences []dwmon.Silence, err error) {
	for r, err := range c.query(query, args...) {
		if err != nil {
			return nil, err
		}
		s, err := readSilence(r)
		if err != nil {
			return nil, fmt.Errorf("read silence %d: %w", r.int(0), err)
		}
		silences = append(silences, s)
	}
	return silences, nil
}

func readSilence(r row) (s dwmon.Silence, err error) {
	s = dwmon.Silence{ID: r.int(0), Starts: r.int(2), Ends: r.int(3), Comment: r.text(5), By: r.text(6), Created: r.int(7), Ended: r.intp(8)}
	var texts []string
	if err := json.Unmarshal(r.blob(1), &texts); err != nil {
		return s, err
	}
	if s.Matchers, err = dwmon.ParseMatchers(texts); err != nil || r.null(4) {
		return s, err
	}
	var stored storedRecurrence
	if err := json.Unmarshal(r.blob(4), &stored); err != nil {
		return s, err
	}
	zone, err := time.LoadLocation(stored.Zone)
	if err != nil {
		return s, err
	}
	s.Recurrence, err = dwmon.ParseRecurrence(stored.Every, zone)
	return s, err
}

// AddSilence stores a silence and gives its id; that of the silence does not matter.
func (db *DB) AddSilence(ctx context.Context, s dwmon.Silence) (id int64, err error) {
	texts := make([]string, len(s.Matchers))
	for i, m := range s.Matchers {
		texts[i] = m.String()
	}
	matchers, err := json.Marshal(texts)
	if err != nil {
		return 0, err
	}
	var recurs *string
	if r := s.Recurrence; r != nil {
		stored, err := json.Marshal(storedRecurrence{r.Every(), r.Zone.String()})
		if err != nil {
			return 0, err
		}
		text := string(stored)
		recurs = &text
	}
	err = db.write(ctx, func(tx *Tx) (err error) {
		id, err = tx.insert("INSERT INTO silences (matchers, starts, ends, recurs, comment, by, created, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			string(matchers), s.Starts, s.Ends, recurs, s.Comment, s.By, s.Created, s.Ended)
		return err
	})
	return id, err
}

// EndSilence ends silences at a time, microseconds since the epoch: all of them, or
// none. The error is dwmon.ErrNoSilence where there is none of an id, and
// dwmon.ErrSilenceOver where one is over already; where several are wrong, it says
// all.
func (db *DB) EndSilence(ctx context.Context, at int64, ids ...int64) error {
	return db.write(ctx, func(tx *Tx) error {
		var wrong error
		refuse := func(id int64, err error) {
			err = fmt.Errorf("silence %d: %w", id, err)
			if wrong != nil {
				err = fmt.Errorf("%w; %w", wrong, err)
			}
			wrong = err
		}
		for _, id := range ids {
			r, err := tx.one("SELECT "+silenceOver+" FROM silences WHERE id = ?2", at, id)
			switch {
			case err != nil:
				return err
			case r == nil:
				refuse(id, dwmon.ErrNoSilence)
				continue
			case r.bool(0):
				refuse(id, dwmon.ErrSilenceOver)
				continue
			}
			if _, err := tx.exec("UPDATE silences SET ended = ? WHERE id = ?", at, id); err != nil {
				return err
			}
		}
		return wrong
	})
}

// Subjects gives the checkers that owe something now as matchers see them, by name.
func (db *DB) Subjects(ctx context.Context) (subjects []dwmon.SilenceSubject, err error) {
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT c.name, r.owner, r.source, r.labels FROM checkers c JOIN revisions r ON r.id = c.revision_id
			WHERE c.off_since IS NULL ORDER BY c.name`) {
			if err != nil {
				return err
			}
			s := dwmon.SilenceSubject{Checker: r.text(0), Owner: r.text(1), Source: r.text(2)}
			if err := json.Unmarshal(r.blob(3), &s.Labels); err != nil {
				return fmt.Errorf("read the labels of %s: %w", s.Checker, err)
			}
			subjects = append(subjects, s)
		}
		return nil
	})
	return subjects, err
}

// silences removes those that are over.
func (w *sweep) silences(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	n, err := w.db.inSteps(ctx, "DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE "+silenceOver+" LIMIT ?2)", cut, stepRows)
	w.done.Silences += n
	return err
}
