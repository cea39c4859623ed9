package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/snowflakedb/gosnowflake"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// numbers are the errors that are not the query's own fault.
var numbers = map[int]sqlgetter.Class{
	604:    sqlgetter.Slow, // cancelled
	630:    sqlgetter.Slow, // statement timeout
	606:    sqlgetter.Settings,
	608:    sqlgetter.Unavailable, // warehouse suspended
	625:    sqlgetter.Unavailable,
	90073:  sqlgetter.Unavailable, // warehouse cannot be resumed: quota
	390100: sqlgetter.Credentials, // incorrect username or password
	390101: sqlgetter.Credentials,
	390102: sqlgetter.Credentials, // locked
	390103: sqlgetter.Credentials,
	390144: sqlgetter.Credentials, // JWT
	390189: sqlgetter.Settings,    // no such role
	390201: sqlgetter.Settings,    // no such database, schema or warehouse
	390303: sqlgetter.Credentials,
	390318: sqlgetter.Credentials,
	390422: sqlgetter.Credentials, // this address is not allowed
	390111: sqlgetter.Unavailable, // session is gone
	390112: sqlgetter.Unavailable,
	390114: sqlgetter.Unavailable,
	390195: sqlgetter.Credentials,
}

// firstOfDriver is the first of the numbers that the driver gives, for what happened
// on the way to the server.
const (
	firstOfDriver = 260000
	lastOfDriver  = 269999
)

// Diagnose classifies by error number.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var said *gosnowflake.SnowflakeError
	if errors.As(err, &said) {
		return sqlgetter.Fault{Class: classOf(said.Number, query != ""), Text: describe(said)}
	}
	var down net.Error
	if errors.As(err, &down) || query == "" {
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	}
	return sqlgetter.Fault{}
}

func classOf(number int, querying bool) sqlgetter.Class {
	if c, ok := numbers[number]; ok {
		return c
	}
	if !querying || number >= firstOfDriver && number <= lastOfDriver {
		return sqlgetter.Unavailable
	}
	return sqlgetter.Query
}

// describe is the server's message with what to do.
func describe(e *gosnowflake.SnowflakeError) string {
	text := e.Message
	if len(e.MessageArgs) > 0 {
		text = fmt.Sprintf(e.Message, e.MessageArgs...)
	}
	text = fmt.Sprintf("%s (error %d)", text, e.Number)
	switch e.Number {
	case 604, 630:
		text += "; make the query faster, or raise the timeout of the checker or the source"
	case 606:
		text += "; name a warehouse in the URL"
	}
	return text
}
