package main

import (
	"context"
	"database/sql/driver"
	"strconv"
	"time"
)

// connector opens connections that remember their limit.
type connector struct{ db *database }

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.db.connect.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{driverConn: raw.(driverConn)}, nil
}

// Driver returns the driver below.
func (c connector) Driver() driver.Driver { return c.db.connect.Driver() }

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
}

// conn is a connection with the limit that its session was told.
type conn struct {
	driverConn
	seconds int // 0: not known
}

// QueryContext runs a query.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	raw, err := c.driverConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	r := &rows{driverRows: raw.(driverRows)}
	for i := range r.Columns() {
		switch r.ColumnTypeDatabaseTypeName(i) {
		case "TIME":
			r.clocks = append(r.clocks, i)
		case "BOOLEAN":
			r.bools = append(r.bools, i)
		}
	}
	return r, nil
}

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
}

// rows are the driver's rows, in which a time of day is a text and no time, and a
// boolean is one.
type rows struct {
	driverRows
	clocks []int // columns of times of day
	bools  []int
}

// Next reads a row.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.driverRows.Next(dest); err != nil {
		return err
	}
	for _, i := range r.clocks {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = t.Format("15:04:05.999999999")
		}
	}
	for _, i := range r.bools {
		if text, ok := dest[i].(string); ok {
			if b, err := strconv.ParseBool(text); err == nil {
				dest[i] = b
			}
		}
	}
	return nil
}
