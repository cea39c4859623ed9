package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// trouble is what is remembered of a line for its incidents.
type trouble struct {
	// results are the GOOD and BAD ones since an incident last ended.
	results  []dwmon.Status
	good     int // in a row
	unknown  int // in a row
	incident int64
	// of UNKNOWN results
	unknownIncident int64
}

var trouble0 trouble

// judge holds the verdicts of a commit against the rows.
func (o *oracle) judge(p *passing, k *known, c *commit, due []pair, limit int64) {
	var left []pair
	for _, d := range due {
		if _, done := k.at[place{d.minute, k.lines[d.line].memory}]; !done {
			left = append(left, d)
		}
	}
	var got []dwmon.Verdict
	if c.record != nil {
		got = c.record.Verdicts
	}
	if len(got) != len(left) {
		o.fail(p, "%d verdicts were recorded, want %d: %s", len(got), len(left), firstWrong(k, left, got))
		return
	}
	o.corrected(p, k, c)
	expected := &incidents{o: o, p: p, k: k, c: c}
	var told []dwmon.Telling
	for i, d := range left {
		v, l := &got[i], &k.lines[d.line]
		m := l.memory
		if v.Minute != d.minute || v.LineIndex != d.line || k.lineIDs[v.LineID] != l.id {
			o.fail(p, "verdict %d is of %s and line %d (id %d is %s); want %s and line %d", i, stamp(v.Minute), v.LineIndex, v.LineID, k.lineIDs[v.LineID], stamp(d.minute), d.line)
			return
		}
		o.weighed(p, k, l, v)
		late := v.Minute < k.origin || limit-v.Minute > 300
		if v.CatchUp != late || v.Previous != m.last {
			o.fail(p, "%s of line %d: caught up %v, previous %q; want %v, %q", stamp(v.Minute), d.line, v.CatchUp, v.Previous, late, m.last)
		}
		m.take(v.Status)
		if v.ConsecutiveBad != m.bad {
			o.fail(p, "%s of line %d: %d in a row are BAD; want %d", stamp(v.Minute), d.line, v.ConsecutiveBad, m.bad)
		}
		if v.Minute >= k.origin {
			expected.take(m, l, v)
		}
		k.at[place{d.minute, m}] = len(k.verdicts)
		k.verdicts = append(k.verdicts, keptVerdict{v.Minute, l.id, v.Count, v.Status, v.Reason, v.CatchUp, v.Previous, v.ConsecutiveBad})
		told = o.tellings(told, p, k, v)
	}
	expected.end()
	o.told(p, c, told)
	o.life.stats.Verdicts += int64(len(left))
	if o.life.told != nil && len(c.tellings) > 0 {
		o.life.told.enqueued(c.checker, k.name, c.tellings)
	}
}

func firstWrong(k *known, want []pair, got []dwmon.Verdict) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("%s of line %d was not due", stamp(got[i].Minute), got[i].LineIndex)
		case i >= len(got) || want[i].minute != got[i].Minute || want[i].line != got[i].LineIndex:
			return fmt.Sprintf("%s of line %d was left out (%s)", stamp(want[i].minute), want[i].line, k.lines[want[i].line].id)
		}
	}
	return ""
}

func (m *memory) take(status dwmon.Status) {
	m.last = status
	switch status {
	case dwmon.Good:
		m.bad = 0
	case dwmon.Bad:
		m.bad++
	}
}

// in calls yield for the rows in the window of a line at a minute.
func (k *known) in(l *dwmon.Requirement, minute int64, yield func(*row)) {
	low, high := (minute-l.Lookback)*1e6, minute*1e6
	for m := floorMinute(minute - l.Lookback); m < minute; m += 60 {
		for _, r := range k.minutes[m] {
			if r.micros < high && (r.micros > low || l.HalfOpen && r.micros == low) {
				yield(r)
			}
		}
	}
}

func (k *known) count(l *dwmon.Requirement, minute int64) (n, own int64) {
	k.in(l, minute, func(r *row) {
		n++
		if r.query == k.asked {
			own++
		}
	})
	return n, own
}

func bounds(l *dwmon.Requirement, n int64) (dwmon.Status, dwmon.Reason) {
	switch {
	case l.Min.Set && n < l.Min.N:
		return dwmon.Bad, dwmon.Low
	case l.Max.Set && n > l.Max.N:
		return dwmon.Bad, dwmon.High
	}
	return dwmon.Good, ""
}

// first is the first instant of a window.
func first(l *dwmon.Requirement, minute int64) int64 {
	from := (minute - l.Lookback) * 1e6
	if !l.HalfOpen {
		from++
	}
	return from
}

