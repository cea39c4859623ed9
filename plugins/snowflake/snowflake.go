package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/snowflakedb/gosnowflake"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// database is one database of a Snowflake account.
type database struct{ connect driver.Connector }

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"tracing":                            "the driver would write what it sends to the log",
	"logQueryText":                       "the driver would write what it sends to the log",
	"connectionDiagnosticsEnabled":       "the driver would end the plugin",
	"STATEMENT_TIMEOUT_IN_SECONDS":       "the time limit of a fetch is passed to the server",
	"MULTI_STATEMENT_COUNT":              "a query is one statement",
	"GO_QUERY_RESULT_FORMAT":             "numbers come as text, exact",
	"TIMESTAMP_TYPE_MAPPING":             "write the type of a timestamp in the query",
	"CLIENT_SESSION_KEEP_ALIVE":          "sessions end with their connections",
	"keepSessionAlive":                   "sessions end with their connections",
	"disableOCSPChecks":                  "certificates are verified",
	"insecureMode":                       "certificates are verified",
	"enableSingleUseRefreshTokens":       "there is nobody to log in",
	"clientStoreTemporaryCredential":     "there is nobody to log in",
	"connectionDiagnosticsAllowlistFile": "the driver would end the plugin",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	if dsn.Query().Get("authenticator") == "externalbrowser" {
		return nil, errors.New("authenticator=externalbrowser wants somebody at a browser; use a key pair (authenticator=snowflake_jwt) or a token")
	}
	// User and password are set apart: they need no escapes then, and no error of
	// the driver can quote them.
	text := "user:password@" + dsn.Host + dsn.EscapedPath() + "?" + dsn.RawQuery
	cfg, err := gosnowflake.ParseDSN(text)
	if err != nil {
		return nil, err
	}
	cfg.User = dsn.User.Username()
	cfg.Password, _ = dsn.User.Password()
	cfg.Application = "dwmon"
	cfg.DisableTelemetry = true
	gosnowflake.GetLogger().SetOutput(io.Discard) // what it logs is returned as an error too
	cfg.LoginTimeout = 15 * time.Second
	for name, value := range map[string]string{
		"TIMEZONE":               dsn.Location.String(),
		"GO_QUERY_RESULT_FORMAT": "JSON", // arrow would make floats of large numbers
		"QUERY_TAG":              "dwmon",
	} {
		cfg.Params[name] = &value
	}
	return &database{connect: gosnowflake.NewConnector(gosnowflake.SnowflakeDriver{}, *cfg)}, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes are read by the driver as if they were UTC.
func (d *database) ZonelessTypes() []string { return []string{"TIMESTAMP_NTZ", "DATE"} }

func (d *database) Close() {}

// Begin tells the session its limit where that is not what it was. It is rounded up
// to ten seconds, so that most fetches find it set already.
func (d *database) Begin(ctx context.Context, sqlConn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	const step = 10
	seconds := int(min(math.Ceil(limit.Seconds()/step)*step, 604800))
	if limit == 0 {
		seconds = 604800 // Snowflake's own most
	}
	s := &session{}
	err := sqlConn.Raw(func(c any) error {
		s.conn = c.(*conn)
		if s.conn.seconds == seconds {
			return nil
		}
		s.conn.seconds = 0
		statement := fmt.Sprintf("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = %d", seconds)
		if _, err := s.conn.ExecContext(ctx, statement, nil); err != nil {
			return err
		}
		s.conn.seconds = seconds
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// session is a connection with its limit.
type session struct{ conn *conn }

// SourceNow would cost a round trip.
func (s *session) SourceNow() time.Time { return time.Time{} }

// errCut says that a connection's query was cut short.
var errCut = errors.New("the query was cut short")

// End gives a connection up whose query was cut short: the driver has had the query
// aborted when its context ended.
func (s *session) End(cut bool) error {
	if cut {
		return errCut
	}
	return nil
}
