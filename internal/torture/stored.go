//go:build linux

package torture

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// stored is what dwmon's database holds, read by SQL beside it.
type stored struct {
	installation string
	checkers     map[string]*storedChecker
	deliveries   []delivery // in the order of their ids
	incidents    []incident
	integrity    string
}

type storedChecker struct {
	id            int64
	origin        int64
	settled       *int64
	purgeMark     *int64
	seen          map[string]sighting
	fetches       []fetch   // in the order of their ids
	verdicts      []verdict // in the order of their minutes, then lines
	gaps          []gap
	openIncidents map[int]int64 // by line
}

// sighting is a row: the start of the fetch that brought it, and its timestamp, nil
// where the row was purged. Both are microseconds.
type sighting struct {
	first int64
	us    *int64
}

type fetch struct {
	id, slot, started, ended int64
	ok                       bool
}

// verdictKey names a verdict.
type verdictKey struct {
	checker string
	line    int
	minute  int64
}

type verdict struct {
	verdictKey
	lineID, count    int64
	status           string
	reason           string
	catchUp          bool
	previous         int
	bad              int64 // consecutive_bad
	evaluated, fetch int64
}

type gap struct {
	line              int
	from, to, minutes int64
}

type delivery struct {
	id       int64
	handler  string
	key      verdictKey
	lineID   int64
	notice   bool
	state    int
	attempts int64
	created  int64 // microseconds
}

type incident struct {
	id      int64
	subject string
	checker string
	lineID  int64
	opened  int64
	closed  *int64
	// closedAt is when it was closed, microseconds.
	closedAt int64
}

// statuses are the names of what the database has as numbers.
var statuses = [...]string{"", "GOOD", "BAD", "UNKNOWN"}

// open opens the database for reading.
func (w *world) open(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(20000)")
}

// read reads everything in one snapshot; nil before there is a schema.
func (w *world) read() (*stored, error) {
	db, err := w.open(w.database())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_master WHERE name IN ('checkers', 'corrections', 'incidents', 'announcements')").Scan(&version); err != nil {
		return nil, err
	}
	if version < 4 {
		return nil, nil
	}
	s := &stored{checkers: map[string]*storedChecker{}}
	return s, s.read(tx)
}

// each scans every row of a query.
func each(tx *sql.Tx, query string, row func(scan func(...any) error) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return rows.Err()
}

func (s *stored) read(tx *sql.Tx) error {
	if err := tx.QueryRow("SELECT value FROM meta WHERE name = 'installation'").Scan(&s.installation); err != nil {
		return err
	}
	var complaints []string
	err := each(tx, "PRAGMA integrity_check", func(scan func(...any) error) error {
		var text string
		err := scan(&text)
		complaints = append(complaints, text)
		return err
	})
	if err != nil {
		return err
	}
	s.integrity = strings.Join(complaints, "; ")
	byID := map[int64]*storedChecker{}
	names := map[int64]string{}
	err = each(tx, "SELECT id, name, origin, settled, purge_mark FROM checkers", func(scan func(...any) error) error {
		c := &storedChecker{seen: map[string]sighting{}, openIncidents: map[int]int64{}}
		var name string
		if err := scan(&c.id, &name, &c.origin, &c.settled, &c.purgeMark); err != nil {
			return err
		}
		byID[c.id], s.checkers[name], names[c.id] = c, c, name
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(s.readRows(tx, byID), s.readVerdicts(tx, byID, names), s.readTold(tx, names))
}

func (s *stored) readRows(tx *sql.Tx, byID map[int64]*storedChecker) error {
	err := each(tx, "SELECT checker_id, key, ts, first_seen FROM seen", func(scan func(...any) error) error {
		var id int64
		var key []byte
		var one sighting
		if err := scan(&id, &key, &one.us, &one.first); err != nil {
			return err
		}
		byID[id].seen[string(key)] = one
		return nil
	})
	if err != nil {
		return err
	}
	return each(tx, "SELECT checker_id, id, slot, started, ended, ok FROM fetches ORDER BY id", func(scan func(...any) error) error {
		var id int64
		var f fetch
		if err := scan(&id, &f.id, &f.slot, &f.started, &f.ended, &f.ok); err != nil {
			return err
		}
		byID[id].fetches = append(byID[id].fetches, f)
		return nil
	})
}

func (s *stored) readVerdicts(tx *sql.Tx, byID map[int64]*storedChecker, names map[int64]string) error {
	err := each(tx, `SELECT checker_id, minute, line_id, line_position, event_count, status, coalesce(reason, ''), catch_up, previous_status, consecutive_bad, evaluated_at, fetch_id
		FROM verdicts ORDER BY checker_id, minute, line_position`, func(scan func(...any) error) error {
		var id int64
		var v verdict
		var status int
		err := scan(&id, &v.minute, &v.lineID, &v.line, &v.count, &status, &v.reason, &v.catchUp, &v.previous, &v.bad, &v.evaluated, &v.fetch)
		if err != nil {
			return err
		}
		v.checker, v.status = names[id], statuses[status]
		byID[id].verdicts = append(byID[id].verdicts, v)
		return nil
	})
	if err != nil {
		return err
	}
	err = each(tx, "SELECT checker_id, line_position, from_minute, to_minute, minutes FROM gaps", func(scan func(...any) error) error {
		var id int64
		var g gap
		if err := scan(&id, &g.line, &g.from, &g.to, &g.minutes); err != nil {
			return err
		}
		byID[id].gaps = append(byID[id].gaps, g)
		return nil
	})
	if err != nil {
		return err
	}
	return each(tx, "SELECT checker_id, position, incident_id FROM lines WHERE position IS NOT NULL AND incident_id <> 0", func(scan func(...any) error) error {
		var id, incident int64
		var position int
		if err := scan(&id, &position, &incident); err != nil {
			return err
		}
		byID[id].openIncidents[position] = incident
		return nil
	})
}

func (s *stored) readTold(tx *sql.Tx, names map[int64]string) error {
	err := each(tx, `SELECT d.id, h.name, d.checker_id, coalesce(d.minute, 0), coalesce(d.line_position, 0), coalesce(d.line_id, 0), d.payload IS NOT NULL, d.state, d.attempts, d.created
		FROM deliveries d JOIN handlers h ON h.id = d.handler_id ORDER BY d.id`, func(scan func(...any) error) error {
		var d delivery
		var checker sql.NullInt64
		if err := scan(&d.id, &d.handler, &checker, &d.key.minute, &d.key.line, &d.lineID, &d.notice, &d.state, &d.attempts, &d.created); err != nil {
			return err
		}
		d.key.checker = names[checker.Int64]
		s.deliveries = append(s.deliveries, d)
		return nil
	})
	if err != nil {
		return err
	}
	return each(tx, "SELECT id, subject, checker_id, coalesce(line_id, 0), opened, closed, coalesce(closed_at, 0) FROM incidents ORDER BY id", func(scan func(...any) error) error {
		var i incident
		var checker sql.NullInt64
		if err := scan(&i.id, &i.subject, &checker, &i.lineID, &i.opened, &i.closed, &i.closedAt); err != nil {
			return err
		}
		i.checker = names[checker.Int64]
		s.incidents = append(s.incidents, i)
		return nil
	})
}
