package checkfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// scale is what a set of hours or minutes counts.
type scale struct {
	token string
	// unit is one of them, whole what they make up.
	unit, whole string
	size        int
}

var (
	hourScale   = scale{tokHours, "hour", "day", 24}
	minuteScale = scale{tokMinutes, "minute", "hour", 60}
)

func (l *lineReader) hours(value string) (message, hint string) {
	set, message, hint := l.set(value, hourScale)
	l.req.Hours = dwmon.HourSet(set)
	return message, hint
}

func (l *lineReader) minutes(value string) (message, hint string) {
	set, message, hint := l.set(value, minuteScale)
	l.req.Minutes = dwmon.MinuteSet(set)
	return message, hint
}

// set reads a list of numbers, ranges and steps.
func (l *lineReader) set(value string, sc scale) (set uint64, message, hint string) {
	repeated := false
	for i, item := range strings.Split(value, ",") {
		add, message, mended := sc.item(item)
		if message != "" {
			if mended == "" {
				return 0, message, sc.remedy(item)
			}
			// A range that is backwards may also go over midnight.
			if mended != "" && (item == "*" || strings.Contains(item, "/")) {
				l.mended = strings.Replace(value, item, mended, 1)
			}
			if mended != "" {
				mended = "did you mean " + word(sc.token+strings.Replace(value, item, mended, 1)) + "?"
			}
			if a, b, ok := strings.Cut(item, "-"); ok && mended != "" && sc.size == 24 && value == item && !strings.Contains(item, "/") {
				mended += fmt.Sprintf(" Over midnight: %s0-%s,%s-23", sc.token, b, a)
			}
			return 0, message, mended
		}
		if set|add == set && !repeated {
			repeated = true
			l.listedTwice(value, i)
		}
		set |= add
	}
	l.unevenSteps(value, sc)
	return set, "", ""
}

// listedTwice warns of an entry that adds nothing to what stands before it.
func (l *lineReader) listedTwice(value string, entry int) {
	items := strings.Split(value, ",")
	f := l.warn(dwmon.CodeListedTwice, word(l.text)+": "+items[entry]+" is in the list already", "remove it")
	replace(f, l.text, strings.TrimSuffix(l.text, value)+strings.Join(slices.Delete(items, entry, entry+1), ","))
}

// unevenSteps warns of */n where n does not divide the whole: the last step is
// shorter, which few people mean.
func (l *lineReader) unevenSteps(value string, sc scale) {
	step, ok := strings.CutPrefix(value, "*/")
	n, message := number(step)
	if !ok || message != "" || sc.size%int(n) == 0 {
		return
	}
	last := (sc.size - 1) / int(n) * int(n)
	l.warn(dwmon.CodeUnevenStep, fmt.Sprintf("%s: from %s %d to the next %s's %s 0 the step is %d, not %d",
		word(sc.token+value), sc.unit, last, sc.whole, sc.unit, sc.size-last, n),
		fmt.Sprintf("take a step that divides %d, or name the %ss in a list", sc.size, sc.unit))
}

// item reads one number, range or step; mended is what may be meant by a faulty
// one.
func (sc scale) item(item string) (set uint64, message, mended string) {
	if step, ok := strings.CutPrefix(item, "*/"); ok {
		n, message := number(step)
		if step == "" {
			message = "*/ has no number"
		}
		if message == "" && (n < 1 || n >= int64(sc.size)) {
			message = fmt.Sprintf("*/n takes n from 1 to %d", sc.size-1)
		}
		if message != "" {
			return 0, message, ""
		}
		return dwmon.StepSet(int(n), sc.size), "", ""
	}
	every := fmt.Sprintf("0-%d", sc.size-1)
	switch {
	case item == "*":
		return 0, "* is no " + sc.unit, every
	case item == "":
		return 0, emptyEntry, ""
	}
	if span, step, ok := strings.Cut(item, "/"); ok {
		if span == every {
			return 0, "steps go over the whole " + sc.whole + ", without a range", "*/" + step
		}
		return sc.stepped(span, step)
	}
	from, to, ranged := strings.Cut(item, "-")
	if ranged && (from == "" || to == "") {
		return 0, "the range " + item + " has one end only", ""
	}
	a, message := sc.one(from)
	if message != "" {
		return 0, message, ""
	}
	b := a
	if ranged {
		if b, message = sc.one(to); message != "" {
			return 0, message, ""
		}
	}
	if a > b {
		return 0, "the range " + item + " is backwards", to + "-" + from
	}
	return span(a, b), "", ""
}

