// Package alerting decides what is told of incidents, to whom and when.
//
// Incidents open and close in the transaction of the verdict that does it, so
// they are facts, whoever looks. A Notifier looks at them, and at what each
// handler was told of each, and stores the notices that are due as deliveries,
// with a mark of what was told, in one transaction: nothing is told twice, nothing
// is forgotten in a crash, and nothing here is the truth. What hides an incident
// (a silence, a source that is down), what waits for company, what is told again:
// all of it follows from what is stored and from the time.
package alerting

import (
	"context"
	"log/slog"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// Store is what a Notifier needs of a store. Times are microseconds since the
// epoch unless they are minutes.
type Store interface {
	Situation(ctx context.Context) (dwmon.Situation, error)
	FetchStates(ctx context.Context) ([]dwmon.FetchState, error)
	LineEvidence(ctx context.Context, q dwmon.LineQuery) (dwmon.LineEvidence, error)
	// SilencesOf gives the silences that are not over at a time, or may cover a minute
	// that is judged only now.
	SilencesOf(ctx context.Context, now int64) ([]dwmon.Silence, error)
	// ChangeIncidents opens and closes incidents that no verdict decides about.
	ChangeIncidents(ctx context.Context, opens []dwmon.Incident, closings []dwmon.Closing) error
	// Tell stores notices and what is settled by them, all or nothing.
	Tell(ctx context.Context, t dwmon.Tellings) error
}

// Subject is a checker as notices need it.
type Subject struct {
	Checker *dwmon.Checker
	// Source is its source for people.
	Source string
	Zone   *time.Location
	Alert  dwmon.AlertRule
	// Routes are the handlers that may be told.
	Routes []dwmon.Route
	// Template replaces the words of notices; nil: the handler's, else dwmon's own.
	Template *notice.Template
}

// Options of a Notifier.
type Options struct {
	Store Store
	// Installation begins the ids of incidents.
	Installation string
	// Redact takes secrets out of a text; nil: there are none.
	Redact func(string) string
	// Wake is called when notices were stored; nil: nobody.
	Wake func()
	Log  *slog.Logger
}
