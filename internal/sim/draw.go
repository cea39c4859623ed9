package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// pick gives one of some values.
func pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// oneIn is true once in n times.
func oneIn(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }

// zones are those whose clocks do something that others do not: change by an hour in
// either half of the year, by half an hour, not at all, lie at quarters of an hour.
var zones = load("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")

func load(names ...string) (all []*time.Location) {
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		all = append(all, zone)
	}
	return all
}

// begins are days shortly before the clocks are changed somewhere, and plain ones.
var begins = []string{
	"2026-03-26T22:10:00Z", "2026-10-23T20:05:00Z", "2026-03-06T03:00:00Z", "2026-10-30T18:59:00Z", "2026-04-03T11:00:00Z", "2026-10-02T11:00:00Z",
	"2027-12-30T23:00:00Z", "2028-02-27T12:34:56Z", "2040-12-30T12:00:00Z", "2026-06-01T00:00:00Z", "1969-12-30T00:00:00Z",
}

// query is what a checker asks its source.
type query struct {
	// part and of choose rows: those whose number leaves part when divided by of.
	part, of int
	// limit is that of the text, 0: none; capped is where the source cuts by itself.
	limit, capped int
	order         order
	// window is how old the rows may be that it asks for, seconds.
	window int64
}

// order is the order of a result.
type order uint8

const (
	newestFirst order = iota
	oldestFirst
	anyOrder
)

func (q query) String() string {
	text := fmt.Sprintf("SELECT key, ts FROM events WHERE number %% %d = %d AND ts > now() - %d", q.of, q.part, q.window)
	switch q.order {
	case newestFirst:
		text += " ORDER BY ts DESC"
	case oldestFirst:
		text += " ORDER BY ts"
	}
	if q.limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", q.limit)
	}
	if q.capped > 0 {
		text += fmt.Sprintf(" -- the server gives at most %d", q.capped)
	}
	return text
}

func (q query) wants(number int) bool { return number%q.of == q.part }

func (l *life) drawQuery(s *source) query {
	q := query{of: pick(l.rng, 1, 1, 1, 2, 3)}
	q.part = l.rng.IntN(q.of)
	q.window = min(max(int64(100*60/s.rate), 1200), 86400)
	switch l.rng.IntN(8) {
	case 0:
		q.limit = pick(l.rng, 1, 2, 5, 20, 60)
	case 1:
		q.capped = pick(l.rng, 1, 3, 10, 50)
	}
	if q.limit+q.capped == 0 || oneIn(l.rng, 4) {
		q.order = pick(l.rng, newestFirst, oldestFirst, anyOrder)
	}
	return q
}

// drawLines draws one to three different lines.
func (l *life) drawLines() (lines []dwmon.Requirement) {
	rng := l.rng
	have := map[string]bool{}
	for range pick(rng, 1, 1, 2, 2, 3) {
		r := dwmon.Requirement{
			Hours:    dwmon.HourSet(pick(rng, 1<<24-1, 1<<24-1, 1<<24-1, 1<<2|1<<3, 0xff00, rng.Uint32N(1<<24-1)+1)),
			Minutes:  dwmon.MinuteSet(pick(rng, 1<<60-1, every(5), every(10), every(20), every(20), every(30), every(7), 1, 1<<29|1<<30|1<<59)),
			Days:     pick(rng, dwmon.Weekdays|dwmon.Weekends, dwmon.Weekdays|dwmon.Weekends, dwmon.Weekdays, dwmon.Weekends, 1<<time.Sunday),
			Lookback: pick[int64](rng, 1, 30, 60, 61, 90, 180, 300, 600, 1200, 1200, 3600),
			HalfOpen: oneIn(rng, 3),
		}
		if !oneIn(rng, 4) {
			r.Min = dwmon.At(rng.Int64N(6))
		}
		if !r.Min.Set || oneIn(rng, 2) {
			r.Max = dwmon.At(r.Min.N + rng.Int64N(12))
		}
		if id := r.Identity(); !have[id] {
			have[id] = true
			lines = append(lines, r)
		}
	}
	return lines
}

// every is the minutes that a step hits.
func every(n int) (set uint64) {
	for m := 0; m < 60; m += n {
		set |= 1 << m
	}
	return set
}

