package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// endLimit bounds what no context of a call bounds: the stop of a job that is no
// longer wanted.
const endLimit = 5 * time.Second

// database is one project, with a dataset for the tables that are named without one.
type database struct {
	project, dataset, location, zone string

	mostBytes int64 // that a query may be billed for; 0: no limit
	options   []option.ClientOption

	mu     sync.Mutex
	client *bigquery.Client
	known  map[string]bool // queries that have been found to be a SELECT
	stops  sync.WaitGroup
}

// parameters are those that a URL may have.
var parameters = map[string]bool{"location": true, "keyfile": true, "endpoint": true, "maximum_bytes_billed": true}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	q := dsn.Query()
	for name := range q {
		if !parameters[name] {
			return nil, fmt.Errorf("the parameter %s of the URL is not known; there are location, keyfile, maximum_bytes_billed, endpoint and timezone", name)
		}
	}
	d := &database{
		project: dsn.Hostname(), dataset: strings.Trim(dsn.Path, "/"),
		location: q.Get("location"), zone: dsn.Location.String(), known: make(map[string]bool),
	}
	switch {
	case d.project == "":
		return nil, errors.New("the URL names no project: bigquery://project/dataset")
	case strings.Contains(d.dataset, "/"):
		return nil, errors.New("the path of the URL is one dataset: bigquery://project/dataset")
	case dsn.User.Username() != "":
		return nil, errors.New("BigQuery has no users with passwords; give the file of a service account with keyfile=FILE")
	}
	if text := q.Get("maximum_bytes_billed"); text != "" {
		var err error
		if d.mostBytes, err = strconv.ParseInt(text, 10, 64); err != nil || d.mostBytes <= 0 {
			return nil, errors.New("maximum_bytes_billed is a whole number of bytes")
		}
	}
	return d, d.authenticate(q)
}

// authenticate chooses how to prove who asks: the file that is named, else what the
// machine provides. An endpoint without TLS is an emulator, and told nothing.
func (d *database) authenticate(q url.Values) error {
	if file := q.Get("keyfile"); file != "" {
		d.options = append(d.options, option.WithAuthCredentialsFile(option.ServiceAccount, file))
	}
	endpoint := q.Get("endpoint")
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return errors.New("endpoint is a URL such as http://localhost:9050/bigquery/v2/")
	}
	d.options = append(d.options, option.WithEndpoint(endpoint))
	if u.Scheme == "http" {
		if len(d.options) > 1 {
			return errors.New("credentials are not sent to an endpoint without TLS")
		}
		d.options = append(d.options, option.WithoutAuthentication())
	}
	return nil
}

// connect makes the client, which all connections share.
func (d *database) connect(ctx context.Context) (*bigquery.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		return d.client, nil
	}
	// The client outlives the call it is made in.
	client, err := bigquery.NewClient(context.WithoutCancel(ctx), d.project, d.options...)
	if err != nil {
		return nil, err
	}
	client.Location = d.location
	d.client = client
	return client, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

func (d *database) MaxIdle() int { return 1 }

// ZonelessTypes have been read as if they were UTC.
func (d *database) ZonelessTypes() []string {
	return []string{string(bigquery.DateTimeFieldType), string(bigquery.DateFieldType)}
}

// Close waits until every stop has been sent or given up.
func (d *database) Close() {
	d.stops.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		d.client.Close()
	}
}

// Begin needs no round trip: the limit travels with the job.
func (d *database) Begin(_ context.Context, sqlConn *sql.Conn, limit time.Duration) (sqlgetter.Session, error) {
	s := &session{db: d}
	err := sqlConn.Raw(func(c any) error {
		s.conn = c.(*conn)
		s.conn.limit, s.conn.job = limit, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// session is a connection and its job.
type session struct {
	db   *database
	conn *conn
}

// SourceNow would cost a round trip.
func (s *session) SourceNow() time.Time { return time.Time{} }

// End cancels the job where the query was cut short.
func (s *session) End(cut bool) error {
	id, client := s.conn.job, s.conn.client
	if !cut || id == "" {
		return nil
	}
	s.db.stops.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), endLimit)
		defer cancel()
		if job, err := client.JobFromProject(ctx, s.db.project, id, s.db.location); err == nil {
			job.Cancel(ctx)
		}
	})
	return nil
}
