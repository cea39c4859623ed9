package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"
)

// connector opens connections that know their id.
type connector struct{ db *database }

// Connect asks each new connection for its id, and for the kind of server.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.db.dial.Connect(ctx)
	if err != nil {
		return nil, err
	}
	made := &conn{driverConn: raw.(driverConn)}
	if err := made.introduce(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return made, nil
}

// Driver returns the driver below.
func (c connector) Driver() driver.Driver { return c.db.dial.Driver() }

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection with what is known about its session.
type conn struct {
	driverConn

	id      uint64 // the server's
	mariadb bool

	settings string // the last that bound has set; empty: not known
	offset   time.Duration

	// skew is how far the server's clock was ahead of ours at measured.
	skew     time.Duration
	measured time.Time
}

// introduce asks for the connection's id, the server's kind and its clock.
func (c *conn) introduce(ctx context.Context) error {
	got, err := c.row(ctx, "SELECT CONNECTION_ID(), VERSION(), UTC_TIMESTAMP(6)", 3)
	if err != nil {
		return err
	}
	c.set(got[2])
	if _, err := fmt.Sscan(text(got[0]), &c.id); err != nil {
		return fmt.Errorf("the server gave no connection id: %w", err)
	}
	c.mariadb = strings.Contains(strings.ToLower(text(got[1])), "mariadb")
	return nil
}

// row asks for one row of so many columns.
func (c *conn) row(ctx context.Context, query string, columns int) ([]driver.Value, error) {
	rows, err := c.driverConn.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	got := make([]driver.Value, columns)
	return got, rows.Next(got)
}

// clockAge is how long a look at the server's clock is good for: a clock that is off
// stays so for longer, and asking costs a round trip.
const clockAge = 10 * time.Minute

// clock is what the server's clock says now. A new connection has asked for it with
// its first query, an old one asks again now and then.
func (c *conn) clock(ctx context.Context) (time.Time, error) {
	if age := time.Since(c.measured); age < 0 || age > clockAge {
		got, err := c.row(ctx, "SELECT UTC_TIMESTAMP(6)", 1)
		if err != nil {
			return time.Time{}, err
		}
		c.set(got[0])
	}
	return time.Now().Add(c.skew), nil
}

// set takes the server's clock, which has just been asked for.
func (c *conn) set(v driver.Value) {
	c.measured = time.Now()
	if at, ok := v.(time.Time); ok {
		c.skew = at.Sub(c.measured)
	}
}

func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// bound sets the time limit and the time zone of the session, and makes it read
// only. The limit is rounded up to whole seconds, so that most fetches find
// everything set already.
//
// The session is read only beside its transaction: MariaDB commits a read-only
// transaction before a DROP TABLE, and then drops the table.
//
// The zone is set as the offset that holds now, which needs no tables of zones on
// the server and names each instant exactly: a TIMESTAMP is read at that very
// offset, and NOW() agrees with a DATETIME of that zone.
func (c *conn) bound(ctx context.Context, limit time.Duration, loc *time.Location) error {
	_, seconds := time.Now().In(loc).Zone()
	offset := time.Duration(seconds) * time.Second
	settings := fmt.Sprintf("SET %s, time_zone = '%s'", c.limitSetting(limit), offsetText(offset))
	if settings == c.settings {
		return nil
	}
	c.settings = ""
	for _, statement := range []string{"SET SESSION TRANSACTION READ ONLY", settings} {
		if _, err := c.driverConn.ExecContext(ctx, statement, nil); err != nil {
			return err
		}
	}
	c.settings, c.offset = settings, offset
	return nil
}

// limitSetting is the server's own time limit; 0 is none.
func (c *conn) limitSetting(limit time.Duration) string {
	seconds := int64(math.Ceil(limit.Seconds()))
	if c.mariadb {
		return fmt.Sprintf("max_statement_time = %d", min(seconds, 31536000))
	}
	return fmt.Sprintf("max_execution_time = %d", min(seconds*1000, math.MaxUint32))
}

// offsetText writes an offset as the server takes it, to the minute.
func offsetText(d time.Duration) string {
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	return fmt.Sprintf("%c%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60)
}

// QueryContext runs a query whose TIMESTAMPs are instants. After one without a
// result the settings are not known any more: it may have been a SET.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	raw, err := c.driverConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	names := raw.Columns()
	if len(names) == 0 {
		c.settings = ""
	}
	r := &rows{driverRows: raw.(driverRows), offset: c.offset}
	for i := range names {
		switch r.ColumnTypeDatabaseTypeName(i) {
		case "DATETIME", "DATE":
			r.times = append(r.times, i)
		case "TIMESTAMP":
			r.times = append(r.times, i)
			r.stamps = append(r.stamps, i)
		}
	}
	return r, nil
}

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows put right what the driver makes of times.
type rows struct {
	driverRows
	times  []int // columns of any time
	stamps []int // columns of instants, printed by the server at offset
	offset time.Duration
}

// Next reads a row. MySQL's zero date is no time, and so NULL. The wall clock of a
// TIMESTAMP, which the driver takes for UTC, becomes the instant it stands for.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.driverRows.Next(dest); err != nil {
		return err
	}
	for _, i := range r.times {
		if t, ok := dest[i].(time.Time); ok && t.IsZero() {
			dest[i] = nil
		}
	}
	if r.offset == 0 {
		return nil
	}
	for _, i := range r.stamps {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = t.Add(-r.offset)
		}
	}
	return nil
}
