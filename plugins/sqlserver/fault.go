package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// numbers are the errors of the server that are not the query's own fault.
var numbers = map[int32]sqlgetter.Class{
	4060:  sqlgetter.Settings, // no such database, or not for this login
	4064:  sqlgetter.Settings, // its default database
	911:   sqlgetter.Settings,
	18401: sqlgetter.Unavailable, // upgrading

	18450: sqlgetter.Credentials,
	18452: sqlgetter.Credentials,
	18456: sqlgetter.Credentials, // login failed
	18461: sqlgetter.Unavailable, // single user mode
	18470: sqlgetter.Credentials, // disabled
	18486: sqlgetter.Credentials, // locked out
	18487: sqlgetter.Credentials, // password expired
	18488: sqlgetter.Credentials, // password must be changed
	40615: sqlgetter.Credentials, // this address is not allowed
	40914: sqlgetter.Credentials,

	601:   sqlgetter.Unavailable, // rows moved during a scan with NOLOCK
	596:   sqlgetter.Unavailable, // session killed
	615:   sqlgetter.Unavailable,
	701:   sqlgetter.Unavailable, // memory
	802:   sqlgetter.Unavailable,
	921:   sqlgetter.Unavailable, // database is recovering, restoring, offline …
	922:   sqlgetter.Unavailable,
	924:   sqlgetter.Unavailable,
	926:   sqlgetter.Unavailable,
	927:   sqlgetter.Unavailable,
	942:   sqlgetter.Unavailable,
	945:   sqlgetter.Unavailable,
	952:   sqlgetter.Unavailable,
	976:   sqlgetter.Unavailable, // a secondary replica that cannot be read
	978:   sqlgetter.Unavailable,
	983:   sqlgetter.Unavailable,
	1105:  sqlgetter.Unavailable, // disk full
	1204:  sqlgetter.Unavailable, // locks
	1205:  sqlgetter.Unavailable, // deadlock
	1221:  sqlgetter.Unavailable,
	1222:  sqlgetter.Unavailable, // lock timeout
	3960:  sqlgetter.Unavailable, // snapshot conflict
	3961:  sqlgetter.Unavailable,
	4221:  sqlgetter.Unavailable,
	6005:  sqlgetter.Unavailable, // shutting down
	7399:  sqlgetter.Unavailable, // a linked server
	8645:  sqlgetter.Unavailable, // waiting for memory
	8651:  sqlgetter.Unavailable,
	9001:  sqlgetter.Unavailable,
	9002:  sqlgetter.Unavailable,
	10928: sqlgetter.Unavailable, // Azure's limits
	10929: sqlgetter.Unavailable,
	10936: sqlgetter.Unavailable,
	17142: sqlgetter.Unavailable, // paused
	17187: sqlgetter.Unavailable, // starting
	17188: sqlgetter.Unavailable,
	17189: sqlgetter.Unavailable,
	17809: sqlgetter.Unavailable, // too many connections
	40143: sqlgetter.Unavailable, // Azure: failing over, busy, moving
	40166: sqlgetter.Unavailable,
	40197: sqlgetter.Unavailable,
	40501: sqlgetter.Unavailable,
	40540: sqlgetter.Unavailable,
	40613: sqlgetter.Unavailable,
	49918: sqlgetter.Unavailable,
	49919: sqlgetter.Unavailable,
	49920: sqlgetter.Unavailable,
}

// lowestResource is the lowest severity that speaks of the server's state and not of
// the query.
const lowestResource = 17

// Diagnose classifies by error number, then by severity.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var said mssql.Error
	if errors.As(err, &said) {
		return sqlgetter.Fault{Class: classOf(said, query != ""), Text: describe(said)}
	}
	var lost *sqlgetter.Lost
	var stream mssql.StreamError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var down net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return sqlgetter.Fault{Class: sqlgetter.Slow}
	case errors.As(err, &certificate), errors.As(err, &authority), strings.HasPrefix(err.Error(), "TLS Handshake failed: tls:"):
		// The driver wraps the first kind in words only; a test pins them.
		return sqlgetter.Fault{
			Class: sqlgetter.Settings,
			Text:  err.Error() + "; name the certificate of its authority with certificate=FILE, or accept any with trustServerCertificate=true",
		}
	case errors.As(err, &lost), errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &stream):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: "the connection was lost: " + err.Error()}
	case errors.As(err, &down):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	case query == "":
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	}
	return sqlgetter.Fault{}
}

// isAnswer says that the server has said what is wrong, or that its certificate is.
func isAnswer(err error) bool {
	var said mssql.Error
	return errors.As(err, &said) || strings.HasPrefix(err.Error(), "TLS Handshake failed: tls:")
}

func classOf(e mssql.Error, querying bool) sqlgetter.Class {
	if c, ok := numbers[e.Number]; ok {
		if querying && c == sqlgetter.Settings {
			return sqlgetter.Query // a database that the query names
		}
		return c
	}
	if !querying || e.Class >= lowestResource {
		return sqlgetter.Unavailable
	}
	return sqlgetter.Query
}

// describe is the server's message with the line of the query and what to do.
func describe(e mssql.Error) string {
	text := fmt.Sprintf("%s (error %d)", strings.TrimPrefix(e.Message, "login error: "), e.Number)
	switch {
	case e.Number == 1222:
		text += "; somebody holds a lock on what the query reads: look for long transactions"
	case e.LineNo > 0 && e.Class < lowestResource && e.ProcName == "":
		text += fmt.Sprintf("; line %d of the query", e.LineNo)
	}
	return text
}
