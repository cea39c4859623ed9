//go:build linux

package torture

import (
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// killMigration kills dwmon while it brings databases of older versions up to date, at
// one call after the other, and then lets it do so in peace.
func killMigration(w *world, rounds int) error {
	formats, err := filepath.Glob(w.path(formatsDir + "/*.db.gz"))
	if err != nil || len(formats) < 2 {
		return fmt.Errorf("databases of older versions: %d were found: %w", len(formats), err)
	}
	formats = formats[:len(formats)-1] // the last is up to date
	struck := 0
	for range rounds {
		format := formats[w.rng.IntN(len(formats))]
		if err := w.place(format); err != nil {
			return err
		}
		before, err := w.holdings()
		if err != nil {
			return err
		}
		for range 1 + w.rng.IntN(3) {
			hit, err := w.struckMigration()
			if err != nil {
				return err
			}
			if hit {
				struck++
			}
		}
		d, err := w.daemon()
		if err != nil {
			return err
		}
		if err := d.kill(); err != nil {
			return err
		}
		after, err := w.holdings()
		if err != nil {
			return err
		}
		for table, rows := range before {
			for row := range rows {
				if !after[table][row] {
					w.fault("%s, migrated: %s has lost or changed %s", filepath.Base(format), table, row)
				}
			}
		}
	}
	if struck == 0 {
		w.fault("no migration was killed in the middle: that shows nothing")
	}
	// The databases of other worlds go, and this one's begins.
	if err := w.place(""); err != nil {
		return err
	}
	w.past, w.lives = memory{}, nil
	for _, name := range []string{ledgerFile, pagerFile} {
		if err := os.Remove(w.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return w.recover(nil)
}

// struckMigration starts a daemon that is to end at a call on a file of the database, and
// says whether it did.
func (w *world) struckMigration() (bool, error) {
	s := w.strike(&strike{at: 1 + w.rng.Int64N(110), tear: w.rng.IntN(2) == 0, of: w.touches})
	if err := w.struckDaemon(s, usualTime); err != nil {
		return false, err
	}
	return s.what.Load() != nil, nil
}

// place puts a database into the place of the world's; empty: none.
func (w *world) place(format string) error {
	if err := os.RemoveAll(w.path("data")); err != nil {
		return err
	}
	if err := os.MkdirAll(w.path("data"), 0o700); err != nil || format == "" {
		return err
	}
	in, err := os.Open(format)
	if err != nil {
		return err
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(unzipped)
	if err != nil {
		return err
	}
	w.did("a database was put there: %s", filepath.Base(format))
	return os.WriteFile(w.database(), data, 0o600)
}

// holdings are the rows of what must outlive every migration, by table, each as a text of
// the columns that the first schema had.
func (w *world) holdings() (map[string]map[string]bool, error) {
	db, err := w.open(w.database())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	all := map[string]map[string]bool{}
	for table, columns := range map[string]string{
		"meta":     "name, value",
		"checkers": "id, name, origin, settled, purge_mark",
		"seen":     "checker_id, key, ts, first_seen",
		"verdicts": "checker_id, minute, line_id, event_count, status, reason, evaluated_at",
		"gaps":     "checker_id, line_id, from_minute, to_minute, minutes, reason",
	} {
		where := ""
		if table == "meta" {
			where = " WHERE name = 'installation'"
		}
		if all[table], err = texts(db, fmt.Sprintf("SELECT %s FROM %s%s", columns, table, where)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// texts are the rows of a query.
func texts(db *sql.DB, query string) (map[string]bool, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	all := map[string]bool{}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		var parts []string
		for _, v := range values {
			parts = append(parts, fmt.Sprintf("%q", string(*v.(*sql.RawBytes))))
		}
		all[strings.Join(parts, " ")] = true
	}
	return all, rows.Err()
}
