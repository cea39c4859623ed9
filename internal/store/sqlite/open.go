package sqlite

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var _ dwmon.Store = (*DB)(nil)

//go:embed migration/*.sql
var migrations embed.FS

// Sizes. Larger caches were not faster: what a pass touches is small, and the
// system keeps the file's pages beside. A page in the cache takes more than twice
// its size of memory: with what SQLite puts behind it, it does not fit into one of the
// allocator's slots of 4 KiB.
const (
	writerCache = 2 << 20
	readerCache = 512 << 10
	maxReaders  = 4
	// walLimit is the size to which the WAL is cut back after a checkpoint.
	walLimit = 64 << 20
	// checkpointPages is after how many pages in the WAL a commit copies them into the
	// database. Of a page that changed often only the last state is copied: the more
	// there are, the fewer are written twice.
	checkpointPages = 4000
	// busyTimeout is how long another program's write transaction is waited for.
	busyTimeout = 5 * time.Second
)

// Options of a store. The zero value is good.
type Options struct {
	// ReadOnly opens the database for reading beside a daemon: no lock, no
	// migration, no write.
	ReadOnly bool
	// FilterMemory bounds what is kept of the checkers' last batches, in bytes;
	// 0: 128 MiB, negative: nothing is kept.
	FilterMemory int64
	// SpillDir is where the new rows of a large result wait; created 0700 when it
	// is missing. Empty: the database's folder.
	SpillDir string
	// Now gives the time; nil: time.Now.
	Now func() time.Time
	// Log is told of migrations and of what went wrong without an answer to give;
	// nil: slog.Default.
	Log *slog.Logger

	// migrations replaces the built-in ones in tests.
	migrations fs.FS
	// redoAll, in tests, has every group rolled back and written again before its commit.
	redoAll bool
}

const defaultFilterMemory = 128 << 20

// DB is an open store. Its methods may be called at the same time.
type DB struct {
	path string
	info fs.FileInfo
	opts Options
	log  *slog.Logger

	writer   *writer // nil when read-only
	readers  *readers
	progress progressCache
	filters  *filters
	// backfill is held by the one backfill that may run at a time.
	backfill sync.Mutex

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

// Open opens the database at path, creates it where it is missing and brings it
// to the present schema; a copy is made beside an existing one first. The caller
// holds the lock of the path (AcquireLock) unless it only reads. What it returns
// is an *Error, or ctx's error.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, explain(path, err)
	}
	// The file itself and not a link to it: its WAL lies beside the file.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.migrations == nil {
		opts.migrations, _ = fs.Sub(migrations, "migration")
	}
	opts.FilterMemory = cmp.Or(opts.FilterMemory, defaultFilterMemory)
	opts.SpillDir = cmp.Or(opts.SpillDir, filepath.Dir(abs))
	info, err := claimFile(abs, opts.ReadOnly)
	if err != nil {
		return nil, err
	}
	db := &DB{
		path:    abs,
		info:    info,
		opts:    opts,
		log:     cmp.Or(opts.Log, slog.Default()),
		readers: newReaders(maxReaders),
		filters: newFilters(opts.FilterMemory),
		closed:  make(chan struct{}),
	}
	if err := db.start(ctx); err != nil {
		db.Close()
		return nil, explainOpen(abs, err)
	}
	return db, nil
}

func (db *DB) start(ctx context.Context) error {
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if db.opts.ReadOnly {
		return nil
	}
	c, err := connect(ctx, writerDSN(db.path))
	if err != nil {
		return err
	}
	db.writer, err = newWriter(db, c)
	return err
}

// Path is the database file, absolute, links resolved.
func (db *DB) Path() string { return db.path }

// Close waits for the commits that are under way, refuses new ones and closes
// the file. It may be called more than once.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closed)
		var errs []error
		if db.writer != nil {
			errs = append(errs, db.writer.stop())
		}
		errs = append(errs, db.readers.close())
		unclaimFile(db.info)
		db.closeErr = errors.Join(errs...)
	})
	return db.closeErr
}

// read lends one of the readers to fn: what fn reads is one state of the
// database. fn must not keep the connection.
func (db *DB) read(ctx context.Context, fn func(*conn) error) (err error) {
	if err := db.readers.enter(ctx, db.closed); err != nil {
		return err
	}
	defer db.readers.leave()
	c := db.readers.take()
	if c == nil {
		fresh, err := connect(ctx, readerDSN(db.path, db.opts.ReadOnly))
		if err != nil {
			return explain(db.path, err)
		}
		c = fresh
	}
	c.ctx = ctx
	defer func() {
		c.ctx = nil
		if _, endErr := c.exec("ROLLBACK"); endErr != nil {
			// A connection that cannot end its transaction is of no use any more.
			c.close()
			return
		}
		db.readers.put(c, time.Now())
	}()
	if _, err := c.exec("BEGIN"); err != nil {
		return explain(db.path, err)
	}
	return explainStatement(db.path, fn(c))
}

// now is the store's time, microseconds since the epoch.
func (db *DB) now() int64 { return db.opts.Now().UnixMicro() }

// dsn names the file as SQLite's URI form does: its path may hold any character.
func dsn(path string, settings url.Values) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	return u.String()
}

func commonSettings(cache int) url.Values {
	return url.Values{
		"_busy_timeout": {millis(busyTimeout)},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		"_pragma":       {"cache_size(-" + kib(cache) + ")"},
	}
}

// writerDSN sets up the write connection, auto_vacuum first: it cannot be
// changed once there is a table.
func writerDSN(path string) string {
	v := commonSettings(writerCache)
	v.Set("_auto_vacuum", "INCREMENTAL")
	v.Set("_journal_mode", "WAL")
	v.Set("_synchronous", "FULL")
	v.Set("_foreign_keys", "1")
	v.Set("_txlock", "immediate")
	v.Add("_pragma", "journal_size_limit("+decimal(walLimit)+")")
	v.Add("_pragma", "wal_autocheckpoint("+decimal(checkpointPages)+")")
	return dsn(path, v)
}

// copyDSN sets up a connection for VACUUM INTO, which query_only forbids.
func copyDSN(path string) string {
	v := commonSettings(readerCache)
	v.Set("mode", "ro")
	return dsn(path, v)
}

func readerDSN(path string, readOnly bool) string {
	v := commonSettings(readerCache)
	v.Set("_query_only", "1")
	v.Set("mode", "rw")
	if readOnly {
		v.Set("mode", "ro")
	}
	return dsn(path, v)
}
