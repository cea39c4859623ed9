package endtoend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// modelLine is a requirement line as the naive model understands it.
type modelLine struct {
	tokens   string
	eligible func(local time.Time) bool
	lookback int64 // seconds
	halfOpen bool
	min, max int64
}

func (l modelLine) rewind() int64 { return 10 * ((l.lookback + 59) / 60) }

// modelLines are the lines of the checkers that are killed: small and large
// windows, open and half open, not due at every minute.
var modelLines = []modelLine{
	{
		tokens:   "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM2 MAXNUM9 LOOKBACKSECONDS120",
		eligible: func(time.Time) bool { return true }, lookback: 120, min: 2, max: 9,
	},
	{
		tokens: "CHECKHOURS0-5,8-23 CHECKMINUTES*/3 WEEKENDS WEEKDAYS MINNUM1 MAXNUM40 LOOKBACKSECONDS601 HALFOPEN",
		eligible: func(t time.Time) bool {
			return t.Minute()%3 == 0 && (t.Hour() <= 5 || t.Hour() >= 8)
		},
		lookback: 601, halfOpen: true, min: 1, max: 40,
	},
}

func requirements() string {
	tokens := make([]string, len(modelLines))
	for i, l := range modelLines {
		tokens[i] = l.tokens
	}
	return strings.Join(tokens, "\n")
}

// version is a timestamp that the source gave for a key from a time on.
type version struct{ from, us int64 }

// event is one key of the source and everything that it ever said of it. Times are
// microseconds since the epoch, on the clock that fetches are stamped with.
type event struct {
	key string
	// there: every fetch that starts later sees it.
	there    int64
	versions []version
}

// at is the timestamp that a fetch started at a time saw.
func (e *event) at(started int64) int64 {
	us := e.versions[0].us
	for _, v := range e.versions[1:] {
		if v.from <= started {
			us = v.us
		}
	}
	return us
}

// source is the database that checkers ask, and the model of it.
type source struct {
	*world
	rng    *rand.Rand
	events []*event
	byKey  map[string]*event
}

func newSource(w *world, rng *rand.Rand) *source {
	w.sql("source.db", "PRAGMA journal_mode=WAL", "CREATE TABLE events (id TEXT PRIMARY KEY, us INTEGER)")
	return &source{world: w, rng: rng, byKey: map[string]*event{}}
}

// eventsQuery gives timestamps with microseconds, as text without rounding.
const eventsQuery = "SELECT id AS dwmon_unique_key, printf('%d.%06d', us / 1000000, us % 1000000) AS dwmon_timestamp FROM events"

// arrive adds n events with timestamps in from..until.
func (s *source) arrive(n int, from, until time.Time, there func() int64) {
	db := s.open("source.db")
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		s.Error(err)
		return
	}
	defer tx.Rollback()
	var fresh []*event
	for range n {
		us := from.UnixMicro() + s.rng.Int64N(until.Sub(from).Microseconds()+1)
		if s.rng.IntN(3) == 0 {
			us = us / 60e6 * 60e6 // the borders of windows are where counts go wrong
		}
		e := &event{key: fmt.Sprintf("e%06d", len(s.events)+len(fresh)), versions: []version{{us: us}}}
		fresh = append(fresh, e)
		if _, err := tx.Exec("INSERT INTO events VALUES (?, ?)", e.key, us); err != nil {
			s.Error(err)
			return
		}
	}
	if err := tx.Commit(); err != nil {
		s.Error(err)
		return
	}
	at := there()
	for _, e := range fresh {
		e.there = at
		s.events = append(s.events, e)
		s.byKey[e.key] = e
	}
}

