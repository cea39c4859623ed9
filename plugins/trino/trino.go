package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/trinodb/trino-go-client/trino"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// endLimit bounds what no context of a call bounds: the stop of a query that is no
// longer wanted.
const endLimit = 5 * time.Second

// Bounds of the driver's own retries of a request. The host asks again anyway; a
// longer retry would hide what is wrong behind the time limit.
const (
	retryTime  = 5 * time.Second
	retryTimes = 4
)

// database is one Trino cluster, with a catalog and a schema.
type database struct {
	connect driver.Connector // of the driver
	// stops are the cancellations of queries in progress.
	stops sync.WaitGroup
}

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"custom_client":                 "there is none",
	"query_timeout":                 "the time limit of a fetch is passed to the server",
	"externalAuthentication":        "there is nobody to log in; use accessToken",
	"forwardAuthorizationHeader":    "queries have no parameters",
	"externalAuthenticationTimeout": "there is nobody to log in; use accessToken",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	u, err := serverURL(dsn)
	if err != nil {
		return nil, err
	}
	conf, err := trino.ParseDSN(u.String())
	if err != nil {
		return nil, err
	}
	if u.Query().Get("source") == "" {
		conf.Source = "dwmon"
	}
	conf.TimeZone = dsn.Location.String()
	if conf.RequestRetryTimeout == nil {
		conf.RequestRetryTimeout = new(time.Duration)
		*conf.RequestRetryTimeout = retryTime
	}
	if conf.RequestRetryMaxAttempts == nil {
		conf.RequestRetryMaxAttempts = new(int)
		*conf.RequestRetryMaxAttempts = retryTimes
	}
	transport, err := transportOf(conf)
	if err != nil {
		return nil, err
	}
	conf.HTTPClient = &http.Client{Transport: guard{transport}}
	connect, err := trino.NewConnector(conf)
	if err != nil {
		return nil, err
	}
	return &database{connect: connect}, nil
}

// serverURL is the coordinator's URL. TLS is on where the parameter tls says so, or,
// where it says nothing, where there is a password or the port is one of TLS: a
// password never travels in the open.
func serverURL(dsn sqlgetter.DSN) (*url.URL, error) {
	u, q := dsn.URL.URL, dsn.Query()
	_, password := u.User.Password()
	secure := password || q.Get("accessToken") != "" || u.Port() == "443" || u.Port() == "8443"
	if text := q.Get("tls"); text != "" {
		var err error
		if secure, err = strconv.ParseBool(text); err != nil {
			return nil, errors.New("the parameter tls of the URL is true or false")
		}
	}
	if !secure && (password || q.Get("accessToken") != "") {
		return nil, errors.New("a password or token is only sent with TLS; use trino+https://")
	}
	q.Del("tls")
	u.RawQuery = q.Encode()
	port := "8080"
	if u.Scheme = "http"; secure {
		u.Scheme, port = "https", "8443"
	}
	host := u.Hostname()
	if host == "" {
		host = "localhost"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	u.Host = hostPort(host, port)
	if u.User == nil {
		u.User = url.User("dwmon") // a server wants a name, if only for its list of queries
	}
	return &u, nil
}

// transportOf makes the transport that the driver would make, so that it can be
// wrapped, and takes out of conf what the driver must not see beside it.
func transportOf(conf *trino.Config) (http.RoundTripper, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	config, err := conf.TLSConfig()
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = config
	switch {
	case conf.HTTPProxy != "" && conf.SOCKSProxy != "":
		return nil, errors.New("httpProxy and socksProxy cannot be used together")
	case conf.HTTPProxy != "":
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: conf.HTTPProxy})
	case conf.SOCKSProxy != "":
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "socks5", Host: conf.SOCKSProxy})
	}
	conf.HTTPProxy, conf.SOCKSProxy = "", ""
	conf.SSLCert, conf.SSLCertPath, conf.SSLVerification = "", "", ""
	conf.SSLClientCert, conf.SSLClientCertPath, conf.SSLClientKey, conf.SSLClientKeyPath = "", "", "", ""
	return transport, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes is empty: the driver reads times without a zone in that of the
// session, which is the DSN's.
func (d *database) ZonelessTypes() []string { return nil }

// Close waits until every stop has been sent or given up.
func (d *database) Close() { d.stops.Wait() }

// Begin needs no round trip: the limit travels with the query.
func (d *database) Begin(_ context.Context, sqlConn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	s := &session{db: d}
	err := sqlConn.Raw(func(c any) error {
		s.conn = c.(*conn)
		s.conn.trail = &trail{limit: limit}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// session is a connection and the trail of its query.
type session struct {
	db   *database
	conn *conn
}

// SourceNow would cost a round trip.
func (s *session) SourceNow() time.Time { return time.Time{} }

// errCut says that a connection's query was cut short.
var errCut = errors.New("the query was cut short")

// End stops the query where it was cut short: the driver does so only in some cases,
// and a coordinator would keep the query for minutes.
func (s *session) End(cut bool) error {
	if !cut {
		return nil
	}
	if stop := s.conn.trail.stop(); stop != nil {
		s.db.stops.Go(stop)
	}
	return errCut
}

// limitProperty is the session property of the server's own time limit, which counts
// from when the query arrives.
func limitProperty(limit time.Duration) string {
	return fmt.Sprintf("query_max_run_time=%dms", max(limit.Milliseconds(), 1))
}
