package pluginsdk

import (
	"context"
	"encoding/json"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// NoticeHandler may be implemented beside CheckHandler: it is told of incidents,
// when they begin, go on and end, of corrections, and what is said about several
// results, such as a digest. A handler whose results are asked for on change is
// told notices instead of them.
type NoticeHandler interface {
	// HandleNotice takes one notice; errors are as those of HandleCheck.
	HandleNotice(ctx context.Context, n Notice) error
}

// NoticeKind is what a notice says.
type NoticeKind string

const (
	// NoticeOpened: an incident began.
	NoticeOpened NoticeKind = "opened"
	// NoticeRepeated: it goes on.
	NoticeRepeated NoticeKind = "repeated"
	// NoticeRecovered: it has ended; Incident.End says how.
	NoticeRecovered NoticeKind = "recovered"
	// NoticeCorrected: late rows overturned a low verdict.
	NoticeCorrected NoticeKind = "corrected"
	// NoticeDigest: what was not told one by one.
	NoticeDigest NoticeKind = "digest"
	// NoticeTest: somebody tries the handler; nothing happened.
	NoticeTest NoticeKind = "test"
)

// Subject is what an incident is about.
type Subject string

const (
	// SubjectCount: counts of a requirement line are out of range.
	SubjectCount Subject = "count"
	// SubjectChecker: a checker, or one line of it, cannot be evaluated.
	SubjectChecker Subject = "checker"
	// SubjectSource: a whole source is down.
	SubjectSource Subject = "source"
	// SubjectDwmon: dwmon itself is behind.
	SubjectDwmon Subject = "dwmon"
)

// Incident is a stretch of trouble, from its first notice to its last.
type Incident struct {
	// ID is the same in all notices of the incident, and in no other's: receivers
	// fold them together by it.
	ID      string  `json:"id"`
	Subject Subject `json:"subject"`
	// Cause is a few words, without a name.
	Cause string `json:"cause"`
	// OpenedEpoch and ClosedEpoch are seconds since the epoch; ClosedEpoch is nil
	// while it lasts. The local times are in the checker's zone.
	OpenedEpoch     int64  `json:"opened_epoch"`
	OpenedLocalTime string `json:"opened_local_time"`
	ClosedEpoch     *int64 `json:"closed_epoch"`
	ClosedLocalTime string `json:"closed_local_time"`
	// End is recovered, line_changed, off or forgotten; empty while it lasts.
	End string `json:"end"`
	// Checks counts the line's checks since the incident began, BadChecks those of
	// them that were not good.
	Checks    int64 `json:"checks"`
	BadChecks int64 `json:"bad_checks"`
	// Checkers is how many checkers a source's incident is about.
	Checkers int64 `json:"checkers"`
}

// Open says that the incident lasts.
func (i *Incident) Open() bool { return i.ClosedEpoch == nil }

// Lasted is how long the incident has lasted at its end; 0 while it lasts.
func (i *Incident) Lasted() time.Duration {
	if i.ClosedEpoch == nil {
		return 0
	}
	return time.Duration(*i.ClosedEpoch-i.OpenedEpoch) * time.Second
}

// Fact is a line of a notice as people read it: "Count", "4, at least 5".
type Fact struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Window is one window of a line, for a small chart.
type Window struct {
	MinuteEpoch int64 `json:"minute_epoch"`
	EventCount  int64 `json:"event_count"`
	// CheckStatus is empty where the window was counted but never judged.
	CheckStatus Status `json:"check_status"`
}

// Item is one of several things that a notice tells together.
type Item struct {
	Kind    NoticeKind `json:"kind"`
	Checker string     `json:"checker_name"`
	Summary string     `json:"summary"`
	// Incident is nil for a correction.
	Incident *Incident         `json:"incident"`
	Source   string            `json:"source"`
	Owner    string            `json:"owner"`
	Labels   map[string]string `json:"labels"`
}

// Notice is what is said about an incident, or about several results or none.
// Marshalled to JSON it is the object of docs/notices.md.
type Notice struct {
	Kind NoticeKind
	// IdempotencyKey is the same for every attempt to deliver this notice.
	IdempotencyKey string
	// Checker is empty when the notice is about a source or about many checkers.
	Checker Checker
	// Summary is one line.
	Summary string
	// Detail is several lines for people: the facts, or, where Templated, what the
	// user's template made of them.
	Detail    string
	Templated bool
	// Facts are what Detail says, one by one, for receivers with a layout of their
	// own.
	Facts []Fact
	// Results are those that the notice speaks of, oldest first, at most 100.
	Results []Result
	// ExtraJSON is the checker's EXTRA section, byte for byte.
	ExtraJSON []byte
	// Incident is nil for a digest, a correction and a test.
	Incident *Incident
	// Windows are the line's last ones, oldest first.
	Windows []Window
	// Items are set where several notices are told together; Checker, Incident and
	// Results are empty then.
	Items       []Item
	Source      string
	Owner       string
	Labels      map[string]string
	Description string
	// Runbook is a URL or a text: how to mend it.
	Runbook string
	// Keys are some keys of the rows counted, newest first; empty where they are
	// private.
	Keys []string
	// Created is when the notice was made.
	Created time.Time
}

// Extra decodes the EXTRA section; see Query.Extra.
func (n Notice) Extra(v any) error { return decodeExtra(n.ExtraJSON, v) }

// Trouble says that the notice tells of trouble that lasts: an incident that
// began or goes on.
func (n *Notice) Trouble() bool { return n.Kind == NoticeOpened || n.Kind == NoticeRepeated }

// Parts gives the things that the notice tells: its items, or the notice itself as
// the only one.
func (n *Notice) Parts() []Item {
	if len(n.Items) > 0 {
		return n.Items
	}
	return []Item{{
		Kind: n.Kind, Checker: n.Checker.Name, Summary: n.Summary, Incident: n.Incident,
		Source: n.Source, Owner: n.Owner, Labels: n.Labels,
	}}
}

// MarshalJSON writes the object of the documentation. "notice" is the kind.
func (n Notice) MarshalJSON() ([]byte, error) {
	labels := n.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return json.Marshal(struct {
		Notice      NoticeKind        `json:"notice"`
		CheckerName *string           `json:"checker_name"`
		Summary     string            `json:"summary"`
		Detail      string            `json:"detail"`
		Facts       []Fact            `json:"facts"`
		Incident    *Incident         `json:"incident"`
		Results     []Result          `json:"results"`
		Windows     []Window          `json:"windows"`
		Items       []Item            `json:"items"`
		Source      *string           `json:"source"`
		Owner       string            `json:"owner"`
		Labels      map[string]string `json:"labels"`
		Description string            `json:"description"`
		Runbook     string            `json:"runbook"`
		Keys        []string          `json:"keys"`
		Created     json.Number       `json:"created_epoch"`
	}{
		n.Kind, textOrNull(n.Checker.Name), n.Summary, n.Detail, list(n.Facts), n.Incident, list(n.Results), list(n.Windows), list(n.Items),
		textOrNull(n.Source), n.Owner, labels, n.Description, n.Runbook, list(n.Keys), epochSeconds(n.Created),
	})
}

// list is a list that JSON writes as [] where it is empty.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func noticeOf(req *pluginv1.HandleNoticeRequest) Notice {
	n := Notice{
		Kind:           noticeKinds[req.GetKind()],
		IdempotencyKey: req.GetIdempotencyKey(),
		Summary:        req.GetSummary(),
		Detail:         req.GetDetail(),
		Templated:      req.GetTemplated(),
		Results:        resultsOf(req.GetResults()),
		ExtraJSON:      req.GetExtraJson(),
		Incident:       incidentOf(req.GetIncident()),
		Source:         req.GetSource(),
		Owner:          req.GetOwner(),
		Labels:         req.GetLabels(),
		Description:    req.GetDescription(),
		Runbook:        req.GetRunbook(),
		Keys:           req.GetKeys(),
		Created:        time.Unix(req.GetCreatedEpoch(), 0),
	}
	for _, f := range req.GetFacts() {
		n.Facts = append(n.Facts, Fact{f.GetLabel(), f.GetValue()})
	}
	for _, w := range req.GetWindows() {
		n.Windows = append(n.Windows, Window{w.GetMinuteEpoch(), w.GetEventCount(), statusOf(w.GetCheckStatus())})
	}
	for _, i := range req.GetItems() {
		labels := i.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		n.Items = append(n.Items, Item{
			Kind: noticeKinds[i.GetKind()], Checker: i.GetChecker().GetName(), Summary: i.GetSummary(), Incident: incidentOf(i.GetIncident()),
			Source: i.GetSource(), Owner: i.GetOwner(), Labels: labels,
		})
	}
	return n
}

