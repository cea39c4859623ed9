package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of demo.db
)

// beat is how often new records are written while the demo runs.
const beat = 500 * time.Millisecond

// World is the fake business of the demo. One goroutine at a time may use it.
type World struct {
	db   *sql.DB
	seed uint64
	upTo time.Time // records before it are written
}

// Open makes the demo's database in a folder and fills it with the records of the
// past up to now. Worlds of one seed agree on every record.
func Open(ctx context.Context, dir string, seed uint64, now time.Time) (_ *World, err error) {
	path, err := filepath.Abs(filepath.Join(dir, Database))
	if err != nil {
		return nil, fmt.Errorf("find the demo's database: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the demo's database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("make the demo's database: %w", err)
	}
	// WAL, so that checkers read while records are written. NORMAL: a fake world
	// may lose its last records in a power cut.
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(5000)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open the demo's database: %w", err)
	}
	db.SetMaxOpenConns(1)
	w := &World{db: db, seed: seed, upTo: now}
	if err := w.inTx(ctx, func(tx *sql.Tx) error { return w.begin(ctx, tx) }); err != nil {
		return nil, errors.Join(fmt.Errorf("fill the demo's database: %w", err), db.Close())
	}
	return w, nil
}

// begin makes the tables with their history.
func (w *World) begin(ctx context.Context, tx *sql.Tx) error {
	for i := range streams {
		s := &streams[i]
		if _, err := tx.ExecContext(ctx, "CREATE TABLE "+s.table+" ("+s.schema+")"); err != nil {
			return fmt.Errorf("make table %s: %w", s.table, err)
		}
		if err := w.insert(ctx, tx, s, w.upTo.Add(-s.history), w.upTo); err != nil {
			return err
		}
	}
	return nil
}

// Advance writes the records that have arrived before now.
func (w *World) Advance(ctx context.Context, now time.Time) error {
	if !w.upTo.Before(now) {
		return nil
	}
	err := w.inTx(ctx, func(tx *sql.Tx) error {
		for i := range streams {
			if err := w.insert(ctx, tx, &streams[i], w.upTo, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.upTo = now
	}
	return err
}

// Run keeps records arriving until ctx ends, which is no error.
func (w *World) Run(ctx context.Context) error {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := w.Advance(ctx, time.Now()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("write the demo's records: %w", err)
		}
	}
}

// Close closes the database.
func (w *World) Close() error { return w.db.Close() }

func (w *World) insert(ctx context.Context, tx *sql.Tx, s *stream, from, until time.Time) error {
	arrivals := s.arrivals(w, from, until)
	if len(arrivals) == 0 {
		return nil
	}
	places := strings.Repeat(", ?", strings.Count(s.schema, ",")+1)[2:]
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO "+s.table+" VALUES ("+places+")")
	if err != nil {
		return fmt.Errorf("insert into %s: %w", s.table, err)
	}
	defer stmt.Close()
	for _, a := range arrivals {
		for _, row := range s.rows(a) {
			if _, err := stmt.ExecContext(ctx, row...); err != nil {
				return fmt.Errorf("insert into %s: %w", s.table, err)
			}
		}
	}
	return nil
}

func (w *World) inTx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
