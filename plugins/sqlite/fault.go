package main

import (
	"errors"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// Diagnose classifies by result code.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	if errors.Is(err, errMissing) {
		// It may be there again at the next pass: a file that is being replaced, a
		// disk that is not mounted.
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: strings.TrimPrefix(err.Error(), errMissing.Error()+": ")}
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		if strings.HasPrefix(err.Error(), "missing argument") { // the driver's words, pinned by a test
			return sqlgetter.Fault{Class: sqlgetter.Query, Text: "the query has parameters (?); there are no values for them"}
		}
		return sqlgetter.Fault{}
	}
	text := lite.Error()
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT:
		return sqlgetter.Fault{Class: sqlgetter.Query}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH:
		return sqlgetter.Fault{Class: sqlgetter.Query, Text: text + "; a checker's query may only read"}
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return sqlgetter.Fault{Class: sqlgetter.Settings, Text: text + "; look at the file with PRAGMA integrity_check"}
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return sqlgetter.Fault{
			Class: sqlgetter.Unavailable,
			Text:  text + "; may the user of dwmon read the file, and write beside it if it is in WAL mode and nobody else has it open?",
		}
	case sqlite3.SQLITE_INTERRUPT:
		return sqlgetter.Fault{Class: sqlgetter.Slow}
	default: // busy, locked, a disk in trouble, out of memory
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	}
}
