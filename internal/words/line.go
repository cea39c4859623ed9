package words

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Line says what a requirement line demands, and when: "every 20 minutes, 9:00 to
// 17:59 on weekdays, Europe/Berlin: 5 to 20 rows in the 3 minutes before". Lines
// that demand different things read differently. Without a zone none is named.
func Line(r dwmon.Requirement, zone *time.Location) string {
	when := Schedule(r)
	if zone != nil {
		when += ", " + Zone(zone)
	}
	return when + ": " + Demand(r)
}

// Demand says what the line demands at each of its minutes: "5 to 20 rows in the 3
// minutes before".
func Demand(r dwmon.Requirement) string { return Rows(r.Min, r.Max) + " " + Window(r) }

// Window words the span that is counted: "in the 3 minutes before".
func Window(r dwmon.Requirement) string {
	length, whose := Duration(r.Lookback), "their"
	if one, ok := strings.CutPrefix(length, "1 "); ok {
		length = one
		if !strings.Contains(one, " ") {
			whose = "its"
		}
	}
	text := "in the " + length + " before"
	if r.HalfOpen {
		text += ", " + whose + " first instant included"
	}
	return text
}

// Range words a range: "at least 5", "5 to 20", "exactly 3".
func Range(low, high dwmon.Bound) string {
	switch {
	case low.Set && high.Set && low.N == high.N:
		return "exactly " + Number(low.N)
	case low.Set && high.Set:
		return Number(low.N) + " to " + Number(high.N)
	case low.Set:
		return "at least " + Number(low.N)
	case high.Set:
		return "at most " + Number(high.N)
	default:
		return "any number"
	}
}

// Rows words a range of rows: "at least 1 row", "5 to 20 rows", "no rows".
func Rows(low, high dwmon.Bound) string {
	switch {
	case high.Set && high.N == 0:
		return "no rows"
	case low.Set && low.N == 0 && !high.Set:
		return "any number of rows"
	}
	if high.Set && high.N == 1 && (!low.Set || low.N == 1) || !high.Set && low.N == 1 {
		return Range(low, high) + " row"
	}
	return Range(low, high) + " rows"
}

// mostTimes is up to how many times of day are listed one by one.
const mostTimes = 6

// Schedule says when the line is checked: "every 20 minutes, 9:00 to 17:59 on
// weekdays".
func Schedule(r dwmon.Requirement) string {
	hours, minutes := members(uint64(r.Hours)), members(uint64(r.Minutes))
	if len(hours)*len(minutes) <= mostTimes {
		return "at " + And(timesOfDay(hours, minutes)) + " " + Days(r.Days)
	}
	switch {
	case len(hours) < 24:
		return Minutes(r.Minutes) + ", " + Hours(r.Hours) + " " + Days(r.Days)
	case r.Days == dwmon.Weekdays|dwmon.Weekends:
		return Minutes(r.Minutes) + ", day and night"
	default:
		return Minutes(r.Minutes) + ", day and night " + Days(r.Days)
	}
}

func timesOfDay(hours, minutes []int) []string {
	var times []string
	for _, h := range hours {
		for _, m := range minutes {
			times = append(times, fmt.Sprintf("%d:%02d", h, m))
		}
	}
	return times
}

// Minutes words a set of minutes: "every minute", "every 20 minutes", "at minutes 0
// to 29 of the hour".
func Minutes(set dwmon.MinuteSet) string {
	all := members(uint64(set))
	switch step, regular := step(all); {
	case len(all) == 60:
		return "every minute"
	case len(all) == 1:
		return fmt.Sprintf("at minute %d of the hour", all[0])
	case regular && step*len(all) == 60 && all[0] == 0:
		return fmt.Sprintf("every %d minutes", step)
	case regular && step*len(all) == 60:
		return fmt.Sprintf("every %d minutes from minute %d of the hour on", step, all[0])
	default:
		return "at minutes " + series(uint64(set)) + " of the hour"
	}
}

// Hours words a set of hours: "9:00 to 17:59", "in the hours 0, 2, 4 … 22".
func Hours(set dwmon.HourSet) string {
	all := members(uint64(set))
	if step, regular := step(all); regular && step > 1 && len(all) > 2 {
		return "in the hours " + series(uint64(set))
	}
	var spans []string
	for _, run := range runs(uint64(set)) {
		spans = append(spans, fmt.Sprintf("%d:00 to %d:59", run[0], run[1]))
	}
	return And(spans)
}

// Days words a set of days: "every day", "on weekdays", "on Mondays", "from Monday to
// Thursday", "on Monday, Wednesday and Friday".
func Days(set dwmon.DaySet) string {
	switch set {
	case dwmon.Weekdays | dwmon.Weekends:
		return "every day"
	case dwmon.Weekdays:
		return "on weekdays"
	case dwmon.Weekends:
		return "at weekends"
	}
	// The week begins on Monday: day 0 of time.Weekday is Sunday.
	week := uint64(set)>>1 | uint64(set&1)<<6
	name := func(i int) string { return time.Weekday((i + 1) % 7).String() }
	if bits.OnesCount64(week) == 1 {
		return "on " + name(bits.TrailingZeros64(week)) + "s"
	}
	var parts []string
	for _, run := range runs(week) {
		parts = append(parts, spanWords(run, name)...)
	}
	if len(parts) == 1 {
		return "from " + parts[0]
	}
	return "on " + And(parts)
}

// spanWords names the members of a run: two by two names, more as a span.
func spanWords(run [2]int, name func(int) string) []string {
	switch run[1] - run[0] {
	case 0:
		return []string{name(run[0])}
	case 1:
		return []string{name(run[0]), name(run[1])}
	default:
		return []string{name(run[0]) + " to " + name(run[1])}
	}
}

// series lists the members of a set. Long regular ones are cut short: three members
// and the last tell them all.
func series(set uint64) string {
	all := members(set)
	if step, regular := step(all); regular && step > 1 && len(all) > 4 {
		return fmt.Sprintf("%d, %d, %d … %d", all[0], all[1], all[2], all[len(all)-1])
	}
	var parts []string
	for _, run := range runs(set) {
		parts = append(parts, spanWords(run, strconv.Itoa)...)
	}
	return And(parts)
}

// step is the distance of neighbours where it is the same for all of them.
func step(all []int) (step int, regular bool) {
	if len(all) < 2 {
		return 0, false
	}
	step = all[1] - all[0]
	for i := 2; i < len(all); i++ {
		if all[i]-all[i-1] != step {
			return 0, false
		}
	}
	return step, true
}

// members are the numbers in a set, in order.
func members(set uint64) []int {
	var all []int
	for ; set != 0; set &= set - 1 {
		all = append(all, bits.TrailingZeros64(set))
	}
	return all
}

// runs are the first and last members of the set's unbroken runs.
func runs(set uint64) [][2]int {
	var all [][2]int
	for _, n := range members(set) {
		if len(all) > 0 && all[len(all)-1][1] == n-1 {
			all[len(all)-1][1] = n
		} else {
			all = append(all, [2]int{n, n})
		}
	}
	return all
}
