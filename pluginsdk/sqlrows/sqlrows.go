// Package sqlrows sends the rows of a database/sql query to dwmon, whatever the
// driver. It finds the columns dwmon_unique_key and dwmon_timestamp, writes keys
// in their canonical form and reads every form of time.
//
//	rows, err := db.QueryContext(ctx, q.Text)
//	if err != nil {
//		return err
//	}
//	return sqlrows.Send(rows, out, sqlrows.Options{Cancel: cancel})
package sqlrows

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// The two columns, in any case and at any place.
const (
	KeyColumn  = "dwmon_unique_key"
	TimeColumn = "dwmon_timestamp"
)

// Options say how values are read. The zero value will do.
type Options struct {
	// Zone is that of times without one. nil: UTC.
	Zone *time.Location
	// ZonelessTypes are the database type names (sql.ColumnType.DatabaseTypeName)
	// whose native times have no zone although the driver calls them UTC, for
	// instance TIMESTAMP of PostgreSQL. Their wall clock is read in Zone.
	ZonelessTypes []string
	// Cancel ends the query's context. It is called before rows are closed early:
	// closing alone makes some drivers read the whole rest.
	Cancel func()
}

// Send appends every row to out and closes rows. A row whose time is NULL is
// counted as skipped. What is wrong with a column, a key or a time is a
// pluginsdk.CheckerError that names the row, from 1; anything else is what the
// driver or out said.
func Send(rows *sql.Rows, out pluginsdk.RowSink, opts Options) (err error) {
	defer func() {
		if err != nil && opts.Cancel != nil {
			opts.Cancel()
		}
		if cerr := rows.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close the result: %w", cerr)
		}
	}()
	if opts.Zone == nil {
		opts.Zone = time.UTC
	}
	key, at := &keyCell{}, &timeCell{zone: opts.Zone}
	dest, err := bind(rows, key, at, opts.ZonelessTypes)
	if err != nil {
		return err
	}
	for n := 1; rows.Next(); n++ {
		key.err, at.err = nil, nil
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("read row %d: %w", n, err)
		}
		if err := sendRow(out, key, at); err != nil {
			if key.err != nil || at.err != nil {
				return pluginsdk.CheckerError(fmt.Errorf("row %d: %w", n, err))
			}
			return err
		}
	}
	// A result may end early without any other sign: a low count would alert.
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	return nil
}

// sendRow appends one row. The key is looked at first: a row without one is a
// fault even where its time is NULL.
func sendRow(out pluginsdk.RowSink, key *keyCell, at *timeCell) error {
	switch {
	case key.err != nil:
		return key.err
	case at.err != nil:
		return at.err
	case at.null:
		out.SkipNull()
		return nil
	}
	return out.AppendBytes(key.text, at.micros)
}

// bind makes the targets of Scan: the two cells in their places, nothing in the
// others.
func bind(rows *sql.Rows, key *keyCell, at *timeCell, zoneless []string) ([]any, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("read the columns of the result: %w", err)
	}
	keyAt, err := find(columns, KeyColumn)
	timeAt, err2 := find(columns, TimeColumn)
	if err := errors.Join(err, err2); err != nil {
		return nil, pluginsdk.CheckerError(err)
	}
	dest := make([]any, len(columns))
	for i := range dest {
		dest[i] = ignored{}
	}
	dest[keyAt], dest[timeAt] = key, at
	// Not every driver knows its types; those that do not have no use for them.
	if types, err := rows.ColumnTypes(); err == nil {
		key.form = uuidForm(types[keyAt].DatabaseTypeName())
		at.zoneless = slices.Contains(zoneless, types[timeAt].DatabaseTypeName())
	}
	return dest, nil
}

// find looks for a column by name in any case.
func find(columns []string, name string) (int, error) {
	at := -1
	for i, c := range columns {
		if !strings.EqualFold(c, name) {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("the query gives two columns %s; give one of them another name", name)
		}
		at = i
	}
	if at < 0 {
		return 0, fmt.Errorf("the query gives no column %s; name one with AS %s (its columns are %s)", name, name, list(columns))
	}
	return at, nil
}

func list(columns []string) string {
	const most = 20
	if len(columns) > most {
		return strings.Join(columns[:most], ", ") + fmt.Sprintf(" and %d more", len(columns)-most)
	}
	return strings.Join(columns, ", ")
}

// ignored is the target of a column that nobody asked for.
type ignored struct{}

func (ignored) Scan(any) error { return nil }

// keyCell is the target of the key column. A Scanner is given the driver's own
// value without a copy or a conversion, which is what keeps a row free of
// allocations. What is wrong is kept aside, as database/sql would bury it in
// words of its own.
type keyCell struct {
	form keyForm
	text []byte
	err  error
}

func (c *keyCell) Scan(v any) error {
	c.text, c.err = appendKey(c.text[:0], v, c.form)
	return nil
}

// timeCell is the target of the time column.
type timeCell struct {
	zone     *time.Location
	zoneless bool
	micros   int64
	null     bool
	err      error
}

func (c *timeCell) Scan(v any) error {
	if t, ok := v.(time.Time); ok && c.zoneless {
		v = inZone(t, c.zone)
	}
	c.micros, c.null, c.err = Timestamp(v, c.zone)
	return nil
}

// inZone reads the wall clock of t in another zone.
func inZone(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
