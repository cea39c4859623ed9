package sqlrows

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// result is what the fake driver answers to any query.
type result struct {
	columns []string
	types   []string // database type names; nil: the driver knows none
	rows    [][]driver.Value
	err     error // after the last row
	endless bool  // repeats the first row
	closed  bool
}

func (r *result) Connect(context.Context) (driver.Conn, error) { return conn{r}, nil }
func (r *result) Driver() driver.Driver                        { return nil }

type conn struct{ r *result }

func (c conn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("queries only") }
func (c conn) Close() error                        { return nil }
func (c conn) Begin() (driver.Tx, error)           { return nil, errors.New("queries only") }
func (c conn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	if c.r.types != nil {
		return &typedRows{cursor{c.r, 0}}, nil
	}
	return &cursor{c.r, 0}, nil
}

type cursor struct {
	r  *result
	at int
}

func (c *cursor) Columns() []string { return c.r.columns }
func (c *cursor) Close() error      { c.r.closed = true; return nil }
func (c *cursor) Next(dest []driver.Value) error {
	if c.at == len(c.r.rows) && !c.r.endless {
		if c.r.err != nil {
			return c.r.err
		}
		return io.EOF
	}
	row := c.r.rows[0]
	if !c.r.endless {
		row = c.r.rows[c.at]
		c.at++
	}
	copy(dest, row)
	return nil
}

type typedRows struct{ cursor }

func (c *typedRows) ColumnTypeDatabaseTypeName(i int) string { return c.r.types[i] }

// query opens the result through database/sql.
func query(t testing.TB, r *result) *sql.Rows {
	t.Helper()
	db := sql.OpenDB(r)
	t.Cleanup(func() { _ = db.Close() })
	rows, err := db.QueryContext(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

type sent struct {
	key string
	us  int64
}

// collector is a RowSink that keeps everything.
type collector struct {
	pluginsdk.RowSink
	rows    []sent
	skipped int
	fail    error
}

func (c *collector) AppendBytes(key []byte, us int64) error {
	if c.fail != nil {
		return c.fail
	}
	c.rows = append(c.rows, sent{string(key), us})
	return nil
}

func (c *collector) SkipNull() { c.skipped++ }

// counter is a RowSink that costs nothing.
type counter struct {
	pluginsdk.RowSink
	n int
}

func (c *counter) AppendBytes([]byte, int64) error { c.n++; return nil }

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
