package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// ErrNotOriginal says that a database is not one of the original program.
var ErrNotOriginal = errors.New("it is no database of the original dwmon program")

// Original is a database of the original Python program, open for reading. The
// file is never written, and each read is short: the original may go on using it
// meanwhile.
type Original struct {
	path string
	conn *conn
	// rows and bytes bound what is read, and written, at once.
	rows, bytes int
}

const hintOriginal = "name the file in which the original kept its tables `results` and `checks`"

// OpenOriginal opens an original's database. The error is an *Error that says
// what the file is instead, or ctx's.
func OpenOriginal(ctx context.Context, path string) (*Original, error) {
	if err := looksLikeDatabase(path); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, explain(path, err)
	}
	c, err := connect(ctx, originalDSN(abs))
	if err != nil {
		return nil, explainOriginal(path, err)
	}
	o := &Original{path: path, conn: c, rows: chunkRows, bytes: chunkBytes}
	if err := o.read(ctx, o.recognise); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// originalDSN sets up a connection that cannot write.
func originalDSN(path string) string {
	v := url.Values{
		"mode": {"ro"}, "_query_only": {"1"}, "_busy_timeout": {millis(busyTimeout)}, "_dqs": {"0"}, "_error_rc": {"1"},
		"_pragma": {"cache_size(-" + kib(readerCache) + ")"},
	}
	return dsn(path, v)
}

// looksLikeDatabase looks at the file before SQLite does, whose words for what is
// no database are few.
func looksLikeDatabase(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Path: path, Kind: ErrMissing, Hint: hintOriginal}
	case err != nil:
		return &Error{Path: path, Err: err}
	case info.IsDir():
		return &Error{Path: path, Kind: ErrNotDatabase, Err: errors.New("it is a folder"), Hint: hintOriginal}
	case !info.Mode().IsRegular():
		return &Error{Path: path, Kind: ErrNotDatabase, Err: errors.New("it is no regular file"), Hint: hintOriginal}
	}
	f, err := os.Open(path)
	if err != nil {
		return &Error{Path: path, Err: err, Hint: "the user that runs `dwmon import` must be able to read it"}
	}
	defer f.Close()
	head := make([]byte, len(fileMagic))
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && err == io.EOF:
		return &Error{Path: path, Kind: ErrNotOriginal, Err: errors.New("the file is empty"), Hint: hintOriginal}
	case err != nil && err != io.ErrUnexpectedEOF:
		return &Error{Path: path, Err: err}
	case string(head) != string(fileMagic):
		return &Error{Path: path, Kind: ErrNotDatabase, Hint: hintOriginal}
	}
	return nil
}

// recognise insists on the original's tables, and says what else it has found.
func (o *Original) recognise(c *conn) error {
	tables, err := listTables(c)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(tables))
	refuse := func(format string, args ...any) error {
		return &Error{Path: o.path, Kind: ErrNotOriginal, Err: fmt.Errorf(format, args...), Hint: hintOriginal}
	}
	switch {
	case isOriginal(tables):
		return nil
	case tables[versionTable] != nil && tables["checkers"] != nil:
		return refuse("it is a database of this dwmon already; name it with --db to use it")
	case len(names) == 0:
		return refuse("it has no tables")
	case tables["results"] != nil && tables["checks"] != nil:
		return refuse("its table results has the columns %s, its table checks %s; the original's are unique_id, checker, timestamp and checker, timestamp",
			strings.Join(tables["results"], ", "), strings.Join(tables["checks"], ", "))
	}
	more := ""
	if extra := len(names) - 5; extra > 0 {
		names, more = names[:5], fmt.Sprintf(" and %d more", extra)
	}
	return refuse("it holds the tables %s%s", strings.Join(names, ", "), more)
}

// Close closes the file.
func (o *Original) Close() error { return o.conn.close() }

// read runs fn in a short transaction. What goes wrong is explained.
func (o *Original) read(ctx context.Context, fn func(*conn) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.conn.ctx = ctx
	defer func() { o.conn.ctx = nil }()
	if _, err := o.conn.exec("BEGIN"); err != nil {
		return explainOriginal(o.path, err)
	}
	err = fn(o.conn)
	o.conn.ctx = nil
	_, endErr := o.conn.exec("ROLLBACK")
	return explainOriginal(o.path, errors.Join(err, endErr))
}

