package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// database is one database of a ClickHouse server, over its native protocol.
type database struct {
	dial driver.Connector // of the driver
	tls  *tls.Config      // nil: plain
	zone string
}

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"readonly":           "sessions are read only already",
	"max_execution_time": "the time limit of a fetch is passed to the server",
	"session_timezone":   "use timezone",
	"read_timeout":       "the time limit of a fetch is passed to the server",
	"extremes":           "the extremes would be taken for rows",
	"debug":              "the driver would write to the standard output",
	"http_path":          "the plugin speaks the native protocol only",
	"http_proxy":         "the plugin speaks the native protocol only",
	"username":           "put user and password before the host",
	"password":           "put user and password before the host",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	if t := dsn.Transport; t != "" && t != "tcp" {
		return nil, errors.New("the plugin speaks the native protocol only: use clickhouse:// and the native port, 9000 or with TLS 9440, instead of an HTTP one")
	}
	// User and password are set apart: they need no escapes then, and no error of
	// the driver can quote them.
	u := dsn.URL.URL
	u.Scheme, u.User = "clickhouse", nil
	if u.Host == "" {
		u.Host = "localhost"
	}
	options, err := clickhouse.ParseDSN(u.String())
	if err != nil {
		return nil, err
	}
	options.Auth.Username = dsn.User.Username()
	options.Auth.Password, _ = dsn.User.Password()
	withPorts(options)
	// The context of a fetch ends its reads; a second limit would only cut short
	// those that were given more time.
	options.ReadTimeout = 24 * time.Hour
	options.ConnMaxLifetime = 24 * time.Hour // the pool's own is shorter
	options.ClientInfo = clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "dwmon", Version: sqlgetter.Version}}}
	d := &database{tls: options.TLS, zone: dsn.Location.String()}
	options.DialContext = d.connectTo
	d.dial = clickhouse.Connector(options)
	return d, nil
}

// withPorts gives each address the port of its protocol where it has none.
func withPorts(options *clickhouse.Options) {
	port := "9000"
	if options.TLS != nil {
		port = "9440"
	}
	for i, addr := range options.Addr {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			options.Addr[i] = net.JoinHostPort(strings.Trim(addr, "[]"), port)
		}
	}
}

// connectTo is how the driver connects. It leaves the encryption to us then.
func (d *database) connectTo(ctx context.Context, addr string) (net.Conn, error) {
	raw, err := sqlgetter.DialWire(ctx, "tcp", addr)
	if err != nil || d.tls == nil {
		return raw, err
	}
	config := d.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return secured, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes are the days. A DateTime is an instant, whatever zone it is shown in.
func (d *database) ZonelessTypes() []string { return dayTypes }

func (d *database) Close() {}

// Begin needs no round trip: a connection was made read only when it was opened,
// and the limit travels with the query.
func (d *database) Begin(_ context.Context, sqlConn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	s := &session{}
	err := sqlConn.Raw(func(c any) error {
		s.conn = c.(*conn)
		s.conn.limit = limit
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

// errUnread says that there may be something on a connection that nobody has read.
var errUnread = errors.New("the query did not come to its end")

// End gives the connection back where its query came to its end. Where it did not,
// the driver has told the server to stop, if only by closing the connection.
func (s *session) End(cut bool) error {
	if cut || s.conn.busy {
		return errUnread
	}
	return nil
}
