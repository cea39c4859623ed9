package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// alert is a postableAlert of Alertmanager's API v2.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Labels make an alert the one that it is. All of an incident's notices bear the
// same ones, so nothing that changes meanwhile is among them: no count, no cause.
const (
	labelName        = "alertname"
	labelChecker     = "checker"
	labelOwner       = "owner"
	labelSource      = "source"
	labelIncident    = "incident"
	labelRequirement = "requirement"
	labelSeverity    = "severity"
)

// alertNames say what kind of trouble it is.
var alertNames = map[pluginsdk.Subject]string{
	pluginsdk.SubjectCount:   "dwmon_count",
	pluginsdk.SubjectChecker: "dwmon_unknown",
	pluginsdk.SubjectSource:  "dwmon_source_unknown",
	pluginsdk.SubjectDwmon:   "dwmon_behind",
}

const (
	nameTest = "dwmon_test"
	// testLasts is how long a test's alert fires: long enough for Alertmanager to
	// group it and tell of it.
	testLasts = 5 * time.Minute
)

// telling is what a delivery means to Alertmanager.
type telling struct {
	firing, ended []alert
	// incidents are those that may have been told with other labels before.
	incidents []string
}

// all are the alerts that are posted.
func (t *telling) all() []alert { return slices.Concat(t.firing, t.ended) }

// ofResult: BAD fires, GOOD ends, UNKNOWN changes nothing. Without incidents an alert
// is told from others by checker and line.
func (h *handler) ofResult(ev *pluginsdk.CheckEvent) (t telling) {
	labels := h.labels(ev.Labels, map[string]string{
		labelName: alertNames[pluginsdk.SubjectCount], labelChecker: ev.CheckerName, labelOwner: ev.Owner, labelSource: provider.SourceName(ev.Source),
		labelRequirement: ev.Requirement,
	})
	switch at := ev.Minute().UTC(); ev.CheckStatus {
	case pluginsdk.Bad:
		t.firing = []alert{{labels, resultAnnotations(&ev.Result), at, h.until(h.settings.Hold.Std())}}
	case pluginsdk.Good:
		t.ended = []alert{{labels, nil, at, at}}
	}
	return t
}

// ofNotice gives what a notice means. A digest and a correction mean nothing: no
// alert of theirs would ever end.
func (h *handler) ofNotice(n *pluginsdk.Notice) (t telling) {
	if n.Kind == pluginsdk.NoticeTest {
		labels := map[string]string{labelName: nameTest, labelSeverity: "info"}
		t.firing = []alert{{h.labels(n.Labels, labels), noticeAnnotations(n), h.until(0), h.until(testLasts)}}
		return t
	}
	for _, part := range n.Parts() {
		if part.Incident == nil {
			continue
		}
		a := alert{Labels: h.incidentLabels(&part), StartsAt: time.Unix(part.Incident.OpenedEpoch, 0).UTC()}
		a.Annotations = partAnnotations(&part)
		if len(n.Items) == 0 {
			a.Annotations = noticeAnnotations(n)
		}
		switch part.Kind {
		case pluginsdk.NoticeOpened, pluginsdk.NoticeRepeated:
			a.EndsAt = h.until(h.settings.Hold.Std())
			t.firing = append(t.firing, a)
		case pluginsdk.NoticeRecovered:
			a.EndsAt = closedAt(part.Incident)
			t.ended = append(t.ended, a)
		}
		if part.Kind != pluginsdk.NoticeOpened {
			t.incidents = append(t.incidents, part.Incident.ID)
		}
	}
	return t
}

// until is so long from now.
func (h *handler) until(d time.Duration) time.Time {
	return h.now().Add(d).UTC().Truncate(time.Second)
}

// closedAt is never before the incident began, which Alertmanager refuses.
func closedAt(i *pluginsdk.Incident) time.Time {
	closed := i.OpenedEpoch
	if i.ClosedEpoch != nil {
		closed = max(closed, *i.ClosedEpoch)
	}
	return time.Unix(closed, 0).UTC()
}

func (h *handler) incidentLabels(part *pluginsdk.Item) map[string]string {
	return h.labels(part.Labels, map[string]string{
		labelName: alertNames[part.Incident.Subject], labelChecker: part.Checker, labelOwner: part.Owner, labelSource: provider.SourceName(part.Source),
		labelIncident: part.Incident.ID,
	})
}

// labels puts together, the last going first: those of the settings, the checker's,
// and ours. Empty ones are left out, as Alertmanager does.
func (h *handler) labels(checkers, own map[string]string) map[string]string {
	all := map[string]string{labelSeverity: h.settings.Severity}
	maps.Copy(all, h.settings.Labels)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(checkers))) { // of two with one name the first stays
		all[labelNameOf(name)] = checkers[name]
	}
	for _, name := range ownLabels {
		delete(all, name)
	}
	maps.Copy(all, own)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	for name, value := range all {
		all[name] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return all
}

var noLabelLetters = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelNameOf makes a name that every version of Alertmanager takes.
func labelNameOf(name string) string {
	name = noLabelLetters.ReplaceAllString(name, "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

func noticeAnnotations(n *pluginsdk.Notice) map[string]string {
	part := n.Parts()[0]
	a := partAnnotations(&part)
	put(a, "summary", n.Summary)
	if len(n.Results) > 0 {
		put(a, "requirement", n.Results[len(n.Results)-1].Requirement)
	}
	put(a, "description", strings.Join(slices.DeleteFunc([]string{n.Description, n.Detail}, func(s string) bool { return s == "" }), "\n\n"))
	name := "runbook"
	if _, err := provider.ParseURL(n.Runbook); err == nil {
		name = "runbook_url"
	}
	put(a, name, n.Runbook)
	return a
}

func partAnnotations(part *pluginsdk.Item) map[string]string {
	a := map[string]string{}
	put(a, "summary", part.Summary)
	if i := part.Incident; i != nil {
		put(a, "cause", i.Cause)
		put(a, "opened", i.OpenedLocalTime)
		put(a, "end", i.End)
	}
	return a
}

func resultAnnotations(r *pluginsdk.Result) map[string]string {
	a := map[string]string{}
	put(a, "summary", provider.ResultSummary(r))
	put(a, "minute", strings.TrimSpace(r.MinuteLocalTime+" "+r.TimeZone))
	put(a, "reason", r.Reason)
	return a
}

// maxAnnotation bounds one annotation, in characters.
const maxAnnotation = 8000

// put adds an annotation that is not empty.
func put(a map[string]string, name, value string) {
	if value = strings.ToValidUTF8(value, "\uFFFD"); value != "" {
		a[name] = provider.Cut(value, maxAnnotation)
	}
}

// isOneOf says that the alert is one of others to Alertmanager.
func (a alert) isOneOf(others []alert) bool {
	return slices.ContainsFunc(others, func(b alert) bool { return maps.Equal(a.Labels, b.Labels) })
}

// endedAt is the alert as one that ended then, or had begun by then.
func (a alert) endedAt(at time.Time) alert {
	a.EndsAt = at
	if a.StartsAt.After(at) {
		a.StartsAt = at
	}
	return a
}
