package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/xo/dburl"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// endLimit bounds the end of a transaction, which no context of a call bounds.
const endLimit = 5 * time.Second

// database is one PostgreSQL database.
type database struct {
	connector driver.Connector
	zone      string
}

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"default_query_exec_mode":       "the protocol is chosen so that a query is one statement and poolers work",
	"default_transaction_read_only": "transactions are read only already",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	url, _, err := dburl.GenPgx(dsn.URL)
	if err != nil {
		return nil, err
	}
	if dsn.Query().Get("host") != "" {
		// libpq's way to name a socket, postgres:///database?host=/folder, in
		// which dburl would take the database for the folder.
		plain := dsn.URL.URL
		plain.Scheme = "postgres"
		url = plain.String()
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New(parseFault(err))
	}
	// Describe, then execute: exactly one statement, nothing prepared stays behind
	// on a connection that a pooler hands to somebody else, and a changed table
	// cannot meet a stale plan.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "dwmon"
	}
	return &database{
		connector: stdlib.GetConnector(*cfg),
		zone:      dsn.Location.String(),
	}, nil
}

// parseFault is what pgx says about a DSN, without the DSN that it quotes.
func parseFault(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "`: "); ok {
		text = after
	}
	return text
}

func (d *database) Connector() driver.Connector { return d.connector }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes are read by pgx as if they were UTC.
func (d *database) ZonelessTypes() []string { return []string{"TIMESTAMP", "DATE"} }

func (d *database) Close() {}

// Begin opens the transaction, sets its bounds and reads the server's clock in a
// single round trip. The settings are local to the transaction: they cannot leak
// to another client behind a pooler.
func (d *database) Begin(ctx context.Context, conn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	// A limit of 0 is no limit, to PostgreSQL too.
	millis := min(int64(math.Ceil(float64(limit)/float64(time.Millisecond))), math.MaxInt32)
	script := fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d; SET LOCAL TimeZone = %s; SELECT extract(epoch FROM now())",
		millis, quote(d.zone))
	s := &session{conn: conn}
	err := withConn(conn, func(pg *pgconn.PgConn) error {
		if pg.ParameterStatus("in_hot_standby") == "on" {
			script += ", " + replayedUntil
		}
		results, err := pg.Exec(ctx, script).ReadAll()
		if err != nil {
			return err
		}
		s.now, s.asOf = times(results)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// replayedUntil is, on a standby that is behind, the commit of the last transaction
// that it has replayed. One that has replayed all that it has received is not behind,
// however long ago that was: an idle primary sends nothing. But while nothing is
// being received, nobody knows what it lacks.
//
// Servers from version 14 on say by themselves, when they are connected to, that
// they are standbys. Others, and relatives that lack these functions, are not asked.
const replayedUntil = `CASE
	WHEN NOT pg_is_in_recovery() THEN NULL
	WHEN pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN NULL
	ELSE extract(epoch FROM pg_last_xact_replay_timestamp())
END`

// times reads the answer to the last statement of Begin's script: the server's clock
// and, of a standby that is behind, how far its data reach.
func times(results []*pgconn.Result) (now, asOf time.Time) {
	if len(results) == 0 {
		return now, asOf
	}
	rows := results[len(results)-1].Rows
	if len(rows) != 1 || len(rows[0]) == 0 {
		return now, asOf
	}
	if len(rows[0]) > 1 {
		asOf = epoch(rows[0][1])
	}
	return epoch(rows[0][0]), asOf
}

// epoch reads seconds; zero for NULL and for what is no number.
func epoch(text []byte) time.Time {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6))
}

// session is a read-only transaction.
type session struct {
	conn *sql.Conn
	now  time.Time
	asOf time.Time
}

func (s *session) SourceNow() time.Time { return s.now }

func (s *session) DataAsOf() time.Time { return s.asOf }

// End rolls back. After a query that was cut short there is nothing to end: when
// its context ended, pgx closed the connection and asked the server to cancel.
func (s *session) End(bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	return withConn(s.conn, func(pg *pgconn.PgConn) error {
		if pg.IsClosed() {
			return pgconn.ErrConnClosed
		}
		_, err := pg.Exec(ctx, "ROLLBACK").ReadAll()
		return err
	})
}

// withConn calls f with the connection below conn.
func withConn(conn *sql.Conn, f func(*pgconn.PgConn) error) error {
	return conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn().PgConn()) })
}

// quote makes a string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