// weighed holds one verdict against the rows that are stored, and against those that
// should be.
func (o *oracle) weighed(p *passing, k *known, l *line, v *dwmon.Verdict) {
	n, own := k.count(&l.Requirement, v.Minute)
	if v.Count != n {
		o.fail(p, "%s of %s counts %d rows, want %d", stamp(v.Minute), l.id, v.Count, n)
		return
	}
	status, reason := bounds(&l.Requirement, n)
	from, until := first(&l.Requirement, v.Minute), v.Minute*1e6
	assumed := p.checker.Options.Assumed
	switch {
	case assumed && touches(k.missed, from, until):
		status, reason = dwmon.Unknown, dwmon.AssumedTime
	case assumed && reason == dwmon.Low && k.baseline != nil && from < *k.baseline:
		status, reason = dwmon.Unknown, dwmon.AssumedTime
	case reason == dwmon.Low && k.mark != nil && from < *k.mark*1e6:
		status, reason = dwmon.Unknown, dwmon.Purged
	case reason == dwmon.High && k.askedOther && from < k.askedSince:
		if _, owns := bounds(&l.Requirement, own); owns != dwmon.High {
			status, reason = dwmon.Unknown, dwmon.QueryChanged
		}
	case reason == dwmon.Low && !assumed && v.Status == dwmon.Unknown && v.Reason == dwmon.Truncated && k.mayLack(p):
		status, reason = dwmon.Unknown, dwmon.Truncated
	}
	if v.Status != status || v.Reason != reason {
		o.fail(p, "%s of %s with %d rows (%d of the present query) is %s %s, want %s %s", stamp(v.Minute), l.id, n, own, v.Status, v.Reason, status, reason)
		return
	}
	if reason == dwmon.Low && !assumed {
		if lacking := k.lacking(p, l, v.Minute); n+lacking >= l.Min.N {
			o.fail(p, "%s of %s is low with %d rows, but a cut result has left out %d", stamp(v.Minute), l.id, n, lacking)
		}
	}
	if status == dwmon.Unknown {
		o.life.stats.Unknown++
	}
}

func touches(spans []dwmon.Span, from, until int64) bool {
	for _, s := range spans {
		if from <= s.Until && s.From < until {
			return true
		}
	}
	return false
}

// mayLack says that some result was cut.
func (k *known) mayLack(p *passing) bool { return k.wasCut || p.cut }

// lacking is how many rows of a window a cut result has left out.
func (k *known) lacking(p *passing, l *line, minute int64) (n int64) {
	for _, ev := range k.missing {
		low, high := (minute-l.Lookback)*1e6, minute*1e6
		if ev.micros < high && (ev.micros > low || l.HalfOpen && ev.micros == low) && p.query.wants(ev.number) && (k.mark == nil || ev.micros >= *k.mark*1e6) {
			n++
		}
	}
	return n
}

// corrected holds corrections against the rows.
func (o *oracle) corrected(p *passing, k *known, c *commit) {
	for _, x := range c.corrections {
		id := k.lineIDs[x.LineID]
		i, known := k.at[place{x.Minute, k.memory[id]}]
		if !known || k.verdicts[i].reason != dwmon.Low || k.verdicts[i].count != x.CountBefore || k.isCorrected[i] {
			o.fail(p, "the correction %+v is of no low verdict", x)
			return
		}
		l := k.memory[id].requirement
		n, _ := k.count(&l, x.Minute)
		if _, reason := bounds(&l, n); n != x.CountAfter || reason == dwmon.Low {
			o.fail(p, "the correction %+v counts %d rows, want %d", x, x.CountAfter, n)
		}
		if k.isCorrected == nil {
			k.isCorrected = map[int]bool{}
		}
		k.isCorrected[i] = true
		o.life.stats.Corrections++
	}
}

// incidents follows those of a commit's lines.
type incidents struct {
	o             *oracle
	p             *passing
	k             *known
	c             *commit
	opens, closes int
}

// take lets a verdict open and close what it should.
func (n *incidents) take(m *memory, l *line, v *dwmon.Verdict) {
	rule := n.p.file.alert
	if v.Status == dwmon.Unknown {
		m.unknown++
		if m.unknownIncident == 0 && m.unknown >= rule.UnknownAfter {
			m.unknownIncident = n.open(dwmon.SubjectChecker, l, v)
		}
		return
	}
	m.unknown = 0
	m.results = append(m.results, v.Status)
	m.good++
	bad := 0
	if v.Status == dwmon.Bad {
		m.good = 0
	}
	for _, s := range m.results[max(0, len(m.results)-rule.Of):] {
		if s == dwmon.Bad {
			bad++
		}
	}
	switch {
	case m.incident == 0 && v.Status == dwmon.Bad && bad >= rule.After:
		m.incident = n.open(dwmon.SubjectCount, l, v)
	case m.incident != 0 && m.good >= rule.Recover:
		n.close(m.incident, v)
		m.incident, m.results = 0, nil
	}
	if m.unknownIncident != 0 {
		n.close(m.unknownIncident, v)
		m.unknownIncident = 0
	}
	if len(m.results) > 100 {
		m.results = append([]dwmon.Status{}, m.results[50:]...)
	}
}

