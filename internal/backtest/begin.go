package backtest

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// begin is where a replay begins, and how. Minutes are seconds since the epoch.
type begin struct {
	// origin is the minute at which the checker was first seen, for the replay.
	origin int64
	// settled is the minute through which the walk counts as settled; nil: it begins as
	// that of the daemon did, with its first pass.
	settled *int64
	// owes are the lines' OwesAfter.
	owes []int64
	// told is the first minute to tell of, first the first that may be judged: a source
	// that lags may make it earlier where the walk begins with the first pass.
	told, first int64
	// rowsFrom is the timestamp, microseconds since the epoch, from which on rows may lie
	// in a window of first.
	rowsFrom int64
	// synthetic..recorded−60 are the minutes at which fetches are made up, for none is on
	// record; recorded is the slot of the first that is replayed, as far as they are
	// known: of later ones the id must be greater than afterID in its slot.
	synthetic, recorded int64
	afterID             int64
	// seeded: the first successful fetch that is replayed only tells what those after it
	// go on from, where it lies before the first minute.
	seeded bool
	// arrived is the start of the first recorded fetch where there are synthetic ones,
	// microseconds since the epoch; minTime where there are none.
	arrived int64
	holes   []dwmon.Span
	missed  []dwmon.Span
	// baseline is that of assumed timestamps, where it lies before the beginning.
	baseline *int64
	notes    []string
}

// warmUp is how long before the first minute to tell of a replay begins at the least,
// seconds: streaks and holes come from what was before.
const warmUp = 24 * 3600

// beginning finds where to begin: with the first pass, as the daemon did, where
// everything since is on record; else as soon as windows lie on rows that are whole.
func beginning(p *dwmon.Past, o *Options) (*begin, error) {
	whole, ok := p.WholeFrom()
	if !ok {
		return nil, fmt.Errorf("%w; let `dwmon daemon` or `dwmon once` fetch it, or bring its history in with `dwmon backfill %s`", dwmon.ErrNothingRecorded, o.Checker.Name)
	}
	first := firstWalk(p, o.Checker)
	if fromFirstPass(p, o, first) {
		first.noteReach(o, whole)
		return first, nil
	}
	return fromRows(p, o, whole), nil
}

// firstWalk begins with the first pass.
func firstWalk(p *dwmon.Past, c *dwmon.Checker) *begin {
	b := &begin{origin: p.Origin, owes: make([]int64, len(c.Lines)), told: minSlot, first: p.Origin, recorded: minSlot, arrived: minTime}
	for i, l := range c.Lines {
		b.owes[i] = dwmon.OwesAll
		b.first = min(b.first, p.Origin-60*(dwmon.Rewind(l.Lookback)-1))
	}
	b.rowsFrom = (b.first - c.LongestLookback()) * 1e6
	return b
}

// minSlot lies before every slot.
const minSlot = -dwmon.MaxSeconds

// fromFirstPass says whether the replay can, and should, begin with the first pass.
func fromFirstPass(p *dwmon.Past, o *Options, first *begin) bool {
	switch {
	case p.First == nil || p.FetchesLost() || len(p.Loaded) > 0:
		return false
	case p.SpansFrom != nil && *p.SpansFrom > first.rowsFrom:
		return false
	case p.PurgeMark != nil && *p.PurgeMark*1e6 > first.rowsFrom:
		return false
	case p.Baseline != nil && !o.Checker.Options.Assumed:
		return false // rows of the baseline bear no timestamp
	case o.Since == nil:
		return true
	}
	if *o.Since-warm(o.Checker) > p.Origin {
		return false
	}
	first.told = *o.Since
	return true
}

// warm is how long, in seconds, a replay goes on before the first minute to tell of.
func warm(c *dwmon.Checker) int64 { return max(warmUp, c.LongestLookback()+3600) }

