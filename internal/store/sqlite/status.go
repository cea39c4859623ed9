package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Status gives what is known of every checker that was ever seen, and of the
// files that never were good, by name.
func (db *DB) Status(ctx context.Context) ([]dwmon.CheckerRecord, error) {
	var records []dwmon.CheckerRecord
	err := db.read(ctx, func(c *conn) error {
		faults, err := loadFaults(c)
		if err != nil {
			return err
		}
		byName := map[string][]dwmon.FaultyFile{}
		for _, f := range faults {
			byName[f.Name] = append(byName[f.Name], f)
		}
		if records, err = loadRecords(c); err != nil {
			return err
		}
		for i := range records {
			rec := &records[i]
			for _, f := range byName[rec.Name] {
				rec.Faults = append(rec.Faults, f.Faults...)
			}
			delete(byName, rec.Name)
		}
		for name, files := range byName {
			rec := dwmon.CheckerRecord{Name: name, File: files[0].File}
			for _, f := range files {
				rec.Faults = append(rec.Faults, f.Faults...)
			}
			records = append(records, rec)
		}
		return nil
	})
	slices.SortFunc(records, func(a, b dwmon.CheckerRecord) int { return strings.Compare(a.Name, b.Name) })
	return records, err
}

func checkerNames(c *conn) (names []string, err error) {
	for r, err := range c.query("SELECT name FROM checkers ORDER BY name") {
		if err != nil {
			return nil, err
		}
		names = append(names, r.text(0))
	}
	return names, nil
}

// Fetches gives the last fetches of a checker, newest first. The error is
// dwmon.ErrNoChecker where there is no such checker.
func (db *DB) Fetches(ctx context.Context, name string, limit int) (fetches []dwmon.FetchRecord, err error) {
	err = db.read(ctx, func(c *conn) error {
		id, err := checkerID(c, name)
		if err != nil {
			return err
		}
		fetches, err = loadFetches(c, id, name, limit)
		return err
	})
	return fetches, err
}

func loadFetches(c *conn, checkerID int64, name string, limit int) (fetches []dwmon.FetchRecord, err error) {
	if limit <= 0 {
		limit = -1
	}
	for r, err := range c.query(`SELECT `+fetchColumns+` FROM fetches f WHERE f.checker_id = ? ORDER BY f.slot DESC, f.id DESC LIMIT ?`, checkerID, limit) {
		if err != nil {
			return nil, err
		}
		fetches = append(fetches, readFetch(r, name))
	}
	return fetches, nil
}

// fetchColumns are those that readFetch reads; the table is f.
const fetchColumns = `f.slot, f.started, f.ended, f.plugin, f.source_time, f.ok, f.baseline, f.cut, f.rows, f.fresh, f.skipped_null, f.skipped, f.ignored,
	f.oldest, f.newest, f.fault, f.error, f.skew, f.data_as_of`

func readFetch(r row, name string) dwmon.FetchRecord {
	return dwmon.FetchRecord{
		CheckerName: name, Slot: r.int(0), Started: r.int(1), Ended: r.int(2), Plugin: r.text(3), SourceTime: r.int(4),
		OK: r.bool(5), Baseline: r.bool(6), Cut: r.bool(7), Rows: r.int(8), Fresh: r.int(9), SkippedNull: r.int(10),
		Skipped: r.int(11), Ignored: r.int(12), Oldest: r.intp(13), Newest: r.intp(14), Fault: r.text(15), Error: r.text(16),
		Skew: r.int(17), DataAsOf: r.intp(18),
	}
}

// Slow gives how long fetches of slots from since on (seconds since the epoch)
// took, for each checker that had any: those who took most time first.
func (db *DB) Slow(ctx context.Context, since int64) ([]dwmon.SlowChecker, error) {
	var names []string
	err := db.read(ctx, func(c *conn) (err error) {
		names, err = checkerNames(c)
		return err
	})
	var slow []dwmon.SlowChecker
	for _, name := range names {
		var s dwmon.SlowChecker
		// A transaction for each: there may be millions of fetches.
		if err := db.read(ctx, func(c *conn) (err error) {
			s, err = slowChecker(c, name, since)
			return err
		}); err != nil {
			return nil, err
		}
		if s.Count > 0 {
			slow = append(slow, s)
		}
	}
	dwmon.SortSlow(slow)
	return slow, err
}

