package suggest

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// Options say what lines are wanted.
type Options struct {
	// Present are the checker's lines: their minutes and look-backs are kept.
	Present []dwmon.Requirement
	// Every, in minutes, replaces the minutes within the present lines' hours: it
	// divides an hour, or is whole hours that divide a day; 0: theirs.
	Every int64
	// Lookback, in seconds, replaces theirs; 0: theirs, or a longer one where too few
	// rows come.
	Lookback int64
	Zone     *time.Location
	Closed   *dwmon.ClosedDays
	// Alert is the rule by which BAD results are incidents.
	Alert dwmon.AlertRule
	// FalseAlarms is how many incidents a week are accepted in ordinary weeks, of all
	// lines together.
	FalseAlarms float64
	// Since says that only a part of the history was asked for.
	Since bool
	// Assumed: the rows' times are those at which they were seen.
	Assumed bool
}

// Horizon is for how many weeks after the end of the history bounds are made.
const Horizon = 4

// Past is the history that lines are made from.
type Past struct {
	Counts *Counts
	// Out is what is known not to be as usual.
	Out []Span
	// Purged says that older rows were there once.
	Purged bool
}

// Line is a proposed line and what it rests on.
type Line struct {
	dwmon.Requirement
	// Windows is how many it rests on, of so many days.
	Windows, Days int
	// Median, P1 and P99 are of their counts.
	Median, P1, P99 int64
	// Notes say what is not as one might expect, for people.
	Notes []string
	// Longer says which look-back it has instead of which, because of what; both are empty where
	// it has that of the present lines.
	Longer, Because string
}

// Comparison is how lines fare on the same history.
type Comparison struct {
	// Incidents is how many there would have been in ordinary times, Checks how many
	// results.
	Incidents, Checks int
	// Weeks is the length of the history.
	Weeks float64
	// Unusual is how many recorded incidents and unusual hours in a row there were,
	// Found how many of them the lines would have told of.
	Unusual, Found int
}

// PerWeek is the incidents in ordinary times a week.
func (c Comparison) PerWeek() float64 {
	if c.Weeks == 0 {
		return 0
	}
	return float64(c.Incidents) / c.Weeks
}

// Proposal is what history says the lines should be.
type Proposal struct {
	// From and Until bound the history that was used, seconds since the epoch.
	From, Until int64
	Rows        int64
	Lines       []Line
	// Expected is the incidents a week in ordinary weeks that the bounds are made for,
	// by the model.
	Expected float64
	// Out is what of that span was left out, unusual hours included.
	Out []Span
	// Before is the history that was left out because the level was another then; nil
	// for none.
	Before *Span
	// Growth is the trend per week as a share, 0 where none is sure.
	Growth            float64
	Present, Proposed Comparison
	Notes             []string
}

// Requirements are the lines as a checker has them.
func (p *Proposal) Requirements() []dwmon.Requirement {
	lines := make([]dwmon.Requirement, len(p.Lines))
	for i := range p.Lines {
		lines[i] = p.Lines[i].Requirement
	}
	return lines
}

// aim is the part of the accepted false alarms that the model may spend: what is
// measured in a few weeks is not exactly what will come.
const aim = 0.6

// Propose makes lines of history. The error is a *Refusal where the history does not
// carry any.
func Propose(o Options, in Past) (*Proposal, error) {
	if err := o.refuse(in); err != nil {
		return nil, err
	}
	p := newPast(in.Counts, newGrid(in.Counts.From, in.Counts.Until, o.Zone, o.Closed), in.Out)
	b := &builder{o: &o, in: in, past: p}
	if err := b.choose(); err != nil {
		return nil, err
	}
	b.measure()
	if err := b.draw(); err != nil {
		return nil, err
	}
	b.widen()
	return b.proposal(), nil
}

// builder makes a proposal.
type builder struct {
	o    *Options
	in   Past
	past *past

	hours   []hour
	unusual []Span
	before  *Span
	groups  dayGroups
	tables  []*tableOf
	// lines are the blocks with their bounds; widened says by how much the history
	// itself made them wider than the model.
	lines   []drawn
	p       float64
	notes   []string
	covered float64 // weeks of the history in which windows are known
}

// tableOf is a layer with the profiles of its candidate look-backs.
type tableOf struct {
	layer    *layer
	profiles []*profile
}

// drawn is a block with its bounds.
type drawn struct {
	block
	low, high int64
	// modelLow and modelHigh are the bounds before the history widened them.
	modelLow, modelHigh int64
}

