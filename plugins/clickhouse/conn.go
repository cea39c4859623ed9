package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// connector opens connections that know their profile.
type connector struct{ db *database }

// Connect opens a connection, asks for the user's profile and makes the session
// read only. The wire is there for the driver's handshake, which knows no context,
// and for what the driver forgets to close after an error.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	wire, wireCtx := sqlgetter.NewWire(ctx)
	raw, err := c.db.dial.Connect(wireCtx)
	if err != nil {
		wire.HangUp()
		return nil, err
	}
	made := &conn{driverConn: raw.(driverConn), wire: wire, zone: c.db.zone}
	err = made.introduce(ctx)
	if !wire.Keep() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
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
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
}

// conn is a connection with what is known about its session.
type conn struct {
	driverConn
	wire *sqlgetter.Wire
	zone string

	fixed bool // the user may change no settings at all
	most  int  // the profile's own time limit in seconds; 0: none

	limit time.Duration // of the next query; 0: none
	busy  bool          // a query has been sent that has not come to its end
}

// QueryContext runs a query to which the server knows the limit.
//
// The driver would tell the server five seconds more than the deadline, and nothing
// below one second; and a user who may change no settings would be refused for it
// (clickhouse-go#1681). So it does not see the deadline: the end of the context
// still stops the query.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.busy = true
	ctx = clickhouse.Context(unlimited{ctx}, clickhouse.WithSettings(c.settings()))
	raw, err := c.driverConn.QueryContext(ctx, query, args)
	if err == nil {
		return newRows(raw.(driverRows), c), nil
	}
	if errors.Is(err, driver.ErrBadConn) { // the driver's word for two things
		if lost := c.wire.Failure(); lost != nil {
			return nil, lost
		}
		return nil, errNoResult
	}
	return nil, err
}

// errNoResult is of a statement such as SET, after which the stream ends at once.
// It may have changed the session, whose connection is therefore not used again.
var errNoResult = errors.New("the statement gives no rows; a checker's query is a SELECT")

// ended notes that a result has come to its end: the connection is ready for another
// query. After an exception it is not: an old server may find the end of the first
// query's data, which it has not read, in the place of the next query.
func (c *conn) ended(err error) {
	if err == io.EOF && c.wire.Failure() == nil {
		c.busy = false
	}
}

// settings are those of one query.
func (c *conn) settings() clickhouse.Settings {
	seconds := int(min(math.Ceil(c.limit.Seconds()), math.MaxInt32))
	if c.fixed || seconds == 0 || c.most > 0 && c.most <= seconds {
		return clickhouse.Settings{}
	}
	return clickhouse.Settings{"max_execution_time": seconds}
}

// introduce asks for the user's profile and sets the session's settings.
func (c *conn) introduce(ctx context.Context) error {
	raw, err := c.QueryContext(ctx, profileQuery, nil)
	if err != nil {
		return err
	}
	profile := make(map[string]string)
	row := make([]driver.Value, 2)
	for err = raw.Next(row); err == nil; err = raw.Next(row) {
		profile[fmt.Sprint(row[0])] = fmt.Sprint(row[1])
	}
	raw.Close()
	if !errors.Is(err, io.EOF) {
		return err
	}
	c.fixed = profile["readonly"] == "1"
	if _, err := fmt.Sscan(profile["max_execution_time"], &c.most); err != nil {
		c.most = 0
	}
	statement, err := sessionSettings(profile, c.zone)
	if err != nil || statement == "" {
		return err
	}
	_, err = c.driverConn.ExecContext(unlimited{ctx}, statement, nil)
	return err
}

// unlimited is a context that does not tell its deadline.
type unlimited struct{ context.Context }

func (unlimited) Deadline() (time.Time, bool) { return time.Time{}, false }
