package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// connector opens a database for each connection, and with it the file: it is closed
// again after each fetch.
type connector struct{ db *database }

// Connect opens the database and sets the session's zone.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.db.look(); err != nil {
		return nil, err
	}
	opened, err := duckdb.NewConnector(c.db.dsn, nil)
	if err != nil {
		return nil, err
	}
	raw, err := opened.Connect(ctx)
	if err != nil {
		opened.Close()
		return nil, err
	}
	made := &conn{Conn: raw.(*duckdb.Conn), opened: opened}
	if _, err := made.Conn.ExecContext(ctx, "SET TimeZone = '"+c.db.zone+"'", nil); err != nil {
		made.Close()
		return nil, err
	}
	return made, nil
}

// Driver returns the driver below.
func (connector) Driver() driver.Driver { return duckdb.Driver{} }

// conn is a connection with the database that was opened for it.
type conn struct {
	*duckdb.Conn
	opened *duckdb.Connector
}

// Close closes both.
func (c *conn) Close() error {
	return errors.Join(c.Conn.Close(), c.opened.Close())
}

// Errors of queries that DuckDB itself would run: a read-only file does not keep a
// COPY from writing another one.
var (
	errNoSelect = errors.New("the statement is no SELECT; a checker's query may only read")
	errSeveral  = errors.New("the query must be one statement")
)

// QueryContext runs a query that DuckDB itself holds to be one SELECT.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	prepared, err := c.Conn.Prepare(query) // of several statements it prepares none; PrepareContext would run all but the last
	if err != nil {
		var said *duckdb.Error
		if !errors.As(err, &said) {
			return nil, errSeveral
		}
		return nil, err
	}
	stmt := prepared.(*duckdb.Stmt)
	kind, err := stmt.StatementType()
	if err == nil && kind != duckdb.STATEMENT_TYPE_SELECT {
		err = errNoSelect
	}
	if err == nil && stmt.NumInput() > 0 {
		err = errParameters
	}
	if err != nil {
		stmt.Close()
		return nil, err
	}
	raw, err := stmt.QueryContext(ctx, args)
	if err != nil {
		stmt.Close()
		return nil, err
	}
	r := &rows{driverRows: raw.(driverRows), stmt: stmt}
	for i := range r.Columns() {
		switch name := r.ColumnTypeDatabaseTypeName(i); {
		case name == "TIME", name == "TIMETZ", name == "TIME WITH TIME ZONE", name == "TIME_TZ":
			r.clocks = append(r.clocks, i)
		}
	}
	return r, nil
}

var errParameters = errors.New("the query has parameters (?, $1); there are no values for them")

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
}

// rows are the driver's rows, with every value as DuckDB prints it.
type rows struct {
	driverRows
	stmt   *duckdb.Stmt
	clocks []int // columns of times of day
}

// Next reads a row. A time of day is a text and no time.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.driverRows.Next(dest); err != nil {
		return err
	}
	for i, v := range dest {
		switch v := v.(type) {
		case *big.Int: // HUGEINT
			dest[i] = v.String()
		case duckdb.Decimal:
			dest[i] = decimalText(v)
		}
	}
	for _, i := range r.clocks {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = t.Format("15:04:05.999999")
		}
	}
	return nil
}

// Close ends the rows and then the statement.
func (r *rows) Close() error {
	err := r.driverRows.Close()
	return errors.Join(err, r.stmt.Close())
}

// decimalText writes a decimal with all the digits of its scale.
func decimalText(d duckdb.Decimal) string {
	digits, sign := new(big.Int).Abs(d.Value).String(), ""
	if d.Value.Sign() < 0 {
		sign = "-"
	}
	scale := int(d.Scale)
	if scale == 0 {
		return sign + digits
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}
