// Package engine is a SQL database inside a test: what a fake of a server that the
// test cannot have answers queries with. It is SQLite; the fake adds the protocol.
package engine

import (
	"context"
	"database/sql"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	_ "modernc.org/sqlite" // the engine
)

// Hang in a query makes it search for ever once it has given its rows.
const Hang = "/* hang */"

// Series is a query that makes n rows: key 1 to n, time the same in seconds.
const Series = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c LIMIT %d) SELECT x AS dwmon_unique_key, x AS dwmon_timestamp FROM c"

// Late and Never are the suite's queries of these names.
const (
	Late  = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp " + Hang
	Never = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp WHERE 1 = 0 " + Hang
)

// Engine is a database.
type Engine struct {
	DB      *sql.DB
	running atomic.Int64
}

// New makes an empty database, which goes with the test.
func New(t testing.TB) *Engine {
	t.Helper()
	e := &Engine{DB: openFile(t, filepath.Join(t.TempDir(), "engine.db"))}
	return e
}

func openFile(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Running counts the queries that have not come to their end.
func (e *Engine) Running() int { return int(e.running.Load()) }

// querier is a database, a connection or a transaction.
type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// Result is the rows of a query.
type Result struct {
	Columns []string
	ctx     context.Context
	rows    *sql.Rows
	hang    bool
	end     func()
}

// Query runs a statement on q. The result must be closed.
func (e *Engine) Query(ctx context.Context, q querier, text string) (*Result, error) {
	e.running.Add(1)
	rows, err := q.QueryContext(ctx, text)
	if err == nil {
		r := &Result{ctx: ctx, rows: rows, hang: strings.Contains(text, Hang), end: func() { e.running.Add(-1) }}
		if r.Columns, err = rows.Columns(); err == nil {
			return r, nil
		}
		rows.Close()
	}
	e.running.Add(-1)
	return nil, err
}

// Next returns the values of the next row: nil, int64, float64, string or []byte. At
// the end it is io.EOF, or the error that ended the rows before.
func (r *Result) Next() ([]any, error) {
	if r.rows.Next() {
		row := make([]any, len(r.Columns))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		return row, r.rows.Scan(dest...)
	}
	if err := r.rows.Err(); err != nil {
		return nil, err
	}
	if r.hang {
		<-r.ctx.Done()
		return nil, r.ctx.Err()
	}
	return nil, io.EOF
}

// Close ends the rows.
func (r *Result) Close() {
	if r.end != nil {
		r.rows.Close()
		r.end()
		r.end = nil
	}
}
