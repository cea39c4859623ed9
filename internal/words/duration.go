package words

import (
	"strconv"
	"strings"
	"time"
)

// unit is a unit of durations.
type unit struct {
	seconds int64
	// one and many are how it is abbreviated, long is its name.
	one, many, long string
	// from is the fewest seconds that are told in it: days begin at two, below that
	// people say hours.
	from int64
}

// units of durations, largest first.
var units = []unit{
	{86400, "day", "days", "day", 2 * 86400},
	{3600, "h", "h", "hour", 3600},
	{60, "min", "min", "minute", 60},
	{1, "s", "s", "second", 1},
}

// Exactly writes a number of seconds without rounding, for lines that are short of
// room: "3 min", "1 min 30 s", "24 h".
func Exactly(seconds int64) string { return inUnits(seconds, len(units)) }

// About writes a number of seconds in its two largest units: "26 min",
// "2 h 5 min". What is below a minute does not matter.
func About(seconds int64) string {
	if seconds < 60 {
		return "less than a minute"
	}
	return inUnits(seconds-seconds%60, 2)
}

func inUnits(seconds int64, most int) string {
	if seconds <= 0 {
		return "0 s"
	}
	var parts []string
	for _, u := range units {
		if seconds < u.from && len(parts) == 0 || seconds < u.seconds {
			if len(parts) > 0 {
				most-- // "2 days 5 min" would be of no use
			}
			continue
		}
		if len(parts) >= most {
			break
		}
		n := seconds / u.seconds
		seconds -= n * u.seconds
		parts = append(parts, Count(n, u.one, u.many))
	}
	return strings.Join(parts, " ")
}

// mostOfUnit is up to how many of a unit people say before they take a larger one
// as well: 90 seconds and 36 hours, but 2 hours and 1 minute.
const mostOfUnit = 120

// Duration writes a number of seconds without rounding, in full words and as people
// say it: "3 minutes", "90 seconds", "36 hours", "1 day".
func Duration(seconds int64) string {
	if seconds <= 0 {
		return "0 seconds"
	}
	for i, u := range units {
		if seconds%u.seconds == 0 && (seconds/u.seconds <= mostOfUnit || i == 0) {
			return Count(seconds/u.seconds, u.long, u.long+"s")
		}
	}
	var parts []string
	for _, u := range units {
		if n := seconds / u.seconds; n > 0 {
			parts = append(parts, Count(n, u.long, u.long+"s"))
			seconds -= n * u.seconds
		}
	}
	return And(parts)
}

// trimOne is a duration behind "every" and "in the": "minute" for "1 minute".
func trimOne(duration string) string { return strings.TrimPrefix(duration, "1 ") }

// Count counts things: "1 checker", "2 checkers".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// And joins parts as people list them: "a", "a and b", "a, b and c".
func And(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// FromNow says when a time is, seen from now, in its two largest units: "in 12 min",
// "2 h 5 min ago", "now" within the minute.
func FromNow(now, at time.Time) string {
	switch seconds := int64(at.Sub(now) / time.Second); {
	case seconds >= 60:
		return "in " + About(seconds)
	case seconds <= -60:
		return About(-seconds) + " ago"
	case seconds > 0:
		return "within a minute"
	default:
		return "now"
	}
}