// choose finds the part of the history that is of the present kind, its trend, and
// what is unusual in it.
func (b *builder) choose() error {
	p, end := b.past, b.past.counts.Until
	b.hours = p.hoursOf()
	levels := dayLevels(b.hours, usual(b.hours, noScale))
	if len(levels) > 0 {
		first := sameKind(levels, end)
		if first > 0 {
			p.from = levels[first].at
			b.before = &Span{p.counts.From, p.from, WhyOther, ""}
		}
		if t := fit(levels[first:], end); t.slope != 0 {
			p.slope = t.slope
		}
	}
	b.unusual = p.markUnusual(b.hours)
	b.covered = b.knownWeeks()
	return b.refuseThin()
}

// knownWeeks is how much of the history in use is not left out.
func (b *builder) knownWeeks() float64 {
	p := b.past
	from, end := p.counts.index(p.from), len(p.counts.minutes)
	known := end - from - int(p.outBefore[end]-p.outBefore[from])
	return weeks(int64(known) * 60)
}

// measure makes the profiles of every look-back that may be proposed.
func (b *builder) measure() {
	b.groups = b.past.groupDays(b.hours)
	for _, l := range layersOf(b.o.Present, b.o) {
		t := &tableOf{layer: l}
		t.profiles = append(t.profiles, b.past.profileOf(l, l.lookback, b.groups, Horizon))
		if !l.fixed {
			for _, n := range lookbacks {
				if n > l.lookback {
					t.profiles = append(t.profiles, b.past.profileOf(l, n, b.groups, Horizon))
				}
			}
		}
		b.tables = append(b.tables, t)
	}
}

// draw cuts the week into blocks and gives each its bounds, so that all of them
// together have as many false alarms as are accepted.
func (b *builder) draw() error {
	budget := aim * b.o.FalseAlarms
	checks := 0
	for _, t := range b.tables {
		checks += t.layer.perWeek()
	}
	b.p = budget / float64(2*max(checks, 1))
	for range 2 { // blocks hang on the probability, the probability on the blocks
		b.lines = b.lines[:0]
		for _, t := range b.tables {
			for _, k := range t.at(b.p).blocks() {
				b.lines = append(b.lines, drawn{block: k})
			}
		}
		b.spend(budget)
	}
	b.shorten()
	b.spend(budget)
	b.unite()
	b.lines = slices.DeleteFunc(b.lines, func(d drawn) bool { return d.high == 0 })
	return b.refuseBlind()
}

// shorten gives lines that have no MINNUM in spite of a longer look-back the layer's
// own one.
func (b *builder) shorten() {
	for _, t := range b.tables {
		for i := range b.lines {
			if d := &b.lines[i]; d.layer == t.layer && d.low == 0 {
				d.profile = t.profiles[0]
			}
		}
	}
}

// near says whether two bounds are one to a reader: a twentieth apart at most.
func near(a, b int64) bool { return 20*max(a-b, b-a) <= max(a, b) }

// unite makes one line of two that say nearly the same of rectangles that make a rectangle.
func (b *builder) unite() {
	for i := 0; i < len(b.lines); i++ {
		for j := i + 1; j < len(b.lines); j++ {
			d, e := &b.lines[i], b.lines[j]
			if d.profile != e.profile || !near(d.low, e.low) || !near(d.high, e.high) || d.days != e.days && d.hours != e.hours {
				continue
			}
			if !(&table{layer: d.layer}).sameMinutes(d.days|e.days, d.hours|e.hours) {
				continue
			}
			d.days, d.hours = d.days|e.days, d.hours|e.hours
			d.low, d.high = min(d.low, e.low), max(d.high, e.high)
			d.modelLow, d.modelHigh = d.low, d.high
			b.lines = slices.Delete(b.lines, j, j+1)
			j = i // what it has become may go together with those before
		}
	}
}

// at gives the table for a probability, with the look-backs that some hour needs.
func (t *tableOf) at(p float64) *table {
	var all []*bounds
	for _, f := range t.profiles {
		all = append(all, f.boundsOf(p))
	}
	needed := make([]bool, len(all))
	needed[0] = true
	for q := range quarters {
		needed[shortest(all, q)] = true
	}
	few := &table{layer: t.layer}
	for i, f := range all {
		if needed[i] {
			few.of = append(few.of, f)
		}
	}
	return few
}

