package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// oracle says what every commit should be. It is naive: it looks at each minute since
// the last one settled, asks time.Time for the hour and the day, counts rows by looking
// at each, and keeps everything.
type oracle struct {
	life     *life
	checkers map[string]*known
	byID     map[int64]*known
}

func newOracle(l *life) *oracle {
	return &oracle{life: l, checkers: map[string]*known{}, byID: map[int64]*known{}}
}

// known is what the oracle knows of a checker.
type known struct {
	name     string
	origin   int64
	settled  int64
	hasS     bool
	off      bool
	offSince int64
	lines    []line
	memory   map[string]*memory // by identity, of all lines ever
	lineIDs  map[int64]string
	lookback int64 // the longest of the lines

	keys    map[string]*row
	minutes map[int64][]*row // those that count, by the minute of their time
	mark    *int64
	// missing are rows that were there when a result was cut, and did not come since.
	missing map[string]event

	baseline *int64
	missed   []dwmon.Span
	reach    *int64

	// asked is the query of the last fetch that succeeded, since when it is asked
	// begins, and whether there was another before.
	asked      string
	askedSince int64
	askedOther bool

	failures int64
	tried    int64
	fault    dwmon.Fault

	verdicts []keptVerdict
	gaps     []keptGap
	at       map[place]int // of verdicts
	// wasCut: some result was; isCorrected are verdicts.
	wasCut      bool
	isCorrected map[int]bool
}

// place names a verdict.
type place struct {
	minute int64
	line   *memory
}

type line struct {
	dwmon.Requirement
	id     string
	memory *memory
	owes   int64 // later minutes are owed; math.MinInt64-like for all
}

const owesAll = -1 << 62

type row struct {
	micros, firstSeen int64
	query             string
}

// memory is what is remembered of a line's results.
type memory struct {
	requirement dwmon.Requirement
	last        dwmon.Status
	bad         int64
	trouble
}

func (o *oracle) isAhead(f *checkFile) bool {
	k := o.checkers[f.name]
	return k != nil && k.hasS && k.settled > floorSecond(o.life.clock())+300
}

func (o *oracle) fail(p *passing, format string, args ...any) {
	o.life.fail("%s, pass at %s, M %s: %s", p.checker.Name, p.now.UTC().Format(time.RFC3339), stamp(p.m), fmt.Sprintf(format, args...))
}

func stamp(minute int64) string { return time.Unix(minute, 0).UTC().Format("2006-01-02T15:04Z") }

// commit takes what a transaction has written.
func (o *oracle) commit(c *commit) {
	if c.sight != nil {
		p := o.life.passing[c.sight.Checker.Name]
		o.sight(p, c)
		return
	}
	k := o.byID[c.checker]
	if k == nil {
		o.life.fail("something was written of checker %d, which was never seen", c.checker)
		return
	}
	p := o.life.passing[k.name]
	switch {
	case p == nil:
		o.life.fail("checker %s: something was written outside of a pass", k.name)
	case p.moved && (c.fetch == nil || c.fetch.Err == nil):
		o.fail(p, "something was written though the walk was moved, or the checker switched off, meanwhile")
	case c.fetch != nil && c.fetch.Err != nil:
		o.failedFetch(p, k, c)
	default:
		o.piece(p, k, c)
	}
}

// sight: a checker's file is seen for the first time, anew, or changed.
func (o *oracle) sight(p *passing, c *commit) {
	s := c.sight
	k := o.checkers[s.Checker.Name]
	if (k == nil) != s.New || s.Minute != p.m {
		o.fail(p, "the sighting says new: %v, minute %s", s.New, stamp(s.Minute))
		return
	}
	if k == nil {
		k = &known{
			name: p.checker.Name, origin: p.m, memory: map[string]*memory{}, lineIDs: map[int64]string{},
			keys: map[string]*row{}, minutes: map[int64][]*row{}, missing: map[string]event{}, at: map[place]int{},
		}
		o.checkers[k.name], o.byID[c.progress.ID] = k, k
	}
	first := len(k.lines) == 0
	var gaps []keptGap
	if k.off {
		gaps = k.owed(min(k.offSince, p.m)-60, p.zone, p.closed, dwmon.GapOff)
		k.gaps = append(k.gaps, gaps...)
	}
	o.sameGaps(p, k, gaps, s.Gaps)
	if k.off {
		if !k.hasS || k.settled < p.m-60 {
			k.settled = p.m - 60
		}
		k.hasS, k.off = true, false
	}
	k.takeLines(p, first)
	if c.progress.Origin != k.origin || (c.progress.Settled != nil) != k.hasS || k.hasS && *c.progress.Settled != k.settled || len(c.progress.Lines) != len(k.lines) {
		o.fail(p, "after the sighting the progress is %+v; want origin %s, settled %s (%v), %d lines", c.progress, stamp(k.origin), stamp(k.settled), k.hasS, len(k.lines))
		return
	}
	for i, l := range c.progress.Lines {
		if id, seen := k.lineIDs[l.ID]; l.Identity() != k.lines[i].id || seen && id != k.lines[i].id {
			o.fail(p, "line %d is %s, and its id was that of %s", i, l.Identity(), id)
		}
		k.lineIDs[l.ID] = k.lines[i].id
	}
}