// mutate gives some keys other timestamps; fetches that start at or after a time
// see them. Nobody may be fetching meanwhile.
func (s *source) mutate(n int, from int64) {
	db := s.open("source.db")
	defer db.Close()
	for range min(n, len(s.events)) {
		e := s.events[s.rng.IntN(len(s.events))]
		us := e.versions[len(e.versions)-1].us + s.rng.Int64N(600e6) - 300e6
		if _, err := db.Exec("UPDATE events SET us = ? WHERE id = ?", us, e.key); err != nil {
			s.Fatal(err)
		}
		e.versions = append(e.versions, version{from, us})
	}
}

// stored is what dwmon's database holds of a checker.
type stored struct {
	origin    int64
	purgeMark *int64
	// seen is first_seen and timestamp by key; the timestamp is nil where the row
	// was purged.
	seen map[string]sighting
	// fetches are the starts of the successful ones.
	fetches []int64
}

type sighting struct {
	first int64
	us    *int64
}

// stored reads the database beside dwmon, without touching it.
func (w *world) stored() map[string]*stored {
	w.Helper()
	all := map[string]*stored{}
	if _, err := os.Stat(w.path("dwmon.db")); err != nil {
		return all
	}
	db := w.open("dwmon.db", "mode=ro")
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		w.Fatal(err)
	}
	defer tx.Rollback()
	var tables int
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_master WHERE name IN ('checkers', 'seen', 'fetches')").Scan(&tables); err != nil {
		w.Fatal(err)
	}
	if tables < 3 {
		return all // killed before the schema was made
	}
	names := map[int64]*stored{}
	rows, err := tx.Query("SELECT id, name, origin, purge_mark FROM checkers")
	if err != nil {
		w.Fatal(err)
	}
	for rows.Next() {
		var id int64
		var name string
		c := &stored{seen: map[string]sighting{}}
		if err := rows.Scan(&id, &name, &c.origin, &c.purgeMark); err != nil {
			w.Fatal(err)
		}
		names[id], all[name] = c, c
	}
	rows, err = tx.Query("SELECT checker_id, key, ts, first_seen FROM seen")
	if err != nil {
		w.Fatal(err)
	}
	for rows.Next() {
		var id int64
		var key []byte
		var s sighting
		if err := rows.Scan(&id, &key, &s.us, &s.first); err != nil {
			w.Fatal(err)
		}
		names[id].seen[string(key)] = s
	}
	rows, err = tx.Query("SELECT checker_id, started FROM fetches WHERE ok ORDER BY id")
	if err != nil {
		w.Fatal(err)
	}
	for rows.Next() {
		var id, started int64
		if err := rows.Scan(&id, &started); err != nil {
			w.Fatal(err)
		}
		names[id].fetches = append(names[id].fetches, started)
	}
	return all
}

// unchanged insists that nothing recorded before has changed or gone since.
func unchanged(t testing.TB, before, after map[string]*stored) {
	t.Helper()
	for name, b := range before {
		a := after[name]
		if a == nil {
			t.Fatalf("%s: the checker is gone", name)
		}
		if a.origin != b.origin {
			t.Errorf("%s: the origin was %d and is %d", name, b.origin, a.origin)
		}
		for key, s := range b.seen {
			now, ok := a.seen[key]
			switch {
			case !ok:
				t.Errorf("%s: the key %s is gone", name, key)
			case now.first != s.first:
				t.Errorf("%s: the first_seen of %s was %d and is %d", name, key, s.first, now.first)
			case s.us == nil && now.us != nil:
				t.Errorf("%s: the purged key %s counts again", name, key)
			case s.us != nil && now.us != nil && *s.us != *now.us:
				t.Errorf("%s: the timestamp of %s was %d and is %d", name, key, *s.us, *now.us)
			case s.us != nil && now.us == nil && (a.purgeMark == nil || *s.us >= *a.purgeMark*1e6):
				t.Errorf("%s: the timestamp of %s is gone, but it was not purged", name, key)
			}
		}
	}
}

// verdictKey names a verdict.
type verdictKey struct {
	checker string
	line    int
	minute  int64
}

