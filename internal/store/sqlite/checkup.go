package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Damage is something in a database that should not be so.
type Damage struct {
	// Check is quick_check, integrity_check, foreign_keys or records.
	Check string
	// Message says what is wrong; it holds no row key.
	Message string
}

// mostDamage bounds what one check reports: a damaged page has a thousand symptoms.
const mostDamage = 20

// CheckUp looks for damage: SQLite's own check of the file, and whether the records
// agree with each other. full reads every index entry and every reference too, which
// takes several times as long. It is one reading transaction: meanwhile the
// WAL of a busy daemon grows. step is told what is being looked at; nil: nobody.
func (db *DB) CheckUp(ctx context.Context, full bool, step func(what string)) (found []Damage, err error) {
	if step == nil {
		step = func(string) {}
	}
	err = db.read(ctx, func(c *conn) error {
		for _, p := range structureChecks(full) {
			step(p.check)
			texts, err := pragmaTexts(c, p.pragma)
			if err != nil {
				return err
			}
			for _, text := range texts {
				found = append(found, Damage{p.check, text})
			}
		}
		if len(found) > 0 {
			return nil // what records say is worth nothing where pages are damaged
		}
		step("records")
		records, err := checkRecords(c, full)
		found = append(found, records...)
		return err
	})
	return found, err
}

type structureCheck struct{ check, pragma string }

func structureChecks(full bool) []structureCheck {
	if !full {
		return []structureCheck{{"quick_check", "PRAGMA quick_check(" + decimal(mostDamage) + ")"}}
	}
	return []structureCheck{
		{"integrity_check", "PRAGMA integrity_check(" + decimal(mostDamage) + ")"},
		{"foreign_keys", `SELECT "table" || ' refers to rows of ' || parent || ' that there are not: ' || count(*) FROM pragma_foreign_key_check GROUP BY "table", parent`},
	}
}

// pragmaTexts are the complaints of a check; none where all is well.
func pragmaTexts(c *conn, query string) (texts []string, err error) {
	for r, err := range c.query(query) {
		if err != nil {
			return nil, err
		}
		if text := r.text(0); text != "ok" && len(texts) < mostDamage {
			texts = append(texts, strings.Join(strings.Fields(text), " "))
		}
	}
	return texts, nil
}

// rule is something that every commit leaves true. query counts what breaks it.
type rule struct {
	says  string
	query string
	full  bool // reads a whole table
}

// distinctCheckers lists the checkers that a large table has rows of by jumping from
// one to the next on its index.
func distinctCheckers(table string) string {
	return `WITH RECURSIVE ids (id) AS (
		SELECT min(checker_id) FROM ` + table + `
		UNION ALL SELECT (SELECT min(checker_id) FROM ` + table + ` WHERE checker_id > ids.id) FROM ids WHERE ids.id IS NOT NULL)
	SELECT count(*) FROM ids WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM checkers) AND id NOT IN (SELECT checker_id FROM forgotten)`
}

// rules hold whatever a user may ask for; that S lies behind the newest verdict, say, is
// no fault: `settle` may move it back.
var rules = []rule{
	{says: "checkers with rows that are neither known nor forgotten", query: distinctCheckers("seen")},
	{says: "checkers with verdicts that are neither known nor forgotten", query: distinctCheckers("verdicts")},
	{says: "checkers with fetches that are neither known nor forgotten", query: distinctCheckers("fetches")},
	{
		says: "checkers whose newest verdict is not the one that is remembered as such",
		query: `SELECT count(*) FROM checkers c
			WHERE (SELECT max(v.minute) FROM verdicts v WHERE v.checker_id = c.id) > coalesce(c.recorded, -9223372036854775808)`,
	},
	{says: "checkers settled at a time that is no minute", query: "SELECT count(*) FROM checkers WHERE settled % 60 <> 0"},
	{says: "gaps that end before they begin", query: "SELECT count(*) FROM gaps WHERE to_minute < from_minute OR minutes < 1"},
	{says: "waiting deliveries of no handler", query: `SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting WHERE state = 0 AND handler_id NOT IN (SELECT id FROM handlers)`},
	{says: "waiting deliveries that are marked as finished", query: "SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting WHERE state = 0 AND finished IS NOT NULL"},
	{says: "finished deliveries without a time", query: "SELECT count(*) FROM deliveries INDEXED BY deliveries_finished WHERE state <> 0 AND finished IS NULL"},
	{
		says: "lines whose open incident is closed or not there",
		query: `SELECT count(*) FROM lines l WHERE
			l.incident_id <> 0 AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.id = l.incident_id AND i.closed IS NULL) OR
			l.unknown_incident_id <> 0 AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.id = l.unknown_incident_id AND i.closed IS NULL)`,
	},
	{says: "incidents that are finished with and not over", query: "SELECT count(*) FROM incidents WHERE finished = 1 AND closed IS NULL"},
	{says: "verdicts that are neither GOOD, BAD nor UNKNOWN, or of a time that is no minute", query: "SELECT count(*) FROM verdicts WHERE status NOT IN (1, 2, 3) OR minute % 60 <> 0", full: true},
	{
		says: "verdicts of a line that their checker never had",
		query: `SELECT count(*) FROM verdicts v WHERE NOT EXISTS (SELECT 1 FROM lines l WHERE l.id = v.line_id AND l.checker_id = v.checker_id)
			AND v.checker_id NOT IN (SELECT checker_id FROM forgotten)`,
		full: true,
	},
	{
		says: "verdicts of a text that is not kept",
		query: `SELECT count(*) FROM verdicts v WHERE NOT EXISTS (SELECT 1 FROM revisions r WHERE r.id = v.revision_id AND r.checker_id = v.checker_id)
			AND v.checker_id NOT IN (SELECT checker_id FROM forgotten)`,
		full: true,
	},
}

