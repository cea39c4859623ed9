package alerting

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const now = int64(1_795_888_000_000_000)

func ago(d time.Duration) int64 { return now - d.Microseconds() }

// fleet is checkers of source A, and what is known of their fetches.
func fleet(states ...dwmon.FetchState) (*World, []dwmon.FetchState) {
	w := &World{Subjects: map[string]Subject{}}
	for i := range states {
		states[i].CheckerID, states[i].Checker = int64(i+1), fmt.Sprint("c", i)
		w.Subjects[states[i].Checker] = Subject{Checker: &dwmon.Checker{Name: states[i].Checker}, Source: "A", Alert: dwmon.DefaultAlertRule}
	}
	return w, states
}

func well(fetched int64) dwmon.FetchState { return dwmon.FetchState{Fetched: &fetched} }

func failing(count int64, fault dwmon.Fault, since, tried int64) dwmon.FetchState {
	return dwmon.FetchState{Failing: &dwmon.Failing{Count: count, Fault: fault, Since: since, Tried: tried, Cause: "connection refused"}}
}

// changed says in short what a detector opens and closes.
func changed(c changes) string {
	var all []string
	for _, i := range c.opens {
		all = append(all, "+"+string(i.Subject)+i.Checker+i.Source)
	}
	for _, x := range c.closings {
		all = append(all, fmt.Sprint("-", x.ID))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestDetect(t *testing.T) {
	const down, wrong = dwmon.FaultUnavailable, dwmon.FaultChecker
	recent := ago(30 * time.Second)
	long := ago(10 * time.Minute)
	source := dwmon.IncidentState{Incident: dwmon.Incident{ID: 9, Subject: dwmon.SubjectSource, Source: "A", OpenedAt: long}}
	own := dwmon.IncidentState{Incident: dwmon.Incident{ID: 7, Subject: dwmon.SubjectChecker, Checker: "c0", CheckerID: 1, OpenedAt: long}}
	line := own
	line.LineID = 3
	for _, tt := range []struct {
		name   string
		states []dwmon.FetchState
		open   []dwmon.IncidentState
		want   string
	}{
		{"all is well", []dwmon.FetchState{well(recent), well(recent)}, nil, ""},
		{"one failed twice", []dwmon.FetchState{failing(2, down, recent, recent), well(recent)}, nil, ""},
		{"one failed three times", []dwmon.FetchState{failing(3, down, long, recent), well(recent)}, nil, "+checkerc0"},
		{"it is known already", []dwmon.FetchState{failing(4, down, long, recent), well(recent)}, []dwmon.IncidentState{own}, ""},
		{"it is well again", []dwmon.FetchState{well(recent), well(recent)}, []dwmon.IncidentState{own}, "-7"},
		{"a line's UNKNOWN results are the verdicts' business", []dwmon.FetchState{well(recent), well(recent)}, []dwmon.IncidentState{line}, ""},
		{"a source of one checker is that checker", []dwmon.FetchState{failing(3, down, long, recent)}, nil, "+checkerc0"},
		{"all of a source failed, for the third time one", []dwmon.FetchState{failing(3, down, long, recent), failing(2, down, long, recent)}, nil, "+checkerc0 +sourceA"},
		{"all of a source failed once, and take long to fail", []dwmon.FetchState{failing(1, down, ago(4*time.Minute), recent), failing(1, down, ago(4*time.Minute), recent)}, nil, "+sourceA"},
		{"one had an answer just before, and the rest fail for the third time: it is not known yet", []dwmon.FetchState{failing(3, down, ago(130*time.Second), recent), failing(3, down, ago(130*time.Second), recent), well(ago(140 * time.Second))}, nil, ""},
		{"one has an answer since: they fail for themselves", []dwmon.FetchState{failing(3, down, ago(130*time.Second), recent), failing(3, down, ago(130*time.Second), recent), well(ago(120 * time.Second))}, nil, "+checkerc0 +checkerc1"},
		{"all failed, but for faults of their own", []dwmon.FetchState{failing(3, wrong, long, recent), failing(3, wrong, long, recent)}, nil, "+checkerc0 +checkerc1"},
		{"one of a source answers", []dwmon.FetchState{failing(2, down, long, recent), failing(2, down, long, recent), well(recent)}, nil, ""},
		{"one that was tried long ago does not count", []dwmon.FetchState{failing(3, down, long, recent), failing(2, down, long, recent), well(long)}, nil, "+checkerc0 +sourceA"},
		{"the source is down still", []dwmon.FetchState{failing(9, down, long, recent), failing(9, down, long, recent)}, []dwmon.IncidentState{source, own}, "+checkerc1"},
		{"the source answers one; the other was not tried since", []dwmon.FetchState{well(recent), failing(2, down, long, ago(time.Minute))}, []dwmon.IncidentState{source}, ""},
		{"the source answers all", []dwmon.FetchState{well(recent), well(recent)}, []dwmon.IncidentState{source}, "-9"},
		{"the source answers, that all their queries are wrong", []dwmon.FetchState{failing(9, wrong, long, recent), failing(9, wrong, long, recent)}, []dwmon.IncidentState{source, own}, "+checkerc1 -9"},
		{"one that failed for itself was not tried since the source went down", []dwmon.FetchState{failing(9, down, long, recent), failing(9, wrong, ago(time.Hour), ago(11*time.Minute))}, []dwmon.IncidentState{source, own}, "+checkerc1"},
		{"nobody asks the source any more", nil, []dwmon.IncidentState{source}, "-9"},
	} {
		w, states := fleet(tt.states...)
		d := detector{world: w, now: now, states: states, open: tt.open, revived: map[string]int64{}}
		if got := changed(d.detect()); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestASourceIsBackWhenAllWereTriedAgainOrForgivenTheirTime(t *testing.T) {
	source := dwmon.IncidentState{Incident: dwmon.Incident{ID: 9, Subject: dwmon.SubjectSource, Source: "A", OpenedAt: ago(10 * time.Minute)}}
	w, states := fleet(well(ago(time.Second)), failing(2, dwmon.FaultUnavailable, ago(10*time.Minute), ago(time.Minute)))
	revived := map[string]int64{}
	look := func(at int64) string {
		d := detector{world: w, now: at, states: states, open: []dwmon.IncidentState{source}, revived: revived}
		return changed(d.detect())
	}
	if got := look(now); got != "" {
		t.Errorf("at the first answer: %q", got)
	}
	if got := look(now + 2*60e6); got != "" {
		t.Errorf("two minutes later: %q", got)
	}
	if got := look(now + 6*60e6); got != "-9" {
		t.Errorf("after six minutes: %q", got)
	}
	clear(revived)
	look(now)
	states[1].Failing.Tried = now + 1e6 // tried again, and it fails for itself
	if got := look(now + 2e6); got != "-9" {
		t.Errorf("when the other was tried again: %q", got)
	}
}

func TestDwmonIsBehindWhereSourcesAnswer(t *testing.T) {
	settled := dwmon.FloorMinute(now/1e6) - 600
	behind := well(ago(time.Second))
	behind.Settled = &settled
	down := failing(5, dwmon.FaultUnavailable, ago(time.Hour), ago(time.Second))
	down.Settled = &settled
	w, states := fleet(down)
	d := detector{world: w, now: now, states: states, revived: map[string]int64{}, watching: true}
	if got := changed(d.detect()); got != "+checkerc0" {
		t.Errorf("behind its source: %q", got)
	}
	w, states = fleet(behind)
	d = detector{world: w, now: now, states: states, revived: map[string]int64{}}
	if got := changed(d.detect()); got != "" {
		t.Errorf("just started: %q", got)
	}
	d = detector{world: w, now: now, states: states, revived: map[string]int64{}, watching: true}
	if got := changed(d.detect()); got != "+dwmon" {
		t.Errorf("behind: %q", got)
	}
	caught := dwmon.FloorMinute(now / 1e6)
	states[0].Settled = &caught
	open := []dwmon.IncidentState{{Incident: dwmon.Incident{ID: 4, Subject: dwmon.SubjectDwmon}}}
	d = detector{world: w, now: now, states: states, open: open, revived: map[string]int64{}, watching: true}
	if got := changed(d.detect()); got != "-4" {
		t.Errorf("caught up: %q", got)
	}
}

func TestASourceIsNotForgottenWhileItIsNotKnownWhoAsksIt(t *testing.T) {
	source := dwmon.IncidentState{Incident: dwmon.Incident{ID: 9, Subject: dwmon.SubjectSource, Source: "A", OpenedAt: ago(10 * time.Minute)}}
	_, states := fleet(failing(9, dwmon.FaultUnavailable, ago(10*time.Minute), ago(time.Minute)))
	d := detector{world: &World{}, now: now, states: states, open: []dwmon.IncidentState{source}, revived: map[string]int64{}}
	if got := changed(d.detect()); got != "" {
		t.Errorf("its checker is not wired yet: %q", got)
	}
	d = detector{world: &World{}, now: now, open: []dwmon.IncidentState{source}, revived: map[string]int64{}}
	if c := d.detect(); len(c.closings) != 1 || c.closings[0].End != dwmon.EndOff {
		t.Errorf("its checkers are gone: %+v", c.closings)
	}
}

func TestASourceWhoseDataEndEarlyIsNotDwmonBeingBehind(t *testing.T) {
	settled := dwmon.FloorMinute(now/1e6) - 660
	lagging := well(ago(time.Second))
	lagging.Settled, lagging.Lag = &settled, (11 * time.Minute).Microseconds()
	w, states := fleet(lagging)
	d := detector{world: w, now: now, states: states, revived: map[string]int64{}, watching: true}
	if got := changed(d.detect()); got != "" {
		t.Errorf("11 minutes behind with a source that is: %q", got)
	}
	states[0].Lag = (4 * time.Minute).Microseconds()
	d = detector{world: w, now: now, states: states, revived: map[string]int64{}, watching: true}
	if got := changed(d.detect()); got != "+dwmon" {
		t.Errorf("11 minutes behind with a source that is 4: %q", got)
	}
}
