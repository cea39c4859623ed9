//go:build linux

package torture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// memory is what was seen before, none of which may ever change.
type memory struct {
	installation string
	checkers     map[string]*storedChecker
	verdicts     map[verdictKey]verdict
	// settled are keys whose outcome was stored when so many lines had been told.
	settled map[string]int
}

// look compares what is stored now, while no process runs, with the model and with what
// was seen before. It says what was found by faults.
func (w *world) look() error {
	s, err := w.read()
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	if s == nil {
		return nil
	}
	list, err := w.readLedger(ledgerFile)
	if err != nil {
		return err
	}
	w.judgeLocalTimes(list)
	if s.integrity != "ok" {
		w.fault("integrity_check says %s", s.integrity)
	}
	w.unchanged(s)
	verdicts := map[verdictKey]verdict{}
	for _, c := range checkers {
		if sc := s.checkers[c.name]; sc != nil {
			w.judgeChecker(c, sc, verdicts)
			w.judgeIncidents(c, sc, s)
		}
	}
	w.judgeTold(s, verdicts, list)
	w.remember(s, verdicts, list)
	return nil
}

// unchanged insists that nothing recorded before has changed or gone since.
func (w *world) unchanged(s *stored) {
	if w.past.installation != "" && w.past.installation != s.installation {
		w.fault("the installation was %s and is %s", w.past.installation, s.installation)
	}
	for name, before := range w.past.checkers {
		after := s.checkers[name]
		if after == nil {
			w.fault("%s: the checker is gone", name)
			continue
		}
		if after.origin != before.origin {
			w.fault("%s: the origin was %d and is %d", name, before.origin, after.origin)
		}
		if before.settled != nil && (after.settled == nil || *after.settled < *before.settled) {
			w.fault("%s: the walk went back from %s to %s", name, number(before.settled), number(after.settled))
		}
		for key, b := range before.seen {
			a, ok := after.seen[key]
			switch {
			case !ok:
				w.fault("%s: the key %s is gone", name, key)
			case a.first != b.first:
				w.fault("%s: the first_seen of %s was %d and is %d", name, key, b.first, a.first)
			case b.us == nil && a.us != nil:
				w.fault("%s: the purged key %s counts again", name, key)
			case b.us != nil && a.us != nil && *a.us != *b.us:
				w.fault("%s: the timestamp of %s was %d and is %d", name, key, *b.us, *a.us)
			case b.us != nil && a.us == nil && (after.purgeMark == nil || *b.us >= *after.purgeMark*1e6):
				w.fault("%s: the timestamp of %s is gone, but it was not purged", name, key)
			}
		}
	}
}

// number shows a number that may be missing.
func number(n *int64) string {
	if n == nil {
		return "nothing"
	}
	return fmt.Sprint(*n)
}

func (w *world) remember(s *stored, verdicts map[verdictKey]verdict, list []told) {
	for k, b := range w.past.verdicts {
		if a, ok := verdicts[k]; !ok || a != b {
			w.fault("the verdict of %+v was %+v and is %+v", k, b, a)
		}
	}
	settled := map[string]int{}
	for _, d := range s.deliveries {
		if d.handler == "ledger" && !d.notice && d.state == 1 {
			settled[s.key(d.key, d.lineID)] = len(list)
		}
	}
	for key, at := range w.past.settled {
		settled[key] = at
	}
	w.past = memory{installation: s.installation, checkers: s.checkers, verdicts: verdicts, settled: settled}
}

// key is the idempotency key of a verdict.
func (s *stored) key(k verdictKey, lineID int64) string {
	return fmt.Sprintf("%s/%s/%d/%d", s.installation, k.checker, k.minute, lineID)
}

// judgeChecker insists on the promises of the walk, the rows and the counts.
func (w *world) judgeChecker(c checker, s *storedChecker, all map[verdictKey]verdict) {
	byStart := map[int64]int64{} // fetch ids
	for _, f := range s.fetches {
		if f.ok {
			byStart[f.started] = f.id
		}
	}
	rows := w.judgeRows(c, s, byStart)
	previous := make([]verdict, len(c.lines))
	for _, v := range s.verdicts {
		if _, twice := all[v.verdictKey]; twice {
			w.fault("recorded twice: %+v", v.verdictKey)
		}
		all[v.verdictKey] = v
		if v.line >= len(c.lines) {
			w.fault("a verdict of a line that there never was: %+v", v.verdictKey)
			continue
		}
		w.judgeVerdict(c.lines[v.line], s, v, rows)
		w.judgeStreak(v, previous[v.line])
		previous[v.line] = v
	}
	w.judgeWalk(c, s, all)
}

