package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// meanings are those of the server's error codes that are not the query's own fault.
var meanings = map[int32]sqlgetter.Class{
	192: sqlgetter.Credentials, // unknown user
	193: sqlgetter.Credentials, // wrong password
	194: sqlgetter.Credentials, // a password is needed
	195: sqlgetter.Credentials, // address not allowed
	516: sqlgetter.Credentials, // authentication failed

	159: sqlgetter.Slow, // max_execution_time
	160: sqlgetter.Slow, // too slow, by the server's estimate
	394: sqlgetter.Slow, // killed

	198: sqlgetter.Unavailable, // a shard's name is not found
	201: sqlgetter.Unavailable, // quota
	202: sqlgetter.Unavailable, // too many queries
	203: sqlgetter.Unavailable, // no connection to a shard is free
	209: sqlgetter.Unavailable, // network
	210: sqlgetter.Unavailable,
	218: sqlgetter.Unavailable, // table is being dropped
	225: sqlgetter.Unavailable, // no keeper
	234: sqlgetter.Unavailable, // no replica has the part
	236: sqlgetter.Unavailable, // aborted: shutdown
	241: sqlgetter.Unavailable, // memory
	242: sqlgetter.Unavailable, // table is read only
	243: sqlgetter.Unavailable, // disk full
	279: sqlgetter.Unavailable, // all replicas of a shard are down
	297: sqlgetter.Unavailable,
	319: sqlgetter.Unavailable,
	369: sqlgetter.Unavailable, // all replicas are stale
	373: sqlgetter.Unavailable, // session is locked
	439: sqlgetter.Unavailable, // no thread
	473: sqlgetter.Unavailable, // deadlock avoided
	499: sqlgetter.Unavailable, // object storage
	519: sqlgetter.Unavailable, // all replicas lost
	745: sqlgetter.Unavailable, // server overloaded
	999: sqlgetter.Unavailable, // keeper
}

// Diagnose classifies by the server's error code. Every other exception about a
// query counts as the query's.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return sqlgetter.Fault{Class: classOf(exception.Code, query != ""), Text: describe(exception)}
	}
	var profile profileFault
	var unknownType *column.UnsupportedColumnTypeError
	var unreadable *proto.BlockError
	var broken *sqlgetter.Lost
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &profile):
		return sqlgetter.Fault{Class: sqlgetter.Settings}
	case errors.Is(err, errNoResult):
		return sqlgetter.Fault{Class: sqlgetter.Query}
	case errors.As(err, &broken):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: "the server closed the connection; is this its native port, 9000 or with TLS 9440?"}
	case errors.As(err, &certificate), errors.As(err, &header), errors.As(err, &authority):
		return sqlgetter.Fault{Class: sqlgetter.Settings}
	case errors.As(err, &unknownType), errors.As(err, &unreadable) && query != "":
		return sqlgetter.Fault{Class: sqlgetter.Query, Text: err.Error() + "; cast the column to text in the query"}
	}
	return sqlgetter.Fault{}
}

func classOf(code int32, querying bool) sqlgetter.Class {
	if c, ok := meanings[code]; ok {
		return c
	}
	if querying {
		return sqlgetter.Query
	}
	switch code {
	case 81, 115, 164, 452: // no such database, unknown setting, a setting that must not be changed
		return sqlgetter.Settings
	case 291, 497: // no access
		return sqlgetter.Credentials
	}
	return sqlgetter.Unavailable
}

// describe is the server's message with what to do.
func describe(e *clickhouse.Exception) string {
	text := fmt.Sprintf("%s (code %d)", strings.TrimPrefix(e.Message, "DB::Exception: "), e.Code)
	switch e.Code {
	case 159, 160:
		text += "; make the query faster, or raise the timeout of the checker or the source"
	case 164:
		text += "; a checker's query may only read"
	}
	return text
}
