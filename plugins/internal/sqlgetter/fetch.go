package sqlgetter

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

// Database is one database of a product.
type Database interface {
	// Connector opens connections.
	Connector() driver.Connector
	// MaxIdle is how many connections are kept open between fetches.
	MaxIdle() int
	// Begin makes a connection ready for one query: read only, in the DSN's time
	// zone, and ended by the server itself after limit (0: no limit).
	Begin(ctx context.Context, conn *sql.Conn, limit time.Duration) (Session, error)
	// ZonelessTypes are the database's names of types whose times the driver calls
	// UTC though they are wall clocks of the DSN's zone.
	ZonelessTypes() []string
	// Diagnose says what an error of the driver or server means. query is the
	// checker's text, empty where the error came before it was sent.
	Diagnose(err error, query string) Fault
	// Close ends what Begin and its sessions have left running.
	Close()
}

// Session is a connection made ready for one query.
type Session interface {
	// SourceNow is the server's clock; zero where it is not known.
	SourceNow() time.Time
	// End gives the connection back as it was, after the rows are closed. cut says
	// that the query was cut short by its context: the server may still be at it,
	// and is stopped. After an error the connection is not used again.
	End(cut bool) error
}

// Replica is a Session that knows how far its server has caught up.
type Replica interface {
	// DataAsOf is the time from which on the server's data are incomplete; zero where
	// they are not, or that is not known.
	DataAsOf() time.Time
}

// fetch runs a query and sends its rows to out; of a probe, one row where it was not
// refused.
func (p *pool) fetch(ctx context.Context, query string, out pluginsdk.RowSink, probe bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errStopped)
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return p.fault(ctx, "connect", err, "")
	}
	defer conn.Close()
	session, err := p.Begin(ctx, conn, remaining(ctx))
	if err != nil {
		discard(conn)
		return p.fault(ctx, "begin a read-only transaction", err, "")
	}
	if probe {
		err = p.probe(ctx, conn, query, out)
	} else {
		err = p.stream(ctx, conn, query, out, func() { cancel(errStopped) })
	}
	if end := session.End(ctx.Err() != nil); end != nil {
		discard(conn)
	}
	if err != nil {
		return err
	}
	if now := session.SourceNow(); !now.IsZero() {
		out.SourceNow(now)
	}
	if r, ok := session.(Replica); ok {
		if at := r.DataAsOf(); !at.IsZero() {
			out.DataAsOf(at)
		}
	}
	return nil
}

// stream sends the rows of one query to out. stop ends the context. The rows are
// closed when it returns.
func (p *pool) stream(ctx context.Context, conn *sql.Conn, query string, out pluginsdk.RowSink, stop func()) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return p.fault(ctx, "query", err, query)
	}
	var ended error // what the server said, before the stop became its error
	options := sqlrows.Options{
		Zone: p.dsn.Location,
		Cancel: func() {
			ended = rows.Err()
			stop()
		},
	}
	if p.dsn.Location != time.UTC {
		options.ZonelessTypes = p.ZonelessTypes()
	}
	err = sqlrows.Send(rows, out, options)
	switch {
	case err == nil:
		return nil
	case ended != nil:
		return p.fault(ctx, "read the result", ended, query)
	case p.Diagnose(err, query).Class != Unclassified:
		return p.fault(ctx, "read the result", err, query)
	}
	return fmt.Errorf("%s: %w", p.dsn.Name(), err) // of the rows, or of out: it has its class
}

// probe runs a statement that must be refused the way that a query runs, in a transaction
// that is rolled back.
func (p *pool) probe(ctx context.Context, conn *sql.Conn, statement string, out pluginsdk.RowSink) error {
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return p.fault(ctx, "query", err, statement)
	}
	for rows.Next() { // some drivers only say what went wrong when rows are read
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return p.fault(ctx, "query", err, statement)
	}
	return out.Append("the statement was not refused", time.Now())
}

// ping connects once.
func (p *pool) ping(ctx context.Context) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return p.fault(ctx, "connect", err, "")
	}
	defer conn.Close()
	session, err := p.Begin(ctx, conn, remaining(ctx))
	if err != nil {
		discard(conn)
		return p.fault(ctx, "begin a read-only transaction", err, "")
	}
	if err := conn.PingContext(ctx); err != nil { // not every Begin asks the server
		session.End(true)
		discard(conn)
		return p.fault(ctx, "ping", err, "")
	}
	if err := session.End(false); err != nil {
		discard(conn)
		return p.fault(ctx, "end the transaction", err, "")
	}
	return nil
}

// errStopped is why the context of a fetch has ended when we ended it.
var errStopped = errors.New("the fetch was stopped")

// remaining is the time until the deadline of ctx; 0 where there is none. What is
// over already is a millisecond: 0 would mean no limit.
func remaining(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(at), time.Millisecond)
}

// discard closes a connection instead of giving it back to its pool.
func discard(conn *sql.Conn) {
	conn.Raw(func(any) error { return driver.ErrBadConn })
}