// counted is a row as verdicts count it.
type counted struct {
	us    int64
	fetch int64 // that brought it
}

// judgeRows insists that rows are those of the source, with their own times, seen by
// the first fetch that could not miss them.
func (w *world) judgeRows(c checker, s *storedChecker, byStart map[int64]int64) []counted {
	model := c.rows(w.seed, w.began.Add(-24*time.Hour), w.clock.high())
	var rows []counted
	for key, got := range s.seen {
		e, ok := model[key]
		if !ok {
			w.fault("%s: the key %s never was in the source", c.name, key)
			continue
		}
		id, ok := byStart[got.first]
		switch {
		case !ok:
			w.fault("%s: no fetch began at the first_seen of %s, %d", c.name, key, got.first)
		case got.us != nil && *got.us != e.us:
			w.fault("%s: the row %s is stored with the time %d, it has %d", c.name, key, *got.us, e.us)
		case e.there > w.clock.high().UnixMicro():
			w.fault("%s: the row %s was seen before it was there", c.name, key)
		}
		rows = append(rows, counted{e.us, id})
	}
	for key, e := range model {
		w.judgeSighting(c, s, key, e, byStart)
	}
	return rows
}

// judgeSighting insists that a row that was there has been seen.
func (w *world) judgeSighting(c checker, s *storedChecker, key string, e event, byStart map[int64]int64) {
	if s.purgeMark != nil && e.us < *s.purgeMark*1e6 {
		return // unknown keys that are older than the mark are ignored
	}
	must := slices.IndexFunc(s.fetches, func(f fetch) bool {
		return f.ok && f.started >= e.there && e.us > f.ended-window.Microseconds()+3600e6
	})
	if must < 0 {
		return
	}
	got, ok := s.seen[key]
	switch f := s.fetches[must]; {
	case !ok:
		w.fault("%s: the row %s was there at %d and was never seen, though fetch %d began at %d", c.name, key, e.there, f.id, f.started)
	case byStart[got.first] > f.id:
		w.fault("%s: the row %s was seen by fetch %d, fetch %d must have brought it", c.name, key, byStart[got.first], f.id)
	}
}

// judgeVerdict counts naively.
func (w *world) judgeVerdict(l line, s *storedChecker, v verdict, rows []counted) {
	from, until := (v.minute-l.lookback)*1e6, v.minute*1e6
	var n int64
	for _, r := range rows {
		if r.fetch <= v.fetch && r.us < until && (r.us > from || l.halfOpen && r.us == from) {
			n++
		}
	}
	status, reason := "GOOD", ""
	switch {
	case l.min >= 0 && n < l.min:
		status, reason = "BAD", "low"
	case l.max >= 0 && n > l.max:
		status, reason = "BAD", "high"
	}
	if v.count != n || v.status != status || v.reason != reason {
		w.fault("%+v, judged by fetch %d: %s %s with %d, the model says %s %s with %d", v.verdictKey, v.fetch, v.status, v.reason, v.count, status, reason, n)
	}
	at := slices.IndexFunc(s.fetches, func(f fetch) bool { return f.id == v.fetch })
	if at < 0 {
		w.fault("%+v: there is no fetch %d", v.verdictKey, v.fetch)
		return
	}
	f := s.fetches[at]
	if !f.ok || f.started != v.evaluated {
		w.fault("%+v: evaluated at %d by a fetch that began at %d (complete: %v)", v.verdictKey, v.evaluated, f.started, f.ok)
	}
	if late := v.minute < s.origin || f.slot-v.minute > 300; late != v.catchUp {
		w.fault("%+v: catch_up is %v, in a pass of %d, the checker being known since %d", v.verdictKey, v.catchUp, f.slot, s.origin)
	}
}

