package main

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"google.golang.org/api/iterator"
)

// connector opens connections, which are no more than a place at the client.
type connector struct{ db *database }

// Connect makes the client where there is none yet.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	client, err := c.db.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{db: c.db, client: client}, nil
}

// Driver returns nil: there is none by a name.
func (connector) Driver() driver.Driver { return nil }

// conn runs one query at a time.
type conn struct {
	db     *database
	client *bigquery.Client
	limit  time.Duration // of the next query; 0: none
	job    string        // the id of its job; empty: none was sent
}

var errQueriesOnly = errors.New("there are queries only")

func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errQueriesOnly }
func (c *conn) Begin() (driver.Tx, error)           { return nil, errQueriesOnly }
func (c *conn) Close() error                        { return nil }

// Ping has a query looked at, which costs nothing.
func (c *conn) Ping(ctx context.Context) error {
	_, err := c.kindOf(ctx, "SELECT 1")
	return err
}

// query is a query as this source asks it.
func (c *conn) query(text string) *bigquery.Query {
	q := c.client.Query(text)
	q.Labels = map[string]string{"application": "dwmon"}
	q.MaxBytesBilled = c.db.mostBytes
	q.ConnectionProperties = []*bigquery.ConnectionProperty{{Key: "time_zone", Value: c.db.zone}}
	if c.db.dataset != "" {
		q.DefaultProjectID, q.DefaultDatasetID = c.db.project, c.db.dataset
	}
	return q
}

// errNoSelect is of a query that BigQuery holds to be something else.
type errNoSelect string

func (e errNoSelect) Error() string {
	return fmt.Sprintf("BigQuery holds this to be a %s; a checker's query is one SELECT", string(e))
}

// mostKnown bounds the queries that are remembered to be a SELECT.
const mostKnown = 1000

// check has BigQuery say what kind of statement a query is, before it is run, once for
// each text: BigQuery would run several statements, and knows more kinds of quotes
// than we do.
func (c *conn) check(ctx context.Context, text string) error {
	c.db.mu.Lock()
	known := c.db.known[text]
	c.db.mu.Unlock()
	if known {
		return nil
	}
	kind, err := c.kindOf(ctx, text)
	if err != nil {
		return err
	}
	if kind != "SELECT" {
		return errNoSelect(kind)
	}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if len(c.db.known) >= mostKnown {
		clear(c.db.known)
	}
	c.db.known[text] = true
	return nil
}

// kindOf is the kind of a statement, which is not run.
func (c *conn) kindOf(ctx context.Context, text string) (string, error) {
	q := c.query(text)
	q.DryRun = true
	job, err := q.Run(ctx)
	if err != nil {
		return "", err
	}
	status := job.LastStatus()
	if status == nil || status.Statistics == nil {
		return "", errNoJob
	}
	details, ok := status.Statistics.Details.(*bigquery.QueryStatistics)
	if !ok {
		return "", errNoJob
	}
	return details.StatementType, nil
}

var errNoJob = errors.New("the answer is no job of BigQuery's; is the endpoint right?")

// QueryContext runs a query as a job.
func (c *conn) QueryContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := c.check(ctx, text); err != nil {
		return nil, err
	}
	q := c.query(text)
	q.JobTimeout = c.limit
	// The id is ours: a job whose acceptance nobody has heard of can be cancelled too.
	c.job = "dwmon_" + rand.Text()
	q.JobID = c.job
	job, err := q.Run(ctx)
	if err != nil {
		return nil, err
	}
	it, err := job.Read(ctx)
	if err != nil {
		return nil, err
	}
	return &rows{it: it}, nil
}

// rows are those of a job's result.
type rows struct {
	it  *bigquery.RowIterator
	row []bigquery.Value
}

// Columns returns the names of the columns.
func (r *rows) Columns() []string {
	names := make([]string, len(r.it.Schema))
	for i, f := range r.it.Schema {
		names[i] = f.Name
	}
	return names
}

// ColumnTypeDatabaseTypeName is BigQuery's name of a column's type.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return string(r.it.Schema[i].Type) }

// Close does nothing: the session cancels a job that is not at its end.
func (r *rows) Close() error { return nil }

// Next reads a row.
func (r *rows) Next(dest []driver.Value) error {
	err := r.it.Next(&r.row)
	if errors.Is(err, iterator.Done) {
		return io.EOF
	}
	if err != nil {
		return err
	}
	for i := range dest {
		dest[i] = plain(r.row[i])
	}
	return nil
}

// plain makes a value one of database/sql, as BigQuery prints it. Days and times
// without a zone become those of UTC; their zone is put right by who knows it.
func plain(v bigquery.Value) driver.Value {
	switch v := v.(type) {
	case *big.Rat: // NUMERIC, BIGNUMERIC
		const digits = 38 // after the point, of the longer type
		text := v.FloatString(digits)
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	case civil.Date:
		return v.In(time.UTC)
	case civil.DateTime:
		return v.In(time.UTC)
	case civil.Time:
		return time.Date(1, 1, 1, v.Hour, v.Minute, v.Second, v.Nanosecond, time.UTC).Format("15:04:05.999999")
	case *bigquery.IntervalValue:
		return v.String()
	}
	return v
}
