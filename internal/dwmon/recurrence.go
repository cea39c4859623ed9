package dwmon

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const dayMinutes = 24 * 60

// Recurrence is a window that comes again each week, as the clocks of a zone show
// it: it is open at every minute that bears one of its local times. At a change of
// the clocks a window within the hour that is skipped does not come that day, one
// within the hour that comes twice comes twice; a longer one is an hour shorter or
// longer. Checkers' hours follow the same rule.
type Recurrence struct {
	// Days are those on which the window opens; at least one.
	Days DaySet
	// From is included, To is not: minutes of the day, 0 ≤ From < 1440 and
	// From < To ≤ From + 1440. Beyond 1440, To is on the next day.
	From, To int
	// Zone is not nil.
	Zone *time.Location
}

// covers says whether the window is open at a time, microseconds since the epoch.
func (r *Recurrence) covers(at int64) bool {
	t := time.Unix(FloorMinute(floorDiv(at, 1e6)), 0).In(r.Zone)
	day, minute := int(t.Weekday()), t.Hour()*60+t.Minute()
	return r.open(day, minute) || r.open((day+6)%7, minute+dayMinutes)
}

// open says whether the window that opens on a day is open so many minutes after
// that day's midnight.
func (r *Recurrence) open(day, minute int) bool {
	return r.Days&(1<<day) != 0 && r.From <= minute && minute < r.To
}

// recurrenceAhead is how far ahead the next opening is looked for, in seconds: it
// comes in a week, unless a change of the clocks leaves it out.
const recurrenceAhead = 22 * 86400

// next gives the first time after another at which the window opens or closes,
// microseconds since the epoch; math.MaxInt64: none is near.
func (r *Recurrence) next(after int64) int64 {
	from := FloorMinute(floorDiv(after, 1e6)) + 60
	cal := newCalendar(r.Zone, nil, from, from+recurrenceAhead)
	for h, ok := cal.run(); ok; h, ok = cal.run() {
		// Within an hour it opens and closes only at its own ends; where an hour
		// begins, the day or the clocks may have changed.
		minutes := []int{h.First}
		for _, edge := range []int{r.From, r.To} {
			if edge %= dayMinutes; edge/60 == h.Hour && edge%60 > h.First && edge%60 < h.First+h.Count {
				minutes = append(minutes, edge%60)
			}
		}
		slices.Sort(minutes)
		for _, m := range minutes {
			at := h.epoch(m) * 1e6
			if r.covers(at) != r.covers(at-1) {
				return at
			}
		}
	}
	return math.MaxInt64
}

func (r *Recurrence) String() string { return r.Every() + " " + r.Zone.String() }

// Every writes days and times as ParseRecurrence reads them.
func (r *Recurrence) Every() string {
	to := r.To
	if to > dayMinutes {
		to -= dayMinutes
	}
	return formatDays(r.Days) + " " + clock(r.From) + "-" + clock(to)
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

const recurrenceForm = "write days and times such as 'SUN 02:00-04:00', 'MON-FRI 22:00-06:00' or, for every day, '02:00-02:30'"

// ParseRecurrence reads a window that comes again: days as CHECKDAYS, WEEKDAYS and
// WEEKENDS have them, or none for every day, and from when to when; one that ends no
// later than it begins ends on the next day. Case does not matter.
func ParseRecurrence(text string, zone *time.Location) (*Recurrence, error) {
	words := strings.Fields(strings.ToUpper(strings.ReplaceAll(text, "–", "-")))
	if len(words) == 0 {
		return nil, fmt.Errorf("no days and no times: %s", recurrenceForm)
	}
	r := &Recurrence{Zone: zone}
	if i := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, ":") }); i >= 0 && i < len(words)-1 {
		return nil, fmt.Errorf("%q: %s stands behind the times: a silence has one window, and its time zone is said apart (--zone)", text, words[i+1])
	}
	days, hours := words[:len(words)-1], words[len(words)-1]
	if len(days) == 0 {
		r.Days = Weekdays | Weekends
	}
	for _, word := range days {
		more, err := parseDays(word)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		r.Days |= more
	}
	if err := r.parseHours(hours); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return r, nil
}

func parseDays(word string) (days DaySet, err error) {
	for part := range strings.SplitSeq(word, ",") {
		switch part {
		case "":
			continue
		case "WEEKDAYS":
			days |= Weekdays
			continue
		case "WEEKENDS":
			days |= Weekends
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err := dayPlace(first)
		if err != nil {
			return 0, err
		}
		b, err := dayPlace(last)
		if err != nil {
			return 0, err
		}
		if a > b {
			return 0, fmt.Errorf("the days %s run backwards: a week begins with MON; write %s-SUN,MON-%s", part, first, last)
		}
		for i := a; i <= b; i++ {
			days |= 1 << ((i + 1) % 7)
		}
	}
	return days, nil
}

// dayPlace is where a day stands in DayNames.
func dayPlace(name string) (int, error) {
	if i := slices.Index(DayNames[:], name); i >= 0 {
		return i, nil
	}
	known := append([]string{"WEEKDAYS", "WEEKENDS"}, DayNames[:]...)
	meant, ok := Nearest(name, known)
	if !ok && len(name) > 3 {
		meant, ok = name[:3], slices.Contains(DayNames[:], name[:3])
	}
	if ok {
		return 0, fmt.Errorf("%q is no day; did you mean %s?", name, meant)
	}
	return 0, fmt.Errorf("%q is no day: MON, TUE, WED, THU, FRI, SAT, SUN; %s", name, recurrenceForm)
}

func (r *Recurrence) parseHours(text string) error {
	from, to, found := strings.Cut(text, "-")
	if !found || !strings.Contains(text, ":") {
		return fmt.Errorf("%q are no times; %s", text, recurrenceForm)
	}
	var err error
	if r.From, err = parseClock(from); err != nil {
		return err
	}
	if r.To, err = parseClock(to); err != nil {
		return err
	}
	switch {
	case r.From == dayMinutes:
		return fmt.Errorf("a window cannot begin at 24:00; write 00:00 of the next day")
	case r.From == r.To:
		return fmt.Errorf("it begins and ends at %s; a whole day is 00:00-24:00", from)
	case r.To < r.From:
		r.To += dayMinutes
	}
	return nil
}

func parseClock(text string) (minute int, err error) {
	bad := fmt.Errorf("%q is no time of day, 00:00 to 24:00", text)
	h, m, found := strings.Cut(text, ":")
	if !found || len(h) == 0 || len(h) > 2 || len(m) != 2 {
		return 0, bad
	}
	hours, err := strconv.ParseUint(h, 10, 8)
	if err != nil {
		return 0, bad
	}
	minutes, err := strconv.ParseUint(m, 10, 8)
	if err != nil || minutes > 59 || hours*60+minutes > dayMinutes {
		return 0, bad
	}
	return int(hours*60 + minutes), nil
}