// fromRows begins with the first minute whose windows lie on rows that are whole, or
// with the minutes before the one that is asked for.
func fromRows(p *dwmon.Past, o *Options, whole int64) *begin {
	c := o.Checker
	b := &begin{origin: p.Origin, missed: p.Missed, baseline: p.Baseline}
	earliest := int64(minSlot)
	if o.Since != nil {
		earliest = dwmon.FloorMinute(*o.Since - warm(c))
	}
	start := int64(dwmon.MaxSeconds)
	for _, l := range c.Lines {
		from := max(earliest, ceilMinute(whole+l.Lookback*1e6))
		b.owes = append(b.owes, from-60)
		start = min(start, from)
	}
	settled := start - 60
	b.settled, b.told, b.first = &settled, start, start
	if o.Since != nil {
		b.told = max(b.told, *o.Since)
	}
	b.rowsFrom = max(whole, (start-c.LongestLookback())*1e6)
	b.origin = min(b.origin, start)
	b.madeUp(p, start)
	for _, h := range p.LeftHoles() {
		if h.From <= b.holesUntil(p) {
			b.holes = append(b.holes, dwmon.Span{From: h.From, Until: min(h.Until, b.holesUntil(p))})
		}
	}
	b.note(p, o, whole)
	return b
}

// madeUp finds the minutes from start on of which no fetch is on record, though rows
// are there.
func (b *begin) madeUp(p *dwmon.Past, start int64) {
	b.synthetic, b.recorded, b.arrived = start, start, minTime
	switch {
	case p.First == nil: // nothing but what was brought in
		for _, l := range p.Loaded {
			if l.Until != nil {
				b.recorded = max(b.recorded, dwmon.FloorMinute(*l.Until/1e6)+60)
			}
		}
		b.arrived = forever
	case p.First.Slot > start && (p.FetchesLost() || len(p.Loaded) > 0):
		b.recorded, b.afterID, b.arrived = p.First.Slot, p.First.ID-1, p.First.Started
	default:
		b.synthetic, b.recorded, b.seeded = start-seedFor, start-seedFor, true
	}
}

// seedFor is how long before the first minute, in seconds, fetches are read.
const seedFor = 3600

const forever = dwmon.MaxSeconds * 1e6

// holesUntil is up to when holes come from what is left of them, not from fetches that
// are replayed.
func (b *begin) holesUntil(p *dwmon.Past) int64 {
	if p.First != nil && b.recorded == p.First.Slot {
		return p.First.Started
	}
	return b.recorded * 1e6
}

// noteReach warns of windows for which the first fetch may have brought too little. The
// daemon would have judged them all the same.
func (b *begin) noteReach(o *Options, whole int64) {
	if whole > max(b.rowsFrom, (b.told-o.Checker.LongestLookback())*1e6) {
		b.notes = append(b.notes, fmt.Sprintf("the first fetch brought no rows from before %s: windows that reach below may count too few",
			time.UnixMicro(whole).In(o.Checker.Zone(o.Zone)).Format("2006-01-02 15:04")))
	}
}

func (b *begin) note(p *dwmon.Past, o *Options, whole int64) {
	zone := o.Checker.Zone(o.Zone)
	at := func(micros int64) string { return time.UnixMicro(micros).In(zone).Format("2006-01-02 15:04") }
	switch {
	case p.PurgeMark != nil && whole == *p.PurgeMark*1e6:
		b.notes = append(b.notes, fmt.Sprintf("rows before %s were purged: the replay begins when no window reaches below", at(whole)))
	case p.Baseline != nil && whole == *p.Baseline:
		b.notes = append(b.notes, fmt.Sprintf("before %s a row's timestamp was not observed: the replay begins when no window reaches below", at(whole)))
	case o.Since != nil && b.first > *o.Since:
		b.notes = append(b.notes, fmt.Sprintf("it begins later than was asked for: rows are whole from %s on, and windows reach back", at(whole)))
	}
	if b.recorded <= b.synthetic {
		return
	}
	b.notes = append(b.notes, fmt.Sprintf("before %s no fetch is on record: up to then every minute counts as judged in time, with the rows of its own time; "+
		"neither outages show nor, for the most part, rows that came late", at(b.recorded*1e6)))
}

// ceilMinute is the first minute, seconds since the epoch, at or after a time in
// microseconds.
func ceilMinute(micros int64) int64 {
	minute := dwmon.FloorMinute(micros / 1e6)
	for minute*1e6 < micros {
		minute += 60
	}
	return minute
}
