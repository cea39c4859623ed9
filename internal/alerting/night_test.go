package alerting_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// night is 200 checkers of one source and two of another, looked at after each of
// a few passes: what is known in the middle of a minute must not be told as news.
type night struct {
	t        *testing.T
	db       *sqlite.DB
	now      time.Time
	sources  map[string]*enginetest.Source
	jobs     []*engine.Job
	engine   *engine.Engine
	notifier *alerting.Notifier
	pager    *recorder
}

func newNight(t *testing.T) *night {
	n := &night{t: t, now: time.Date(2026, 11, 27, 22, 0, 1, 0, time.UTC), sources: map[string]*enginetest.Source{"AWS": {}, "B": {}}}
	n.pager = &recorder{t: t, byKey: map[string]string{}, told: map[string][]told{}, corrected: map[string]int{}, lost: func() bool { return false }}
	quiet := slog.New(slog.DiscardHandler)
	clock := func() time.Time { return n.now }
	var err error
	if n.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dwmon.db"), sqlite.Options{Now: clock, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.db.Close() })
	if n.engine, err = engine.New(engine.Options{Store: n.db, Zone: time.UTC, Spread: -1, Now: clock, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	route := dwmon.Route{Handler: "pager", On: dwmon.OnChange, Notices: true, Unknown: true, CatchUp: dwmon.CatchUpDigest}
	world := alerting.World{Subjects: map[string]alerting.Subject{}, Handlers: map[string]alerting.Handler{"pager": {Route: route}}}
	for i := range 202 {
		source := "AWS"
		if i >= 200 {
			source = "B"
		}
		line := everyMinuteOfAllDays
		line.Max, line.Lookback = dwmon.At(1000), 60
		c := &dwmon.Checker{Name: fmt.Sprintf("c%03d", i), Source: source, Revision: fmt.Sprint(i), Text: []byte("x"), Extra: []byte("{}"), Lines: []dwmon.Requirement{line}}
		n.jobs = append(n.jobs, &engine.Job{Checker: c, Getter: n.sources[source], Source: engine.Source{Key: source, Name: source}, Routes: []dwmon.Route{route}})
		world.Subjects[c.Name] = alerting.Subject{Checker: c, Source: source, Zone: time.UTC, Alert: dwmon.DefaultAlertRule, Routes: []dwmon.Route{route}}
	}
	n.notifier = alerting.New(alerting.Options{Store: n.db, Installation: "inst", Log: quiet}, world)
	return n
}

// minute makes the passes of a minute, one after the other.
func (n *night) minute() {
	for i, j := range n.jobs {
		n.sources[j.Checker.Source].Clock = n.now.UnixMicro()
		n.engine.Pass(context.Background(), j, n.now, false)
		n.now = n.now.Add(40 * time.Millisecond)
		if i%29 == 0 || i == len(n.jobs)-1 {
			if _, err := n.notifier.Step(n.t.Context(), alerting.Look{Now: n.now}); err != nil {
				n.t.Fatal(err)
			}
		}
	}
	n.now = n.now.Truncate(time.Minute).Add(time.Minute + time.Second)
}

// heard delivers what waits, and gives what was heard since it was asked last.
func (n *night) heard() (all []dwmon.Notice) {
	d, err := deliver.New(deliver.Options{Store: n.db, Handlers: map[string]deliver.Handler{"pager": {CheckHandler: hearing{n.pager, &all}, Concurrency: 1}}})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := d.Flush(n.t.Context(), n.now); err != nil {
		n.t.Fatal(err)
	}
	return all
}

type hearing struct {
	*recorder
	all *[]dwmon.Notice
}

func (h hearing) HandleNotice(ctx context.Context, req dwmon.NoticeRequest) error {
	*h.all = append(*h.all, req.Notice)
	return h.recorder.HandleNotice(ctx, req)
}

func TestANightWithOneSourceDown(t *testing.T) {
	n := newNight(t)
	for range 3 {
		n.minute()
	}
	if got := n.heard(); len(got) != 0 {
		t.Fatalf("heard in peace: %+v", got)
	}
	n.sources["AWS"].Down = true
	for range 5 {
		n.minute()
	}
	got := n.heard()
	if len(got) != 1 || got[0].Kind != dwmon.NoticeOpened || got[0].Incident.Subject != dwmon.SubjectSource || got[0].Incident.Checkers != 200 || got[0].Source != "AWS" {
		t.Fatalf("when the source is down: %d notices: %s", len(got), summaries(got))
	}
	opened := got[0].Incident.ID
	for range 8 { // the night, an hour at a time
		n.now = n.now.Add(59 * time.Minute)
		n.minute()
	}
	if got := n.heard(); len(got) != 0 {
		t.Fatalf("while it lasts: %d notices: %s", len(got), summaries(got))
	}
	n.sources["AWS"].Down = false
	for range 4 {
		n.minute()
	}
	got = n.heard()
	if len(got) != 1 || got[0].Kind != dwmon.NoticeRecovered || got[0].Incident.ID != opened {
		t.Fatalf("when it is back: %d notices: %s", len(got), summaries(got))
	}
	s, err := n.db.Situation(t.Context())
	if err != nil || len(s.Incidents) != 0 {
		t.Errorf("incidents are left: %v %+v", err, s.Incidents[:min(len(s.Incidents), 2)])
	}
}

func TestACheckerThatFailsAloneIsToldByItself(t *testing.T) {
	n := newNight(t)
	n.jobs = n.jobs[195:]
	n.minute()
	broken := &enginetest.Source{Down: true}
	n.jobs[0].Getter = broken
	for range 2 {
		n.minute()
	}
	if got := n.heard(); len(got) != 0 {
		t.Fatalf("after two failures: %+v", got)
	}
	n.minute()
	if got := n.heard(); len(got) != 1 || got[0].Kind != dwmon.NoticeOpened || got[0].Incident.Subject != dwmon.SubjectChecker || got[0].Checker != "c195" {
		t.Fatalf("after three: %+v", got)
	}
	broken.Down = false
	n.minute()
	if got := n.heard(); len(got) != 1 || got[0].Kind != dwmon.NoticeRecovered || got[0].Checker != "c195" {
		t.Fatalf("when it is back: %+v", got)
	}
}

func TestNoticesOfOneSourceWaitForEachOther(t *testing.T) {
	n := newNight(t)
	n.jobs = n.jobs[:3]
	world := alerting.World{Subjects: map[string]alerting.Subject{}, Handlers: map[string]alerting.Handler{}}
	route := n.jobs[0].Routes[0]
	world.Handlers["pager"] = alerting.Handler{Route: route, Group: &alerting.Group{By: []string{"source"}, Wait: 2 * time.Minute}}
	for _, j := range n.jobs {
		j.Checker.Lines[0].Min = dwmon.At(1) // and there are no rows
		world.Subjects[j.Checker.Name] = alerting.Subject{Checker: j.Checker, Source: "AWS", Zone: time.UTC, Alert: dwmon.DefaultAlertRule, Routes: j.Routes}
	}
	n.notifier = alerting.New(alerting.Options{Store: n.db, Installation: "inst", Log: slog.New(slog.DiscardHandler)}, world)
	n.minute()
	n.minute()
	if got := n.heard(); len(got) != 0 {
		t.Fatalf("before the wait is over: %s", summaries(got))
	}
	n.minute()
	got := n.heard()
	if len(got) != 1 || len(got[0].Items) != 3 || got[0].Checker != "" {
		t.Fatalf("after the wait: %s", summaries(got))
	}
	for i := range 3 {
		at := n.now.UnixMicro() - 30e6
		n.sources["AWS"].Events = append(n.sources["AWS"].Events, enginetest.Event{Key: fmt.Sprint(i), Micros: at, Arrives: at})
		n.minute()
	}
	got = n.heard()
	if len(got) != 1 || len(got[0].Items) != 3 || got[0].Items[0].Kind != dwmon.NoticeRecovered {
		t.Fatalf("when all is well: %s", summaries(got))
	}
}

func summaries(notices []dwmon.Notice) string {
	var b strings.Builder
	for _, n := range notices[:min(len(notices), 20)] {
		fmt.Fprintf(&b, "\n%s", n.Summary)
	}
	return b.String()
}