// An entry with nothing in it.
const (
	emptyEntry     = "an entry of the list is empty"
	emptyEntryHint = "remove a comma"
)

// remedy says how an entry is mended of which nobody can say what it means; "" where
// the fault says it.
func (sc scale) remedy(item string) string {
	switch {
	case item == "":
		return emptyEntryHint
	case item == "*/":
		return "write */5 for every fifth " + sc.unit
	case strings.HasPrefix(item, "-") || strings.HasSuffix(item, "-"):
		return "write both ends, such as " + sc.token + "9-17"
	}
	return ""
}

// stepped reports a step that cron would take, with the list that it means there.
func (sc scale) stepped(span, step string) (set uint64, message, mended string) {
	message = "steps go over the whole " + sc.whole + " only, as in */" + step
	from, to, ranged := strings.Cut(span, "-")
	a, fault := sc.one(from)
	b, n := sc.size-1, int64(0)
	if ranged && fault == "" {
		b, fault = sc.one(to)
	}
	if fault == "" {
		n, fault = number(step)
	}
	if fault != "" || n < 1 || n >= int64(sc.size) || a > b {
		return 0, message, ""
	}
	var list []string
	for ; a <= b; a += int(n) {
		list = append(list, strconv.Itoa(a))
	}
	return 0, message, strings.Join(list, ",")
}

func (sc scale) one(text string) (n int, message string) {
	v, message := number(text)
	if message == "" && v >= int64(sc.size) {
		message = fmt.Sprintf("%s is no %s: 0 to %d", word(text), sc.unit, sc.size-1)
	}
	return int(v), message
}

// span is the set of a to b.
func span(a, b int) uint64 {
	return (1<<(b-a+1) - 1) << a
}

// days reads a list of days and ranges of days, Monday first.
func (l *lineReader) days(value string) (message, hint string) {
	var mondayFirst uint64
	repeated := false
	for i, item := range strings.Split(value, ",") {
		from, to, ranged := strings.Cut(item, "-")
		if !ranged {
			to = from
		}
		a, b := slices.Index(dwmon.DayNames[:], from), slices.Index(dwmon.DayNames[:], to)
		switch {
		case item == "":
			return emptyEntry, emptyEntryHint
		case a < 0:
			return l.dayFault(value, from)
		case b < 0:
			return l.dayFault(value, to)
		case a > b:
			return "the range " + item + " is backwards: weeks run from MON to SUN", "write " + aroundWeek(a, b) + " in its place"
		}
		add := span(a, b)
		if mondayFirst|add == mondayFirst && !repeated {
			repeated = true
			l.listedTwice(value, i)
		}
		mondayFirst |= add
	}
	for i := range dwmon.DayNames {
		if mondayFirst&(1<<i) != 0 {
			l.req.Days |= 1 << ((i + 1) % 7)
		}
	}
	return "", ""
}

func (l *lineReader) dayFault(value, day string) (message, hint string) {
	hint = "days are " + strings.Join(dwmon.DayNames[:], " ")
	upper := strings.ToUpper(day)
	if len(upper) >= 3 && slices.Contains(dwmon.DayNames[:], upper[:3]) {
		l.mended = strings.Replace(strings.ToUpper(value), upper, upper[:3], 1)
		hint = "did you mean " + word(tokDays+l.mended) + "?"
	}
	return word(day) + " is no day", hint
}

// aroundWeek writes the range a-b, a after b, in two parts.
func aroundWeek(a, b int) string {
	part := func(a, b int) string {
		if a == b {
			return dwmon.DayNames[a]
		}
		return dwmon.DayNames[a] + "-" + dwmon.DayNames[b]
	}
	return part(0, b) + "," + part(a, 6)
}