// verdicts indexes a history. A minute with two verdicts is an error.
func verdicts(t testing.TB, history []entry) map[verdictKey]entry {
	t.Helper()
	all := map[verdictKey]entry{}
	for _, e := range history {
		if e.Gap || e.Off {
			continue
		}
		k := verdictKey{e.CheckerName, e.Line, e.Minute}
		if _, twice := all[k]; twice {
			t.Errorf("recorded twice: %+v", k)
		}
		all[k] = e
	}
	return all
}

// kept insists that verdicts recorded before are there as they were.
func kept(t testing.TB, before, after map[verdictKey]entry) {
	t.Helper()
	for k, b := range before {
		a, ok := after[k]
		switch {
		case !ok:
			t.Errorf("the verdict of %+v is gone", k)
		case a.Count != b.Count || a.Status != b.Status || a.Evaluated != b.Evaluated:
			t.Errorf("the verdict of %+v has changed from %+v to %+v", k, b, a)
		}
	}
}

// settled insists on the promises for one checker whose walk ended at last: every
// eligible minute has one verdict or lies in a gap, and every count is that of the
// rows that were seen by then.
func (s *source) settled(name string, c *stored, history []entry, last int64) (judged, gaps int) {
	s.Helper()
	all := verdicts(s, history)
	mine := 0
	for _, e := range history {
		if e.CheckerName == name && !e.Gap && !e.Off {
			mine++
		}
	}
	for key := range c.seen {
		if s.byKey[key] == nil {
			s.Errorf("%s: the key %s never was in the source", name, key)
		}
	}
	for _, e := range s.events {
		s.checkSighting(name, c, e)
	}
	for i, line := range modelLines {
		gap := map[int64]bool{}
		for _, e := range history {
			if e.CheckerName != name || e.Line != i || !e.Gap {
				continue
			}
			n := int64(0)
			for m := e.From; m <= *e.To; m += 60 {
				if line.eligible(time.Unix(m, 0).UTC()) {
					if gap[m] {
						s.Errorf("%s line %d: minute %d lies in two gaps", name, i, m)
					}
					gap[m] = true
					n++
				}
			}
			if n != e.Minutes {
				s.Errorf("%s line %d: the gap %d to %d says %d minutes, it has %d", name, i, e.From, *e.To, e.Minutes, n)
			}
		}
		for m := c.origin - 60*(line.rewind()-1); m <= last; m += 60 {
			e, ok := all[verdictKey{name, i, m}]
			at := time.Unix(m, 0).UTC()
			switch eligible := line.eligible(at); {
			case !eligible && ok:
				s.Errorf("%s line %d: %s is not eligible and has a verdict", name, i, at)
			case !eligible:
			case ok && gap[m]:
				s.Errorf("%s line %d: %s has a verdict and lies in a gap", name, i, at)
			case gap[m]:
				gaps++
			case !ok:
				s.Errorf("%s line %d: %s was lost", name, i, at)
			default:
				judged++
				s.checkVerdict(line, c, e)
			}
		}
	}
	if judged != mine {
		s.Errorf("%s: %d verdicts lie outside of what was owed", name, mine-judged)
	}
	return judged, gaps
}

// checkSighting insists that an event was seen by the first fetch that could not
// miss it, with the timestamp of then.
func (s *source) checkSighting(name string, c *stored, e *event) {
	s.Helper()
	got, ok := c.seen[e.key]
	must := slices.IndexFunc(c.fetches, func(started int64) bool { return started >= e.there })
	switch {
	case !ok && must >= 0:
		us := e.at(c.fetches[must])
		if c.purgeMark == nil || us >= *c.purgeMark*1e6 {
			s.Errorf("%s: the event %s was there at %d and was never seen, though a fetch began at %d", name, e.key, e.there, c.fetches[must])
		}
	case !ok:
	case !slices.Contains(c.fetches, got.first):
		s.Errorf("%s: no fetch began at the first_seen of %s, %d", name, e.key, got.first)
	case must >= 0 && got.first > c.fetches[must] && (c.purgeMark == nil || e.at(c.fetches[must]) >= *c.purgeMark*1e6):
		s.Errorf("%s: the event %s was seen at %d, a fetch before, at %d, must have brought it", name, e.key, got.first, c.fetches[must])
	case got.us != nil && *got.us != e.at(got.first):
		s.Errorf("%s: the event %s is stored with the time %d, the source said %d when it was first seen", name, e.key, *got.us, e.at(got.first))
	}
}

