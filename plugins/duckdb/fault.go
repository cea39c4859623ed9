package main

import (
	"errors"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// types are the errors that are not the query's own fault.
var types = map[duckdb.ErrorType]sqlgetter.Class{
	duckdb.ErrorTypeInterrupt:   sqlgetter.Slow,
	duckdb.ErrorTypeIO:          sqlgetter.Unavailable, // a file that is not there yet, or locked
	duckdb.ErrorTypeHTTP:        sqlgetter.Unavailable,
	duckdb.ErrorTypeNetwork:     sqlgetter.Unavailable,
	duckdb.ErrorTypeOutOfMemory: sqlgetter.Unavailable,
	duckdb.ErrorTypeConnection:  sqlgetter.Unavailable,
	duckdb.ErrorTypeTransaction: sqlgetter.Unavailable,
	duckdb.ErrorTypeFatal:       sqlgetter.Unavailable,
	duckdb.ErrorTypeInternal:    sqlgetter.Unavailable,
	duckdb.ErrorTypeScheduler:   sqlgetter.Unavailable,
}

// Diagnose classifies by DuckDB's kinds of errors.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	if errors.Is(err, errMissing) {
		// It may be there again at the next pass: a file that is being replaced, a
		// disk that is not mounted.
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: strings.TrimPrefix(err.Error(), errMissing.Error()+": ")}
	}
	for _, own := range []error{errNoSelect, errSeveral, errParameters} {
		if errors.Is(err, own) {
			return sqlgetter.Fault{Class: sqlgetter.Query, Text: own.Error()}
		}
	}
	var said *duckdb.Error
	if !errors.As(err, &said) {
		return sqlgetter.Fault{}
	}
	f := sqlgetter.Fault{Class: sqlgetter.Query, Text: said.Msg}
	if query == "" {
		f.Class = sqlgetter.Settings
	}
	if class, ok := types[said.Type]; ok {
		f.Class = class
	}
	switch {
	case said.Type == duckdb.ErrorTypeOutOfMemory:
		f.Text += "; raise memory_limit in the URL"
	case query == "" && said.Type == duckdb.ErrorTypeIO:
		f.Text += "; a file that another process writes to cannot be opened meanwhile"
	}
	return f
}
