package notice

import (
	"maps"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Compose words a notice of any kind. Nothing in it is longer than a reader can
// use, whatever the data hold, and no text of it holds control characters.
func Compose(d Data) dwmon.Notice {
	n := dwmon.Notice{
		Kind: d.Kind, Checker: d.name(), Source: oneLine(d.source()), Created: d.now(),
		Summary: d.summary(), Facts: d.facts(), Windows: last(d.Windows, maxWindows),
	}
	n.Detail = layOut(n.Facts)
	if d.ofIncident() {
		n.Incident = d.incidentView()
	}
	if d.Result != nil {
		n.Results = []dwmon.Result{*d.Result}
		n.Owner, n.Labels = d.Result.Owner, d.Result.Labels
	}
	if c := d.Checker; c != nil {
		n.File, n.Revision, n.Extra = c.File, c.Revision, c.Extra
		n.Owner, n.Labels = c.Options.Owner, c.Options.Labels
		n.Description, n.Runbook = oneLine(c.Options.Description), oneLine(c.Options.Runbook)
	}
	n.Owner, n.Labels = oneLine(n.Owner), cleanLabels(n.Labels)
	n.Keys = d.newest()
	return n
}

// Test is a notice by which somebody tries a handler. now is microseconds since
// the epoch.
func Test(handler string, now int64) dwmon.Notice {
	return Compose(Data{Kind: dwmon.NoticeTest, Handler: handler, Now: now})
}

// last gives the last n of a list.
func last[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// first gives the first n of a list.
func first[T any](list []T, n int) []T { return list[:min(len(list), n)] }

// newest are the newest keys as they are shown; none where the checker hides them.
func (d *Data) newest() []string { return d.keys(d.Newest) }

func (d *Data) keys(list []string) []string {
	if d.Checker != nil && d.Checker.Options.HideKeys {
		return nil
	}
	var keys []string
	for _, k := range first(list, maxKeys) {
		keys = append(keys, key(k))
	}
	return keys
}

func cleanLabels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	cleaned := map[string]string{}
	for _, k := range first(slices.Sorted(maps.Keys(labels)), maxLabels) {
		cleaned[oneLine(k)] = oneLine(labels[k])
	}
	return cleaned
}

// incidentView is the incident as receivers are told of it.
func (d *Data) incidentView() *dwmon.IncidentView {
	i := &d.Incident
	v := &dwmon.IncidentView{
		ID: dwmon.IncidentKey(d.Installation, i.ID), Subject: i.Subject, Cause: d.incidentCause(),
		Opened: i.Opened, OpenedLocal: dwmon.LocalTime(i.Opened, d.zone()),
		Checks: d.Checks, Bad: d.Bad, Checkers: i.Checkers,
	}
	if i.Closed != nil {
		v.Closed, v.ClosedLocal, v.End = new(*i.Closed), dwmon.LocalTime(*i.Closed, d.zone()), i.End
	}
	return v
}

// incidentCause is what was wrong: of a count the result that opened it, or, while
// it lasts, the last one.
func (d *Data) incidentCause() string {
	if d.Incident.Subject != dwmon.SubjectCount || d.Incident.Cause != "" {
		return d.cause()
	}
	for _, r := range []*dwmon.Result{d.Result, d.Opening} {
		if r != nil && r.Status == dwmon.Bad {
			return d.counted(r)
		}
	}
	if d.Result != nil && d.Result.Status == dwmon.Good && d.open() {
		return d.counted(d.Result)
	}
	return d.cause()
}