// takeLines takes the lines of the file that a pass sees.
func (k *known) takeLines(p *passing, first bool) {
	before := map[string]int64{}
	for _, l := range k.lines {
		before[l.id] = l.owes
	}
	k.lines, k.lookback = nil, 0
	now := map[string]bool{}
	for _, r := range p.checker.Lines {
		l := line{Requirement: r, id: r.Identity(), owes: owesAll}
		if owes, was := before[l.id]; was {
			l.owes = owes
		} else if !first {
			l.owes = p.m - 60
			if k.hasS && k.settled > l.owes {
				l.owes = k.settled
			}
		}
		now[l.id] = true
		if k.memory[l.id] == nil {
			k.memory[l.id] = &memory{requirement: r}
		}
		l.memory = k.memory[l.id]
		k.lines = append(k.lines, l)
		k.lookback = max(k.lookback, r.Lookback)
	}
	for id, m := range k.memory {
		if !now[id] {
			m.trouble = trouble0
		}
	}
}

// switchOff: the checker owes nothing from a minute on.
func (k *known) switchOff(minute int64) {
	if k.off {
		return
	}
	k.off, k.offSince = true, minute
	for _, l := range k.lines {
		k.memory[l.id].trouble = trouble0
	}
}

// owes says whether a line owes a minute, if it is not settled yet.
func (k *known) owes(l *line, minute int64, local time.Time, closed map[string]bool) bool {
	switch {
	case minute <= l.owes,
		!k.hasS && minute < k.origin-60*(rewind(l.Lookback)-1),
		l.Hours>>local.Hour()&1 == 0, l.Minutes>>local.Minute()&1 == 0, l.Days>>local.Weekday()&1 == 0,
		len(closed) > 0 && closed[local.Format(time.DateOnly)]:
		return false
	}
	return true
}

// rewind is ten look-backs in minutes, rounded up, at most ten days.
func rewind(lookback int64) int64 {
	minutes := lookback / 60
	if lookback%60 != 0 {
		minutes++
	}
	return min(10*minutes, 14_400)
}

// from is the first minute that may be owed.
func (k *known) from() int64 {
	if k.hasS {
		return k.settled + 60
	}
	first := k.origin
	for _, l := range k.lines {
		first = min(first, k.origin-60*(rewind(l.Lookback)-1))
	}
	return first
}

// tally gathers the gaps of each line.
type tally map[string]*gapRun

// gapRun are a line's gaps; the last one grows until it is cut off.
type gapRun struct {
	gaps []keptGap
	cut  bool
}

func (t tally) add(id string, minute int64, reason dwmon.GapReason) {
	r := t[id]
	if r == nil {
		r = &gapRun{}
		t[id] = r
	}
	if r.cut || len(r.gaps) == 0 {
		r.gaps, r.cut = append(r.gaps, keptGap{line: id, from: minute, reason: reason}), false
	}
	g := &r.gaps[len(r.gaps)-1]
	g.to = minute
	g.minutes++
}

// cutOff ends a line's gap at a minute that has a verdict.
func (t tally) cutOff(id string) {
	if r := t[id]; r != nil {
		r.cut = true
	}
}

func (t tally) inOrder(lines []line) (gaps []keptGap) {
	for _, l := range lines {
		if r := t[l.id]; r != nil {
			gaps = append(gaps, r.gaps...)
		}
	}
	return gaps
}

// judged says whether a minute has a verdict. It may have one and be passed over: the walk
// was moved back by hand, and comes by it again.
func (k *known) judged(id string, minute int64) bool {
	_, judged := k.at[place{minute, k.memory[id]}]
	return judged
}

// owed makes gaps of all that is owed up to a minute.
func (k *known) owed(until int64, zone *time.Location, closed map[string]bool, reason dwmon.GapReason) []keptGap {
	t := tally{}
	for minute := k.from(); minute <= until; minute += 60 {
		local := time.Unix(minute, 0).In(zone)
		for i := range k.lines {
			switch l := &k.lines[i]; {
			case k.judged(l.id, minute):
				t.cutOff(l.id)
			case k.owes(l, minute, local, closed):
				t.add(l.id, minute, reason)
			}
		}
	}
	return t.inOrder(k.lines)
}

