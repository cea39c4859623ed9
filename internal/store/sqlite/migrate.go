package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

const versionTable = "goose_db_version"

// contents is what a database file holds.
type contents struct {
	empty   bool
	version int64 // of the schema; 0 where the file is empty
}

// migrate brings the database to the present schema; a read-only one must have it.
func (db *DB) migrate(ctx context.Context) error {
	have, err := inspect(ctx, db.path)
	if err != nil {
		return err
	}
	want, err := newestMigration(db.opts)
	if err != nil {
		return err
	}
	switch {
	case have.version > want:
		return &Error{Path: db.path, Kind: ErrNewer, Err: fmt.Errorf("its version is %d, this dwmon knows %d", have.version, want), Hint: "use the newer dwmon"}
	case have.version == want:
		return nil
	case db.opts.ReadOnly && have.empty:
		return &Error{Path: db.path, Kind: ErrMissing, Err: errors.New("the file is empty"), Hint: "`dwmon daemon` or `dwmon once` fills it"}
	case db.opts.ReadOnly:
		return &Error{Path: db.path, Kind: ErrOlder, Err: fmt.Errorf("its version is %d, this dwmon needs %d", have.version, want), Hint: "`dwmon daemon` or `dwmon once` brings it up to date"}
	}
	if !have.empty {
		saved, err := db.copyBefore(ctx, want)
		if err != nil {
			return err
		}
		db.log.Info("database is brought up to date", "path", db.path, "from", have.version, "to", want, "copy", saved)
	}
	return db.up(ctx)
}

// up runs the migrations, each in a transaction of its own, on a handle of
// database/sql, which is what goose takes.
func (db *DB) up(ctx context.Context) error {
	connector, err := sqlite.NewConnector(writerDSN(db.path))
	if err != nil {
		return err
	}
	handle := sql.OpenDB(connector)
	defer handle.Close()
	handle.SetMaxOpenConns(1)
	provider, err := newProvider(handle, db.opts)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	return handle.Close()
}

func newProvider(handle *sql.DB, opts Options) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectSQLite3, handle, opts.migrations,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithVerbose(false), goose.WithLogger(goose.NopLogger()))
}

// newestMigration is the version that the built-in migrations lead to. No
// connection is made for it.
func newestMigration(opts Options) (int64, error) {
	connector, err := sqlite.NewConnector(":memory:")
	if err != nil {
		return 0, err
	}
	handle := sql.OpenDB(connector)
	defer handle.Close()
	provider, err := newProvider(handle, opts)
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}

// inspect looks into a database without changing it: a file of another program
// must not even be turned to WAL.
func inspect(ctx context.Context, path string) (contents, error) {
	c, err := connect(ctx, readerDSN(path, true))
	if err != nil {
		return contents{}, err
	}
	defer c.close()
	c.ctx = ctx
	tables, err := listTables(c)
	if err != nil {
		return contents{}, err
	}
	switch {
	case len(tables) == 0:
		return contents{empty: true}, nil
	case tables[versionTable] != nil && tables["checkers"] != nil:
	case tables[versionTable] != nil && len(tables) == 1:
		return contents{empty: true}, nil // the first migration was cut short
	case isOriginal(tables):
		return contents{}, &Error{Path: path, Kind: ErrOriginal, Hint: "name another database with --db; `dwmon import " + path + " --db NEW` takes this one's data over"}
	default:
		return contents{}, &Error{Path: path, Kind: ErrForeign, Hint: hintNotDatabase}
	}
	r, err := c.one("SELECT max(version_id) FROM " + versionTable)
	if err != nil {
		return contents{}, err
	}
	return contents{version: r.int(0)}, nil
}

// listTables gives the tables and their columns. SQLite's own are left out.
func listTables(c *conn) (map[string][]string, error) {
	tables := make(map[string][]string)
	for r, err := range c.query(`SELECT t.name, i.name FROM sqlite_master t, pragma_table_info(t.name) i
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.name, i.cid`) {
		if err != nil {
			return nil, err
		}
		tables[r.text(0)] = append(tables[r.text(0)], r.text(1))
	}
	return tables, nil
}

// isOriginal recognises the tables of the original Python program.
func isOriginal(tables map[string][]string) bool {
	return slices.Equal(tables["results"], []string{"unique_id", "checker", "timestamp"}) &&
		slices.Equal(tables["checks"], []string{"checker", "timestamp"})
}

// copyBefore makes a consistent copy of the database beside it, for its owner
// alone. It gets its name only when it is whole.
func (db *DB) copyBefore(ctx context.Context, version int64) (path string, err error) {
	path = fmt.Sprintf("%s.before-v%d", db.path, version)
	part := path + ".part"
	defer func() {
		if err != nil {
			os.Remove(part)
			err = explain(path, err)
		}
	}()
	// VACUUM INTO takes an empty file as it is, its mode included.
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	c, err := connect(ctx, copyDSN(db.path))
	if err != nil {
		return "", err
	}
	defer c.close()
	if _, err := c.exec("VACUUM INTO ?", part); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

// explainOpen is explain for what can go wrong before there is a store.
func explainOpen(path string, err error) error {
	if err == nil {
		return nil
	}
	err = explain(path, err)
	var known *Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Path: path, Err: err}
}

func millis(d time.Duration) string { return decimal(d.Milliseconds()) }
func kib(n int) string              { return decimal(int64(n >> 10)) }
func decimal(n int64) string        { return strconv.FormatInt(n, 10) }
