package sqlite

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var sameZone = cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })

func (w *world) silence(s dwmon.Silence) int64 {
	w.Helper()
	id, err := w.AddSilence(w.ctx(), s)
	w.must(err)
	return id
}

func (w *world) silenceIDs(includeEnded bool) (ids []int64) {
	w.Helper()
	all, err := w.Silences(w.ctx(), includeEnded)
	w.must(err)
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestSilencesAreKeptWhole(t *testing.T) {
	w := newWorld(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	w.must(err)
	matchers, err := dwmon.ParseMatchers([]string{"name=billing/**", "owner!=o'brien", `label.a"b=ü`})
	w.must(err)
	ended := epoch0*1e6 + 7
	all := []dwmon.Silence{
		{Matchers: dwmon.Matchers{}, Starts: epoch0 * 1e6, Ends: epoch0*1e6 + 1, Comment: "c", By: "b", Created: epoch0*1e6 - 1},
		{
			Matchers: matchers, Starts: 5, Comment: "each week", By: "ops", Created: 4, Ended: &ended,
			Recurrence: &dwmon.Recurrence{Days: 1 << time.Saturday, From: 1380, To: 1530, Zone: berlin},
		},
	}
	for i := range all {
		all[i].ID = w.silence(all[i])
	}
	w.reopenDB()
	got, err := w.Silences(w.ctx(), true)
	w.must(err)
	if diff := cmp.Diff(all, got, sameZone); diff != "" {
		t.Errorf("what was stored is read otherwise (-want +got):\n%s", diff)
	}
}

func TestEndSilence(t *testing.T) {
	w := newWorld(t)
	now := w.clock.UnixMicro()
	lasting := w.silence(dwmon.Silence{Starts: now, Ends: now + 10e6})
	other := w.silence(dwmon.Silence{Starts: now + 100e6, Ends: now + 200e6})
	over := w.silence(dwmon.Silence{Starts: now - 10, Ends: now})
	if got := w.silenceIDs(false); !slices.Equal(got, []int64{lasting, other}) {
		t.Errorf("the silences %v are not over", got)
	}
	err := w.EndSilence(w.ctx(), now, lasting, 99, over)
	if !errors.Is(err, dwmon.ErrNoSilence) || !errors.Is(err, dwmon.ErrSilenceOver) {
		t.Errorf("ending one that is not there and one that is over: %v", err)
	}
	if got := w.silenceIDs(false); !slices.Equal(got, []int64{lasting, other}) {
		t.Errorf("after a refusal the silences %v are not over: all or none", got)
	}
	w.must(w.EndSilence(w.ctx(), now, lasting, other))
	if got := w.silenceIDs(false); len(got) != 0 {
		t.Errorf("the silences %v are not over", got)
	}
	if err := w.EndSilence(w.ctx(), now+1, lasting); !errors.Is(err, dwmon.ErrSilenceOver) {
		t.Errorf("ending it again: %v", err)
	}
	all, err := w.Silences(w.ctx(), true)
	w.must(err)
	if len(all) != 3 || *all[0].Ended != now || *all[1].Ended != now || all[2].Ended != nil {
		t.Errorf("silences %+v", all)
	}
}

func TestSilencesGoWithTheirAge(t *testing.T) {
	w := newWorld(t)
	const day = 24 * time.Hour
	now := w.clock.UnixMicro()
	ago := func(d time.Duration) int64 { return now - d.Microseconds() }
	at := ago(11 * day)
	w.silence(dwmon.Silence{Starts: ago(30 * day), Ends: ago(11 * day)})
	w.silence(dwmon.Silence{Starts: ago(30 * day), Ended: &at})
	stays := []int64{
		w.silence(dwmon.Silence{Starts: ago(30 * day), Ends: ago(9 * day)}),
		w.silence(dwmon.Silence{Starts: ago(30 * day)}),
	}
	swept, err := w.Sweep(w.ctx(), dwmon.Retention{Keep: 10 * day}, now)
	w.must(err)
	if got := w.silenceIDs(true); !slices.Equal(got, stays) || swept.Silences != 2 {
		t.Errorf("%v stay, %d went; want %v", got, swept.Silences, stays)
	}
	if _, err := w.Sweep(w.ctx(), dwmon.Retention{}, now+1e15); err != nil || len(w.silenceIDs(true)) != 2 {
		t.Errorf("history that is kept for ever: %v stay, %v", w.silenceIDs(true), err)
	}
	if next := w.silence(dwmon.Silence{}); next <= stays[1] {
		t.Errorf("the id %d was given again", next)
	}
}

func TestSubjects(t *testing.T) {
	w := newWorld(t)
	w.checker("b", epoch0, "UTC", line(1))
	w.checker("a", epoch0, "UTC", line(1))
	w.checker("off", epoch0, "UTC", line(1))
	w.must(w.SwitchOff(w.ctx(), "off", epoch0, dwmon.OffDisabled))
	got, err := w.Subjects(w.ctx())
	w.must(err)
	want := []dwmon.SilenceSubject{
		{Checker: "a", Owner: "owner of a", Source: "AWS", Labels: map[string]string{"team": "a"}},
		{Checker: "b", Owner: "owner of b", Source: "AWS", Labels: map[string]string{"team": "b"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
}

func TestAcknowledge(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	var ids []int64
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		for _, i := range []dwmon.Incident{
			{Subject: dwmon.SubjectCount, CheckerID: p.ID, LineID: p.Lines[0].ID, Opened: epoch0, OpenedAt: epoch0 * 1e6},
			{Subject: dwmon.SubjectSource, Source: "AWS", Opened: epoch0, OpenedAt: epoch0 * 1e6},
			{Subject: dwmon.SubjectChecker, CheckerID: p.ID, Opened: epoch0, OpenedAt: epoch0 * 1e6},
		} {
			id, err := tx.OpenIncident(i)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return tx.CloseIncident(ids[2], epoch0+60, epoch0*1e6+60e6, dwmon.EndRecovered)
	}))
	acks := func() (acks []*dwmon.Ack) {
		incidents, err := w.Incidents(w.ctx(), "", true, 0)
		w.must(err)
		for _, i := range incidents {
			acks = append(acks, i.Ack)
		}
		return acks
	}
	first := dwmon.Ack{By: "ann", Comment: "on it", At: 5, Until: 0}
	second := dwmon.Ack{By: "bob", At: 6, Until: 7}
	for _, step := range []struct {
		what    string
		do      func() (int64, error)
		changed int64
		want    []*dwmon.Ack
	}{
		{"one of each kind, and one that is over", func() (int64, error) { return w.Acknowledge(w.ctx(), ids, first) }, 2, []*dwmon.Ack{&first, &first, nil}},
		{"once more, by another", func() (int64, error) { return w.Acknowledge(w.ctx(), ids[:1], second) }, 1, []*dwmon.Ack{&second, &first, nil}},
		{"nobody's", func() (int64, error) { return w.Acknowledge(w.ctx(), []int64{99}, second) }, 0, []*dwmon.Ack{&second, &first, nil}},
		{"taken back", func() (int64, error) { return w.Unacknowledge(w.ctx(), ids[:1]) }, 1, []*dwmon.Ack{nil, &first, nil}},
		{"taken back again", func() (int64, error) { return w.Unacknowledge(w.ctx(), ids) }, 1, []*dwmon.Ack{nil, nil, nil}},
	} {
		n, err := step.do()
		w.must(err)
		if n != step.changed {
			t.Errorf("%s: %d changed, want %d", step.what, n, step.changed)
		}
		if diff := cmp.Diff(step.want, acks()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
}
