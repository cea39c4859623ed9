package alerting_test

import (
	gocmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// told is something that a handler was told, as the test compares it.
type told struct {
	Kind    dwmon.NoticeKind // empty for a result
	Checker string
	Line    int
	// Opened is the minute that opened the incident; of a result its own.
	Opened int64
	// End is set for a recovery.
	End dwmon.IncidentEnd
}

// incidentEvent is a notice of an incident, by its id.
type incidentEvent struct {
	id   string
	kind dwmon.NoticeKind
}

// recorder is a handler that notes what it is told, and now and then is down.
type recorder struct {
	mu     sync.Mutex
	down   bool
	lost   func() bool // the answer is lost on its way: it was told all the same
	byKey  map[string]string
	told   map[string][]told // by checker, each key once
	events []incidentEvent
	// corrected counts corrections, by checker.
	corrected map[string]int
	again     int
	t         *testing.T
}

func (r *recorder) take(key, what string, note func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return &dwmon.HandleError{Err: errors.New("the handler is down"), Down: true}
	}
	if before, known := r.byKey[key]; known {
		if r.again++; before != what {
			r.t.Errorf("a repetition of %s says something else:\n%s\n%s", key, before, what)
		}
	} else {
		r.byKey[key] = what
		note()
	}
	if r.lost() {
		return &dwmon.HandleError{Err: errors.New("the answer was lost")}
	}
	return nil
}

func (r *recorder) HandleCheck(_ context.Context, req dwmon.HandleRequest) error {
	res := req.Result
	return r.take(req.IdempotencyKey, fmt.Sprintf("%+v", res), func() {
		r.told[res.CheckerName] = append(r.told[res.CheckerName], told{Checker: res.CheckerName, Line: res.RequirementIndex, Opened: res.Minute})
	})
}

func (r *recorder) HandleNotice(_ context.Context, req dwmon.NoticeRequest) error {
	what, err := json.Marshal(req.Notice)
	if err != nil {
		return err
	}
	return r.take(req.IdempotencyKey, fmt.Sprintf("%s %+v", what, req.Results), func() { r.note(&req.Notice) })
}

func (r *recorder) note(n *dwmon.Notice) {
	parts := n.Items
	if parts == nil {
		parts = []dwmon.NoticeItem{{Kind: n.Kind, Checker: n.Checker, Incident: n.Incident, Summary: n.Summary}}
	}
	for _, p := range parts {
		if p.Incident == nil {
			r.told["."] = append(r.told["."], told{Kind: p.Kind, Checker: p.Checker})
			if p.Kind == dwmon.NoticeCorrected {
				r.corrected[p.Checker]++
			}
			continue
		}
		one := told{Kind: p.Kind, Checker: p.Checker, Opened: p.Incident.Opened, End: p.Incident.End}
		lane := p.Checker
		if p.Incident.Subject != dwmon.SubjectCount {
			lane = "." + string(p.Incident.Subject) + p.Checker
		}
		r.told[lane] = append(r.told[lane], one)
		r.events = append(r.events, incidentEvent{p.Incident.ID, p.Kind})
	}
}

// span is a stretch of minutes in which something is so.
type span struct{ from, until int64 }

func (s span) holds(minute int64) bool { return s.from <= minute && minute < s.until }

func anyHolds(spans []span, minute int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.holds(minute) })
}

// spans draws stretches over a month, a few a week.
func spans(rng *rand.Rand, from, until int64, perWeek float64, longest int64) (all []span) {
	for at := from; ; {
		at += 60 * (1 + rng.Int64N(int64(2*7*1440/perWeek)))
		if at >= until {
			return all
		}
		s := span{at, at + 60*(1+rng.Int64N(longest))}
		all, at = append(all, s), s.until
	}
}

// month is a month of dwmon with everything that can go wrong around it.
type month struct {
	t        *testing.T
	rng      *rand.Rand
	db       *sqlite.DB
	now      time.Time
	sources  map[string]*enginetest.Source
	checkers []*dwmon.Checker
	routes   []dwmon.Route
	groups   map[string]*alerting.Group
	handlers map[string]*recorder
	silences []dwmon.Silence
	engine   *engine.Engine
	notifier *alerting.Notifier
	next     time.Time // when the notifier asked to be called again
	model    *alertModel
}

var everyMinuteOfAllDays = dwmon.Requirement{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends}