func (n *incidents) open(subject dwmon.Subject, l *line, v *dwmon.Verdict) int64 {
	if n.opens >= len(n.c.opens) {
		n.o.fail(n.p, "%s of %s is %s, and no incident is opened", stamp(v.Minute), l.id, v.Status)
		return 0
	}
	i := n.c.opens[n.opens]
	n.opens++
	n.o.life.stats.Incidents++
	if i.Subject != subject || i.Opened != v.Minute || n.k.lineIDs[i.LineID] != l.id || i.CatchUp != v.CatchUp {
		n.o.fail(n.p, "the incident %+v is opened; want one of %s of %s at %s", i, subject, l.id, stamp(v.Minute))
	}
	return i.ID
}

func (n *incidents) close(id int64, v *dwmon.Verdict) {
	if n.closes >= len(n.c.closes) {
		n.o.fail(n.p, "%s is %s, and incident %d is not closed", stamp(v.Minute), v.Status, id)
		return
	}
	c := n.c.closes[n.closes]
	n.closes++
	if c.ID != id || c.Closed != v.Minute || c.End != dwmon.EndRecovered {
		n.o.fail(n.p, "%+v is closed, want incident %d at %s", c, id, stamp(v.Minute))
	}
}

func (n *incidents) end() {
	if n.opens != len(n.c.opens) || n.closes != len(n.c.closes) {
		n.o.fail(n.p, "%d incidents are opened and %d closed; want %d and %d", len(n.c.opens), len(n.c.closes), n.opens, n.closes)
	}
}

// drawRoutes gives handlers of which each wants something else. What those with
// notices are told is looked at where they are delivered.
func drawRoutes(rng *rand.Rand) []dwmon.Route {
	routes := []dwmon.Route{
		{Handler: "every", On: dwmon.OnEvery, Unknown: true, CatchUp: dwmon.CatchUpAll},
		{Handler: "bad", On: dwmon.OnBad, CatchUp: dwmon.CatchUpNone},
		{Handler: "pager", On: dwmon.OnChange, Notices: true, Unknown: true, CatchUp: pick(rng, dwmon.CatchUpDigest, dwmon.CatchUpAll, dwmon.CatchUpLatest, dwmon.CatchUpNone), Corrections: true},
		{Handler: "chat", On: dwmon.OnChange, Notices: true, CatchUp: dwmon.CatchUpAll},
	}
	rng.Shuffle(len(routes), func(i, j int) { routes[i], routes[j] = routes[j], routes[i] })
	return routes
}

// tellings adds what the handlers are to be told of a verdict.
func (o *oracle) tellings(told []dwmon.Telling, p *passing, k *known, v *dwmon.Verdict) []dwmon.Telling {
	for _, r := range o.life.routes {
		tell := false
		switch r.Handler {
		case "every":
			tell = true
		case "bad":
			tell = v.Status == dwmon.Bad && !v.CatchUp && !o.silenced(p)
		}
		if tell {
			told = append(told, dwmon.Telling{Handler: r.Handler, Minute: v.Minute, LineID: v.LineID, LineIndex: v.LineIndex})
		}
	}
	return told
}

// silenced says that the checker of a pass is silenced now.
func (o *oracle) silenced(p *passing) bool {
	now := p.now.UnixMicro()
	for _, s := range o.life.silences {
		m, c := s.Matchers[0], p.checker
		about := m.Key == "name" && (m.Value == c.Name || m.Value == "billing/**" && len(c.Name) > 8 && c.Name[:8] == "billing/") ||
			m.Key == "owner" && m.Value == c.Options.Owner || m.Key == "source" && m.Value == c.Source
		if about && s.Starts <= now && now < s.Ends {
			return true
		}
	}
	return false
}

// told holds what is to be told against what should be.
func (o *oracle) told(p *passing, c *commit, want []dwmon.Telling) {
	if len(want) != len(c.tellings) {
		o.fail(p, "%d tellings are stored, want %d: %+v, want %+v", len(c.tellings), len(want), c.tellings, want)
		return
	}
	for i, w := range want {
		if c.tellings[i] != w {
			o.fail(p, "telling %d is %+v, want %+v", i, c.tellings[i], w)
		}
	}
}
