package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/trinodb/trino-go-client/trino"
)

// connector opens connections. They hold no socket: nothing is sent yet.
type connector struct{ db *database }

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.db.connect.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: raw.(*trino.Conn)}, nil
}

// Driver returns the driver below.
func (c connector) Driver() driver.Driver { return c.db.connect.Driver() }

// conn is a connection with the trail of its query.
type conn struct {
	*trino.Conn
	trail *trail
}

// QueryContext runs a query whose requests leave a trail.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	text, err := reading(query)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, trailKey{}, c.trail)
	stmt, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	raw, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		stmt.Close()
		return nil, err
	}
	r := &rows{driverRows: raw.(driverRows), stmt: stmt, trail: c.trail}
	for i := range r.Columns() {
		if name := r.ColumnTypeDatabaseTypeName(i); name == "TIME" || name == "TIME WITH TIME ZONE" {
			r.clocks = append(r.clocks, i)
		}
	}
	return r, nil
}

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
}

// rows are the driver's rows with the statement that they end.
type rows struct {
	driverRows
	stmt   driver.Stmt
	trail  *trail
	clocks []int // columns of times of day
}

// errUnended is of a result that broke off as if it were at its end.
var errUnended = errors.New("the result broke off before its last page")

// Next reads a row. A result is whole when its last page has said so. A time of day,
// which the driver puts into the year 0, is a text and no time.
func (r *rows) Next(dest []driver.Value) error {
	err := r.driverRows.Next(dest)
	if err == io.EOF && !r.trail.ended() {
		return errUnended
	}
	if err != nil {
		return err
	}
	for _, i := range r.clocks {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = t.Format("15:04:05.999999999")
		}
	}
	return nil
}

// Close ends the rows and then the statement, which has work of its own going on.
func (r *rows) Close() error {
	err := r.driverRows.Close()
	return errors.Join(err, r.stmt.Close())
}

func hostPort(host, port string) string { return net.JoinHostPort(strings.Trim(host, "[]"), port) }
