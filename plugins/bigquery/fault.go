package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"

	"cloud.google.com/go/bigquery"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// reasons are BigQuery's reasons that are not the query's own fault.
var reasons = map[string]sqlgetter.Class{
	"authError":            sqlgetter.Credentials,
	"required":             sqlgetter.Credentials,
	"billingNotEnabled":    sqlgetter.Settings,
	"accessNotConfigured":  sqlgetter.Settings,
	"backendError":         sqlgetter.Unavailable,
	"internalError":        sqlgetter.Unavailable,
	"jobBackendError":      sqlgetter.Unavailable,
	"jobInternalError":     sqlgetter.Unavailable,
	"jobRateLimitExceeded": sqlgetter.Unavailable,
	"rateLimitExceeded":    sqlgetter.Unavailable,
	"quotaExceeded":        sqlgetter.Unavailable,
	"tableUnavailable":     sqlgetter.Unavailable,
	"stopped":              sqlgetter.Slow, // the job's time limit, or somebody
	"timeout":              sqlgetter.Slow,
	"blocked":              sqlgetter.Unavailable,
}

// Diagnose classifies by BigQuery's reason, else by the status of its answer.
func (d *database) Diagnose(err error, query string) sqlgetter.Fault {
	var kind errNoSelect
	var job *bigquery.Error
	var api *googleapi.Error
	var login *oauth2.RetrieveError
	var file *fs.PathError
	var down net.Error
	switch {
	case errors.As(err, &file):
		return sqlgetter.Fault{Class: sqlgetter.Settings}
	case errors.As(err, &kind):
		return sqlgetter.Fault{Class: sqlgetter.Query}
	case errors.Is(err, errNoJob):
		return sqlgetter.Fault{Class: sqlgetter.Settings}
	case errors.As(err, &api):
		return answered(api, query)
	case errors.As(err, &job):
		return sqlgetter.Fault{Class: classOf(job.Reason, sqlgetter.Query), Text: describe(job.Message, job.Reason)}
	case errors.As(err, &login):
		return sqlgetter.Fault{Class: sqlgetter.Credentials, Text: "the credentials were refused: " + login.ErrorCode + " " + login.ErrorDescription}
	case errors.As(err, &down):
		return sqlgetter.Fault{Class: sqlgetter.Unavailable}
	case query == "": // the client could not be made
		return sqlgetter.Fault{Class: sqlgetter.Credentials}
	}
	return sqlgetter.Fault{}
}

func answered(e *googleapi.Error, query string) sqlgetter.Fault {
	class, reason := sqlgetter.Query, http.StatusText(e.Code)
	switch {
	case e.Code == http.StatusUnauthorized:
		class = sqlgetter.Credentials
	case e.Code == http.StatusTooManyRequests, e.Code >= http.StatusInternalServerError:
		class = sqlgetter.Unavailable
	case query == "" && e.Code == http.StatusForbidden:
		class = sqlgetter.Credentials
	case query == "":
		class = sqlgetter.Settings
	}
	if len(e.Errors) > 0 {
		reason = e.Errors[0].Reason
		class = classOf(reason, class)
	}
	return sqlgetter.Fault{Class: class, Text: describe(e.Message, reason)}
}

func classOf(reason string, otherwise sqlgetter.Class) sqlgetter.Class {
	if c, ok := reasons[reason]; ok {
		return c
	}
	return otherwise
}

// describe is BigQuery's message, which names the place in the query, with what to do.
func describe(message, reason string) string {
	text := fmt.Sprintf("%s (%s)", message, reason)
	switch reason {
	case "stopped", "timeout":
		text += "; make the query faster, or raise the timeout of the checker or the source"
	case "bytesBilledLimitExceeded":
		text += "; read fewer columns or partitions, or raise maximum_bytes_billed in the URL"
	}
	return text
}