// settleTo moves the walk by hand.
func (k *known) settleTo(to int64, zone *time.Location, closed map[string]bool) {
	if k.hasS && to < k.settled {
		k.reopen(to, zone, closed)
	} else {
		until := to
		if k.off {
			until = min(until, k.offSince-60)
		}
		k.gaps = append(k.gaps, k.owed(until, zone, closed, dwmon.GapSettled)...)
	}
	k.settled, k.hasS = to, true
}

// reopen takes what lies after a minute out of the gaps.
func (k *known) reopen(to int64, zone *time.Location, closed map[string]bool) {
	var left []keptGap
	for _, g := range k.gaps {
		if g.to <= to {
			left = append(left, g)
			continue
		}
		t := tally{}
		l := line{Requirement: k.memory[g.line].requirement, id: g.line, owes: owesAll}
		whole := &known{hasS: true}
		for minute := g.from; minute <= to; minute += 60 {
			if whole.owes(&l, minute, time.Unix(minute, 0).In(zone), closed) {
				t.add(g.line, minute, g.reason)
			}
		}
		for _, cut := range t.inOrder([]line{l}) {
			cut.from = g.from
			left = append(left, cut)
		}
	}
	k.gaps = left
}

// pair is a minute and a line that is to be judged.
type pair struct {
	minute int64
	line   int
}

// due is what a commit that settles through a minute must judge, and what it must
// make gaps of; limit is the minute that the pass walks to.
func (o *oracle) due(p *passing, k *known, settled, limit int64, blind bool) (due []pair, gaps []keptGap) {
	reason := dwmon.GapNotRunning
	switch {
	case blind:
		reason = dwmon.GapBaseline
	case k.failures > 0:
		reason = dwmon.GapFetchFailed
	}
	t := tally{}
	for minute := k.from(); minute <= settled; minute += 60 {
		local := time.Unix(minute, 0).In(p.zone)
		for i := range k.lines {
			l := &k.lines[i]
			reach := min(max(rewind(l.Lookback), o.life.catchUp), 14_400)
			within := !blind && minute >= limit-60*(reach-1)
			switch {
			case k.judged(l.id, minute) && !within:
				t.cutOff(l.id)
			case !k.owes(l, minute, local, p.closed):
			case within:
				due = append(due, pair{minute, i})
			default:
				t.add(l.id, minute, reason)
			}
		}
	}
	return due, t.inOrder(k.lines)
}

func (o *oracle) sameGaps(p *passing, k *known, want []keptGap, got []dwmon.Gap) {
	if len(want) != len(got) {
		o.fail(p, "%d gaps were written, want %d: %+v, want %+v", len(got), len(want), got, want)
		return
	}
	for i, g := range got {
		w := want[i]
		stale := g.Reason == dwmon.GapStale && w.reason == dwmon.GapNotRunning && p.file.source.lags
		if k.lines[g.Line].id != w.line || g.From != w.from || g.To != w.to || g.Minutes != w.minutes || g.Reason != w.reason && !stale {
			o.fail(p, "the gap %+v was written, want %+v", g, w)
		}
		want[i].reason = g.Reason
	}
}

// piece: some minutes are judged, or passed with nothing due.
func (o *oracle) piece(p *passing, k *known, c *commit) {
	limit := p.m
	blind := false
	if p.asked {
		if p.fate != goesWell {
			o.fail(p, "rows were stored though the fetch %s", p.fate)
			return
		}
		if p.asOf != nil {
			limit = min(limit, floorMinute(floorSecond(*p.asOf-p.checker.Options.Grace.Microseconds())))
		}
		blind = p.checker.Options.Assumed && (k.baseline == nil || p.baseline)
	}
	var due []pair
	var gaps []keptGap
	if c.settled != nil {
		if s := *c.settled; s > limit || k.hasS && s <= k.settled {
			o.fail(p, "the walk moves from %s (%v) to %s, but may go to %s", stamp(k.settled), k.hasS, stamp(s), stamp(limit))
			return
		}
		due, gaps = o.due(p, k, *c.settled, limit, blind)
	}
	if p.asked {
		o.fetch(p, k, c, due, limit)
	}
	o.sameGaps(p, k, gaps, c.gaps)
	k.gaps = append(k.gaps, gaps...)
	for _, g := range gaps {
		o.life.stats.GapMinutes += g.minutes
	}
	o.judge(p, k, c, due, limit)
	if c.settled != nil {
		k.settled, k.hasS = *c.settled, true
	}
	if p.asked {
		p.pieces++
	}
}

