package alerting

import (
	"cmp"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// World is what does not come from the store: checkers and handlers as they are
// configured now.
type World struct {
	// Subjects are the checkers, by name.
	Subjects map[string]Subject
	// Handlers are all that are configured, by name.
	Handlers map[string]Handler
	// Alert is the rule of what is about no checker.
	Alert dwmon.AlertRule
}

// Handler is a configured check handler as notices need it.
type Handler struct {
	// Route is how it is told of checkers that do not say otherwise.
	Route dwmon.Route
	// Template replaces the words of notices; nil: dwmon's own.
	Template *notice.Template
	// Group is nil where each notice is told by itself.
	Group *Group
}

// Group gathers notices of one handler.
type Group struct {
	// By names what notices told together have in common: source, owner, folder or
	// label.NAME; none: nothing.
	By []string
	// Wait is how long the first waits for company.
	Wait time.Duration
}

// action is a notice that is due.
type action struct {
	handler  string
	kind     dwmon.NoticeKind
	incident *dwmon.IncidentState
	subject  *Subject // nil for a source and for dwmon
	before   dwmon.Announcement
	after    dwmon.Announcement
	// at is since when it could have been told, minute the one that it is about.
	at, minute int64
}

// inOrder sorts actions as what they tell of came about.
func inOrder(a, b action) int {
	return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.incident.LineIndex, b.incident.LineIndex), cmp.Compare(a.incident.ID, b.incident.ID))
}

// looker finds what is due in a situation.
type looker struct {
	world     *World
	situation *dwmon.Situation
	silences  []dwmon.Silence
	now       int64
	// down says until when sources were down, microseconds since the epoch: forever
	// for those that still are.
	down map[string]int64
	// bySource are the checkers of each source, once somebody has asked for those of one.
	bySource map[string][]Subject

	actions  []action
	finished []int64
	// next is when something that waits is due; 0 for nothing.
	next int64
}

func (l *looker) look() {
	l.down = map[string]int64{}
	for k := range l.situation.Incidents {
		if i := &l.situation.Incidents[k]; i.Subject == dwmon.SubjectSource {
			l.down[i.Source] = max(l.down[i.Source], ended(i))
		}
	}
	for k := range l.situation.Incidents {
		l.incident(&l.situation.Incidents[k])
	}
	slices.SortStableFunc(l.actions, inOrder)
}

// incident finds what is due of one incident.
func (l *looker) incident(i *dwmon.IncidentState) {
	audience := l.audience(i)
	finished := i.Closed != nil && !l.mayReturn(i)
	for _, name := range slices.Sorted(maps.Keys(audience)) {
		// One that is not configured any more may have the beginning still waiting for
		// it, and come back: the end waits too, and is given up with the rest.
		finished = l.announce(i, name, audience[name], i.Told[name]) && finished
	}
	if finished {
		l.finished = append(l.finished, i.ID)
	}
}

// forgetUnknown is for how long the end of an incident is kept for a checker that
// nobody knows at the moment.
const forgetUnknown = 7 * 24 * time.Hour

// mayReturn says that the incident's checker is not known now, but may be in a
// moment: at a start, before all plugins have said what they are. Who is to be told
// is not known either.
func (l *looker) mayReturn(i *dwmon.IncidentState) bool {
	if i.Checker == "" || i.End == dwmon.EndOff {
		return false
	}
	_, known := l.world.Subjects[i.Checker]
	return !known && l.now-i.ClosedAt < forgetUnknown.Microseconds()
}

// announce finds what one handler is to be told of an incident: of one that began
// and ended since the last look, both. done says that nothing is left to be told.
func (l *looker) announce(i *dwmon.IncidentState, handler string, route dwmon.Route, before dwmon.Announcement) (done bool) {
	a := dwmon.Announcing{
		Incident: &i.Incident, Before: before, Now: l.now, Hidden: l.hidden(i, handler), Behind: l.behind(i), InTime: i.InTime, CatchUp: route.CatchUp,
		Rule: l.rule(i),
	}
	for {
		kind, done := a.NextNotice()
		if kind == dwmon.NoticeRepeated && route.Handler == "" {
			kind = "" // it was told once, but is not any more: only of the end
		}
		if kind == "" {
			if i.Closed == nil {
				l.wake(a.Before.Next(a.Rule))
			}
			return done
		}
		a.Before = l.act(i, handler, kind, a.Before)
	}
}

// act notes what is to be told, and gives what was told then.
func (l *looker) act(i *dwmon.IncidentState, handler string, kind dwmon.NoticeKind, before dwmon.Announcement) dwmon.Announcement {
	a := action{handler: handler, kind: kind, incident: i, before: before, at: i.OpenedAt, minute: i.Opened}
	if s, known := l.world.Subjects[i.Checker]; known && i.Checker != "" {
		a.subject = &s
	}
	switch kind {
	case dwmon.NoticeRecovered:
		a.at, a.minute = i.ClosedAt, *i.Closed
	case dwmon.NoticeRepeated:
		a.at, a.minute = before.Next(l.rule(i)), l.now/1e6
	}
	a.after = before.After(kind, l.now)
	l.actions = append(l.actions, a)
	return a.after
}

// rule is that of the incident's checker; that of dwmon.yaml where it is about none.
func (l *looker) rule(i *dwmon.IncidentState) dwmon.AlertRule {
	if s, known := l.world.Subjects[i.Checker]; known {
		return s.Alert
	}
	return l.world.Alert
}

