package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/xo/dburl"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// endLimit bounds what no context of a call bounds: the end of a transaction, and
// the stop of a query that is no longer wanted.
const endLimit = 5 * time.Second

// database is one database of a MySQL or MariaDB server.
type database struct {
	dial driver.Connector // of the driver
	loc  *time.Location
	// kills are the stops of queries in progress.
	kills sync.WaitGroup
}

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"multiStatements":    "a query is one statement",
	"allowAllFiles":      "a query must not read this machine's files",
	"parseTime":          "times are always read as such",
	"loc":                "use timezone",
	"time_zone":          "use timezone",
	"max_statement_time": "the time limit of a fetch is passed to the server",
	"max_execution_time": "the time limit of a fetch is passed to the server",
	"interpolateParams":  "queries have no parameters",
	"columnsWithAlias":   "it would rename the columns dwmon_unique_key and dwmon_timestamp",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	// User and password are set apart from the driver's DSN, which knows no
	// escapes. Of dburl's defaults, sql_mode=ansi would change what a query means.
	u := *dsn.URL
	u.User = nil
	text, _, err := dburl.GenMysql(&u)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN(text)
	if err != nil {
		return nil, err
	}
	cfg.User = dsn.User.Username()
	cfg.Passwd, _ = dsn.User.Password()
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.Logger = &mysql.NopLogger{} // what it logs is returned as an error too
	if cfg.ConnectionAttributes == "" {
		cfg.ConnectionAttributes = "program_name:dwmon"
	}
	dial, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return &database{dial: dial, loc: dsn.Location}, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes are read by the driver as if they were UTC. TIMESTAMP is not among
// them: it is an instant, and its column is put right in rows.
func (d *database) ZonelessTypes() []string { return []string{"DATETIME", "DATE"} }

// Close waits until every stop has been sent or given up.
func (d *database) Close() { d.kills.Wait() }

// Begin tells the session its limits where they are not what they were, and opens
// the transaction.
func (d *database) Begin(ctx context.Context, sqlConn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	s := &session{db: d, conn: sqlConn}
	err := sqlConn.Raw(func(c any) error {
		s.raw = c.(*conn)
		if err := s.raw.bound(ctx, limit, d.loc); err != nil {
			return err
		}
		if _, err := s.raw.ExecContext(ctx, "START TRANSACTION READ ONLY", nil); err != nil {
			return err
		}
		var err error
		s.now, err = s.raw.clock(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// session is a read-only transaction.
type session struct {
	db   *database
	conn *sql.Conn
	raw  *conn
	now  time.Time
}

func (s *session) SourceNow() time.Time { return s.now }

// errCut says that a connection's query was cut short.
var errCut = errors.New("the query was cut short")

// End rolls back. After a query that was cut short the server may still be at it,
// though the driver has closed the connection: it is told to stop.
func (s *session) End(cut bool) error {
	if cut {
		s.db.kill(s.raw.id)
		return errCut
	}
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	return s.conn.Raw(func(any) error {
		_, err := s.raw.ExecContext(ctx, "ROLLBACK", nil)
		return err
	})
}

// kill ends a connection and its query from another connection, at its best: where
// that fails, the server's own time limit ends the query.
func (d *database) kill(id uint64) {
	d.kills.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), endLimit)
		defer cancel()
		c, err := d.dial.Connect(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		c.(driver.ExecerContext).ExecContext(ctx, fmt.Sprintf("KILL %d", id), nil)
	})
}