// failedFetch: nothing but the record of it is stored.
func (o *oracle) failedFetch(p *passing, k *known, c *commit) {
	if p.fate == goesWell || c.ingested || c.record != nil || c.settled != nil || len(c.tellings) > 0 {
		o.fail(p, "the fetch %s, and this was stored: %+v", p.fate, c)
	}
	k.failures++
	k.tried, k.fault = p.started, p.fault
}

// fetch takes the rows of a fetch with the first commit after it.
func (o *oracle) fetch(p *passing, k *known, c *commit, due []pair, limit int64) {
	if (c.fetch != nil) != (p.pieces == 0) || c.ingested != (c.fetch != nil) {
		o.fail(p, "commit %d of the pass: fetch %+v, rows %v", p.pieces, c.fetch, c.ingested)
		return
	}
	if c.fetch == nil {
		return
	}
	baseline := p.checker.Options.Assumed && k.baseline == nil
	if c.fetch.Started != p.started || c.fetch.Cut != p.cut || c.baseline != baseline {
		o.fail(p, "the fetch is stored as %+v; it began at %d, was cut: %v, a baseline: %v", c.fetch, p.started, p.cut, baseline)
	}
	o.missedSpan(p, k, c, due, limit)
	if k.asked != p.checker.Query+"\x00"+p.checker.Source {
		k.askedOther = k.asked != ""
		k.asked, k.askedSince = p.checker.Query+"\x00"+p.checker.Source, p.started
	}
	o.rows(p, k, c)
	if baseline {
		k.baseline, p.baseline = &p.started, true
	}
	reach := p.started
	if p.sourceNow != nil {
		reach = min(reach, *p.sourceNow)
	}
	if p.asOf != nil {
		reach = min(reach, *p.asOf)
	}
	k.reach = &reach
	k.wasCut = k.wasCut || p.cut
	k.failures = 0
}

// missedSpan: after a fetch of assumed timestamps that did not happen in its minute,
// the rows since the one before bear a time that is not theirs.
func (o *oracle) missedSpan(p *passing, k *known, c *commit, due []pair, limit int64) {
	asked := p.checker.Query + "\x00" + p.checker.Source
	var want []dwmon.Span
	if p.checker.Options.Assumed && k.baseline != nil && (len(due) > 0 && due[0].minute != limit || k.asked != asked) {
		want = []dwmon.Span{{From: *k.reach, Until: p.ended}}
	}
	if !slices.Equal(want, c.missed) {
		o.fail(p, "the missed spans %v were written, want %v", c.missed, want)
	}
	k.missed = append(k.missed, want...)
}

// rows stores those of a fetch: the first of each key counts.
func (o *oracle) rows(p *passing, k *known, c *commit) {
	var fresh, ignored, skipped int64
	passedOver := map[string]bool{}
	for _, ev := range p.given {
		delete(k.missing, ev.key)
		if ev.micros > p.started+24*3600e6 {
			skipped++
			continue
		}
		if k.keys[ev.key] != nil || passedOver[ev.key] {
			continue
		}
		if k.mark != nil && ev.micros < *k.mark*1e6 {
			passedOver[ev.key] = true
			ignored++
			continue
		}
		fresh++
		r := &row{micros: ev.micros, firstSeen: p.started, query: k.asked}
		k.keys[ev.key] = r
		if !c.baseline {
			minute := floorMinute(floorSecond(r.micros))
			k.minutes[minute] = append(k.minutes[minute], r)
		}
	}
	for _, ev := range p.left {
		late := ev.arrives + o.life.skew - ev.micros
		if _, given := k.keys[ev.key]; !given && late <= p.checker.Options.Grace.Microseconds() && ev.micros <= p.started {
			k.missing[ev.key] = ev
		}
	}
	if c.made.Fresh != fresh || c.made.Ignored != ignored || c.fetch.Tally.Skipped != skipped {
		o.fail(p, "of %d rows %d were new, %d ignored, %d skipped; want %d, %d, %d", len(p.given), c.made.Fresh, c.made.Ignored, c.fetch.Tally.Skipped, fresh, ignored, skipped)
	}
}