func monthCheckers() []*dwmon.Checker {
	line := func(minutes uint64, low, high, lookback int64) dwmon.Requirement {
		r := everyMinuteOfAllDays
		if minutes != 0 {
			r.Minutes = dwmon.MinuteSet(dwmon.StepSet(int(minutes), 60))
		}
		r.Min, r.Max, r.Lookback = dwmon.At(low), dwmon.At(high), lookback
		return r
	}
	return []*dwmon.Checker{
		{Name: "orders", Source: "A", Lines: []dwmon.Requirement{line(0, 1, 9, 180), line(10, 5, 60, 1200)}},
		{Name: "bills", Source: "A", Lines: []dwmon.Requirement{line(2, 1, 20, 300)}, Options: dwmon.Options{
			Owner: "payments", Alert: dwmon.AlertSettings{After: 2, Of: 3, Recover: 2},
		}},
		{Name: "shop/visits", Source: "A", Lines: []dwmon.Requirement{line(5, 2, 40, 600)}, Options: dwmon.Options{
			Alert: dwmon.AlertSettings{Repeat: 30 * time.Minute, Growth: 2},
		}},
		{Name: "imports", Source: "B", Lines: []dwmon.Requirement{line(3, 1, 12, 240)}},
	}
}

func (m *month) start() {
	jobs := make([]*engine.Job, len(m.checkers))
	world := alerting.World{Subjects: map[string]alerting.Subject{}, Handlers: map[string]alerting.Handler{}}
	for i, c := range m.checkers {
		rule := c.Options.Alert.Over(dwmon.DefaultAlertRule)
		jobs[i] = &engine.Job{Checker: c, Getter: m.sources[c.Source], Source: engine.Source{Key: c.Source, Name: c.Source}, Routes: m.routes, Alert: rule}
		world.Subjects[c.Name] = alerting.Subject{Checker: c, Source: c.Source, Zone: time.UTC, Alert: rule, Routes: m.routes}
	}
	for _, r := range m.routes {
		world.Handlers[r.Handler] = alerting.Handler{Route: r, Group: m.groups[r.Handler]}
	}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if m.engine, err = engine.New(engine.Options{Store: m.db, Zone: time.UTC, Spread: -1, Now: func() time.Time { return m.now }, Log: quiet}); err != nil {
		m.t.Fatal(err)
	}
	m.engine.SetJobs(jobs)
	m.notifier = alerting.New(alerting.Options{Store: m.db, Installation: "inst", Log: quiet}, world)
}

// minute lives one minute: rows arrive, passes, notices, deliveries.
func (m *month) minute() {
	ctx := m.t.Context()
	for _, s := range m.sources {
		s.Clock = m.now.UnixMicro()
	}
	reports := m.engine.Tick(ctx, m.now)
	next, err := m.notifier.Step(ctx, alerting.Look{Now: m.now})
	if err != nil {
		m.t.Fatal(err)
	}
	m.next = next
	m.model.step(m, reports)
	if m.rng.IntN(5) == 0 {
		m.flush()
	}
}

