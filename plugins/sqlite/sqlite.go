package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// busyTimeout is how long a query waits for a writer that holds the whole file,
// as one without WAL does while it commits.
const busyTimeout = 5 * time.Second

// database is one SQLite file.
type database struct {
	path string // absolute
	uri  string
	open *sqlite.Driver
}

// rewrite makes file: and a plain path the scheme that dburl reads without looking
// into the file: a second handle on a database, when it is closed, drops the locks
// that SQLite holds on it.
func rewrite(dsn string) string {
	if rest, ok := strings.CutPrefix(dsn, "file:"); ok {
		return "sqlite:" + rest
	}
	return dsn
}

// open reads the path. A relative one is relative to the plugin's working folder.
// The only parameter taken is mode=ro, which is always set.
func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	for name, values := range dsn.Query() {
		if name != "mode" || !slices.Equal(values, []string{"ro"}) {
			return nil, fmt.Errorf("the parameter %s of the URL is not known; a SQLite source takes timezone only", name)
		}
	}
	path := dsn.Opaque
	if plain, err := url.PathUnescape(path); err == nil && !strings.HasPrefix(path, "/") {
		path = plain // what began with a slash was decoded as the URL's path
	}
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("the URL names no file, such as sqlite:demo.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &database{path: path, uri: uri(path, dsn.Location), open: &sqlite.Driver{}}
	d.open.RegisterConnectionHook(guard)
	if err := d.open.RegisterDeterministicScalarFunction("sha256", 1, sha256Of); err != nil {
		return nil, fmt.Errorf("add the SQL function sha256: %w", err)
	}
	return d, nil
}

// uri is what SQLite opens: read only, so that a missing file is not made, and with
// every statement that would write refused.
func uri(path string, loc *time.Location) string {
	q := url.Values{
		"mode":          {"ro"},
		"_query_only":   {"1"},
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_timezone":     {loc.String()},
		"_error_rc":     {"1"},
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	return u.String()
}

func (d *database) Connector() driver.Connector { return connector{d} }

// MaxIdle is none: a connection costs a tenth of a millisecond, and one that is
// kept goes on reading a file that has been replaced.
func (d *database) MaxIdle() int { return 0 }

// ZonelessTypes are none: the driver reads columns of times in _timezone.
func (d *database) ZonelessTypes() []string { return nil }

func (d *database) Close() {}

// Begin has the query stopped when ctx ends. One SELECT is a transaction of its
// own.
func (d *database) Begin(ctx context.Context, conn *sql.Conn, _ time.Duration) (sqlgetter.Session, error) {
	s := &session{}
	err := conn.Raw(func(c any) (err error) {
		s.release, err = interruptAfter(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

type session struct{ release func() }

// SourceNow is the machine's own clock: nothing to tell.
func (s *session) SourceNow() time.Time { return time.Time{} }

func (s *session) End(bool) error {
	s.release()
	return nil
}

// connector opens connections to the file.
type connector struct{ db *database }

// errMissing is an error that names the file.
var errMissing = errors.New("missing")

// Connect looks at the file first: SQLite's own words name neither it nor the
// reason.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch info, err := os.Stat(c.db.path); {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no file %s", errMissing, c.db.path)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	case info.IsDir():
		return nil, fmt.Errorf("%w: %s is a folder, not a file", errMissing, c.db.path)
	}
	return c.db.open.Open(c.db.uri)
}

// Driver returns the driver below.
func (c connector) Driver() driver.Driver { return c.db.open }