func resultsOf(rs []*pluginv1.CheckResult) (results []Result) {
	for _, r := range rs {
		results = append(results, resultOf(r))
	}
	return results
}

func incidentOf(i *pluginv1.Incident) *Incident {
	if i == nil {
		return nil
	}
	return &Incident{
		ID: i.GetId(), Subject: subjects[i.GetSubject()], Cause: i.GetCause(),
		OpenedEpoch: i.GetOpenedEpoch(), OpenedLocalTime: i.GetOpenedLocalTime(), ClosedEpoch: i.ClosedEpoch, ClosedLocalTime: i.GetClosedLocalTime(),
		End: i.GetEnd(), Checks: i.GetChecks(), BadChecks: i.GetBadChecks(), Checkers: i.GetCheckers(),
	}
}

var noticeKinds = map[pluginv1.NoticeKind]NoticeKind{
	pluginv1.NoticeKind_NOTICE_KIND_OPENED:    NoticeOpened,
	pluginv1.NoticeKind_NOTICE_KIND_REPEATED:  NoticeRepeated,
	pluginv1.NoticeKind_NOTICE_KIND_RECOVERED: NoticeRecovered,
	pluginv1.NoticeKind_NOTICE_KIND_CORRECTED: NoticeCorrected,
	pluginv1.NoticeKind_NOTICE_KIND_DIGEST:    NoticeDigest,
	pluginv1.NoticeKind_NOTICE_KIND_TEST:      NoticeTest,
}

var subjects = map[pluginv1.IncidentSubject]Subject{
	pluginv1.IncidentSubject_INCIDENT_SUBJECT_COUNT:   SubjectCount,
	pluginv1.IncidentSubject_INCIDENT_SUBJECT_CHECKER: SubjectChecker,
	pluginv1.IncidentSubject_INCIDENT_SUBJECT_SOURCE:  SubjectSource,
	pluginv1.IncidentSubject_INCIDENT_SUBJECT_DWMON:   SubjectDwmon,
}