// explainOriginal is explain with the remedies for a file that is only read.
func explainOriginal(path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &Error{Path: path, Err: err}
	_, e.Kind = classify(err)
	switch code := sqliteCode(err); {
	case code == sqlite3.SQLITE_READONLY_ROLLBACK || code == sqlite3.SQLITE_READONLY_RECOVERY:
		e.Kind, e.Err = ErrBusy, errors.New("a transaction in it was cut short, and reading alone cannot undo it")
		e.Hint = "let the original program open it once more, or sqlite3, and then stop them"
	case code == sqlite3.SQLITE_READONLY_CANTINIT || code == sqlite3.SQLITE_CANTOPEN:
		e.Hint = "in WAL mode SQLite must be able to write a file beside it: copy the database and its -wal to a folder where it can"
	case e.Kind == ErrDamaged:
		e.Hint = "it is cut off or overwritten; copy it anew from where it is whole, the original stopped, or mend it with `sqlite3 OLD.db .recover`"
	case e.Kind == ErrBusy:
		e.Hint = "the original holds it locked for long: stop it, or try again"
	case e.Kind == ErrNotDatabase:
		e.Hint = hintOriginal
	}
	return e
}

// oldRow is a row of one of the original's tables. key is nil for a check, and
// where the row has none.
type oldRow struct {
	checker string
	key     []byte
	time    oldTime
}

// oldTime is what a column without a firm type says of a time.
type oldTime struct {
	// micros since the epoch, where kind is timeGiven.
	micros int64
	kind   timeKind
}

type timeKind int

const (
	timeGiven timeKind = iota
	timeNull
	// timeUnreadable: no number, or one so large that it was meant in
	// milliseconds. The original counted such rows in no window.
	timeUnreadable
)

// The plus signs and casts take the columns' declared types away, by which the
// driver would turn some values into others. A key that is a number reads as
// the text that the original's column made of it.
const (
	oldChecks = `SELECT rowid, CAST(checker AS TEXT), NULL, +timestamp FROM checks WHERE rowid > ? ORDER BY rowid LIMIT ?`
	oldRows   = `SELECT rowid, CAST(checker AS TEXT), CASE typeof(unique_id) WHEN 'blob' THEN unique_id ELSE CAST(unique_id AS TEXT) END, +timestamp
	FROM results WHERE rowid > ? ORDER BY rowid LIMIT ?`
	oldExtent = `SELECT coalesce((SELECT max(rowid) FROM checks), 0) + coalesce((SELECT max(rowid) FROM results), 0)`
)

// A chunk is large enough for its rows to lie close together once they are sorted.
const (
	chunkRows  = 100_000
	chunkBytes = 32 << 20
)

// each gives the rows of a query in chunks, in the order in which the original
// wrote them. A chunk is reused once fn has returned.
func (o *Original) each(ctx context.Context, query string, fn func(chunk []oldRow) error) error {
	var chunk []oldRow
	last := int64(math.MinInt64)
	for {
		chunk = chunk[:0]
		err := o.read(ctx, func(c *conn) error {
			size := 0
			for r, err := range c.query(query, last, o.rows) {
				if err != nil {
					return err
				}
				row := oldRow{checker: r.text(1), key: r.blob(2), time: readOldTime(r[3])}
				chunk = append(chunk, row)
				last = r.int(0)
				if size += len(row.key); size >= o.bytes {
					break
				}
			}
			return nil
		})
		if err != nil || len(chunk) == 0 {
			return err
		}
		if err := fn(chunk); err != nil {
			return err
		}
	}
}

// extent is about how many rows there are, for showing how far we are.
func (o *Original) extent(ctx context.Context) (rows int64, err error) {
	err = o.read(ctx, func(c *conn) error {
		r, err := c.one(oldExtent)
		if r != nil {
			rows = r.int(0)
		}
		return err
	})
	return rows, err
}

// readOldTime reads a timestamp as the original wrote it: seconds since the
// epoch, in whatever type SQLite kept them.
func readOldTime(v any) oldTime {
	switch v := v.(type) {
	case nil:
		return oldTime{kind: timeNull}
	case int64:
		if v >= dwmon.MaxSeconds || v <= -dwmon.MaxSeconds {
			return oldTime{kind: timeUnreadable}
		}
		return oldTime{micros: v * 1e6}
	case float64:
		return oldFloat(v)
	case string:
		return oldText(v)
	case []byte:
		return oldText(string(v))
	}
	return oldTime{kind: timeUnreadable}
}

func oldFloat(seconds float64) oldTime {
	if !(math.Abs(seconds) < dwmon.MaxSeconds) {
		return oldTime{kind: timeUnreadable}
	}
	return oldTime{micros: int64(math.Round(seconds * 1e6))}
}

func oldText(text string) oldTime {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return oldTime{kind: timeUnreadable} // what ParseFloat also takes, such as inf
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return oldTime{kind: timeUnreadable}
	}
	return oldFloat(seconds)
}
