package alerting

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	// sourceWithin is how recent the tries of a source's checkers must be to say that
	// all of it is down.
	sourceWithin = 3 * time.Minute
	// backWithin is how long a source that answers again waits for the checkers that
	// were not tried since: longer than any back-off of theirs.
	backWithin = 6 * time.Minute
	// sourceAtLeast is how many checkers make a source: one that fails alone fails for
	// itself.
	sourceAtLeast = 2
)

// changes are incidents that no verdict decides about.
type changes struct {
	opens    []dwmon.Incident
	closings []dwmon.Closing
}

func (c *changes) empty() bool { return len(c.opens)+len(c.closings) == 0 }

// detector finds what cannot be evaluated.
type detector struct {
	world  *World
	now    int64 // microseconds since the epoch
	states []dwmon.FetchState
	open   []dwmon.IncidentState
	// revived says when a source that is down was first seen to answer again; see
	// sources.
	revived map[string]int64
	// watching says that passes are being made, and have been for some time: who is
	// behind then is dwmon.
	watching bool
	changes
}

// detect compares how fetches fare with the incidents that are open.
func (d *detector) detect() changes {
	d.checkers()
	d.sources()
	if d.watching {
		d.dwmon()
	}
	return d.changes
}

func (d *detector) close(i *dwmon.IncidentState, at int64) {
	d.closings = append(d.closings, dwmon.Closing{ID: i.ID, Closed: minuteOf(at), At: at, End: dwmon.EndRecovered})
}

// openOf gives the open incidents of a subject, by what name gives; those of lines
// are the verdicts' business.
func (d *detector) openOf(subject dwmon.Subject, name func(*dwmon.IncidentState) string) map[string]*dwmon.IncidentState {
	found := map[string]*dwmon.IncidentState{}
	for k := range d.open {
		if i := &d.open[k]; i.Subject == subject && i.LineID == 0 && i.Closed == nil {
			found[name(i)] = i
		}
	}
	return found
}

// checkers opens and closes the incidents of checkers whose fetches fail.
func (d *detector) checkers() {
	open := d.openOf(dwmon.SubjectChecker, func(i *dwmon.IncidentState) string { return i.Checker })
	sources := d.bySource()
	for k := range d.states {
		s := &d.states[k]
		subject, known := d.world.Subjects[s.Checker]
		i := open[s.Checker]
		switch {
		case i == nil && known && s.Failing != nil && s.Failing.Count >= int64(subject.Alert.UnknownAfter):
			if s.Failing.Fault != dwmon.FaultChecker && sources[subject.Source].undecided(d.now) {
				continue
			}
			d.opens = append(d.opens, dwmon.Incident{
				Subject: dwmon.SubjectChecker, CheckerID: s.CheckerID, Checker: s.Checker, Opened: minuteOf(s.Failing.Since), OpenedAt: s.Failing.Tried, Cause: s.Failing.Cause,
			})
		case i != nil && s.Failing == nil:
			d.close(i, since(s.Fetched, d.now))
		}
	}
}

// source is the checkers of one source that owe something.
type source struct {
	// tried are those tried lately, down those of them that failed in a way that says
	// something about the source, failing all that fail.
	tried, down int
	failing     []*dwmon.Failing
	patience    int // the least of theirs
	// fetched is when the last fetch succeeded.
	fetched int64
}

// newest is the failure that was tried last, first the one that began first.
func (s *source) newest() *dwmon.Failing {
	return slices.MaxFunc(s.failing, func(a, b *dwmon.Failing) int { return cmp.Compare(a.Tried, b.Tried) })
}

func (s *source) first() *dwmon.Failing {
	return slices.MinFunc(s.failing, func(a, b *dwmon.Failing) int { return cmp.Compare(a.Since, b.Since) })
}

// isDown says that all of the source fails, for long enough: so many times in a row
// for some checker, or so many minutes where tries take longer.
func (s *source) isDown(now int64) bool {
	if s.tried < sourceAtLeast || s.down < s.tried {
		return false
	}
	worst := slices.MaxFunc(s.failing, func(a, b *dwmon.Failing) int { return cmp.Compare(a.Count, b.Count) })
	return worst.Count >= int64(s.patience) || now-s.first().Since >= int64(s.patience)*time.Minute.Microseconds()
}

// undecided says that it may be all of the source that fails, but that cannot be
// said yet: somebody had an answer shortly before it began. To tell of each checker
// now would be to tell of one thing many times.
func (s *source) undecided(now int64) bool {
	var failing []*dwmon.Failing
	for _, f := range s.failing {
		if f.Fault != dwmon.FaultChecker {
			failing = append(failing, f)
		}
	}
	if len(failing) < sourceAtLeast || s.isDown(now) {
		return false
	}
	first := slices.MinFunc(failing, func(a, b *dwmon.Failing) int { return cmp.Compare(a.Since, b.Since) }).Since
	return s.fetched < first && now-first < (sourceWithin+time.Minute).Microseconds()
}

