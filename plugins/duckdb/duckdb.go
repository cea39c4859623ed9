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
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// database is one DuckDB file, or none: a database in memory, for queries that name
// files.
type database struct {
	path string // absolute; empty: in memory
	dsn  string // of the driver
	zone string
}

// unwanted are parameters of the URL that would undo what the getter rests on.
var unwanted = map[string]string{
	"access_mode": "files are opened read only already",
	"timezone":    "",
}

// defaults are DuckDB's settings where the URL says nothing: a monitor takes a small
// part of the machine, and brings no code from the network.
var defaults = map[string]string{
	"memory_limit":                 "1GB",
	"threads":                      "2",
	"autoinstall_known_extensions": "false",
}

func open(dsn sqlgetter.DSN) (sqlgetter.Database, error) {
	if err := dsn.Unwanted(unwanted); err != nil {
		return nil, err
	}
	path := dsn.Opaque
	if plain, err := url.PathUnescape(path); err == nil && !strings.HasPrefix(path, "/") {
		path = plain // what began with a slash was decoded as the URL's path
	}
	q := dsn.Query()
	for name, value := range defaults {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	d := &database{zone: dsn.Location.String()}
	if path != "" && path != ":memory:" {
		if strings.ContainsAny(path, "?#%") {
			return nil, fmt.Errorf("the file %s has one of ?, # and %% in its name, which the driver cannot open", path)
		}
		var err error
		if d.path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		q.Set("access_mode", "read_only") // of a database in memory there is nothing to protect
	}
	d.dsn = d.path + "?" + q.Encode()
	return d, nil
}

func (d *database) Connector() driver.Connector { return connector{d} }

// MaxIdle is none: an open file keeps every other process from writing to it.
func (d *database) MaxIdle() int { return 0 }

// ZonelessTypes are read by the driver as if they were UTC.
func (d *database) ZonelessTypes() []string {
	return []string{"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}
}

func (d *database) Close() {}

// Begin needs to do nothing: one SELECT is a transaction of its own, and the end of
// its context stops it, as it runs in this process.
func (d *database) Begin(context.Context, *sql.Conn, time.Duration) (sqlgetter.Session, error) {
	return session{}, nil
}

type session struct{}

// SourceNow is the machine's own clock: nothing to tell.
func (session) SourceNow() time.Time { return time.Time{} }

func (session) End(bool) error { return nil }

// errMissing is an error that names the file.
var errMissing = errors.New("missing")

// look says what is wrong with the file before DuckDB does.
func (d *database) look() error {
	if d.path == "" {
		return nil
	}
	switch info, err := os.Stat(d.path); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: there is no file %s", errMissing, d.path)
	case err != nil:
		return fmt.Errorf("%w: %w", errMissing, err)
	case info.IsDir():
		return fmt.Errorf("%w: %s is a folder, not a file", errMissing, d.path)
	}
	return nil
}
