package soak

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// look opens the daemon's database, to read, for one look: no reader of ours may
// hold up its WAL.
func (s *site) look(f func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+s.path("dwmon.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

func (s *site) count(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.look(func(db *sql.DB) error { return db.QueryRowContext(ctx, query, args...).Scan(&n) })
	return n, err
}

func (s *site) texts(ctx context.Context, query string, args ...any) (all []string, err error) {
	err = s.look(func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			all = append(all, text)
		}
		return rows.Err()
	})
	return all, err
}

// tables are those of dwmon's own.
func (s *site) tables(ctx context.Context) ([]string, error) {
	return s.texts(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name")
}

// ageOf is, of the tables whose rows go with their age, the time by which they do, in
// microseconds since the epoch. Where it is NULL a row is still in use.
var ageOf = map[string]string{
	"corrections": "minute * 1000000",
	"deliveries":  "finished",
	"fetches":     "started",
	"gaps":        "to_minute * 1000000",
	"incidents":   "CASE WHEN finished = 1 THEN closed_at END",
	"spans":       "CASE kind WHEN 'off' THEN until_time * 1000000 ELSE until_time END",
	"verdicts":    "minute * 1000000",
}

// longest is how old a row may become: it is kept, then waits for a sweep, and that
// for a sample.
const longest = keep + (sweepPeriod+2)*round

// leftOver counts the rows of a table that no sweep has removed and one should have.
func (s *site) leftOver(ctx context.Context, table string, now time.Time) (int64, error) {
	return s.count(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s < ?", table, ageOf[table]), now.Add(-longest).UnixMicro())
}

// steadyFaults says which due minutes of the checkers that nothing happens to have not
// exactly one verdict and do not lie in exactly one gap: of the newest that are settled,
// since before the last sample, which no sweep has removed yet.
func (s *site) steadyFaults(ctx context.Context) (faults []string) {
	for _, c := range steady {
		found, err := s.texts(ctx, `
			WITH RECURSIVE
			c (id, until, begin) AS (
				SELECT id, settled, max(settled - ?2, (origin + 59) / 60 * 60) FROM checkers WHERE name = ?1),
			minutes (m) AS (
				SELECT begin FROM c UNION ALL SELECT m + 60 FROM minutes, c WHERE m + 60 <= until),
			due (m) AS (SELECT m FROM minutes WHERE (m / 60) % 60 % ?3 = 0)
			SELECT datetime(m, 'unixepoch') || ': ' || verdicts || ' verdicts, ' || gaps || ' gaps' FROM (
				SELECT m,
					(SELECT count(*) FROM verdicts v, c WHERE v.checker_id = c.id AND v.minute = m) AS verdicts,
					(SELECT count(*) FROM gaps g, c WHERE g.checker_id = c.id AND m BETWEEN g.from_minute AND g.to_minute) AS gaps
				FROM due)
			WHERE verdicts + gaps <> 1`, c.name, int64((keep - 20*time.Minute).Seconds()), c.every)
		if err != nil {
			return append(faults, fmt.Sprintf("looking at %s: %v", c.name, err))
		}
		for _, f := range found {
			faults = append(faults, fmt.Sprintf("%s at %s", c.name, f))
		}
	}
	return faults
}

// recordFaults says what holds of all checkers, and does not.
func (s *site) recordFaults(ctx context.Context) (faults []string, err error) {
	for _, q := range []struct{ says, query string }{
		{"integrity_check", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
		{"a minute has a verdict and lies in a gap", `SELECT c.name || ' at ' || datetime(v.minute, 'unixepoch') FROM gaps g
			JOIN checkers c ON c.id = g.checker_id
			JOIN verdicts v ON v.checker_id = g.checker_id AND v.line_id = g.line_id AND v.minute BETWEEN g.from_minute AND g.to_minute`},
		{"a verdict lies beyond what is settled", `SELECT c.name || ' at ' || datetime(v.minute, 'unixepoch') FROM checkers c
			JOIN verdicts v ON v.checker_id = c.id WHERE v.minute > c.recorded`},
		{"a row is older than what is kept", `SELECT c.name || ': ' || count(*) FROM verdicts v JOIN checkers c ON c.id = v.checker_id, (SELECT max(minute) AS newest FROM verdicts)
			WHERE v.minute < newest - 4 * 3600 AND NOT EXISTS (SELECT 1 FROM lines l WHERE l.id = v.line_id AND l.last_minute = v.minute) GROUP BY c.id`},
	} {
		found, err := s.texts(ctx, q.query)
		if err != nil {
			return faults, fmt.Errorf("%s: %w", q.says, err)
		}
		for _, f := range found {
			faults = append(faults, q.says+": "+f)
		}
	}
	return faults, nil
}