// judgeStreak insists that a verdict follows from the one before it.
func (w *world) judgeStreak(v, before verdict) {
	if got := statuses[v.previous]; got != before.status {
		w.fault("%+v: previous_status is %q, before it came %q", v.verdictKey, got, before.status)
	}
	want := int64(0)
	if v.status == "BAD" {
		want = before.bad + 1
	}
	if v.bad != want {
		w.fault("%+v: consecutive_bad is %d, want %d", v.verdictKey, v.bad, want)
	}
}

// judgeWalk insists that every eligible minute through which the walk has settled is
// checked or in a gap, once, and that later ones are neither.
func (w *world) judgeWalk(c checker, s *storedChecker, all map[verdictKey]verdict) {
	zone, err := time.LoadLocation(c.zone)
	if err != nil {
		w.fault("%v", err)
		return
	}
	owed := 0
	for i, l := range c.lines {
		inGap := map[int64]bool{}
		for _, g := range s.gaps {
			if g.line != i {
				continue
			}
			n := int64(0)
			for m := g.from; m <= g.to; m += 60 {
				if !l.eligible(time.Unix(m, 0).In(zone)) {
					continue
				}
				n++
				if inGap[m] {
					w.fault("%s line %d: minute %d lies in two gaps", c.name, i, m)
				}
				inGap[m] = true
			}
			if n != g.minutes {
				w.fault("%s line %d: the gap %d to %d says %d minutes, it has %d", c.name, i, g.from, g.to, g.minutes, n)
			}
		}
		if s.settled == nil {
			continue
		}
		for m := s.origin - 60*(l.rewind()-1); m <= *s.settled; m += 60 {
			_, judged := all[verdictKey{c.name, i, m}]
			at := time.Unix(m, 0).In(zone)
			switch eligible := l.eligible(at); {
			case !eligible && judged:
				w.fault("%s line %d: %s is not eligible and has a verdict", c.name, i, at)
			case !eligible:
			case judged && inGap[m]:
				w.fault("%s line %d: %s has a verdict and lies in a gap", c.name, i, at)
			case !judged && !inGap[m]:
				w.fault("%s line %d: %s was lost", c.name, i, at)
			case judged:
				owed++
			}
		}
	}
	if owed != len(s.verdicts) {
		w.fault("%s: %d verdicts lie outside of what was owed", c.name, len(s.verdicts)-owed)
	}
}

// judgeIncidents insists that the incidents of counts are those that follow from the
// verdicts: a BAD one opens, a GOOD one closes.
func (w *world) judgeIncidents(c checker, s *storedChecker, all *stored) {
	for i := range c.lines {
		var want []incident
		var lineID int64
		for _, v := range s.verdicts {
			if v.line != i || v.minute < s.origin {
				continue
			}
			lineID = v.lineID
			open := len(want) > 0 && want[len(want)-1].closed == nil
			switch minute := v.minute; {
			case v.status == "BAD" && !open:
				want = append(want, incident{opened: minute})
			case v.status == "GOOD" && open:
				want[len(want)-1].closed = &minute
			}
		}
		var got []incident
		for _, one := range all.incidents {
			if one.subject == "count" && one.checker == c.name && one.lineID == lineID {
				got = append(got, one)
			}
		}
		same := slices.EqualFunc(got, want, func(a, b incident) bool { return a.opened == b.opened && number(a.closed) == number(b.closed) })
		if !same {
			w.fault("%s line %d: the incidents are %s, the verdicts make %s", c.name, i, spans(got), spans(want))
		}
		open := int64(0)
		if len(got) > 0 && got[len(got)-1].closed == nil {
			open = got[len(got)-1].id
		}
		if s.openIncidents[i] != open {
			w.fault("%s line %d: incident %d is said to be open, it is %d", c.name, i, s.openIncidents[i], open)
		}
	}
}

func spans(all []incident) string {
	var b bytes.Buffer
	for _, i := range all {
		fmt.Fprintf(&b, "[%d %s]", i.opened, number(i.closed))
	}
	return b.String()
}

