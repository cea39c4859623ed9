package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/xo/dburl"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// endLimit bounds the end of a transaction, which no context of a call bounds.
const endLimit = 5 * time.Second

// database is one database of an SQL Server.
type database struct{ dial *mssql.Connector }

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"connection timeout": "the time limit of a fetch ends it",
	"guid conversion":    "the bytes of a uniqueidentifier are put in order already",
	"log":                "the driver would write to the log what it sends",
	"change password":    "a monitor changes no password",
	"fedauth":            "sign-in with Entra ID is not part of this plugin; use an SQL login",
	"user id":            "put user and password before the host",
	"password":           "put user and password before the host",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	u := *dsn.URL
	u.User = nil // set apart: no error of the driver can quote it
	text, _, err := dburl.GenSqlserver(&u)
	if err != nil {
		return nil, err
	}
	if text, err = withDefaults(text); err != nil {
		return nil, err
	}
	cfg, err := msdsn.Parse(text)
	if err != nil {
		return nil, err
	}
	cfg.User = dsn.User.Username()
	cfg.Password, _ = dsn.User.Password()
	if cfg.Parameters["app name"] == "" {
		cfg.AppName = "dwmon"
	}
	// A statement on a connection that died is told as it is: the host tries again.
	cfg.DisableRetry = true
	dial := mssql.NewConnectorConfig(cfg)
	dial.Dialer = dialer{}
	return &database{dial: dial}, nil
}

// withDefaults turns on what the driver leaves off: encryption of everything, with a
// certificate that is verified.
func withDefaults(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("it is no valid URL")
	}
	q := u.Query()
	for name, value := range map[string]string{"encrypt": "true", "multisubnetfailover": "false"} {
		if !has(q, name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// dialer dials over a wire: the driver's handshake knows no context.
type dialer struct{}

func (dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return sqlgetter.DialWire(ctx, network, addr)
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes are read by the driver as if they were UTC.
func (d *database) ZonelessTypes() []string {
	return []string{"DATETIME", "DATETIME2", "SMALLDATETIME", "DATE"}
}

func (d *database) Close() {}

// Begin opens the transaction that will be rolled back. The server can be told no
// limit for a query: it is told how long to wait for locks, and a query is stopped
// by the client's signal, or when its connection is gone.
func (d *database) Begin(ctx context.Context, conn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	millis := int64(-1) // wait without a limit
	if limit > 0 {
		millis = min(int64(math.Ceil(float64(limit)/float64(time.Millisecond))), math.MaxInt32)
	}
	script := fmt.Sprintf("SET LOCK_TIMEOUT %d; SET XACT_ABORT ON; SET IMPLICIT_TRANSACTIONS OFF; SET NOCOUNT ON; BEGIN TRANSACTION; SELECT SYSDATETIMEOFFSET()", millis)
	s := &session{conn: conn}
	if err := conn.QueryRowContext(ctx, script).Scan(&s.now); err != nil {
		return nil, err
	}
	return s, nil
}

// session is a transaction.
type session struct {
	conn *sql.Conn
	now  time.Time
}

func (s *session) SourceNow() time.Time { return s.now }

// errCut says that a connection's query was cut short.
var errCut = errors.New("the query was cut short")

// End rolls back. A connection whose query was cut short is given up: the server
// rolls back when it is gone.
func (s *session) End(cut bool) error {
	if cut {
		return errCut
	}
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	_, err := s.conn.ExecContext(ctx, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
	return err
}
