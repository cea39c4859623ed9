package holidays

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// painter marks the days of a span that events lie on.
type painter struct {
	*reader
	span
	days map[dwmon.Day]string
	// any: an event takes place at all. endless: one has no end that is known; else
	// last is the last day of all.
	any, endless bool
	last         dwmon.Day
	// effort and marks are what may still be spent on a file.
	effort, marks int64
}

// maxEffort and maxMarks bound the work that the events of one file may make, in
// steps of rrule-go and in marked days: seconds at the most. Calendars of holidays
// need a thousandth of it.
const (
	maxEffort = 200_000_000
	maxMarks  = 10_000_000
)

func newPainter(r *reader, s span) *painter {
	return &painter{reader: r, span: s, days: map[dwmon.Day]string{}, effort: maxEffort, marks: maxMarks}
}

// paint marks the days of all events.
func (p *painter) paint(events []*event) {
	replaced := map[string][]dwmon.Day{} // by UID
	for _, e := range events {
		if e.instead != nil && e.uid != "" {
			replaced[e.uid] = append(replaced[e.uid], *e.instead)
		}
	}
	for uid := range replaced {
		slices.Sort(replaced[uid])
	}
	for _, e := range events {
		if e.cancelled {
			continue
		}
		if err := p.paintOne(e, replaced[e.uid]); err != nil {
			at := e.start
			if rules := append(slices.Clone(e.rules), e.exrules...); len(rules) > 0 {
				at = rules[0]
			}
			p.errorf(at, "", "the event %s is left out: %v", e.name, err)
		}
	}
}

// paintOne marks the occurrences of an event but those that another stands for.
func (p *painter) paintOne(e *event, replaced []dwmon.Day) error {
	if e.instead != nil { // it stands for one occurrence, and is one
		replaced, e.rules, e.exrules, e.dates, e.exdates = nil, nil, nil, nil, nil
	}
	starts := append([]dwmon.Day{e.from}, e.dates...)
	endless := false
	for _, rule := range e.rules {
		more, open, err := p.occurrences(e, rule)
		if err != nil {
			return err
		}
		starts, endless = append(starts, more...), endless || open
	}
	gone := slices.Clone(e.exdates)
	for _, rule := range e.exrules {
		more, _, err := p.occurrences(e, rule)
		if err != nil {
			return err
		}
		gone = append(gone, more...)
	}
	slices.Sort(gone)
	slices.Sort(starts)
	for _, start := range slices.Compact(starts) {
		_, excluded := slices.BinarySearch(gone, start)
		_, moved := slices.BinarySearch(replaced, start)
		if !excluded && !moved && !p.mark(e, start) {
			return errEffort
		}
	}
	p.endless = p.endless || endless
	return nil
}

var errEffort = errors.New("the events of the file repeat too often to be looked at")

// mark marks the days of one occurrence that lie in the span; false where that
// would cost too much.
func (p *painter) mark(e *event, start dwmon.Day) bool {
	last := start + dwmon.Day(e.days) - 1
	if !p.any || last > p.last {
		p.last = last
	}
	p.any = true
	from, until := max(start, p.from), min(last, p.until)
	if from > until {
		return true
	}
	if p.marks -= int64(until - from + 1); p.marks < 0 {
		return false
	}
	for day := from; day <= until; day++ {
		if _, named := p.days[day]; !named {
			p.days[day] = e.name
		}
	}
	return true
}

// occurrences are the days on which a rule lets an event begin, so far as they
// touch the span, or the last one before it. open says that the rule goes on
// beyond it.
func (p *painter) occurrences(e *event, rule *property) (starts []dwmon.Day, open bool, err error) {
	defer func() {
		// rrule-go runs over the ends of its tables where a rule names, say, a 53rd
		// Monday of a month.
		if r := recover(); r != nil {
			starts, open, err = nil, false, errors.New("its rule names days that there cannot be")
		}
	}()
	o, err := readRule(rule.value)
	if err != nil {
		return nil, false, err
	}
	earliest := p.from - dwmon.Day(e.days) + 1
	until := p.until
	if !o.Until.IsZero() {
		until = min(until, dwmon.DayOf(o.Until.Date()))
	}
	if e.from > p.until {
		return nil, o.Until.IsZero(), nil
	}
	shift := cycles(p.until)
	o.Dtstart, o.Until = e.from.Midnight().AddDate(shift, 0, 0), until.Midnight().AddDate(shift, 0, 0)
	if p.effort -= effort(o); p.effort < 0 {
		return nil, false, errEffort
	}
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, false, err
	}
	next := r.Iterator()
	for at, ok := next(); ok; at, ok = next() {
		day := dwmon.DayOf(at.AddDate(-shift, 0, 0).Date())
		if len(starts) == 1 && starts[0] < earliest {
			starts = starts[:0]
		}
		starts = append(starts, day)
	}
	return starts, until == p.until && o.Count == 0, nil
}

// cycles is by how many years days are moved before rrule-go sees them. It looks
// for the next occurrence until the year 9999, also where there is none: so near
// to it that costs little. After 400 years dates fall on the same days of the week.
func cycles(until dwmon.Day) int {
	return (rrule.MAXYEAR - until.Midnight().Year()) / 400 * 400
}

// effort is at most how many steps rrule-go takes to find that a rule has no
// further occurrence.
func effort(o *rrule.ROption) int64 {
	step := map[rrule.Frequency]int64{rrule.YEARLY: 1, rrule.MONTHLY: 1, rrule.WEEKLY: 4, rrule.DAILY: 10}[o.Freq]
	lists := len(o.Bymonth) + len(o.Bymonthday) + len(o.Byyearday) + len(o.Byweekno) + len(o.Byweekday)
	years := int64(rrule.MAXYEAR - o.Dtstart.Year() + 1)
	return max(1, years*366*step/int64(max(1, o.Interval))*int64(1+lists/8+len(o.Bysetpos)))
}

// maxRule is the longest rule, in bytes, maxInterval the longest interval. What is
// longer no holiday needs.
const (
	maxRule     = 1000
	maxInterval = 1000
)

// readRule reads a rule for events that last whole days.
func readRule(text string) (*rrule.ROption, error) {
	if len(text) > maxRule {
		return nil, fmt.Errorf("its rule is longer than %d characters", maxRule)
	}
	var parts []string
	var until time.Time
	for part := range strings.SplitSeq(strings.ToUpper(text), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "", "BYHOUR", "BYMINUTE", "BYSECOND": // days have none: RFC 5545 wants them passed over
			continue
		case "BYEASTER": // an extension of the library
			return nil, errors.New("BYEASTER is no part of a rule: list the dates in RDATE")
		case "UNTIL":
			date, _, _ := strings.Cut(value, "T")
			var err error
			if until, err = time.Parse("20060102", date); err != nil {
				return nil, fmt.Errorf("UNTIL is %q, which is no date", short(value))
			}
			continue
		}
		parts = append(parts, part)
	}
	o, err := rrule.StrToROption(strings.Join(parts, ";"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("its rule cannot be read: %w", err)
	case o.Freq > rrule.DAILY:
		return nil, fmt.Errorf("its rule is %s, which days cannot follow: YEARLY, MONTHLY, WEEKLY or DAILY can", o.Freq)
	case o.Interval < 0 || o.Interval > maxInterval:
		return nil, fmt.Errorf("INTERVAL is %d; 1 to %d can be followed", o.Interval, maxInterval)
	case o.Count < 0:
		return nil, fmt.Errorf("COUNT is %d", o.Count)
	}
	o.Until = until
	return o, nil
}