// untried says whether checkers that fail were not tried again since a time.
func (s *source) untried(since int64) bool {
	return slices.ContainsFunc(s.failing, func(f *dwmon.Failing) bool { return f.Tried < since })
}

// sources opens and closes the incidents of whole sources.
func (d *detector) sources() {
	open := d.openOf(dwmon.SubjectSource, func(i *dwmon.IncidentState) string { return i.Source })
	all := d.bySource()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s, i := all[name], open[name]
		switch {
		case i == nil && s.isDown(d.now):
			d.opens = append(d.opens, dwmon.Incident{
				Subject: dwmon.SubjectSource, Source: name, Opened: minuteOf(s.first().Since), OpenedAt: d.now, Cause: s.newest().Cause, Checkers: int64(len(s.failing)),
			})
		case i != nil && d.isBack(name, s, i):
			d.close(i, d.now)
			delete(d.revived, name)
		}
		delete(open, name)
	}
	if !d.allKnown() { // at a start it may not be known yet who asks which source
		return
	}
	for _, i := range open { // nobody asks it any more, which does not mean that it answers
		d.closings = append(d.closings, dwmon.Closing{ID: i.ID, Closed: minuteOf(d.now), At: d.now, End: dwmon.EndOff})
	}
}

// allKnown says that each checker that owes something is a subject.
func (d *detector) allKnown() bool {
	return !slices.ContainsFunc(d.states, func(s dwmon.FetchState) bool {
		_, known := d.world.Subjects[s.Checker]
		return !known
	})
}

// isBack says that a source that was down answers again. Between the first answer
// and the next try of each checker the others still fail, as far as is known: if
// the source were well then, each of them would be told of by itself.
func (d *detector) isBack(name string, s *source, i *dwmon.IncidentState) bool {
	if !slices.ContainsFunc(s.failing, func(f *dwmon.Failing) bool { return f.Fault != dwmon.FaultChecker || f.Tried <= i.OpenedAt }) {
		return true // those that fail do so for themselves: the source has answered them
	}
	if s.fetched <= i.OpenedAt {
		return false
	}
	if d.revived[name] <= i.OpenedAt {
		d.revived[name] = d.now
	}
	return !s.untried(d.revived[name]) || d.now-d.revived[name] >= backWithin.Microseconds()
}

func (d *detector) bySource() map[string]*source {
	all := map[string]*source{}
	for k := range d.states {
		state := &d.states[k]
		subject, known := d.world.Subjects[state.Checker]
		if !known {
			continue
		}
		s := all[subject.Source]
		if s == nil {
			s = &source{patience: subject.Alert.UnknownAfter}
			all[subject.Source] = s
		}
		s.add(state, subject.Alert.UnknownAfter, d.now)
	}
	return all
}

func (s *source) add(state *dwmon.FetchState, patience int, now int64) {
	s.patience = min(s.patience, patience)
	f := state.Failing
	if state.Fetched != nil {
		s.fetched = max(s.fetched, *state.Fetched)
	}
	tried := since(state.Fetched, 0)
	if f != nil {
		tried = f.Tried
		s.failing = append(s.failing, f)
	}
	if now-tried > sourceWithin.Microseconds() {
		return
	}
	s.tried++
	if f != nil && f.Fault != dwmon.FaultChecker {
		s.down++
	}
}

// dwmon opens and closes the incident of dwmon itself being behind.
func (d *detector) dwmon() {
	var behind int64
	oldest := d.now
	for k := range d.states {
		s := &d.states[k]
		subject, known := d.world.Subjects[s.Checker]
		if !known || s.Failing != nil || s.Settled == nil {
			continue
		}
		if dwmon.IsBehind(d.now, s.Lag, subject.Checker.Options.Grace, *s.Settled) {
			behind++
			oldest = min(oldest, *s.Settled*1e6)
		}
	}
	i := d.openOf(dwmon.SubjectDwmon, func(*dwmon.IncidentState) string { return "" })[""]
	switch {
	case i == nil && behind > 0:
		d.opens = append(d.opens, dwmon.Incident{
			Subject: dwmon.SubjectDwmon, Opened: minuteOf(oldest), OpenedAt: d.now, Checkers: behind,
			Cause: "passes are not made in time: a source that does not answer, a machine that is too busy, or a clock that was moved",
		})
	case i != nil && behind == 0:
		d.close(i, d.now)
	}
}

func minuteOf(micros int64) int64 { return dwmon.FloorMinute(micros / 1e6) }

func since(p *int64, otherwise int64) int64 {
	if p == nil {
		return otherwise
	}
	return *p
}
