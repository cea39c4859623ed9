package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

const (
	batchRows = 10_000
	// started is the time of every fetch, microseconds since the epoch.
	started = 1_800_000_000 * 1e6
	checker = "bench"
)

// keyKinds are the two kinds of keys: 24 bytes in ascending order, and 36 that
// lie anywhere.
var keyKinds = []string{"sequence", "uuid"}

// keyOf is the key of a row; those in sequence are the fake plugin's.
func keyOf(kind string, i int) string {
	if kind == "sequence" {
		return fmt.Sprintf("key-%020d", i)
	}
	a := uint64(i) * 2654435761 % (1 << 32)
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a, a%65521, a%65519, a%65497, i)
}

// keySQL is keyOf in SQL; a test compares them.
func keySQL(kind string) string {
	if kind == "sequence" {
		return "printf('key-%020d', i)"
	}
	const a = "(i * 2654435761 % 4294967296)"
	return fmt.Sprintf("printf('%%08x-%%04x-%%04x-%%04x-%%012x', %s, %s %% 65521, %s %% 65519, %s %% 65497, i)", a, a, a, a)
}

type historyKey struct {
	kind string
	rows int
}

// history is a store with one checker of many rows, a row a second, the last one
// a second before started; and beside it a copy of the file for the sqlite3 tool.
type history struct {
	kind string
	path string
	db   *sqlite.DB
	p    *dwmon.Progress
	rows int
	head int // how many rows the source has had
	tool *tool
}

func (h *history) micros(i int) int64 { return started + int64(i-h.rows)*1e6 }

// history gives a store with so many rows, made once.
func (b *bench) history(ctx context.Context, kind string, rows int) (*history, error) {
	key := historyKey{kind, rows}
	if h := b.histories[key]; h != nil {
		return h, nil
	}
	h, err := b.newHistory(ctx, kind, rows)
	if err != nil {
		return nil, err
	}
	b.onClose(h.close)
	b.histories[key] = h
	return h, nil
}

// newHistory makes a store with so many rows.
func (b *bench) newHistory(ctx context.Context, kind string, rows int) (*history, error) {
	b.say("filling a database with %d rows (%s)", rows, kind)
	dir, err := os.MkdirTemp(b.dir, "h")
	if err != nil {
		return nil, err
	}
	h := &history{kind: kind, rows: rows, head: rows, path: filepath.Join(dir, "dwmon.db")}
	if err := h.create(ctx); err != nil {
		return nil, err
	}
	if err := h.fill(ctx); err != nil {
		return nil, err
	}
	return h, h.open(ctx)
}

func (h *history) close() {
	if h.tool != nil {
		h.tool.close()
	}
	h.db.Close()
}

// remove closes it, and gives its room on the disk back.
func (h *history) remove() {
	h.close()
	_ = os.RemoveAll(filepath.Dir(h.path))
}

// create makes the schema and the checker.
func (h *history) create(ctx context.Context) error {
	db, err := sqlite.Open(ctx, h.path, sqlite.Options{})
	if err != nil {
		return err
	}
	c := &dwmon.Checker{Name: checker, Revision: "r", Lines: []dwmon.Requirement{{Lookback: 60}}}
	err = db.InTx(ctx, func(tx dwmon.Tx) error {
		_, err := tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	})
	return errors.Join(err, db.Close())
}

// fill writes the rows past the store, which would take them batch by batch. CROSS JOIN
// has each row written as it is counted: SQLite would first write the whole series aside.
func (h *history) fill(ctx context.Context) error {
	index, err := h.indexByTime(ctx)
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`DROP INDEX seen_ts;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO seen (checker_id, query_id, first_seen, key, ts)
SELECT c.id, (SELECT max(id) FROM queries), 1, CAST(%s AS BLOB) AS k, %d + (i - %d) * 1000000
FROM n CROSS JOIN checkers c`, h.rows-1, keySQL(h.kind), int64(started), h.rows)
	if h.kind != "sequence" {
		script += " ORDER BY k"
	}
	// Made at once the index costs a sort; row by row, a place anywhere in it for each.
	script += ";\n" + index
	return fillBySQL(ctx, h.path, script)
}

// indexByTime is the statement that makes the index by time.
func (h *history) indexByTime(ctx context.Context) (statement string, err error) {
	db, err := sql.Open("sqlite", h.path)
	if err != nil {
		return "", err
	}
	if err = db.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE name = 'seen_ts'").Scan(&statement); err != nil {
		err = fmt.Errorf("look for the index seen_ts in %s: %w", h.path, err)
	}
	return statement, errors.Join(err, db.Close())
}

// open opens the filled store.
func (h *history) open(ctx context.Context) (err error) {
	if h.db, err = sqlite.Open(ctx, h.path, sqlite.Options{}); err != nil {
		return err
	}
	h.p, err = h.db.Progress(ctx, checker)
	if err == nil && h.p.ID == 0 {
		err = fmt.Errorf("%s: the checker is not there", h.path)
	}
	return err
}

// reopen forgets everything that is held in memory.
func (h *history) reopen(ctx context.Context) error {
	if err := h.db.Close(); err != nil {
		return err
	}
	return h.open(ctx)
}

// batches are the newest rows of the source, newest first, in the form in which
// they arrive.
func (h *history) batches() (all []*dwmon.Batch) {
	for i := h.head - 1; i >= h.head-batchRows; {
		b := &dwmon.Batch{}
		for range min(dwmon.MaxBatchRows, i-(h.head-batchRows)+1) {
			key := keyOf(h.kind, i)
			b.Keys = append(b.Keys, key...)
			b.Lengths = append(b.Lengths, uint32(len(key)))
			b.Micros = append(b.Micros, h.micros(i))
			i--
		}
		all = append(all, b)
	}
	return all
}

// ingest takes and commits a result, and checks how many of its rows were new.
func (h *history) ingest(ctx context.Context, batches []*dwmon.Batch, fresh int64, windows ...dwmon.Window) (counts []int64, err error) {
	in := h.db.NewIntake(h.p, started)
	defer in.Close()
	for _, b := range batches {
		if err := in.Add(b); err != nil {
			return nil, err
		}
	}
	err = h.db.InTx(ctx, func(tx dwmon.Tx) error {
		got, err := tx.Ingest(h.p, in, false)
		if err == nil && got.Fresh != fresh {
			err = fmt.Errorf("%d rows were new, want %d", got.Fresh, fresh)
		}
		if err == nil && len(windows) > 0 {
			counts, err = tx.Counts(h.p.ID, windows)
		}
		return err
	})
	return counts, err
}

// withTool gives the sqlite3 tool on a copy of the database as it is now.
func (h *history) withTool(ctx context.Context) (*tool, error) {
	if h.tool != nil {
		return h.tool, nil
	}
	path, err := findTool()
	if err != nil {
		return nil, err
	}
	if h.head != h.rows {
		return nil, errors.New("the database has grown before it was copied")
	}
	if err := h.copyTo(ctx, h.path+".tool"); err != nil {
		return nil, err
	}
	t, err := startTool(path, h.path+".tool")
	if err != nil {
		return nil, err
	}
	h.tool = t
	return t, nil
}

// copyTo copies the database as it is now. A closed one is a single file.
func (h *history) copyTo(ctx context.Context, path string) error {
	if err := h.db.Close(); err != nil {
		return err
	}
	return errors.Join(copyFile(h.path, path), h.open(ctx))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
