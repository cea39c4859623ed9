package daemon

import (
	"encoding/json"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// previewObject is the object of a notice that plugins write (docs/notices.md), and
// what a preview adds to it.
type previewObject struct {
	Handler     *string           `json:"handler"`
	Notes       []string          `json:"notes"`
	Kind        dwmon.NoticeKind  `json:"notice"`
	Checker     string            `json:"checker_name"`
	Summary     string            `json:"summary"`
	Detail      string            `json:"detail"`
	Facts       []dwmon.Fact      `json:"facts"`
	Incident    *previewIncident  `json:"incident"`
	Results     []dwmon.Result    `json:"results"`
	Windows     []previewWindow   `json:"windows"`
	Items       []struct{}        `json:"items"`
	Source      *string           `json:"source"`
	Owner       string            `json:"owner"`
	Labels      map[string]string `json:"labels"`
	Description string            `json:"description"`
	Runbook     string            `json:"runbook"`
	Keys        []string          `json:"keys"`
	Created     int64             `json:"created_epoch"`
}

type previewIncident struct {
	ID          string            `json:"id"`
	Subject     dwmon.Subject     `json:"subject"`
	Cause       string            `json:"cause"`
	Opened      int64             `json:"opened_epoch"`
	OpenedLocal string            `json:"opened_local_time"`
	Closed      *int64            `json:"closed_epoch"`
	ClosedLocal string            `json:"closed_local_time"`
	End         dwmon.IncidentEnd `json:"end"`
	Checks      int64             `json:"checks"`
	Bad         int64             `json:"bad_checks"`
	Checkers    int64             `json:"checkers"`
}

type previewWindow struct {
	Minute int64  `json:"minute_epoch"`
	Count  int64  `json:"event_count"`
	Status string `json:"check_status"`
}

// MarshalJSON writes the object of `alert preview --json`.
func (p *Preview) MarshalJSON() ([]byte, error) {
	n := &p.Notice
	o := previewObject{
		Notes: all(p.Notes), Kind: n.Kind, Checker: n.Checker, Summary: n.Summary, Detail: n.Detail, Facts: all(n.Facts), Results: all(n.Results),
		Windows: []previewWindow{}, Items: []struct{}{}, Owner: n.Owner, Labels: n.Labels, Description: n.Description, Runbook: n.Runbook,
		Keys: all(n.Keys), Created: n.Created,
	}
	if p.Handler != "" {
		o.Handler = &p.Handler
	}
	if n.Source != "" {
		o.Source = &n.Source
	}
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	if i := n.Incident; i != nil {
		incident := previewIncident(*i)
		o.Incident = &incident
	}
	for _, w := range n.Windows {
		o.Windows = append(o.Windows, previewWindow{w.Minute, w.Count, w.Status.String()})
	}
	return json.Marshal(o)
}

// all is a list that JSON writes as [] where it is empty.
func all[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
