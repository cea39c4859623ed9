package sqlgetter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Class says whose fault an error of a driver or server is.
type Class int

const (
	// Unclassified leaves the error to the SDK, which knows networks.
	Unclassified Class = iota
	// Query: the checker's query is wrong, or may not read what it asks for.
	Query
	// Credentials: the server refused user and password.
	Credentials
	// Settings: the DSN names something that is not there.
	Settings
	// Unavailable: the server is down, full, restarting or in a conflict; the same
	// query may work later.
	Unavailable
	// Slow: the server ended the query at its time limit.
	Slow
)

// Fault is an error as people see it.
type Fault struct {
	Class Class
	// Text replaces the error's own where it is not empty.
	Text string
}

// fault makes an error of the driver or server one of the SDK's. doing says what
// was being done. The text begins with the database's name and holds no password;
// the error itself is not wrapped, since a driver's may hold the whole DSN.
func (p *pool) fault(ctx context.Context, doing string, err error, query string) error {
	if context.Cause(ctx) == errStopped || ctx.Err() == nil {
		return p.serverFault(doing, err, query)
	}
	text := "the time limit was over; make the query faster, or raise the timeout of the checker or the source"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		text = "the host gave up"
	case query == "" && p.db.Stats().InUse >= p.maxOpen:
		text = fmt.Sprintf("no connection became free within the time limit; all %d were in use: raise max_open, or spread the checkers' queries", p.maxOpen)
	case query == "":
		text = "the database did not answer within the time limit"
	}
	return fmt.Errorf("%s: %s: %s: %w", p.dsn.Name(), doing, text, ctx.Err())
}

func (p *pool) serverFault(doing string, err error, query string) error {
	f := p.Diagnose(err, query)
	if f.Text == "" {
		f.Text = err.Error()
	}
	text := fmt.Sprintf("%s: %s: %s", p.dsn.Name(), doing, oneLine(p.dsn.redact(f.Text)))
	switch f.Class {
	case Query:
		return pluginsdk.CheckerError(errors.New(text))
	case Credentials:
		return p.owned(pluginsdk.CredentialsError, errors.New(text))
	case Settings:
		return p.owned(pluginsdk.ConfigError, errors.New(text))
	case Unavailable:
		return pluginsdk.Retryable(errors.New(text), 0)
	case Slow:
		return fmt.Errorf("%s: %w", text, context.DeadlineExceeded)
	}
	return &quoted{text: text, err: err}
}

// owned makes err the instance's fault, or the checker's where the DSN is the
// checker's own: a wrong SOURCE must not hold up the other checkers.
func (p *pool) owned(fault func(error) error, err error) error {
	if p.own {
		return pluginsdk.CheckerError(err)
	}
	return fault(err)
}

// quoted is an error with a text of ours. The SDK can ask what kind the driver's
// error is, but nobody comes across its text.
type quoted struct {
	text string
	err  error
}

func (q *quoted) Error() string        { return q.text }
func (q *quoted) Is(target error) bool { return errors.Is(q.err, target) }
func (q *quoted) As(target any) bool   { return errors.As(q.err, target) }

// oneLine joins the lines of a server's message.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Place tells where in a query a character is, counted from 1, in lines and
// columns from 1; empty where there is no such character.
func Place(query string, char int) string {
	if char < 1 || char > utf8.RuneCountInString(query) {
		return ""
	}
	line, column := 1, 1
	for _, r := range query {
		if char--; char == 0 {
			break
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("line %d, column %d of the query", line, column)
}
