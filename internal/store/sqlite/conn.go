package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"

	"modernc.org/sqlite"
)

// maxStatements bounds the prepared statements that a connection keeps. The
// package has fewer texts than that; the bound is for those that are put
// together, should there ever be many.
const maxStatements = 256

// conn is one connection with its prepared statements. It is used by one
// goroutine at a time.
type conn struct {
	raw   driver.Conn
	stmts map[string]*stmt
	lists map[listKey]string // texts of statements for lists (list.go)
	// ctx ends statements early where the connection was lent to a reader; nil
	// on the write connection: a transaction is not left half way.
	ctx context.Context
}

// stmt is a prepared statement; busy while its rows are being read, so that a
// nested query with the same text prepares another one.
type stmt struct {
	raw  driver.Stmt
	busy bool
}

func connect(ctx context.Context, dsn string) (*conn, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, stmts: make(map[string]*stmt), lists: make(map[listKey]string)}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.raw.Close())
	}
	c.stmts = nil
	errs = append(errs, c.raw.Close())
	return errors.Join(errs...)
}

// prepare gives the statement of a text, for the caller alone until release.
func (c *conn) prepare(query string) (*stmt, error) {
	s := c.stmts[query]
	if s != nil && !s.busy {
		s.busy = true
		return s, nil
	}
	raw, err := c.raw.Prepare(query)
	if err != nil {
		return nil, err
	}
	fresh := &stmt{raw: raw, busy: true}
	if s == nil {
		c.makeRoom()
		c.stmts[query] = fresh
	}
	return fresh, nil
}

func (c *conn) makeRoom() {
	for text, s := range c.stmts {
		if len(c.stmts) < maxStatements {
			return
		}
		if !s.busy {
			s.raw.Close()
			delete(c.stmts, text)
		}
	}
}

func (c *conn) release(query string, s *stmt) {
	s.busy = false
	if c.stmts[query] != s {
		s.raw.Close()
	}
}

// exec runs a statement and gives how many rows it changed. The number is only
// meaningful for INSERT, UPDATE and DELETE.
func (c *conn) exec(query string, args ...any) (changed int64, err error) {
	named, err := bindings(args)
	if err != nil {
		return 0, err
	}
	return c.execBound(query, named)
}

// execBound is exec for arguments that are in the driver's form already.
func (c *conn) execBound(query string, args []driver.NamedValue) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	defer c.release(query, s)
	res, err := s.raw.(driver.StmtExecContext).ExecContext(c.context(), args)
	if err != nil || res == nil {
		return 0, err
	}
	return res.RowsAffected()
}

// insertBound runs an INSERT into a table with an INTEGER PRIMARY KEY and gives the
// id of the new row.
func (c *conn) insertBound(query string, args []driver.NamedValue) (id int64, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	defer c.release(query, s)
	res, err := s.raw.(driver.StmtExecContext).ExecContext(c.context(), args)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// query runs a statement and gives its rows one by one; an error comes last. A
// row is only valid until the next one, blobs and texts taken from it stay.
func (c *conn) query(query string, args ...any) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		named, err := bindings(args)
		if err != nil {
			yield(nil, err)
			return
		}
		c.queryBound(query, named)(yield)
	}
}

// queryBound is query for arguments that are in the driver's form already.
func (c *conn) queryBound(query string, args []driver.NamedValue) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if err := c.each(query, args, yield); err != nil {
			yield(nil, err)
		}
	}
}

// drain runs a statement to its end and gives none of its rows.
func (c *conn) drain(query string, args []driver.NamedValue) error {
	for _, err := range c.queryBound(query, args) {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) each(query string, args []driver.NamedValue, yield func(row, error) bool) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer c.release(query, s)
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(c.context(), args)
	if err != nil {
		return err
	}
	defer rows.Close()
	r := make(row, len(rows.Columns()))
	for n := 0; ; n++ {
		if n%256 == 255 && c.ctx != nil && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if err := rows.Next(r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if !yield(r, nil) {
			return nil
		}
	}
}

// one runs a statement and gives its first row; nil where there is none.
func (c *conn) one(query string, args ...any) (row, error) {
	for r, err := range c.query(query, args...) {
		return r, err
	}
	return nil, nil
}

func (c *conn) context() context.Context {
	if c.ctx != nil {
		return c.ctx
	}
	return context.Background()
}

// bindings turns arguments into the driver's form. Pointers that are nil are
// NULL; a nil []byte is NULL too, an empty one is not.
func bindings(args []any) ([]driver.NamedValue, error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := binding(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d of a statement: %w", i+1, err)
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return named, nil
}

func binding(a any) (driver.Value, error) {
	switch v := a.(type) {
	case int64, string, []byte, nil:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		return boolean(v), nil
	case *int64:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	case *string:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	default:
		return driver.DefaultParameterConverter.ConvertValue(a)
	}
}

func boolean(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// row is one row of a result. The methods take the column's place; a value of
// another kind than asked for reads as zero, as NULL does.
type row []driver.Value

func (r row) null(i int) bool { return r[i] == nil }

func (r row) int(i int) int64 {
	n, _ := r[i].(int64)
	return n
}

// intp is nil for NULL.
func (r row) intp(i int) *int64 {
	n, ok := r[i].(int64)
	if !ok {
		return nil
	}
	return &n
}

func (r row) bool(i int) bool { return r.int(i) != 0 }

// text reads TEXT and BLOB alike: what was stored as bytes is not always UTF-8.
func (r row) text(i int) string {
	switch v := r[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// blob is empty, not nil, for an empty value.
func (r row) blob(i int) []byte {
	switch v := r[i].(type) {
	case []byte:
		if v == nil {
			return []byte{}
		}
		return v
	case string:
		return []byte(v)
	}
	return nil
}