// checkVerdict counts naively.
func (s *source) checkVerdict(line modelLine, c *stored, e entry) {
	s.Helper()
	evaluated := micros(s, e.Evaluated)
	from, until := (e.Minute-line.lookback)*1e6, e.Minute*1e6
	var n int64
	for key, seen := range c.seen {
		us := s.byKey[key].at(seen.first)
		if seen.first <= evaluated && us < until && (us > from || line.halfOpen && us == from) {
			n++
		}
	}
	status := "GOOD"
	if n < line.min || n > line.max {
		status = "BAD"
	}
	if e.Count != n || e.Status != status {
		s.Errorf("%s line %d minute %d, judged at %d: %s with %d, the model says %s with %d", e.CheckerName, e.Line, e.Minute, evaluated, e.Status, e.Count, status, n)
	}
}

// micros reads seconds with a fraction without rounding.
func micros(t testing.TB, n json.Number) int64 {
	t.Helper()
	whole, frac, _ := strings.Cut(n.String(), ".")
	var us int64
	if _, err := fmt.Sscan(whole+(frac + "000000")[:6], &us); err != nil {
		t.Fatalf("%s: %v", n, err)
	}
	return us
}

// untorn reads JSON Lines that processes were killed over. A torn line is left
// out: what it tells of was not answered, so it must come again.
func untorn[T any](w *world, name string) (all []T) {
	w.Helper()
	for line := range strings.SplitSeq(w.read(name), "\n") {
		var one T
		if line != "" && json.Unmarshal([]byte(line), &one) == nil {
			all = append(all, one)
		}
	}
	return all
}

// delivered insists that every verdict was told at least once, each under one
// idempotency key, in order for each checker. It gives how often one was repeated.
func delivered(t testing.TB, all map[verdictKey]entry, list []told) (repeats int) {
	t.Helper()
	keys := map[string]verdictKey{}
	first := map[verdictKey]told{}
	order := map[string]verdictKey{}
	for _, d := range list {
		k := verdictKey{d.Checker, d.Line, d.Minute}
		if other, ok := keys[d.Key]; ok && other != k {
			t.Errorf("the idempotency key %s stands for %+v and for %+v", d.Key, other, k)
		}
		keys[d.Key] = k
		if before, again := first[k]; again {
			repeats++
			if before.Key != d.Key || string(before.Result) != string(d.Result) {
				t.Errorf("%+v was told as %s %s and as %s %s", k, before.Key, before.Result, d.Key, d.Result)
			}
			continue
		}
		first[k] = d
		if last, ok := order[d.Checker]; ok && cmp.Or(cmp.Compare(last.minute, k.minute), cmp.Compare(last.line, k.line)) >= 0 {
			t.Errorf("%+v was told after %+v", k, last)
		}
		order[d.Checker] = k
		v, ok := all[k]
		if !ok {
			t.Errorf("%+v was told and is not recorded", k)
			continue
		}
		var said entry
		if err := json.Unmarshal(d.Result, &said); err != nil {
			t.Fatal(err)
		}
		if said.Count != v.Count || said.Status != v.Status || said.Evaluated != v.Evaluated {
			t.Errorf("%+v was told as %+v and is recorded as %+v", k, said, v)
		}
	}
	for k := range all {
		if _, ok := first[k]; !ok {
			t.Errorf("%+v was never told", k)
		}
	}
	return repeats
}
