package main

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// Diagnose classifies by SQLSTATE.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return sqlgetter.Fault{Class: classOf(pg.Code), Text: describe(pg, query)}
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	}
	if query != "" && strings.HasPrefix(err.Error(), "expected ") {
		// pgx counts $1, $2, … of the text; a test pins its words.
		return sqlgetter.Fault{Class: sqlgetter.Query, Text: "the query has parameters ($1); there are no values for them"}
	}
	return sqlgetter.Fault{}
}

// states are the SQLSTATEs that are not what their class is.
var states = map[string]sqlgetter.Class{
	"3D000": sqlgetter.Settings,    // no such database
	"57014": sqlgetter.Slow,        // statement timeout
	"42501": sqlgetter.Query,       // no privilege: on this table, not for the whole source
	"26000": sqlgetter.Unavailable, // a statement is gone: a pooler switched servers
	"25P02": sqlgetter.Unavailable,
	"25P03": sqlgetter.Unavailable,
}

// classes are the meanings of the first two characters of a SQLSTATE. What is
// missing is the SDK's unknown error.
var classes = map[string]sqlgetter.Class{
	"08": sqlgetter.Unavailable, // connection
	"0A": sqlgetter.Query,       // feature not supported
	"20": sqlgetter.Query,
	"21": sqlgetter.Query, // cardinality
	"22": sqlgetter.Query, // data exception
	"23": sqlgetter.Query,
	"25": sqlgetter.Query, // a write in a read-only transaction
	"28": sqlgetter.Credentials,
	"2B": sqlgetter.Query,
	"2F": sqlgetter.Query,
	"38": sqlgetter.Query,
	"39": sqlgetter.Query,
	"3F": sqlgetter.Query,       // no such schema
	"40": sqlgetter.Unavailable, // serialization, deadlock, conflict with recovery
	"42": sqlgetter.Query,       // syntax, no such table
	"44": sqlgetter.Query,
	"53": sqlgetter.Unavailable, // too many connections, out of memory
	"54": sqlgetter.Query,       // program limit exceeded
	"55": sqlgetter.Unavailable, // lock not available
	"57": sqlgetter.Unavailable, // shutdown, starting up
	"58": sqlgetter.Unavailable,
	"HV": sqlgetter.Unavailable, // foreign data wrapper
	"P0": sqlgetter.Query,       // raised by a function of the database
	"XX": sqlgetter.Unavailable,
}

func classOf(code string) sqlgetter.Class {
	if c, ok := states[code]; ok {
		return c
	}
	if len(code) < 2 {
		return sqlgetter.Unclassified
	}
	return classes[code[:2]]
}

// describe is the server's message with the place in the query and its hints.
func describe(pg *pgconn.PgError, query string) string {
	parts := []string{pg.Message + " (SQLSTATE " + pg.Code + ")"}
	if at := sqlgetter.Place(query, int(pg.Position)); at != "" {
		parts = append(parts, at)
	}
	if pg.Detail != "" {
		parts = append(parts, pg.Detail)
	}
	switch {
	case pg.Code == "25006":
		parts = append(parts, "a checker's query may only read")
	case pg.Code == "57014":
		parts = append(parts, "make the query faster, or raise the timeout of the checker or the source")
	case pg.Hint != "":
		parts = append(parts, pg.Hint)
	}
	return strings.Join(parts, "; ")
}