// shortest is the first look-back with which a quarter's bounds find what they are
// made to find; else the one that finds it best, else the first that has a MINNUM.
func shortest(all []*bounds, q int) int {
	best, surest := 0, 0.0
	for i, f := range all {
		switch sure := f.finds(q, f.low[q]); {
		case sure >= dropSure:
			return i
		case sure > surest+0.05, surest == 0 && f.low[q] > 0 && all[best].low[q] == 0:
			best, surest = i, sure
		}
	}
	return best
}

// spend finds the probability with which the lines have as many false alarms a week
// as the budget says, and gives them their bounds by it.
func (b *builder) spend(budget float64) {
	low, high := math.Log(1e-12), math.Log(0.02)
	for range 12 {
		mid := (low + high) / 2
		if b.bound(math.Exp(mid)) > budget {
			high = mid
		} else {
			low = mid
		}
	}
	b.p = math.Exp(low)
	b.bound(b.p)
}

// bound gives every line its bounds by a probability and says how many false alarms
// a week they make together.
func (b *builder) bound(p float64) float64 {
	made := map[*profile]*bounds{}
	total := 0.0
	for i := range b.lines {
		d := &b.lines[i]
		if made[d.profile] == nil {
			made[d.profile] = d.profile.boundsOf(p)
		}
		t := &table{layer: d.layer, of: []*bounds{made[d.profile]}}
		d.low, d.high = t.limits(d.days, d.hours, 0)
		d.modelLow, d.modelHigh = d.low, d.high
		total += d.expected(t)
	}
	return total
}

// expected is how many false alarms a week the line makes, by the model.
func (d *drawn) expected(t *table) float64 {
	total := 0.0
	t.quarters(d.days, d.hours, 0, func(q int) {
		due := float64(d.layer.perQuarter(q))
		total += due * (runs(d.profile.low[q].below(d.low), d.profile.step[q]) + runs(d.profile.high[q].above(d.high), d.profile.step[q]))
	})
	return total
}

// requirement is the line as a file has it.
func (d *drawn) requirement() dwmon.Requirement {
	r := dwmon.Requirement{Hours: d.hours, Days: d.days, Lookback: d.profile.lookback, HalfOpen: d.layer.halfOpen, Max: dwmon.At(d.high)}
	for c := range cells {
		if d.days&(1<<(c/24)) != 0 && d.hours&(1<<(c%24)) != 0 {
			r.Minutes |= d.layer.due[c]
		}
	}
	if d.low > 0 {
		r.Min = dwmon.At(d.low)
	}
	return r
}

func (b *builder) requirements() []dwmon.Requirement {
	lines := make([]dwmon.Requirement, len(b.lines))
	for i := range b.lines {
		lines[i] = b.lines[i].requirement()
	}
	return lines
}

// proposal puts everything together.
func (b *builder) proposal() *Proposal {
	p := b.past
	out := &Proposal{From: p.from, Until: p.counts.Until, Rows: p.counts.between(p.from, p.counts.Until), Before: b.before}
	out.Growth = math.Expm1(p.slope)
	slices.SortFunc(b.lines, drawn.compare)
	for i := range b.lines {
		d := &b.lines[i]
		t := &table{layer: d.layer, of: []*bounds{{profile: d.profile}}}
		out.Expected += d.expected(t)
		out.Lines = append(out.Lines, b.line(d))
	}
	for _, s := range b.in.Out {
		if s.Until > p.from && s.From < p.counts.Until {
			out.Out = append(out.Out, s)
		}
	}
	out.Out = append(out.Out, b.troubles(unusualLow)...)
	out.Out = append(out.Out, b.troubles(unusualHigh)...)
	slices.SortStableFunc(out.Out, func(x, y Span) int { return int(min(1, max(-1, x.From-y.From))) })
	out.Present = b.compare(b.o.Present)
	out.Proposed = b.compare(out.Requirements())
	out.Notes = b.notes
	return out
}

// compare orders lines: by their first day, Monday first, then by hour.
func (d drawn) compare(e drawn) int {
	key := func(d drawn) int {
		day := bits.TrailingZeros8(uint8(d.days)>>1 | uint8(d.days)<<6&0x40)
		return (day*8+7-bits.OnesCount8(uint8(d.days)))*32 + bits.TrailingZeros32(uint32(d.hours))
	}
	return key(d) - key(e)
}

