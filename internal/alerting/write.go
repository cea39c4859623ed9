package alerting

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// writer makes notices of what is due.
type writer struct {
	*Notifier
	ctx    context.Context
	looker *looker
	hurry  bool
	told   dwmon.Tellings
	// waiting are the incidents of which something waits for company.
	waiting map[int64]bool
}

func (w *writer) write() error {
	w.catchUps()
	single, groups := w.sort()
	for i := range single {
		n, err := w.compose(&single[i])
		if err != nil {
			return err
		}
		w.add(&single[i], n)
	}
	for _, g := range groups {
		if err := w.group(g); err != nil {
			return err
		}
	}
	// An incident is not finished with while something of it is not told yet.
	w.told.Finished = slices.DeleteFunc(w.told.Finished, func(id int64) bool { return w.waiting[id] })
	return w.corrections()
}

// sort parts the actions into those that are told by themselves, and groups.
func (w *writer) sort() (single []action, groups [][]action) {
	at := map[string]int{}
	for _, a := range w.looker.actions {
		g := w.looker.world.Handlers[a.handler].Group
		if g == nil {
			single = append(single, a)
			continue
		}
		key := a.handler + "\x00" + g.key(&a)
		if _, known := at[key]; !known {
			at[key] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[key]] = append(groups[at[key]], a)
	}
	return single, groups
}

// add stores a notice about one incident. Its lane is the checker's, so that what
// is told of a checker comes in order.
func (w *writer) add(a *action, n dwmon.Notice) {
	d := dwmon.NoticeDelivery{Handler: a.handler, CheckerID: a.incident.CheckerID, Notice: n, Marks: []dwmon.Mark{a.mark()}}
	if a.incident.LineID != 0 {
		d.Minute, d.LineID, d.LineIndex = w.minute(a), a.incident.LineID, a.incident.LineIndex
	}
	w.told.Deliveries = append(w.told.Deliveries, d)
}

func (a *action) mark() dwmon.Mark {
	return dwmon.Mark{Incident: a.incident.ID, Before: a.before, After: a.after}
}

// group tells what is due of a group in one notice, once the first of it has
// waited for long enough.
func (w *writer) group(actions []action) error {
	handler := w.looker.world.Handlers[actions[0].handler]
	first := slices.MinFunc(actions, func(a, b action) int { return cmp.Compare(a.at, b.at) }).at
	if due := first + handler.Group.Wait.Microseconds(); due > w.looker.now && !w.hurry {
		w.looker.wake(due)
		for i := range actions {
			w.waiting[actions[i].incident.ID] = true
		}
		return nil
	}
	d := dwmon.NoticeDelivery{Handler: actions[0].handler}
	notices := make([]dwmon.Notice, len(actions))
	for i := range actions {
		var err error
		if notices[i], err = w.compose(&actions[i]); err != nil {
			return err
		}
		d.Marks = append(d.Marks, actions[i].mark())
	}
	d.Notice = notices[0]
	if len(notices) > 1 {
		d.Notice = notice.Group(notices, w.looker.now)
	}
	// Its lane is that of no checker, even for a single one: the next notice about
	// the same checker may come in company.
	w.told.Deliveries = append(w.told.Deliveries, d)
	return nil
}

// minute is the last minute that a notice about a line's incident speaks of.
func (w *writer) minute(a *action) int64 {
	switch {
	case a.incident.Closed != nil && a.kind == dwmon.NoticeRecovered:
		return *a.incident.Closed
	case a.kind == dwmon.NoticeRepeated && a.incident.Settled != nil:
		return *a.incident.Settled
	}
	return a.incident.Opened
}

// compose writes one notice.
func (w *writer) compose(a *action) (dwmon.Notice, error) {
	d := notice.Data{
		Kind: a.kind, Installation: w.opts.Installation, Incident: a.incident.Incident, Times: a.before.Told, Zone: time.UTC, Now: w.looker.now,
	}
	if a.kind != dwmon.NoticeRecovered {
		d.Incident.Closed, d.Incident.End = nil, ""
	}
	switch a.incident.Subject {
	case dwmon.SubjectSource:
		d.Names, d.Ack = w.looker.failing(a.incident.Source), "source:"+a.incident.Source
	case dwmon.SubjectDwmon:
		d.Ack = strconv.FormatInt(a.incident.ID, 10)
	}
	if a.subject != nil {
		d.Checker, d.Zone = a.subject.Checker, a.subject.Zone
		if err := Gather(w.ctx, w.opts.Store, &d, w.minute(a)); err != nil {
			return dwmon.Notice{}, fmt.Errorf("checker %s: %w", a.incident.Checker, err)
		}
	}
	return w.words(a.handler, a.subject, d), nil
}

// words composes a notice and lets the user's words replace ours: the checker's go
// before the handler's.
func (w *writer) words(handler string, s *Subject, d notice.Data) dwmon.Notice {
	t := w.looker.world.Handlers[handler].Template
	if s != nil {
		t = s.Template.Over(t)
	}
	n, err := Word(d, t)
	if err != nil {
		w.opts.Log.Warn("a template could not be applied: the notice has the words of dwmon", "handler", handler, "checker", n.Checker, "error", err)
	}
	return n
}

// catchUps tells what was made up for, one digest for each checker and handler,
// once the checker is up to date.
func (w *writer) catchUps() {
	joined := map[string]*dwmon.CatchUp{}
	ids := map[string][]int64{}
	var names []string
	for _, c := range w.looker.situation.CatchUps {
		ids[c.Checker] = append(ids[c.Checker], c.ID)
		if j := joined[c.Checker]; j != nil {
			j.Join(c)
			continue
		}
		joined[c.Checker] = &c
		names = append(names, c.Checker)
	}
	for _, name := range names {
		if w.catchUp(joined[name]) {
			w.told.CatchUps = append(w.told.CatchUps, ids[name]...)
		}
	}
}