// purged: rows older than a cut-off are gone.
func (o *oracle) purged(checkerID, cutoff, n int64) {
	k := o.byID[checkerID]
	p := o.life.passing[k.name]
	if p == nil || p.cutoff == nil || p.purgerAsked != 1 {
		o.life.fail("checker %s: a purge that nobody has asked for", k.name)
		return
	}
	if want := min(*p.cutoff, k.settled-k.lookback); cutoff != want {
		o.fail(p, "rows older than %d are purged; the purger said %d, and %d is still needed", cutoff, *p.cutoff, k.settled-k.lookback)
	}
	o.life.stats.Purges++
	if k.mark == nil || *k.mark < cutoff {
		k.mark = &cutoff
	}
	var gone int64
	for minute, rows := range k.minutes {
		if minute > cutoff {
			continue
		}
		left := rows[:0]
		for _, r := range rows {
			if r.micros >= cutoff*1e6 {
				left = append(left, r)
			}
		}
		gone += int64(len(rows) - len(left))
		k.minutes[minute] = left
		if len(left) == 0 {
			delete(k.minutes, minute)
		}
	}
	if gone != n {
		o.fail(p, "%d rows were purged, want %d", n, gone)
	}
}

// passed looks at the end of a pass.
func (o *oracle) passed(p *passing, report *engine.Report) {
	k := o.checkers[p.checker.Name]
	if o.life.watch.failed || o.life.watch.dead {
		return // commits were looked at one by one
	}
	if k == nil {
		o.fail(p, "after a pass nothing is known of the checker: %v", report.Err)
		return
	}
	wrong := p.fate != goesWell
	switch {
	case p.aheadOf:
		if !errors.Is(report.Err, engine.ErrAhead) || p.asked {
			o.fail(p, "the walk is settled through %s, ahead of the clock; the error is %v", stamp(k.settled), report.Err)
		}
	case report.Held:
		if p.retry || k.failures == 0 || k.fault == dwmon.FaultUnavailable || p.now.UnixMicro()-k.tried >= 300e6 {
			o.fail(p, "the source is left alone after %d failures (%s), the last at %d", k.failures, k.fault, k.tried)
		}
	case p.asked && wrong:
		if report.Err == nil {
			o.fail(p, "the fetch %s, and there is no error", p.fate)
		}
	case p.moved && report.Err == nil:
	case report.Err != nil:
		o.fail(p, "the error is %v", report.Err)
	case !p.asked && (!k.hasS || k.settled < p.m):
		o.fail(p, "nothing was due, and the walk stays at %s", stamp(k.settled))
	case p.asked && p.pieces == 0:
		o.fail(p, "the fetch went well, and nothing is stored of it")
	case p.asked && p.asOf == nil && (!k.hasS || k.settled < p.m):
		o.fail(p, "the walk has arrived only at %s", stamp(k.settled))
	case p.asked && p.file.purging != noPurge && p.purgerAsked > 1:
		o.fail(p, "the purger was asked %d times", p.purgerAsked)
	}
}

// compare holds what is stored of a checker against what should be.
func (k *known) compare(l *life, found *kept) {
	want := kept{verdicts: slices.Clone(k.verdicts), gaps: slices.Clone(k.gaps)}
	for _, rows := range k.minutes {
		for _, r := range rows {
			want.rows = append(want.rows, keptRow{r.micros, r.firstSeen})
		}
	}
	want.sort()
	found.sort()
	ends := map[string]int64{}
	for _, g := range found.gaps {
		if end, before := ends[g.line]; before && g.from <= end {
			l.fail("%s: the gap %+v begins before the one before it ends, at %s", k.name, g, stamp(end))
		}
		ends[g.line] = g.to
		for _, v := range found.verdicts {
			if v.line == g.line && v.minute >= g.from && v.minute <= g.to {
				l.fail("%s: %s has a verdict and lies in the gap %+v", k.name, stamp(v.minute), g)
			}
		}
	}
	differ(l, k.name, "verdicts", want.verdicts, found.verdicts)
	differ(l, k.name, "gaps", want.gaps, found.gaps)
	differ(l, k.name, "rows", want.rows, found.rows)
}

func differ[T comparable](l *life, name, what string, want, found []T) {
	if len(want) != len(found) {
		l.fail("%s: %d %s are stored, want %d%s", name, len(found), what, len(want), firstDifference(want, found))
		return
	}
	if !slices.Equal(want, found) {
		l.fail("%s: the %s that are stored differ%s", name, what, firstDifference(want, found))
	}
}

func firstDifference[T comparable](want, found []T) string {
	for i := range max(len(want), len(found)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("; number %d is %+v", i, found[i])
		case i >= len(found):
			return fmt.Sprintf("; number %d should be %+v", i, want[i])
		case want[i] != found[i]:
			return fmt.Sprintf("; number %d is %+v, want %+v", i, found[i], want[i])
		}
	}
	return ""
}