// judgeTold insists that what the ledger was told is what is recorded, under one key
// each, in the order in which it was decided; and nothing again whose outcome is stored.
func (w *world) judgeTold(s *stored, verdicts map[verdictKey]verdict, list []told) {
	place := map[string]int64{} // delivery ids by key
	for _, d := range s.deliveries {
		if d.handler != "ledger" || d.notice {
			continue
		}
		key := s.key(d.key, d.lineID)
		if _, twice := place[key]; twice {
			w.fault("%s is queued twice", key)
		}
		place[key] = d.id
		if _, ok := verdicts[d.key]; !ok {
			w.fault("%s is queued and not recorded", key)
		}
	}
	for k, v := range verdicts {
		if _, ok := place[s.key(k, v.lineID)]; !ok {
			w.fault("%+v is recorded, and nobody is to be told", k)
		}
	}
	reached, furthest := map[string]int64{}, map[string]int64{}
	first := map[string]told{}
	lives := w.lives
	for i, t := range list {
		for len(lives) > 0 && i >= lives[0] {
			lives = lives[1:]
			clear(reached) // outcomes that were on their way to the database are asked for again
		}
		if t.Notice != "" {
			continue
		}
		at, ok := place[t.Key]
		if !ok {
			w.fault("%s was told and is not recorded", t.Key)
			continue
		}
		if at < reached[t.Checker] {
			w.fault("%s was told after what was decided later", t.Key)
		}
		reached[t.Checker] = at
		if upTo, ok := w.past.settled[t.Key]; ok && i >= upTo {
			w.fault("%s was told again though its outcome had been stored", t.Key)
		}
		switch before, again := first[t.Key]; {
		case !again && at < furthest[t.Checker]:
			w.fault("%s was told for the first time after what was decided later", t.Key)
		case again && !bytes.Equal(before.Result, t.Result):
			w.fault("%s was told as %s and as %s", t.Key, before.Result, t.Result)
		}
		first[t.Key] = t
		furthest[t.Checker] = max(furthest[t.Checker], at)
		v := verdicts[verdictKey{t.Checker, t.Line, t.Minute}]
		if v.status != t.Status || v.count != t.Count || s.key(v.verdictKey, v.lineID) != t.Key {
			w.fault("%s was told as %s %d and is recorded as %s %d", t.Key, t.Status, t.Count, v.status, v.count)
		}
	}
	for _, d := range s.deliveries {
		if key := s.key(d.key, d.lineID); d.handler == "ledger" && !d.notice && d.state == 1 {
			if _, ok := first[key]; !ok {
				w.fault("%s is recorded as told, and the handler never was", key)
			}
		}
	}
}

// judgeLocalTimes insists that results bear the local time of their minute.
func (w *world) judgeLocalTimes(list []told) {
	for _, t := range list {
		at := slices.IndexFunc(checkers, func(c checker) bool { return c.name == t.Checker })
		if t.Notice != "" || at < 0 {
			continue
		}
		var said struct {
			Local string `json:"minute_local_time"`
			Zone  string `json:"time_zone"`
		}
		zone, err := time.LoadLocation(checkers[at].zone)
		if err == nil {
			err = json.Unmarshal(t.Result, &said)
		}
		if want := time.Unix(t.Minute, 0).In(zone).Format(time.DateTime); err != nil || said.Local != want || said.Zone != checkers[at].zone {
			w.fault("%s is told as of %s in %s, it is %s in %s (%v)", t.Key, said.Local, said.Zone, want, checkers[at].zone, err)
		}
	}
}

// judgeNotices insists that whoever was told of an incident's beginning was told of its
// end, if that was before recent, and of each thing under one key.
func (w *world) judgeNotices(s *stored, list []told, recent time.Time) {
	said := map[string]map[string]string{} // by incident and kind: the key
	for _, t := range list {
		if t.Notice != "opened" && t.Notice != "recovered" {
			continue
		}
		if said[t.Incident] == nil {
			said[t.Incident] = map[string]string{}
		}
		if key := said[t.Incident][t.Notice]; key != "" && key != t.Key {
			w.fault("incident %s: %s was told under %s and under %s", t.Incident, t.Notice, key, t.Key)
		}
		if t.Notice == "recovered" && said[t.Incident]["opened"] == "" {
			w.fault("the end of incident %s was told, its beginning was not", t.Incident)
		}
		said[t.Incident][t.Notice] = t.Key
	}
	for _, i := range s.incidents {
		id := fmt.Sprintf("%s/.incident/%d", s.installation, i.id)
		if i.closed != nil && i.closedAt < recent.UnixMicro() && said[id]["opened"] != "" && said[id]["recovered"] == "" {
			w.fault("the beginning of incident %s was told, its end was not", id)
		}
	}
}