// wake asks for another look at a time, microseconds since the epoch; 0: never.
func (l *looker) wake(at int64) {
	if at > l.now && (l.next == 0 || at < l.next) {
		l.next = at
	}
}

// audience gives who may have to be told of an incident: those that are routed to,
// and with an empty route those that were told before.
func (l *looker) audience(i *dwmon.IncidentState) map[string]dwmon.Route {
	audience := map[string]dwmon.Route{}
	for name := range i.Told {
		audience[name] = dwmon.Route{}
	}
	for _, route := range l.routes(i) {
		if route.Incidents() && (i.Subject == dwmon.SubjectCount || route.Unknown) {
			audience[route.Handler] = route
		}
	}
	return audience
}

func (l *looker) routes(i *dwmon.IncidentState) (routes []dwmon.Route) {
	switch i.Subject {
	case dwmon.SubjectCount, dwmon.SubjectChecker:
		return l.world.Subjects[i.Checker].Routes
	case dwmon.SubjectSource:
		for _, s := range l.members(i.Source) {
			routes = append(routes, s.Routes...)
		}
	default:
		for _, h := range l.world.Handlers {
			routes = append(routes, h.Route)
		}
	}
	return routes
}

// members are the checkers of a source.
func (l *looker) members(source string) []Subject {
	if l.bySource == nil {
		l.bySource = map[string][]Subject{}
		for _, s := range l.world.Subjects {
			l.bySource[s.Source] = append(l.bySource[s.Source], s)
		}
	}
	return l.bySource[source]
}

// behind says that the incident's checker is still being caught up.
func (l *looker) behind(i *dwmon.IncidentState) bool {
	s, known := l.world.Subjects[i.Checker]
	if !known || i.Settled == nil {
		return false
	}
	return dwmon.IsBehind(l.now, i.Lag, s.Checker.Options.Grace, *i.Settled)
}

// hidden says that something else explains the incident, or that somebody wants
// not to hear of it. A source's incident is hidden where all of its checkers are
// that the handler is told of.
func (l *looker) hidden(i *dwmon.IncidentState, handler string) bool {
	switch i.Subject {
	case dwmon.SubjectSource:
		if l.silenced(dwmon.SilenceSubject{Source: i.Source}, i) {
			return true
		}
		told := 0
		for _, s := range l.members(i.Source) {
			if !slices.ContainsFunc(s.Routes, func(r dwmon.Route) bool { return r.Handler == handler }) {
				continue
			}
			if told++; !l.silenced(s.Checker.Subject(), i) {
				return false
			}
		}
		return told > 0
	case dwmon.SubjectDwmon: // only a silence of everything is about it
		return l.silenced(dwmon.SilenceSubject{}, i)
	}
	s, known := l.world.Subjects[i.Checker]
	if !known {
		return true // its file is away: nothing new is said of it
	}
	if i.Subject == dwmon.SubjectChecker && i.LineID == 0 && ended(i) <= l.down[s.Source] {
		return true
	}
	return l.silenced(s.Checker.Subject(), i)
}

// ended is when an incident ended, microseconds since the epoch; forever where it
// lasts.
func ended(i *dwmon.IncidentState) int64 {
	if i.Closed == nil {
		return math.MaxInt64
	}
	return i.ClosedAt
}

// silenced says that a silence matches and covers the present, or, of what was
// caught up, the minute that it is about: what happened in a maintenance window
// was silenced even if it is seen after it.
func (l *looker) silenced(subject dwmon.SilenceSubject, i *dwmon.IncidentState) bool {
	silenced := false
	for k := range l.silences {
		s := &l.silences[k]
		if !s.Matches(subject) {
			continue
		}
		l.wake(s.Next(l.now))
		about := i.Opened * 1e6
		if s.Covers(l.now) || i.CatchUp && !i.InTime && s.Covers(about) {
			silenced = true
		}
	}
	return silenced
}

// silencedThroughout says that a silence covers all minutes that were made up for. One
// that covers some of them hides nothing: what was BAD may lie beside it.
func (l *looker) silencedThroughout(subject dwmon.SilenceSubject, c *dwmon.CatchUp) bool {
	return slices.ContainsFunc(l.silences, func(s dwmon.Silence) bool {
		end := s.Next(c.From * 1e6)
		return s.Matches(subject) && s.Covers(c.From*1e6) && (end == 0 || end > c.To*1e6)
	})
}

// key is what the notices of a group have in common.
func (g *Group) key(a *action) string {
	var owner, source, folder string
	var labels map[string]string
	source = a.incident.Source
	if s := a.subject; s != nil {
		owner, source, labels = s.Checker.Options.Owner, s.Source, s.Checker.Options.Labels
		folder = path.Dir(s.Checker.Name)
	}
	var parts []string
	for _, by := range g.By {
		switch label, isLabel := strings.CutPrefix(by, "label."); {
		case isLabel:
			parts = append(parts, labels[label])
		case by == "owner":
			parts = append(parts, owner)
		case by == "source":
			parts = append(parts, source)
		case by == "folder":
			parts = append(parts, folder)
		}
	}
	return strings.Join(parts, "\x00")
}

// failing names the checkers of a source, in order.
func (l *looker) failing(source string) (names []string) {
	for _, s := range l.members(source) {
		names = append(names, s.Checker.Name)
	}
	slices.Sort(names)
	return names
}
