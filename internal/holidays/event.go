package holidays

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// event is a VEVENT that lasts whole days.
type event struct {
	uid, name string
	start     *property // DTSTART
	from      dwmon.Day
	days      int64 // how many, at least 1
	cancelled bool

	rules, exrules []*property
	dates, exdates []dwmon.Day
	// instead is the occurrence that the event stands for; nil where it is the
	// event itself.
	instead *dwmon.Day
}

// maxDepth is how deep components may lie in each other.
const maxDepth = 20

// events reads the components of a text. false: it cannot be trusted as a whole.
func (r *reader) events(text []byte) (events []*event, ok bool) {
	var open []*property
	var props []*property
	calendars, broken := 0, false
	stop := func(at *property, hint, format string, args ...any) bool {
		r.errorf(at, hint, format, args...)
		broken = true
		return false
	}
	unfold(text, func(line int, first string, whole []byte) bool {
		p, complete := scan(line, first, whole)
		switch {
		case p == nil:
		case !complete && len(open) > 0 && p.name != "BEGIN" && p.name != "END":
			if inEvent(open) {
				r.errorf(p, "write "+p.name+":VALUE", "%s has no value", p.name)
			}
		case len(open) == 0 && (p.name != "BEGIN" || !strings.EqualFold(p.value, "VCALENDAR")):
			return stop(p, "an .ics file begins with BEGIN:VCALENDAR", "this is no iCalendar file")
		case p.name == "BEGIN":
			if len(open) == maxDepth {
				return stop(p, "", "components lie more than %d deep in each other", maxDepth)
			}
			if open = append(open, p); inEvent(open) {
				props = nil
			}
		case p.name == "END":
			begin := open[len(open)-1]
			if !strings.EqualFold(begin.value, p.value) {
				return stop(p, "the file may have been cut off or put together wrongly: fetch it again", "END:%s ends the %s of line %d", short(p.value), short(begin.value), begin.line)
			}
			if inEvent(open) {
				if e := r.event(begin, props); e != nil {
					events = append(events, e)
				}
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				calendars++
			}
		case inEvent(open):
			props = append(props, p)
		}
		return true
	})
	switch {
	case broken:
		return nil, false
	case len(open) > 0:
		begin := open[len(open)-1]
		r.errorf(begin, "the file was cut off: fetch it again", "the %s that begins here has no end", short(begin.value))
		return nil, false
	case calendars == 0:
		r.errorf(nil, "an .ics file begins with BEGIN:VCALENDAR; a web page may have been saved instead", "this is no iCalendar file")
		return nil, false
	}
	return events, true
}

// inEvent says that a property belongs to an event itself, not to an alarm in it.
func inEvent(open []*property) bool {
	return len(open) == 2 && strings.EqualFold(open[1].value, "VEVENT")
}

// short keeps an odd value from filling a line.
func short(value string) string {
	if chars := []rune(strings.ToValidUTF8(value, "\ufffd")); len(chars) > 40 {
		return string(chars[:40]) + "…"
	}
	return value
}

// event makes an event of its properties; nil where it closes nothing.
func (r *reader) event(begin *property, props []*property) *event {
	e := &event{}
	var end, duration *property
	var rdates, exdates, instead []*property
	for _, p := range props {
		switch p.name {
		case "UID":
			e.uid = p.value
		case "SUMMARY":
			e.name = p.value
		case "STATUS":
			e.cancelled = strings.EqualFold(p.value, "CANCELLED")
		case "DTSTART":
			e.start = p
		case "DTEND":
			end = p
		case "DURATION":
			duration = p
		case "RRULE":
			e.rules = append(e.rules, p)
		case "EXRULE":
			e.exrules = append(e.exrules, p)
		case "RDATE":
			rdates = append(rdates, p)
		case "EXDATE":
			exdates = append(exdates, p)
		case "RECURRENCE-ID":
			instead = append(instead, p)
		}
	}
	e.name = nameOf(e.name)
	switch {
	case e.start == nil:
		r.errorf(begin, "add DTSTART;VALUE=DATE:YYYYMMDD", "the event %s has no DTSTART", e.name)
		return nil
	case !e.start.dateTyped() && strings.Contains(e.start.value, "T"):
		if !e.cancelled {
			if r.timed++; r.firstTimed == nil {
				r.firstTimed = e.start
			}
		}
		if len(instead) == 0 {
			return nil
		}
		e.cancelled = true // the day that it replaces is open all the same
	}
	var ok bool
	if e.from, ok = r.day(e.start, e.start.value); !ok {
		return nil
	}
	if e.days, ok = r.length(e, end, duration); !ok {
		return nil
	}
	if e.dates, ok = r.dayList(rdates); !ok {
		return nil
	}
	if e.exdates, ok = r.dayList(exdates); !ok {
		return nil
	}
	for _, p := range instead {
		day, ok := r.day(p, p.value)
		if !ok {
			return nil
		}
		if strings.Contains(p.params, "RANGE=THISANDFUTURE") {
			r.errorf(p, "end the event with UNTIL, and begin another", "RANGE=THISANDFUTURE is not followed: only this occurrence is replaced")
		}
		e.instead = &day
	}
	return e
}

// years that events may lie in: before, there was another calendar.
const minYear, maxYear = 1583, 9000

// day reads YYYYMMDD; a time of day behind it does not matter.
func (r *reader) day(at *property, value string) (dwmon.Day, bool) {
	date, _, _ := strings.Cut(value, "T")
	t, err := time.Parse("20060102", date)
	switch {
	case err != nil:
		r.errorf(at, "write it as YYYYMMDD, such as 20261225", "%s is %q, which is no date", at.name, short(value))
	case t.Year() < minYear || t.Year() > maxYear:
		r.errorf(at, "", "%s is %q; years from %d to %d can be looked at", at.name, short(value), minYear, maxYear)
	default:
		return dwmon.DayOf(t.Date()), true
	}
	return 0, false
}

// dayList reads the dates of RDATE and EXDATE lines. Of periods the first day
// counts.
func (r *reader) dayList(props []*property) (days []dwmon.Day, ok bool) {
	for _, p := range props {
		for value := range strings.SplitSeq(p.value, ",") {
			value, _, _ = strings.Cut(strings.TrimSpace(value), "/")
			if value == "" {
				continue
			}
			day, ok := r.day(p, value)
			if !ok {
				return nil, false
			}
			days = append(days, day)
		}
	}
	return days, true
}

var wholeDays = regexp.MustCompile(`^\+?P(?:([0-9]{1,5})W|([0-9]{1,5})D)$`)

// length is how many days an event lasts. Where DTEND is DTSTART, as many
// programs write it, that one day is meant.
func (r *reader) length(e *event, end, duration *property) (days int64, ok bool) {
	switch {
	case end != nil:
		until, ok := r.day(end, end.value)
		if !ok {
			return 0, false
		}
		if until < e.from {
			r.errorf(end, "DTEND is the day after the last one", "the event %s ends %s, before it begins (%s)", e.name, until, e.from)
			return 0, false
		}
		return max(1, int64(until-e.from)), true
	case duration != nil:
		m := wholeDays.FindStringSubmatch(strings.ToUpper(duration.value))
		if m == nil {
			r.errorf(duration, "write P1D for one day, P2W for two weeks", "DURATION is %q, not whole days or weeks", short(duration.value))
			return 0, false
		}
		weeks, _ := strconv.ParseInt(m[1], 10, 64) // at most five digits, or none: 0
		single, _ := strconv.ParseInt(m[2], 10, 64)
		return max(1, weeks*7+single), true
	default:
		return 1, true
	}
}