// drawAlert draws when incidents open and close.
func (l *life) drawAlert() dwmon.AlertRule {
	r := dwmon.DefaultAlertRule
	if oneIn(l.rng, 2) {
		r.Of = 1 + l.rng.IntN(5)
		r.After = 1 + l.rng.IntN(r.Of)
		r.Recover = 1 + l.rng.IntN(4)
		r.UnknownAfter = 1 + l.rng.IntN(4)
		r.Repeat = pick(l.rng, 0, 0, 30*time.Minute, 4*time.Hour)
		r.Growth = pick(l.rng, 1, 1.5, 2)
	}
	return r
}

// drawClosed closes some days around the present.
func (l *life) drawClosed(zone *time.Location) map[string]bool {
	dates := map[string]bool{}
	for range l.rng.IntN(3) {
		dates[l.now().In(zone).AddDate(0, 0, l.rng.IntN(8)-2).Format(time.DateOnly)] = true
	}
	return dates
}

// closedDays are the dates as the engine takes them.
func closedDays(dates map[string]bool) *dwmon.ClosedDays {
	names := map[dwmon.Day]string{}
	for date := range dates {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			panic(err)
		}
		names[dwmon.DayOf(at.Date())] = "a holiday"
	}
	return dwmon.NewClosedDays(names)
}

func (f *checkFile) close(dates map[string]bool) { f.closed, f.days = dates, closedDays(dates) }

// checkFile is a checker's file, and what the configuration says of it.
type checkFile struct {
	name    string
	source  *source
	query   query
	closed  map[string]bool   // by date
	days    *dwmon.ClosedDays // the same
	purging purging
	alert   dwmon.AlertRule
	checker *dwmon.Checker
	// off is empty while the file is there and enabled.
	off   dwmon.OffReason
	edits int
}

func (l *life) drawFile(i int) *checkFile {
	f := &checkFile{name: fmt.Sprintf("c%d", i), source: pick(l.rng, l.sources...)}
	if oneIn(l.rng, 2) {
		f.name = fmt.Sprintf("billing/c%d", i)
	}
	f.purging = pick(l.rng, noPurge, noPurge, purgeOld, purgeAnything)
	f.query = l.drawQuery(f.source)
	options := dwmon.Options{
		Assumed: oneIn(l.rng, 8), Owner: pick(l.rng, "", "payments"),
		Grace: time.Duration(pick(l.rng, 0, 0, 0, 30, 60, 90, 300)) * time.Second,
	}
	if oneIn(l.rng, 2) {
		options.Timezone = pick(l.rng, zones...)
	}
	f.alert = l.drawAlert()
	l.write(f, l.drawLines(), options)
	f.close(l.drawClosed(f.checker.Zone(l.zone)))
	return f
}

// write makes a checker of what the file says now.
func (l *life) write(f *checkFile, lines []dwmon.Requirement, options dwmon.Options) {
	f.edits++
	c := &dwmon.Checker{
		Name: f.name, File: f.name + ".dwmon", Query: f.query.String(), Source: f.source.name, Extra: []byte("{}"), Options: options, Lines: lines,
		Revision: fmt.Sprintf("%s#%d", f.name, f.edits), Text: fmt.Appendf(nil, "text %d of %s", f.edits, f.name),
	}
	f.checker = c
}

// edit changes something of the file.
func (l *life) edit(f *checkFile) {
	lines, options := f.checker.Lines, f.checker.Options
	switch l.rng.IntN(6) {
	case 0:
		lines = l.drawLines()
	case 1: // one more, or one less
		lines = append(lines[:len(lines):len(lines)], l.drawLines()...)
		lines = distinct(lines)
	case 2:
		if len(lines) > 1 {
			lines = lines[1:]
		}
	case 3: // the look-back
		lines = append([]dwmon.Requirement{}, lines...)
		lines[0].Lookback = pick[int64](l.rng, 1, 60, 3600, 7200)
		lines = distinct(lines)
	case 4:
		f.query = l.drawQuery(f.source)
	case 5:
		options.Grace = time.Duration(pick(l.rng, 0, 30, 90)) * time.Second
		options.Timezone = pick(l.rng, zones...)
	}
	l.write(f, lines, options)
	l.note("%s is edited: %d lines, %q", f.name, len(lines), f.checker.Query)
}

func distinct(lines []dwmon.Requirement) (left []dwmon.Requirement) {
	have := map[string]bool{}
	for _, r := range lines {
		if id := r.Identity(); !have[id] && len(left) < 4 {
			have[id] = true
			left = append(left, r)
		}
	}
	return left
}
