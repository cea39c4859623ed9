package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/trinodb/trino-go-client/trino"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// names are the server's errors that are not what their type is.
var names = map[string]sqlgetter.Class{
	"EXCEEDED_TIME_LIMIT":      sqlgetter.Slow,
	"EXCEEDED_CPU_LIMIT":       sqlgetter.Slow,
	"EXCEEDED_SCAN_LIMIT":      sqlgetter.Query,
	"ADMINISTRATIVELY_KILLED":  sqlgetter.Slow,
	"ADMINISTRATIVELY_PREEMPT": sqlgetter.Slow,
	"USER_CANCELED":            sqlgetter.Slow, // by somebody else: we are not told of our own
	"ABANDONED_QUERY":          sqlgetter.Unavailable,
	"QUERY_REJECTED":           sqlgetter.Unavailable,
	"QUERY_QUEUE_FULL":         sqlgetter.Unavailable,
	"SERVER_STARTING_UP":       sqlgetter.Unavailable,
	"SERVER_SHUTTING_DOWN":     sqlgetter.Unavailable,
	"TRANSACTION_CONFLICT":     sqlgetter.Unavailable,
	"COMPILER_ERROR":           sqlgetter.Query,
}

// types are the meanings of an error's type.
var types = map[string]sqlgetter.Class{
	"USER_ERROR":             sqlgetter.Query,
	"INTERNAL_ERROR":         sqlgetter.Unavailable,
	"INSUFFICIENT_RESOURCES": sqlgetter.Unavailable,
	"EXTERNAL":               sqlgetter.Unavailable, // the catalog's own source
}

// Diagnose classifies by the server's error, or by the status of its answer.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var said *trino.ErrTrino
	if errors.As(err, &said) {
		return sqlgetter.Fault{Class: classOf(said), Text: describe(said)}
	}
	var failed *trino.ErrQueryFailed
	if errors.As(err, &failed) && failed.StatusCode != 0 && failed.StatusCode != http.StatusOK {
		return answered(failed)
	}
	var down net.Error
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var garbled *json.SyntaxError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.Is(err, errNoPage):
		return sqlgetter.Fault{Class: sqlgetter.Settings, Text: errNoPage.Error()}
	case errors.Is(err, errUnended), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &garbled):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: "the result broke off before its last page"}
	case errors.Is(err, trino.ErrQueryCancelled):
		return sqlgetter.Fault{Class: sqlgetter.Slow, Text: "somebody cancelled the query on the server"}
	case errors.As(err, &certificate), errors.As(err, &header), errors.As(err, &authority), errors.Is(err, http.ErrSchemeMismatch):
		return sqlgetter.Fault{Class: sqlgetter.Settings, Text: rootOf(err)}
	case errors.As(err, &failed), errors.As(err, &down):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable, Text: rootOf(err)}
	}
	return sqlgetter.Fault{}
}

// rootOf is the text of what lies below the driver's wrapping, which quotes it.
func rootOf(err error) string {
	var failed *trino.ErrQueryFailed
	if errors.As(err, &failed) && failed.Reason != nil {
		return failed.Reason.Error()
	}
	return err.Error()
}

// answered is an answer with another status than 200.
func answered(e *trino.ErrQueryFailed) sqlgetter.Fault {
	f := sqlgetter.Fault{Class: sqlgetter.Unavailable}
	switch code := e.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		f.Class = sqlgetter.Credentials
	case code >= 300 && code < 400, code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		f.Class = sqlgetter.Settings
	case code == http.StatusBadRequest:
		f.Class = sqlgetter.Query
	}
	const most = 300
	text := strings.TrimSpace(fmt.Sprint(e.Reason))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	f.Text = fmt.Sprintf("the server answers %d %s: %s", e.StatusCode, http.StatusText(e.StatusCode), text)
	return f
}

func classOf(e *trino.ErrTrino) sqlgetter.Class {
	if c, ok := names[e.ErrorName]; ok {
		return c
	}
	if c, ok := types[e.ErrorType]; ok {
		return c
	}
	return sqlgetter.Unavailable
}

// describe is the server's message, which names the place in the query, with what
// to do.
func describe(e *trino.ErrTrino) string {
	text := fmt.Sprintf("%s (%s)", e.Message, e.ErrorName)
	switch e.ErrorName {
	case "EXCEEDED_TIME_LIMIT", "EXCEEDED_CPU_LIMIT":
		text += "; make the query faster, or raise the timeout of the checker or the source"
	}
	return text
}
