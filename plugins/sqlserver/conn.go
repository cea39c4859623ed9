package main

import (
	"context"
	"database/sql/driver"
	"net/url"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// connector opens connections whose times of day are no times.
type connector struct{ db *database }

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	wire, wireCtx := sqlgetter.NewWire(ctx)
	raw, err := c.db.dial.Connect(wireCtx)
	if err != nil {
		if lost := wire.Failure(); lost != nil && ctx.Err() == nil && !isAnswer(err) {
			err = lost
		}
		wire.HangUp()
		return nil, err
	}
	if !wire.Keep() {
		raw.Close()
		return nil, ctx.Err()
	}
	return &conn{raw.(*mssql.Conn)}, nil
}

// Driver returns the driver below.
func (c connector) Driver() driver.Driver { return c.db.dial.Driver() }

// conn is a connection of the driver.
type conn struct{ *mssql.Conn }

// QueryContext runs a batch.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	raw, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		stmt.Close()
		return nil, err
	}
	r := &rows{driverRows: raw.(driverRows), stmt: stmt}
	for i := range r.Columns() {
		switch r.ColumnTypeDatabaseTypeName(i) {
		case "TIME":
			r.clocks = append(r.clocks, i)
		case "REAL":
			r.reals = append(r.reals, i)
		}
	}
	return r, nil
}

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
}

// rows put right what the driver makes of some types.
type rows struct {
	driverRows
	stmt   driver.Stmt
	clocks []int // columns of times of day
	reals  []int // columns of numbers of four bytes
}

// Next reads a row. A time of day, which the driver puts into the year 1, is a text
// and no time; a REAL is as short as the server prints it.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.driverRows.Next(dest); err != nil {
		return err
	}
	for _, i := range r.clocks {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = t.Format("15:04:05.999999999")
		}
	}
	for _, i := range r.reals {
		if f, ok := dest[i].(float64); ok {
			dest[i] = float32(f)
		}
	}
	return nil
}

// Close ends the rows and the statement.
func (r *rows) Close() error {
	err := r.driverRows.Close()
	if e := r.stmt.Close(); err == nil {
		err = e
	}
	return err
}

// has says that a URL has a parameter, in any case.
func has(q url.Values, name string) bool {
	for n := range q {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
