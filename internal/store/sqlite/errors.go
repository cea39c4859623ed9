package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Why a database cannot be opened or used; found with errors.Is in what Open
// and the methods of DB return.
var (
	// ErrNotDatabase: the file is no SQLite database, or is a damaged one.
	ErrNotDatabase = errors.New("it is no SQLite database")
	// ErrOriginal: the database belongs to the original Python program.
	ErrOriginal = errors.New("it belongs to the original dwmon program and was left alone")
	// ErrForeign: the database belongs to some other program.
	ErrForeign = errors.New("it belongs to another program and was left alone")
	// ErrNewer: a newer dwmon has written the database.
	ErrNewer = errors.New("a newer dwmon has written it")
	// ErrOlder: the database waits for a migration, which a reader does not make.
	ErrOlder = errors.New("an older dwmon has written it")
	// ErrNetworkFS: SQLite's locks and shared memory do not work over a network.
	ErrNetworkFS = errors.New("it lies on a network file system, where SQLite's locks do not work")
	// ErrMissing: there is no such file or folder.
	ErrMissing = errors.New("it does not exist")
	// ErrPermission: the file or its folder may not be read or written.
	ErrPermission = errors.New("permission denied")
	// ErrCannotOpen: the system refuses to open the file or one beside it.
	ErrCannotOpen = errors.New("it cannot be opened")
	// ErrReplaced: the path no longer names the file that is open.
	ErrReplaced = errors.New("it was replaced or deleted while it was open")
	// ErrFull: the disk is full.
	ErrFull = errors.New("the disk is full")
	// ErrIO: the disk or its file system reports errors.
	ErrIO = errors.New("the disk reports an error")
	// ErrDamaged: SQLite finds the database malformed.
	ErrDamaged = errors.New("it is damaged")
	// ErrBusy: another program holds the database's write lock.
	ErrBusy = errors.New("another program holds its write lock")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrOvertaken: another program has changed the database between the two times that
	// something was written (redo.go): what was read for it may not hold any more.
	ErrOvertaken = errors.New("another program has changed it meanwhile; nothing of this was stored")
	// ErrStale: another program has changed the database while rows were being
	// fetched, so that what was left out as known may not be known any more.
	ErrStale = errors.New("another program has changed the database during the fetch; the fetch counts for nothing and is made again")
)

// Error is a fault of the database file.
type Error struct {
	// Path is the database file, or the file beside it that is meant.
	Path string
	// Kind is one of the errors of this package; nil where none fits.
	Kind error
	// Err is the cause; nil where Kind says it all.
	Err error
	// Hint says what to do; may be empty.
	Hint string
}

func (e *Error) Error() string {
	text := "database " + e.Path
	switch {
	case e.Kind != nil && e.Err != nil:
		text += fmt.Sprintf(": %v (%v)", e.Kind, e.Err)
	case e.Kind != nil:
		text += ": " + e.Kind.Error()
	case e.Err != nil:
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// explain gives an error of SQLite or the file system its kind and a hint. Other
// errors pass unchanged.
func explain(path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	hint, kind := classify(err)
	if kind == nil {
		return err
	}
	return &Error{Path: path, Kind: kind, Err: err, Hint: hint}
}

// explainStatement is explain for what a caller's function returns: only SQLite's
// own errors are the database's, others may speak of any file.
func explainStatement(path string, err error) error {
	if sqliteCode(err) == 0 {
		return err
	}
	return explain(path, err)
}

func classify(err error) (hint string, kind error) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return hintFull, ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return hintPermission, ErrPermission
	case errors.Is(err, fs.ErrNotExist):
		return "create its folder or mend the path", ErrMissing
	}
	code := sqliteCode(err)
	if code == sqlite3.SQLITE_READONLY_DBMOVED {
		return hintReplaced, ErrReplaced
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return hintFull, ErrFull
	case sqlite3.SQLITE_IOERR:
		return "look at the disk and the system's log", ErrIO
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return hintPermission, ErrPermission
	case sqlite3.SQLITE_CANTOPEN:
		return "look at the rights of the file and its folder, and at the limit of open files", ErrCannotOpen
	case sqlite3.SQLITE_NOTADB:
		return hintNotDatabase, ErrNotDatabase
	case sqlite3.SQLITE_CORRUPT:
		return "stop dwmon and put back a copy that `dwmon backup` has made", ErrDamaged
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "end the other program's transaction", ErrBusy
	}
	return "", nil
}

const (
	hintFull        = "free some space; nothing was lost, and dwmon goes on by itself"
	hintPermission  = "the user that runs dwmon must be able to read and write the file and its folder"
	hintReplaced    = "put the file back, or start again to go on with the one that is there now"
	hintNotDatabase = "name another file with --db, or move this one away"
)

// sqliteCode is SQLite's extended result code; 0 for errors of others.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// isDuplicate says that a primary key or a unique column has the value already.
func isDuplicate(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || code == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}