func slowChecker(c *conn, name string, since int64) (dwmon.SlowChecker, error) {
	var took []time.Duration
	var failures int64
	for r, err := range c.query(`SELECT f.ended - f.started, f.ok FROM checkers c JOIN fetches f ON f.checker_id = c.id
		WHERE c.name = ? AND f.slot >= ? ORDER BY f.slot, f.id`, name, since) {
		if err != nil {
			return dwmon.SlowChecker{}, err
		}
		took = append(took, time.Duration(r.int(0))*time.Microsecond)
		if !r.bool(1) {
			failures++
		}
	}
	s := dwmon.Durations(took)
	s.CheckerName, s.Failures = name, failures
	r, err := c.one("SELECT r.owner, r.source FROM checkers c JOIN revisions r ON r.id = c.revision_id WHERE c.name = ?", name)
	if r != nil {
		s.Owner, s.Source = r.text(0), r.text(1)
	}
	return s, err
}

// constantFetches is how many fetches in a row must look the same for a hint.
const constantFetches = 3

// ConstantTimestamps names checkers whose last successful fetches each brought
// several rows that all had one timestamp: their query probably gives the current
// time, which `timestamps: assumed` is for.
func (db *DB) ConstantTimestamps(ctx context.Context) (names []string, err error) {
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`
			SELECT c.name FROM checkers c
			WHERE c.baseline IS NULL AND ?1 = (
				SELECT sum(rows - skipped >= 2 AND oldest = newest) FROM (
					SELECT rows, skipped, oldest, newest FROM fetches
					WHERE checker_id = c.id AND ok = 1 ORDER BY slot DESC LIMIT ?1))
			ORDER BY c.name`, constantFetches) {
			if err != nil {
				return err
			}
			names = append(names, r.text(0))
		}
		return nil
	})
	return names, err
}

// Texts gives the last good text of every checker, by name.
func (db *DB) Texts(ctx context.Context) (texts []dwmon.LastGood, err error) {
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT c.name, r.file, r.text, r.sha256, c.off_since, c.off_reason, c.missing_since
			FROM checkers c JOIN revisions r ON r.id = c.revision_id ORDER BY c.name`) {
			if err != nil {
				return err
			}
			t := dwmon.LastGood{Name: r.text(0), File: r.text(1), Text: r.blob(2), Revision: r.text(3), Missing: r.intp(6)}
			if !r.null(4) {
				t.Off = &dwmon.Off{Since: r.int(4), Reason: dwmon.OffReason(r.text(5))}
			}
			texts = append(texts, t)
		}
		return nil
	})
	return texts, err
}

// Faults gives the files that were bad when they were last read.
func (db *DB) Faults(ctx context.Context) (files []dwmon.FaultyFile, err error) {
	err = db.read(ctx, func(c *conn) error {
		files, err = loadFaults(c)
		return err
	})
	return files, err
}

func loadFaults(c *conn) (files []dwmon.FaultyFile, err error) {
	for r, err := range c.query("SELECT file, name, faults, since FROM file_faults ORDER BY name, file") {
		if err != nil {
			return nil, err
		}
		f := dwmon.FaultyFile{File: r.text(0), Name: r.text(1), Since: r.int(3)}
		var stored []storedFault
		if err := json.Unmarshal(r.blob(2), &stored); err != nil {
			return nil, fmt.Errorf("read the faults of %s: %w", f.File, err)
		}
		for _, s := range stored {
			f.Faults = append(f.Faults, dwmon.FileFault(s))
		}
		files = append(files, f)
	}
	return files, nil
}

// storedFault is a fault with all of its fields: what FileFault writes as JSON is
// for people and leaves the line's text out.
type storedFault dwmon.FileFault
