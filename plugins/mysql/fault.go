package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// numbers are the errors of the server that are not the query's own fault, as they
// are the same in MySQL and MariaDB.
var numbers = map[uint16]sqlgetter.Class{
	1045: sqlgetter.Credentials, // access denied
	1044: sqlgetter.Credentials, // to the database
	1698: sqlgetter.Credentials,
	1130: sqlgetter.Credentials, // host not allowed
	1862: sqlgetter.Credentials, // password expired
	1820: sqlgetter.Credentials,
	1524: sqlgetter.Credentials, // authentication plugin
	3118: sqlgetter.Credentials, // account locked
	4151: sqlgetter.Credentials,

	1969: sqlgetter.Slow, // MariaDB's max_statement_time
	3024: sqlgetter.Slow, // MySQL's max_execution_time
	1317: sqlgetter.Slow, // killed

	1040: sqlgetter.Unavailable, // too many connections
	1203: sqlgetter.Unavailable, // of this user
	1226: sqlgetter.Unavailable, // of this user's resources
	1129: sqlgetter.Unavailable, // host blocked after errors
	1053: sqlgetter.Unavailable, // shutdown
	1927: sqlgetter.Unavailable, // connection killed
	1079: sqlgetter.Unavailable,
	1205: sqlgetter.Unavailable, // lock wait
	1213: sqlgetter.Unavailable, // deadlock
	1206: sqlgetter.Unavailable,
	1021: sqlgetter.Unavailable, // disk full
	1030: sqlgetter.Unavailable, // storage engine
	1037: sqlgetter.Unavailable, // out of memory
	1038: sqlgetter.Unavailable,
	1041: sqlgetter.Unavailable,
	1114: sqlgetter.Unavailable, // temporary table full
	1135: sqlgetter.Unavailable, // no thread
	1158: sqlgetter.Unavailable, // network
	1159: sqlgetter.Unavailable,
	1160: sqlgetter.Unavailable,
	1161: sqlgetter.Unavailable,
	1412: sqlgetter.Unavailable, // table definition changed
	1429: sqlgetter.Unavailable, // federated source
	3032: sqlgetter.Unavailable, // offline mode
	3168: sqlgetter.Unavailable, // server is not running
}

// Diagnose classifies by error number. Every other error of the server about a
// query counts as the query's: the server's own trouble has few numbers.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return sqlgetter.Fault{Class: classOf(my.Number, query != ""), Text: describe(my)}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return sqlgetter.Fault{Class: sqlgetter.Slow}
	case errors.Is(err, mysql.ErrInvalidConn):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: "the connection was lost"}
	case errors.Is(err, mysql.ErrNoTLS), errors.Is(err, mysql.ErrOldProtocol):
		return sqlgetter.Fault{Class: sqlgetter.Settings}
	case errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrNativePassword),
		errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrUnknownPlugin):
		return sqlgetter.Fault{Class: sqlgetter.Credentials}
	}
	return sqlgetter.Fault{}
}

func classOf(number uint16, querying bool) sqlgetter.Class {
	if c, ok := numbers[number]; ok {
		return c
	}
	if !querying {
		if number == 1049 { // unknown database
			return sqlgetter.Settings
		}
		return sqlgetter.Unavailable
	}
	return sqlgetter.Query
}

// describe is the server's message with what to do.
func describe(my *mysql.MySQLError) string {
	text := fmt.Sprintf("%s (error %d)", strings.TrimSpace(my.Message), my.Number)
	switch my.Number {
	case 1792:
		text += "; a checker's query may only read"
	case 1969, 3024:
		text += "; make the query faster, or raise the timeout of the checker or the source"
	}
	return text
}