func checkRecords(c *conn, full bool) (found []Damage, err error) {
	for _, rule := range rules {
		if rule.full && !full {
			continue
		}
		r, err := c.one(rule.query)
		if err != nil {
			return found, err
		}
		if n := r.int(0); n > 0 {
			found = append(found, Damage{"records", fmt.Sprintf("%s: %d", rule.says, n)})
		}
	}
	return found, nil
}

// Space is what a database takes on the disk, in bytes.
type Space struct {
	// File and WAL are the sizes of the two files.
	File, WAL int64
	// Free is the part of File that holds nothing: later rows fill it, or it is given
	// back little by little.
	Free int64
	// WALLimit is the size to which the WAL is cut back after a checkpoint.
	WALLimit int64
}

// Space measures the database.
func (db *DB) Space(ctx context.Context) (Space, error) {
	s := Space{WALLimit: walLimit}
	free, _, err := db.freePages(ctx)
	if err != nil {
		return s, err
	}
	err = db.read(ctx, func(c *conn) error {
		r, err := c.one("PRAGMA page_size")
		if err == nil && r != nil {
			s.Free = free * r.int(0)
		}
		return err
	})
	s.File = sizeOf(db.path)
	s.WAL = sizeOf(db.path + "-wal")
	return s, err
}

func sizeOf(path string) int64 {
	var info fs.FileInfo
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Handler is a handler that results were ever queued for.
type Handler struct {
	Name string
	// MissingSince is since when it is not configured any more, in microseconds since
	// the epoch; nil while it is.
	MissingSince *int64
	// Waiting and Dead count its deliveries; Oldest is when the oldest waiting one was
	// queued, in microseconds since the epoch.
	Waiting, Dead, Oldest int64
	// LastError is why the delivery that waits longest has failed last.
	LastError string
}

// Handlers lists them by name.
func (db *DB) Handlers(ctx context.Context) (handlers []Handler, err error) {
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT h.name, h.missing_since,
				(SELECT count(*) FROM deliveries d INDEXED BY deliveries_waiting WHERE d.state = 0 AND d.handler_id = h.id),
				(SELECT count(*) FROM deliveries d INDEXED BY deliveries_failed WHERE d.state >= 2 AND d.state = 2 AND d.handler_id = h.id),
				(SELECT min(d.created) FROM deliveries d INDEXED BY deliveries_waiting WHERE d.state = 0 AND d.handler_id = h.id),
				(SELECT d.last_error FROM deliveries d INDEXED BY deliveries_waiting WHERE d.state = 0 AND d.handler_id = h.id AND d.last_error IS NOT NULL ORDER BY d.id LIMIT 1)
			FROM handlers h ORDER BY h.name`) {
			if err != nil {
				return err
			}
			handlers = append(handlers, Handler{
				Name: r.text(0), MissingSince: r.intp(1), Waiting: r.int(2), Dead: r.int(3), Oldest: r.int(4), LastError: r.text(5),
			})
		}
		return nil
	})
	return handlers, err
}

// Skews are by how many microseconds the clocks of sources were ahead of ours at the
// last successful fetch of each checker, and whose it was; those within two seconds are
// left out.
func (db *DB) Skews(ctx context.Context) (skews map[string]int64, err error) {
	skews = map[string]int64{}
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT name, skew FROM checkers WHERE skew <> 0 AND missing_since IS NULL AND off_since IS NULL") {
			if err != nil {
				return err
			}
			skews[r.text(0)] = r.int(1)
		}
		return nil
	})
	return skews, err
}

// Overdue says how long ago the oldest verdict and the oldest fetch record were made
// that their retention should have removed: microseconds since the epoch of the oldest
// of each; 0 where there is none.
func (db *DB) Overdue(ctx context.Context) (oldestVerdict, oldestFetch int64, err error) {
	err = db.read(ctx, func(c *conn) error {
		r, err := c.one("SELECT min((SELECT min(minute) FROM verdicts v WHERE v.checker_id = c.id)) FROM checkers c")
		if err != nil {
			return err
		}
		oldestVerdict = r.int(0) * 1e6
		r, err = c.one("SELECT min(started) FROM fetches")
		if err != nil {
			return err
		}
		oldestFetch = r.int(0)
		return nil
	})
	return oldestVerdict, oldestFetch, err
}
