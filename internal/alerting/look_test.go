package alerting

import (
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// TestWhoIsNotKnownYetIsNotPassedOver: at a start a checker may be unknown until a
// plugin has said what it is; what ended meanwhile must be told then.
func TestWhoIsNotKnownYetIsNotPassedOver(t *testing.T) {
	closed := dwmon.FloorMinute(now / 1e6)
	route := dwmon.Route{Handler: "pager", On: dwmon.OnChange, Notices: true}
	i := dwmon.IncidentState{
		Incident: dwmon.Incident{ID: 1, Subject: dwmon.SubjectCount, Checker: "orders", CheckerID: 1, Opened: closed - 60, Closed: &closed, ClosedAt: now, End: dwmon.EndRecovered},
		Told:     map[string]dwmon.Announcement{},
	}
	look := func(at time.Duration, subjects map[string]Subject) *looker {
		l := &looker{
			world:     &World{Subjects: subjects, Handlers: map[string]Handler{"pager": {Route: route}}},
			situation: &dwmon.Situation{Incidents: []dwmon.IncidentState{i}}, now: now + at.Microseconds(),
		}
		l.look()
		return l
	}
	if l := look(0, nil); len(l.finished)+len(l.actions) != 0 {
		t.Errorf("not known yet: finished %v, told %v", l.finished, l.actions)
	}
	known := map[string]Subject{"orders": {Checker: &dwmon.Checker{Name: "orders"}, Zone: time.UTC, Alert: dwmon.DefaultAlertRule, Routes: []dwmon.Route{route}}}
	if l := look(time.Minute, known); len(l.finished) != 1 || len(l.actions) != 2 {
		t.Errorf("known: finished %v, %d actions", l.finished, len(l.actions))
	}
	if l := look(8*24*time.Hour, nil); len(l.finished) != 1 {
		t.Errorf("not known for a week: finished %v", l.finished)
	}
	i.End = dwmon.EndOff
	if l := look(0, nil); len(l.finished) != 1 {
		t.Errorf("switched off: finished %v", l.finished)
	}
}

func TestASourceIsHiddenWhereAllOfItIsSilenced(t *testing.T) {
	route := dwmon.Route{Handler: "pager", On: dwmon.OnChange, Notices: true, Unknown: true}
	world := &World{Subjects: map[string]Subject{}, Handlers: map[string]Handler{"pager": {Route: route}}}
	for _, name := range []string{"a/x", "a/y"} {
		world.Subjects[name] = Subject{Checker: &dwmon.Checker{Name: name}, Source: "A", Routes: []dwmon.Route{route}}
	}
	source := dwmon.IncidentState{Incident: dwmon.Incident{ID: 1, Subject: dwmon.SubjectSource, Source: "A"}, Told: map[string]dwmon.Announcement{}}
	own := dwmon.IncidentState{Incident: dwmon.Incident{ID: 2, Subject: dwmon.SubjectChecker, Checker: "a/x"}, Told: map[string]dwmon.Announcement{}}
	behind := dwmon.IncidentState{Incident: dwmon.Incident{ID: 3, Subject: dwmon.SubjectDwmon}, Told: map[string]dwmon.Announcement{}}
	for _, tt := range []struct {
		silence string
		told    int
	}{
		{"", 2}, // the source hides its checker's own
		{"name=a/x", 2},
		{"name=a/**", 1},
		{"source=A", 1},
		{"source=B", 2},
		{"all", 0},
	} {
		l := &looker{world: world, situation: &dwmon.Situation{Incidents: []dwmon.IncidentState{source, own, behind}}, now: now}
		s := dwmon.Silence{Starts: now - 1, Ends: now + 1e6}
		if tt.silence != "" && tt.silence != "all" {
			m, err := dwmon.ParseMatcher(tt.silence)
			if err != nil {
				t.Fatal(err)
			}
			s.Matchers = dwmon.Matchers{m}
		}
		if tt.silence != "" {
			l.silences = []dwmon.Silence{s}
		}
		l.look()
		if len(l.actions) != tt.told {
			t.Errorf("silence %q: %d notices, want %d", tt.silence, len(l.actions), tt.told)
		}
	}
}