func (m *month) flush() {
	handlers := map[string]deliver.Handler{}
	for name, r := range m.handlers {
		handlers[name] = deliver.Handler{CheckHandler: r, Concurrency: 1}
	}
	d, err := deliver.New(deliver.Options{Store: m.db, Handlers: handlers, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := d.Flush(m.t.Context(), m.now); err != nil {
		m.t.Fatal(err)
	}
}

// alertModel says what each handler must have been told, from the results alone.
// It keeps the whole history of each line and looks at all of it, where dwmon
// keeps a few bits.
type alertModel struct {
	want    map[string]map[string][]told // by handler, by checker
	lines   map[string]*modelOfLine
	results map[string][]told // every result, by checker
	said    []said
	// corrected counts the corrections that were not silenced, by checker.
	corrected   map[string]int
	corrections int64 // the last that was counted
}

type modelOfLine struct {
	checker   string
	index     int
	since     []dwmon.Status // settled results since the last end
	goodRun   int
	incidents []*modelOfIncident
}

type modelOfIncident struct {
	opened, closed int64 // closed 0: open
	catchUp        bool
	inTime         bool
	told           map[string]int // by handler: times told; -1: done
	at             map[string]int64
}

// step takes the results of a tick, then says what is told at it.
func (a *alertModel) step(m *month, reports []engine.Report) {
	behind := map[string]bool{}
	for _, r := range reports {
		p, err := m.db.Progress(m.t.Context(), r.Checker.Name)
		if err != nil {
			m.t.Fatal(err)
		}
		behind[r.Checker.Name] = p.Settled != nil && dwmon.FloorMinute(m.now.Unix())-*p.Settled > 300
		for _, v := range r.Results {
			a.results[r.Checker.Name] = append(a.results[r.Checker.Name], told{Checker: r.Checker.Name, Line: v.LineIndex, Opened: v.Minute})
			if v.Minute >= p.Origin {
				a.line(r.Checker, v.LineIndex).result(r.Checker.Options.Alert.Over(dwmon.DefaultAlertRule), v)
			}
		}
	}
	a.correct(m)
	for _, route := range m.routes {
		if route.Incidents() && m.groups[route.Handler] == nil {
			a.said = nil
			a.tell(m, route, behind)
			// As it came about: by minute, then by line.
			slices.SortStableFunc(a.said, func(x, y said) int { return gocmp.Or(gocmp.Compare(x.minute, y.minute), gocmp.Compare(x.Line, y.Line)) })
			for _, s := range a.said {
				s.Line = 0
				a.want[route.Handler][s.Checker] = append(a.want[route.Handler][s.Checker], s.told)
			}
		}
	}
}

func (a *alertModel) correct(m *month) {
	all, err := m.db.Corrections(m.t.Context(), a.corrections, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, k := range all {
		a.corrections = k.ID
		i := slices.IndexFunc(m.checkers, func(c *dwmon.Checker) bool { return c.Name == k.CheckerName })
		if !m.silenced(m.checkers[i], &modelOfIncident{}) {
			a.corrected[k.CheckerName]++
		}
	}
}

// said is something told at a step, with the minute that it is about.
type said struct {
	told
	minute int64
}

func (a *alertModel) line(c *dwmon.Checker, index int) *modelOfLine {
	key := fmt.Sprint(c.Name, " ", index)
	if a.lines[key] == nil {
		a.lines[key] = &modelOfLine{checker: c.Name, index: index}
	}
	return a.lines[key]
}

func (l *modelOfLine) open() *modelOfIncident {
	if n := len(l.incidents); n > 0 && l.incidents[n-1].closed == 0 {
		return l.incidents[n-1]
	}
	return nil
}

func (l *modelOfLine) result(rule dwmon.AlertRule, v dwmon.Verdict) {
	if v.Status == dwmon.Unknown {
		return
	}
	l.since = append(l.since, v.Status)
	l.goodRun++
	if v.Status == dwmon.Bad {
		l.goodRun = 0
	}
	open := l.open()
	if open != nil && v.Status == dwmon.Bad && !v.CatchUp {
		open.inTime = true
	}
	bad := 0
	for _, s := range l.since[max(0, len(l.since)-rule.Of):] {
		if s == dwmon.Bad {
			bad++
		}
	}
	switch {
	case open == nil && v.Status == dwmon.Bad && bad >= rule.After:
		l.incidents = append(l.incidents, &modelOfIncident{opened: v.Minute, catchUp: v.CatchUp, inTime: !v.CatchUp, told: map[string]int{}, at: map[string]int64{}})
	case open != nil && l.goodRun >= rule.Recover:
		open.closed, l.since = v.Minute, nil
	}
}

func (a *alertModel) tell(m *month, route dwmon.Route, behind map[string]bool) {
	for _, c := range m.checkers {
		for i := range c.Lines {
			l := a.line(c, i)
			for _, n := range l.incidents {
				a.tellOne(m, route, c, l, n, behind[c.Name])
			}
		}
	}
}

func (a *alertModel) tellOne(m *month, route dwmon.Route, c *dwmon.Checker, l *modelOfLine, n *modelOfIncident, behind bool) {
	h := route.Handler
	say := func(kind dwmon.NoticeKind, end dwmon.IncidentEnd, minute int64) {
		a.said = append(a.said, said{told{Kind: kind, Checker: c.Name, Line: l.index, Opened: n.opened, End: end}, minute})
	}
	if n.told[h] < 0 {
		return
	}
	silenced := m.silenced(c, n)
	news := n.catchUp && route.CatchUp != dwmon.CatchUpAll
	if n.told[h] == 0 {
		switch {
		case n.closed != 0 && (silenced || news && !n.inTime):
			n.told[h] = -1
			return
		case silenced, news && behind, news && route.CatchUp == dwmon.CatchUpNone && !n.inTime:
			return
		}
		n.told[h], n.at[h] = 1, m.now.Unix()
		say(dwmon.NoticeOpened, "", n.opened)
	}
	if n.closed != 0 {
		n.told[h] = -1
		say(dwmon.NoticeRecovered, dwmon.EndRecovered, n.closed)
		return
	}
	rule := c.Options.Alert.Over(dwmon.DefaultAlertRule)
	wait := int64(rule.Repeat / time.Second)
	for range n.told[h] - 1 {
		wait *= int64(rule.Growth)
	}
	if rule.Repeat > 0 && !silenced && m.now.Unix() >= n.at[h]+wait {
		n.told[h]++
		n.at[h] = m.now.Unix()
		say(dwmon.NoticeRepeated, "", m.now.Unix())
	}
}

func (m *month) silenced(c *dwmon.Checker, n *modelOfIncident) bool {
	now, opened := m.now.UnixMicro(), n.opened*1e6
	for _, s := range m.silences {
		about := strings.TrimSuffix(s.Matchers[0].Value, "/**")
		matches := about == c.Name || strings.HasPrefix(c.Name, about+"/") || s.Matchers[0].Key == "owner" && about == c.Options.Owner
		if matches && (s.Starts <= now && now < s.Ends || n.catchUp && !n.inTime && s.Starts <= opened && opened < s.Ends) {
			return true
		}
	}
	return false
}

// TestAMonthOfAlerts lives a month: traffic with quiet and busy spells, late rows,
// sources, handlers and dwmon itself down for minutes or hours, answers that are
// lost, silences. What each handler was told is compared with a model.
func TestAMonthOfAlerts(t *testing.T) {
	days := 3
	if os.Getenv("DWMON_TEST_ALL") != "" {
		days = 31
	}
	seed := uint64(20261128)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "month"); err == nil { // no disk need follow
		dir = shm
		t.Cleanup(func() { os.RemoveAll(shm) })
	}
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).Unix()
	until := from + int64(days)*86400
	m := &month{
		t: t, rng: rng, checkers: monthCheckers(), groups: map[string]*alerting.Group{}, handlers: map[string]*recorder{},
		sources: map[string]*enginetest.Source{}, now: time.Unix(from, 0),
		model: &alertModel{want: map[string]map[string][]told{}, lines: map[string]*modelOfLine{}, results: map[string][]told{}, corrected: map[string]int{}},
	}
	for i, c := range m.checkers {
		c.Revision, c.Text, c.Extra = fmt.Sprint(i), []byte("x"), []byte("{}")
	}
	m.routes = []dwmon.Route{
		{Handler: "every", On: dwmon.OnEvery, Unknown: true, CatchUp: dwmon.CatchUpAll},
		{Handler: "pager", On: dwmon.OnChange, Notices: true, Unknown: true, CatchUp: dwmon.CatchUpDigest, Corrections: true},
		{Handler: "all", On: dwmon.OnChange, Notices: true, CatchUp: dwmon.CatchUpAll},
		{Handler: "latest", On: dwmon.OnChange, Notices: true, CatchUp: dwmon.CatchUpLatest},
		{Handler: "none", On: dwmon.OnChange, Notices: true, CatchUp: dwmon.CatchUpNone},
		{Handler: "chat", On: dwmon.OnChange, Notices: true, Unknown: true, CatchUp: dwmon.CatchUpAll},
	}
	m.groups["chat"] = &alerting.Group{By: []string{"source"}, Wait: 5 * time.Minute}
	handlerDown := map[string][]span{}
	for i, r := range m.routes {
		own := rand.New(rand.NewPCG(seed, uint64(2+i))) // handlers are told side by side
		m.handlers[r.Handler] = &recorder{t: t, byKey: map[string]string{}, told: map[string][]told{}, corrected: map[string]int{}, lost: func() bool { return own.IntN(50) == 0 }}
		m.model.want[r.Handler] = map[string][]told{}
		handlerDown[r.Handler] = spans(rng, from, until, 4, 600)
	}
	sourceDown := map[string][]span{"A": spans(rng, from, until, 5, 90), "B": spans(rng, from, until, 5, 90)}
	stopped := spans(rng, from, until, 5, 240)
	quiet, busy := spans(rng, from, until, 20, 60), spans(rng, from, until, 10, 30)
	for name := range sourceDown {
		m.sources[name] = &enginetest.Source{}
	}
	var err error
	if m.db, err = sqlite.Open(t.Context(), filepath.Join(dir, "dwmon.db"), sqlite.Options{Now: func() time.Time { return m.now }, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	defer m.db.Close()
	for i, s := range spans(rng, from, until, 6, 300) {
		matcher := []dwmon.Matcher{{Key: "name", Value: "orders"}, {Key: "owner", Value: "payments"}, {Key: "name", Value: "shop/**"}}[i%3]
		silence := dwmon.Silence{Matchers: dwmon.Matchers{matcher}, Starts: s.from * 1e6, Ends: s.until * 1e6, Comment: "maintenance", Created: from * 1e6}
		if silence.ID, err = m.db.AddSilence(t.Context(), silence); err != nil {
			t.Fatal(err)
		}
		m.silences = append(m.silences, silence)
	}

	m.start()
	was := false
	for minute := from; minute < until; minute += 60 {
		m.arrivals(minute, anyHolds(quiet, minute), anyHolds(busy, minute))
		if down := anyHolds(stopped, minute); down {
			was = true
			continue
		}
		m.now = time.Unix(minute, int64(rng.IntN(59e9))).Add(time.Second)
		for name, s := range m.sources {
			s.Down = anyHolds(sourceDown[name], minute)
			m.forget(s)
		}
		for name, r := range m.handlers {
			r.down = anyHolds(handlerDown[name], minute)
		}
		if was { // a new process: nothing is remembered but what is stored
			m.start()
			was = false
		}
		m.minute()
	}
	m.drain()
	m.compare()
}

// arrivals adds the rows of a minute: some late, some of an older time.
func (m *month) arrivals(minute int64, quiet, busy bool) {
	for _, s := range m.sources {
		n := m.rng.IntN(4)
		if quiet {
			n = 0
		}
		if busy {
			n += 4
		}
		for range n {
			at := minute*1e6 + m.rng.Int64N(60e6)
			ev := enginetest.Event{Key: fmt.Sprintf("k%d-%d", at, m.rng.IntN(1e6)), Micros: at, Arrives: at}
			if m.rng.IntN(20) == 0 {
				ev.Arrives += m.rng.Int64N(3600e6)
			}
			s.Events = append(s.Events, ev)
		}
	}
}

// forget drops what a source need not give any more: a query has a window too.
func (m *month) forget(s *enginetest.Source) {
	old := m.now.Add(-8 * time.Hour).UnixMicro()
	s.Events = slices.DeleteFunc(s.Events, func(ev enginetest.Event) bool { return ev.Micros < old })
}

// drain lets everything that is down come up, and all be told.
func (m *month) drain() {
	for _, s := range m.sources {
		s.Down = false
	}
	for _, r := range m.handlers {
		r.down, r.lost = false, func() bool { return false }
	}
	m.start()
	for range 20 {
		m.now = m.now.Add(time.Minute)
		m.minute()
	}
	m.flush()
}

func (m *month) compare() {
	t := m.t
	again := 0
	open, err := m.db.Situation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lasting := map[string]bool{}
	for _, i := range open.Incidents {
		if i.Closed != nil {
			t.Errorf("incident %d is over, and was not finished with: %+v", i.ID, i)
		}
		lasting[dwmon.IncidentKey("inst", i.ID)] = true
	}
	for name, r := range m.handlers {
		again += r.again
		switch {
		case name == "every":
			for _, c := range m.checkers {
				if diff := cmp.Diff(m.model.results[c.Name], r.told[c.Name]); diff != "" {
					t.Errorf("handler every, checker %s (-model +told):\n%s", c.Name, cut(diff))
				}
			}
		case m.groups[name] == nil:
			for _, c := range m.checkers {
				if diff := cmp.Diff(m.model.want[name][c.Name], r.told[c.Name]); diff != "" {
					t.Errorf("handler %s, checker %s (-model +told):\n%s", name, c.Name, cut(diff))
				}
			}
		}
		paired(t, name, r.events, lasting)
	}
	if diff := cmp.Diff(m.model.corrected, m.handlers["pager"].corrected); diff != "" || len(m.model.corrected) == 0 {
		t.Errorf("corrections by checker (-model +told):\n%s", diff)
	}
	if again == 0 {
		t.Error("no delivery was repeated: no answer was lost on its way")
	}
	if len(m.handlers["pager"].told[".source"]) == 0 || len(m.handlers["pager"].told["."]) == 0 || len(m.handlers["chat"].told["orders"]) == 0 {
		t.Error("nothing was told of a source, of what was caught up, or in company: the month was too quiet")
	}
}

// paired holds a stream against the rule that whoever hears of a beginning hears
// of its end, once each, and of nothing else. lasting are the incidents that are
// still open.
func paired(t *testing.T, handler string, events []incidentEvent, lasting map[string]bool) {
	open, over := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		if over[e.id] || open[e.id] == (e.kind == dwmon.NoticeOpened) {
			t.Errorf("%s: %s of %s, which is open: %v, over: %v", handler, e.kind, e.id, open[e.id], over[e.id])
		}
		open[e.id] = true
		over[e.id] = e.kind == dwmon.NoticeRecovered
	}
	for id := range open {
		if !over[id] && !lasting[id] {
			t.Errorf("%s: never told of the end of %s", handler, id)
		}
	}
}

func cut(text string) string {
	if len(text) > 3000 {
		return text[:3000] + "…"
	}
	return text
}