func (w *writer) catchUp(c *dwmon.CatchUp) (done bool) {
	l := w.looker
	s, known := l.world.Subjects[c.Checker]
	if !known { // it may be in a moment
		return l.now-c.To*1e6 > forgetUnknown.Microseconds()
	}
	i := &dwmon.IncidentState{Incident: dwmon.Incident{Subject: dwmon.SubjectCount, CheckerID: c.CheckerID, Checker: c.Checker, Opened: c.From}, Settled: c.Settled, Lag: c.Lag}
	if l.behind(i) {
		return false
	}
	if l.silenced(s.Checker.Subject(), i) || l.silencedThroughout(s.Checker.Subject(), c) {
		return true
	}
	for _, route := range s.Routes {
		if route.CatchUp != dwmon.CatchUpDigest || !route.Notices || c.Bad == 0 && !route.Unknown || l.toldOf(c, route.Handler) {
			continue
		}
		n := w.words(route.Handler, &s, notice.Data{
			Kind: dwmon.NoticeDigest, Installation: w.opts.Installation, Checker: s.Checker, Zone: s.Zone, Now: l.now,
			CatchUp: &notice.CatchUp{CatchUp: *c, State: l.state(c.CheckerID)},
		})
		w.told.Deliveries = append(w.told.Deliveries, dwmon.NoticeDelivery{Handler: route.Handler, CheckerID: w.laneOf(route.Handler, c.CheckerID), Notice: n})
	}
	return true
}

// toldOf says that the handler knows of an incident that was open before what was
// made up for, and still is: a digest would tell of it at every run of `once` that
// comes more than five minutes after the last.
func (l *looker) toldOf(c *dwmon.CatchUp, handler string) bool {
	return slices.ContainsFunc(l.situation.Incidents, func(i dwmon.IncidentState) bool {
		return i.CheckerID == c.CheckerID && i.Closed == nil && i.Opened < c.From && i.Told[handler].Told > 0
	})
}

// laneOf is the lane of a checker's notices: none for a handler that groups.
func (w *writer) laneOf(handler string, checkerID int64) int64 {
	if w.looker.world.Handlers[handler].Group != nil {
		return 0
	}
	return checkerID
}

// state is the worst of what is open of a checker; GOOD where nothing is.
func (l *looker) state(checkerID int64) dwmon.State {
	state := dwmon.StateGood
	for k := range l.situation.Incidents {
		i := &l.situation.Incidents[k]
		if i.CheckerID != checkerID || i.Closed != nil {
			continue
		}
		is := dwmon.StateUnknown
		if i.Subject == dwmon.SubjectCount {
			is = dwmon.StateBad
		}
		if is.Worse(state) {
			state = is
		}
	}
	return state
}

// correctionWaits is for how long a correction, and those behind it, wait for a
// checker that nobody knows.
const correctionWaits = 10 * time.Minute

// corrections tells of corrected verdicts those who ask for it: what one look finds
// of a checker in one notice, for late rows come together.
func (w *writer) corrections() error {
	byChecker := map[string][]dwmon.Correction{}
	var names []string
	for _, c := range w.looker.situation.Corrections {
		if _, known := w.looker.world.Subjects[c.CheckerName]; !known && w.looker.now-c.At < correctionWaits.Microseconds() {
			break // at a start it may be known in a moment
		}
		if byChecker[c.CheckerName] == nil {
			names = append(names, c.CheckerName)
		}
		byChecker[c.CheckerName] = append(byChecker[c.CheckerName], c)
		w.told.CorrectedThrough = c.ID
	}
	for _, name := range names {
		s, known := w.looker.world.Subjects[name]
		if !known || w.looker.silenced(s.Checker.Subject(), &dwmon.IncidentState{}) {
			continue
		}
		for _, route := range s.Routes {
			if !route.Corrections || !route.Notices {
				continue
			}
			if err := w.correction(&s, route.Handler, byChecker[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) correction(s *Subject, handler string, corrections []dwmon.Correction) error {
	var notices []dwmon.Notice
	for _, c := range corrections {
		d := notice.Data{
			Kind: dwmon.NoticeCorrected, Installation: w.opts.Installation, Checker: s.Checker, Zone: s.Zone, Now: w.looker.now,
			Correction: &notice.Correction{Count: c.CountAfter, Status: c.Status, At: c.At},
		}
		e, err := w.opts.Store.LineEvidence(w.ctx, dwmon.LineQuery{CheckerID: c.CheckerID, LineID: c.LineID, Since: c.Minute, Minute: c.Minute, Windows: windowsTold})
		if err != nil {
			return fmt.Errorf("checker %s: read what a correction tells: %w", c.CheckerName, err)
		}
		d.Result, d.Windows = e.Result, e.Windows
		notices = append(notices, w.words(handler, s, d))
	}
	delivery := dwmon.NoticeDelivery{Handler: handler, CheckerID: w.laneOf(handler, corrections[0].CheckerID), Notice: notices[0]}
	if len(notices) > 1 {
		delivery.Notice = notice.Group(notices, w.looker.now)
	} else {
		delivery.Minute, delivery.LineID, delivery.LineIndex = corrections[0].Minute, corrections[0].LineID, corrections[0].LineIndex
	}
	w.told.Deliveries = append(w.told.Deliveries, delivery)
	return nil
}
