package main

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// event is the body of a request of the Events API v2.
type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
	Links      []link   `json:"links,omitempty"`
}

// payload is what PagerDuty calls PD-CEF.
type payload struct {
	Summary       string         `json:"summary"`
	Source        string         `json:"source"`
	Severity      string         `json:"severity"`
	Timestamp     string         `json:"timestamp,omitempty"`
	Component     string         `json:"component,omitempty"`
	Group         string         `json:"group,omitempty"`
	Class         string         `json:"class,omitempty"`
	CustomDetails map[string]any `json:"custom_details,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

const (
	actionTrigger = "trigger"
	actionResolve = "resolve"

	severityError = "error"
	severityInfo  = "info"
)

var severities = []string{"critical", severityError, "warning", severityInfo}

// PagerDuty's bounds, and ours, which keep an event far below its 512 KB.
const (
	maxSummary  = 1024 // characters
	maxDedupKey = 255
	maxDetail   = 8000
	maxText     = 1000
	maxList     = 50
)

// eventsOfResult: BAD triggers, GOOD resolves, UNKNOWN changes nothing.
func (h *handler) eventsOfResult(ev *pluginsdk.CheckEvent) []event {
	key := resultKey(ev)
	switch ev.CheckStatus {
	case pluginsdk.Good:
		return []event{resolve(key)}
	case pluginsdk.Bad:
		return []event{trigger(key, payload{
			Summary: provider.ResultSummary(&ev.Result), Source: sourceOf(ev.Source), Severity: h.severityOf(ev.Labels), Timestamp: timestamp(ev.EvaluatedAt),
			Component: ev.CheckerName, Group: ev.Owner, Class: "count", CustomDetails: resultDetails(&ev.Result),
		})}
	default:
		return nil
	}
}

// eventsOfNotice gives what a notice means to PagerDuty. A digest and a correction
// mean nothing: there is nothing that somebody must get up for, nor would anything
// resolve it.
func (h *handler) eventsOfNotice(n *pluginsdk.Notice) (events []event) {
	if n.Kind == pluginsdk.NoticeTest {
		return h.testEvents(n)
	}
	for _, part := range n.Parts() {
		if part.Incident == nil {
			continue
		}
		key := dedupKey(part.Incident.ID)
		switch part.Kind {
		case pluginsdk.NoticeOpened, pluginsdk.NoticeRepeated:
			events = append(events, h.triggerOf(key, n, &part))
		case pluginsdk.NoticeRecovered:
			events = append(events, resolve(key))
		}
	}
	return events
}

func (h *handler) triggerOf(key string, n *pluginsdk.Notice, part *pluginsdk.Item) event {
	e := trigger(key, payload{
		Summary: part.Summary, Source: sourceOf(part.Source), Severity: h.severityOf(part.Labels), Timestamp: timestamp(n.Created),
		Component: part.Checker, Group: part.Owner, Class: classes[part.Incident.Subject],
	})
	if len(n.Items) > 0 {
		e.Payload.CustomDetails = partDetails(part)
		return e
	}
	e.Payload.CustomDetails = noticeDetails(n)
	if isLink(n.Runbook) {
		e.Links = []link{{Href: n.Runbook, Text: "Runbook"}}
	}
	return e
}

// testEvents open an alert of the least severity and resolve it at once.
func (h *handler) testEvents(n *pluginsdk.Notice) []event {
	key := dedupKey(n.IdempotencyKey)
	return []event{
		trigger(key, payload{Summary: n.Summary, Source: sourceOf(n.Source), Severity: severityInfo, Timestamp: timestamp(n.Created), Class: "test"}),
		resolve(key),
	}
}

// classes say what kind of trouble it is.
var classes = map[pluginsdk.Subject]string{
	pluginsdk.SubjectCount:   "count",
	pluginsdk.SubjectChecker: "unknown",
	pluginsdk.SubjectSource:  "source_unknown",
	pluginsdk.SubjectDwmon:   "behind",
}

func trigger(key string, p payload) event {
	p.Summary = provider.Cut(provider.OneLine(p.Summary), maxSummary)
	if p.Summary == "" { // PagerDuty wants one
		p.Summary = "dwmon"
	}
	return event{Action: actionTrigger, DedupKey: key, Client: "dwmon", Payload: &p}
}

func resolve(key string) event { return event{Action: actionResolve, DedupKey: key} }

// severityOf is the checker's own, where its label is one of PagerDuty's.
func (h *handler) severityOf(labels map[string]string) string {
	if own := strings.ToLower(labels["severity"]); slices.Contains(severities, own) {
		return own
	}
	return h.settings.Severity
}

// sourceOf is never empty: PagerDuty wants one.
func sourceOf(source string) string {
	if source == "" {
		return "dwmon"
	}
	return provider.Cut(provider.SourceName(source), maxText)
}

func timestamp(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// resultKey is the same for all results of a requirement line: the installation,
// which is the first part of the idempotency key, the checker and the line.
func resultKey(ev *pluginsdk.CheckEvent) string {
	installation, _, _ := strings.Cut(ev.IdempotencyKey, "/")
	return dedupKey(installation + "/" + ev.CheckerName + "/" + ev.Requirement)
}

// dedupKey keeps a key within PagerDuty's bound: of a longer one the beginning stays,
// for people, and a hash of all of it.
func dedupKey(key string) string {
	if len(key) <= maxDedupKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:])
	return strings.ToValidUTF8(key[:maxDedupKey-1-len(hash)], "") + "#" + hash
}

func resultDetails(r *pluginsdk.Result) map[string]any {
	d := details{}
	d.text("Requirement", r.Requirement)
	d.text("Minute", strings.TrimSpace(r.MinuteLocalTime+" "+r.TimeZone))
	d.text("Reason", r.Reason)
	if r.CatchUp {
		d.text("Catch-up", "judged late")
	}
	d.labels(r.Labels)
	return d
}

func partDetails(part *pluginsdk.Item) map[string]any {
	d := details{}
	d.incident(part.Incident)
	d.labels(part.Labels)
	return d
}

func noticeDetails(n *pluginsdk.Notice) map[string]any {
	d := details{}
	d.incident(n.Incident)
	if n.Templated {
		d["Detail"] = provider.Cut(n.Detail, maxDetail)
	} else {
		for _, f := range n.Facts[:min(len(n.Facts), maxList)] {
			d.text(f.Label, f.Value)
		}
	}
	d.text("Description", n.Description)
	if !isLink(n.Runbook) {
		d.text("Runbook", n.Runbook)
	}
	d.list("Keys", n.Keys)
	d.labels(n.Labels)
	return d
}

// details are the custom_details; what is empty is left out.
type details map[string]any

func (d details) text(name, value string) {
	if value != "" {
		d[name] = provider.Cut(value, maxText)
	}
}

func (d details) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	var short []string
	for _, v := range values[:min(len(values), maxList)] {
		short = append(short, provider.Cut(v, maxText))
	}
	d[name] = short
}

func (d details) labels(labels map[string]string) {
	if len(labels) > 0 {
		d["Labels"] = labels
	}
}

func (d details) incident(i *pluginsdk.Incident) {
	d.text("Cause", i.Cause)
	d.text("Opened", i.OpenedLocalTime)
	d.text("Incident", i.ID)
}

// isLink says that a runbook is a URL rather than a text.
func isLink(runbook string) bool {
	u, err := provider.ParseURL(runbook)
	return err == nil && u.Host != ""
}