// line describes a line.
func (b *builder) line(d *drawn) Line {
	l := Line{Requirement: d.requirement()}
	var counts []int64
	days := map[dwmon.Day]bool{}
	only := &layer{lookback: d.profile.lookback, halfOpen: d.layer.halfOpen}
	only.add(l.Requirement, 0)
	w := b.past.counts.windows(only.lookback, only.halfOpen)
	b.past.due(only, w, func(minute int64, _ int) {
		if b.past.normal(minute, w.lookback) {
			counts = append(counts, w.count(minute))
			days[b.past.grid.day[b.past.grid.index(minute)]] = true
		}
	})
	if len(counts) > 0 {
		slices.Sort(counts)
		l.Windows, l.Days = len(counts), len(days)
		l.Median, l.P1, l.P99 = quantile(counts, 0.5), quantile(counts, 0.01), quantile(counts, 0.99)
	}
	b.explain(&l, d)
	return l
}

// compare lets lines judge the history in use, at the level of its end.
func (b *builder) compare(lines []dwmon.Requirement) Comparison {
	p := b.past
	data := newPast(p.counts, p.grid, slices.DeleteFunc(slices.Clone(b.in.Out), func(s Span) bool { return s.Why == WhyIncident }))
	data.from, data.slope = p.from, p.slope
	var troubles []Span
	for _, s := range slices.Concat(b.in.Out, b.troubles(unusualLow), b.troubles(unusualHigh)) {
		if (s.Why == WhyIncident || s.Why == WhyUnusual) && s.Until > data.from {
			troubles = append(troubles, s)
		}
	}
	alarms, checks := data.replay(lines, b.o.Alert, true, data.known)
	c := Comparison{Checks: checks, Weeks: weeks(p.counts.Until - data.from), Unusual: len(troubles)}
	found := make([]bool, len(troubles))
	for i := range alarms {
		ordinary := true
		for k, s := range troubles {
			if alarms[i].touches(s, lines[alarms[i].line].Lookback) {
				found[k], ordinary = true, false
			}
		}
		if ordinary {
			c.Incidents++
		}
	}
	for _, f := range found {
		if f {
			c.Found++
		}
	}
	return c
}

// explain says why a line is not what one might expect.
func (b *builder) explain(l *Line, d *drawn) {
	look, own := length(d.profile.lookback), length(d.layer.lookback)
	if d.profile.lookback != d.layer.lookback {
		l.Longer, l.Because = fmt.Sprintf("Look-back %s instead of %s", look, own), fmt.Sprintf("that no rows come in %s is nothing unusual", own)
		if d.profile.lookback <= 3600 {
			l.Because = fmt.Sprintf("in %s, a drop to %.0f %% of the usual rows cannot be told from chance", own, 100*dropShare)
		}
	}
	fewer, more := d.low < d.modelLow, d.high > d.modelHigh
	switch {
	case d.low == 0 && d.modelLow > 0:
		l.note("No MINNUM: that no rows come in %s happened too often.", look)
	case d.low == 0:
		l.note("No MINNUM: that no rows come in %s is nothing unusual%s.", look, b.remedy(d))
	case fewer && more:
		l.note("By chance alone it could be %s to %s, but counts beyond that came too often.", words.Number(d.modelLow), words.Number(d.modelHigh))
		return
	case fewer:
		l.note("By chance alone MINNUM could be %s, but fewer rows came too often.", words.Number(d.modelLow))
	}
	if more {
		l.note("By chance alone MAXNUM could be %s, but more rows came too often.", words.Number(d.modelHigh))
	}
}

func (l *Line) note(format string, args ...any) {
	l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
}

// remedy says which look-back would give a line a MINNUM.
func (b *builder) remedy(d *drawn) string {
	if !d.layer.fixed {
		return " there, and even a look-back of a week would not change that"
	}
	for _, n := range lookbacks {
		if n <= d.profile.lookback {
			continue
		}
		t := &table{layer: d.layer, of: []*bounds{b.past.profileOf(d.layer, n, b.groups, Horizon).boundsOf(b.p)}}
		if low, high := t.limits(d.days, d.hours, 0); low > 0 && high > 0 {
			return fmt.Sprintf("; with --lookback %s there would be one", length(n))
		}
	}
	return ", and no look-back of up to a week would change that"
}

// length writes a look-back for people.
func length(seconds int64) string {
	return dwmon.FormatDuration(time.Duration(seconds) * time.Second)
}
