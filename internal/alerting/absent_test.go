package alerting

import (
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// TestTheEndWaitsForAHandlerThatIsNotConfigured: the beginning may wait for it in the
// outbox, and be delivered when it comes back.
func TestTheEndWaitsForAHandlerThatIsNotConfigured(t *testing.T) {
	opened := dwmon.FloorMinute(now / 1e6)
	i := dwmon.IncidentState{
		Incident: dwmon.Incident{ID: 1, Subject: dwmon.SubjectCount, Checker: "orders", CheckerID: 1, Opened: opened, OpenedAt: now},
		Told:     map[string]dwmon.Announcement{"pager": {Told: 1, At: now}},
	}
	subject := Subject{Checker: &dwmon.Checker{Name: "orders"}, Zone: time.UTC, Alert: dwmon.DefaultAlertRule}
	look := func() *looker {
		l := &looker{world: &World{Subjects: map[string]Subject{"orders": subject}}, situation: &dwmon.Situation{Incidents: []dwmon.IncidentState{i}}, now: now}
		l.look()
		return l
	}
	if l := look(); len(l.actions)+len(l.finished) != 0 {
		t.Errorf("while it lasts: told %+v, finished %v", l.actions, l.finished)
	}
	i.Closed, i.ClosedAt, i.End = &opened, now, dwmon.EndRecovered
	if l := look(); len(l.actions) != 1 || l.actions[0].kind != dwmon.NoticeRecovered || l.actions[0].handler != "pager" {
		t.Errorf("when it is over: told %+v", l.actions)
	}
	i.Told["pager"] = dwmon.Announcement{Told: 1, At: now, Ended: true}
	if l := look(); len(l.actions) != 0 || len(l.finished) != 1 {
		t.Errorf("when that is stored: told %+v, finished %v", l.actions, l.finished)
	}
}

// TestWhatASourceDoesNotHaveYetIsNotCaughtUp: whoever wants a digest of what was made
// up for is told of a replica's checkers, however far it lags.
func TestWhatASourceDoesNotHaveYetIsNotCaughtUp(t *testing.T) {
	settled := dwmon.FloorMinute(now/1e6) - 3600
	route := dwmon.Route{Handler: "pager", On: dwmon.OnChange, Notices: true, CatchUp: dwmon.CatchUpDigest}
	subject := Subject{Checker: &dwmon.Checker{Name: "orders"}, Zone: time.UTC, Alert: dwmon.DefaultAlertRule, Routes: []dwmon.Route{route}}
	for lag, want := range map[time.Duration]int{0: 0, 50 * time.Minute: 0, time.Hour: 1} {
		l := &looker{
			world: &World{Subjects: map[string]Subject{"orders": subject}, Handlers: map[string]Handler{"pager": {Route: route}}}, now: now,
			situation: &dwmon.Situation{Incidents: []dwmon.IncidentState{{
				Incident: dwmon.Incident{ID: 1, Subject: dwmon.SubjectCount, Checker: "orders", CheckerID: 1, Opened: settled, OpenedAt: now, CatchUp: true},
				Settled:  &settled, Lag: lag.Microseconds(),
			}}},
		}
		l.look()
		if len(l.actions) != want {
			t.Errorf("settled an hour behind a source that lags by %s: %d notices, want %d", lag, len(l.actions), want)
		}
	}
}

// TestADigestIsHiddenByASilenceOfAllItsMinutes: a nightly window in which dwmon went
// down does not hide what was BAD in the morning.
func TestADigestIsHiddenByASilenceOfAllItsMinutes(t *testing.T) {
	every, err := dwmon.ParseRecurrence("02:00-04:00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	night := time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC).Unix()
	l := &looker{silences: []dwmon.Silence{{Recurrence: every}}}
	for _, tt := range []struct {
		from, to int64 // minutes of the day
		want     bool
	}{{120, 239, true}, {130, 130, true}, {238, 414, false}, {100, 130, false}, {240, 250, false}} {
		c := &dwmon.CatchUp{From: night + tt.from*60, To: night + tt.to*60}
		if got := l.silencedThroughout(dwmon.SilenceSubject{Checker: "orders"}, c); got != tt.want {
			t.Errorf("%d to %d: %v", tt.from, tt.to, got)
		}
	}
}
